#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "crypto/digest.h"
#include "crypto/ed25519.h"
#include "crypto/secret.h"
#include "storage/database.h"

namespace adyton::audit {

struct ChainHead {
    std::int64_t chain = 0;
    std::int64_t sequence = 0;
    crypto::Sha256Digest hash;
    bool operator==(const ChainHead&) const = default;
};

// One signed statement of where every chain of the database stood. Checkpoints are numbered from 1
// and chained. Signed bytes: the transcript "audit-checkpoint" with the tags 1 number, 2 created_at
// (microseconds since 1970; both u64be), 3 hash of the checkpoint before (32; zeros for the first),
// 4 heads: for each chain that has records, ascending, chain u64be || sequence u64be || hash,
// 5 public key (32). Its hash is SHA-256 of the same bytes.
struct Checkpoint {
    std::int64_t number = 0;
    base::Timestamp created_at;
    crypto::Sha256Digest previous_hash;
    std::vector<ChainHead> heads;
    crypto::Ed25519PublicKey public_key;
    crypto::Ed25519Signature signature;

    base::Bytes signed_bytes() const;
    crypto::Sha256Digest hash() const;
    bool signature_valid() const;
};

// The signing key of this installation's checkpoints, from its master key: HKDF-SHA256 with the
// salt "adyton/audit-checkpoint/v1" and the info "ed25519". The same master key gives the same key,
// so every instance of a pool signs alike.
crypto::Ed25519KeyPair derive_checkpoint_key(const crypto::SecretBuffer& master);

// Creates and reads checkpoints. Instances that share a database may all do it. Thread safe.
class Checkpoints {
public:
    // Both must outlive this object.
    Checkpoints(storage::Database& database, const crypto::Ed25519KeyPair& key)
        : database_(database), key_(key) {}

    // Signs all heads as they are now. When nothing was recorded since the last one, gives that.
    // CorruptData: the last checkpoint's signature fails, or a record it covers is gone or changed;
    // then nothing is signed. NotFound: no record yet.
    Task<Result<Checkpoint>> create();
    // NotFound: there is none.
    Task<Result<Checkpoint>> latest();

private:
    storage::Database& database_;
    const crypto::Ed25519KeyPair& key_;
};

}  // namespace adyton::audit
