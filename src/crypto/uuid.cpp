#include "crypto/uuid.h"

#include <array>
#include <cstdint>
#include <span>

namespace adyton::crypto {
namespace {

constexpr bool hyphen_at(std::size_t i) {
    return i == 8 || i == 13 || i == 18 || i == 23;
}

}  // namespace

std::string uuid_v4(base::RandomSource& random) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::array<std::uint8_t, 16> bytes;
    random.fill(bytes);
    bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0fU) | 0x40U);  // version 4
    bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3fU) | 0x80U);  // variant 10
    std::string out;
    out.reserve(kUuidTextLength);
    for (const std::uint8_t byte : bytes) {
        if (hyphen_at(out.size())) out.push_back('-');
        out.push_back(kDigits[byte >> 4U]);
        out.push_back(kDigits[byte & 0x0fU]);
    }
    return out;
}

bool is_canonical_uuid(std::string_view text) {
    if (text.size() != kUuidTextLength) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        if (hyphen_at(i) ? c != '-' : !digit) return false;
    }
    return true;
}

Result<std::string> canonical_uuid(std::string_view text) {
    if (text.size() != kUuidTextLength) return Error::invalid_argument("not a UUID");
    std::string out(text);
    for (char& c : out) {
        if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
    }
    if (!is_canonical_uuid(out)) return Error::invalid_argument("not a UUID");
    return out;
}

}  // namespace adyton::crypto
