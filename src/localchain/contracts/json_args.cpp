#include "localchain/contracts/json_args.h"

#include "near/compact_json.h"

namespace adyton::localchain {

using base::Json;

Error JsonArgs::broken() {
    return Error::unprocessable("Failed to deserialize input from JSON.");
}

Result<JsonArgs> JsonArgs::parse(base::ByteView args) {
    auto json = Json::parse(base::as_text(args));
    if (!json || !json->is_object()) return broken();
    return JsonArgs(*std::move(json));
}

const Json* JsonArgs::find(std::string_view name) const {
    const Json* const found = json_.find(name);
    return found == nullptr || found->is_null() ? nullptr : found;
}

Result<std::string> JsonArgs::text(std::string_view name) const {
    const Json* const found = find(name);
    if (found == nullptr || !found->is_string()) return broken();
    return found->string_value();
}

std::optional<std::string> JsonArgs::optional_text(std::string_view name) const {
    const Json* const found = find(name);
    if (found == nullptr || !found->is_string()) return std::nullopt;
    return found->string_value();
}

Result<bool> JsonArgs::flag(std::string_view name) const {
    const Json* const found = find(name);
    if (found == nullptr || !found->is_boolean()) return broken();
    return found->boolean_value();
}

Result<near::AccountId> JsonArgs::account(std::string_view name) const {
    TRY(const std::string value, text(name));
    auto parsed = near::AccountId::parse(value);
    if (!parsed) return broken();
    return *std::move(parsed);
}

Result<base::Amount> JsonArgs::amount(std::string_view name) const {
    TRY(const std::string value, text(name));
    const auto parsed = near::parse_u128(value);
    if (!parsed) return broken();
    return *parsed;
}

Result<std::uint64_t> JsonArgs::number(std::string_view name) const {
    TRY(const std::string value, text(name));
    const auto parsed = near::parse_u64(value);
    if (!parsed) return broken();
    return *parsed;
}

Result<std::uint32_t> JsonArgs::integer(std::string_view name) const {
    const Json* const found = find(name);
    if (found == nullptr) return broken();
    const auto value = found->as_uint64();
    if (!value || *value > UINT32_MAX) return broken();
    return static_cast<std::uint32_t>(*value);
}

Result<std::vector<std::uint64_t>> JsonArgs::numbers(std::string_view name) const {
    const Json* const found = find(name);
    if (found == nullptr || !found->is_array()) return broken();
    std::vector<std::uint64_t> out;
    for (const Json& item : found->items()) {
        const auto value = item.is_string() ? near::parse_u64(item.string_value())
                                            : Result<std::uint64_t>(broken());
        if (!value) return broken();
        out.push_back(*value);
    }
    return out;
}

Result<void> refuse_deposit(const NearCall& call) {
    if (call.deposit().is_zero()) return {};
    return Error::unprocessable("Method " + call.method() + " doesn't accept deposit");
}

Result<void> require_own_call(const NearCall& call) {
    if (call.predecessor() == call.current_account()) return {};
    return Error::unprocessable("Method " + call.method() + " is private");
}

Result<void> require_one_yocto(const NearCall& call) {
    if (call.deposit() == near::YoctoNear(base::Amount(1))) return {};
    return Error::unprocessable("Requires attached deposit of exactly 1 yoctoNEAR");
}

base::Amount stored_amount(const NearStorage& storage, const std::string& key) {
    const auto text = storage.get(key);
    if (!text.has_value()) return {};
    return near::parse_u128(*text).value();
}

std::uint64_t stored_number(const NearStorage& storage, const std::string& key) {
    const auto text = storage.get(key);
    return text.has_value() ? near::parse_u64(*text).value() : 0;
}

std::string quoted(std::string_view text) {
    return near::compact_json(Json::string(std::string(text)));
}

}  // namespace adyton::localchain
