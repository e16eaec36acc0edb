#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>

#include "base/time.h"
#include "script/limits.h"

namespace adyton::compute {

// The seed's limits that are not the sandbox's own (script/limits.h has those).
inline constexpr std::size_t kSecretRefsMax = script::kSecretsMax;
inline constexpr std::int64_t kTimeoutDefaultSeconds = 30;
inline constexpr std::int64_t kTimeoutMaxSeconds = 120;
inline constexpr std::int64_t kGasPerScriptByte = 10;
inline constexpr std::size_t kUserIdBytesMax = 128;
inline constexpr std::size_t kRequestBytesMax = 4 * 1024 * 1024;

struct ComputeOptions {
    // NEOCOMPUTE_RESULT_TTL: how long a finished job can be asked for.
    base::Duration result_ttl = std::chrono::hours(24);
    base::Duration cleanup_period = std::chrono::minutes(1);
    base::Duration checkpoint_period = std::chrono::minutes(10);

    // Of one user, in all instances together.
    std::int64_t running_per_user_max = 5;
    std::int64_t queued_per_user_max = 100;
    // Jobs of one user that are kept: the oldest finished ones go first.
    std::int64_t kept_per_user_max = 10'000;
    std::int64_t kept_bytes_per_user_max = std::int64_t{1} << 30;
    // The same of all users together.
    std::int64_t kept_bytes_max = std::int64_t{16} << 30;
    std::int64_t secrets_per_user_max = 1'000;
    std::int64_t keys_per_user_max = 32;
    // Jobs that have a slot of their user and wait here for an executor.
    std::size_t waiting_max = 1024;

    std::size_t memory_bytes = std::size_t{64} << 20;
    std::uint64_t metered_gas_max = 0;  // 0: no cap but the caller's own

    // Whether a secret without apps, code hashes and any_code may be read by all code of its user:
    // development, as the original; otherwise nothing is allowed that nobody allowed.
    bool empty_policy_allows = false;
    // X-User-ID is believed from anybody: development.
    bool user_header_from_anybody = false;
    // Services whose X-User-ID is believed.
    std::set<std::string> user_asserting_services = {"gateway", "neorequests"};

    // An instance that has not said so for this long is gone; its jobs were cut off.
    base::Duration instance_lease = std::chrono::seconds(15);
    base::Duration heartbeat = std::chrono::seconds(1);
    // A job that its caller waits for, and that can have no effect but its answer, begins before it
    // has a record; that is made when it is over, or while it runs, after this long. Zero: the
    // record always comes first. Not while other instances share the database.
    base::Duration unrecorded_max = std::chrono::milliseconds(10);
    // Runs of a job that may be run again.
    std::int64_t attempts_max = 3;
};

}  // namespace adyton::compute
