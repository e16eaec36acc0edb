#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/result.h"

// The AEAD ciphers of libcrypto with keys of 32 bytes, in the layout nonce (12) || ciphertext ||
// tag (16). Thread safe.
namespace adyton::crypto::internal {

inline constexpr std::size_t kAeadKeyBytes = 32;
inline constexpr std::size_t kAeadNonceBytes = 12;
inline constexpr std::size_t kAeadTagBytes = 16;
inline constexpr std::size_t kAeadOverheadBytes = kAeadNonceBytes + kAeadTagBytes;

enum class Aead { Aes256Gcm, ChaCha20Poly1305 };
using AeadKey = std::span<const std::uint8_t, kAeadKeyBytes>;
using AeadNonce = std::span<const std::uint8_t, kAeadNonceBytes>;

// CHECK: plaintext and associated data are under 1 GiB.
base::Bytes aead_seal(
    Aead cipher, AeadKey key, AeadNonce nonce, base::ByteView plaintext, base::ByteView associated);

// How long what was sealed is. CorruptData: too short or too long to be sealed data.
Result<std::size_t> aead_plaintext_size(base::ByteView sealed);
// Fills `plaintext`, which has that size; it is wiped again when the tag is wrong (CorruptData).
Result<void> aead_open(
    Aead cipher, AeadKey key, base::ByteView sealed, base::ByteView associated,
    std::span<std::uint8_t> plaintext);

}  // namespace adyton::crypto::internal
