#include "api/internal/keystore_members.h"

#include <limits>

namespace adyton::api::internal {

KeystoreMembers::KeystoreMembers(const base::Json& json, ErrorCode code)
    : json_(json), code_(code) {
    if (!json.is_object()) error_ = Error(code_, "the body must be a JSON object");
}

const base::Json* KeystoreMembers::find(std::string_view name) {
    if (error_) return nullptr;
    const base::Json* const found = json_.find(name);
    return found == nullptr || found->is_null() ? nullptr : found;
}

void KeystoreMembers::fail(std::string_view name, std::string_view what) {
    if (!error_) error_ = Error(code_, std::string(name) + " " + std::string(what));
}

KeystoreMembers& KeystoreMembers::text(std::string_view name, std::optional<std::string>& out) {
    const base::Json* const found = find(name);
    if (found == nullptr) return *this;
    if (!found->is_string()) {
        fail(name, "must be a string");
    } else {
        out = found->string_value();
    }
    return *this;
}

KeystoreMembers& KeystoreMembers::text(std::string_view name, std::string& out) {
    std::optional<std::string> value;
    text(name, value);
    if (value) {
        out = *std::move(value);
    } else {
        fail(name, "is required");
    }
    return *this;
}

KeystoreMembers& KeystoreMembers::number(std::string_view name, std::optional<std::uint64_t>& out) {
    const base::Json* const found = find(name);
    if (found == nullptr) return *this;
    const auto value = found->as_uint64();
    if (!value) {
        fail(name, "must be an integer number from 0 to 2^64 - 1");
    } else {
        out = *value;
    }
    return *this;
}

KeystoreMembers& KeystoreMembers::number(std::string_view name, std::uint64_t& out) {
    std::optional<std::uint64_t> value;
    number(name, value);
    if (value) {
        out = *value;
    } else {
        fail(name, "is required");
    }
    return *this;
}

KeystoreMembers& KeystoreMembers::flag(std::string_view name, std::optional<bool>& out) {
    const base::Json* const found = find(name);
    if (found == nullptr) return *this;
    if (!found->is_boolean()) {
        fail(name, "must be true or false");
    } else {
        out = found->boolean_value();
    }
    return *this;
}

KeystoreMembers& KeystoreMembers::flag(std::string_view name, bool& out) {
    std::optional<bool> value;
    flag(name, value);
    if (value) {
        out = *value;
    } else {
        fail(name, "is required");
    }
    return *this;
}

KeystoreMembers& KeystoreMembers::texts(
    std::string_view name, std::size_t count_max, std::vector<std::string>& out) {
    const base::Json* const found = find(name);
    if (found == nullptr) {
        fail(name, "is required");
        return *this;
    }
    if (!found->is_array() || found->size() > count_max) {
        fail(name, "must be a list of at most " + std::to_string(count_max) + " strings");
        return *this;
    }
    for (const base::Json& item : found->items()) {
        if (!item.is_string()) {
            fail(name, "must be a list of strings");
            return *this;
        }
        out.push_back(item.string_value());
    }
    return *this;
}

KeystoreMembers& KeystoreMembers::args(CallArgs& out) {
    text("args_json", out.args_json);
    text("args_base64", out.args_base64);
    if (!error_ && out.args_json && out.args_base64) {
        error_ = Error(code_, "provide exactly one of args_base64 or args_json");
    }
    return *this;
}

KeystoreMembers& KeystoreMembers::actions(
    std::string_view name, std::vector<FunctionCallAction>& out) {
    const base::Json* const found = find(name);
    if (found == nullptr) {
        fail(name, "is required");
        return *this;
    }
    if (!found->is_array() || found->size() > kCallsMax) {
        fail(name, "must be a list of at most " + std::to_string(kCallsMax) + " calls");
        return *this;
    }
    for (const base::Json& item : found->items()) {
        FunctionCallAction action;
        KeystoreMembers members(item, code_);
        members.text("method_name", action.method_name)
            .args(action.args)
            .number("gas", action.gas)
            .text("deposit", action.deposit);
        if (members.error_) {
            error_ = members.error_;
            return *this;
        }
        out.push_back(std::move(action));
    }
    return *this;
}

KeystoreMembers& KeystoreMembers::object(std::string_view name, base::Json& out) {
    const base::Json* const found = find(name);
    if (found == nullptr) {
        fail(name, "is required");
    } else if (!found->is_object()) {
        fail(name, "must be an object");
    } else {
        out = *found;
    }
    return *this;
}

void KeystoreMembers::approval_info(std::optional<ApprovalInfo>& out) {
    const base::Json* const found = find("approval_info");
    if (found == nullptr) return;
    ApprovalInfo info;
    std::optional<std::string> hash;
    KeystoreMembers members(*found, code_);
    members.texts("approver_ids", kApproversMax, info.approver_ids).text("request_hash", hash);
    if (members.error_) {
        error_ = Error(code_, "approval_info: " + members.error_->message());
        return;
    }
    info.request_hash = hash.value_or("");
    out = std::move(info);
}

KeystoreMembers& KeystoreMembers::wallet(WalletCall& out) {
    text("wallet_id", out.wallet_id);
    approval_info(out.approval_info);
    std::optional<std::uint64_t> version;
    number("key_version", version);
    if (!version) return *this;
    if (*version < 1 || *version > std::numeric_limits<std::uint32_t>::max()) {
        fail("key_version", "must be an integer from 1");
    } else {
        out.key_version = static_cast<std::uint32_t>(*version);
    }
    return *this;
}

Result<void> KeystoreMembers::done() const {
    if (error_) return *error_;
    return {};
}

}  // namespace adyton::api::internal
