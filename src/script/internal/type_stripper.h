#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace adyton::script::internal {

// The expression of typescript/entry.js around the modules of sucrase. Static data; written by the
// build.
std::string_view type_stripper_source();

// A place in a text: line and column from 1. 0: unknown.
struct Place {
    std::uint32_t line = 0;
    std::uint32_t column = 0;
    bool operator==(const Place&) const = default;
};

// The engine counts columns in bytes, people in characters (code points).
Place place_in_characters(std::string_view text, Place in_bytes);

// What the type stripper answered. It ran next to a hostile source, so nothing in it is believed
// but its being JavaScript of the submitter's making.
class Stripped {
public:
    // A source of many enums grows.
    static constexpr std::size_t kBytesMax = std::size_t{1} << 20U;

    // CorruptData: not what the stripper writes. TooLarge: kBytesMax.
    static Result<Stripped> parse(std::string text);

    bool refused() const { return refused_; }
    // Refused: why, and where.
    const std::string& message() const { return message_; }
    Place place() const { return place_; }

    std::string_view javascript() const { return std::string_view(text_).substr(from_); }
    // Where in the source that is, in characters, which stands at this place of the JavaScript.
    Place source_place(std::string_view source, Place in_bytes) const;

private:
    std::string text_;
    std::size_t from_ = 0;
    // Offsets in UTF-16 units, rising: from the first on, the JavaScript stands at the second.
    std::vector<std::pair<std::size_t, std::size_t>> drifts_;
    bool refused_ = false;
    std::string message_;
    Place place_;
};

}  // namespace adyton::script::internal
