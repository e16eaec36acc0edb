#include "coordinator/internal/step_fields.h"

#include <fmt/format.h>

#include <algorithm>

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
    if (!found->is_string()) return bad(name, "is not a string");
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

Error StepFields::bad(std::string_view name, std::string_view why) const {
    return Error::invalid_argument(
        fmt::format("invalid workflow JSON: {}.{} {}", where_, name, why));
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
