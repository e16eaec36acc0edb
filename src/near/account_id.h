#pragma once

#include <compare>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "crypto/ed25519.h"

namespace adyton::near {

// The name of a NEAR account: 2 to 64 bytes of lower-case ASCII, parts joined by dots, each part
// runs of [a-z0-9] joined by single '-' or '_'. Spec: nomicon, "Account ID Rules".
class AccountId {
public:
    static constexpr std::size_t kLengthMin = 2;
    static constexpr std::size_t kLengthMax = 64;
    static constexpr std::size_t kImplicitLength = 64;

    // InvalidArgument: anything else; upper case too, since the chain has no such account.
    static Result<AccountId> parse(std::string_view text);
    // The implicit account of a key: its 32 bytes as 64 lower-case hex digits.
    static AccountId implicit(const crypto::Ed25519PublicKey& key);

    const std::string& text() const { return text_; }
    // 64 hex digits: the account of an Ed25519 key. The other forms without a registration ("0x"
    // and "0s" plus 40 hex digits, "0u") are ordinary names here: no key follows from them.
    bool is_implicit() const;
    // The key that an implicit account is named after; null for every other account.
    std::optional<crypto::Ed25519PublicKey> implicit_key() const;

    auto operator<=>(const AccountId&) const = default;

private:
    explicit AccountId(std::string text) : text_(std::move(text)) {}
    std::string text_;
};

}  // namespace adyton::near
