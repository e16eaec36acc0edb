#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"

// NEP-461: the first four bytes (u32 little endian) of anything a NEAR key signs tell what it is,
// so that a signature for one purpose is never one for another.
namespace adyton::near {

enum class MessageDomain {
    Transaction,  // 2 to 64: the length of a signer id
    OnChain,      // 2^30 to 2^31 - 1: 2^30 + NEP number
    OffChain,     // 2^31 and above: 2^31 + NEP number
};

inline constexpr std::uint32_t kOnChainTag = std::uint32_t{1} << 30U;
inline constexpr std::uint32_t kOffChainTag = std::uint32_t{1} << 31U;
inline constexpr std::uint32_t kNep366Tag = kOnChainTag + 366;   // 6e 01 00 40
inline constexpr std::uint32_t kNep413Tag = kOffChainTag + 413;  // 9d 01 00 80

struct MessageTag {
    MessageDomain domain = MessageDomain::Transaction;
    std::uint32_t nep = 0;  // 0 for transactions
    bool operator==(const MessageTag&) const = default;
};

// Null for values in no range, and for less than four bytes.
std::optional<MessageTag> message_tag(base::ByteView signable);

}  // namespace adyton::near
