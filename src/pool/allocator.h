#pragma once

#include <cstdint>
#include <string>

#include "api/pool_types.h"
#include "base/result.h"
#include "base/task.h"
#include "pool/context.h"

// Handing accounts out and taking them back. An allocation is all or nothing (A4): one unit of work
// locks every account of it, creates those that are missing up to the maximum, stores the lock id
// with its lease (A5), and records it in the audit log. All functions are thread safe.
namespace adyton::pool {

// POST /request; the body. Unavailable "pool_exhausted": nothing is locked. PermissionDenied or
// ResourceExhausted "policy_...": a rule says no. Frozen. Conflict of idempotency keys.
Task<Result<std::string>> request_accounts(
    const PoolContext& pool, CallContext& call, api::AccountsRequest request);

// POST /release; the body. NotFound "lock_not_found", PermissionDenied "not_locker" for a lock id
// that is unknown or another's. Unknown accounts are passed over.
Task<Result<std::string>> release_accounts(
    const PoolContext& pool, CallContext& call, api::ReleaseRequest request);

// POST /renew. NotFound "lock_not_found", PermissionDenied "not_locker" or "policy_lock_ttl",
// Conflict "lease_expired" or "lock_released", Frozen.
Task<Result<api::RenewResponse>> renew_lock(
    const PoolContext& pool, CallContext& call, api::RenewRequest request);

struct FreedLocks {
    std::int64_t allocations = 0;
    std::int64_t accounts = 0;
};
// Frees accounts whose lease is over, up to `limit` allocations, and records each (A1).
Result<FreedLocks> free_expired_locks(
    storage::Transaction& tx, const PoolContext& pool, std::int64_t limit);

}  // namespace adyton::pool
