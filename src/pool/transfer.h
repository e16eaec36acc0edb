#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "api/transfer_types.h"
#include "base/result.h"
#include "base/task.h"
#include "chain/neo_client.h"
#include "pool/context.h"
#include "workflow/step_runner.h"

// Transfers of NEP-17 tokens out of pool accounts (neo.md 6), each at most once whatever dies or
// lies on the way:
//
//   ask the chain (simulation, balance, fees), sign what the rules allow, then in ONE unit of work:
//   idempotency key, lock, policy and its reservations, what the account's other transfers may
//   still spend, and the signed bytes with their hash and last block. Only bytes that stand in the
//   database are sent, and for one transfer there are never others; signatures that the unit
//   refuses are dropped where they were made.
//
// From then on a durable run (workflow/journal.h) drives it: it sends, asks for the fate by hash,
// sends the same bytes again, until a quorum of nodes shows the transaction in a block, or its last
// block behind them without it.
namespace adyton::pool {

inline constexpr std::string_view kTransferRunKind = "pool.transfer";

// Where the tests of crashes strike.
enum class TransferPoint { BeforeSign, AfterSign, BeforeSend, AfterSend, AfterAnswer };
class TransferProbe {
public:
    virtual ~TransferProbe() = default;
    virtual void at(TransferPoint point) = 0;
};

struct TransferAnswer {
    api::TransferInfo transfer;
    bool broadcast = false;  // false: no node is known to have it yet, and its fate is open (202)
};

// How long the parts of transfers took so far, in nanoseconds, for the benchmark.
struct TransferStages {
    std::uint64_t look_up = 0;   // lock, keys, idempotency: before the chain is asked
    std::uint64_t chain = 0;     // simulation, balances, network fee
    std::uint64_t sign = 0;      // the signatures
    std::uint64_t record = 0;    // the unit and its commit
    std::uint64_t send = 0;      // sendrawtransaction
    std::uint64_t note = 0;      // recording that it was sent
    std::uint64_t prepared = 0;  // how many of each
    std::uint64_t sent = 0;
    std::uint64_t confirmed = 0;
    std::uint64_t failed = 0;
    std::uint64_t expired = 0;
};

// Thread safe: calls may come from any executor.
class Transfers {
public:
    // References must outlive the object. `runner.executor` drives the transfers.
    Transfers(
        const PoolContext& pool, chain::NeoClient& chain, workflow::StepRunner::Options runner,
        TransferOptions options);
    ~Transfers();
    Transfers(const Transfers&) = delete;
    Transfers& operator=(const Transfers&) = delete;

    void start();
    Task<void> stop();  // transfers under way stay for the next process

    // POST /transfer. Answers when it was sent, its fate is known, or waiting ended (see
    // TransferOptions and wait_seconds). Errors before anything was stored: InvalidArgument
    // ("bad_address", "bad_fee_account", those of TokenBook::find()), NotFound "account_not_found",
    // those of check_lock(), PermissionDenied or ResourceExhausted "policy_...", Frozen, Conflict
    // "insufficient_balance", "balance_reserved" (unfinished transfers may take it; retry later)
    // or "too_many_unfinished", Unprocessable "transfer_would_fail" (the simulation's words),
    // "fee_too_high", Unavailable (the chain or the database). OutcomeUnknown of the database: ask
    // again with the same idempotency key.
    Task<Result<TransferAnswer>> transfer(CallContext& call, api::TransferRequest request);
    // The service's own. NotFound "transfer_not_found".
    Task<Result<api::TransferInfo>> find(std::string service, std::string id);
    Task<Result<api::TransfersResponse>> list(std::string service, api::TransfersQuery query);

    chain::NeoClient& chain();
    workflow::RunnerStatus runner_status() const;
    TransferStages stages() const;
    // For tests; null for none. Before start().
    void set_probe(TransferProbe* probe);

    struct Core;

private:
    std::unique_ptr<Core> core_;
};

}  // namespace adyton::pool
