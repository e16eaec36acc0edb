#include "script/internal/utf8.h"

#include <cstdint>

namespace adyton::script::internal {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

bool is_continuation(std::uint8_t byte) {
    return (byte & 0xC0U) == 0x80U;
}

// Bytes that a sequence with this first byte has; 0: no sequence begins so.
std::size_t length_of(std::uint8_t first) {
    if (first < 0x80) return 1;
    if (first >= 0xC2 && first <= 0xDF) return 2;
    if (first >= 0xE0 && first <= 0xEF) return 3;
    if (first >= 0xF0 && first <= 0xF4) return 4;
    return 0;
}

// Whether the second byte may follow the first (no overlong forms, nothing past U+10FFFF). A
// surrogate passes here: it is replaced as a whole.
bool second_fits(std::uint8_t first, std::uint8_t second) {
    if (first == 0xE0) return second >= 0xA0;
    if (first == 0xF0) return second >= 0x90;
    if (first == 0xF4) return second <= 0x8F;
    return true;
}

}  // namespace

void append_utf8(std::string& out, base::ByteView bytes, bool cut) {
    if (base::is_valid_utf8(base::as_text(bytes))) {
        out.append(base::as_text(bytes));
        return;
    }
    std::size_t at = 0;
    while (at < bytes.size()) {
        const std::size_t wanted = length_of(bytes[at]);
        std::size_t length = wanted == 0 ? 0 : 1;
        while (length > 0 && length < wanted && at + length < bytes.size() &&
               is_continuation(bytes[at + length]) &&
               (length != 1 || second_fits(bytes[at], bytes[at + 1]))) {
            ++length;
        }
        if (length == wanted && wanted > 0) {
            const bool surrogate = wanted == 3 && bytes[at] == 0xED && bytes[at + 1] >= 0xA0;
            if (surrogate) {
                out.append(kReplacement);
            } else {
                out.append(base::as_text(bytes.subspan(at, wanted)));
            }
            at += wanted;
            continue;
        }
        if (cut && length > 0 && at + length == bytes.size()) return;
        out.append(kReplacement);
        at += length == 0 ? 1 : length;
    }
}

}  // namespace adyton::script::internal
