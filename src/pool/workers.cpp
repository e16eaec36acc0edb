#include "pool/workers.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "policy/reservation.h"
#include "pool/allocator.h"
#include "pool/creator.h"
#include "pool/reconcile.h"
#include "pool/transfer.h"
#include "workflow/journal.h"

namespace adyton::pool {
namespace {

constexpr std::int64_t kLocksAtOnce = 100;
constexpr std::int64_t kForgottenAtOnce = 500;
constexpr std::int64_t kVerifiedAtOnce = 200;
constexpr const char* kActor = "system:pool-workers";
constexpr std::int64_t kMicro = 1'000'000;

const std::string kCreditKey = "rotation_credit_micro";
const std::string kCreditTimeKey = "rotation_credit_at_micro";

Result<std::optional<std::int64_t>> read_number(storage::Transaction& tx, const std::string& key) {
    TRY(const auto text, accounts::find_meta(tx, key));
    if (!text) return std::optional<std::int64_t>();
    std::int64_t value = 0;
    const auto parsed = std::from_chars(text->data(), text->data() + text->size(), value);
    if (parsed.ec != std::errc() || parsed.ptr != text->data() + text->size()) {
        return Error::corrupt_data("pool_meta holds no number under " + key);
    }
    return std::optional<std::int64_t>(value);
}

// How many accounts the rotation may retire now, in millionths, and when that was reckoned.
struct Credit {
    std::int64_t micro = 0;
    base::Timestamp at;
};

Result<Credit> reckon_credit(
    storage::Transaction& tx, const PoolContext& pool, const PoolCounts& counts) {
    Credit credit;
    TRY(credit.at, tx.now());
    TRY(const auto stored, read_number(tx, kCreditKey));
    TRY(const auto stored_at, read_number(tx, kCreditTimeKey));
    base::Duration elapsed = pool.options.rotate_period;
    if (stored_at) {
        elapsed = credit.at - base::Timestamp(std::chrono::microseconds(*stored_at));
    }
    elapsed = std::clamp<base::Duration>(elapsed, base::Duration(0), std::chrono::hours(24));
    const double per_day =
        static_cast<double>(counts.active) * pool.options.rotation_rate_per_day * kMicro;
    const double days = std::chrono::duration<double, std::ratio<86'400>>(elapsed).count();
    const auto earned = static_cast<std::int64_t>(per_day * days);
    const std::int64_t limit = std::max<std::int64_t>(static_cast<std::int64_t>(per_day), kMicro);
    credit.micro = std::min(stored.value_or(0) + earned, limit);
    return credit;
}

Result<void> store_credit(storage::Transaction& tx, const Credit& credit) {
    TRY_VOID(accounts::write_meta(tx, kCreditKey, std::to_string(credit.micro)));
    return accounts::write_meta(
        tx, kCreditTimeKey, std::to_string(credit.at.time_since_epoch().count()));
}

// What one rotation may retire: the credit, but no more than stays replaceable.
std::int64_t quota(const PoolContext& pool, const PoolCounts& counts, const Credit& credit) {
    const std::int64_t spare = std::max<std::int64_t>(0, counts.active - pool.options.accounts_min);
    return std::min(credit.micro / kMicro, spare + room_left(pool, counts));
}

// Free accounts that are lacking once `retired` of them went, within the maximum.
std::int64_t lacking(const PoolContext& pool, const PoolCounts& counts, std::int64_t retired) {
    return std::clamp<std::int64_t>(
        pool.options.accounts_min - (counts.active - retired), 0, room_left(pool, counts));
}

struct RotationPlan {
    accounts::RotationRule rule;
    std::vector<std::string> candidates;
    std::int64_t replacements = 0;
};

Result<RotationPlan> plan_rotation(storage::Transaction& tx, const PoolContext& pool) {
    RotationPlan plan;
    TRY(const PoolCounts counts, accounts::count(tx));
    TRY(const Credit credit, reckon_credit(tx, pool, counts));
    plan.rule.created_before = credit.at - std::chrono::duration_cast<std::chrono::microseconds>(
                                               pool.options.rotation_min_age);
    plan.rule.gas_max = pool.options.rotation_gas_max;
    const std::int64_t wanted = quota(pool, counts, credit);
    if (wanted > 0) {
        TRY(plan.candidates, accounts::find_rotatable(tx, plan.rule, wanted));
    }
    const auto found = static_cast<std::int64_t>(plan.candidates.size());
    plan.replacements = std::min(lacking(pool, counts, found), pool.options.create_step);
    return plan;
}

struct Rotation {
    std::int64_t retired = 0;
    std::int64_t created = 0;
};

Result<Rotation> apply_rotation(
    storage::Transaction& tx, const PoolContext& pool, const WorkerGuard& guard,
    const RotationPlan& plan, const std::vector<NewAccount>& keys) {
    TRY_VOID(guard.enter(tx));
    TRY_VOID(accounts::serialize_creation(tx));
    TRY(const PoolCounts counts, accounts::count(tx));
    TRY(Credit credit, reckon_credit(tx, pool, counts));
    Rotation done;
    const auto allowed = static_cast<std::size_t>(std::clamp<std::int64_t>(
        quota(pool, counts, credit), 0, static_cast<std::int64_t>(plan.candidates.size())));
    std::vector<std::string> retired;
    if (allowed > 0) {
        const std::span<const std::string> ids(plan.candidates.data(), allowed);
        TRY(retired, accounts::retire(tx, plan.rule, ids));
    }
    done.retired = static_cast<std::int64_t>(retired.size());
    credit.micro -= done.retired * kMicro;
    TRY_VOID(store_credit(tx, credit));
    if (!retired.empty()) {
        TRY_VOID(record_ids(tx, pool, "pool.retire", kActor, retired, [](base::JsonWriter&) {}));
    }
    done.created =
        std::min(lacking(pool, counts, done.retired), static_cast<std::int64_t>(keys.size()));
    if (done.created > 0) {
        const std::span<const NewAccount> used(keys.data(), static_cast<std::size_t>(done.created));
        TRY_VOID(insert_created(tx, pool, used, kActor, "rotation"));
    }
    return done;
}

// Runs `step` (-> Result<int64>) in units of work of its own until it finds nothing more.
template <typename Step>
Task<Result<std::int64_t>> repeat(const PoolContext& pool, WorkerGuard guard, Step step) {
    std::int64_t total = 0;
    while (!guard.stopped()) {
        auto unit = [&](storage::Transaction& tx) -> Result<std::int64_t> {
            TRY_VOID(guard.enter(tx));
            return step(tx);
        };
        auto write = pool.database.write(std::move(unit));
        CO_TRY(const std::int64_t handled, co_await std::move(write));
        if (handled == 0) break;
        total += handled;
    }
    co_return total;
}

}  // namespace

Task<Result<std::int64_t>> rotate(const PoolContext& pool, WorkerGuard guard) {
    auto look = [&](storage::Transaction& tx) { return plan_rotation(tx, pool); };
    auto read = pool.database.read(std::move(look));
    CO_TRY(const RotationPlan plan, co_await std::move(read));
    auto make =
        create_accounts(pool.signer, pool.random, static_cast<std::size_t>(plan.replacements));
    const std::vector<NewAccount> keys = co_await std::move(make);
    auto unit = [&](storage::Transaction& tx) {
        return apply_rotation(tx, pool, guard, plan, keys);
    };
    auto write = pool.database.write(std::move(unit));
    CO_TRY(const Rotation done, co_await std::move(write));
    pool.metrics.accounts_retired.add(static_cast<std::uint64_t>(done.retired));
    pool.metrics.accounts_created.add(static_cast<std::uint64_t>(done.created));
    co_return done.retired + done.created;
}

Task<Result<std::int64_t>> keep_retired(const PoolContext& pool, WorkerGuard) {
    if (pool.options.delete_retiring) {
        pool.logger.warning(
            "retired accounts are not deleted: no nodes are configured that call them empty");
    }
    co_return 0;
}

Task<Result<std::int64_t>> free_stale_locks(const PoolContext& pool, WorkerGuard guard) {
    std::int64_t freed = 0;
    while (!guard.stopped()) {
        auto unit = [&](storage::Transaction& tx) -> Result<FreedLocks> {
            TRY_VOID(guard.enter(tx));
            return free_expired_locks(tx, pool, kLocksAtOnce);
        };
        auto write = pool.database.write(std::move(unit));
        CO_TRY(const FreedLocks pass, co_await std::move(write));
        freed += pass.accounts;
        pool.metrics.locks_expired.add(static_cast<std::uint64_t>(pass.allocations));
        if (pass.allocations < kLocksAtOnce) break;
    }
    co_return freed;
}

Task<Result<std::int64_t>> top_up(const PoolContext& pool, WorkerGuard guard) {
    CreationGoal goal;
    goal.measure = Measure::Serviceable;
    goal.target = pool.options.accounts_min;
    goal.step_max = pool.options.accounts_min;
    goal.actor = kActor;
    goal.reason = "top_up";
    goal.guard = [&guard](storage::Transaction& tx) { return guard.enter(tx); };
    auto run = create_until(pool, std::move(goal));
    CO_TRY(const Creation creation, co_await std::move(run));
    if (!creation.complete) {
        pool.logger.warning(
            "the pool is below its minimum and has no room to grow: retiring accounts count "
            "towards pool.max_accounts",
            {{"accounts", creation.counts.total()}, {"maximum", pool.options.accounts_max}});
    }
    co_return creation.created;
}

Task<Result<std::int64_t>> clean_up(const PoolContext& pool, WorkerGuard guard) {
    auto step = [&pool](storage::Transaction& tx) -> Result<std::int64_t> {
        TRY(const std::int64_t answers, pool.idempotency.remove_expired(tx, kForgottenAtOnce));
        TRY(const std::int64_t rates, policy::remove_ended_rates(tx, kForgottenAtOnce));
        TRY(const auto now, tx.now());
        const auto keep = std::chrono::duration_cast<std::chrono::microseconds>(
            pool.options.closed_allocations_keep);
        TRY(const std::int64_t allocations,
            accounts::remove_closed_allocations(tx, now - keep, kForgottenAtOnce));
        const auto keep_runs =
            std::chrono::duration_cast<std::chrono::microseconds>(pool.options.transfers.runs_keep);
        TRY(const std::int64_t runs,
            workflow::remove_final_runs(tx, kTransferRunKind, now - keep_runs, kForgottenAtOnce));
        return answers + rates + allocations + runs;
    };
    auto run = repeat(pool, std::move(guard), step);
    co_return co_await std::move(run);
}

Task<Result<std::int64_t>> checkpoint(audit::Checkpoints& checkpoints) {
    auto create = checkpoints.create();
    const auto made = co_await std::move(create);
    if (made) co_return 1;
    if (made.error().code() == ErrorCode::NotFound) co_return 0;  // nothing was recorded yet
    co_return made.error();
}

Task<Result<std::int64_t>> verify_keys(const PoolContext& pool, WorkerGuard guard) {
    std::int64_t verified = 0;
    std::string after = "00000000-0000-0000-0000-000000000000";
    while (!guard.stopped()) {
        auto look = [&](storage::Transaction& tx) {
            return accounts::find_unverified(tx, after, kVerifiedAtOnce);
        };
        auto read = pool.database.read(std::move(look));
        CO_TRY(const std::vector<KeyRecord> keys, co_await std::move(read));
        if (keys.empty()) break;
        after = keys.back().id;
        auto work = [&] {
            std::vector<std::optional<neo::AccountFingerprint>> prints;
            for (const auto& key : keys) {
                auto print = pool.signer.verify_address(key);
                prints.push_back(print ? std::optional(*print) : std::nullopt);
            }
            return prints;
        };
        auto blocking = base::run_blocking(*base::Executor::current(), std::move(work));
        const auto prints = co_await std::move(blocking);
        auto unit = [&](storage::Transaction& tx) -> Result<void> {
            TRY_VOID(guard.enter(tx));
            for (std::size_t i = 0; i < keys.size(); ++i) {
                if (!prints[i]) continue;
                TRY_VOID(accounts::set_fingerprint(tx, keys[i], *prints[i]));
            }
            return {};
        };
        auto write = pool.database.write(std::move(unit));
        CO_TRY_VOID(co_await std::move(write));
        for (std::size_t i = 0; i < keys.size(); ++i) {
            if (prints[i]) {
                ++verified;
                continue;
            }
            pool.metrics.key_mismatches.add();
            pool.logger.error(
                "an account's address does not come from this master key; it cannot sign",
                {{"account_id", keys[i].id}});
        }
    }
    co_return verified;
}

void add_workers(
    workflow::PeriodicRunner& runner, const PoolContext& pool, audit::Checkpoints& checkpoints,
    Reconciler* reconciler) {
    using Work = std::function<Task<Result<std::int64_t>>(WorkerGuard)>;
    using Worker = Task<Result<std::int64_t>> (*)(const PoolContext&, WorkerGuard);
    const auto add_work = [&](std::string name, base::Duration period, Work work,
                              std::optional<base::Duration> first = {}) {
        workflow::PeriodicJob job;
        job.name = std::move(name);
        job.period = period;
        job.first_delay = first;
        job.run = [work = std::move(work)](workflow::JobContext& context) {
            WorkerGuard guard;
            guard.check = [&context](storage::Transaction& tx) { return context.check(tx); };
            guard.should_stop = [&context] { return context.should_stop(); };
            return work(std::move(guard));
        };
        runner.add(std::move(job));
    };
    const auto add = [&](std::string name, base::Duration period, Worker worker,
                         std::optional<base::Duration> first = {}) {
        Work work = [&pool, worker](WorkerGuard guard) { return worker(pool, std::move(guard)); };
        add_work(std::move(name), period, std::move(work), first);
    };
    const PoolOptions& options = pool.options;
    add("pool.top_up", options.top_up_period, &top_up, base::Duration(0));
    add("pool.rotate", options.rotate_period, &rotate);
    if (reconciler == nullptr) {
        add("pool.retire", options.retire_period, &keep_retired);
    } else {
        add_work("pool.retire", options.retire_period, [reconciler](WorkerGuard guard) {
            return reconciler->retire(std::move(guard));
        });
        add_work("pool.reconcile", options.reconcile_period, [reconciler](WorkerGuard guard) {
            return reconciler->reconcile(std::move(guard));
        });
    }
    add("pool.stale_locks", options.stale_lock_period, &free_stale_locks);
    add("pool.clean_up", options.clean_up_period, &clean_up);
    add("pool.verify_keys", options.verify_keys_period, &verify_keys);
    workflow::PeriodicJob sign_heads;
    sign_heads.name = "pool.checkpoint";
    sign_heads.period = options.checkpoint_period;
    sign_heads.run = [&checkpoints](workflow::JobContext&) { return checkpoint(checkpoints); };
    runner.add(std::move(sign_heads));
}

}  // namespace adyton::pool
