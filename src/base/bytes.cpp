#include "base/bytes.h"

#include <array>

namespace adyton::base {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kBase64Alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kInvalid = 0xff;

constexpr std::array<std::uint8_t, 256> invert(std::string_view alphabet) {
    std::array<std::uint8_t, 256> table{};
    table.fill(kInvalid);
    for (std::size_t i = 0; i < alphabet.size(); ++i) {
        table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
    }
    return table;
}

constexpr std::array<std::uint8_t, 256> hex_values() {
    auto table = invert(kHexDigits);
    for (std::size_t i = 10; i < 16; ++i) {
        table[static_cast<std::size_t>('A') + i - 10] = static_cast<std::uint8_t>(i);
    }
    return table;
}

constexpr auto kHexValues = hex_values();
constexpr auto kBase64Values = invert(kBase64Alphabet);

}  // namespace

void append_hex(std::string& out, ByteView bytes) {
    std::size_t at = out.size();
    out.resize(at + bytes.size() * 2);
    for (const std::uint8_t byte : bytes) {
        out[at++] = kHexDigits[byte >> 4U];
        out[at++] = kHexDigits[byte & 0x0fU];
    }
}

std::string hex_encode(ByteView bytes) {
    std::string text;
    append_hex(text, bytes);
    return text;
}

Result<Bytes> hex_decode(std::string_view text) {
    if (text.size() % 2 != 0) return Error::invalid_argument("hex text has an odd length");
    Bytes bytes;
    bytes.reserve(text.size() / 2);
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const std::uint8_t high = kHexValues[static_cast<unsigned char>(text[i])];
        const std::uint8_t low = kHexValues[static_cast<unsigned char>(text[i + 1])];
        if (high == kInvalid || low == kInvalid) {
            return Error::invalid_argument("hex text has a character that is not a hex digit");
        }
        bytes.push_back(static_cast<std::uint8_t>((high << 4U) | low));
    }
    return bytes;
}

void append_base64(std::string& out, ByteView bytes) {
    std::size_t at = out.size();
    out.resize(at + (bytes.size() + 2) / 3 * 4);
    std::size_t i = 0;
    for (; i + 3 <= bytes.size(); i += 3) {
        const std::uint32_t group = (static_cast<std::uint32_t>(bytes[i]) << 16U) |
                                    (static_cast<std::uint32_t>(bytes[i + 1]) << 8U) | bytes[i + 2];
        out[at++] = kBase64Alphabet[group >> 18U];
        out[at++] = kBase64Alphabet[(group >> 12U) & 63U];
        out[at++] = kBase64Alphabet[(group >> 6U) & 63U];
        out[at++] = kBase64Alphabet[group & 63U];
    }
    const std::size_t rest = bytes.size() - i;
    if (rest > 0) {
        std::uint32_t group = static_cast<std::uint32_t>(bytes[i]) << 16U;
        if (rest == 2) group |= static_cast<std::uint32_t>(bytes[i + 1]) << 8U;
        out[at++] = kBase64Alphabet[group >> 18U];
        out[at++] = kBase64Alphabet[(group >> 12U) & 63U];
        out[at++] = rest == 2 ? kBase64Alphabet[(group >> 6U) & 63U] : '=';
        out[at++] = '=';
    }
}

std::string base64_encode(ByteView bytes) {
    std::string text;
    append_base64(text, bytes);
    return text;
}

Result<Bytes> base64_decode(std::string_view text) {
    Bytes bytes;
    bytes.reserve(text.size() / 4 * 3);
    std::uint32_t group = 0;
    unsigned symbols = 0;
    unsigned padding = 0;
    for (const char c : text) {
        if (c == '\r' || c == '\n') continue;
        if (c == '=') {
            if (symbols + padding >= 4 || symbols < 2) {
                return Error::invalid_argument("base64 text has padding in a wrong place");
            }
            ++padding;
            continue;
        }
        if (padding > 0) return Error::invalid_argument("base64 text goes on after its padding");
        const std::uint8_t value = kBase64Values[static_cast<unsigned char>(c)];
        if (value == kInvalid) {
            return Error::invalid_argument("base64 text has a character outside the alphabet");
        }
        group = (group << 6U) | value;
        if (++symbols == 4) {
            bytes.push_back(static_cast<std::uint8_t>(group >> 16U));
            bytes.push_back(static_cast<std::uint8_t>(group >> 8U));
            bytes.push_back(static_cast<std::uint8_t>(group));
            group = 0;
            symbols = 0;
        }
    }
    if (symbols == 0 && padding == 0) return bytes;
    if (symbols + padding != 4) return Error::invalid_argument("base64 text lacks its padding");
    if (symbols == 3) {
        if ((group & 3U) != 0) return Error::invalid_argument("base64 text is not canonical");
        bytes.push_back(static_cast<std::uint8_t>(group >> 10U));
        bytes.push_back(static_cast<std::uint8_t>(group >> 2U));
    } else {
        if ((group & 15U) != 0) return Error::invalid_argument("base64 text is not canonical");
        bytes.push_back(static_cast<std::uint8_t>(group >> 4U));
    }
    return bytes;
}

bool is_valid_utf8(std::string_view text) {
    std::size_t i = 0;
    const auto at = [&](std::size_t index) {
        return static_cast<std::uint32_t>(static_cast<unsigned char>(text[index]));
    };
    while (i < text.size()) {
        const std::uint32_t lead = at(i);
        if (lead < 0x80) {
            ++i;
            continue;
        }
        std::size_t length = 0;
        std::uint32_t minimum = 0;
        std::uint32_t point = 0;
        if (lead >= 0xc2 && lead <= 0xdf) {
            length = 2, minimum = 0x80, point = lead & 0x1fU;
        } else if ((lead & 0xf0U) == 0xe0) {
            length = 3, minimum = 0x800, point = lead & 0x0fU;
        } else if (lead >= 0xf0 && lead <= 0xf4) {
            length = 4, minimum = 0x10000, point = lead & 0x07U;
        } else {
            return false;
        }
        if (text.size() - i < length) return false;
        for (std::size_t k = 1; k < length; ++k) {
            if ((at(i + k) & 0xc0U) != 0x80) return false;
            point = (point << 6U) | (at(i + k) & 0x3fU);
        }
        if (point < minimum || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
            return false;
        }
        i += length;
    }
    return true;
}

}  // namespace adyton::base
