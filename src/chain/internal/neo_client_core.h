#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "base/executor.h"
#include "base/log.h"
#include "base/time.h"
#include "chain/endpoints.h"
#include "chain/neo_client.h"
#include "neo/fee.h"

namespace adyton::chain {

struct NeoRpcClient::Core {
    Core(NeoClientOptions given, base::Executor& runner, base::Logger& log)
        : options(std::move(given)), executor(runner), logger(log) {}

    template <typename T>
    struct Cached {
        T value;
        base::SteadyTime read_at;
    };

    const NeoClientOptions options;
    base::Executor& executor;
    base::Logger& logger;
    std::unique_ptr<Endpoints> endpoints;

    std::mutex mutex;
    std::optional<Cached<NeoNetwork>> network;
    std::optional<Cached<neo::FeePolicy>> policy;
};

}  // namespace adyton::chain

namespace adyton::chain::internal {

// What a node says about itself and its chain: the magic must be ours, and the last block that it
// claims must be there.
Task<Result<Probe>> probe_neo(JsonRpc& rpc, base::Duration timeout, neo::NetworkMagic magic);

Task<Result<TransactionFate>> find_fate(
    NeoRpcClient::Core& core, neo::TransactionHash hash, std::uint32_t valid_until_block);

Task<std::vector<BalanceReading>> read_balances(
    NeoRpcClient::Core& core, std::vector<BalanceQuery> queries, std::size_t sources);
// NeoClient::token_symbol().
Task<Result<std::string>> read_symbol(NeoRpcClient::Core& core, neo::ScriptHash token);
// One balance from whichever endpoint answers.
Task<Result<base::Amount>> read_balance(NeoRpcClient::Core& core, BalanceQuery query);

}  // namespace adyton::chain::internal
