#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/ed25519.h"

namespace adyton::near {

// The first byte of a key and a signature in Borsh. Newer curves are refused: nothing here could
// check them.
enum class KeyType : std::uint8_t { Ed25519 = 0, Secp256k1 = 1 };

// "ed25519" or "secp256k1".
std::string_view to_string(KeyType type);

// Text "ed25519:" + base58 of 32 bytes or "secp256k1:" + base58 of 64 bytes; Borsh: type byte, then
// the bytes. secp256k1 keys are carried, never used.
class PublicKey {
public:
    static constexpr std::size_t kSizeMax = 64;

    explicit PublicKey(const crypto::Ed25519PublicKey& key);
    // InvalidArgument: no known prefix, not base58, another length than the type's. Hex after the
    // prefix (the form of /wallet/derive-address) is refused by its length.
    static Result<PublicKey> parse(std::string_view text);
    // InvalidArgument: wrong length.
    static Result<PublicKey> from_bytes(KeyType type, base::ByteView bytes);
    static constexpr std::size_t size_of(KeyType type) {
        return type == KeyType::Ed25519 ? crypto::Ed25519PublicKey::kSize : std::size_t{64};
    }

    KeyType type() const { return type_; }
    base::ByteView bytes() const { return base::ByteView(bytes_).first(size_of(type_)); }
    // Null for secp256k1.
    std::optional<crypto::Ed25519PublicKey> ed25519() const;
    std::string to_string() const;
    bool operator==(const PublicKey&) const = default;

private:
    PublicKey() = default;
    KeyType type_ = KeyType::Ed25519;
    std::array<std::uint8_t, kSizeMax> bytes_{};  // zero behind the key's own bytes
};

// Text "ed25519:" + base58 of 64 bytes or "secp256k1:" + base58 of 65 bytes; Borsh as above.
class Signature {
public:
    static constexpr std::size_t kSizeMax = 65;

    explicit Signature(const crypto::Ed25519Signature& signature);
    // InvalidArgument as PublicKey::parse.
    static Result<Signature> parse(std::string_view text);
    static Result<Signature> from_bytes(KeyType type, base::ByteView bytes);
    static constexpr std::size_t size_of(KeyType type) {
        return type == KeyType::Ed25519 ? crypto::Ed25519Signature::kSize : kSizeMax;
    }

    KeyType type() const { return type_; }
    base::ByteView bytes() const { return base::ByteView(bytes_).first(size_of(type_)); }
    std::optional<crypto::Ed25519Signature> ed25519() const;
    std::string to_string() const;
    bool operator==(const Signature&) const = default;

private:
    Signature() = default;
    KeyType type_ = KeyType::Ed25519;
    std::array<std::uint8_t, kSizeMax> bytes_{};
};

// Whether an Ed25519 key signed the message. False for other types and for mixed ones.
bool verify(const PublicKey& key, base::ByteView message, const Signature& signature);

// "ed25519:" + base58 of seed (32) || public key (32), or of the seed alone. Works in the secret
// arena; the caller wipes the text. InvalidArgument: another form, or a public half that is not the
// seed's. Unlike public keys it tolerates white space at the ends (a file's final newline).
Result<crypto::Ed25519KeyPair> parse_secret_key(base::ByteView text);
// The 64-byte form, for showing a key to its owner on request.
crypto::SecretBuffer encode_secret_key(const crypto::Ed25519KeyPair& key);

}  // namespace adyton::near
