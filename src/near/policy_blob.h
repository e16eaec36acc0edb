#pragma once

#include "base/bytes.h"
#include "base/random.h"
#include "base/result.h"
#include "crypto/secret.h"
#include "crypto/x25519.h"
#include "near/derivation.h"

// The encrypted policy of OutLayer (near.md 5.1): 01 || ephemeral X25519 key (32) || nonce (12) ||
// ciphertext || tag (16), ChaCha20-Poly1305 under HKDF-SHA256(X25519 secret, no salt, info
// "outlayer-keystore-v1"), nothing associated. The recipient's scalar is
// HMAC-SHA256(master, "ecies:" + seed text), the seed text policy_seed_text(wallet_id).
namespace adyton::near {

inline constexpr std::size_t kPolicyBlobOverheadBytes = 61;
inline constexpr std::size_t kPolicyBlobBytesMax = std::size_t{1} << 20U;

crypto::X25519KeyPair policy_key(const KeyDeriver& deriver, std::string_view wallet_id);

// CHECK: the plaintext is under kPolicyBlobBytesMax.
base::Bytes seal_policy(
    const crypto::X25519PublicKey& recipient, base::ByteView plaintext, base::RandomSource& random);
// InvalidArgument: no blob of this version, or too long. CorruptData: sealed for another key, or
// changed.
Result<base::Bytes> open_policy(const crypto::X25519KeyPair& key, base::ByteView blob);

}  // namespace adyton::near
