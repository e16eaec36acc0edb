#include "crypto/secret_base58.h"

#include <algorithm>
#include <string_view>

#include "base/check.h"

namespace adyton::crypto {
namespace {

constexpr std::string_view kAlphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

// number = number * 58 + digit; false when it no longer fits.
bool append_digit(std::span<std::uint8_t> number, std::uint32_t digit) {
    std::uint32_t carry = digit;
    for (std::size_t i = number.size(); i-- > 0;) {
        carry += 58U * number[i];
        number[i] = static_cast<std::uint8_t>(carry & 0xffU);
        carry >>= 8U;
    }
    return carry == 0;
}

// Divides by 58 in place; returns the remainder.
std::uint32_t take_digit(std::span<std::uint8_t> number) {
    std::uint32_t remainder = 0;
    for (std::uint8_t& byte : number) {
        const std::uint32_t value = remainder << 8U | byte;
        byte = static_cast<std::uint8_t>(value / 58U);
        remainder = value % 58U;
    }
    return remainder;
}

std::size_t leading(base::ByteView bytes, std::uint8_t what) {
    std::size_t count = 0;
    while (count < bytes.size() && bytes[count] == what) ++count;
    return count;
}

}  // namespace

Result<std::size_t> base58_decode_secret(base::ByteView digits, std::span<std::uint8_t> out) {
    std::fill(out.begin(), out.end(), std::uint8_t{0});
    for (const std::uint8_t c : digits) {
        const std::size_t digit = kAlphabet.find(static_cast<char>(c));
        if (digit == std::string_view::npos) return Error::invalid_argument("it is not base58");
        if (!append_digit(out, static_cast<std::uint32_t>(digit))) {
            return Error::invalid_argument("it is too large");
        }
    }
    return leading(digits, '1') + (out.size() - leading(out, 0));
}

SecretBuffer base58_encode_secret(std::span<std::uint8_t> number, std::string_view prefix) {
    const std::size_t zeros = leading(number, 0);
    // Two digits hold more than a byte and a quarter.
    const std::size_t digits_max = (number.size() - zeros) * 138 / 100 + 1;
    auto digits = SecretBuffer::create(digits_max);
    CHECK(digits.has_value());
    const auto out = digits->expose_mutable();
    std::size_t first = out.size();  // digits come out last first
    while (leading(number, 0) < number.size()) {
        out[--first] = static_cast<std::uint8_t>(kAlphabet[take_digit(number)]);
    }
    auto text = SecretBuffer::create(prefix.size() + zeros + out.size() - first);
    CHECK(text.has_value());
    const auto place = text->expose_mutable();
    auto next = std::copy(prefix.begin(), prefix.end(), place.begin());
    next = std::fill_n(next, zeros, static_cast<std::uint8_t>('1'));
    std::copy(out.begin() + static_cast<std::ptrdiff_t>(first), out.end(), next);
    return std::move(*text);
}

}  // namespace adyton::crypto
