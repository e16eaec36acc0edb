#pragma once

#include <array>
#include <cstdint>
#include <span>

// Bringing a number into the range of a P-256 scalar, [1, n-1] for the group order n. Numbers are
// 32 bytes, big endian, changed in place. It takes no more than subtracting a constant; multiplying
// and inverting are libcrypto's. Nothing here branches on, or indexes by, a value.
namespace adyton::crypto::internal {

// n, FIPS 186-4 D.1.2.3.
inline constexpr std::array<std::uint8_t, 32> kP256Order = {
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};

// Whether the number is in [1, n-1].
bool is_scalar(std::span<const std::uint8_t, 32> number);

// The number mod n; may be zero. n exceeds 2^255, so one subtraction is enough.
void reduce(std::span<std::uint8_t, 32> number);

// (number mod (n - 1)) + 1: a scalar always.
void reduce_shifted(std::span<std::uint8_t, 32> number);

// Replaces a scalar k by the larger of k and n - k, whose first byte is never zero. Returns 1 when
// that is n - k, else 0.
std::uint8_t take_larger_of_pair(std::span<std::uint8_t, 32> scalar);

}  // namespace adyton::crypto::internal
