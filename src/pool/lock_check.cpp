#include "pool/lock_check.h"

#include "crypto/uuid.h"
#include "policy/freeze.h"

namespace adyton::pool {

Result<void> check_lock(const LockRecord& lock, const LockClaim& claim, base::Timestamp now) {
    if (!lock.frozen_scope.empty()) return policy::frozen_error(lock.frozen_scope);
    if (lock.locked_by.empty()) {
        return Error::conflict("account is not locked", "account_not_locked");
    }
    if (lock.locked_by != claim.service) {
        return Error::permission_denied(
            "account not locked by service " + claim.service, "not_locker");
    }
    if (!lock.expires_at || *lock.expires_at <= now) {
        return Error::conflict("the lock on the account has expired", "lease_expired");
    }
    if (!claim.lock_id.empty()) {
        const auto lock_id = crypto::canonical_uuid(claim.lock_id);
        if (!lock_id || *lock_id != lock.lock_id) {
            return Error::conflict("the account is held under another lock_id", "stale_lease");
        }
    }
    if (claim.fencing && *claim.fencing != lock.fencing) {
        return Error::conflict("the fencing number is not the account's", "stale_fencing");
    }
    return {};
}

Error unknown_account() {
    return Error::not_found("account not found", "account_not_found");
}

}  // namespace adyton::pool
