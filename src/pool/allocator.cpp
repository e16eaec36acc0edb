#include "pool/allocator.h"

#include <algorithm>
#include <array>
#include <vector>

#include "crypto/uuid.h"
#include "policy/freeze.h"
#include "pool/creator.h"

namespace adyton::pool {
namespace {

constexpr int kCreationRounds = 4;
constexpr std::int64_t kExpiredAtOnce = 100;
constexpr std::string_view kShort = "pool_short";  // internal: make keys and come again

// What one /request becomes, through all its attempts.
struct Plan {
    api::AccountsRequest request;
    base::Duration ttl{};
    const policy::Decision* decision = nullptr;
    std::vector<NewAccount> spare;  // keys made ahead
    std::int64_t missing = 0;       // out: how many keys the attempt lacked
};

std::int64_t whole_seconds(base::Duration duration) {
    return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
}

base::Timestamp after(base::Timestamp now, base::Duration ttl) {
    return now + std::chrono::duration_cast<std::chrono::microseconds>(ttl);
}

// The lifetime of a lock: what was asked for, within the configured maximum; or the default, within
// what the policy allows.
Result<base::Duration> lock_ttl(
    const PoolContext& pool, std::optional<std::int64_t> asked,
    const std::optional<policy::Bound>& bound) {
    if (asked) {
        const base::Duration ttl = std::chrono::seconds(*asked);
        if (ttl > pool.options.lock_ttl_max) {
            return Error::invalid_argument(
                "ttl_seconds is above the maximum of " +
                    std::to_string(whole_seconds(pool.options.lock_ttl_max)) +
                    " (pool.lock.ttl_max)",
                "ttl_above_maximum");
        }
        if (bound && ttl > base::Duration(bound->max)) {
            return Error::permission_denied(
                "rule " + std::string(bound->rule) + " allows no lock of that length",
                "policy_lock_ttl");
        }
        return ttl;
    }
    base::Duration ttl = std::min(pool.options.lock_ttl_default, pool.options.lock_ttl_max);
    if (bound) ttl = std::min(ttl, base::Duration(bound->max));
    return ttl;
}

// Limits of the policy that are counted in the database.
Result<void> count_against_limits(storage::Transaction& tx, const Plan& plan, CallContext& call) {
    const policy::Decision& decision = *plan.decision;
    const std::string subject = "service:" + call.service;
    if (decision.locked_accounts_max) {
        TRY_VOID(policy::serialize(tx, subject, "locked_accounts"));
        TRY(const std::int64_t held, accounts::count_held(tx, call.service));
        if (held + plan.request.count > decision.locked_accounts_max->max) {
            return Error::resource_exhausted(
                "rule " + std::string(decision.locked_accounts_max->rule) + " allows at most " +
                    std::to_string(decision.locked_accounts_max->max) +
                    " locked accounts at a time; release some first",
                "policy_locked_accounts");
        }
    }
    std::vector<policy::Consumption> items;
    const auto add = [&](const std::optional<policy::Bound>& bound, const char* metric,
                         base::Duration window, std::int64_t amount) {
        if (!bound) return;
        items.push_back(
            {{subject, metric, window, policy::Amount(static_cast<std::uint64_t>(bound->max)),
              std::string(bound->rule)},
             amount});
    };
    add(decision.requests_per_minute, "requests", std::chrono::minutes(1), 1);
    add(decision.accounts_per_hour, "accounts", std::chrono::hours(1), plan.request.count);
    if (items.empty()) return {};
    TRY(const auto refusal, policy::consume_all(tx, items));
    if (refusal) return refused_by(*refusal, call);
    return {};
}

// Creates what is missing from the keys made ahead, within the maximum.
Result<std::int64_t> create_missing(
    storage::Transaction& tx, const PoolContext& pool, const CallContext& call, Plan& plan,
    const Allocation& allocation, std::int64_t missing) {
    TRY_VOID(accounts::serialize_creation(tx));
    TRY(const PoolCounts counts, accounts::count(tx));
    if (missing > room_left(pool, counts)) return pool_exhausted(pool);
    if (static_cast<std::size_t>(missing) > plan.spare.size()) {
        plan.missing = missing;
        return Error::unavailable("more accounts are being created", std::string(kShort));
    }
    const std::span<const NewAccount> used(plan.spare.data(), static_cast<std::size_t>(missing));
    TRY_VOID(insert_created(tx, pool, used, call.service, "request"));
    return accounts::lock_free(tx, allocation, missing);
}

// Locks all accounts of the request, or fails and leaves everything as it was.
Result<std::int64_t> lock_all(
    storage::Transaction& tx, const PoolContext& pool, const CallContext& call, Plan& plan,
    const Allocation& allocation) {
    const std::int64_t count = plan.request.count;
    TRY(std::int64_t locked, accounts::lock_free(tx, allocation, count));
    if (locked == count) return 0;
    TRY(const FreedLocks freed, free_expired_locks(tx, pool, kExpiredAtOnce));
    if (freed.accounts > 0) {
        TRY(const std::int64_t more, accounts::lock_free(tx, allocation, count - locked));
        locked += more;
    }
    if (locked == count) return 0;
    const std::int64_t missing = count - locked;
    TRY(const std::int64_t fresh, create_missing(tx, pool, call, plan, allocation, missing));
    if (fresh != missing) return Error::unavailable("accounts were taken meanwhile", "pool_busy");
    return missing;
}

Result<std::string> allocate(
    storage::Transaction& tx, const PoolContext& pool, CallContext& call, Plan& plan,
    const std::string& lock_id) {
    plan.missing = 0;
    TRY_VOID(policy::check_frozen(tx, call.service, ""));
    TRY_VOID(count_against_limits(tx, plan, call));
    TRY(const auto now, tx.now());
    Allocation allocation;
    allocation.lock_id = lock_id;
    allocation.service_id = call.service;
    allocation.purpose = plan.request.purpose;
    allocation.created_at = now;
    allocation.expires_at = after(now, plan.ttl);
    allocation.ttl_seconds = whole_seconds(plan.ttl);
    TRY_VOID(accounts::insert_allocation(tx, allocation));
    TRY_VOID(lock_all(tx, pool, call, plan, allocation));

    api::AllocationResponse response;
    TRY(response.accounts, accounts::list_of_lock(tx, lock_id));
    response.lock_id = lock_id;
    response.expires_at = allocation.expires_at;
    std::vector<std::string> ids;
    ids.reserve(response.accounts.size());
    for (const auto& account : response.accounts) ids.push_back(account.id);
    TRY_VOID(record_ids(tx, pool, "pool.request", call.service, ids, [&](base::JsonWriter& out) {
        out.member("lock_id", std::string_view(lock_id));
        out.member("purpose", std::string_view(plan.request.purpose));
        out.member("expires_at", std::string_view(base::to_rfc3339(allocation.expires_at)));
        out.member("rule", plan.decision->rule);
        out.member("trace_id", std::string_view(call.trace_id));
    }));
    return api::to_json_text(response);
}

Task<Result<std::string>> run_plan(const PoolContext& pool, CallContext& call, Plan plan) {
    const std::string lock_id = crypto::uuid_v4(pool.random);
    for (int round = 0; round < kCreationRounds; ++round) {
        auto unit = [&](storage::Transaction& tx) {
            return once(tx, pool, call, Remember::Successes, [&] {
                return allocate(tx, pool, call, plan, lock_id);
            });
        };
        auto write = pool.database.write(std::move(unit));
        auto decided = co_await std::move(write);
        if (decided) {
            if (!call.replayed) {
                pool.metrics.accounts_locked.add(static_cast<std::uint64_t>(plan.request.count));
            }
            co_return std::move(*decided).take();
        }
        if (decided.error().reason() != kShort) co_return std::move(decided).error();
        auto make =
            create_accounts(pool.signer, pool.random, static_cast<std::size_t>(plan.missing));
        plan.spare = co_await std::move(make);
    }
    co_return Error::unavailable("too many requests want new accounts; try again", "pool_busy");
}

std::vector<std::string> known_ids(const std::vector<std::string>& texts) {
    std::vector<std::string> ids;
    ids.reserve(texts.size());
    for (const auto& text : texts) {
        auto id = crypto::canonical_uuid(text);
        if (id) ids.push_back(*std::move(id));  // another text names no account
    }
    return ids;
}

Error unknown_lock() {
    return Error::not_found("lock_id not found", "lock_not_found");
}

// The caller's allocation.
Result<Allocation> find_own(
    storage::Transaction& tx, const std::string& service, const std::string& lock_id) {
    TRY(auto found, accounts::find_allocation(tx, lock_id));
    if (!found) return unknown_lock();
    if (found->service_id != service) {
        return Error::permission_denied("the lock belongs to another service", "not_locker");
    }
    return *std::move(found);
}

struct ReleasePlan {
    std::vector<std::string> ids;
    std::string lock_id;
    bool by_ids = false;
    std::size_t released = 0;  // out
};

Result<std::vector<std::string>> free_planned(
    storage::Transaction& tx, const std::string& service, const ReleasePlan& plan) {
    if (!plan.lock_id.empty()) {
        TRY_VOID(find_own(tx, service, plan.lock_id));
        if (!plan.by_ids) return accounts::release_lock(tx, plan.lock_id);
    }
    if (plan.by_ids) return accounts::release_ids(tx, service, plan.ids, plan.lock_id);
    return accounts::release_held(tx, service);
}

Result<std::string> release(
    storage::Transaction& tx, const PoolContext& pool, const CallContext& call, ReleasePlan& plan) {
    TRY(const auto freed, free_planned(tx, call.service, plan));
    plan.released = freed.size();
    if (!freed.empty()) {
        TRY_VOID(
            record_ids(tx, pool, "pool.release", call.service, freed, [&](base::JsonWriter& out) {
                if (!plan.lock_id.empty()) out.member("lock_id", std::string_view(plan.lock_id));
                out.member("trace_id", std::string_view(call.trace_id));
            }));
    }
    return api::to_json_text(api::ReleaseResponse{static_cast<std::int64_t>(freed.size())});
}

Result<api::RenewResponse> renew(
    storage::Transaction& tx, const PoolContext& pool, const CallContext& call,
    const std::string& lock_id, base::Duration ttl) {
    TRY_VOID(policy::check_frozen(tx, call.service, ""));
    TRY(const Allocation allocation, find_own(tx, call.service, lock_id));
    TRY(const auto now, tx.now());
    if (allocation.released_at) {
        return Error::conflict("the lock was released", "lock_released");
    }
    if (allocation.expires_at <= now) {
        return Error::conflict("the lock has expired; request accounts anew", "lease_expired");
    }
    api::RenewResponse response;
    response.lock_id = lock_id;
    response.expires_at = after(now, ttl);
    TRY(response.account_count,
        accounts::extend_lock(tx, lock_id, response.expires_at, whole_seconds(ttl)));
    TRY_VOID(record(tx, pool, "pool.renew", call.service, [&](base::JsonWriter& out) {
        out.member("lock_id", std::string_view(lock_id));
        out.member("expires_at", std::string_view(base::to_rfc3339(response.expires_at)));
        out.member("trace_id", std::string_view(call.trace_id));
    }));
    return response;
}

}  // namespace

Task<Result<std::string>> request_accounts(
    const PoolContext& pool, CallContext& call, api::AccountsRequest request) {
    pool.metrics.requests.add();
    Plan plan;
    plan.decision = &pool.policy.decide(call.service, policy::Operation::RequestAccounts);
    const base::Duration asked = std::chrono::seconds(request.ttl_seconds.value_or(0));
    CO_TRY_VOID(pool.policy.check_request(call.service, request.count, asked));
    CO_TRY(plan.ttl, lock_ttl(pool, request.ttl_seconds, plan.decision->lock_ttl_max));
    plan.request = std::move(request);
    auto run = run_plan(pool, call, std::move(plan));
    co_return co_await std::move(run);
}

Task<Result<std::string>> release_accounts(
    const PoolContext& pool, CallContext& call, api::ReleaseRequest request) {
    CO_TRY_VOID(pool.policy.check(call.service, policy::Operation::ReleaseAccounts));
    ReleasePlan plan;
    plan.by_ids = !request.account_ids.empty();
    plan.ids = known_ids(request.account_ids);
    if (!request.lock_id.empty()) {
        auto lock_id = crypto::canonical_uuid(request.lock_id);
        if (!lock_id) co_return unknown_lock();
        plan.lock_id = *std::move(lock_id);
    }
    auto unit = [&](storage::Transaction& tx) {
        return once(
            tx, pool, call, Remember::Successes, [&] { return release(tx, pool, call, plan); });
    };
    auto write = pool.database.write(std::move(unit));
    CO_TRY(auto decided, co_await std::move(write));
    if (!call.replayed) pool.metrics.accounts_released.add(plan.released);
    co_return std::move(decided).take();
}

Task<Result<api::RenewResponse>> renew_lock(
    const PoolContext& pool, CallContext& call, api::RenewRequest request) {
    CO_TRY_VOID(pool.policy.check(call.service, policy::Operation::RenewLock));
    auto lock_id = crypto::canonical_uuid(request.lock_id);
    if (!lock_id) co_return unknown_lock();
    // The bound on lengths stands in the rule that allows requests, or in the one for renewals.
    auto bound = pool.policy.decide(call.service, policy::Operation::RequestAccounts).lock_ttl_max;
    const auto& own = pool.policy.decide(call.service, policy::Operation::RenewLock).lock_ttl_max;
    if (own && (!bound || own->max < bound->max)) bound = own;
    CO_TRY(const base::Duration ttl, lock_ttl(pool, request.ttl_seconds, bound));
    auto unit = [&](storage::Transaction& tx) { return renew(tx, pool, call, *lock_id, ttl); };
    auto write = pool.database.write(std::move(unit));
    co_return co_await std::move(write);
}

Result<FreedLocks> free_expired_locks(
    storage::Transaction& tx, const PoolContext& pool, std::int64_t limit) {
    TRY(const auto expired, accounts::free_expired(tx, limit));
    FreedLocks freed;
    for (const auto& entry : expired) {
        ++freed.allocations;
        freed.accounts += static_cast<std::int64_t>(entry.account_ids.size());
        TRY_VOID(record_ids(
            tx, pool, "pool.lock_expired", "system:stale-locks", entry.account_ids,
            [&](base::JsonWriter& out) {
                out.member("lock_id", std::string_view(entry.allocation.lock_id));
                out.member("service_id", std::string_view(entry.allocation.service_id));
                out.member(
                    "expired_at", std::string_view(base::to_rfc3339(entry.allocation.expires_at)));
            }));
    }
    return freed;
}

}  // namespace adyton::pool
