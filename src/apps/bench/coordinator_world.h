#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/json.h"
#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "coordinator/options.h"
#include "localchain/near_chain.h"

namespace adyton::apps::bench {

struct CoordinatorWorldOptions {
    std::string directory;  // for the databases of coordinator and keystore; exists
    std::size_t gates = 1;
    std::size_t relayer_keys = 1;
    std::size_t wallets = 1;
    base::Duration block_time{};   // zero: blocks come as soon as there is work
    base::Duration latency_max{};  // of each request to the node, and of each answer
    std::uint64_t yield_blocks = 200;
    std::uint64_t seed = 1;
    // Changes what the coordinator is configured with.
    std::function<void(coordinator::CoordinatorOptions&)> configure;
};

struct WorldAnswer {
    int status = 0;  // 0: no answer
    std::string text;
    std::string string(std::string_view name) const;  // of the JSON object; empty: not there
};

// The gate's batches, as the chain has them.
struct GateBatches {
    std::uint64_t batches = 0;
    std::uint64_t busy_blocks = 0;  // from each batch_started to its last dispatch
    std::uint64_t wall_blocks = 0;  // from the first batch_started to the last dispatch of all
    std::uint64_t gap_min = 0;      // from a last dispatch to the next batch_started
    std::uint64_t gap_max = 0;
    std::uint64_t dispatched = 0;
    std::uint64_t timed_out = 0;  // intents that died of age
    std::uint64_t submitted = 0;
};

// Coordinator, keystore and a simulated NEAR chain in one process, each over its own interfaces:
// HTTP routes without sockets, JSON-RPC, SQLite databases on a disk. The coordinator runs on
// `front`, keystore and chain on `back`, which may be the same. Everything here is called on
// `front`.
class CoordinatorWorld {
public:
    // Errors of the databases and services.
    static Task<Result<std::unique_ptr<CoordinatorWorld>>> create(
        CoordinatorWorldOptions options, base::Executor& front, base::Executor& back);
    ~CoordinatorWorld();
    CoordinatorWorld(const CoordinatorWorld&) = delete;
    CoordinatorWorld& operator=(const CoordinatorWorld&) = delete;

    // In order; must be awaited before it is destroyed.
    Task<void> stop();

    Task<WorldAnswer> post(std::string path, std::string wallet, std::string body);
    Task<WorldAnswer> get(std::string path, std::string wallet);
    std::string wallet(std::size_t index) const;

    // How many records there are, and how many of them succeeded.
    struct Records {
        std::int64_t all = 0;
        std::int64_t succeeded = 0;
        std::int64_t running = 0;  // runs that are not over
    };
    Task<Result<Records>> records();
    Task<GateBatches> batches(std::string gate_id);
    // wNEAR inside the intents contract, in its smallest unit.
    Task<Result<std::uint64_t>> intents_balance(std::string account);
    // What was done since the start.
    struct Work {
        std::uint64_t blocks = 0;
        std::uint64_t node_calls = 0;    // of JSON-RPC, the keystore's too
        std::uint64_t status_calls = 0;  // of those: EXPERIMENTAL_tx_status
        std::uint64_t block_calls = 0;
        std::uint64_t broadcasts = 0;
        std::uint64_t steps = 0;  // of the coordinator's engine
    };
    Task<Work> work();

private:
    struct Parts;
    explicit CoordinatorWorld(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

// The body of a workflow of three transfers of 1 to `receiver`.
std::string three_transfers(const std::string& key, const std::string& receiver);

}  // namespace adyton::apps::bench
