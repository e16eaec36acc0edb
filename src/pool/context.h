#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "audit/audit_log.h"
#include "base/json.h"
#include "base/log.h"
#include "base/random.h"
#include "base/result.h"
#include "base/task.h"
#include "crypto/digest.h"
#include "policy/reservation.h"
#include "policy/rule.h"
#include "pool/options.h"
#include "pool/signer.h"
#include "service/metrics.h"
#include "storage/database.h"
#include "workflow/idempotency.h"

namespace adyton::pool {

// What the pool counts; see the help texts in pool_service.cpp.
struct PoolMetrics {
    service::Counter& requests;
    service::Counter& accounts_locked;
    service::Counter& accounts_released;
    service::Counter& locks_expired;
    service::Counter& accounts_created;
    service::Counter& accounts_retired;
    service::Counter& accounts_deleted;
    service::Counter& signatures;
    service::Counter& key_mismatches;
    service::Counter& policy_refusals;
};

// What the parts of a pool share. All references live as long as the pool.
struct PoolContext {
    storage::Database& database;
    base::Logger& logger;
    audit::AuditLog& audit;
    const policy::Policy& policy;
    base::RandomSource& random;
    const Signer& signer;
    const workflow::IdempotencyStore& idempotency;
    const PoolOptions& options;
    PoolMetrics& metrics;
};

struct IdempotentCall {
    workflow::IdempotencyKey key;
    crypto::Sha256Digest request_digest;
};

// One call of a service on its way through the pool.
struct CallContext {
    std::string service;  // verified
    std::string trace_id;
    std::optional<IdempotentCall> idempotent;

    // What the call's fate adds to its answer.
    bool replayed = false;
    std::optional<std::chrono::seconds> retry_after;
};

// The answer of a unit of work that decided: a body, or a refusal that was stored with it.
struct Decided {
    std::string body;
    std::optional<Error> refusal;

    Result<std::string> take() && {
        if (refusal) return *std::move(refusal);
        return std::move(body);
    }
};

// Which failures of an effect an idempotency key remembers.
enum class Remember {
    Successes,
    // Refusals too, because the effect decides before it changes anything.
    Refusals,
};

// A refusal as it is stored under an idempotency key, and back.
workflow::StoredAnswer stored_refusal(const Error& error);
Result<Decided> replay(const workflow::StoredAnswer& answer);
// Whether the same request would be refused again for its own sake: no trouble of ours.
bool is_settled_refusal(const Error& error);

// Runs `effect` (-> Result<std::string>, the body) inside the unit of work; under an idempotency
// key at most once, ever.
template <typename F>
Result<Decided> once(
    storage::Transaction& tx, const PoolContext& pool, CallContext& call, Remember remember,
    F effect) {
    call.replayed = false;  // units may run twice
    if (!call.idempotent) {
        TRY(auto body, effect());
        return Decided{std::move(body), {}};
    }
    const IdempotentCall& idempotent = *call.idempotent;
    TRY(const auto stored, pool.idempotency.begin(tx, idempotent.key, idempotent.request_digest));
    if (stored) {
        call.replayed = true;
        return replay(*stored);
    }
    Result<std::string> body = effect();
    if (!body) {
        if (remember == Remember::Successes || !is_settled_refusal(body.error())) {
            return std::move(body).error();
        }
        TRY_VOID(pool.idempotency.finish(tx, idempotent.key, stored_refusal(body.error())));
        return Decided{{}, std::move(body).error()};
    }
    TRY_VOID(pool.idempotency.finish(tx, idempotent.key, {200, *body}));
    return Decided{*std::move(body), {}};
}

// The refusal of a limit as an error; sets the call's Retry-After.
Error refused_by(const policy::Refusal& refusal, CallContext& call);

// Records a refusal of the policy (reason "policy_...") in the audit log; other errors pass
// unrecorded. Gives the error back.
Task<Error> record_refusal(
    const PoolContext& pool, const CallContext& call, policy::Operation operation, Error error);

// Appends an audit record. `write` fills the members of its body.
template <typename F>
Result<void> record(
    storage::Transaction& tx, const PoolContext& pool, std::string_view kind,
    std::string_view actor, F write) {
    std::string body;
    body.reserve(512);
    base::JsonWriter out(body);
    out.begin_object();
    write(out);
    out.end_object();
    TRY_VOID(pool.audit.append(tx, {kind, actor, body}));
    return {};
}

// The same for any number of ids ("account_ids"), in as many records as it takes.
template <typename F>
Result<void> record_ids(
    storage::Transaction& tx, const PoolContext& pool, std::string_view kind,
    std::string_view actor, std::span<const std::string> ids, F write) {
    constexpr std::size_t kIdsMax = 10'000;
    do {
        const auto part = ids.first(std::min(ids.size(), kIdsMax));
        TRY_VOID(record(tx, pool, kind, actor, [&](base::JsonWriter& out) {
            out.key("account_ids").begin_array();
            for (const auto& id : part) out.value(std::string_view(id));
            out.end_array();
            write(out);
        }));
        ids = ids.subspan(part.size());
    } while (!ids.empty());
    return {};
}

}  // namespace adyton::pool
