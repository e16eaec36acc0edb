#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "service/config.h"
#include "service/internal/toml.h"

namespace adyton::service::internal {

using SettingValue = std::variant<
    std::string, std::int64_t, double, bool, base::Duration, TextList, Reference, base::Json>;

// Texts of the environment and of flags; the empty text is the unset value. Messages say what is
// wanted and never repeat the text.
Result<SettingValue> parse_setting(const Setting& setting, std::string_view text);
// A value of the file; `name` is the file's, for places inside sections.
Result<SettingValue> read_setting(
    const Setting& setting, const TomlNode& node, std::string_view name);

// Whether a URL holds a password, before the host or as a parameter.
bool has_password(std::string_view url);
// The URL with *** in its place.
std::string without_password(std::string_view url);

}  // namespace adyton::service::internal
