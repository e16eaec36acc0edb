#include "policy/internal/terms_json.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "neo/address.h"
#include "neo/token.h"
#include "policy/internal/reading.h"

namespace adyton::policy {
namespace {

constexpr std::array<std::string_view, kCapWindowCount> kWindowNames = {
    "per_transaction", "hourly", "daily", "monthly", "total", "rolling_hour", "rolling_day"};

}  // namespace

std::string_view to_string(CapWindow window) {
    return kWindowNames[static_cast<std::size_t>(window)];
}

}  // namespace adyton::policy

namespace adyton::policy::internal {
namespace {

using base::Json;

constexpr std::size_t kNamesMax = 10'000;
constexpr std::size_t kNameBytesMax = 512;
constexpr std::int64_t kCountMax = std::int64_t{1} << 53;

struct ListField {
    std::string_view name;
    NameKind kind;
    std::optional<NameSet> Conditions::*set;
};
constexpr std::array<ListField, 5> kLists = {{
    {"chains", NameKind::Plain, &Conditions::chains},
    {"receivers", NameKind::Receiver, &Conditions::receivers},
    {"methods", NameKind::Plain, &Conditions::methods},
    {"tokens", NameKind::Token, &Conditions::tokens},
    {"destinations", NameKind::Destination, &Conditions::destinations},
}};

bool is_contract_hash(std::string_view text) {
    return text.size() == 42 && text.substr(0, 2) == "0x" &&
           neo::ScriptHash::parse(text).has_value();
}

// GAS and NEO by name, hashes in lower case; everything else as it stands.
std::string canonical(std::string_view text, NameKind kind) {
    const bool contract = kind == NameKind::Token || kind == NameKind::Receiver;
    if (contract && text == "GAS") return std::string(neo::kGasScriptHashText);
    if (contract && text == "NEO") return std::string(neo::kNeoScriptHashText);
    if (kind != NameKind::Plain && is_contract_hash(text)) {
        return neo::ScriptHash::parse(text)->to_string();
    }
    return std::string(text);
}

bool is_good_name(const Json& json) {
    if (!json.is_string()) return false;
    const std::string& text = json.string_value();
    return !text.empty() && text.size() <= kNameBytesMax && base::is_valid_utf8(text) &&
           std::none_of(text.begin(), text.end(), [](char c) {
               return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f;
           });
}

Result<Conditions::Hours> parse_hours(const Json& json, const std::string& path) {
    constexpr std::string_view kForm = "must be [from, to): hours of the day in UTC, 0 to 24";
    if (!json.is_array() || json.items().size() != 2) return wrong(path, kForm);
    const auto begin = json.items()[0].as_int64();
    const auto end = json.items()[1].as_int64();
    const bool good = begin && end && *begin >= 0 && *begin <= 23 && *end >= 0 && *end <= 24;
    if (!good || *begin == *end) return wrong(path, kForm);
    // Up to midnight is up to 24.
    return Conditions::Hours{static_cast<int>(*begin), *end == 0 ? 24 : static_cast<int>(*end)};
}

Result<std::set<int>> parse_days(const Json& json, const std::string& path) {
    if (!json.is_array()) return wrong(path, "must be a list of days, 1 Monday to 7 Sunday");
    std::set<int> out;
    for (std::size_t i = 0; i < json.items().size(); ++i) {
        TRY(const std::int64_t day,
            parse_integer(json.items()[i], path + "[" + std::to_string(i) + "]", 1, 7));
        out.insert(static_cast<int>(day));
    }
    return out;
}

Result<std::uint64_t> parse_gas(const Json& json, const std::string& path) {
    TRY(const Amount amount, parse_amount(json, path));
    if (amount.high_64() != 0) return wrong(path, "must be below 2^64");
    return amount.low_64();
}

}  // namespace

std::vector<std::string_view> condition_members() {
    return {"chains", "operations",   "receivers", "methods",
            "tokens", "destinations", "hours",     "days"};
}

std::vector<std::string_view> coverage_members() {
    return {"opaque_calls", "not_understood"};
}

Result<std::optional<NameSet>> parse_names(
    const Json& json, const std::string& path, NameKind kind) {
    if (!json.is_array() || json.items().size() > kNamesMax) {
        return wrong(path, "must be a list of texts, or [\"*\"]");
    }
    NameSet out;
    for (std::size_t i = 0; i < json.items().size(); ++i) {
        const Json& item = json.items()[i];
        if (!is_good_name(item)) {
            return wrong(
                path + "[" + std::to_string(i) + "]",
                "must be a text without spaces, 1 to 512 bytes");
        }
        const std::string& text = item.string_value();
        if (text == "*") {
            if (json.items().size() != 1) return wrong(path, "\"*\" stands alone");
            return std::optional<NameSet>();
        }
        out.insert(canonical(text, kind));
        // An account of Neo may be written as its hash; facts spell it as an address.
        if (kind == NameKind::Destination && is_contract_hash(text)) {
            out.insert(neo::Address(*neo::ScriptHash::parse(text)).to_string());
        }
    }
    return std::optional<NameSet>(std::move(out));
}

Result<std::set<ActionKind>> parse_kinds(const Json& json, const std::string& path) {
    if (!json.is_array()) return wrong(path, "must be a list of operations");
    std::set<ActionKind> out;
    for (std::size_t i = 0; i < json.items().size(); ++i) {
        const std::string place = path + "[" + std::to_string(i) + "]";
        if (!json.items()[i].is_string()) return wrong(place, "an operation is a text");
        const auto kind = parse_action_kind(json.items()[i].string_value());
        if (!kind) return wrong(place, kind.error().message());
        out.insert(*kind);
    }
    return out;
}

Result<Conditions> parse_conditions(
    const Json& object, const std::string& path, WithOperations operations) {
    Conditions out;
    for (const ListField& field : kLists) {
        const Json* const member = object.find(field.name);
        if (member == nullptr) continue;
        TRY(out.*field.set, parse_names(*member, path + "." + std::string(field.name), field.kind));
    }
    const Json* const kinds =
        operations == WithOperations::Yes ? object.find("operations") : nullptr;
    const bool all = kinds != nullptr && kinds->is_array() && kinds->items().size() == 1 &&
                     kinds->items()[0].is_string() && kinds->items()[0].string_value() == "*";
    if (kinds != nullptr && !all) {
        TRY(out.operations, parse_kinds(*kinds, path + ".operations"));
    }
    if (const Json* const hours = object.find("hours"); hours != nullptr) {
        TRY(out.hours, parse_hours(*hours, path + ".hours"));
    }
    if (const Json* const days = object.find("days"); days != nullptr) {
        TRY(out.days, parse_days(*days, path + ".days"));
    }
    return out;
}

Result<Coverage> parse_coverage(const Json& object, const std::string& path) {
    Coverage out;
    if (const Json* const flag = object.find("opaque_calls"); flag != nullptr) {
        TRY(out.opaque_calls, parse_flag(*flag, path + ".opaque_calls"));
    }
    if (const Json* const flag = object.find("not_understood"); flag != nullptr) {
        TRY(out.not_understood, parse_flag(*flag, path + ".not_understood"));
    }
    return out;
}

Result<TokenCaps> parse_caps(const Json& json, const std::string& path) {
    if (!json.is_object() || json.members().size() > kNamesMax) {
        return wrong(path, "must be a table of amounts by token");
    }
    TokenCaps out;
    for (const auto& [token, amount] : json.members()) {
        if (!is_good_name(Json::string(token))) {
            return wrong(path, "a token is a text without spaces, 1 to 512 bytes");
        }
        TRY(const Amount max, parse_amount(amount, path + "[" + shown(token) + "]"));
        if (!out.emplace(canonical(token, NameKind::Token), max).second) {
            return wrong(path, "the token " + shown(token) + " stands here twice");
        }
    }
    return out;
}

Result<SpendLimits> parse_spend_limits(const Json& json, const std::string& path) {
    std::vector<std::string_view> known(kWindowNames.begin(), kWindowNames.end());
    known.insert(
        known.end(), {"rate_per_hour", "rate_per_day", "gas_per_call", "fee_per_transaction"});
    TRY_VOID(check_members(json, path, known));
    SpendLimits out;
    for (std::size_t i = 0; i < kWindowNames.size(); ++i) {
        const Json* const caps = json.find(kWindowNames[i]);
        if (caps == nullptr) continue;
        TRY(out.caps[i], parse_caps(*caps, path + "." + std::string(kWindowNames[i])));
    }
    if (const Json* const rate = json.find("rate_per_hour"); rate != nullptr) {
        TRY(out.rate_per_hour, parse_integer(*rate, path + ".rate_per_hour", 0, kCountMax));
    }
    if (const Json* const rate = json.find("rate_per_day"); rate != nullptr) {
        TRY(out.rate_per_day, parse_integer(*rate, path + ".rate_per_day", 0, kCountMax));
    }
    if (const Json* const gas = json.find("gas_per_call"); gas != nullptr) {
        TRY(out.gas_per_call, parse_gas(*gas, path + ".gas_per_call"));
    }
    if (const Json* const fees = json.find("fee_per_transaction"); fees != nullptr) {
        TRY(out.fee_per_transaction, parse_caps(*fees, path + ".fee_per_transaction"));
    }
    return out;
}

Json to_json(const NameSet& names) {
    return text_list({names.begin(), names.end()});
}

Json to_json(const std::set<ActionKind>& kinds) {
    Json out = Json::array();
    for (const ActionKind kind : kinds) out.push_back(Json::string(std::string(to_string(kind))));
    return out;
}

Json to_json(const TokenCaps& caps) {
    Json out = Json::object();
    for (const auto& [token, max] : caps) out.set(token, Json::string(max.to_string()));
    return out;
}

Json to_json(const SpendLimits& limits) {
    Json out = Json::object();
    for (std::size_t i = 0; i < kCapWindowCount; ++i) {
        if (limits.caps[i].empty()) continue;
        out.set(std::string(kWindowNames[i]), to_json(limits.caps[i]));
    }
    if (limits.rate_per_hour) out.set("rate_per_hour", Json::integer(*limits.rate_per_hour));
    if (limits.rate_per_day) out.set("rate_per_day", Json::integer(*limits.rate_per_day));
    if (limits.gas_per_call) {
        out.set("gas_per_call", Json::string(std::to_string(*limits.gas_per_call)));
    }
    if (!limits.fee_per_transaction.empty()) {
        out.set("fee_per_transaction", to_json(limits.fee_per_transaction));
    }
    return out;
}

void write_conditions(Json& object, const Conditions& conditions) {
    if (conditions.operations) object.set("operations", to_json(*conditions.operations));
    for (const ListField& field : kLists) {
        const std::optional<NameSet>& names = conditions.*field.set;
        if (names) object.set(std::string(field.name), to_json(*names));
    }
    if (conditions.hours) {
        Json hours = Json::array();
        hours.push_back(Json::integer(conditions.hours->begin));
        hours.push_back(Json::integer(conditions.hours->end));
        object.set("hours", std::move(hours));
    }
    if (conditions.days) {
        Json days = Json::array();
        for (const int day : *conditions.days) days.push_back(Json::integer(day));
        object.set("days", std::move(days));
    }
}

void write_coverage(Json& object, const Coverage& coverage) {
    if (coverage.opaque_calls) object.set("opaque_calls", Json::boolean(true));
    if (coverage.not_understood) object.set("not_understood", Json::boolean(true));
}

}  // namespace adyton::policy::internal
