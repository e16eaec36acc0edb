#include "near/action.h"
#include "near/delegate.h"
#include "near/internal/json_fields.h"

// The JSON form of actions, delegates and keys.
namespace adyton::near {
namespace {

using base::Json;
using internal::JsonFields;

Json text(std::string value) {
    return Json::string(std::move(value));
}

Json typed(std::string_view name) {
    return Json::object().set("type", text(std::string(name)));
}

Json number_text(std::uint64_t value) {
    return text(std::to_string(value));
}

void set_permission(Json& out, const FunctionCallPermission& permission) {
    out.set(
        "allowance",
        permission.allowance.has_value() ? text(permission.allowance->to_string()) : Json());
    out.set("receiver_id", text(permission.receiver_id.text()));
    Json names = Json::array();
    for (const std::string& name : permission.method_names) names.push_back(text(name));
    out.set("method_names", std::move(names));
}

void set_gas_key(Json& out, const GasKeyInfo& info) {
    out.set("balance", text(info.balance.to_string()));
    out.set("num_nonces", Json::unsigned_integer(info.num_nonces));
}

Json permission_json(const FunctionCallPermission& permission) {
    Json inner = Json::object();
    set_permission(inner, permission);
    return Json::object().set("FunctionCall", std::move(inner));
}

Json permission_json(const FullAccess&) {
    return text("FullAccess");
}

Json permission_json(const GasKeyFunctionCall& permission) {
    Json inner = Json::object();
    set_gas_key(inner, permission.gas_key);
    set_permission(inner, permission.function_call);
    return Json::object().set("GasKeyFunctionCall", std::move(inner));
}

Json permission_json(const GasKeyFullAccess& permission) {
    Json inner = Json::object();
    set_gas_key(inner, permission.gas_key);
    return Json::object().set("GasKeyFullAccess", std::move(inner));
}

Json contract_json(const GlobalContractIdentifier& contract) {
    if (const auto* const code = std::get_if<CodeHash>(&contract)) {
        return Json::object().set("hash", text(code->to_string()));
    }
    return Json::object().set("account_id", text(std::get<AccountId>(contract).text()));
}

void set_members(Json&, const CreateAccount&) {}

void set_members(Json& out, const DeployContract& action) {
    out.set("code", text(base::base64_encode(action.code)));
}

void set_members(Json& out, const FunctionCall& action) {
    out.set("method_name", text(action.method_name));
    const auto args = base::as_text(action.args);
    if (base::is_valid_utf8(args)) {
        out.set("args_utf8", text(std::string(args)));
    } else {
        out.set("args_base64", text(base::base64_encode(action.args)));
    }
    out.set("gas", text(action.gas.to_string()));
    out.set("deposit", text(action.deposit.to_string()));
}

void set_members(Json& out, const Transfer& action) {
    out.set("deposit", text(action.deposit.to_string()));
}

void set_members(Json& out, const Stake& action) {
    out.set("stake", text(action.stake.to_string()));
    out.set("public_key", text(action.public_key.to_string()));
}

void set_members(Json& out, const AddKey& action) {
    out.set("public_key", text(action.public_key.to_string()));
    Json key = Json::object();
    key.set("nonce", number_text(action.access_key.nonce));
    key.set("permission", to_json(action.access_key.permission));
    out.set("access_key", std::move(key));
}

void set_members(Json& out, const DeleteKey& action) {
    out.set("public_key", text(action.public_key.to_string()));
}

void set_members(Json& out, const DeleteAccount& action) {
    out.set("beneficiary_id", text(action.beneficiary_id.text()));
}

void set_members(Json& out, const DeployGlobalContract& action) {
    out.set("code", text(base::base64_encode(action.code)));
    const bool by_hash = action.deploy_mode == GlobalContractDeployMode::ByCodeHash;
    out.set("deploy_mode", text(by_hash ? "CodeHash" : "AccountId"));
}

void set_members(Json& out, const UseGlobalContract& action) {
    out.set("contract_identifier", contract_json(action.contract_identifier));
}

void set_members(Json& out, const DeterministicStateInit& action) {
    out.set("code", contract_json(action.code));
    Json data = Json::array();
    for (const auto& [key, value] : action.data) {
        Json pair = Json::object();
        pair.set("key", text(base::base64_encode(key)));
        pair.set("value", text(base::base64_encode(value)));
        data.push_back(std::move(pair));
    }
    out.set("data", std::move(data));
    out.set("deposit", text(action.deposit.to_string()));
}

void set_members(Json& out, const TransferToGasKey& action) {
    out.set("public_key", text(action.public_key.to_string()));
    out.set("deposit", text(action.deposit.to_string()));
}

void set_members(Json& out, const WithdrawFromGasKey& action) {
    out.set("public_key", text(action.public_key.to_string()));
    out.set("amount", text(action.amount.to_string()));
}

void set_members(Json& out, const SignedDelegate& action) {
    out.set("delegate_action", to_json(action.delegate_action));
    out.set("signature", text(action.signature.to_string()));
}

template <typename Variant>
Json variant_json(const Variant& action) {
    return std::visit(
        [](const auto& one) {
            Json out = typed(std::decay_t<decltype(one)>::kName);
            set_members(out, one);
            return out;
        },
        action);
}

Result<base::Bytes> base64_member(JsonFields& fields, std::string_view name) {
    TRY(const std::string value, fields.text(name));
    auto bytes = base::base64_decode(value);
    if (!bytes) return fields.error(name, "is not base64");
    return bytes;
}

// args_utf8, args_hex or args_base64; none of them is no bytes.
Result<base::Bytes> args_member(JsonFields& fields) {
    TRY(const auto utf8, fields.optional_text("args_utf8"));
    TRY(const auto hex, fields.optional_text("args_hex"));
    TRY(const auto base64, fields.optional_text("args_base64"));
    const int given = int{utf8.has_value()} + int{hex.has_value()} + int{base64.has_value()};
    if (given > 1) return fields.error("args", "is given in more than one form");
    if (hex.has_value()) return base::hex_decode(*hex);
    if (base64.has_value()) return base::base64_decode(*base64);
    const auto bytes = base::as_bytes(utf8.has_value() ? *utf8 : std::string_view());
    return base::Bytes(bytes.begin(), bytes.end());
}

Result<FunctionCallPermission> permission_members(JsonFields& fields) {
    TRY(const auto allowance, fields.optional_yocto("allowance"));
    TRY(auto receiver_id, fields.account("receiver_id"));
    FunctionCallPermission out{allowance, std::move(receiver_id), {}};
    TRY(const Json* const names, fields.value("method_names"));
    if (!names->is_array()) return fields.error("method_names", "is not a list");
    for (const Json& name : names->items()) {
        if (!name.is_string())
            return fields.error("method_names", "holds something else than text");
        out.method_names.push_back(name.string_value());
    }
    return out;
}

Result<GasKeyInfo> gas_key_members(JsonFields& fields) {
    GasKeyInfo out;
    TRY(out.balance, fields.yocto("balance"));
    TRY(const std::uint64_t nonces, fields.u64("num_nonces"));
    if (nonces > 0xffff) return fields.error("num_nonces", "is above 65535");
    out.num_nonces = static_cast<std::uint16_t>(nonces);
    return out;
}

Result<AccessKeyPermission> permission_from_json(const Json& json) {
    if (json.is_string() && json.string_value() == "FullAccess") {
        return AccessKeyPermission(FullAccess{});
    }
    if (!json.is_object() || json.size() != 1) {
        return Error::invalid_argument("permission is neither FullAccess nor one kind");
    }
    const auto& [kind, inner] = json.members().front();
    TRY(auto fields, JsonFields::of(inner, "permission"));
    if (kind == "FunctionCall") {
        TRY(auto permission, permission_members(fields));
        TRY_VOID(fields.finish());
        return AccessKeyPermission(std::move(permission));
    }
    if (kind != "GasKeyFunctionCall" && kind != "GasKeyFullAccess") {
        return Error::invalid_argument("permission kind is not known");
    }
    TRY(const auto info, gas_key_members(fields));
    if (kind == "GasKeyFullAccess") {
        TRY_VOID(fields.finish());
        return AccessKeyPermission(GasKeyFullAccess{info});
    }
    TRY(auto permission, permission_members(fields));
    TRY_VOID(fields.finish());
    return AccessKeyPermission(GasKeyFunctionCall{info, std::move(permission)});
}

Result<AccessKey> access_key_from_json(const Json& json) {
    TRY(auto fields, JsonFields::of(json, "access_key"));
    TRY(const std::uint64_t nonce, fields.u64("nonce"));
    TRY(const Json* const permission_member, fields.value("permission"));
    TRY(auto permission, permission_from_json(*permission_member));
    TRY_VOID(fields.finish());
    return AccessKey{nonce, std::move(permission)};
}

Result<GlobalContractIdentifier> contract_member(JsonFields& outer, std::string_view name) {
    TRY(const Json* const json, outer.value(name));
    TRY(auto fields, JsonFields::of(*json, name));
    TRY(const auto hash, fields.optional_text("hash"));
    TRY(auto account, fields.optional_account("account_id"));
    TRY_VOID(fields.finish());
    if (hash.has_value() == account.has_value()) {
        return outer.error(name, "must have one of hash and account_id");
    }
    if (account.has_value()) return GlobalContractIdentifier(std::move(*account));
    TRY(const auto code, CodeHash::parse(*hash));
    return GlobalContractIdentifier(code);
}

Result<PlainAction> state_init_from_fields(JsonFields& fields) {
    TRY(auto code, contract_member(fields, "code"));
    TRY(const YoctoNear deposit, fields.yocto("deposit"));
    DeterministicStateInit out{std::move(code), {}, deposit};
    TRY(const Json* const data, fields.value("data"));
    if (!data->is_array()) return fields.error("data", "is not a list");
    for (const Json& each : data->items()) {
        TRY(auto pair, JsonFields::of(each, "data"));
        TRY(auto key, base64_member(pair, "key"));
        TRY(auto value, base64_member(pair, "value"));
        TRY_VOID(pair.finish());
        if (!out.data.empty() && out.data.back().first >= key) {
            return fields.error("data", "is not in the order of its keys");
        }
        out.data.emplace_back(std::move(key), std::move(value));
    }
    return PlainAction(std::move(out));
}

Result<PlainAction> function_call_from_fields(JsonFields& fields) {
    FunctionCall out;
    TRY(out.method_name, fields.text("method_name"));
    TRY(out.args, args_member(fields));
    TRY(const std::uint64_t gas, fields.u64("gas"));
    out.gas = Gas(gas);
    TRY(out.deposit, fields.yocto("deposit"));
    return PlainAction(std::move(out));
}

Result<PlainAction> deploy_global_from_fields(JsonFields& fields) {
    DeployGlobalContract out;
    TRY(out.code, base64_member(fields, "code"));
    TRY(const std::string mode, fields.text("deploy_mode"));
    if (mode != "CodeHash" && mode != "AccountId") return fields.error("deploy_mode", "is unknown");
    out.deploy_mode = mode == "CodeHash" ? GlobalContractDeployMode::ByCodeHash
                                         : GlobalContractDeployMode::ByAccountId;
    return PlainAction(std::move(out));
}

// The kinds that have a public key and perhaps an amount.
Result<PlainAction> key_action_from_fields(JsonFields& fields, std::string_view kind) {
    TRY(const auto key, fields.public_key("public_key"));
    if (kind == DeleteKey::kName) return PlainAction(DeleteKey{key});
    if (kind == AddKey::kName) {
        TRY(const Json* const json, fields.value("access_key"));
        TRY(auto access_key, access_key_from_json(*json));
        return PlainAction(AddKey{key, std::move(access_key)});
    }
    if (kind == Stake::kName) {
        TRY(const YoctoNear stake, fields.yocto("stake"));
        return PlainAction(Stake{stake, key});
    }
    if (kind == TransferToGasKey::kName) {
        TRY(const YoctoNear deposit, fields.yocto("deposit"));
        return PlainAction(TransferToGasKey{key, deposit});
    }
    TRY(const YoctoNear amount, fields.yocto("amount"));
    return PlainAction(WithdrawFromGasKey{key, amount});
}

Result<PlainAction> plain_action_from_fields(JsonFields& fields, std::string_view kind) {
    if (kind == CreateAccount::kName) return PlainAction(CreateAccount{});
    if (kind == FunctionCall::kName) return function_call_from_fields(fields);
    if (kind == DeployContract::kName) {
        TRY(auto code, base64_member(fields, "code"));
        return PlainAction(DeployContract{std::move(code)});
    }
    if (kind == Transfer::kName) {
        TRY(const YoctoNear deposit, fields.yocto("deposit"));
        return PlainAction(Transfer{deposit});
    }
    if (kind == DeleteAccount::kName) {
        TRY(auto beneficiary, fields.account("beneficiary_id"));
        return PlainAction(DeleteAccount{std::move(beneficiary)});
    }
    if (kind == DeployGlobalContract::kName) return deploy_global_from_fields(fields);
    if (kind == UseGlobalContract::kName) {
        TRY(auto contract, contract_member(fields, "contract_identifier"));
        return PlainAction(UseGlobalContract{std::move(contract)});
    }
    if (kind == DeterministicStateInit::kName) return state_init_from_fields(fields);
    if (kind == AddKey::kName || kind == DeleteKey::kName || kind == Stake::kName ||
        kind == TransferToGasKey::kName || kind == WithdrawFromGasKey::kName) {
        return key_action_from_fields(fields, kind);
    }
    return Error::invalid_argument("action type is not known");
}

}  // namespace

Json to_json(const AccessKeyPermission& permission) {
    return std::visit([](const auto& one) { return permission_json(one); }, permission);
}

Json to_json(const PlainAction& action) {
    return variant_json(action);
}

Json to_json(const Action& action) {
    return variant_json(action);
}

Json to_json(const DelegateAction& action) {
    Json out = Json::object();
    out.set("sender_id", text(action.sender_id.text()));
    out.set("receiver_id", text(action.receiver_id.text()));
    Json actions = Json::array();
    for (const PlainAction& one : action.actions) actions.push_back(to_json(one));
    out.set("actions", std::move(actions));
    out.set("nonce", number_text(action.nonce));
    out.set("max_block_height", number_text(action.max_block_height));
    out.set("public_key", text(action.public_key.to_string()));
    return out;
}

Json to_json(const SignedDelegate& signed_delegate) {
    Json out = typed(SignedDelegate::kName);
    set_members(out, signed_delegate);
    return out;
}

Result<PlainAction> plain_action_from_json(const Json& json) {
    TRY(auto fields, JsonFields::of(json, "action"));
    TRY(const std::string kind, fields.text("type"));
    TRY(auto action, plain_action_from_fields(fields, kind));
    TRY_VOID(fields.finish());
    return action;
}

Result<Action> action_from_json(const Json& json) {
    TRY(auto fields, JsonFields::of(json, "action"));
    TRY(const std::string kind, fields.text("type"));
    if (kind != SignedDelegate::kName) {
        TRY(const auto plain, plain_action_from_json(json));
        return to_action(plain);
    }
    TRY(const Json* const inner, fields.value("delegate_action"));
    TRY(auto delegate, delegate_action_from_json(*inner));
    TRY(const std::string signature_text, fields.text("signature"));
    TRY(const auto signature, Signature::parse(signature_text));
    TRY_VOID(fields.finish());
    return Action(SignedDelegate{std::move(delegate), signature});
}

Result<DelegateAction> delegate_action_from_json(const Json& json) {
    TRY(auto fields, JsonFields::of(json, "delegate"));
    TRY(auto sender_id, fields.account("sender_id"));
    TRY(auto receiver_id, fields.account("receiver_id"));
    std::vector<PlainAction> actions;
    const Json* const one = fields.find("action");
    const Json* const many = fields.find("actions");
    if ((one == nullptr) == (many == nullptr)) {
        return fields.error("actions", "must be given once, as actions or as action");
    }
    if (one != nullptr) {
        TRY(auto action, plain_action_from_json(*one));
        actions.push_back(std::move(action));
    } else {
        if (!many->is_array()) return fields.error("actions", "is not a list");
        for (const Json& each : many->items()) {
            TRY(auto action, plain_action_from_json(each));
            actions.push_back(std::move(action));
        }
    }
    TRY(const std::uint64_t nonce, fields.u64("nonce"));
    TRY(const std::uint64_t max_block_height, fields.u64("max_block_height"));
    TRY(const auto key, fields.public_key("public_key"));
    TRY_VOID(fields.finish());
    return DelegateAction{std::move(sender_id), std::move(receiver_id),
                          std::move(actions),   nonce,
                          max_block_height,     key};
}

}  // namespace adyton::near
