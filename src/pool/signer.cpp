#include "pool/signer.h"

#include <algorithm>
#include <utility>

#include "crypto/uuid.h"
#include "neo/address.h"
#include "neo/verification_script.h"
#include "neo/wif.h"

namespace adyton::pool {
namespace {

constexpr std::string_view kProbeId = "adyton/key-probe/v1";
constexpr std::size_t kInlineChunk = 32;
constexpr std::size_t kCreateChunk = 64;

Error key_mismatch(const char* what) {
    return Error::corrupt_data(what, "key_mismatch");
}

neo::AccountFingerprint probe_fingerprint(
    const neo::MasterKey& master, const neo::AccountFingerprinter& fingerprinter) {
    const auto key = neo::derive_account_key(master, kProbeId);
    CHECK(key.has_value());  // 2^-255
    return fingerprinter.fingerprint(*key);
}

}  // namespace

std::optional<crypto::P256PublicKey> Signer::PublicKeys::find(const std::string& id) const {
    const Shard& part = shards_[std::hash<std::string>{}(id) % kShards];
    const std::lock_guard lock(part.mutex);
    const auto found = part.keys.find(id);
    if (found == part.keys.end()) return std::nullopt;
    return found->second;
}

void Signer::PublicKeys::add(const std::string& id, const crypto::P256PublicKey& key) {
    Shard& part = shard(id);
    const std::lock_guard lock(part.mutex);
    if (part.keys.size() >= shard_limit_) part.keys.erase(part.keys.begin());
    part.keys.emplace(id, key);
}

Signer::Signer(neo::MasterKey master, std::optional<crypto::AesKey> encryption_key, Options options)
    : master_(std::move(master)),
      fingerprinter_(master_),
      encryption_key_(std::move(encryption_key)),
      options_(options),
      public_keys_(options.cached_public_keys),
      probe_(probe_fingerprint(master_, fingerprinter_)) {}

Result<crypto::P256PrivateKey> Signer::private_key(const KeyRecord& key) const {
    if (key.encrypted_wif && encryption_key_) {
        auto opened = neo::open_encrypted_wif(*encryption_key_, *key.encrypted_wif);
        if (!opened) return key_mismatch("the stored key does not open");
        return opened;
    }
    return neo::derive_account_key(master_, key.id);
}

// The public key, after proof that the private key is the account's: by its fingerprint, or on rows
// taken over from the original by the address.
Result<crypto::P256PublicKey> Signer::prove(
    const KeyRecord& key, const crypto::P256PrivateKey& private_key) const {
    if (key.fingerprint) {
        const auto actual = fingerprinter_.fingerprint(private_key);
        if (!crypto::constant_time_equal(actual.bytes, key.fingerprint->bytes)) {
            return key_mismatch("the derived key is not the account's");
        }
        if (auto known = public_keys_.find(key.id)) return *known;
    }
    const auto public_key = private_key.public_key();
    if (!key.fingerprint) {
        const neo::Address address = neo::account_address(public_key);
        if (address.to_string() != key.address) {
            return key_mismatch("the derived key does not give the account's address");
        }
    } else {
        public_keys_.add(key.id, public_key);
    }
    return public_key;
}

Result<AccountSignature> Signer::sign(
    const KeyRecord& key, const crypto::Sha256Digest& digest) const {
    TRY(const auto private_key, this->private_key(key));
    TRY(const auto public_key, prove(key, private_key));
    TRY(const auto signature, crypto::sign_rfc6979_low_s(private_key, digest));
    if (options_.self_check == crypto::SelfCheck::On &&
        !crypto::verify(public_key, digest, signature)) {
        return Error::internal("a signature failed its self-check");
    }
    return AccountSignature{signature, public_key};
}

Result<crypto::P256PublicKey> Signer::public_key(const KeyRecord& key) const {
    TRY(const auto private_key, this->private_key(key));
    return prove(key, private_key);
}

NewAccount Signer::create_account(std::string id) const {
    const auto key = neo::derive_account_key(master_, id);
    CHECK(key.has_value());
    const neo::Address address = neo::account_address(key->public_key());
    return {std::move(id), address.to_string(), fingerprinter_.fingerprint(*key)};
}

Result<neo::AccountFingerprint> Signer::verify_address(const KeyRecord& key) const {
    TRY(const auto private_key, this->private_key(key));
    TRY_VOID(prove(key, private_key));
    return fingerprinter_.fingerprint(private_key);
}

Result<void> Signer::check() const {
    const auto key = neo::derive_account_key(master_, kProbeId);
    if (!key || fingerprinter_.fingerprint(*key) != probe_) {
        return Error::internal("the master key no longer gives the keys it gave at start-up");
    }
    return {};
}

Task<void> sign_all(const Signer& signer, std::span<SigningJob> jobs) {
    base::Executor& executor = *base::Executor::current();
    const std::size_t lanes = std::min<std::size_t>(executor.parallelism(), jobs.size() / 4);
    if (lanes > 1) {
        std::vector<Task<bool>> parts;
        for (std::size_t lane = 0; lane < lanes; ++lane) {
            // Every lanes-th job, so that skipped ones spread evenly.
            auto work = [&signer, jobs, lane, lanes] {
                for (std::size_t i = lane; i < jobs.size(); i += lanes) {
                    if (jobs[i].key != nullptr) {
                        jobs[i].outcome = signer.sign(*jobs[i].key, jobs[i].digest);
                    }
                }
                return true;
            };
            parts.push_back(base::run_blocking(executor, std::move(work)));
        }
        auto all = base::when_all(std::move(parts));
        co_await std::move(all);
        co_return;
    }
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        if (i != 0 && i % kInlineChunk == 0) co_await base::sleep_for(executor, {});
        if (jobs[i].key != nullptr) jobs[i].outcome = signer.sign(*jobs[i].key, jobs[i].digest);
    }
}

Task<std::vector<NewAccount>> create_accounts(
    const Signer& signer, base::RandomSource& random, std::size_t count) {
    base::Executor& executor = *base::Executor::current();
    std::vector<std::string> ids;
    ids.reserve(count);
    for (std::size_t i = 0; i < count; ++i) ids.push_back(crypto::uuid_v4(random));
    std::vector<Task<std::vector<NewAccount>>> parts;
    for (std::size_t first = 0; first < count; first += kCreateChunk) {
        const std::size_t last = std::min(first + kCreateChunk, count);
        auto work = [&signer, &ids, first, last] {
            std::vector<NewAccount> made;
            for (std::size_t i = first; i < last; ++i) {
                made.push_back(signer.create_account(ids[i]));
            }
            return made;
        };
        parts.push_back(base::run_blocking(executor, std::move(work)));
    }
    auto all = base::when_all(std::move(parts));
    auto made = co_await std::move(all);
    std::vector<NewAccount> accounts;
    accounts.reserve(count);
    for (auto& part : made) {
        for (auto& account : part) accounts.push_back(std::move(account));
    }
    co_return accounts;
}

}  // namespace adyton::pool
