#include "policy/value_policy.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "policy/internal/reading.h"
#include "policy/internal/terms_json.h"
#include "policy/outlayer_policy.h"

namespace adyton::policy {
namespace {

using base::Json;
using internal::check_members;
using internal::parse_integer;
using internal::wrong;

constexpr std::size_t kApproversMax = 100;
constexpr std::int64_t kFormatVersion = 1;
constexpr base::Duration kApprovalLifetimeMax = std::chrono::hours(24 * 30);

Result<Effect> parse_effect(const Json* json, const std::string& path) {
    if (json != nullptr && json->is_string()) {
        if (json->string_value() == "allow") return Effect::Allow;
        if (json->string_value() == "deny") return Effect::Deny;
    }
    return wrong(path, "must be \"allow\" or \"deny\"");
}

Result<void> parse_rule_approvals(
    const Json& json, const std::string& path, std::size_t approvers, ValueRule& rule) {
    if (const Json* const approvals = json.find("approvals"); approvals != nullptr) {
        TRY(rule.approvals, parse_integer(*approvals, path + ".approvals", 0, kApproversMax));
        if (static_cast<std::size_t>(rule.approvals) > approvers) {
            return wrong(path + ".approvals", "there are fewer approvers than that");
        }
    }
    if (const Json* const above = json.find("approvals_above"); above != nullptr) {
        TRY(rule.approvals_above, internal::parse_caps(*above, path + ".approvals_above"));
        if (rule.approvals == 0) {
            return wrong(path + ".approvals_above", "says nothing without `approvals`");
        }
    }
    return {};
}

Result<ValueRule> parse_rule(const Json& json, const std::string& path, std::size_t approvers) {
    std::vector<std::string_view> known = {
        "name", "effect", "limits", "approvals", "approvals_above"};
    for (const auto& more : {internal::condition_members(), internal::coverage_members()}) {
        known.insert(known.end(), more.begin(), more.end());
    }
    TRY_VOID(check_members(json, path, known));
    ValueRule rule;
    TRY(rule.name, internal::parse_name(json.find("name"), path + ".name"));
    TRY(rule.effect, parse_effect(json.find("effect"), path + ".effect"));
    TRY(rule.conditions, internal::parse_conditions(json, path, internal::WithOperations::Yes));
    if (rule.effect == Effect::Deny) {
        for (const std::string_view member :
             {"opaque_calls", "not_understood", "limits", "approvals", "approvals_above"}) {
            if (json.find(member) == nullptr) continue;
            return wrong(path + "." + std::string(member), "has no meaning in a rule that denies");
        }
        return rule;
    }
    TRY(rule.coverage, internal::parse_coverage(json, path));
    if (const Json* const limits = json.find("limits"); limits != nullptr) {
        TRY(rule.limits, internal::parse_spend_limits(*limits, path + ".limits"));
    }
    TRY_VOID(parse_rule_approvals(json, path, approvers, rule));
    return rule;
}

Result<Approver> parse_approver(const Json& json, const std::string& path) {
    TRY_VOID(check_members(json, path, {"id", "key"}));
    Approver approver;
    const Json* const id = json.find("id");
    const bool good = id != nullptr && is_approver_id(*id);
    if (!good) return wrong(path + ".id", "must be 1 to 128 printable ASCII characters");
    approver.id = id->string_value();
    if (const Json* const key = json.find("key"); key != nullptr) {
        const auto parsed = key->is_string()
                                ? ApproverKey::parse(key->string_value())
                                : Result<ApproverKey>(Error::invalid_argument("must be a text"));
        if (!parsed) return wrong(path + ".key", parsed.error().message());
        approver.key = *parsed;
    }
    return approver;
}

Result<base::Duration> parse_lifetime(const Json& json, const std::string& path) {
    const auto lifetime = json.is_string() ? base::parse_go_duration(json.string_value())
                                           : Result<base::Duration>(base::Duration(-1));
    const bool good = lifetime && *lifetime >= std::chrono::seconds(1) &&
                      *lifetime <= kApprovalLifetimeMax &&
                      *lifetime % std::chrono::microseconds(1) == base::Duration::zero();
    if (!good) return wrong(path, "must be a duration such as \"24h\", 1s to 720h");
    return *lifetime;
}

Result<ApprovalTerms> parse_approval(const Json& json) {
    TRY_VOID(check_members(
        json, "policy.approval",
        {"required", "approvers", "excluded_operations", "expires_after"}));
    ApprovalTerms out;
    if (const Json* const list = json.find("approvers"); list != nullptr) {
        if (!list->is_array() || list->items().size() > kApproversMax) {
            return wrong("policy.approval.approvers", "must be a list of tables, up to 100");
        }
        for (std::size_t i = 0; i < list->items().size(); ++i) {
            const std::string path = "policy.approval.approvers[" + std::to_string(i) + "]";
            TRY(Approver approver, parse_approver(list->items()[i], path));
            out.approvers.push_back(std::move(approver));
        }
    }
    if (const Json* const required = json.find("required"); required != nullptr) {
        TRY(out.required, parse_integer(*required, "policy.approval.required", 0, kApproversMax));
    }
    if (const Json* const excluded = json.find("excluded_operations"); excluded != nullptr) {
        TRY(out.excluded_operations,
            internal::parse_kinds(*excluded, "policy.approval.excluded_operations"));
    }
    if (const Json* const lifetime = json.find("expires_after"); lifetime != nullptr) {
        TRY(out.expires_after, parse_lifetime(*lifetime, "policy.approval.expires_after"));
    }
    TRY_VOID(check_terms(out, "policy.approval"));
    return out;
}

Result<void> parse_rules(const Json& json, ValuePolicy& policy) {
    if (!json.is_array() || json.items().size() > ValuePolicy::kRulesMax) {
        return wrong("policy.rules", "must be a list of tables, up to 1000");
    }
    std::set<std::string> names = {"default", "limits", "frozen", "approval"};
    for (std::size_t i = 0; i < json.items().size(); ++i) {
        const std::string path = "policy.rules[" + std::to_string(i) + "]";
        TRY(ValueRule rule, parse_rule(json.items()[i], path, policy.approval.approvers.size()));
        if (!names.insert(rule.name).second) {
            return wrong(path + ".name", internal::shown(rule.name) + " is taken");
        }
        policy.rules.push_back(std::move(rule));
    }
    return {};
}

Json to_json(const ValueRule& rule) {
    Json out = Json::object();
    out.set("name", Json::string(rule.name));
    out.set("effect", Json::string(rule.effect == Effect::Allow ? "allow" : "deny"));
    internal::write_conditions(out, rule.conditions);
    internal::write_coverage(out, rule.coverage);
    Json limits = internal::to_json(rule.limits);
    if (limits.size() != 0) out.set("limits", std::move(limits));
    if (rule.approvals != 0) out.set("approvals", Json::integer(rule.approvals));
    if (!rule.approvals_above.empty()) {
        out.set("approvals_above", internal::to_json(rule.approvals_above));
    }
    return out;
}

Json to_json(const ApprovalTerms& terms) {
    Json approvers = Json::array();
    for (const Approver& approver : terms.approvers) {
        Json item = Json::object();
        item.set("id", Json::string(approver.id));
        if (approver.key) item.set("key", Json::string(approver.key->to_string()));
        approvers.push_back(std::move(item));
    }
    Json out = Json::object();
    out.set("required", Json::integer(terms.required));
    out.set("approvers", std::move(approvers));
    out.set("excluded_operations", internal::to_json(terms.excluded_operations));
    out.set("expires_after", Json::string(base::to_go_duration(terms.expires_after)));
    return out;
}

}  // namespace

bool is_approver_id(const Json& json) {
    constexpr std::size_t kIdBytesMax = 128;
    if (!json.is_string()) return false;
    const std::string& id = json.string_value();
    return !id.empty() && id.size() <= kIdBytesMax &&
           std::all_of(id.begin(), id.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

Result<void> check_terms(const ApprovalTerms& terms, const std::string& path) {
    std::set<std::string> ids;
    std::set<std::string> keys;
    for (const Approver& approver : terms.approvers) {
        if (!ids.insert(approver.id).second) {
            return wrong(path + ".approvers", internal::shown(approver.id) + " stands here twice");
        }
        if (approver.key && !keys.insert(approver.key->to_string()).second) {
            return wrong(path + ".approvers", "two approvers have the same key");
        }
    }
    if (static_cast<std::size_t>(terms.required) > terms.approvers.size()) {
        return wrong(path, "more approvals are required than there are approvers");
    }
    return {};
}

ValuePolicy ValuePolicy::allow_all() {
    ValuePolicy out;
    out.default_effect = Effect::Allow;
    return out;
}

Result<ValuePolicy> ValuePolicy::parse(const Json& json) {
    TRY_VOID(check_members(
        json, "policy", {"version", "frozen", "default", "limits", "rules", "approval"}));
    ValuePolicy out;
    if (const Json* const version = json.find("version"); version != nullptr) {
        const auto number = version->as_int64();
        if (!number || *number != kFormatVersion) return wrong("policy.version", "must be 1");
    }
    if (const Json* const frozen = json.find("frozen"); frozen != nullptr) {
        TRY(out.frozen, internal::parse_flag(*frozen, "policy.frozen"));
    }
    if (const Json* const effect = json.find("default"); effect != nullptr) {
        TRY(out.default_effect, parse_effect(effect, "policy.default"));
    }
    if (const Json* const limits = json.find("limits"); limits != nullptr) {
        TRY(out.limits, internal::parse_spend_limits(*limits, "policy.limits"));
    }
    if (const Json* const approval = json.find("approval"); approval != nullptr) {
        TRY(out.approval, parse_approval(*approval));
    }
    if (const Json* const rules = json.find("rules"); rules != nullptr) {
        TRY_VOID(parse_rules(*rules, out));
    }
    return out;
}

Result<ValuePolicy> ValuePolicy::parse_any(const Json& json) {
    return is_outlayer_policy(json) ? parse_outlayer_policy(json) : parse(json);
}

Json to_json(const ValuePolicy& policy) {
    Json rules = Json::array();
    for (const ValueRule& rule : policy.rules) rules.push_back(to_json(rule));
    Json out = Json::object();
    out.set("version", Json::integer(kFormatVersion));
    out.set("frozen", Json::boolean(policy.frozen));
    out.set("default", Json::string(policy.default_effect == Effect::Allow ? "allow" : "deny"));
    out.set("limits", internal::to_json(policy.limits));
    out.set("rules", std::move(rules));
    out.set("approval", to_json(policy.approval));
    return out;
}

crypto::Sha256Digest digest_of(const ValuePolicy& policy) {
    return crypto::sha256(base::as_bytes(to_json(policy).dump()));
}

}  // namespace adyton::policy
