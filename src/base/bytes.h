#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace adyton::base {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

// The bytes of a text, without a copy; valid as long as the text is.
inline ByteView as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Lower case, two digits a byte, no prefix. Not for secrets: it branches on values (RFC 4648, 8).
std::string hex_encode(ByteView bytes);
void append_hex(std::string& out, ByteView bytes);
// Either case, no prefix, no spaces. InvalidArgument: odd length or another character.
Result<Bytes> hex_decode(std::string_view text);

// Standard alphabet with padding (RFC 4648, 4).
std::string base64_encode(ByteView bytes);
void append_base64(std::string& out, ByteView bytes);
// Strict and canonical: standard alphabet, padding present, unused bits zero; CR and LF inside are
// skipped, as Go's decoder does. InvalidArgument otherwise.
Result<Bytes> base64_decode(std::string_view text);

// Whether the text is well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms).
bool is_valid_utf8(std::string_view text);

}  // namespace adyton::base
