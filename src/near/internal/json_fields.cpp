#include "near/internal/json_fields.h"

#include <algorithm>

namespace adyton::near::internal {

Result<JsonFields> JsonFields::of(const base::Json& json, std::string_view what) {
    if (!json.is_object()) return Error::invalid_argument(std::string(what) + " is not an object");
    return JsonFields(json, what);
}

Error JsonFields::error(std::string_view name, std::string_view why) const {
    return Error::invalid_argument(
        std::string(what_) + "." + std::string(name) + " " + std::string(why));
}

const base::Json* JsonFields::find(std::string_view name) {
    read_.push_back(name);
    const base::Json* const member = json_->find(name);
    return member != nullptr && member->is_null() ? nullptr : member;
}

Result<const base::Json*> JsonFields::value(std::string_view name) {
    const base::Json* const member = find(name);
    if (member == nullptr) return error(name, "is missing");
    return member;
}

Result<std::string> JsonFields::text(std::string_view name) {
    TRY(const base::Json* const member, value(name));
    if (!member->is_string()) return error(name, "is not a string");
    return member->string_value();
}

Result<AccountId> JsonFields::account(std::string_view name) {
    TRY(const std::string text_value, text(name));
    const auto account_id = AccountId::parse(text_value);
    if (!account_id) return error(name, "is not an account id");
    return *account_id;
}

Result<PublicKey> JsonFields::public_key(std::string_view name) {
    TRY(const std::string text_value, text(name));
    const auto key = PublicKey::parse(text_value);
    if (!key) return error(name, "is not a public key");
    return *key;
}

Result<base::Amount> JsonFields::u128(std::string_view name) {
    TRY(const std::string text_value, text(name));
    const auto amount = parse_u128(text_value);
    if (!amount) return error(name, "is not a decimal number below 2^128");
    return *amount;
}

Result<YoctoNear> JsonFields::yocto(std::string_view name) {
    TRY(const base::Amount amount, u128(name));
    return YoctoNear(amount);
}

Result<std::uint64_t> JsonFields::u64(std::string_view name) {
    TRY(const base::Json* const member, value(name));
    const auto number =
        member->is_string() ? parse_u64(member->string_value()) : member->as_uint64();
    if (!number) return error(name, "is not an integer below 2^64");
    return *number;
}

Result<bool> JsonFields::flag(std::string_view name) {
    TRY(const base::Json* const member, value(name));
    if (!member->is_boolean()) return error(name, "is not true or false");
    return member->boolean_value();
}

Result<std::optional<std::string>> JsonFields::optional_text(std::string_view name) {
    const base::Json* const member = find(name);
    if (member == nullptr) return std::optional<std::string>();
    if (!member->is_string()) return error(name, "is not a string");
    return std::optional<std::string>(member->string_value());
}

Result<std::optional<AccountId>> JsonFields::optional_account(std::string_view name) {
    if (json_->find(name) == nullptr || json_->find(name)->is_null()) {
        read_.push_back(name);
        return std::optional<AccountId>();
    }
    TRY(auto account_id, account(name));
    return std::optional<AccountId>(std::move(account_id));
}

Result<std::optional<YoctoNear>> JsonFields::optional_yocto(std::string_view name) {
    if (json_->find(name) == nullptr || json_->find(name)->is_null()) {
        read_.push_back(name);
        return std::optional<YoctoNear>();
    }
    TRY(const YoctoNear amount, yocto(name));
    return std::optional<YoctoNear>(amount);
}

Result<std::optional<Gas>> JsonFields::optional_gas(std::string_view name) {
    if (json_->find(name) == nullptr || json_->find(name)->is_null()) {
        read_.push_back(name);
        return std::optional<Gas>();
    }
    TRY(const std::uint64_t units, u64(name));
    return std::optional<Gas>(Gas(units));
}

std::vector<std::string> JsonFields::unread() const {
    std::vector<std::string> out;
    for (const auto& [name, member] : json_->members()) {
        if (std::find(read_.begin(), read_.end(), name) == read_.end()) out.push_back(name);
    }
    return out;
}

Result<void> JsonFields::finish() const {
    if (!unread().empty()) {
        return Error::invalid_argument(std::string(what_) + " has an unknown member");
    }
    return {};
}

}  // namespace adyton::near::internal
