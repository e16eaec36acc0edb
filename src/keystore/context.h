#pragma once

#include <string>

#include "audit/audit_log.h"
#include "base/executor.h"
#include "base/json.h"
#include "base/log.h"
#include "base/random.h"
#include "keystore/chain_view.h"
#include "keystore/key_ring.h"
#include "keystore/options.h"
#include "policy/policy_store.h"
#include "service/metrics.h"
#include "storage/database.h"

namespace adyton::keystore {

struct KeystoreMetrics {
    service::Counter& signatures;
    service::Counter& replays;
    service::Counter& refusals;
    service::Counter& given_back;
    service::Counter& pruned;
};

// What the parts of a keystore share. All references live as long as the service.
struct KeystoreContext {
    storage::Database& database;
    base::Executor& executor;
    base::Logger& logger;
    audit::AuditLog& audit;
    base::RandomSource& random;
    const KeyRing& keys;
    policy::PolicyStore& policies;
    const KeystoreOptions& options;
    KeystoreMetrics& metrics;
    ChainView* chain_or_null;
};

// Who calls, for records.
struct CallerContext {
    std::string actor;
    std::string trace_id;
};

// Appends an audit record. `write` fills the members of its body.
template <typename F>
Result<void> record(
    storage::Transaction& tx, const KeystoreContext& keystore, std::string_view kind,
    std::string_view actor, F write) {
    std::string body;
    base::JsonWriter out(body);
    out.begin_object();
    write(out);
    out.end_object();
    TRY_VOID(keystore.audit.append(tx, {kind, actor, body}));
    return {};
}

}  // namespace adyton::keystore
