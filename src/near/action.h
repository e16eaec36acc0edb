#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/json.h"
#include "near/account_id.h"
#include "near/amounts.h"
#include "near/borsh.h"
#include "near/hash.h"
#include "near/keys.h"

// What a transaction or a delegate does, every kind that the chain knows (near.md 2.2). kIndex is
// the Borsh discriminant, kName the name in JSON.
namespace adyton::near {

struct CreateAccount {
    static constexpr std::uint8_t kIndex = 0;
    static constexpr std::string_view kName = "CreateAccount";
    bool operator==(const CreateAccount&) const = default;
};

struct DeployContract {
    static constexpr std::uint8_t kIndex = 1;
    static constexpr std::string_view kName = "DeployContract";
    base::Bytes code;
    bool operator==(const DeployContract&) const = default;
};

struct FunctionCall {
    static constexpr std::uint8_t kIndex = 2;
    static constexpr std::string_view kName = "FunctionCall";
    std::string method_name;
    base::Bytes args;  // usually JSON, by no rule
    Gas gas;
    YoctoNear deposit;
    bool operator==(const FunctionCall&) const = default;
};

struct Transfer {
    static constexpr std::uint8_t kIndex = 3;
    static constexpr std::string_view kName = "Transfer";
    YoctoNear deposit;
    bool operator==(const Transfer&) const = default;
};

struct Stake {
    static constexpr std::uint8_t kIndex = 4;
    static constexpr std::string_view kName = "Stake";
    YoctoNear stake;
    PublicKey public_key;
    bool operator==(const Stake&) const = default;
};

// What a limited key may do: call one receiver, with no deposit.
struct FunctionCallPermission {
    std::optional<YoctoNear> allowance;  // null: unlimited spending on gas
    AccountId receiver_id;
    std::vector<std::string> method_names;  // empty: every method
    bool operator==(const FunctionCallPermission&) const = default;
};

struct FullAccess {
    bool operator==(const FullAccess&) const = default;
};

// A key with a prepaid balance for gas (NEP-611).
struct GasKeyInfo {
    YoctoNear balance;
    std::uint16_t num_nonces = 0;
    bool operator==(const GasKeyInfo&) const = default;
};

struct GasKeyFunctionCall {
    GasKeyInfo gas_key;
    FunctionCallPermission function_call;
    bool operator==(const GasKeyFunctionCall&) const = default;
};

struct GasKeyFullAccess {
    GasKeyInfo gas_key;
    bool operator==(const GasKeyFullAccess&) const = default;
};

// In the order of the Borsh discriminants 0 to 3.
using AccessKeyPermission =
    std::variant<FunctionCallPermission, FullAccess, GasKeyFunctionCall, GasKeyFullAccess>;

struct AccessKey {
    std::uint64_t nonce = 0;  // 0 when a key is added; the chain sets it
    AccessKeyPermission permission;
    bool operator==(const AccessKey&) const = default;
};

struct AddKey {
    static constexpr std::uint8_t kIndex = 5;
    static constexpr std::string_view kName = "AddKey";
    PublicKey public_key;
    AccessKey access_key;
    bool operator==(const AddKey&) const = default;
};

struct DeleteKey {
    static constexpr std::uint8_t kIndex = 6;
    static constexpr std::string_view kName = "DeleteKey";
    PublicKey public_key;
    bool operator==(const DeleteKey&) const = default;
};

struct DeleteAccount {
    static constexpr std::uint8_t kIndex = 7;
    static constexpr std::string_view kName = "DeleteAccount";
    AccountId beneficiary_id;  // gets the whole balance
    bool operator==(const DeleteAccount&) const = default;
};

enum class GlobalContractDeployMode : std::uint8_t { ByCodeHash = 0, ByAccountId = 1 };

struct DeployGlobalContract {
    static constexpr std::uint8_t kIndex = 9;
    static constexpr std::string_view kName = "DeployGlobalContract";
    base::Bytes code;
    GlobalContractDeployMode deploy_mode = GlobalContractDeployMode::ByCodeHash;
    bool operator==(const DeployGlobalContract&) const = default;
};

// In the order of the Borsh discriminants 0 and 1.
using GlobalContractIdentifier = std::variant<CodeHash, AccountId>;

struct UseGlobalContract {
    static constexpr std::uint8_t kIndex = 10;
    static constexpr std::string_view kName = "UseGlobalContract";
    GlobalContractIdentifier contract_identifier;
    bool operator==(const UseGlobalContract&) const = default;
};

// NEP-616, state init version 1 (the only one).
struct DeterministicStateInit {
    static constexpr std::uint8_t kIndex = 11;
    static constexpr std::string_view kName = "DeterministicStateInit";
    GlobalContractIdentifier code;
    std::vector<std::pair<base::Bytes, base::Bytes>> data;  // keys strictly ascending
    YoctoNear deposit;
    bool operator==(const DeterministicStateInit&) const = default;
};

struct TransferToGasKey {
    static constexpr std::uint8_t kIndex = 12;
    static constexpr std::string_view kName = "TransferToGasKey";
    PublicKey public_key;
    YoctoNear deposit;
    bool operator==(const TransferToGasKey&) const = default;
};

struct WithdrawFromGasKey {
    static constexpr std::uint8_t kIndex = 13;
    static constexpr std::string_view kName = "WithdrawFromGasKey";
    PublicKey public_key;
    YoctoNear amount;
    bool operator==(const WithdrawFromGasKey&) const = default;
};

// Everything but a delegate: what a delegate may contain (NEP-366: no delegate inside a delegate).
using PlainAction = std::variant<
    CreateAccount, DeployContract, FunctionCall, Transfer, Stake, AddKey, DeleteKey, DeleteAccount,
    DeployGlobalContract, UseGlobalContract, DeterministicStateInit, TransferToGasKey,
    WithdrawFromGasKey>;

// Actions that the sender signs for somebody else to submit and pay for (NEP-366). See delegate.h.
struct DelegateAction {
    AccountId sender_id;
    AccountId receiver_id;
    std::vector<PlainAction> actions;
    std::uint64_t nonce = 0;
    std::uint64_t max_block_height = 0;
    PublicKey public_key;
    bool operator==(const DelegateAction&) const = default;
};

struct SignedDelegate {
    static constexpr std::uint8_t kIndex = 8;
    static constexpr std::string_view kName = "Delegate";
    DelegateAction delegate_action;
    Signature signature;
    bool operator==(const SignedDelegate&) const = default;
};

using Action = std::variant<
    CreateAccount, DeployContract, FunctionCall, Transfer, Stake, AddKey, DeleteKey, DeleteAccount,
    SignedDelegate, DeployGlobalContract, UseGlobalContract, DeterministicStateInit,
    TransferToGasKey, WithdrawFromGasKey>;

// "Transfer", "Delegate"...
std::string_view name_of(const PlainAction& action);
std::string_view name_of(const Action& action);
// The same action in the wider type.
Action to_action(const PlainAction& action);
// What the action takes from the account that it is carried out for, gas aside: deposits,
// transfers. A delegate inside is its sender's, thus zero here. (DeleteAccount moves everything:
// not this.)
YoctoNear deposit_of(const PlainAction& action);
YoctoNear deposit_of(const Action& action);

// Borsh. Reading: InvalidArgument, naming the field: unknown discriminant, malformed text, account
// or key, a map out of order, a delegate inside a delegate, a short input.
void write_borsh(BorshWriter& out, const PlainAction& action);
void write_borsh(BorshWriter& out, const Action& action);
void write_borsh(BorshWriter& out, const PublicKey& key);
void write_borsh(BorshWriter& out, const Signature& signature);
void write_borsh(BorshWriter& out, const DelegateAction& action);
void write_borsh(BorshWriter& out, const SignedDelegate& signed_delegate);
Result<PlainAction> read_plain_action(BorshReader& in);
Result<Action> read_action(BorshReader& in);
Result<PublicKey> read_public_key(BorshReader& in);
Result<Signature> read_signature(BorshReader& in);
// At most 100 actions, as the chain takes.
Result<std::vector<Action>> read_actions(BorshReader& in);
Result<DelegateAction> read_delegate_action(BorshReader& in);
Result<SignedDelegate> read_signed_delegate(BorshReader& in);
Result<AccountId> read_account_id(BorshReader& in, std::string_view field);

// JSON for people and tests: {"type":"FunctionCall","method_name":..,"args_utf8":..,"gas":"..",
// "deposit":".."}; numbers of 64 and 128 bits as decimal text, code and binary arguments as base64
// (`args_base64`), access keys as RPC shows them. Reading accepts `args_utf8`, `args_hex` or
// `args_base64`, at most one; InvalidArgument: anything malformed or unknown.
base::Json to_json(const PlainAction& action);
base::Json to_json(const Action& action);
base::Json to_json(const AccessKeyPermission& permission);
Result<PlainAction> plain_action_from_json(const base::Json& json);
Result<Action> action_from_json(const base::Json& json);

}  // namespace adyton::near
