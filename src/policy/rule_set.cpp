#include <algorithm>
#include <cctype>
#include <limits>
#include <set>
#include <utility>

#include "policy/internal/limit_fields.h"
#include "policy/internal/reading.h"
#include "policy/internal/terms_json.h"
#include "policy/rule.h"

namespace adyton::policy {
namespace {

using internal::check_members;
using internal::hint;
using internal::shown;
using internal::wrong;

constexpr std::size_t kRulesMax = 1000;
constexpr std::size_t kServicesMax = 1000;

struct OperationName {
    Operation operation;
    std::string_view name;
};
constexpr std::array<OperationName, kOperationCount> kOperations = {{
    {Operation::PoolInfo, "pool_info"},
    {Operation::ListAccounts, "list_accounts"},
    {Operation::LowBalance, "low_balance"},
    {Operation::RequestAccounts, "request_accounts"},
    {Operation::ReleaseAccounts, "release_accounts"},
    {Operation::RenewLock, "renew_lock"},
    {Operation::SignDigest, "sign_digest"},
    {Operation::UpdateBalance, "update_balance"},
    {Operation::Transfer, "transfer"},
    {Operation::Freeze, "freeze"},
    {Operation::Grow, "grow"},
    {Operation::AuditExport, "audit_export"},
    {Operation::SignTransaction, "sign_transaction"},
}};

Result<Effect> parse_effect(const base::Json& json, const std::string& path) {
    if (json.is_string() && json.string_value() == "allow") return Effect::Allow;
    if (json.is_string() && json.string_value() == "deny") return Effect::Deny;
    return wrong(path, "must be \"allow\" or \"deny\"");
}

bool is_service_id(std::string_view text) {
    constexpr std::size_t kServiceIdBytesMax = 64;
    return !text.empty() && text.size() <= kServiceIdBytesMax &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
           });
}

Result<std::vector<std::string>> parse_services(const base::Json& json, const std::string& path) {
    if (!json.is_array() || json.items().empty() || json.items().size() > kServicesMax) {
        return wrong(path, "must be a list of service ids, or [\"*\"]");
    }
    std::vector<std::string> out;
    for (const base::Json& item : json.items()) {
        const bool good =
            item.is_string() && (item.string_value() == "*" || is_service_id(item.string_value()));
        if (!good) return wrong(path, "a service id is 1 to 64 of a-z, 0-9 and '-', or \"*\"");
        out.push_back(item.string_value());
    }
    return out;
}

Result<std::vector<Operation>> parse_operations(const base::Json& json, const std::string& path) {
    if (!json.is_array() || json.items().empty()) {
        return wrong(path, "must be a list of operations, or [\"*\"]");
    }
    std::vector<Operation> out;
    for (const base::Json& item : json.items()) {
        if (!item.is_string()) return wrong(path, "an operation is a text");
        if (item.string_value() == "*") {
            if (json.items().size() != 1) return wrong(path, "\"*\" stands alone");
            return out;
        }
        const auto operation = parse_operation(item.string_value());
        if (!operation) return wrong(path, operation.error().message());
        out.push_back(*operation);
    }
    return out;
}

Result<std::int64_t> parse_limit(
    const base::Json& json, const std::string& path, internal::LimitUnit unit) {
    if (unit == internal::LimitUnit::Duration) {
        const auto duration = json.is_string() ? base::parse_go_duration(json.string_value())
                                               : Result<base::Duration>(base::Duration(-1));
        if (!duration || *duration <= base::Duration::zero()) {
            return wrong(path, "must be a duration above zero such as \"12h\"");
        }
        return duration->count();
    }
    const auto number = json.as_int64();
    if (!number || *number < 0) return wrong(path, "must be an integer, 0 or more");
    return *number;
}

Result<RuleLimits> parse_limits(const base::Json& rule, const std::string& path) {
    RuleLimits out;
    for (const internal::LimitField& field : internal::kLimitFields) {
        const base::Json* const member = rule.find(field.name);
        if (member == nullptr) continue;
        TRY(const std::int64_t number,
            parse_limit(*member, path + "." + std::string(field.name), field.unit));
        internal::set_limit(out, field, number);
    }
    return out;
}

// The members of ValueTerms, but for "limits".
std::vector<std::string_view> value_members() {
    std::vector<std::string_view> out = internal::coverage_members();
    for (const std::string_view name : internal::condition_members()) {
        if (name != "operations") out.push_back(name);
    }
    return out;
}

bool judges_payloads(const std::vector<Operation>& operations) {
    return !operations.empty() &&
           std::all_of(operations.begin(), operations.end(), [](Operation operation) {
               return operation == Operation::Transfer || operation == Operation::SignTransaction;
           });
}

Result<std::optional<ValueTerms>> parse_value_terms(
    const base::Json& json, const std::string& path, const Rule& rule) {
    std::vector<std::string_view> members = value_members();
    members.push_back("limits");
    const auto there = std::find_if(members.begin(), members.end(), [&json](std::string_view name) {
        return json.find(name) != nullptr;
    });
    if (there == members.end()) return std::optional<ValueTerms>();
    if (!judges_payloads(rule.operations)) {
        return wrong(
            path + "." + std::string(*there),
            "stands only in rules whose operations are transfer and sign_transaction");
    }
    ValueTerms out;
    TRY(out.conditions, internal::parse_conditions(json, path, internal::WithOperations::No));
    TRY(out.coverage, internal::parse_coverage(json, path));
    const base::Json* const limits = json.find("limits");
    if (rule.effect == Effect::Deny && (limits != nullptr || out.coverage != Coverage{})) {
        return wrong(path, "a rule that denies has no limits and covers nothing");
    }
    if (limits != nullptr) {
        TRY(out.limits, internal::parse_spend_limits(*limits, path + ".limits"));
    }
    return std::optional<ValueTerms>(std::move(out));
}

Result<Rule> parse_rule(const base::Json& json, const std::string& path) {
    std::vector<std::string_view> known = {"name", "effect", "services", "operations", "limits"};
    for (const internal::LimitField& field : internal::kLimitFields) known.push_back(field.name);
    for (const std::string_view name : value_members()) known.push_back(name);
    TRY_VOID(check_members(json, path, known));
    const auto member = [&json](std::string_view name) -> const base::Json& {
        static const base::Json kNull;
        const base::Json* const found = json.find(name);
        return found != nullptr ? *found : kNull;
    };
    Rule rule;
    TRY(rule.name, internal::parse_name(json.find("name"), path + ".name"));
    TRY(rule.effect, parse_effect(member("effect"), path + ".effect"));
    TRY(rule.services, parse_services(member("services"), path + ".services"));
    TRY(rule.operations, parse_operations(member("operations"), path + ".operations"));
    TRY(rule.limits, parse_limits(json, path));
    if (rule.effect == Effect::Deny && rule.limits != RuleLimits{}) {
        return wrong(path, "a rule that denies has no limits");
    }
    TRY(rule.value, parse_value_terms(json, path, rule));
    return rule;
}

base::Json to_json(const Rule& rule) {
    base::Json services = base::Json::array();
    for (const std::string& service : rule.services) {
        services.push_back(base::Json::string(service));
    }
    base::Json operations = base::Json::array();
    for (const Operation operation : rule.operations) {
        operations.push_back(base::Json::string(std::string(to_string(operation))));
    }
    if (rule.operations.empty()) operations.push_back(base::Json::string("*"));
    base::Json out = base::Json::object();
    out.set("name", base::Json::string(rule.name));
    out.set("effect", base::Json::string(rule.effect == Effect::Allow ? "allow" : "deny"));
    out.set("services", std::move(services));
    out.set("operations", std::move(operations));
    for (const internal::LimitField& field : internal::kLimitFields) {
        const auto number = internal::get_limit(rule.limits, field);
        if (!number) continue;
        const bool duration = field.unit == internal::LimitUnit::Duration;
        out.set(
            std::string(field.name),
            duration ? base::Json::string(base::to_go_duration(base::Duration(*number)))
                     : base::Json::integer(*number));
    }
    if (rule.value) {
        internal::write_conditions(out, rule.value->conditions);
        internal::write_coverage(out, rule.value->coverage);
        base::Json limits = internal::to_json(rule.value->limits);
        if (limits.size() != 0) out.set("limits", std::move(limits));
    }
    return out;
}

}  // namespace

std::string_view to_string(Operation operation) {
    return kOperations[static_cast<std::size_t>(operation)].name;
}

Result<Operation> parse_operation(std::string_view text) {
    std::vector<std::string_view> names;
    for (const OperationName& entry : kOperations) {
        if (entry.name == text) return entry.operation;
        names.push_back(entry.name);
    }
    return Error::invalid_argument("unknown operation " + shown(text) + hint(text, names));
}

Result<RuleSet> RuleSet::parse(const base::Json& json) {
    TRY_VOID(check_members(json, "policy", {"default", "rules"}));
    RuleSet out;
    if (const base::Json* const effect = json.find("default"); effect != nullptr) {
        TRY(out.default_effect, parse_effect(*effect, "policy.default"));
    }
    const base::Json* const rules = json.find("rules");
    if (rules == nullptr) return out;
    if (!rules->is_array()) return wrong("policy.rules", "must be a list of tables");
    if (rules->items().size() > kRulesMax) return wrong("policy.rules", "at most 1000 rules");
    std::set<std::string> names;
    for (std::size_t i = 0; i < rules->items().size(); ++i) {
        const std::string path = "policy.rules[" + std::to_string(i) + "]";
        TRY(Rule rule, parse_rule(rules->items()[i], path));
        if (rule.name == "default" || !names.insert(rule.name).second) {
            return wrong(path + ".name", shown(rule.name) + " is taken");
        }
        out.rules.push_back(std::move(rule));
    }
    return out;
}

base::Json to_json(const RuleSet& rules) {
    base::Json list = base::Json::array();
    for (const Rule& rule : rules.rules) list.push_back(to_json(rule));
    base::Json out = base::Json::object();
    out.set(
        "default", base::Json::string(rules.default_effect == Effect::Allow ? "allow" : "deny"));
    out.set("rules", std::move(list));
    return out;
}

}  // namespace adyton::policy
