#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/digest.h"
#include "crypto/ed25519.h"
#include "crypto/p256.h"

namespace adyton::policy {

// The public key of somebody who approves: "ed25519:" and base58 of 32 bytes, or "p256:" and base58
// of the 33 compressed bytes. "ed25519:" with 64 hex digits reads too.
class ApproverKey {
public:
    explicit ApproverKey(const crypto::Ed25519PublicKey& key) : key_(key) {}
    explicit ApproverKey(const crypto::P256PublicKey& key) : key_(key) {}
    // InvalidArgument: another form or length, no point of the curve.
    static Result<ApproverKey> parse(std::string_view text);
    std::string to_string() const;

    // Whether `signature` (64 bytes: Ed25519, or r || s with s in either half) is this key's over
    // the 32 bytes of the digest. Ed25519 takes them as its message.
    bool verify(const crypto::Sha256Digest& digest, base::ByteView signature) const;

    bool operator==(const ApproverKey&) const = default;

private:
    std::variant<crypto::Ed25519PublicKey, crypto::P256PublicKey> key_;
};

struct Approver {
    std::string id;                  // 1 to 128 printable ASCII characters, unique in the policy
    std::optional<ApproverKey> key;  // null (a policy of OutLayer names only ids): cannot approve
    bool operator==(const Approver&) const = default;
};

}  // namespace adyton::policy
