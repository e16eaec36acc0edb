#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace adyton::neo {

// RIPEMD-160(SHA-256(script)): names an account or a contract. Held in wire order, as hashed and as
// it stands in scripts and transactions; people and JSON-RPC see the bytes reversed after "0x".
class ScriptHash {
public:
    static constexpr std::size_t kSize = 20;

    ScriptHash() = default;  // all zero
    static ScriptHash of_script(base::ByteView script);
    // InvalidArgument: not 20 bytes.
    static Result<ScriptHash> from_wire(base::ByteView bytes);
    // 40 hex digits in either case, display order, "0x" optional. InvalidArgument: anything else.
    static Result<ScriptHash> parse(std::string_view text);

    const std::array<std::uint8_t, kSize>& wire() const { return bytes_; }
    // "0x" and 40 lower-case digits, reversed.
    std::string to_string() const;
    auto operator<=>(const ScriptHash&) const = default;

private:
    std::array<std::uint8_t, kSize> bytes_{};
};

}  // namespace adyton::neo
