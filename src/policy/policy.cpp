#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "crypto/digest.h"
#include "policy/internal/limit_fields.h"
#include "policy/rule.h"
#include "policy/service_verdict.h"
#include "policy/value_policy.h"

namespace adyton::policy {
namespace {

bool matches(const Rule& rule, std::string_view service, Operation operation) {
    const bool service_matches = std::any_of(
        rule.services.begin(), rule.services.end(),
        [&](const std::string& pattern) { return pattern == "*" || pattern == service; });
    const bool operation_matches =
        rule.operations.empty() ||
        std::find(rule.operations.begin(), rule.operations.end(), operation) !=
            rule.operations.end();
    return service_matches && operation_matches;
}

ValueRule value_rule(const Rule& rule) {
    ValueRule out;
    out.name = rule.name;
    out.effect = rule.effect;
    if (rule.value) {
        out.conditions = rule.value->conditions;
        out.coverage = rule.value->coverage;
        out.limits = rule.value->limits;
    }
    return out;
}

void tighten(Decision& decision, const Rule& rule) {
    for (const internal::LimitField& field : internal::kLimitFields) {
        const auto max = internal::get_limit(rule.limits, field);
        if (!max) continue;
        std::optional<Bound>& bound = decision.*field.bound;
        if (!bound || *max < bound->max) bound = Bound{*max, rule.name};
    }
}

Error denied(std::string_view service, Operation operation, const Decision& decision) {
    return Error::permission_denied(
        "rule \"" + std::string(decision.rule) + "\" does not allow " +
            std::string(to_string(operation)) + " to " + std::string(service),
        "policy_denied");
}

Error beyond(const Bound& bound, std::string_view what, std::string_view reason) {
    return Error::permission_denied(
        "rule \"" + std::string(bound.rule) + "\" " + std::string(what), std::string(reason));
}

}  // namespace

Policy::Policy(RuleSet rules) : rules_(std::move(rules)) {
    digest_ = crypto::sha256(base::as_bytes(to_json(rules_).dump())).to_hex();
    for (const Rule& rule : rules_.rules) {
        for (const std::string& service : rule.services) {
            if (service != "*") fill(rows_[service], service);
        }
    }
    fill(others_, "");
}

void Policy::fill(Row& row, std::string_view service) const {
    for (std::size_t i = 0; i < kOperationCount; ++i) {
        row.decisions[i] = evaluate(service, static_cast<Operation>(i));
    }
    const auto rules_for = [&](Operation operation) {
        auto out = std::make_shared<ValuePolicy>();
        out->default_effect = rules_.default_effect;
        for (const Rule& rule : rules_.rules) {
            if (matches(rule, service, operation)) out->rules.push_back(value_rule(rule));
        }
        return out;
    };
    row.transfer = rules_for(Operation::Transfer);
    row.sign_transaction = rules_for(Operation::SignTransaction);
}

Decision Policy::evaluate(std::string_view service, Operation operation) const {
    Decision allowed;
    for (const Rule& rule : rules_.rules) {
        if (!matches(rule, service, operation)) continue;
        if (rule.effect == Effect::Deny) {
            // Denies some payloads, not the operation.
            if (rule.value && rule.value->conditions != Conditions{}) continue;
            Decision denial;
            denial.rule = rule.name;
            return denial;
        }
        if (!allowed.allowed) {
            allowed.allowed = true;
            allowed.rule = rule.name;
        }
        tighten(allowed, rule);
    }
    if (!allowed.allowed) {
        allowed.allowed = rules_.default_effect == Effect::Allow;
        allowed.rule = "default";
    }
    return allowed;
}

const Policy::Row& Policy::row_of(std::string_view service) const {
    const auto found = rows_.find(service);
    return found != rows_.end() ? found->second : others_;
}

const Decision& Policy::decide(std::string_view service, Operation operation) const {
    return row_of(service).decisions[static_cast<std::size_t>(operation)];
}

const ValuePolicy& Policy::value_policy(std::string_view service, Operation operation) const {
    CHECK(operation == Operation::Transfer || operation == Operation::SignTransaction);
    const Row& row = row_of(service);
    return operation == Operation::Transfer ? *row.transfer : *row.sign_transaction;
}

Result<void> Policy::check(std::string_view service, Operation operation) const {
    const Decision& decision = decide(service, operation);
    if (!decision.allowed) return denied(service, operation, decision);
    return {};
}

Result<void> Policy::check_request(
    std::string_view service, std::int64_t count, base::Duration lock_ttl) const {
    const Decision& decision = decide(service, Operation::RequestAccounts);
    if (!decision.allowed) return denied(service, Operation::RequestAccounts, decision);
    if (decision.request_count_max && count > decision.request_count_max->max) {
        return beyond(
            *decision.request_count_max,
            "allows " + std::to_string(decision.request_count_max->max) +
                " accounts in one request",
            "policy_request_count");
    }
    if (decision.lock_ttl_max && lock_ttl.count() > decision.lock_ttl_max->max) {
        return beyond(
            *decision.lock_ttl_max,
            "allows locks of up to " +
                base::to_go_duration(base::Duration(decision.lock_ttl_max->max)),
            "policy_lock_ttl");
    }
    return {};
}

Result<void> Policy::check_sign(std::string_view service, std::int64_t signatures) const {
    const Decision& decision = decide(service, Operation::SignDigest);
    if (!decision.allowed) return denied(service, Operation::SignDigest, decision);
    if (decision.batch_size_max && signatures > decision.batch_size_max->max) {
        return beyond(
            *decision.batch_size_max,
            "allows " + std::to_string(decision.batch_size_max->max) + " signatures in one batch",
            "policy_batch_size");
    }
    return {};
}

Verdict evaluate(
    const Policy& policy, std::string_view service, Operation operation, const ActionFacts& facts,
    base::Timestamp now) {
    const std::string subject = "service:" + std::string(service);
    return evaluate(policy.value_policy(service, operation), Question{facts, subject, now});
}

}  // namespace adyton::policy
