#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/secret.h"

// Diffie-Hellman over Curve25519 (RFC 7748). Thread safe.
namespace adyton::crypto {

// The u coordinate, little endian.
struct X25519PublicKey {
    static constexpr std::size_t kSize = 32;
    std::array<std::uint8_t, kSize> bytes{};

    // InvalidArgument: not 32 bytes. Every string of 32 bytes is a key.
    static Result<X25519PublicKey> parse(base::ByteView view);
    std::string to_hex() const { return base::hex_encode(bytes); }
    bool operator==(const X25519PublicKey&) const = default;
};

// A scalar of 32 bytes, clamped when used.
class X25519KeyPair {
public:
    static constexpr std::size_t kScalarSize = 32;

    explicit X25519KeyPair(SecretBytes<kScalarSize> scalar);

    const X25519PublicKey& public_key() const { return public_key_; }
    // The shared u coordinate: key material for a KDF, never a key. InvalidArgument: the peer's key
    // is a point of small order, so that the secret would be all zero (RFC 7748, 6.1).
    Result<SecretBytes<32>> shared_secret(const X25519PublicKey& peer) const;

private:
    SecretBytes<kScalarSize> scalar_;
    X25519PublicKey public_key_;
};

}  // namespace adyton::crypto
