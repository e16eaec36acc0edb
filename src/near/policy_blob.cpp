#include "near/policy_blob.h"

#include <algorithm>

#include "crypto/chacha20_poly1305.h"
#include "crypto/hkdf.h"

namespace adyton::near {
namespace {

constexpr std::uint8_t kVersion = 0x01;
constexpr std::size_t kEphemeralAt = 1;
constexpr std::size_t kSealedAt = kEphemeralAt + crypto::X25519PublicKey::kSize;
static_assert(kSealedAt + crypto::kChaChaOverheadBytes == kPolicyBlobOverheadBytes);

crypto::ChaChaKey cipher_key(const crypto::SecretBytes<32>& shared) {
    crypto::ChaChaKey out;
    crypto::hkdf_sha256(
        shared.expose(), {}, base::as_bytes("outlayer-keystore-v1"), out.expose_mutable());
    return out;
}

}  // namespace

crypto::X25519KeyPair policy_key(const KeyDeriver& deriver, std::string_view wallet_id) {
    return crypto::X25519KeyPair(deriver.derive_seed("ecies:" + policy_seed_text(wallet_id)));
}

base::Bytes seal_policy(
    const crypto::X25519PublicKey& recipient, base::ByteView plaintext,
    base::RandomSource& random) {
    CHECK(plaintext.size() + kPolicyBlobOverheadBytes <= kPolicyBlobBytesMax);
    crypto::SecretBytes<crypto::X25519KeyPair::kScalarSize> scalar;
    random.fill(scalar.expose_mutable());
    const crypto::X25519KeyPair ephemeral(std::move(scalar));
    const auto shared = ephemeral.shared_secret(recipient);
    CHECK(shared.has_value());  // the recipient is a key of ours
    const auto nonce = crypto::ChaChaNonce::random(random);
    const auto sealed = crypto::chacha20_poly1305_seal(cipher_key(*shared), nonce, plaintext, {});
    base::Bytes out;
    out.reserve(kPolicyBlobOverheadBytes + plaintext.size());
    out.push_back(kVersion);
    out.insert(out.end(), ephemeral.public_key().bytes.begin(), ephemeral.public_key().bytes.end());
    out.insert(out.end(), sealed.begin(), sealed.end());
    return out;
}

Result<base::Bytes> open_policy(const crypto::X25519KeyPair& key, base::ByteView blob) {
    if (blob.size() < kPolicyBlobOverheadBytes || blob.front() != kVersion) {
        return Error::invalid_argument("encrypted policy has an unknown form");
    }
    if (blob.size() > kPolicyBlobBytesMax) {
        return Error::invalid_argument("encrypted policy is too long");
    }
    TRY(const auto ephemeral,
        crypto::X25519PublicKey::parse(blob.subspan(kEphemeralAt, crypto::X25519PublicKey::kSize)));
    TRY(const auto shared, key.shared_secret(ephemeral));
    return crypto::chacha20_poly1305_open(cipher_key(shared), blob.subspan(kSealedAt), {});
}

}  // namespace adyton::near
