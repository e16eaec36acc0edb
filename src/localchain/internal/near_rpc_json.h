#pragma once

#include <cstdint>
#include <string>

#include "base/json.h"
#include "localchain/near_chain.h"

// Answers as a NEAR node words them (near.md 7).
namespace adyton::localchain::internal {

// A result as it is written. Nearly all of them are sent as they are; trees are made of the few
// that are to be changed.
struct NearRpcText {
    std::string json;

    base::Json parsed() const;
};

base::Json access_key_view(const NearKeyState& key);
NearRpcText receipt_text(const NearReceipt& receipt);

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
NearRpcText status_text(
    const NearChain& chain, const NearTransactionRecord& record, const NodeView& view,
    bool with_receipts);

NearRpcText block_text(const NearChain& chain, const NearBlockRecord& block);
NearRpcText chunk_text(const NearChain& chain, const NearBlockRecord& block);

}  // namespace adyton::localchain::internal
