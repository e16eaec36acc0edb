#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/random.h"
#include "base/result.h"
#include "crypto/aes_gcm.h"
#include "crypto/digest.h"
#include "crypto/ed25519.h"
#include "crypto/ed25519_signer.h"
#include "crypto/p256.h"
#include "crypto/secret.h"
#include "crypto/x25519.h"

namespace adyton::compute {

// Everything derived from COMPUTE_MASTER_KEY (at least 32 bytes). Each purpose has a key of its
// own: HKDF-SHA256 with the master as key material, the purpose as salt. Thread safe.
class ComputeKeys {
public:
    static constexpr std::size_t kMasterBytesMin = 32;

    // InvalidArgument: a master key shorter than 32 bytes.
    static Result<ComputeKeys> create(crypto::SecretBuffer master);

    // The seed's protection of results (services.md 4.6): hex HMAC-SHA256 of the raw hash bytes,
    // and base64(nonce || ciphertext || tag) under the first 32 bytes of the master.
    std::string seed_signature(const crypto::Sha256Digest& output_hash) const;
    std::string seed_encrypted(std::string_view output, const crypto::AesGcmNonce& nonce) const;

    // Receipts.
    const crypto::Ed25519KeyPair& receipt_ed25519() const { return receipt_ed25519_; }
    // Of receipt_ed25519().
    const crypto::Ed25519Signer& receipt_signer() const { return receipt_signer_; }
    const crypto::P256PrivateKey& receipt_p256() const { return receipt_p256_; }
    const crypto::P256PublicKey& receipt_p256_public() const { return receipt_p256_public_; }
    // Sealed inputs.
    const crypto::X25519PublicKey& sealing_public() const { return sealing_public_; }
    Result<base::Bytes> open_sealed_input(base::ByteView box) const;

    // What is stored of a job. `what`: "request", "answer", ...; a blob opens only as what it was
    // sealed as, for the job and user it was sealed for.
    base::Bytes seal_job(
        base::RandomSource& random, std::string_view job_id, std::string_view user,
        std::string_view what, base::ByteView plain) const;
    // CorruptData: another master key, job, user or purpose, or changed bytes.
    Result<base::Bytes> open_job(
        std::string_view job_id, std::string_view user, std::string_view what,
        base::ByteView sealed) const;

    // Which master key this is: 16 hex digits, derived, so that they tell nothing of it.
    const std::string& id() const { return id_; }
    // The key that secrets are sealed under.
    const crypto::AesKey& secrets_key() const { return secrets_key_; }
    crypto::Ed25519KeyPair checkpoint_key() const;

private:
    explicit ComputeKeys(crypto::SecretBuffer master);
    crypto::AesKey job_key(std::string_view job_id) const;

    crypto::SecretBuffer master_;
    std::string id_;
    crypto::HmacSha256Key seed_signing_;
    crypto::AesKey seed_encryption_;
    crypto::AesKey jobs_master_;
    crypto::AesKey secrets_key_;
    crypto::Ed25519KeyPair receipt_ed25519_;
    crypto::Ed25519Signer receipt_signer_;
    crypto::P256PrivateKey receipt_p256_;
    crypto::P256PublicKey receipt_p256_public_;
    crypto::SecretBytes<32> sealing_secret_;
    crypto::X25519PublicKey sealing_public_;
};

}  // namespace adyton::compute
