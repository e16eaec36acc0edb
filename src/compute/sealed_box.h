#pragma once

#include <cstddef>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/secret.h"
#include "crypto/x25519.h"

namespace adyton::compute {

// libsodium's crypto_box_seal: ephemeral X25519 public key (32) || tag (16) || ciphertext, with
// XSalsa20-Poly1305 and the nonce BLAKE2b-24(ephemeral || recipient). Anybody with a sodium binding
// makes and opens them. Thread safe.
inline constexpr std::size_t kSealedBoxOverheadBytes = 48;

// The ephemeral key comes from libsodium's own generator (the kernel's).
// InvalidArgument: a public key of small order.
Result<base::Bytes> seal_box(const crypto::X25519PublicKey& recipient, base::ByteView message);
// InvalidArgument: too short, for another key, or changed.
Result<base::Bytes> open_box(
    const crypto::SecretBytes<32>& secret, const crypto::X25519PublicKey& recipient,
    base::ByteView box);

}  // namespace adyton::compute
