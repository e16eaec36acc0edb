#include "near/account_id.h"

#include <algorithm>

#include "base/bytes.h"

namespace adyton::near {
namespace {

bool is_separator(char c) {
    return c == '-' || c == '_' || c == '.';
}

bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool is_lower_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

}  // namespace

Result<AccountId> AccountId::parse(std::string_view text) {
    if (text.size() < kLengthMin || text.size() > kLengthMax) {
        return Error::invalid_argument("account id must have 2 to 64 characters");
    }
    bool after_separator = true;
    for (const char c : text) {
        if (is_word(c)) {
            after_separator = false;
        } else if (is_separator(c) && !after_separator) {
            after_separator = true;
        } else {
            return Error::invalid_argument(
                "account id has a character or a separator that is not allowed");
        }
    }
    if (after_separator) return Error::invalid_argument("account id ends with a separator");
    return AccountId(std::string(text));
}

AccountId AccountId::implicit(const crypto::Ed25519PublicKey& key) {
    return AccountId(key.to_hex());
}

bool AccountId::is_implicit() const {
    return text_.size() == kImplicitLength && std::all_of(text_.begin(), text_.end(), is_lower_hex);
}

std::optional<crypto::Ed25519PublicKey> AccountId::implicit_key() const {
    if (!is_implicit()) return std::nullopt;
    const auto bytes = base::hex_decode(text_);
    CHECK(bytes.has_value());
    return crypto::Ed25519PublicKey::parse(*bytes).value();
}

}  // namespace adyton::near
