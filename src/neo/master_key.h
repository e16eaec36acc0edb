#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/digest.h"
#include "crypto/p256.h"
#include "crypto/secret.h"

namespace adyton::neo {

// The secret that every account key is derived from: 32 bytes or more, used whole. Move-only, in
// the secret arena. Reading it from several threads is fine.
class MasterKey {
public:
    static constexpr std::size_t kSizeMin = 32;
    static constexpr std::size_t kSeedSizeMin = 16;

    // InvalidArgument: under 32 bytes.
    static Result<MasterKey> create(crypto::SecretBuffer bytes);
    // The value of POOL_MASTER_KEY: crypto::environment_secret_bytes, then create.
    static Result<MasterKey> parse_environment_text(crypto::SecretBuffer text);
    // The content of a file or credential: crypto::file_secret_bytes, then create.
    static Result<MasterKey> parse_file_content(crypto::SecretBuffer content);
    // COORD_MASTER_SEED (already bytes): HKDF(seed, salt "coordinator-master-key", info
    // "neoaccounts"), 32 bytes. InvalidArgument: under 16 bytes.
    static Result<MasterKey> from_seed(const crypto::SecretBuffer& seed);

    base::ByteView expose() const { return bytes_.expose(); }

private:
    explicit MasterKey(crypto::SecretBuffer bytes) : bytes_(std::move(bytes)) {}

    crypto::SecretBuffer bytes_;
};

// The public key that stands for a master key in attestations and pins; it opens no account.
// d = (HKDF(master, salt "coordinator-master-pubkey", info "neoaccounts") mod (n-1)) + 1.
crypto::P256PublicKey master_public_key(const MasterKey& master);
// SHA-256 of its 33 bytes: what POOL_MASTER_KEY_HASH pins and what start-up prints.
crypto::Sha256Digest master_public_key_hash(const MasterKey& master);
crypto::Sha256Digest master_public_key_hash(const crypto::P256PublicKey& key);

// A pinned hash as configured: 32 raw bytes, or 64 hex digits with white space around them.
// InvalidArgument: anything else.
Result<crypto::Sha256Digest> parse_master_key_hash(base::ByteView value);

}  // namespace adyton::neo
