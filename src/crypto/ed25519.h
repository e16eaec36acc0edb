#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/secret.h"

// Ed25519 (RFC 8032, pure). Thread safe.
namespace adyton::crypto {

struct Ed25519PublicKey {
    static constexpr std::size_t kSize = 32;
    std::array<std::uint8_t, kSize> bytes{};

    // InvalidArgument: not 32 bytes. Bytes that are no point make every verification fail.
    static Result<Ed25519PublicKey> parse(base::ByteView view);
    std::string to_hex() const { return base::hex_encode(bytes); }
    bool operator==(const Ed25519PublicKey&) const = default;
};

struct Ed25519Signature {
    static constexpr std::size_t kSize = 64;
    std::array<std::uint8_t, kSize> bytes{};

    // InvalidArgument: not 64 bytes.
    static Result<Ed25519Signature> parse(base::ByteView view);
    bool operator==(const Ed25519Signature&) const = default;
};

// A key pair from its 32-byte seed; the seed stays in the secret arena.
class Ed25519KeyPair {
public:
    static constexpr std::size_t kSeedSize = 32;

    explicit Ed25519KeyPair(SecretBytes<kSeedSize> seed);
    // With the public key that an earlier derivation gave, which saves half of the work. A public
    // key that is not the seed's would make signatures that betray the seed: the caller vouches
    // for it, by a MAC where it was stored.
    Ed25519KeyPair(SecretBytes<kSeedSize> seed, const Ed25519PublicKey& known);

    const Ed25519PublicKey& public_key() const { return public_key_; }
    Ed25519Signature sign(base::ByteView message) const;
    std::span<const std::uint8_t, kSeedSize> expose_seed() const { return seed_.expose(); }

private:
    SecretBytes<kSeedSize> seed_;
    Ed25519PublicKey public_key_;
};

bool verify(const Ed25519PublicKey& key, base::ByteView message, const Ed25519Signature& signature);

}  // namespace adyton::crypto
