#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/executor.h"
#include "base/random.h"
#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "http/client.h"
#include "http/router.h"
#include "localchain/neo_chain.h"

namespace adyton::localchain {

class NearNode;

// What a node can be told to do wrong. "Effect" is what the call does to the chain: only
// sendrawtransaction has one.
enum class NodeFault {
    LoseRequest,  // the connection breaks before the node does anything (OutcomeUnknown)
    LoseAnswer,   // the call takes effect, the answer is lost (OutcomeUnknown)
    Swallow,      // sendrawtransaction is answered as accepted, but the node forgets it
    HttpStatus,   // answers FaultRule::http_status and a page of text, without effect
    RpcError,     // answers FaultRule::code and text, without effect
    Garbage,      // 200 with a body that is no JSON, after the effect
    WrongId,      // the right answer under another id, after the effect
    NullResult,   // {"result":null}, after the effect
    Delay,        // the right answer, FaultRule::delay later; effect at once
};
inline constexpr std::size_t kNodeFaultCount = 9;

// When a fault strikes: calls of `method` (empty: any) are counted; the first `skip` go through,
// then each of the next `count` is struck with a chance of per_mille / 1000 from the node's seed.
struct FaultRule {
    NodeFault fault = NodeFault::LoseAnswer;
    std::string method = {};
    std::uint64_t skip = 0;
    std::uint64_t count = 1;
    unsigned per_mille = 1000;
    int http_status = 503;
    int code = -32603;
    std::string text = "Internal server error";
    base::Duration delay = std::chrono::milliseconds(500);

    static constexpr std::uint64_t kForever = std::numeric_limits<std::uint64_t>::max();
};

struct NodeOptions {
    NodeFlavour flavour = NodeFlavour::NeoGo;
    std::uint16_t tcp_port = 20333;  // what getversion tells
    bool faucet = false;             // adyton_faucet {address, token, amount}; development only
    bool faults = false;             // adyton_fault (docs/local-chain.md); development only
    base::Amount faucet_max{10'000'000'000'000};  // one payment, in the token's smallest unit
    std::size_t batch_max = 100;
    std::size_t request_bytes_max = 1024 * 1024;
    std::uint64_t seed = 1;  // for faults by chance
};

// One JSON-RPC node over a chain (neo.md 5): getversion, getblockcount, getbestblockhash,
// getblockhash, getblock, getblockheader, invokescript, invokefunction, calculatenetworkfee,
// sendrawtransaction, getrawtransaction, gettransactionheight, getapplicationlog, getnep17balances,
// getrawmempool, validateaddress, and batches. Its useragent says SIMULATOR. Several nodes may
// stand over one chain, each with its own lag, lies and faults; they share one pool.
//
// On the chain's executor. Answers are the same for the same chain, orders and seed.
class NeoNode {
public:
    // `chain` and `executor` must outlive the node and the requests in flight.
    NeoNode(NeoChain& chain, base::Executor& executor, NodeOptions options);
    ~NeoNode();
    NeoNode(const NeoNode&) = delete;
    NeoNode& operator=(const NeoNode&) = delete;

    // POST / answers JSON-RPC; GET / says what this is.
    const http::Router& router() const;

    // What POST / would answer without faults that need a connection or time. For tests and
    // fuzzing.
    http::Response answer(std::string_view body);

    // The node sees the chain as it was this many blocks ago (ChainOptions::history_blocks at
    // most).
    void set_lag(std::uint32_t blocks);
    std::uint32_t height() const;  // of the node's last block
    // getblockcount answers the truth plus this, and nothing else changes.
    void set_height_lie(std::int64_t blocks);
    // A stopped node refuses connections: over NodeTransport Unavailable, over a Router HTTP 503.
    void set_down(bool down);
    bool down() const;

    void order(FaultRule rule);
    void clear_faults();
    std::uint64_t struck(NodeFault fault) const;
    std::uint64_t calls() const;
    std::uint64_t calls(std::string_view method) const;

    struct Core;

private:
    std::unique_ptr<Core> core_;
};

// Several nodes by the authority of their URLs ("http://node-1:10332"), without sockets: each
// request goes through the node's Router. An unknown authority, or a node that is down, is
// Unavailable.
class NodeTransport final : public http::Transport {
public:
    // `random` makes trace ids and latencies. Both must outlive the transport.
    NodeTransport(base::Executor& executor, base::RandomSource& random);
    ~NodeTransport() override;

    // `node` must outlive the transport.
    void add(std::string authority, NeoNode& node);
    void add(std::string authority, NearNode& node);
    // Each request and each answer takes a random time up to this. Zero at first. A request whose
    // timeout ends earlier is OutcomeUnknown, though the node carries it out.
    void set_latency_max(base::Duration latency);

    // A crash of the caller (SimExecutor::drop_all) does not stop what is on the wire: each request
    // under way arrives at its node now, with a chance of per_mille / 1000. Call before drop_all().
    // Gives how many arrived.
    std::size_t deliver_in_flight(unsigned per_mille);

    Task<Result<http::Response>> send(http::ClientRequest request) override;

    struct Core;

private:
    std::shared_ptr<Core> core_;  // shared with requests whose caller no longer waits
};

}  // namespace adyton::localchain
