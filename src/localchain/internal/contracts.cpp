#include "localchain/internal/contracts.h"

#include <fmt/format.h>

#include <array>
#include <span>
#include <utility>

#include "base/check.h"

namespace adyton::localchain::internal {
namespace {

using neo::Value;

constexpr std::uint8_t kReadStates = neo::kCallReadStates;
constexpr std::uint8_t kAll = neo::kCallAll;
constexpr std::int64_t kNativeEntry = 1;  // the PUSH0 that starts a native method
constexpr std::int64_t kGetter = 1 << 15;
constexpr std::int64_t kTransfer = 1 << 17;
constexpr std::int64_t kTransferStorageBytes = 50;

struct Method {
    std::string_view name;
    std::size_t arguments;
    std::uint8_t flags;
    std::int64_t cpu;
    std::int64_t storage_bytes;
};
constexpr std::array<Method, 5> kTokenMethods = {{
    {"symbol", 0, 0, 0, 0},
    {"decimals", 0, 0, 0, 0},
    {"totalSupply", 0, kReadStates, kGetter, 0},
    {"balanceOf", 1, kReadStates, kGetter, 0},
    {"transfer", 4, kAll, kTransfer, kTransferStorageBytes},
}};
constexpr std::array<Method, 3> kPolicyMethods = {{
    {"getFeePerByte", 0, kReadStates, kGetter, 0},
    {"getExecFeeFactor", 0, kReadStates, kGetter, 0},
    {"getStoragePrice", 0, kReadStates, kGetter, 0},
}};
constexpr std::array<Method, 1> kLedgerMethods = {{
    {"currentIndex", 0, kReadStates, kGetter, 0},
}};

neo::ScriptHash known_hash(std::string_view text) {
    const auto hash = neo::ScriptHash::parse(text);
    CHECK(hash.has_value());
    return *hash;
}

Result<CallPrice> find_method(std::span<const Method> methods, const ContractCall& call) {
    for (const Method& method : methods) {
        if (method.name != call.method || method.arguments != call.arguments.size()) continue;
        if ((call.flags & method.flags) != method.flags) {
            return Error::invalid_argument(fmt::format(
                "missing call flags for {}: have {:#04x}, need {:#04x}", method.name, call.flags,
                method.flags));
        }
        return CallPrice{kNativeEntry + method.cpu, method.storage_bytes};
    }
    return Error::invalid_argument(fmt::format(
        "the simulator knows no method of this name with {} arguments in contract {}",
        call.arguments.size(), call.contract.to_string()));
}

Result<neo::ScriptHash> account_of(const Value& item) {
    if (item.type != Value::Type::Bytes) {
        return Error::invalid_argument("an account is no ByteString");
    }
    return neo::ScriptHash::from_wire(item.bytes);
}

// Both fit, because the supply does.
base::Amount sum(base::Amount a, base::Amount b) {
    const auto out = a.plus(b);
    CHECK(out.has_value());
    return *out;
}

}  // namespace

const neo::ScriptHash& policy_contract() {
    static const neo::ScriptHash kHash = known_hash("0xcc5e4edd9f5f8dba8bb65734541df7a1c081c67b");
    return kHash;
}

const neo::ScriptHash& ledger_contract() {
    static const neo::ScriptHash kHash = known_hash("0xda65b600f7124ce6c79950c1772a36403104f2be");
    return kHash;
}

Result<CallPrice> Contracts::price(const ContractCall& call) const {
    if (state_.ledger().find_token(call.contract).has_value()) {
        return find_method(kTokenMethods, call);
    }
    if (call.contract == policy_contract()) return find_method(kPolicyMethods, call);
    if (call.contract == ledger_contract()) return find_method(kLedgerMethods, call);
    return Error::invalid_argument(
        fmt::format("called contract {} not found", call.contract.to_string()));
}

Result<Value> Contracts::run(const ContractCall& call, std::vector<TransferEvent>& events) {
    const auto token = state_.ledger().find_token(call.contract);
    if (token.has_value()) return run_token(*token, call, events);
    if (call.method == "getFeePerByte") return Value::of_integer(policy_.fee_per_byte);
    if (call.method == "getExecFeeFactor") return Value::of_integer(policy_.exec_fee_factor);
    if (call.method == "getStoragePrice") return Value::of_integer(policy_.storage_price);
    CHECK(call.method == "currentIndex");
    return Value::of_integer(static_cast<std::int64_t>(state_.block_index()) - 1);
}

Result<Value> Contracts::run_token(
    Ledger::TokenIndex token, const ContractCall& call, std::vector<TransferEvent>& events) {
    const TokenOptions& options = state_.ledger().token(token);
    if (call.method == "symbol") return Value::of_text(options.symbol);
    if (call.method == "decimals") return Value::of_integer(options.decimals);
    if (call.method == "totalSupply") return Value::of_amount(state_.total_supply(token));
    if (call.method == "balanceOf") {
        TRY(const neo::ScriptHash account, account_of(call.arguments[0]));
        return Value::of_amount(state_.balance(token, account));
    }
    CHECK(call.method == "transfer");
    return transfer(token, call, events);
}

// FungibleToken.Transfer of the native tokens (neo.md 4.1), with neo-go's answer to a negative
// amount.
Result<Value> Contracts::transfer(
    Ledger::TokenIndex token, const ContractCall& call, std::vector<TransferEvent>& events) {
    TRY(const neo::ScriptHash from, account_of(call.arguments[0]));
    TRY(const neo::ScriptHash to, account_of(call.arguments[1]));
    const Value& amount = call.arguments[2];
    if (amount.type != Value::Type::Integer) {
        return Error::invalid_argument("the amount is no Integer");
    }
    // Negative, or more than anybody can hold.
    const auto number = amount.integer.as_amount();
    if (!number || !has_witness(from, call.contract)) return Value::of_boolean(false);
    std::vector<TransferEvent> payouts;
    if (!move(token, from, to, *number, payouts)) return Value::of_boolean(false);
    events.push_back({call.contract, from, to, *number});
    events.insert(events.end(), payouts.begin(), payouts.end());
    if (state_.ledger().find_token(to).has_value() || to == policy_contract() ||
        to == ledger_contract()) {
        return Error::invalid_argument(
            "method not found: onNEP17Payment/4 (the simulator pays no contracts)");
    }
    return Value::of_boolean(true);
}

// False: not enough. A NEO holder who is touched gets the GAS that his NEO earned.
bool Contracts::move(
    Ledger::TokenIndex token, const neo::ScriptHash& from, const neo::ScriptHash& to,
    base::Amount amount, std::vector<TransferEvent>& payouts) {
    const base::Amount held = state_.balance(token, from);
    const auto left = held.minus(amount);
    if (!left.has_value()) return false;
    const bool neo = token == Ledger::kNeo;
    const bool moves = amount != base::Amount() && from != to;
    if (neo && held != base::Amount()) settle(from, payouts);
    if (neo && moves) settle(to, payouts);
    if (!moves) {
        if (neo && held != base::Amount()) state_.set_balance(token, from, held);
        return true;
    }
    state_.set_balance(token, from, *left);
    state_.set_balance(token, to, sum(state_.balance(token, to), amount));
    return true;
}

void Contracts::settle(const neo::ScriptHash& account, std::vector<TransferEvent>& payouts) {
    const base::Amount earned = accrued_gas(
        state_.balance(Ledger::kNeo, account), state_.neo_settled_at(account),
        state_.block_index());
    if (earned == base::Amount()) return;
    const base::Amount gas = state_.balance(Ledger::kGas, account);
    state_.set_balance(Ledger::kGas, account, sum(gas, earned));
    payouts.push_back(
        {state_.ledger().token(Ledger::kGas).contract, std::nullopt, account, earned});
}

// CheckWitness in a contract that the entry script calls.
bool Contracts::has_witness(const neo::ScriptHash& account, const neo::ScriptHash& contract) const {
    for (const neo::Signer& signer : signers_) {
        if (signer.account != account) continue;
        if ((signer.scopes & neo::kScopeGlobal) != 0) return true;
        if ((signer.scopes & neo::kScopeCalledByEntry) != 0) return true;
        if ((signer.scopes & neo::kScopeCustomContracts) != 0) {
            for (const neo::ScriptHash& allowed : signer.allowed_contracts) {
                if (allowed == contract) return true;
            }
        }
        return false;
    }
    return false;
}

}  // namespace adyton::localchain::internal
