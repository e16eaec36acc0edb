#include "crypto/uuid.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <span>

namespace adyton::crypto {
namespace {

constexpr bool hyphen_at(std::size_t i) {
    return i == 8 || i == 13 || i == 18 || i == 23;
}

std::string to_text(std::array<std::uint8_t, 16> bytes, std::uint8_t version) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0fU) | static_cast<unsigned>(version) << 4U);
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

}  // namespace

std::string uuid_v4(base::RandomSource& random) {
    std::array<std::uint8_t, 16> bytes;
    random.fill(bytes);
    return to_text(bytes, 4);
}

std::string uuid_v7(base::RandomSource& random, base::Timestamp now) {
    constexpr std::size_t kTimeBytes = 6;
    std::array<std::uint8_t, 16> bytes;
    random.fill(std::span(bytes).subspan(kTimeBytes));
    const auto milliseconds = std::chrono::floor<std::chrono::milliseconds>(now.time_since_epoch());
    auto rest = static_cast<std::uint64_t>(std::max<std::int64_t>(milliseconds.count(), 0));
    for (std::size_t i = kTimeBytes; i-- > 0; rest >>= 8U)
        bytes[i] = static_cast<std::uint8_t>(rest);
    return to_text(bytes, 7);
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
