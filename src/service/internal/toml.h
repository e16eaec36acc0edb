#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace adyton::service::internal {

// A TOML value with its place, free of the library's types. Tables are sorted by name.
struct TomlNode {
    enum class Type { Text, Integer, Real, Boolean, Array, Table, Other };  // Other: dates, times
    TomlNode() = default;  // said, because clang 14 asks for it before `members` is complete
    Type type = Type::Table;
    std::string text;
    std::int64_t integer = 0;
    double real = 0;
    bool boolean = false;
    std::vector<TomlNode> items;
    std::vector<std::pair<std::string, TomlNode>> members;
    std::uint32_t line = 0;  // from 1
    std::uint32_t column = 0;

    const TomlNode* find(std::string_view name) const;
};
std::string_view to_string(TomlNode::Type type);  // "text", "an integer", ...

inline constexpr std::size_t kTomlBytesMax = 1024 * 1024;

// TOML 1.0; the result is a table. TooLarge: over kTomlBytesMax. InvalidArgument: "NAME:LINE: ...";
// the message repeats no text of the document.
Result<TomlNode> read_toml(std::string_view text, std::string_view name);

// InvalidArgument, "NAME:LINE: ...": a date, a time, an infinity or NaN.
Result<base::Json> to_json(const TomlNode& node, std::string_view name);

}  // namespace adyton::service::internal
