#include "policy/approver.h"

#include "base/base58.h"

namespace adyton::policy {
namespace {

constexpr std::string_view kEd25519 = "ed25519:";
constexpr std::string_view kP256 = "p256:";

}  // namespace

Result<ApproverKey> ApproverKey::parse(std::string_view text) {
    if (text.substr(0, kEd25519.size()) == kEd25519) {
        const std::string_view rest = text.substr(kEd25519.size());
        auto bytes = rest.size() == 2 * crypto::Ed25519PublicKey::kSize
                         ? base::hex_decode(rest)
                         : base::base58_decode(rest, crypto::Ed25519PublicKey::kSize);
        if (!bytes) return Error::invalid_argument("the ed25519 key is malformed");
        TRY(const auto key, crypto::Ed25519PublicKey::parse(*bytes));
        return ApproverKey(key);
    }
    if (text.substr(0, kP256.size()) == kP256) {
        const auto bytes =
            base::base58_decode(text.substr(kP256.size()), crypto::P256PublicKey::kSize);
        if (!bytes) return Error::invalid_argument("the p256 key is malformed");
        TRY(const auto key, crypto::P256PublicKey::parse(*bytes));
        return ApproverKey(key);
    }
    return Error::invalid_argument("a key begins with \"ed25519:\" or \"p256:\"");
}

std::string ApproverKey::to_string() const {
    if (const auto* const key = std::get_if<crypto::Ed25519PublicKey>(&key_)) {
        return std::string(kEd25519) + base::base58_encode(key->bytes);
    }
    return std::string(kP256) + base::base58_encode(std::get<crypto::P256PublicKey>(key_).bytes());
}

bool ApproverKey::verify(const crypto::Sha256Digest& digest, base::ByteView signature) const {
    if (const auto* const key = std::get_if<crypto::Ed25519PublicKey>(&key_)) {
        const auto parsed = crypto::Ed25519Signature::parse(signature);
        return parsed && crypto::verify(*key, digest.view(), *parsed);
    }
    const auto parsed = crypto::P256Signature::parse(signature);
    return parsed && crypto::verify(std::get<crypto::P256PublicKey>(key_), digest, *parsed);
}

}  // namespace adyton::policy
