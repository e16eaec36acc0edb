#include "crypto/secret_text.h"

#include <algorithm>
#include <string_view>

namespace adyton::crypto {
namespace {

bool is_space(std::uint8_t byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

base::ByteView trimmed(base::ByteView text) {
    while (!text.empty() && is_space(text.front())) text = text.subspan(1);
    while (!text.empty() && is_space(text.back())) text = text.first(text.size() - 1);
    return text;
}

bool drop_prefix(base::ByteView& text, std::string_view prefix) {
    if (!base::as_text(text).starts_with(prefix)) return false;
    text = text.subspan(prefix.size());
    return true;
}

// 0xff when low <= c <= high, else 0.
std::uint32_t in_range(std::uint32_t c, std::uint32_t low, std::uint32_t high) {
    return ~(((c - low) | (high - c)) >> 8U) & 0xffU;
}

// The value of a hex digit; `bad` keeps a bit set for anything else.
std::uint32_t digit_value(std::uint8_t byte, std::uint32_t& bad) {
    const std::uint32_t c = byte;
    const std::uint32_t digit = in_range(c, '0', '9');
    const std::uint32_t upper = in_range(c, 'A', 'F');
    const std::uint32_t lower = in_range(c, 'a', 'f');
    bad |= ~(digit | upper | lower) & 0xffU;
    return (digit & (c - '0')) | (upper & (c - 'A' + 10)) | (lower & (c - 'a' + 10));
}

}  // namespace

Result<SecretBuffer> decode_secret_hex(base::ByteView text) {
    if (text.size() % 2 != 0) return Error::invalid_argument("odd number of hex digits");
    TRY(auto out, SecretBuffer::create(text.size() / 2));
    std::uint32_t bad = 0;
    const auto bytes = out.expose_mutable();
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const std::uint32_t high = digit_value(text[2 * i], bad);
        const std::uint32_t low = digit_value(text[2 * i + 1], bad);
        bytes[i] = static_cast<std::uint8_t>((high << 4U | low) & 0xffU);
    }
    if (bad != 0) return Error::invalid_argument("not hex digits");
    return out;
}

Result<SecretBuffer> environment_secret_bytes(SecretBuffer text) {
    base::ByteView digits = trimmed(text.expose());
    if (digits.empty()) return Error::not_found("the secret is empty");
    drop_prefix(digits, "0x");
    drop_prefix(digits, "0X");
    if (!digits.empty()) {
        auto decoded = decode_secret_hex(digits);
        if (decoded) return decoded;
    }
    return text;
}

Result<SecretBuffer> file_secret_bytes(SecretBuffer content) {
    if (content.empty()) return Error::not_found("the secret is empty");
    base::ByteView digits = content.expose();
    if (!drop_prefix(digits, "hex:")) return content;
    digits = trimmed(digits);
    if (digits.empty()) return Error::invalid_argument("no hex digits after hex:");
    return decode_secret_hex(digits);
}

}  // namespace adyton::crypto
