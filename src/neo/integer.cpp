#include "neo/integer.h"

#include <algorithm>

#include "base/check.h"

namespace adyton::neo {
namespace {

using Words = std::array<std::uint8_t, Integer::kBytesMax>;

// Two's complement: the same value with the other sign, mod 2^256.
Words negated(const Words& number) {
    Words out;
    unsigned carry = 1;
    for (std::size_t i = 0; i < out.size(); ++i) {
        const unsigned sum = (static_cast<unsigned>(number[i]) ^ 0xffU) + carry;
        out[i] = static_cast<std::uint8_t>(sum);
        carry = sum >> 8U;
    }
    return out;
}

// number * 10 + digit; false: over 2^256 - 1.
bool append_digit(Words& number, unsigned digit) {
    unsigned carry = digit;
    for (std::uint8_t& byte : number) {
        const unsigned sum = byte * 10U + carry;
        byte = static_cast<std::uint8_t>(sum);
        carry = sum >> 8U;
    }
    return carry == 0;
}

// number / 10; returns the rest.
unsigned take_digit(Words& number) {
    unsigned rest = 0;
    for (std::size_t i = number.size(); i-- > 0;) {
        const unsigned part = rest * 256U + number[i];
        number[i] = static_cast<std::uint8_t>(part / 10U);
        rest = part % 10U;
    }
    return rest;
}

bool is_zero(const Words& number) {
    return std::all_of(number.begin(), number.end(), [](std::uint8_t byte) { return byte == 0; });
}

}  // namespace

Integer::Integer(std::int64_t number) {
    bytes_.fill(number < 0 ? 0xff : 0x00);
    const auto bits = static_cast<std::uint64_t>(number);
    for (std::size_t i = 0; i < 8; ++i) bytes_[i] = static_cast<std::uint8_t>(bits >> (8 * i));
}

Integer::Integer(base::Amount amount) {
    const std::uint64_t low = amount.low_64();
    const std::uint64_t high = amount.high_64();
    for (std::size_t i = 0; i < 8; ++i) {
        bytes_[i] = static_cast<std::uint8_t>(low >> (8 * i));
        bytes_[8 + i] = static_cast<std::uint8_t>(high >> (8 * i));
    }
}

Result<Integer> Integer::parse(std::string_view text) {
    const bool negative = text.starts_with('-');
    if (negative) text.remove_prefix(1);
    const bool digits = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return c >= '0' && c <= '9';
    });
    if (!digits || (text.front() == '0' && (text.size() > 1 || negative))) {
        return Error::invalid_argument("an integer is base-10 digits");
    }
    const auto out_of_range = [] {
        return Error::unprocessable("integer is outside the VM's 256 bits");
    };
    if (text.size() > 77) return out_of_range();
    Integer out;
    for (const char c : text) {
        if (!append_digit(out.bytes_, static_cast<unsigned>(c - '0'))) return out_of_range();
    }
    // The top bit alone is -2^255, which has no positive counterpart.
    if (negative) out.bytes_ = negated(out.bytes_);
    if (out.is_negative() != negative) return out_of_range();
    return out;
}

Result<Integer> Integer::from_bytes(base::ByteView little_endian) {
    if (little_endian.size() > kBytesMax) {
        return Error::invalid_argument("an integer has at most 32 bytes");
    }
    Integer out;
    if (little_endian.empty()) return out;
    out.bytes_.fill((little_endian.back() & 0x80U) != 0 ? 0xff : 0x00);
    std::copy(little_endian.begin(), little_endian.end(), out.bytes_.begin());
    return out;
}

std::size_t Integer::minimal_size() const {
    const std::uint8_t fill = is_negative() ? 0xff : 0x00;
    std::size_t size = kBytesMax;
    while (size > 0 && bytes_[size - 1] == fill) --size;
    if (size == 0) return is_negative() ? 1 : 0;
    const bool top_bit = (bytes_[size - 1] & 0x80U) != 0;
    return top_bit == is_negative() ? size : size + 1;
}

Result<base::Amount> Integer::as_amount() const {
    if (is_negative()) return Error::unprocessable("amount is negative");
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    for (std::size_t i = 8; i-- > 0;) {
        low = low << 8U | bytes_[i];
        high = high << 8U | bytes_[8 + i];
    }
    for (std::size_t i = 16; i < kBytesMax; ++i) {
        if (bytes_[i] != 0) return Error::unprocessable("amount is above 2^128 - 1");
    }
    return base::Amount::from_halves(high, low);
}

Result<std::int64_t> Integer::as_int64() const {
    if (minimal_size() > 8) return Error::unprocessable("integer is outside 64 bits");
    std::uint64_t bits = 0;
    for (std::size_t i = 8; i-- > 0;) bits = bits << 8U | bytes_[i];
    return static_cast<std::int64_t>(bits);
}

std::string Integer::to_string() const {
    Words magnitude = is_negative() ? negated(bytes_) : bytes_;
    std::string out;
    do {
        out.push_back(static_cast<char>('0' + take_digit(magnitude)));
    } while (!is_zero(magnitude));
    if (is_negative()) out.push_back('-');
    std::reverse(out.begin(), out.end());
    return out;
}

}  // namespace adyton::neo
