#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/audit_log.h"
#include "base/result.h"
#include "base/time.h"
#include "storage/database.h"

namespace adyton::policy {

enum class FreezeScope { Pool, Service, Account };
std::string_view to_string(FreezeScope scope);  // "pool", "service", "account"
Result<FreezeScope> parse_freeze_scope(std::string_view text);

struct FreezeTarget {
    FreezeScope scope = FreezeScope::Pool;
    std::string subject;  // service id or account id; empty for the pool
};

struct Freeze {
    FreezeTarget target;
    std::string reason;  // why, for people; up to 256 bytes of UTF-8 without control characters
    std::string actor;
    base::Timestamp created_at;
};

// Freezes stand in the database: they hold for every instance from the commit on and survive
// restarts. set and lift append the audit record ("policy.freeze", "policy.unfreeze") themselves.

// True: set now; false: it was frozen already (nothing changes, nothing is recorded).
// InvalidArgument: a subject where none belongs, none where one does, over 128 bytes, or a bad
// reason.
Result<bool> set_freeze(
    storage::Transaction& tx, audit::AuditLog& audit, const FreezeTarget& target,
    const std::string& reason, const std::string& actor);
// True: lifted; false: there was none.
Result<bool> lift_freeze(
    storage::Transaction& tx, audit::AuditLog& audit, const FreezeTarget& target,
    const std::string& actor);
// By time, oldest first, at most `count`.
Result<std::vector<Freeze>> list_freezes(storage::Transaction& tx, std::int64_t count);

// Frozen, reason "pool_frozen", "service_frozen" or "account_frozen". An empty account asks for the
// pool and the service only.
Result<void> check_frozen(
    storage::Transaction& tx, const std::string& service, const std::string& account);
// The error for what ADYTON_FREEZE_SUBQUERY gave.
Error frozen_error(std::string_view scope_text);

// A scalar subquery for statements that read an account anyway: NULL, or the text of the widest
// scope that is frozen. The arguments are string literals of SQL: a parameter or a text column.
//   "SELECT a.locked_by, " ADYTON_FREEZE_SUBQUERY("$2", "CAST(a.id AS TEXT)") " FROM ..."
#define ADYTON_FREEZE_SUBQUERY(service, account)                                                  \
    "COALESCE((SELECT f.scope FROM policy_freezes f WHERE f.scope = 'pool' AND f.subject = ''), " \
    "(SELECT f.scope FROM policy_freezes f WHERE f.scope = 'service' AND f.subject = " service    \
    "), (SELECT f.scope FROM policy_freezes f WHERE f.scope = 'account' AND f.subject = " account \
    "))"

}  // namespace adyton::policy
