#include "base/base58.h"

#include <algorithm>

namespace adyton::base {
namespace {
constexpr std::string_view kAlphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
}  // namespace

std::string base58_encode(ByteView bytes) {
    std::size_t zeros = 0;
    while (zeros < bytes.size() && bytes[zeros] == 0) ++zeros;
    std::vector<std::uint8_t> digits;  // base 58, least significant first
    for (const std::uint8_t byte : bytes.subspan(zeros)) {
        std::uint32_t carry = byte;
        for (std::uint8_t& digit : digits) {
            carry += static_cast<std::uint32_t>(digit) << 8U;
            digit = static_cast<std::uint8_t>(carry % 58);
            carry /= 58;
        }
        for (; carry > 0; carry /= 58) digits.push_back(static_cast<std::uint8_t>(carry % 58));
    }
    std::string text(zeros, '1');
    text.reserve(zeros + digits.size());
    for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit) {
        text.push_back(kAlphabet[*digit]);
    }
    return text;
}

Result<Bytes> base58_decode(std::string_view text, std::size_t bytes_max) {
    std::size_t zeros = 0;
    while (zeros < text.size() && text[zeros] == '1') ++zeros;
    if (zeros > bytes_max) return Error::invalid_argument("base58 text is too long");
    Bytes number;  // base 256, least significant first
    for (const char c : text.substr(zeros)) {
        const std::size_t value = kAlphabet.find(c);
        if (value == std::string_view::npos) {
            return Error::invalid_argument("base58 text has a character outside the alphabet");
        }
        auto carry = static_cast<std::uint32_t>(value);
        for (std::uint8_t& byte : number) {
            carry += static_cast<std::uint32_t>(byte) * 58U;
            byte = static_cast<std::uint8_t>(carry);
            carry >>= 8U;
        }
        for (; carry > 0; carry >>= 8U) number.push_back(static_cast<std::uint8_t>(carry));
        if (number.size() + zeros > bytes_max) {
            return Error::invalid_argument("base58 text is too long");
        }
    }
    Bytes bytes(zeros, 0);
    bytes.insert(bytes.end(), number.rbegin(), number.rend());
    return bytes;
}

}  // namespace adyton::base
