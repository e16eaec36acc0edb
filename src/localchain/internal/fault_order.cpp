#include "localchain/internal/fault_order.h"

#include <fmt/format.h>

#include <vector>

namespace adyton::localchain::internal {
namespace {

using base::Json;

constexpr std::uint64_t kCallsMax = 1'000'000'000;
constexpr std::uint64_t kDelayMsMax = 600'000;
constexpr std::int64_t kHeightLieMax = 1'000'000;
constexpr std::size_t kTextMax = 200;

Result<std::uint64_t> number(
    std::string_view name, const Json& value, std::uint64_t min, std::uint64_t max) {
    const auto read =
        value.is_number() ? value.as_uint64() : Result<std::uint64_t>(Error::invalid_argument(""));
    if (!read || *read < min || *read > max) {
        return Error::invalid_argument(fmt::format("{} must be {} to {}", name, min, max));
    }
    return read;
}

Result<std::string> text(std::string_view name, const Json& value) {
    if (!value.is_string() || value.string_value().size() > kTextMax) {
        return Error::invalid_argument(
            fmt::format("{} must be a text of at most {} bytes", name, kTextMax));
    }
    return value.string_value();
}

Result<void> read_member(
    FaultWish& out, std::string_view name, const Json& value, std::uint32_t lag_max) {
    if (name == "clear") {
        if (!value.is_boolean()) return Error::invalid_argument("clear must be true or false");
        out.clear = value.boolean_value();
    } else if (name == "lag") {
        TRY(const auto blocks, number(name, value, 0, lag_max));
        out.lag = static_cast<std::uint32_t>(blocks);
    } else if (name == "height_lie") {
        const auto blocks = value.is_number() ? value.as_int64()
                                              : Result<std::int64_t>(Error::invalid_argument(""));
        if (!blocks || *blocks < -kHeightLieMax || *blocks > kHeightLieMax) {
            return Error::invalid_argument(
                fmt::format("height_lie must be {} to {}", -kHeightLieMax, kHeightLieMax));
        }
        out.height_lie = *blocks;
    } else if (name == "method") {
        TRY(out.method, text(name, value));
    } else if (name == "text") {
        TRY(out.text, text(name, value));
    } else if (name == "skip") {
        TRY(out.skip, number(name, value, 0, kCallsMax));
    } else if (name == "count") {
        TRY(out.count, number(name, value, 0, kCallsMax));
    } else if (name == "per_mille") {
        TRY(const auto chance, number(name, value, 1, 1000));
        out.per_mille = static_cast<unsigned>(chance);
    } else if (name == "http_status") {
        TRY(const auto status, number(name, value, 400, 599));
        out.http_status = static_cast<int>(status);
    } else if (name == "delay_ms") {
        TRY(const auto span, number(name, value, 0, kDelayMsMax));
        out.delay = std::chrono::milliseconds(span);
    } else if (name == "blocks") {
        TRY(const auto blocks, number(name, value, 0, lag_max));
        out.blocks = static_cast<std::uint32_t>(blocks);
    } else {
        return Error::invalid_argument(fmt::format(
            "unknown member {}; known: fault method skip count per_mille http_status text delay_ms "
            "blocks lag height_lie clear",
            name));
    }
    return {};
}

}  // namespace

Result<FaultWish> parse_fault_wish(
    const Json& params, const std::string_view* names, std::size_t names_count,
    std::uint32_t lag_max) {
    const bool wrapped = params.is_array() && params.size() == 1;
    const Json& asked = wrapped ? params.items()[0] : params;
    FaultWish out;
    if (asked.is_array() && asked.size() == 0) return out;
    if (!asked.is_object()) return Error::invalid_argument("params must be an object");
    bool detailed = false;
    for (const auto& [name, value] : asked.members()) {
        if (name != "fault") {
            TRY_VOID(read_member(out, name, value, lag_max));
            detailed = detailed || (name != "clear" && name != "lag" && name != "height_lie");
            continue;
        }
        TRY(const std::string fault, text(name, value));
        const auto* const end = names + names_count;
        const auto* const found = std::find(names, end, fault);
        if (found == end) {
            return Error::invalid_argument(
                fmt::format("unknown fault {}; known: {}", fault, fmt::join(names, end, " ")));
        }
        out.fault = static_cast<std::size_t>(found - names);
    }
    if (detailed && !out.fault) return Error::invalid_argument("which fault is not said");
    return out;
}

}  // namespace adyton::localchain::internal
