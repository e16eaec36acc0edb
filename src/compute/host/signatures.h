#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"

// Signatures with keys that belong to the script. (Keys of the service never come here; they live
// in crypto's secret arena, which executors do not have.)
namespace adyton::compute::host {

enum class Curve : std::uint8_t { P256, Secp256k1 };

// Keys: private 32 bytes big endian in [1, n-1]; public 33 bytes compressed or 65 uncompressed
// (SEC 1). Signatures: r || s, 64 bytes, with the nonce of RFC 6979 (HMAC-SHA256) and s in the
// lower half: the same key and digest give the same bytes, so a replay does too. InvalidArgument: a
// key or digest (32 bytes) that is not one.
Result<base::Bytes> ecdsa_sign(Curve curve, base::ByteView private_key, base::ByteView digest);
// Accepts s in either half. InvalidArgument: a public key that is no point, a digest or signature
// of the wrong size.
Result<bool> ecdsa_verify(
    Curve curve, base::ByteView public_key, base::ByteView digest, base::ByteView signature);
// Compressed. InvalidArgument: not a private key.
Result<base::Bytes> ecdsa_public_key(Curve curve, base::ByteView private_key);

// Ed25519 (RFC 8032): seed and public key 32 bytes, signature 64. InvalidArgument: other sizes.
Result<base::Bytes> ed25519_sign(base::ByteView seed, base::ByteView message);
Result<bool> ed25519_verify(
    base::ByteView public_key, base::ByteView message, base::ByteView signature);
Result<base::Bytes> ed25519_public_key(base::ByteView seed);

// AES-GCM (NIST SP 800-38D) with 16 or 32 bytes of key and a nonce of 12: ciphertext || tag (16).
// InvalidArgument: other sizes; for open also: the tag does not match.
Result<base::Bytes> aes_gcm_encrypt(
    base::ByteView key, base::ByteView nonce, base::ByteView plaintext, base::ByteView associated);
Result<base::Bytes> aes_gcm_decrypt(
    base::ByteView key, base::ByteView nonce, base::ByteView sealed, base::ByteView associated);

}  // namespace adyton::compute::host
