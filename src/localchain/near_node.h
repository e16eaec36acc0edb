#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include "base/executor.h"
#include "base/json.h"
#include "base/time.h"
#include "http/router.h"
#include "localchain/near_chain.h"

namespace adyton::localchain {

// What a NEAR node can be told to do wrong. "Effect" is what the call does to the chain: only
// broadcast_tx_async, broadcast_tx_commit and send_tx have one.
enum class NearFault {
    LoseRequest,      // the connection breaks before the node does anything (OutcomeUnknown)
    LoseAnswer,       // the call takes effect, the answer is lost (OutcomeUnknown)
    Swallow,          // a broadcast is answered as accepted, but the node forgets it
    Double,           // a broadcast takes effect twice; the second may be refused, nobody is told
    HttpStatus,       // answers NearFaultRule::http_status and a page of text, without effect
    RpcError,         // answers HANDLER_ERROR with NearFaultRule::text as its cause, without effect
    Unknown,          // a transaction query: UNKNOWN_TRANSACTION, whatever the truth
    Garbage,          // 200 with a body that is no JSON, after the effect
    WrongId,          // the right answer under another id, after the effect
    NullResult,       // {"result":null}, after the effect
    Delay,            // the right answer, NearFaultRule::delay later; effect at once
    StaleNonce,       // view_access_key tells the nonce of NearFaultRule::blocks blocks ago
    StaleState,       // every query and status answers as NearFaultRule::blocks blocks ago
    ShuffleOutcomes,  // receipts_outcome and receipts in an order drawn from the seed
    BareResult,       // a transaction query: the result without the JSON-RPC envelope
    OtherHash,        // a broadcast takes effect and is answered with another hash
    Contradict,       // a transaction query: a finished success is shown as a failure
    ContradictReceipts,  // the same of each receipt: a success as a failure, a failure as a success
    ForgeIds,            // a transaction query: contracts' logs name intents by other ids
    OtherHeight,         // block: the height is off by NearFaultRule::blocks
    ContradictState,     // query: amounts, nonces and numbers of views, times ten
};
inline constexpr std::size_t kNearFaultCount = 21;

// When a fault strikes: calls of `method` (empty: any) are counted; the first `skip` go through,
// then each of the next `count` is struck with a chance of per_mille / 1000 from the node's seed.
struct NearFaultRule {
    NearFault fault = NearFault::LoseAnswer;
    std::string method = {};
    std::uint64_t skip = 0;
    std::uint64_t count = 1;
    unsigned per_mille = 1000;
    int http_status = 503;
    std::string text = "INTERNAL_ERROR";
    base::Duration delay = std::chrono::milliseconds(500);
    std::uint32_t blocks = 10;

    static constexpr std::uint64_t kForever = std::numeric_limits<std::uint64_t>::max();
};

struct NearNodeOptions {
    bool faucet = false;  // adyton_faucet {account_id, amount[, token]}; development only
    bool faults = false;  // adyton_fault (docs/local-chain.md); development only
    // 10^6 NEAR.
    near::YoctoNear faucet_max{
        base::Amount::from_halves(54'210'108'624ULL, 5'076'944'270'305'263'616ULL)};
    std::size_t batch_max = 100;
    std::size_t request_bytes_max = 4 * 1024 * 1024;
    // How long wait_until waits before TIMEOUT_ERROR.
    base::Duration wait_max = std::chrono::seconds(10);
    // broadcast_tx_async refuses what is invalid; off, it answers with the hash, as nearcore does.
    bool async_validates = false;
    // A missing access key and a panicking view are results with an `error` text (near.md 7.2);
    // off, they are errors with UNKNOWN_ACCESS_KEY and CONTRACT_EXECUTION_ERROR.
    bool flat_errors = true;
    std::uint64_t seed = 1;  // for faults by chance
};

// One JSON-RPC node over a chain (near.md 7): block, chunk, query (view_account, view_access_key,
// view_access_key_list, call_function, view_state), gas_price, status, network_info, validators,
// broadcast_tx_async, broadcast_tx_commit, send_tx, tx, EXPERIMENTAL_tx_status,
// EXPERIMENTAL_receipt, EXPERIMENTAL_protocol_config (the part that clients read), health, and
// batches. `status` says SIMULATOR. Several nodes may stand over one chain, each with its own lag,
// lies and faults; they share one pool.
//
// On the chain's executor. Answers are the same for the same chain, orders and seed.
class NearNode {
public:
    // `chain` and `executor` must outlive the node and the requests in flight.
    NearNode(NearChain& chain, base::Executor& executor, NearNodeOptions options);
    ~NearNode();
    NearNode(const NearNode&) = delete;
    NearNode& operator=(const NearNode&) = delete;

    // POST / answers JSON-RPC; GET / says what this is; GET /health and GET /status as nearcore's.
    const http::Router& router() const;

    // What POST / would answer without faults that need a connection or time: a wait_until that is
    // not reached yet is a TIMEOUT_ERROR at once. For tests and fuzzing.
    http::Response answer(std::string_view body);
    // One call: the whole answer, {"jsonrpc","id","result"} or {..,"error"}.
    base::Json rpc(std::string_view method, base::Json params);

    // The node sees the chain as it was this many blocks ago (NearChainOptions::history_blocks at
    // most).
    void set_lag(std::uint32_t blocks);
    std::uint64_t height() const;  // of the node's head
    // status and block at a finality tell the truth plus this height; nothing else changes.
    void set_height_lie(std::int64_t heights);
    // A stopped node refuses connections: over NodeTransport Unavailable, over a Router HTTP 503.
    void set_down(bool down);
    bool down() const;

    void order(NearFaultRule rule);
    void clear_faults();
    std::uint64_t struck(NearFault fault) const;
    std::uint64_t calls() const;
    std::uint64_t calls(std::string_view method) const;

    struct Core;

private:
    std::unique_ptr<Core> core_;
};

}  // namespace adyton::localchain
