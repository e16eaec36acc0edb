#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "localchain/internal/state.h"
#include "localchain/neo_chain.h"
#include "localchain/neo_vm.h"
#include "neo/script_hash.h"
#include "neo/transaction.h"
#include "neo/value.h"

namespace adyton::localchain::internal {

// One System.Contract.Call from the entry script.
struct ContractCall {
    neo::ScriptHash contract;
    std::string method;
    std::uint8_t flags = 0;  // CallFlags of neo.md 4.2
    std::vector<neo::Value> arguments;
};

struct CallPrice {
    std::int64_t cpu = 0;            // times exec_fee_factor
    std::int64_t storage_bytes = 0;  // times storage_price
};

// The contracts that the simulator knows: the tokens' NEP-17 methods, Policy's getters, Ledger's
// currentIndex.
class Contracts {
public:
    Contracts(State& state, const ChainPolicy& policy, const std::vector<neo::Signer>& signers)
        : state_(state), policy_(policy), signers_(signers) {}

    // What a call costs before it runs. An error is the exception of a FAULT: an unknown contract
    // or method, missing flags.
    Result<CallPrice> price(const ContractCall& call) const;
    // Its result. An error is the exception of a FAULT.
    Result<neo::Value> run(const ContractCall& call, std::vector<TransferEvent>& events);

private:
    Result<neo::Value> run_token(
        Ledger::TokenIndex token, const ContractCall& call, std::vector<TransferEvent>& events);
    Result<neo::Value> transfer(
        Ledger::TokenIndex token, const ContractCall& call, std::vector<TransferEvent>& events);
    bool move(
        Ledger::TokenIndex token, const neo::ScriptHash& from, const neo::ScriptHash& to,
        base::Amount amount, std::vector<TransferEvent>& payouts);
    void settle(const neo::ScriptHash& account, std::vector<TransferEvent>& payouts);
    bool has_witness(const neo::ScriptHash& account, const neo::ScriptHash& contract) const;

    State& state_;
    const ChainPolicy& policy_;
    const std::vector<neo::Signer>& signers_;
};

// The native contracts without a token.
const neo::ScriptHash& policy_contract();
const neo::ScriptHash& ledger_contract();

}  // namespace adyton::localchain::internal
