#pragma once

#include <optional>
#include <string>

#include "api/pool_types.h"
#include "attest/attestation_service.h"
#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "crypto/secret.h"
#include "neo/master_key.h"
#include "pool/signer.h"
#include "storage/database.h"

namespace adyton::pool {

// Where the master key comes from, as bytes (attest::SecretSource::read_key_material).
struct MasterKeySources {
    std::optional<crypto::SecretBuffer> master_key;  // POOL_MASTER_KEY, wins
    std::optional<crypto::SecretBuffer> seed;        // COORD_MASTER_SEED
    // POOL_MASTER_KEY_HASH, raw or hex; empty: not pinned.
    std::string pinned_hash;
};

// services.md 3.2. InvalidArgument: neither source is there, one is too short, or the pin is
// malformed. Conflict, reason "master_key_pin": the key is not the pinned one.
Result<neo::MasterKey> load_master_key(MasterKeySources sources);

// The installation remembers the hash of its master public key in pool_meta and takes no other
// (A18). A database without that memory, but with accounts, is tried on one of them.
// Conflict, reason "master_key_changed".
Task<Result<void>> check_master_key(storage::Database& database, const Signer& signer);

// The body of GET /master-key: the contract's fields beside the attestation bundle that they come
// from. It is public, and byte for byte the same as long as the bundle is (A29).
class MasterKeyStatement {
public:
    // `attestation_hash`: POOL_MASTER_ATTESTATION_HASH; empty: SHA-256 of the evidence
    // (decisions.md 16).
    MasterKeyStatement(const neo::MasterKey& master, std::string attestation_hash);

    // The fields of enclaves come from an SGX quote; simulated evidence is no quote.
    api::MasterKeyResponse of(const attest::AttestationService::Served& served) const;
    const std::string& hash() const { return hash_; }
    const crypto::P256PublicKey& public_key() const { return public_key_; }

private:
    crypto::P256PublicKey public_key_;
    std::string hash_;
    std::string attestation_hash_;
};

}  // namespace adyton::pool
