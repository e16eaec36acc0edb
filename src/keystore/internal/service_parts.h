#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

#include "audit/checkpoint.h"
#include "keystore/context.h"
#include "keystore/keystore_service.h"
#include "keystore/settle.h"
#include "policy/policy_store.h"
#include "workflow/periodic.h"

namespace adyton::keystore {

// The current key version of wallets that were rotated; every other wallet has version 1. A guess:
// another instance may have rotated, which the unit of work that signs finds out. Thread safe.
class KeyVersions {
public:
    std::uint32_t guess(const std::string& wallet_id) const {
        const std::lock_guard lock(mutex_);
        const auto found = rotated_.find(wallet_id);
        return found == rotated_.end() ? 1 : found->second;
    }
    void note(const std::string& wallet_id, std::uint32_t version) {
        const std::lock_guard lock(mutex_);
        if (version == 1) return;  // versions only rise
        if (rotated_.size() >= kNotedMax) rotated_.clear();
        rotated_[wallet_id] = version;
    }

private:
    static constexpr std::size_t kNotedMax = 100'000;
    mutable std::mutex mutex_;
    std::unordered_map<std::string, std::uint32_t> rotated_;
};

// Everything a KeystoreService holds, in the order of construction.
struct KeystoreService::Parts {
    Parts(
        KeystoreParts its_given, crypto::SecretBytes<KeyRing::kMasterBytes> master,
        KeystoreOptions its_options);

    KeystoreParts given;
    const KeystoreOptions options;
    KeyRing keys;
    crypto::Ed25519KeyPair checkpoint_key;
    policy::PolicyStore policies;
    KeystoreMetrics metrics;
    KeystoreContext context;
    audit::Checkpoints checkpoints;
    workflow::PeriodicRunner runner;
    KeyVersions versions;
    DeadDelegates dead_delegates;
    std::atomic<bool> ready{false};  // between start() and stop()
};

// Routes for operators (operator_routes.cpp).
void register_operator_routes(KeystoreService::Parts& parts, service::ServiceFrame& frame);

}  // namespace adyton::keystore
