#pragma once

#include <cstddef>
#include <string_view>

namespace adyton::base {

// The beginning of UTF-8 text, `bytes_max` bytes at most, that ends behind a whole character.
inline std::string_view cut_text(std::string_view text, std::size_t bytes_max) {
    if (text.size() <= bytes_max) return text;
    const auto is_inside = [&text](std::size_t at) {
        return (static_cast<unsigned char>(text[at]) & 0xc0U) == 0x80U;
    };
    std::size_t end = bytes_max;
    while (end > 0 && is_inside(end)) --end;
    return text.substr(0, end);
}

}  // namespace adyton::base
