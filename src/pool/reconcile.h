#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/task.h"
#include "chain/neo_client.h"
#include "pool/chain_balances.h"
#include "pool/context.h"
#include "pool/transfer.h"
#include "pool/workers.h"
#include "service/metrics.h"

namespace adyton::pool {

// Keeps the pool's books in sight of the chain: tracked balances are compared with what nodes say,
// and a retiring account is swept before it is deleted. What nodes do not say, or contradict each
// other about, changes nothing: it is never read as zero.
//
// Each run is for a PeriodicRunner: one instance at a time, safe to kill at any statement.
class Reconciler {
public:
    // References must outlive the object.
    Reconciler(
        const PoolContext& pool, chain::NeoClient& chain, Transfers& transfers,
        service::MetricsRegistry& metrics);
    Reconciler(const Reconciler&) = delete;
    Reconciler& operator=(const Reconciler&) = delete;

    // Compares the next tracked balances with two nodes (one when only one is configured), without
    // those of accounts with unfinished transfers. One that differs in two runs in a row is a
    // drift: recorded (audit "pool.balance_drift"), counted, shown with the account, and in
    // Mode::Adopt taken over. How many were compared.
    Task<Result<std::int64_t>> reconcile(WorkerGuard guard);

    // Sweeps retiring accounts that nobody holds to the configured address, through the same
    // machinery as every transfer and as the service "neoaccounts", whose policy must allow it; and
    // deletes, if that is configured, those that two nodes call empty of GAS, NEO, the configured
    // tokens, and every token that was ever tracked on them or that a transfer brought there. With
    // fewer than two nodes nothing is deleted. How many were deleted or swept.
    Task<Result<std::int64_t>> retire(WorkerGuard guard);

    // For /info: what the last run found, and up to kDriftsShown of the drifts there are.
    static constexpr std::int64_t kDriftsShown = 20;
    base::Json info() const;

private:
    struct Holding {
        neo::ScriptHash token;
        base::Amount amount;
    };

    std::size_t sources() const;
    Task<Result<std::int64_t>> compare(
        const WorkerGuard& guard, const std::vector<TrackedBalance>& rows);
    Result<void> settle(
        storage::Transaction& tx, const WorkerGuard& guard, const std::vector<TrackedBalance>& rows,
        const std::vector<chain::BalanceReading>& readings, std::int64_t& flagged);
    Result<void> note_equal(storage::Transaction& tx, const TrackedBalance& tracked);
    Result<bool> note_difference(
        storage::Transaction& tx, const TrackedBalance& tracked,
        const chain::BalanceReading& reading);

    Task<Result<bool>> retire_one(const WorkerGuard& guard, RetiringAccount account);
    Task<Result<bool>> delete_empty(
        const WorkerGuard& guard, const RetiringAccount& account, std::uint32_t height);
    Task<Result<bool>> sweep(
        const WorkerGuard& guard, const RetiringAccount& account, std::vector<Holding> holdings);
    Task<Result<void>> sweep_locked(
        const RetiringAccount& account, const std::string& lock_id, std::vector<Holding> holdings);
    Task<Result<base::Amount>> sweepable_gas(const RetiringAccount& account, base::Amount balance);
    Task<Result<bool>> send(
        const RetiringAccount& account, const std::string& lock_id, Holding holding);

    const PoolContext& pool_;
    chain::NeoClient& chain_;
    Transfers& transfers_;
    service::Counter& compared_;
    service::Counter& drifts_;
    service::Counter& unreadable_;
    service::Gauge& open_drifts_;
    service::Counter& sweeps_;
    BalanceKey cursor_;  // of reconcile(): where the next run goes on
    std::atomic<std::int64_t> last_compared_{0};
    std::atomic<std::int64_t> last_unreadable_{0};
    std::atomic<std::int64_t> last_drifts_{0};
    mutable std::mutex mutex_;
    std::vector<Drift> shown_;  // guarded by mutex_
};

}  // namespace adyton::pool
