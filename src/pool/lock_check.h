#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "pool/account_repository.h"

namespace adyton::pool {

// What a caller says about the lock that it believes to hold; empty members claim nothing.
struct LockClaim {
    std::string service;
    std::string lock_id;
    std::optional<std::int64_t> fencing;
};

// Whether the claim holds now (A8). Errors, in this order: Frozen; Conflict "account_not_locked";
// PermissionDenied "not_locker"; Conflict "lease_expired", "stale_lease" (another lock id),
// "stale_fencing".
Result<void> check_lock(const LockRecord& lock, const LockClaim& claim, base::Timestamp now);

// NotFound, reason "account_not_found".
Error unknown_account();

}  // namespace adyton::pool
