#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/random.h"
#include "base/result.h"
#include "crypto/secret.h"

// ChaCha20-Poly1305 (RFC 8439) in the layout nonce (12) || ciphertext || tag (16). For formats that
// others fixed; ours use aes_gcm.h.
namespace adyton::crypto {

using ChaChaKey = SecretBytes<32>;

// Used once per key.
struct ChaChaNonce {
    static constexpr std::size_t kSize = 12;
    std::array<std::uint8_t, kSize> bytes{};

    static ChaChaNonce random(base::RandomSource& random);
};

inline constexpr std::size_t kChaChaTagBytes = 16;
inline constexpr std::size_t kChaChaOverheadBytes = ChaChaNonce::kSize + kChaChaTagBytes;

// `associated` is authenticated, not stored. CHECK: under 1 GiB.
base::Bytes chacha20_poly1305_seal(
    const ChaChaKey& key, const ChaChaNonce& nonce, base::ByteView plaintext,
    base::ByteView associated);

// CorruptData: shorter than 28 bytes, or the tag does not match: another key, other associated
// data, or changed bytes (which one cannot be told). Nothing of the plaintext leaves then.
Result<base::Bytes> chacha20_poly1305_open(
    const ChaChaKey& key, base::ByteView sealed, base::ByteView associated);

}  // namespace adyton::crypto
