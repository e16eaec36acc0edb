#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/time.h"
#include "policy/near_facts.h"
#include "storage/database.h"

namespace adyton::keystore {

// What holds for a wallet without a policy. Strict installations deny, so that a forgotten policy
// lets nothing out; development allows what is understood, as the original does.
enum class WithoutPolicy { Deny, Allow };

struct KeystoreOptions {
    WithoutPolicy without_policy = WithoutPolicy::Deny;
    policy::NearNetwork network = policy::NearNetwork::mainnet();
    // Durable: an answer leaves once its record is on disk.
    storage::Durability sign_durability = storage::Durability::Durable;
    // How many blocks after its block hash a transaction can still land (the chain's
    // transaction_validity_period), and what is added before it counts as dead.
    std::uint64_t transaction_validity_blocks = 86'400;
    std::uint64_t validity_margin_blocks = 1'000;
    // Public keys of wallets in use that are kept in memory (some 200 bytes each).
    std::size_t cached_public_keys = 262'144;

    // Policies held decrypted (some two kilobytes each).
    std::size_t cached_policies = 131'072;

    base::Duration settle_period = std::chrono::minutes(1);
    base::Duration cleanup_period = std::chrono::minutes(10);
    base::Duration checkpoint_period = std::chrono::minutes(10);
};

}  // namespace adyton::keystore
