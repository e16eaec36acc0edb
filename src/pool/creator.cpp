#include "pool/creator.h"

#include <algorithm>
#include <vector>

namespace adyton::pool {
namespace {

std::int64_t measured(const PoolCounts& counts, Measure measure) {
    switch (measure) {
        case Measure::Total:
            return counts.total();
        case Measure::Serviceable:
            return counts.active + counts.locked;
        case Measure::Active:
            return counts.active;
    }
    return counts.total();
}

std::int64_t missing(const PoolContext& pool, const CreationGoal& goal, const PoolCounts& counts) {
    return std::min(goal.target - measured(counts, goal.measure), room_left(pool, counts));
}

struct Inserted {
    std::int64_t created = 0;
    PoolCounts counts;
};

Result<Inserted> insert_missing(
    storage::Transaction& tx, const PoolContext& pool, const CreationGoal& goal,
    const std::vector<NewAccount>& keys) {
    if (goal.guard) {
        TRY_VOID(goal.guard(tx));
    }
    TRY_VOID(accounts::serialize_creation(tx));
    Inserted inserted;
    TRY(inserted.counts, accounts::count(tx));
    const std::int64_t wanted =
        std::min(missing(pool, goal, inserted.counts), static_cast<std::int64_t>(keys.size()));
    if (wanted <= 0) return inserted;
    const std::span<const NewAccount> used(keys.data(), static_cast<std::size_t>(wanted));
    TRY_VOID(insert_created(tx, pool, used, goal.actor, goal.reason));
    inserted.created = wanted;
    inserted.counts.active += wanted;
    return inserted;
}

}  // namespace

std::int64_t room_left(const PoolContext& pool, const PoolCounts& counts) {
    return std::max<std::int64_t>(0, pool.options.accounts_max - counts.total());
}

Result<void> insert_created(
    storage::Transaction& tx, const PoolContext& pool, std::span<const NewAccount> created,
    const std::string& actor, const std::string& reason) {
    TRY_VOID(accounts::insert(tx, created));
    std::vector<std::string> ids;
    ids.reserve(created.size());
    for (const auto& account : created) ids.push_back(account.id);
    return record_ids(tx, pool, "pool.create", actor, ids, [&](base::JsonWriter& out) {
        out.member("reason", std::string_view(reason));
    });
}

Error pool_exhausted(const PoolContext& pool) {
    return Error::unavailable(
        "no accounts available: the pool has its maximum of " +
            std::to_string(pool.options.accounts_max) +
            " accounts and too few are free (pool.max_accounts raises it)",
        "pool_exhausted");
}

Task<Result<Creation>> create_until(const PoolContext& pool, CreationGoal goal) {
    Creation creation;
    auto read = pool.database.read([](storage::Transaction& tx) { return accounts::count(tx); });
    CO_TRY(creation.counts, co_await std::move(read));
    for (;;) {
        const std::int64_t lacking = missing(pool, goal, creation.counts);
        const std::int64_t step =
            std::min({lacking, pool.options.create_step, goal.step_max - creation.created});
        creation.complete = measured(creation.counts, goal.measure) >= goal.target;
        if (step <= 0) co_return creation;

        auto make = create_accounts(pool.signer, pool.random, static_cast<std::size_t>(step));
        const std::vector<NewAccount> keys = co_await std::move(make);
        auto unit = [&](storage::Transaction& tx) { return insert_missing(tx, pool, goal, keys); };
        auto write = pool.database.write(std::move(unit));
        CO_TRY(const Inserted inserted, co_await std::move(write));
        creation.created += inserted.created;
        creation.counts = inserted.counts;
        pool.metrics.accounts_created.add(static_cast<std::uint64_t>(inserted.created));
    }
}

Task<Result<api::GrowResponse>> grow(
    const PoolContext& pool, const CallContext& call, api::GrowRequest request) {
    if (request.to > pool.options.accounts_max) {
        co_return Error::unprocessable(
            "the pool may have at most " + std::to_string(pool.options.accounts_max) +
                " accounts; raise pool.max_accounts to grow further",
            "above_maximum");
    }
    CreationGoal goal;
    goal.target = request.to;
    goal.step_max = pool.options.grow_step;
    goal.actor = call.service;
    goal.reason = "grow";
    auto task = create_until(pool, std::move(goal));
    CO_TRY(const Creation creation, co_await std::move(task));
    api::GrowResponse response;
    response.created = creation.created;
    response.total_accounts = creation.counts.total();
    response.target = request.to;
    response.complete = creation.complete;
    co_return response;
}

}  // namespace adyton::pool
