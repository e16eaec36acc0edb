#include "storage/internal/text_check.h"

#include <cstring>

namespace adyton::storage::internal {
namespace {

// Plain ASCII without NUL, eight bytes at a time: nearly all texts.
bool is_plain(std::string_view text) {
    constexpr std::uint64_t kHigh = 0x8080808080808080;
    constexpr std::uint64_t kOnes = 0x0101010101010101;
    std::size_t at = 0;
    for (; at + 8 <= text.size(); at += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, text.data() + at, 8);
        // Without high bits, subtracting one borrows into the high bit just for a zero byte.
        if ((word & kHigh) != 0 || ((word - kOnes) & kHigh) != 0) return false;
    }
    for (; at < text.size(); ++at) {
        const auto byte = static_cast<unsigned char>(text[at]);
        if (byte == 0 || byte >= 0x80) return false;
    }
    return true;
}

}  // namespace

bool is_storable_text(std::string_view text) {
    if (is_plain(text)) return true;
    return text.find('\0') == std::string_view::npos && base::is_valid_utf8(text);
}

Result<void> check_texts(std::span<const Parameter> values) {
    for (const Parameter& value : values) {
        const auto* text = std::get_if<std::string_view>(&value.content());
        if (text != nullptr && !is_storable_text(*text)) {
            return Error::invalid_argument("a text is not UTF-8 or holds a NUL", "text");
        }
    }
    return {};
}

}  // namespace adyton::storage::internal
