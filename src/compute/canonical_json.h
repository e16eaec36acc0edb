#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace adyton::compute {

inline constexpr std::size_t kOutputDepthMax = 62;  // so that answers stay below 64

// The seed's serialized output (services.md 4.6): compact, object keys sorted bytewise at every
// level, Go's HTML escapes, a lone surrogate becomes U+FFFD. Numbers keep the text that
// JSON.stringify gave them, which is Go's as well.
// InvalidArgument: not JSON, or nested deeper than kOutputDepthMax.
Result<base::Json> parse_script_json(std::string_view text);
std::string canonical_text(const base::Json& value);
// The same with each text, and each number that it changes, put through `clean`; names stay.
using CleanText = std::function<std::string(std::string_view)>;
std::string canonical_text(const base::Json& value, const CleanText& clean);

}  // namespace adyton::compute
