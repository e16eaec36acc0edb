#include "base/base58.h"

#include <array>
#include <vector>

namespace adyton::base {
namespace {

constexpr std::string_view kAlphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
// Numbers are kept in limbs of five digits, or of four bytes, so that a hash takes tens of steps
// and not hundreds.
constexpr std::size_t kLimbDigits = 5;
constexpr std::uint64_t kLimb = std::uint64_t{58} * 58 * 58 * 58 * 58;
constexpr std::size_t kWordBytes = 4;
constexpr std::uint8_t kNoDigit = 0xff;

constexpr std::array<std::uint8_t, 256> make_digits() {
    std::array<std::uint8_t, 256> out{};
    for (std::uint8_t& digit : out) digit = kNoDigit;
    for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
        out[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
    }
    return out;
}
constexpr std::array<std::uint8_t, 256> kDigits = make_digits();

Error too_long() {
    return Error::invalid_argument("base58 text is too long");
}

// number = number * factor + value, in words of 32 bits, least significant first.
void multiply_add(std::vector<std::uint32_t>& number, std::uint64_t factor, std::uint64_t value) {
    std::uint64_t carry = value;
    for (std::uint32_t& word : number) {
        carry += word * factor;
        word = static_cast<std::uint32_t>(carry);
        carry >>= 32U;
    }
    if (carry > 0) number.push_back(static_cast<std::uint32_t>(carry));
}

// Base 58^5, least significant first; the last limb is not zero.
std::vector<std::uint32_t> limbs_of(ByteView bytes) {
    std::vector<std::uint32_t> limbs;
    limbs.reserve(bytes.size() * 11 / 32 + 1);
    while (!bytes.empty()) {
        // The first word takes what is left over, so that all others are whole.
        const std::size_t odd = bytes.size() % kWordBytes;
        const std::size_t take = odd == 0 ? kWordBytes : odd;
        std::uint64_t carry = 0;
        for (const std::uint8_t byte : bytes.first(take)) carry = carry << 8U | byte;
        bytes = bytes.subspan(take);
        const auto shift = static_cast<unsigned>(take) * 8;
        for (std::uint32_t& limb : limbs) {
            carry += static_cast<std::uint64_t>(limb) << shift;
            limb = static_cast<std::uint32_t>(carry % kLimb);
            carry /= kLimb;
        }
        for (; carry > 0; carry /= kLimb) {
            limbs.push_back(static_cast<std::uint32_t>(carry % kLimb));
        }
    }
    return limbs;
}

}  // namespace

std::string base58_encode(ByteView bytes) {
    std::size_t zeros = 0;
    while (zeros < bytes.size() && bytes[zeros] == 0) ++zeros;
    const std::vector<std::uint32_t> limbs = limbs_of(bytes.subspan(zeros));
    std::string text(zeros, '1');
    text.reserve(zeros + limbs.size() * kLimbDigits);
    for (std::size_t left = limbs.size(); left > 0; --left) {
        std::array<char, kLimbDigits> digits{};
        std::uint32_t limb = limbs[left - 1];
        for (std::size_t i = kLimbDigits; i > 0; --i) {
            digits[i - 1] = kAlphabet[limb % 58];
            limb /= 58;
        }
        std::string_view shown(digits.data(), digits.size());
        if (left == limbs.size()) shown.remove_prefix(shown.find_first_not_of('1'));
        text += shown;
    }
    return text;
}

Result<Bytes> base58_decode(std::string_view text, std::size_t bytes_max) {
    std::size_t zeros = 0;
    while (zeros < text.size() && text[zeros] == '1') ++zeros;
    if (zeros > bytes_max) return too_long();
    std::vector<std::uint32_t> number;
    std::uint64_t factor = 1;
    std::uint64_t value = 0;
    for (const char c : text.substr(zeros)) {
        const std::uint8_t digit = kDigits[static_cast<unsigned char>(c)];
        if (digit == kNoDigit) {
            return Error::invalid_argument("base58 text has a character outside the alphabet");
        }
        value = value * 58 + digit;
        factor *= 58;
        if (factor < kLimb) continue;
        multiply_add(number, factor, value);
        factor = 1;
        value = 0;
        if (number.size() > bytes_max / kWordBytes + 1) return too_long();
    }
    if (factor > 1) multiply_add(number, factor, value);
    Bytes bytes(zeros, 0);
    bool begun = false;
    for (std::size_t left = number.size(); left > 0; --left) {
        for (unsigned shift = 32; shift > 0; shift -= 8) {
            const auto byte = static_cast<std::uint8_t>(number[left - 1] >> (shift - 8));
            begun = begun || byte != 0;
            if (begun) bytes.push_back(byte);
        }
    }
    if (bytes.size() > bytes_max) return too_long();
    return bytes;
}

}  // namespace adyton::base
