#pragma once

#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "crypto/ed25519.h"
#include "http/message.h"
#include "storage/database.h"

namespace adyton::service {

// The answer of every service's GET /audit/export: what was committed when it began, streamed
// (audit/export.h), its trailer signed by `key`. Who may have it is the route's to decide. All
// referenced must outlive the answer. Errors of the database.
Task<Result<http::Response>> audit_export_answer(
    storage::Database& database, base::Timestamp now, const crypto::Ed25519KeyPair& key);

}  // namespace adyton::service
