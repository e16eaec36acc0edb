#include "policy/outlayer_policy.h"

#include <algorithm>
#include <utility>

#include "policy/internal/reading.h"
#include "policy/internal/terms_json.h"

namespace adyton::policy {
namespace {

using base::Json;
using internal::check_members;
using internal::parse_integer;
using internal::wrong;

constexpr const char* kRuleName = "outlayer";
constexpr const char* kBlacklistName = "blacklist";
constexpr std::array<CapWindow, 4> kWindows = {
    CapWindow::Transaction, CapWindow::Hour, CapWindow::Day, CapWindow::Month};

Result<void> parse_addresses(const Json& json, ValuePolicy& policy, Conditions& conditions) {
    const std::string path = "policy.rules.addresses";
    TRY_VOID(check_members(json, path, {"mode", "list"}));
    const Json* const mode = json.find("mode");
    const Json* const list = json.find("list");
    if (list == nullptr) return wrong(path + ".list", "must be there");
    TRY(std::optional<NameSet> names,
        internal::parse_names(*list, path + ".list", internal::NameKind::Destination));
    if (!names) return wrong(path + ".list", "\"*\" is no address");
    const bool is_text = mode != nullptr && mode->is_string();
    if (is_text && mode->string_value() == "whitelist") {
        names->insert("?");  // the address rule is skipped where there is no address
        conditions.destinations = std::move(names);
        return {};
    }
    if (is_text && mode->string_value() == "blacklist") {
        ValueRule rule;
        rule.name = kBlacklistName;
        rule.effect = Effect::Deny;
        rule.conditions.destinations = std::move(names);
        policy.rules.push_back(std::move(rule));
        return {};
    }
    return wrong(path + ".mode", "must be \"whitelist\" or \"blacklist\"");
}

Result<void> parse_limits(const Json& json, SpendLimits& limits) {
    TRY_VOID(check_members(
        json, "policy.rules.limits", {"per_transaction", "hourly", "daily", "monthly"}));
    for (const CapWindow window : kWindows) {
        const std::string name(to_string(window));
        const Json* const caps = json.find(name);
        if (caps == nullptr) continue;
        TRY(limits.of(window), internal::parse_caps(*caps, "policy.rules.limits." + name));
    }
    return {};
}

Result<void> parse_times(const Json& json, Conditions& conditions) {
    const std::string path = "policy.rules.time_restrictions";
    TRY_VOID(check_members(json, path, {"timezone", "allowed_hours", "allowed_days"}));
    if (const Json* const zone = json.find("timezone"); zone != nullptr) {
        const bool utc = zone->is_string() && zone->string_value() == "UTC";
        if (!utc) return wrong(path + ".timezone", "must be \"UTC\"");
    }
    Json plain = Json::object();
    if (const Json* const hours = json.find("allowed_hours"); hours != nullptr) {
        plain.set("hours", *hours);
    }
    if (const Json* const days = json.find("allowed_days"); days != nullptr) {
        plain.set("days", *days);
    }
    TRY(const Conditions times,
        internal::parse_conditions(plain, path, internal::WithOperations::No));
    conditions.hours = times.hours;
    conditions.days = times.days;
    return {};
}

Result<void> parse_rules(const Json& json, ValuePolicy& policy) {
    const std::string path = "policy.rules";
    TRY_VOID(check_members(
        json, path,
        {"transaction_types", "allowed_tokens", "addresses", "limits", "rate_limit",
         "time_restrictions"}));
    ValueRule rule;
    rule.name = kRuleName;
    rule.effect = Effect::Allow;
    rule.coverage.opaque_calls = true;
    if (const Json* const types = json.find("transaction_types"); types != nullptr) {
        TRY(rule.conditions.operations, internal::parse_kinds(*types, path + ".transaction_types"));
    }
    if (const Json* const tokens = json.find("allowed_tokens"); tokens != nullptr) {
        TRY(rule.conditions.tokens,
            internal::parse_names(*tokens, path + ".allowed_tokens", internal::NameKind::Token));
    }
    if (const Json* const addresses = json.find("addresses"); addresses != nullptr) {
        TRY_VOID(parse_addresses(*addresses, policy, rule.conditions));
    }
    if (const Json* const limits = json.find("limits"); limits != nullptr) {
        TRY_VOID(parse_limits(*limits, policy.limits));
    }
    if (const Json* const rate = json.find("rate_limit"); rate != nullptr) {
        TRY_VOID(check_members(*rate, path + ".rate_limit", {"max_per_hour"}));
        if (const Json* const max = rate->find("max_per_hour"); max != nullptr) {
            TRY(policy.limits.rate_per_hour,
                parse_integer(*max, path + ".rate_limit.max_per_hour", 0, std::int64_t{1} << 53));
        }
    }
    if (const Json* const times = json.find("time_restrictions"); times != nullptr) {
        TRY_VOID(parse_times(*times, rule.conditions));
    }
    policy.rules.push_back(std::move(rule));
    return {};
}

Result<Approver> parse_approver(const Json& json, const std::string& path) {
    TRY_VOID(check_members(json, path, {"id", "key", "role", "name"}));
    Approver approver;
    const Json* const id = json.find("id");
    const bool good = id != nullptr && is_approver_id(*id);
    if (!good) return wrong(path + ".id", "must be 1 to 128 printable ASCII characters");
    approver.id = id->string_value();
    for (const std::string_view name : {"role", "name"}) {
        const Json* const text = json.find(name);
        if (text != nullptr && !text->is_string()) {
            return wrong(path + "." + std::string(name), "must be a text");
        }
    }
    if (const Json* const key = json.find("key"); key != nullptr) {
        const auto parsed = key->is_string()
                                ? ApproverKey::parse(key->string_value())
                                : Result<ApproverKey>(Error::invalid_argument("must be a text"));
        if (!parsed) return wrong(path + ".key", parsed.error().message());
        approver.key = *parsed;
    } else if (const auto own = ApproverKey::parse(approver.id)) {
        approver.key = *own;
    }
    return approver;
}

Result<ApprovalTerms> parse_approval(const Json& json) {
    const std::string path = "policy.approval";
    TRY_VOID(check_members(json, path, {"threshold", "approvers", "excluded_types"}));
    ApprovalTerms out;
    if (const Json* const threshold = json.find("threshold"); threshold != nullptr) {
        TRY_VOID(check_members(*threshold, path + ".threshold", {"required"}));
        if (const Json* const required = threshold->find("required"); required != nullptr) {
            TRY(out.required, parse_integer(*required, path + ".threshold.required", 0, 100));
        }
    }
    if (const Json* const list = json.find("approvers"); list != nullptr) {
        if (!list->is_array() || list->items().size() > 100) {
            return wrong(path + ".approvers", "must be a list of tables, up to 100");
        }
        for (std::size_t i = 0; i < list->items().size(); ++i) {
            TRY(Approver approver,
                parse_approver(list->items()[i], path + ".approvers[" + std::to_string(i) + "]"));
            out.approvers.push_back(std::move(approver));
        }
    }
    if (const Json* const excluded = json.find("excluded_types"); excluded != nullptr) {
        TRY(out.excluded_operations, internal::parse_kinds(*excluded, path + ".excluded_types"));
    }
    TRY_VOID(check_terms(out, path));
    return out;
}

Error cannot_say(std::string_view what) {
    return Error::unprocessable("that form cannot say: " + std::string(what));
}

Result<Json> rules_to_json(const ValuePolicy& policy) {
    Json out = Json::object();
    for (const ValueRule& rule : policy.rules) {
        const Conditions& conditions = rule.conditions;
        Conditions plain;
        Json addresses = Json::object();
        std::optional<NameSet> names = conditions.destinations;
        if (rule.effect == Effect::Deny) {
            plain.destinations = names;
            if (rule.name != kBlacklistName || !names || conditions != plain) {
                return cannot_say("the rule " + internal::shown(rule.name));
            }
        } else {
            plain = conditions;
            plain.chains.reset();
            plain.receivers.reset();
            plain.methods.reset();
            const bool same = rule.name == kRuleName && conditions == plain &&
                              rule.coverage == Coverage{true, false} &&
                              rule.limits == SpendLimits{} && rule.approvals == 0 &&
                              (!names || names->erase("?") == 1);
            if (!same) return cannot_say("the rule " + internal::shown(rule.name));
            if (plain.operations) {
                out.set("transaction_types", internal::to_json(*plain.operations));
            }
            if (plain.tokens) out.set("allowed_tokens", internal::to_json(*plain.tokens));
        }
        if (names) {
            if (out.find("addresses") != nullptr) return cannot_say("two lists of addresses");
            const bool deny = rule.effect == Effect::Deny;
            addresses.set("mode", Json::string(deny ? "blacklist" : "whitelist"));
            addresses.set("list", internal::to_json(*names));
            out.set("addresses", std::move(addresses));
        }
        if (!conditions.hours && !conditions.days) continue;
        Json times = Json::object();
        Conditions only;
        only.hours = conditions.hours;
        only.days = conditions.days;
        Json plain_times = Json::object();
        internal::write_conditions(plain_times, only);
        times.set("timezone", Json::string("UTC"));
        if (const Json* const hours = plain_times.find("hours")) times.set("allowed_hours", *hours);
        if (const Json* const days = plain_times.find("days")) times.set("allowed_days", *days);
        out.set("time_restrictions", std::move(times));
    }
    return out;
}

}  // namespace

bool is_outlayer_policy(const Json& json) {
    const Json* const rules = json.find("rules");
    if (rules != nullptr && rules->is_object()) return true;
    const Json* const approval = json.find("approval");
    const bool theirs = approval != nullptr && (approval->find("threshold") != nullptr ||
                                                approval->find("excluded_types") != nullptr);
    // What neither form tells apart ({"frozen": true}) reads the same but for the default: theirs
    // allows what it does not restrict.
    return theirs && json.find("version") == nullptr && json.find("default") == nullptr;
}

Result<ValuePolicy> parse_outlayer_policy(const Json& json) {
    TRY_VOID(check_members(json, "policy", {"frozen", "rules", "approval"}));
    ValuePolicy out;
    if (const Json* const frozen = json.find("frozen"); frozen != nullptr) {
        TRY(out.frozen, internal::parse_flag(*frozen, "policy.frozen"));
    }
    if (const Json* const approval = json.find("approval"); approval != nullptr) {
        TRY(out.approval, parse_approval(*approval));
    }
    const Json* const rules = json.find("rules");
    static const Json kNoRules = Json::object();
    TRY_VOID(parse_rules(rules != nullptr ? *rules : kNoRules, out));
    return out;
}

Result<Json> to_outlayer_json(const ValuePolicy& policy) {
    if (policy.default_effect == Effect::Allow) return cannot_say("a default that allows");
    SpendLimits limits = policy.limits;
    TRY(Json rules, rules_to_json(policy));
    Json caps = Json::object();
    for (const CapWindow window : kWindows) {
        if (limits.of(window).empty()) continue;
        caps.set(std::string(to_string(window)), internal::to_json(limits.of(window)));
        limits.of(window).clear();
    }
    if (caps.size() != 0) rules.set("limits", std::move(caps));
    if (limits.rate_per_hour) {
        rules.set(
            "rate_limit", Json::object().set("max_per_hour", Json::integer(*limits.rate_per_hour)));
        limits.rate_per_hour.reset();
    }
    if (limits != SpendLimits{}) return cannot_say("some of the limits");
    Json approvers = Json::array();
    for (const Approver& approver : policy.approval.approvers) {
        Json item = Json::object();
        item.set("id", Json::string(approver.id));
        if (approver.key) item.set("key", Json::string(approver.key->to_string()));
        approvers.push_back(std::move(item));
    }
    Json approval = Json::object();
    approval.set(
        "threshold", Json::object().set("required", Json::integer(policy.approval.required)));
    approval.set("approvers", std::move(approvers));
    approval.set("excluded_types", internal::to_json(policy.approval.excluded_operations));
    Json out = Json::object();
    out.set("frozen", Json::boolean(policy.frozen));
    out.set("rules", std::move(rules));
    out.set("approval", std::move(approval));
    return out;
}

}  // namespace adyton::policy
