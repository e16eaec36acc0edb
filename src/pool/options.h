#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.h"
#include "crypto/p256.h"
#include "neo/script_hash.h"
#include "neo/sign_data.h"
#include "pool/tokens.h"
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
    // How long the journal of a final transfer is kept; its record stays.
    base::Duration runs_keep = std::chrono::hours(24 * 30);
    // What symbols mean besides GAS and NEO (tokens.h).
    std::vector<ConfiguredToken> tokens;
};

// Balances on chain (reconcile.h).
struct ReconcileOptions {
    enum class Mode {
        Flag,   // a tracked balance that is not the chain's is flagged
        Adopt,  // and then set to the chain's
    };
    Mode mode = Mode::Flag;
    std::int64_t rows = 2000;  // compared in one run, at most
    // Gets what a retiring account still holds; none: it is kept as long as it holds anything.
    std::optional<neo::ScriptHash> sweep_to;
    base::Duration sweep_lock = std::chrono::minutes(10);
    std::int64_t sweep_wait_seconds = 20;  // for each of an account's tokens
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
    base::Duration reconcile_period = std::chrono::minutes(5);
    base::Duration checkpoint_period = std::chrono::minutes(10);
    base::Duration clean_up_period = std::chrono::hours(1);
    base::Duration verify_keys_period = std::chrono::hours(1);
    base::Duration closed_allocations_keep = std::chrono::hours(24 * 7);

    // Accounts created in one unit of work, and by one POST /grow.
    std::int64_t create_step = 500;
    std::int64_t grow_step = 5'000;

    // The only network that whole transactions are signed for; none: they are refused. A pool with
    // a chain client takes the client's.
    std::optional<neo::NetworkMagic> network;
    // Fees that such a transaction may cost the account that signs, datoshi: they are burned, so no
    // rule about receivers would stop them.
    std::int64_t sign_fees_max = 1'100'000'000;

    TransferOptions transfers;
    ReconcileOptions reconcile;
};

}  // namespace adyton::pool
