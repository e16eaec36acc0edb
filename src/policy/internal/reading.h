#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/amount.h"
#include "base/json.h"
#include "base/result.h"

// Reading policies: strict, and every refusal says where and what was meant.
namespace adyton::policy::internal {

// `, did you mean "x"?` when a known name is near, else empty.
std::string hint(std::string_view text, const std::vector<std::string_view>& known);
// Quoted; policies are the operator's own text, so names may be shown; only printable ones are.
std::string shown(std::string_view text);
// InvalidArgument, reason "policy_invalid": "<path>: <what>".
Error wrong(const std::string& path, std::string_view what);

// An object without other members than these.
Result<void> check_members(
    const base::Json& object, const std::string& path, const std::vector<std::string_view>& known);

// 1 to 64 printable ASCII characters but '"'.
Result<std::string> parse_name(const base::Json* json, const std::string& path);
// An amount as decimal text or as an integer, 0 to 2^128 - 1.
Result<base::Amount> parse_amount(const base::Json& json, const std::string& path);
Result<bool> parse_flag(const base::Json& json, const std::string& path);
// `low` to `high`, both included.
Result<std::int64_t> parse_integer(
    const base::Json& json, const std::string& path, std::int64_t low, std::int64_t high);

base::Json text_list(const std::vector<std::string>& items);

}  // namespace adyton::policy::internal
