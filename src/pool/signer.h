#pragma once

#include <array>
#include <cstddef>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/executor.h"
#include "base/random.h"
#include "base/result.h"
#include "base/task.h"
#include "crypto/aes_gcm.h"
#include "crypto/digest.h"
#include "crypto/p256.h"
#include "neo/account_key.h"
#include "neo/master_key.h"
#include "pool/account_repository.h"

namespace adyton::pool {

struct AccountSignature {
    crypto::P256Signature signature;
    crypto::P256PublicKey public_key;
};

// The only place that holds account keys: derives (or opens) one, proves that it is the account's,
// uses it and wipes it, all inside one plain function. Thread safe.
class Signer {
public:
    struct Options {
        crypto::SelfCheck self_check = crypto::SelfCheck::Off;
        std::size_t cached_public_keys = 65'536;
    };
    // The encryption key opens stored keys (POOL_ENCRYPTION_KEY); without it every key is derived.
    Signer(neo::MasterKey master, std::optional<crypto::AesKey> encryption_key, Options options);

    // CorruptData, reason "key_mismatch": the key that this master key gives is not the one that
    // the account was created with, or the stored key does not open (A18: never another key
    // instead).
    Result<AccountSignature> sign(const KeyRecord& key, const crypto::Sha256Digest& digest) const;

    // The public key, proven to be the account's. Errors as sign().
    Result<crypto::P256PublicKey> public_key(const KeyRecord& key) const;

    // A fresh account. CHECKs what has probability 2^-255.
    NewAccount create_account(std::string id) const;
    // The fingerprint of an account whose address proves the key. Errors as sign().
    Result<neo::AccountFingerprint> verify_address(const KeyRecord& key) const;
    // Derives a fixed key anew and compares: whether the keys still work. Microseconds.
    Result<void> check() const;

    const neo::MasterKey& master() const { return master_; }

private:
    // Public keys are public and cost as much as a signature: those of accounts in use are kept.
    class PublicKeys {
    public:
        explicit PublicKeys(std::size_t limit) : shard_limit_(limit / kShards + 1) {}
        std::optional<crypto::P256PublicKey> find(const std::string& id) const;
        void add(const std::string& id, const crypto::P256PublicKey& key);

    private:
        static constexpr std::size_t kShards = 16;
        struct Shard {
            mutable std::mutex mutex;
            std::unordered_map<std::string, crypto::P256PublicKey> keys;
        };
        Shard& shard(const std::string& id) {
            return shards_[std::hash<std::string>{}(id) % kShards];
        }
        std::size_t shard_limit_;
        std::array<Shard, kShards> shards_;
    };

    Result<crypto::P256PrivateKey> private_key(const KeyRecord& key) const;
    Result<crypto::P256PublicKey> prove(
        const KeyRecord& key, const crypto::P256PrivateKey& private_key) const;

    neo::MasterKey master_;
    neo::AccountFingerprinter fingerprinter_;
    std::optional<crypto::AesKey> encryption_key_;
    Options options_;
    mutable PublicKeys public_keys_;
    neo::AccountFingerprint probe_;
};

// One signature to make, and what became of it. `key` null: there is nothing to do.
struct SigningJob {
    const KeyRecord* key = nullptr;
    crypto::Sha256Digest digest;
    std::optional<Result<AccountSignature>> outcome;
};

// Fills the outcomes. Spreads over the cores of the current executor when it has more than one;
// else it signs in place, with pauses for others. The jobs must live until the await ends.
Task<void> sign_all(const Signer& signer, std::span<SigningJob> jobs);

// `count` new accounts with random ids, derived where work may take long.
Task<std::vector<NewAccount>> create_accounts(
    const Signer& signer, base::RandomSource& random, std::size_t count);

}  // namespace adyton::pool
