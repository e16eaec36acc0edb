#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/time.h"
#include "crypto/p256.h"
#include "storage/database.h"

namespace adyton::pool {

// How transfers behave (transfer.h).
struct TransferOptions {
    // Fees above this are refused: a contract that asks for more is not a token to move. Datoshi.
    std::int64_t system_fee_max = 1'000'000'000;
    std::int64_t unfinished_per_account_max = 256;
    // How long a transaction may wait for its block, at least; short bounds how long it is unclear.
    base::Duration validity = std::chrono::seconds(30);
    // How long POST /transfer waits for the first answer of a node, at most.
    base::Duration broadcast_wait = std::chrono::seconds(5);
    std::uint32_t resend_blocks = 3;  // without a trace of it, send the same bytes again
    base::Duration poll_min = std::chrono::milliseconds(250);
    base::Duration poll_max = std::chrono::seconds(2);
    // The lease of this process on its unfinished transfers: how long they stand still at most when
    // it dies (a restart with the same instance name takes them back at once).
    base::Duration lease = std::chrono::seconds(15);
};

// How one pool behaves; the defaults are the seed's (services.md 3.1) where it has any.
struct PoolOptions {
    std::int64_t accounts_min = 200;
    std::int64_t accounts_max = 10'000;  // all accounts count, retiring ones too
    std::size_t batch_sign_max = 1000;
    base::Duration lock_ttl_default = std::chrono::hours(24);
    base::Duration lock_ttl_max = std::chrono::hours(24);
    crypto::SelfCheck self_check = crypto::SelfCheck::Off;
    // Whether a signature waits until its audit record is on disk.
    storage::Durability sign_durability = storage::Durability::Durable;

    double rotation_rate_per_day = 0.1;
    base::Duration rotation_min_age = std::chrono::hours(24);
    std::int64_t rotation_gas_max = 100'000;  // exclusive; 0.001 GAS
    bool delete_retiring = false;

    base::Duration rotate_period = std::chrono::hours(1);
    base::Duration retire_period = std::chrono::hours(1);
    base::Duration stale_lock_period = std::chrono::hours(1);
    base::Duration top_up_period = std::chrono::minutes(5);
    base::Duration checkpoint_period = std::chrono::minutes(10);
    base::Duration clean_up_period = std::chrono::hours(1);
    base::Duration verify_keys_period = std::chrono::hours(1);
    base::Duration closed_allocations_keep = std::chrono::hours(24 * 7);

    // Accounts created in one unit of work, and by one POST /grow.
    std::int64_t create_step = 500;
    std::int64_t grow_step = 5'000;

    TransferOptions transfers;
};

}  // namespace adyton::pool
