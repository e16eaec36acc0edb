#pragma once

#include <cstdint>
#include <string>

#include "base/json.h"
#include "localchain/near_chain.h"

// Answers as a NEAR node words them (near.md 7).
namespace adyton::localchain::internal {

base::Json action_view(const near::Action& action);
base::Json permission_view(const near::AccessKeyPermission& permission);
base::Json access_key_view(const NearKeyState& key);
base::Json transaction_view(
    const near::SignedTransaction& transaction, const near::TransactionHash& hash);
base::Json receipt_view(const NearReceipt& receipt);
base::Json outcome_view(const NearChain& chain, const NearOutcome& outcome);

// In nearcore's order: each level counts as reached when a later one is.
enum class WaitLevel { None, Included, ExecutedOptimistic, IncludedFinal, Executed, Final };
std::string_view to_string(WaitLevel level);
std::optional<WaitLevel> parse_wait_level(std::string_view text);

// What a node knows of a transaction whose head and last final block are at these heights.
struct NodeView {
    std::uint64_t head = 0;
    std::uint64_t final = 0;
};
WaitLevel level_of(const NearTransactionRecord& record, const NodeView& view);
// The result of `tx`, and with receipts that of EXPERIMENTAL_tx_status.
base::Json status_view(
    const NearChain& chain, const NearTransactionRecord& record, const NodeView& view,
    bool with_receipts);

base::Json block_view(const NearChain& chain, const NearBlockRecord& block);
base::Json chunk_view(const NearChain& chain, const NearBlockRecord& block);

}  // namespace adyton::localchain::internal
