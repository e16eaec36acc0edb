#include "coordinator/internal/step_fields.h"

#include <fmt/format.h>

#include <algorithm>

#include "near/compact_json.h"
#include "near/intents.h"

namespace adyton::coordinator {

using base::Json;

const Json* StepFields::find(std::string_view name) const {
    const Json* const found = json_.find(name);
    return found == nullptr || found->is_null() ? nullptr : found;
}

Result<std::optional<std::string>> StepFields::optional(std::string_view name) const {
    const Json* const found = find(name);
    if (found == nullptr) return std::optional<std::string>();
    if (!found->is_string()) return bad_type(name, "is not a string");
    return std::optional<std::string>(found->string_value());
}

Result<std::string> StepFields::required(std::string_view name) const {
    TRY(auto found, optional(name));
    if (!found || found->empty()) return bad(name, "is required");
    return *std::move(found);
}

Result<std::string> StepFields::account(std::string_view name) const {
    TRY(auto found, required(name));
    if (!near::AccountId::parse(found)) return bad(name, "is not an account id");
    return found;
}

Result<std::string> StepFields::amount(std::string_view name) const {
    TRY(auto found, required(name));
    const auto parsed = near::parse_u128(found);
    if (!parsed) return bad(name, "is not an amount in decimal digits");
    if (*parsed == base::Amount()) return bad(name, "is zero");
    return found;
}

Result<std::string> StepFields::deposit() const {
    TRY(auto found, optional("deposit"));
    if (!found) return std::string("0");
    if (!near::parse_u128(*found)) return bad("deposit", "is not an amount in decimal digits");
    return *std::move(found);
}

Result<std::string> StepFields::method_name() const {
    TRY(auto found, required("method_name"));
    if (is_method_name(found)) return found;
    return bad("method_name", "is not an identifier of 1 to 256 characters");
}

Result<std::optional<std::uint64_t>> StepFields::gas() const {
    const Json* const found = find("gas");
    if (found == nullptr) return std::optional<std::uint64_t>();
    if (found->is_number()) {
        const auto number = found->as_uint64();
        if (!number) return bad_type("gas", "is not a whole number");
        return std::optional(*number);
    }
    if (!found->is_string()) return bad_type("gas", "is not a number in decimal digits");
    const auto number = near::parse_u64(found->string_value());
    if (!number) return bad("gas", "is not a number in decimal digits");
    return std::optional(*number);
}

Result<std::uint64_t> StepFields::gas_or(std::uint64_t otherwise) const {
    TRY(const auto found, gas());
    if (!found) return otherwise;
    if (*found == 0 || near::Gas(*found) > near::Gas::from_tgas(300)) {
        return bad("gas", "is not 1 to 300000000000000");
    }
    return *found;
}

Result<std::optional<std::string>> StepFields::args() const {
    const Json* const json = find("args_json");
    TRY(const auto base64, optional("args_base64"));
    if (base64) {
        const auto bytes = base::base64_decode(*base64);
        if (!bytes) return bad("args_base64", "is not base64");
        return std::optional(std::string(base::as_text(*bytes)));
    }
    if (json == nullptr) return std::optional<std::string>();
    if (json->is_string()) {
        if (!Json::parse(json->string_value())) return bad("args_json", "is not JSON");
        return std::optional(json->string_value());
    }
    if (!json->is_object() && !json->is_array()) {
        return bad_type("args_json", "is not an object, a list or a text of JSON");
    }
    return std::optional(near::compact_json(*json));
}

Error StepFields::bad(std::string_view name, std::string_view why) const {
    return Error::invalid_argument(
        fmt::format("{}{}.{} {}", kInvalidJson, where_, name, why), std::string(kInvalidValue));
}

Error StepFields::bad_type(std::string_view name, std::string_view why) const {
    return Error::invalid_argument(fmt::format("{}{}.{} {}", kInvalidJson, where_, name, why));
}

bool is_method_name(std::string_view name) {
    return !name.empty() && name.size() <= 256 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_';
    });
}

Json call_action(
    std::string_view type, std::string_view receiver_id, std::string_view method_name,
    std::string_view deposit, std::string_view args_base64) {
    const auto text = [](std::string_view value) { return Json::string(std::string(value)); };
    Json out = Json::object();
    out.set("type", text(type));
    out.set("receiver_id", text(receiver_id));
    out.set("method_name", text(method_name));
    out.set("to", text(receiver_id));
    out.set("deposit", text(deposit));
    out.set("amount", text(deposit));
    out.set("token", text("native"));
    if (!args_base64.empty()) out.set("args_base64", text(args_base64));
    return out;
}

}  // namespace adyton::coordinator
