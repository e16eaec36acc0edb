#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "policy/conditions.h"

// Conditions, coverage and limits in text, the same in policies of wallets and in rules of
// services.
namespace adyton::policy::internal {

// "chains", "operations", "receivers", "methods", "tokens", "destinations", "hours", "days".
std::vector<std::string_view> condition_members();
// "opaque_calls", "not_understood".
std::vector<std::string_view> coverage_members();

// From the members of an object whose other members the caller checks. `operations` only if asked.
enum class WithOperations { No, Yes };
Result<Conditions> parse_conditions(
    const base::Json& object, const std::string& path, WithOperations operations);
Result<Coverage> parse_coverage(const base::Json& object, const std::string& path);
Result<SpendLimits> parse_spend_limits(const base::Json& json, const std::string& path);
Result<TokenCaps> parse_caps(const base::Json& json, const std::string& path);
Result<std::set<ActionKind>> parse_kinds(const base::Json& json, const std::string& path);
// A list of texts, each in its canonical spelling; null for ["*"].
enum class NameKind { Plain, Token, Receiver, Destination };
Result<std::optional<NameSet>> parse_names(
    const base::Json& json, const std::string& path, NameKind kind);

// They add nothing for what is absent.
void write_conditions(base::Json& object, const Conditions& conditions);
void write_coverage(base::Json& object, const Coverage& coverage);
base::Json to_json(const SpendLimits& limits);
base::Json to_json(const TokenCaps& caps);
base::Json to_json(const NameSet& names);
base::Json to_json(const std::set<ActionKind>& kinds);

}  // namespace adyton::policy::internal
