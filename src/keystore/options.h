#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/time.h"
#include "crypto/p256.h"
#include "policy/near_facts.h"
#include "storage/database.h"

namespace adyton::keystore {

// What holds for a wallet without a policy. Strict installations deny, so that a forgotten policy
// lets nothing out; development allows what is understood, as the original does.
enum class WithoutPolicy { Deny, Allow };

// Where the wallets' delegates may be taken. It decides what proves that one never took effect.
enum class DelegatesUse {
    // A relayer may hand one to a contract that acts on it (a gate, near.md 4) up to its last block
    // height, and what that did, no access key shows: reservations stay.
    Anywhere,
    // To the chain's own NEP-366 only: the access key's nonce shows whether it was used.
    NativeOnly,
};

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

    // Whether each signature is verified before it leaves.
    crypto::SelfCheck self_check = crypto::SelfCheck::Off;
    DelegatesUse delegates_use = DelegatesUse::Anywhere;
    // How long records of signatures are kept at least (prune.h).
    base::Duration signatures_keep = std::chrono::hours(24 * 365);

    base::Duration settle_period = std::chrono::minutes(1);
    base::Duration prune_period = std::chrono::hours(1);
    base::Duration cleanup_period = std::chrono::minutes(10);
    base::Duration checkpoint_period = std::chrono::minutes(10);
};

}  // namespace adyton::keystore
