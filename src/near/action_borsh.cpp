#include "near/action.h"

// The Borsh form of actions (near.md 2.2).
namespace adyton::near {
namespace {

// As many as the chain takes in one receipt. More would only cost memory: an action in memory is
// larger than its one byte on the wire.
constexpr std::size_t kActionsMax = 100;
constexpr std::size_t kActionBytesMin = 1;
constexpr std::size_t kStringBytesMin = 4;
constexpr std::size_t kPairBytesMin = 2 * kStringBytesMin;

Error unknown_kind(std::string_view field, std::uint8_t index) {
    return Error::invalid_argument(
        "borsh: " + std::string(field) + " " + std::to_string(index) + " is not known");
}

void write(BorshWriter& out, const AccountId& account) {
    out.string(account.text());
}

void write(BorshWriter& out, const FunctionCallPermission& permission) {
    out.u8(permission.allowance.has_value() ? 1 : 0);
    if (permission.allowance.has_value()) out.u128(permission.allowance->amount());
    write(out, permission.receiver_id);
    out.count(permission.method_names.size());
    for (const std::string& name : permission.method_names) out.string(name);
}

void write(BorshWriter& out, const FullAccess&) {
    static_cast<void>(out);
}

void write(BorshWriter& out, const GasKeyInfo& info) {
    out.u128(info.balance.amount()).u16(info.num_nonces);
}

void write(BorshWriter& out, const GasKeyFunctionCall& permission) {
    write(out, permission.gas_key);
    write(out, permission.function_call);
}

void write(BorshWriter& out, const GasKeyFullAccess& permission) {
    write(out, permission.gas_key);
}

void write(BorshWriter& out, const GlobalContractIdentifier& contract) {
    out.u8(static_cast<std::uint8_t>(contract.index()));
    if (const auto* const code = std::get_if<CodeHash>(&contract)) {
        out.fixed(code->view());
    } else {
        write(out, std::get<AccountId>(contract));
    }
}

void write(BorshWriter& out, const CreateAccount&) {
    static_cast<void>(out);
}

void write(BorshWriter& out, const DeployContract& action) {
    out.bytes(action.code);
}

void write(BorshWriter& out, const FunctionCall& action) {
    out.string(action.method_name).bytes(action.args);
    out.u64(action.gas.units()).u128(action.deposit.amount());
}

void write(BorshWriter& out, const Transfer& action) {
    out.u128(action.deposit.amount());
}

void write(BorshWriter& out, const Stake& action) {
    out.u128(action.stake.amount());
    write_borsh(out, action.public_key);
}

void write(BorshWriter& out, const AddKey& action) {
    write_borsh(out, action.public_key);
    out.u64(action.access_key.nonce);
    const AccessKeyPermission& permission = action.access_key.permission;
    out.u8(static_cast<std::uint8_t>(permission.index()));
    std::visit([&out](const auto& one) { write(out, one); }, permission);
}

void write(BorshWriter& out, const DeleteKey& action) {
    write_borsh(out, action.public_key);
}

void write(BorshWriter& out, const DeleteAccount& action) {
    write(out, action.beneficiary_id);
}

void write(BorshWriter& out, const DeployGlobalContract& action) {
    out.bytes(action.code).u8(static_cast<std::uint8_t>(action.deploy_mode));
}

void write(BorshWriter& out, const UseGlobalContract& action) {
    write(out, action.contract_identifier);
}

void write(BorshWriter& out, const DeterministicStateInit& action) {
    out.u8(0);  // version 1 is variant 0
    write(out, action.code);
    out.count(action.data.size());
    for (const auto& [key, value] : action.data) out.bytes(key).bytes(value);
    out.u128(action.deposit.amount());
}

void write(BorshWriter& out, const TransferToGasKey& action) {
    write_borsh(out, action.public_key);
    out.u128(action.deposit.amount());
}

void write(BorshWriter& out, const WithdrawFromGasKey& action) {
    write_borsh(out, action.public_key);
    out.u128(action.amount.amount());
}

void write(BorshWriter& out, const SignedDelegate& signed_delegate) {
    write_borsh(out, signed_delegate);
}

template <typename Variant>
void write_tagged(BorshWriter& out, const Variant& action) {
    std::visit(
        [&out](const auto& one) {
            out.u8(std::decay_t<decltype(one)>::kIndex);
            write(out, one);
        },
        action);
}

Result<YoctoNear> read_yocto(BorshReader& in, std::string_view field) {
    TRY(const base::Amount amount, in.u128(field));
    return YoctoNear(amount);
}

Result<FunctionCallPermission> read_function_call_permission(BorshReader& in) {
    TRY(const bool limited, in.option("allowance"));
    std::optional<YoctoNear> allowance;
    if (limited) {
        TRY(allowance, read_yocto(in, "allowance"));
    }
    TRY(auto receiver_id, read_account_id(in, "receiver_id"));
    FunctionCallPermission out{allowance, std::move(receiver_id), {}};
    TRY(const std::size_t names, in.count(kStringBytesMin, "method_names"));
    for (std::size_t i = 0; i < names; ++i) {
        TRY(auto name, in.string("method_names"));
        out.method_names.push_back(std::move(name));
    }
    return out;
}

Result<GasKeyInfo> read_gas_key_info(BorshReader& in) {
    GasKeyInfo out;
    TRY(out.balance, read_yocto(in, "gas key balance"));
    TRY(out.num_nonces, in.u16("num_nonces"));
    return out;
}

Result<AccessKeyPermission> read_permission(BorshReader& in) {
    TRY(const std::uint8_t index, in.u8("permission"));
    switch (index) {
        case 0: {
            TRY(auto permission, read_function_call_permission(in));
            return AccessKeyPermission(std::move(permission));
        }
        case 1:
            return AccessKeyPermission(FullAccess{});
        case 2: {
            TRY(const auto info, read_gas_key_info(in));
            TRY(auto permission, read_function_call_permission(in));
            return AccessKeyPermission(GasKeyFunctionCall{info, std::move(permission)});
        }
        case 3: {
            TRY(const auto info, read_gas_key_info(in));
            return AccessKeyPermission(GasKeyFullAccess{info});
        }
        default:
            return unknown_kind("permission", index);
    }
}

Result<GlobalContractIdentifier> read_contract_identifier(BorshReader& in) {
    TRY(const std::uint8_t index, in.u8("contract_identifier"));
    if (index == 0) {
        TRY(const auto bytes, in.fixed(CodeHash::kSize, "code hash"));
        TRY(const auto code, CodeHash::from_bytes(bytes));
        return GlobalContractIdentifier(code);
    }
    if (index != 1) return unknown_kind("contract_identifier", index);
    TRY(auto account, read_account_id(in, "contract_identifier"));
    return GlobalContractIdentifier(std::move(account));
}

Result<PlainAction> read_function_call(BorshReader& in) {
    FunctionCall out;
    TRY(out.method_name, in.string("method_name"));
    TRY(out.args, in.bytes("args"));
    TRY(const std::uint64_t gas, in.u64("gas"));
    out.gas = Gas(gas);
    TRY(out.deposit, read_yocto(in, "deposit"));
    return PlainAction(std::move(out));
}

Result<PlainAction> read_add_key(BorshReader& in) {
    TRY(const auto key, read_public_key(in));
    TRY(const std::uint64_t nonce, in.u64("access key nonce"));
    TRY(auto permission, read_permission(in));
    return PlainAction(AddKey{key, AccessKey{nonce, std::move(permission)}});
}

Result<PlainAction> read_deploy_global(BorshReader& in) {
    DeployGlobalContract out;
    TRY(out.code, in.bytes("code"));
    TRY(const std::uint8_t mode, in.u8("deploy_mode"));
    if (mode > 1) return unknown_kind("deploy_mode", mode);
    out.deploy_mode = static_cast<GlobalContractDeployMode>(mode);
    return PlainAction(std::move(out));
}

Result<PlainAction> read_state_init(BorshReader& in) {
    TRY(const std::uint8_t version, in.u8("state_init"));
    if (version != 0) return unknown_kind("state_init", version);
    TRY(auto code, read_contract_identifier(in));
    DeterministicStateInit out{std::move(code), {}, {}};
    TRY(const std::size_t pairs, in.count(kPairBytesMin, "state_init data"));
    for (std::size_t i = 0; i < pairs; ++i) {
        TRY(auto key, in.bytes("state_init data"));
        TRY(auto value, in.bytes("state_init data"));
        if (!out.data.empty() && out.data.back().first >= key) {
            return Error::invalid_argument(
                "borsh: state_init data is not in the order of its keys");
        }
        out.data.emplace_back(std::move(key), std::move(value));
    }
    TRY(out.deposit, read_yocto(in, "deposit"));
    return PlainAction(std::move(out));
}

Result<PlainAction> read_key_and_amount(BorshReader& in, std::uint8_t index) {
    TRY(const auto key, read_public_key(in));
    TRY(const YoctoNear amount, read_yocto(in, "amount"));
    if (index == TransferToGasKey::kIndex) return PlainAction(TransferToGasKey{key, amount});
    return PlainAction(WithdrawFromGasKey{key, amount});
}

Result<PlainAction> read_plain_body(BorshReader& in, std::uint8_t index) {
    switch (index) {
        case CreateAccount::kIndex:
            return PlainAction(CreateAccount{});
        case DeployContract::kIndex: {
            TRY(auto code, in.bytes("code"));
            return PlainAction(DeployContract{std::move(code)});
        }
        case FunctionCall::kIndex:
            return read_function_call(in);
        case Transfer::kIndex: {
            TRY(const YoctoNear deposit, read_yocto(in, "deposit"));
            return PlainAction(Transfer{deposit});
        }
        case Stake::kIndex: {
            TRY(const YoctoNear stake, read_yocto(in, "stake"));
            TRY(const auto key, read_public_key(in));
            return PlainAction(Stake{stake, key});
        }
        case AddKey::kIndex:
            return read_add_key(in);
        case DeleteKey::kIndex: {
            TRY(const auto key, read_public_key(in));
            return PlainAction(DeleteKey{key});
        }
        case DeleteAccount::kIndex: {
            TRY(auto beneficiary, read_account_id(in, "beneficiary_id"));
            return PlainAction(DeleteAccount{std::move(beneficiary)});
        }
        case DeployGlobalContract::kIndex:
            return read_deploy_global(in);
        case UseGlobalContract::kIndex: {
            TRY(auto contract, read_contract_identifier(in));
            return PlainAction(UseGlobalContract{std::move(contract)});
        }
        case DeterministicStateInit::kIndex:
            return read_state_init(in);
        case TransferToGasKey::kIndex:
        case WithdrawFromGasKey::kIndex:
            return read_key_and_amount(in, index);
        default:
            return unknown_kind("action", index);
    }
}

Result<std::size_t> read_action_count(BorshReader& in) {
    TRY(const std::size_t count, in.count(kActionBytesMin, "actions"));
    if (count > kActionsMax) return Error::invalid_argument("borsh: more than 100 actions");
    return count;
}

}  // namespace

void write_borsh(BorshWriter& out, const PublicKey& key) {
    out.u8(static_cast<std::uint8_t>(key.type())).fixed(key.bytes());
}

void write_borsh(BorshWriter& out, const Signature& signature) {
    out.u8(static_cast<std::uint8_t>(signature.type())).fixed(signature.bytes());
}

void write_borsh(BorshWriter& out, const PlainAction& action) {
    write_tagged(out, action);
}

void write_borsh(BorshWriter& out, const Action& action) {
    write_tagged(out, action);
}

void write_borsh(BorshWriter& out, const DelegateAction& action) {
    write(out, action.sender_id);
    write(out, action.receiver_id);
    out.count(action.actions.size());
    for (const PlainAction& one : action.actions) write_borsh(out, one);
    out.u64(action.nonce).u64(action.max_block_height);
    write_borsh(out, action.public_key);
}

void write_borsh(BorshWriter& out, const SignedDelegate& signed_delegate) {
    write_borsh(out, signed_delegate.delegate_action);
    write_borsh(out, signed_delegate.signature);
}

Result<AccountId> read_account_id(BorshReader& in, std::string_view field) {
    TRY(const std::string text, in.string(field));
    auto account = AccountId::parse(text);
    if (!account) return std::move(account).error().with_context(field);
    return account;
}

Result<PublicKey> read_public_key(BorshReader& in) {
    TRY(const std::uint8_t type, in.u8("public key type"));
    if (type > static_cast<std::uint8_t>(KeyType::Secp256k1)) {
        return unknown_kind("public key type", type);
    }
    const auto key_type = static_cast<KeyType>(type);
    TRY(const auto bytes, in.fixed(PublicKey::size_of(key_type), "public key"));
    return PublicKey::from_bytes(key_type, bytes);
}

Result<Signature> read_signature(BorshReader& in) {
    TRY(const std::uint8_t type, in.u8("signature type"));
    if (type > static_cast<std::uint8_t>(KeyType::Secp256k1)) {
        return unknown_kind("signature type", type);
    }
    const auto key_type = static_cast<KeyType>(type);
    TRY(const auto bytes, in.fixed(Signature::size_of(key_type), "signature"));
    return Signature::from_bytes(key_type, bytes);
}

Result<PlainAction> read_plain_action(BorshReader& in) {
    TRY(const std::uint8_t index, in.u8("action"));
    if (index == SignedDelegate::kIndex) {
        return Error::invalid_argument("borsh: a delegate inside a delegate");
    }
    return read_plain_body(in, index);
}

Result<Action> read_action(BorshReader& in) {
    TRY(const std::uint8_t index, in.u8("action"));
    if (index == SignedDelegate::kIndex) {
        TRY(auto signed_delegate, read_signed_delegate(in));
        return Action(std::move(signed_delegate));
    }
    TRY(const auto plain, read_plain_body(in, index));
    return to_action(plain);
}

Result<std::vector<Action>> read_actions(BorshReader& in) {
    TRY(const std::size_t count, read_action_count(in));
    std::vector<Action> out;
    for (std::size_t i = 0; i < count; ++i) {
        TRY(auto action, read_action(in));
        out.push_back(std::move(action));
    }
    return out;
}

Result<DelegateAction> read_delegate_action(BorshReader& in) {
    TRY(auto sender_id, read_account_id(in, "sender_id"));
    TRY(auto receiver_id, read_account_id(in, "receiver_id"));
    TRY(const std::size_t count, read_action_count(in));
    std::vector<PlainAction> actions;
    for (std::size_t i = 0; i < count; ++i) {
        TRY(auto action, read_plain_action(in));
        actions.push_back(std::move(action));
    }
    TRY(const std::uint64_t nonce, in.u64("nonce"));
    TRY(const std::uint64_t max_block_height, in.u64("max_block_height"));
    TRY(const auto key, read_public_key(in));
    return DelegateAction{std::move(sender_id), std::move(receiver_id),
                          std::move(actions),   nonce,
                          max_block_height,     key};
}

Result<SignedDelegate> read_signed_delegate(BorshReader& in) {
    TRY(auto action, read_delegate_action(in));
    TRY(const auto signature, read_signature(in));
    return SignedDelegate{std::move(action), signature};
}

}  // namespace adyton::near
