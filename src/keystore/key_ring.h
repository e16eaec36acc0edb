#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "crypto/aes_gcm.h"
#include "crypto/digest.h"
#include "crypto/ed25519.h"
#include "crypto/p256.h"
#include "crypto/secret.h"
#include "crypto/x25519.h"
#include "near/account_id.h"
#include "near/derivation.h"

namespace adyton::keystore {

// Which key of a wallet. Version 1 is OutLayer's derivation (near.md 5.1), bit for bit; later
// versions are what rotation gives. Wallet ids hold no ':' (wallet_id.h), and neither do account
// ids, so no two names give one seed text.
class KeyName {
public:
    // wallet:{wallet_id}:near, from version 2 on wallet:{wallet_id}:near:v{n}.
    static KeyName wallet(const std::string& wallet_id, std::uint32_t version);
    // ...:direct-user-fa:{user_id}:v{n}
    static KeyName direct_user(
        const std::string& wallet_id, const near::AccountId& user_id, std::uint32_t version);
    // ...:direct-user-fc:{user_id}:{registry_id}:{receiver_id}:{method_names_hash}:v{n}
    static KeyName direct_user_calls(
        const std::string& wallet_id, const near::AccountId& user_id,
        const near::AccountId& registry_id, const near::AccountId& receiver_id,
        const std::vector<std::string>& method_names, std::uint32_t version);

    const std::string& seed_text() const { return seed_text_; }

private:
    explicit KeyName(std::string seed_text) : seed_text_(std::move(seed_text)) {}
    std::string seed_text_;
};

// The keystore's secret and what is derived from it. A private key exists for the length of one
// signature. Thread safe.
class KeyRing {
public:
    static constexpr std::size_t kMasterBytes = near::KeyDeriver::kMasterBytes;

    KeyRing(
        crypto::SecretBytes<kMasterBytes> master, std::size_t cached_public_keys,
        crypto::SelfCheck self_check = crypto::SelfCheck::Off);

    // Public keys are public and cost as much as a signature, so those in use are kept.
    crypto::Ed25519PublicKey public_key(const KeyName& name) const;
    // Over the 32 bytes of the digest. Internal: the self-check failed (bad memory, an induced
    // glitch): nothing of the signature leaves.
    Result<crypto::Ed25519Signature> sign(
        const KeyName& name, const crypto::Sha256Digest& digest) const;

    // The key that a wallet's policy blobs are sealed to.
    crypto::X25519KeyPair policy_blob_key(const std::string& wallet_id) const;
    // What policy::PolicyKeys is made from.
    const crypto::SecretBytes<kMasterBytes>& master() const { return master_; }
    // Hex; says which secret it is and nothing about it.
    std::string fingerprint() const;
    // Whether deriving still gives what it gave at the start.
    Result<void> check() const;

private:
    static constexpr std::size_t kShards = 16;
    struct Shard {
        mutable std::mutex mutex;
        std::unordered_map<std::string, crypto::Ed25519PublicKey> keys;
    };
    Shard& shard(const std::string& seed_text) const;

    crypto::SecretBytes<kMasterBytes> master_;
    near::KeyDeriver deriver_;
    std::size_t shard_limit_;
    crypto::SelfCheck self_check_;
    crypto::Ed25519PublicKey probe_;
    mutable std::array<Shard, kShards> shards_;
};

// Configured key material as the master secret. InvalidArgument: not 32 bytes.
Result<crypto::SecretBytes<KeyRing::kMasterBytes>> master_secret(const crypto::SecretBuffer& bytes);

}  // namespace adyton::keystore
