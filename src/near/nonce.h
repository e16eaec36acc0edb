#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/random.h"
#include "base/result.h"
#include "base/time.h"

namespace adyton::near {

// The 32-byte nonce of a NEP-413 payload; base64 (standard, padded) in JSON.
struct MessageNonce {
    static constexpr std::size_t kSize = 32;
    std::array<std::uint8_t, kSize> bytes{};

    // InvalidArgument: not 32 bytes.
    static Result<MessageNonce> from_bytes(base::ByteView bytes);
    // InvalidArgument: not base64, or not 32 bytes.
    static Result<MessageNonce> parse_base64(std::string_view text);
    std::string to_base64() const { return base::base64_encode(bytes); }
    auto operator<=>(const MessageNonce&) const = default;
};

// The salt that the intents contract names in current_salt: 4 bytes, 8 hex digits.
struct IntentsSalt {
    static constexpr std::size_t kSize = 4;
    std::array<std::uint8_t, kSize> bytes{};

    // InvalidArgument: not 8 hex digits.
    static Result<IntentsSalt> parse(std::string_view hex);
    std::string to_string() const { return base::hex_encode(bytes); }
    bool operator==(const IntentsSalt&) const = default;
};

// Version 1 of the nonces that expire: 56 28 f6 c6 || 00 || salt (4) || deadline (i64 little
// endian, nanoseconds since 1970) || 15 random bytes. Its base64 begins with "Vij2xg".
struct VersionedNonce {
    static constexpr std::size_t kRandomBytes = 15;
    IntentsSalt salt;
    std::int64_t deadline_ns = 0;
    std::array<std::uint8_t, kRandomBytes> random{};

    // A deadline outside the years 1677 to 2262 becomes the nearest of them.
    static VersionedNonce create(
        IntentsSalt salt, base::Timestamp deadline, base::RandomSource& random);
    // Null when the nonce is of the older form without structure, or of a version not known here.
    static std::optional<VersionedNonce> find_in(const MessageNonce& nonce);
    MessageNonce encode() const;
    bool operator==(const VersionedNonce&) const = default;
};

}  // namespace adyton::near
