#include "crypto/internal/p256_scalar.h"

#include "crypto/secret.h"

namespace adyton::crypto::internal {
namespace {

using Number = std::array<std::uint8_t, 32>;

constexpr Number kOne = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                         0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

constexpr Number kOrderLessOne = [] {
    Number out = kP256Order;
    --out[31];  // n is odd: no borrow
    return out;
}();

// -1 mod 2^256: subtracting it adds one.
constexpr Number kMinusOne = [] {
    Number out{};
    for (auto& byte : out) byte = 0xff;
    return out;
}();

// out = a - b mod 2^256; returns 1 when a < b, else 0.
std::uint8_t subtract(
    std::span<std::uint8_t, 32> out, std::span<const std::uint8_t, 32> a,
    std::span<const std::uint8_t, 32> b) {
    unsigned borrow = 0;
    for (std::size_t i = 32; i-- > 0;) {
        const unsigned difference = 0U + a[i] - b[i] - borrow;
        out[i] = static_cast<std::uint8_t>(difference);
        borrow = difference >> 31U;
    }
    return static_cast<std::uint8_t>(borrow);
}

// out = other when take is 1; stays when it is 0.
void replace_if(
    std::uint8_t take, std::span<std::uint8_t, 32> out, std::span<const std::uint8_t, 32> other) {
    unsigned mask = 0U - take;
    // Keeps the compiler from seeing that the mask has two values and from making a branch of it.
    __asm__("" : "+r"(mask));
    for (std::size_t i = 0; i < 32; ++i) {
        out[i] = static_cast<std::uint8_t>(out[i] ^ ((out[i] ^ other[i]) & mask));
    }
}

}  // namespace

bool is_scalar(std::span<const std::uint8_t, 32> number) {
    Number ignored;
    const std::uint8_t below_order = subtract(ignored, number, kP256Order);
    const std::uint8_t zero = subtract(ignored, number, kOne);
    wipe(ignored);
    return (below_order & ~zero & 1U) != 0;
}

void reduce(std::span<std::uint8_t, 32> number) {
    Number reduced;
    const std::uint8_t below_order = subtract(reduced, number, kP256Order);
    replace_if(below_order ^ 1U, number, reduced);
    wipe(reduced);
}

void reduce_shifted(std::span<std::uint8_t, 32> number) {
    Number reduced;
    const std::uint8_t below = subtract(reduced, number, kOrderLessOne);
    replace_if(below ^ 1U, number, reduced);
    subtract(number, number, kMinusOne);
    wipe(reduced);
}

std::uint8_t take_larger_of_pair(std::span<std::uint8_t, 32> scalar) {
    Number other;
    Number ignored;
    subtract(other, kP256Order, scalar);
    const std::uint8_t other_is_larger = subtract(ignored, scalar, other);
    replace_if(other_is_larger, scalar, other);
    wipe(other);
    wipe(ignored);
    return other_is_larger;
}

}  // namespace adyton::crypto::internal
