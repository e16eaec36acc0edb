#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "api/pool_types.h"
#include "base/result.h"
#include "base/task.h"
#include "pool/context.h"

namespace adyton::pool {

// What a number of accounts is counted on.
enum class Measure {
    Total,        // every account
    Serviceable,  // all but retiring ones
    Active,       // free and not retiring
};

struct CreationGoal {
    Measure measure = Measure::Total;
    std::int64_t target = 0;
    std::int64_t step_max = 0;  // accounts that one call creates at most
    std::string actor;          // for the audit log
    std::string reason;         // likewise: "grow", "top_up"
    // Run first in each unit of work; empty: nothing.
    std::function<Result<void>(storage::Transaction&)> guard;
};

struct Creation {
    std::int64_t created = 0;
    PoolCounts counts;  // afterwards
    bool complete = false;
};

// Creates accounts until the goal is reached, the step is used up or the pool has its maximum. Keys
// are derived before the units of work that insert them, many rows at a time (A22); the maximum
// holds exactly, however many instances create (A3).
Task<Result<Creation>> create_until(const PoolContext& pool, CreationGoal goal);

// How many more accounts may exist. Call serialize_creation() before.
std::int64_t room_left(const PoolContext& pool, const PoolCounts& counts);

// Inserts accounts and records that, inside the caller's unit of work.
Result<void> insert_created(
    storage::Transaction& tx, const PoolContext& pool, std::span<const NewAccount> created,
    const std::string& actor, const std::string& reason);

// Unavailable, reason "pool_exhausted": names the setting.
Error pool_exhausted(const PoolContext& pool);

// POST /grow. Unprocessable, reason "above_maximum": names the setting.
Task<Result<api::GrowResponse>> grow(
    const PoolContext& pool, const CallContext& call, api::GrowRequest request);

}  // namespace adyton::pool
