#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/digest.h"

namespace adyton::neo {

// Which network a signature is for. From configuration; a private network may use any number.
enum class NetworkMagic : std::uint32_t {
    MainNet = 860833102,
    TestNet = 894710606,
};

// SHA-256 of the unsigned transaction, wire order; people and JSON-RPC see it reversed after "0x".
class TransactionHash {
public:
    static constexpr std::size_t kSize = 32;

    // InvalidArgument: not 32 bytes.
    static Result<TransactionHash> from_wire(base::ByteView bytes);
    // 64 hex digits, display order, "0x" optional. InvalidArgument: anything else.
    static Result<TransactionHash> parse(std::string_view text);

    const std::array<std::uint8_t, kSize>& wire() const { return bytes_; }
    std::string to_string() const;
    auto operator<=>(const TransactionHash&) const = default;

private:
    std::array<std::uint8_t, kSize> bytes_{};
};

// What a Neo witness signs: SHA-256(magic, 4 bytes little-endian || hash in wire order).
crypto::Sha256Digest sign_data_digest(NetworkMagic magic, const TransactionHash& hash);

}  // namespace adyton::neo
