#include "compute/keys.h"

#include <algorithm>
#include <utility>

#include "audit/checkpoint.h"
#include "base/check.h"
#include "compute/sealed_box.h"
#include "crypto/hkdf.h"
#include "crypto/transcript.h"

namespace adyton::compute {
namespace {

using base::as_bytes;

// The seed's own derivation (services.md 4.6); every other purpose has a salt of ours.
constexpr std::string_view kSeedSalt = "neocompute-signing-key";
constexpr std::string_view kSeedInfo = "tee-result-signing";

crypto::SecretBytes<32> derive(
    base::ByteView master, std::string_view salt, std::string_view info) {
    crypto::SecretBytes<32> out;
    crypto::hkdf_sha256(master, as_bytes(salt), as_bytes(info), out.expose_mutable());
    return out;
}

crypto::HmacSha256Key seed_signing_key(base::ByteView master) {
    const auto key = derive(master, kSeedSalt, kSeedInfo);
    return crypto::HmacSha256Key(key.expose());
}

crypto::AesKey first_32(base::ByteView master) {
    crypto::AesKey out;
    std::copy_n(master.begin(), 32, out.expose_mutable().begin());
    return out;
}

std::string key_id(base::ByteView master) {
    const auto bytes = derive(master, "adyton/compute-key-id/v1", "id");
    return base::hex_encode(bytes.expose().first(8));
}

base::Bytes associated_data(std::string_view job_id, std::string_view user, std::string_view what) {
    crypto::Transcript transcript("compute-job");
    transcript.add(1, job_id).add(2, user).add(3, what);
    const base::ByteView bytes = transcript.bytes();
    return base::Bytes(bytes.begin(), bytes.end());
}

}  // namespace

ComputeKeys::ComputeKeys(crypto::SecretBuffer master)
    : master_(std::move(master)),
      id_(key_id(master_.expose())),
      seed_signing_(seed_signing_key(master_.expose())),
      seed_encryption_(first_32(master_.expose())),
      jobs_master_(derive(master_.expose(), "adyton/compute-jobs/v1", "aes-256-gcm")),
      secrets_key_(derive(master_.expose(), "adyton/compute-secrets/v1", "aes-256-gcm")),
      receipt_ed25519_(derive(master_.expose(), "adyton/receipt/v1", "ed25519")),
      receipt_signer_(receipt_ed25519_),
      receipt_p256_(crypto::P256PrivateKey::reduce_scalar_shifted(
          derive(master_.expose(), "adyton/receipt/v1", "p256"))),
      receipt_p256_public_(receipt_p256_.public_key()),
      sealing_secret_(derive(master_.expose(), "adyton/compute-sealing/v1", "x25519")),
      sealing_public_(
          crypto::X25519KeyPair(crypto::SecretBytes<32>::copy_of(sealing_secret_.expose()))
              .public_key()) {}

Result<ComputeKeys> ComputeKeys::create(crypto::SecretBuffer master) {
    if (master.size() < kMasterBytesMin) {
        return Error::invalid_argument("COMPUTE_MASTER_KEY must have at least 32 bytes");
    }
    return ComputeKeys(std::move(master));
}

std::string ComputeKeys::seed_signature(const crypto::Sha256Digest& output_hash) const {
    return seed_signing_.mac(output_hash.view()).to_hex();
}

std::string ComputeKeys::seed_encrypted(
    std::string_view output, const crypto::AesGcmNonce& nonce) const {
    return base::base64_encode(crypto::aes_gcm_seal(seed_encryption_, nonce, as_bytes(output), {}));
}

Result<base::Bytes> ComputeKeys::open_sealed_input(base::ByteView box) const {
    return open_box(sealing_secret_, sealing_public_, box);
}

// A key for each job, so that random nonces never meet however many jobs there are.
crypto::AesKey ComputeKeys::job_key(std::string_view job_id) const {
    return derive(jobs_master_.expose(), job_id, "job");
}

base::Bytes ComputeKeys::seal_job(
    base::RandomSource& random, std::string_view job_id, std::string_view user,
    std::string_view what, base::ByteView plain) const {
    const auto key = job_key(job_id);
    const auto nonce = crypto::AesGcmNonce::random(random);
    return crypto::aes_gcm_seal(key, nonce, plain, associated_data(job_id, user, what));
}

Result<base::Bytes> ComputeKeys::open_job(
    std::string_view job_id, std::string_view user, std::string_view what,
    base::ByteView sealed) const {
    const auto key = job_key(job_id);
    return crypto::aes_gcm_open(key, sealed, associated_data(job_id, user, what));
}

crypto::Ed25519KeyPair ComputeKeys::checkpoint_key() const {
    return audit::derive_checkpoint_key(master_);
}

}  // namespace adyton::compute
