#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "audit/checkpoint.h"
#include "base/executor.h"
#include "base/result.h"
#include "base/task.h"
#include "pool/context.h"
#include "workflow/periodic.h"

namespace adyton::pool {

class Reconciler;

// What a worker asks while it runs. Both may be empty.
struct WorkerGuard {
    // First statement of each unit of work: ends it when another instance has taken over.
    std::function<Result<void>(storage::Transaction&)> check;
    std::function<bool()> should_stop;

    Result<void> enter(storage::Transaction& tx) const {
        return check ? check(tx) : Result<void>();
    }
    bool stopped() const { return should_stop && should_stop(); }
};

// One run of each worker: how many items it handled. Every unit of work is whole by itself, so a
// worker may be killed at any statement; the next run goes on.

// Marks idle, nearly empty accounts as retiring, at the configured rate a day, and refills the free
// ones up to the minimum, all in one unit of work. What a run may retire is counted exactly: the
// credit grows with time and free accounts, shrinks by what was really retired, and never passes a
// day's worth (A31). Nothing is retired that could not be replaced within the maximum.
Task<Result<std::int64_t>> rotate(const PoolContext& pool, WorkerGuard guard);
// Deletes nothing: without nodes nobody knows what a retiring account holds (A11). Says so, if
// deleting is configured.
Task<Result<std::int64_t>> keep_retired(const PoolContext& pool, WorkerGuard guard);
// Frees accounts whose lease is over (A1).
Task<Result<std::int64_t>> free_stale_locks(const PoolContext& pool, WorkerGuard guard);
// Creates accounts up to the minimum (A22).
Task<Result<std::int64_t>> top_up(const PoolContext& pool, WorkerGuard guard);
// Forgets old idempotency answers, ended rate windows, closed allocations and the journals of
// transfers that are long final.
Task<Result<std::int64_t>> clean_up(const PoolContext& pool, WorkerGuard guard);
// Signs a checkpoint of the audit log when there is something new.
Task<Result<std::int64_t>> checkpoint(audit::Checkpoints& checkpoints);
// Gives accounts taken over from the original a key fingerprint, if their address proves the key.
// Others are logged and counted, and never sign (A18).
Task<Result<std::int64_t>> verify_keys(const PoolContext& pool, WorkerGuard guard);

// All of them on their own schedules, one runner among all instances (A2). With a reconciler (null:
// no chain is configured), tracked balances are compared with the chain, and it retires accounts
// in place of keep_retired().
void add_workers(
    workflow::PeriodicRunner& runner, const PoolContext& pool, audit::Checkpoints& checkpoints,
    Reconciler* reconciler);

}  // namespace adyton::pool
