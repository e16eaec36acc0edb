#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/amount.h"
#include "base/bytes.h"
#include "base/result.h"

namespace adyton::neo {

// An integer of the Neo VM: -2^255 to 2^255 - 1, exact. In scripts it is two's complement, little
// endian, of a width that the opcode tells.
class Integer {
public:
    static constexpr std::size_t kBytesMax = 32;

    Integer() = default;  // 0
    explicit Integer(std::int64_t number);
    explicit Integer(base::Amount amount);

    // Base-10 digits, '-' in front of negative ones; no '+', no spaces, no leading zeros, no "-0".
    // InvalidArgument: anything else. Unprocessable: outside the range.
    static Result<Integer> parse(std::string_view text);
    // Two's complement, little endian, of any width up to 32 bytes; none is 0.
    // InvalidArgument: more than 32 bytes.
    static Result<Integer> from_bytes(base::ByteView little_endian);

    bool is_negative() const { return (bytes_.back() & 0x80U) != 0; }
    // Sign-extended to 32 bytes, little endian.
    const std::array<std::uint8_t, kBytesMax>& bytes() const { return bytes_; }
    // The fewest of them that keep the value and its sign; 0 for zero.
    std::size_t minimal_size() const;

    // Unprocessable: negative, or above 2^128 - 1.
    Result<base::Amount> as_amount() const;
    // Unprocessable: outside the type.
    Result<std::int64_t> as_int64() const;
    std::string to_string() const;
    bool operator==(const Integer&) const = default;

private:
    std::array<std::uint8_t, kBytesMax> bytes_{};
};

}  // namespace adyton::neo
