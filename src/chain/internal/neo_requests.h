#pragma once

#include <span>
#include <string>

#include "base/bytes.h"
#include "base/json.h"
#include "base/result.h"
#include "chain/json_rpc.h"
#include "chain/neo_client.h"
#include "neo/fee.h"
#include "neo/sign_data.h"
#include "neo/transaction.h"

namespace adyton::chain::internal {

// The signers of a simulated call as JSON-RPC wants them (neo.md 5.3).
base::Json signers_json(const std::vector<neo::Signer>& signers);

// LedgerContract.currentIndex(), then balanceOf of each query: so that the balances come with the
// block they are of.
base::Bytes balances_script(std::span<const BalanceQuery> queries);
// What that script left on the stack. CorruptData: another number of items or types; Unprocessable:
// a negative balance or one beyond 2^128 - 1.
struct HeightAndBalances {
    std::uint32_t height = 0;
    std::vector<Result<base::Amount>> amounts;  // in the order of the queries
};
Result<HeightAndBalances> read_balances(const Invocation& invocation, std::size_t count);

// symbol() of a NEP-17 contract. Unprocessable: it faults, or gives no symbol. CorruptData: another
// number of items than one.
base::Bytes symbol_script(const neo::ScriptHash& token);
Result<std::string> read_symbol(const Invocation& invocation);

// getFeePerByte and getExecFeeFactor of the Policy contract.
base::Bytes policy_script();
Result<neo::FeePolicy> read_policy(const Invocation& invocation);

// What a refusal of sendrawtransaction means (neo.md 5.5).
SendOutcome outcome_of_refusal(const RpcError& error);
// What its result means: the hash must be ours.
SendOutcome outcome_of_result(
    const Result<neo::TransactionHash>& sent, const neo::TransactionHash& ours);

}  // namespace adyton::chain::internal
