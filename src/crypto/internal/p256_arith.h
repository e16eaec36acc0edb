#pragma once

#include <array>
#include <cstdint>
#include <span>

// Arithmetic modulo the order and the field prime of P-256, for what libcrypto 3.0 has no
// constant-time and fast entry point for: inverting a nonce and finishing a signature. Multiplying
// points stays with libcrypto. Nothing here branches on, or indexes by, a value.
namespace adyton::crypto::internal {

// A 256-bit number, least significant 64 bits first.
struct Limbs {
    std::uint64_t v[4];
};

// An odd 256-bit modulus with its Montgomery constants (R = 2^256).
struct Modulus {
    Limbs m;
    Limbs r_squared;                 // R^2 mod m
    std::uint64_t negative_inverse;  // -m^-1 mod 2^64
    std::uint64_t inverse62;         // m^-1 mod 2^62
    std::int64_t m62[5];             // m in 62-bit limbs
};

// NOLINTBEGIN(readability-identifier-naming): constants, computed by constexpr code of the .cpp
extern const Modulus kOrder;       // n, FIPS 186-4 D.1.2.3
extern const Modulus kFieldPrime;  // p
extern const Limbs kHalfOrder;     // floor(n / 2)
// NOLINTEND(readability-identifier-naming)

Limbs load_big_endian(std::span<const std::uint8_t, 32> bytes);
void store_big_endian(const Limbs& value, std::span<std::uint8_t, 32> out);

// All ones when the statement is true, else zero.
std::uint64_t mask_zero(const Limbs& a);
std::uint64_t mask_less(const Limbs& a, const Limbs& b);

// mask is all ones or zero: a or b.
Limbs select(std::uint64_t mask, const Limbs& if_set, const Limbs& if_clear);

// a mod m for any 256-bit a: both moduli exceed 2^255, so one subtraction is enough.
Limbs reduce_once(const Limbs& a, const Modulus& m);
// (a mod (n - 1)) + 1 for any 256-bit a and the group order n.
Limbs reduce_shifted(const Limbs& a);
// For a, b < m.
Limbs add_mod(const Limbs& a, const Limbs& b, const Modulus& m);
Limbs negate_mod(const Limbs& a, const Modulus& m);  // 0 stays 0
Limbs multiply_mod(const Limbs& a, const Limbs& b, const Modulus& m);
// a^-1 mod m; 0 for a = 0. Bernstein and Yang, "Fast constant-time gcd computation and modular
// inversion" (2019): 620 division steps, of which 590 are proven enough for 256 bits.
Limbs invert_mod(const Limbs& a, const Modulus& m);

}  // namespace adyton::crypto::internal
