#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/random.h"
#include "base/result.h"
#include "crypto/secret.h"

// AES-256-GCM (NIST SP 800-38D) in the layout nonce (12) || ciphertext || tag (16).
namespace adyton::crypto {

using AesKey = SecretBytes<32>;

// Used once per key. Random ones are good for 2^32 messages under one key.
struct AesGcmNonce {
    static constexpr std::size_t kSize = 12;
    std::array<std::uint8_t, kSize> bytes{};

    static AesGcmNonce random(base::RandomSource& random);
};

inline constexpr std::size_t kAesGcmTagBytes = 16;
inline constexpr std::size_t kAesGcmOverheadBytes = AesGcmNonce::kSize + kAesGcmTagBytes;

// `associated` is authenticated, not stored. CHECK: under 1 GiB.
base::Bytes aes_gcm_seal(
    const AesKey& key, const AesGcmNonce& nonce, base::ByteView plaintext,
    base::ByteView associated);

// CorruptData: shorter than 28 bytes, or the tag does not match: another key, other associated
// data, or changed bytes (which one cannot be told). Nothing of the plaintext leaves then.
Result<base::Bytes> aes_gcm_open(
    const AesKey& key, base::ByteView sealed, base::ByteView associated);
// The same for secrets; TooLarge: over SecretBuffer::kSizeMax.
Result<SecretBuffer> aes_gcm_open_secret(
    const AesKey& key, base::ByteView sealed, base::ByteView associated);

}  // namespace adyton::crypto
