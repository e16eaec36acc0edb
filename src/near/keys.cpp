#include "near/keys.h"

#include <algorithm>

#include "base/base58.h"
#include "crypto/secret_base58.h"

namespace adyton::near {
namespace {

constexpr std::string_view kEd25519Prefix = "ed25519:";
constexpr std::string_view kSecp256k1Prefix = "secp256k1:";
constexpr std::size_t kSeedBytes = crypto::Ed25519KeyPair::kSeedSize;
constexpr std::size_t kSecretBytes = kSeedBytes + crypto::Ed25519PublicKey::kSize;
constexpr std::size_t kSecretDigitsMax = 88;  // base58 of 64 bytes

struct TypedBytes {
    KeyType type = KeyType::Ed25519;
    base::Bytes bytes;
};

// Splits "type:base58"; `size_of` gives the exact length for each type.
template <typename SizeOf>
Result<TypedBytes> parse_typed(std::string_view text, std::string_view what, SizeOf size_of) {
    TypedBytes out;
    if (text.starts_with(kEd25519Prefix)) {
        text.remove_prefix(kEd25519Prefix.size());
    } else if (text.starts_with(kSecp256k1Prefix)) {
        out.type = KeyType::Secp256k1;
        text.remove_prefix(kSecp256k1Prefix.size());
    } else {
        return Error::invalid_argument(std::string(what) + " has no known type prefix");
    }
    auto bytes = base::base58_decode(text, size_of(out.type));
    if (!bytes) return std::move(bytes).error().with_context(what);
    if (bytes->size() != size_of(out.type)) {
        return Error::invalid_argument(
            std::string(what) + " must have " + std::to_string(size_of(out.type)) + " bytes");
    }
    out.bytes = std::move(*bytes);
    return out;
}

std::string typed_text(KeyType type, base::ByteView bytes) {
    return std::string(to_string(type)) + ":" + base::base58_encode(bytes);
}

bool is_space(std::uint8_t c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

base::ByteView trim(base::ByteView text) {
    while (!text.empty() && is_space(text.front())) text = text.subspan(1);
    while (!text.empty() && is_space(text.back())) text = text.first(text.size() - 1);
    return text;
}

Error bad_secret_key() {
    return Error::invalid_argument(
        "secret key must be ed25519: and base58 of 64 bytes (seed and public key) or 32 (seed)");
}

}  // namespace

std::string_view to_string(KeyType type) {
    return type == KeyType::Ed25519 ? "ed25519" : "secp256k1";
}

PublicKey::PublicKey(const crypto::Ed25519PublicKey& key) {
    std::copy(key.bytes.begin(), key.bytes.end(), bytes_.begin());
}

Result<PublicKey> PublicKey::parse(std::string_view text) {
    TRY(const auto typed, parse_typed(text, "public key", &PublicKey::size_of));
    return from_bytes(typed.type, typed.bytes);
}

Result<PublicKey> PublicKey::from_bytes(KeyType type, base::ByteView bytes) {
    if (bytes.size() != size_of(type)) {
        return Error::invalid_argument("public key has the wrong length");
    }
    PublicKey out;
    out.type_ = type;
    std::copy(bytes.begin(), bytes.end(), out.bytes_.begin());
    return out;
}

std::optional<crypto::Ed25519PublicKey> PublicKey::ed25519() const {
    if (type_ != KeyType::Ed25519) return std::nullopt;
    return crypto::Ed25519PublicKey::parse(bytes()).value();
}

std::string PublicKey::to_string() const {
    return typed_text(type_, bytes());
}

Signature::Signature(const crypto::Ed25519Signature& signature) {
    std::copy(signature.bytes.begin(), signature.bytes.end(), bytes_.begin());
}

Result<Signature> Signature::parse(std::string_view text) {
    TRY(const auto typed, parse_typed(text, "signature", &Signature::size_of));
    return from_bytes(typed.type, typed.bytes);
}

Result<Signature> Signature::from_bytes(KeyType type, base::ByteView bytes) {
    if (bytes.size() != size_of(type)) {
        return Error::invalid_argument("signature has the wrong length");
    }
    Signature out;
    out.type_ = type;
    std::copy(bytes.begin(), bytes.end(), out.bytes_.begin());
    return out;
}

std::optional<crypto::Ed25519Signature> Signature::ed25519() const {
    if (type_ != KeyType::Ed25519) return std::nullopt;
    return crypto::Ed25519Signature::parse(bytes()).value();
}

std::string Signature::to_string() const {
    return typed_text(type_, bytes());
}

bool verify(const PublicKey& key, base::ByteView message, const Signature& signature) {
    const auto ed25519_key = key.ed25519();
    const auto ed25519_signature = signature.ed25519();
    if (!ed25519_key.has_value() || !ed25519_signature.has_value()) return false;
    return crypto::verify(*ed25519_key, message, *ed25519_signature);
}

Result<crypto::Ed25519KeyPair> parse_secret_key(base::ByteView text) {
    text = trim(text);
    if (!base::as_text(text).starts_with(kEd25519Prefix)) return bad_secret_key();
    const base::ByteView digits = text.subspan(kEd25519Prefix.size());
    if (digits.size() > kSecretDigitsMax) return bad_secret_key();
    crypto::SecretBytes<kSecretBytes> number;
    const auto decoded = crypto::base58_decode_secret(digits, number.expose_mutable());
    if (!decoded) return bad_secret_key();
    const std::size_t size = *decoded;
    const auto bytes = number.expose();
    if (size == kSeedBytes) {
        return crypto::Ed25519KeyPair(
            crypto::SecretBytes<kSeedBytes>::copy_of(bytes.last<kSeedBytes>()));
    }
    if (size != kSecretBytes) return bad_secret_key();
    crypto::Ed25519KeyPair key(crypto::SecretBytes<kSeedBytes>::copy_of(bytes.first<kSeedBytes>()));
    if (!crypto::constant_time_equal(key.public_key().bytes, bytes.last<kSeedBytes>())) {
        return Error::invalid_argument("secret key's public half does not belong to its seed");
    }
    return key;
}

crypto::SecretBuffer encode_secret_key(const crypto::Ed25519KeyPair& key) {
    crypto::SecretBytes<kSecretBytes> number;
    const auto bytes = number.expose_mutable();
    const auto seed = key.expose_seed();
    std::copy(seed.begin(), seed.end(), bytes.begin());
    std::copy(
        key.public_key().bytes.begin(), key.public_key().bytes.end(), bytes.begin() + kSeedBytes);
    return crypto::base58_encode_secret(bytes, kEd25519Prefix);
}

}  // namespace adyton::near
