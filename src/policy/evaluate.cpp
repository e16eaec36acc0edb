#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "crypto/digest.h"
#include "policy/internal/reading.h"
#include "policy/value_policy.h"

namespace adyton::policy {
namespace {

constexpr std::string_view kAny = "*";
constexpr std::string_view kUnnamed = "?";
constexpr std::string_view kPolicyLimits = "limits";

using Sums = std::map<std::string_view, Amount>;  // by token

// --- What an action moves, and which rules it falls under ---

struct Moved {
    std::string_view token;
    std::string_view to;
    Amount amount;
    bool deposit = false;
};

std::vector<Moved> moved_by(const Action& action) {
    std::vector<Moved> out;
    out.reserve(action.movements.size() + 1);
    for (const Movement& movement : action.movements) {
        out.push_back({movement.token, movement.to, movement.amount, false});
    }
    if (action.call) {
        out.push_back({kNativeToken, action.call->receiver, action.call->deposit, true});
    }
    return out;
}

bool holds(const std::optional<NameSet>& names, std::string_view name) {
    return !names || names->find(name) != names->end();
}

bool holds_for(const Conditions& conditions, const Moved& moved) {
    return holds(conditions.tokens, moved.token) &&
           holds(conditions.destinations, moved.to.empty() ? kUnnamed : moved.to);
}

bool holds_at(const Conditions& conditions, base::Timestamp now) {
    const auto day = std::chrono::floor<std::chrono::days>(now);
    if (conditions.hours) {
        const auto hour = std::chrono::floor<std::chrono::hours>(now - day).count();
        const bool after = hour >= conditions.hours->begin;
        const bool before = hour < conditions.hours->end;
        const bool over_midnight = conditions.hours->end <= conditions.hours->begin;
        if (over_midnight ? !(after || before) : !(after && before)) return false;
    }
    if (conditions.days) {
        const unsigned weekday = std::chrono::weekday(day).iso_encoding();
        if (conditions.days->count(static_cast<int>(weekday)) == 0) return false;
    }
    return true;
}

bool holds_for_call(const Conditions& conditions, const Action& action) {
    if (!conditions.receivers && !conditions.methods) return true;
    return action.call && holds(conditions.receivers, action.call->receiver) &&
           holds(conditions.methods, action.call->method);
}

bool concerns(const Conditions& conditions, const Question& question) {
    return holds(conditions.chains, question.facts.chain) && holds_at(conditions, question.now);
}

bool names_kind(const Conditions& conditions, ActionKind kind) {
    return conditions.operations && conditions.operations->count(kind) != 0;
}

// A rule that denies: one movement that fits is enough.
bool hits(const Conditions& conditions, const Action& action) {
    if (conditions.operations && !names_kind(conditions, action.kind)) return false;
    if (!holds_for_call(conditions, action)) return false;
    if (!conditions.tokens && !conditions.destinations) return true;
    const std::vector<Moved> moved = moved_by(action);
    return std::any_of(moved.begin(), moved.end(), [&](const Moved& item) {
        const bool pays_nothing = item.deposit && item.amount == Amount();
        return holds_for(conditions, item) && !(pays_nothing && conditions.tokens);
    });
}

// All that an action moves fits; the deposit of a smallest unit that contracts demand beside other
// tokens may go wherever the call goes.
bool fits_all_moved(const Conditions& conditions, const Action& action) {
    if (!conditions.tokens && !conditions.destinations) return true;
    const std::vector<Moved> moved = moved_by(action);
    if (moved.empty()) return false;
    return std::all_of(moved.begin(), moved.end(), [&](const Moved& item) {
        const bool sign_of_consent =
            item.deposit && !action.movements.empty() && item.amount <= Amount(1);
        return sign_of_consent || holds_for(conditions, item);
    });
}

// A rule that allows: everything of the action fits, and what is out of the ordinary is named.
bool covers(const ValueRule& rule, const Action& action, bool understood) {
    const Conditions& conditions = rule.conditions;
    if (!understood && !rule.coverage.not_understood) return false;
    if (conditions.operations && !names_kind(conditions, action.kind)) return false;
    const bool named = names_kind(conditions, action.kind) ||
                       (action.kind == ActionKind::Unknown && rule.coverage.not_understood);
    if (is_privileged(action.kind) && !named) return false;
    if (!holds_for_call(conditions, action)) return false;
    const bool blind = action.call && action.call->opaque;
    const bool takes_blind =
        rule.coverage.opaque_calls || rule.coverage.not_understood || conditions.receivers;
    if (blind && !takes_blind) return false;
    return fits_all_moved(conditions, action);
}

// --- The judge: one question, step by step ---

class Judge {
public:
    Judge(const ValuePolicy& policy, const Question& question)
        : policy_(policy), question_(question), facts_(question.facts) {
        CHECK(!question.subject.empty());
        covered_.resize(policy.rules.size());
    }

    Verdict run() {
        if (policy_.frozen) {
            return deny("frozen", "policy_frozen", "the wallet is frozen by its policy");
        }
        if (!check_form() || !check_denials() || !check_coverage() || !check_limits()) {
            return std::move(verdict_);
        }
        settle_approvals();
        return std::move(verdict_);
    }

private:
    Verdict deny(std::string_view rule, std::string_view reason, std::string message) {
        refuse(rule, reason, std::move(message));
        return std::move(verdict_);
    }

    bool refuse(std::string_view rule, std::string_view reason, std::string message) {
        verdict_.outcome = Verdict::Outcome::Denied;
        verdict_.rule = rule;
        verdict_.reason = reason;
        verdict_.message = std::move(message);
        verdict_.charges.clear();
        return false;
    }

    bool check_form();
    bool check_denials();
    bool check_coverage();
    bool check_limits();
    void settle_approvals();

    bool add(Sums& sums, std::string_view token, Amount amount);
    bool add_action(Sums& sums, const Action& action);
    bool check_spend(const SpendLimits& limits, std::string_view rule, const Sums& sums);
    bool check_window(
        CapWindow window, const TokenCaps& caps, std::string_view rule, const Sums& sums);
    bool check_calls(
        const SpendLimits& limits, std::string_view rule,
        const std::vector<const Action*>& actions);
    bool check_rates(const SpendLimits& limits, std::string_view rule);
    bool check_rate(
        std::optional<std::int64_t> max, base::Duration window, std::string_view rule,
        std::int64_t claimed);
    Amount claimed(CapWindow window, std::string_view token) const;
    void charge(
        std::string_view rule, const std::string& what, CapWindow window, Amount max,
        Amount amount);

    const ValuePolicy& policy_;
    const Question& question_;
    const ActionFacts& facts_;
    Verdict verdict_;
    std::vector<std::vector<const Action*>> covered_;  // by rule
    std::vector<Sums> rule_sums_;                      // by rule; empty where it covers nothing
};

std::string describe(const Action& action, std::size_t index) {
    std::string out =
        "action " + std::to_string(index + 1) + " (" + std::string(to_string(action.kind));
    if (action.call) {
        out += " " + internal::shown(action.call->receiver) + "." +
               internal::shown(action.call->method);
        if (action.call->opaque) out += ", whose effect is not known";
    }
    if (!action.movements.empty()) {
        const Movement& first = action.movements.front();
        out += " moving " + first.amount.to_string() + " of " + internal::shown(first.token) +
               " to " + (first.to.empty() ? "a party not named" : internal::shown(first.to));
        if (action.movements.size() > 1) out += " and more";
    }
    return out + ")";
}

bool Judge::check_form() {
    const bool too_much =
        facts_.actions.size() > ActionFacts::kActionsMax ||
        std::any_of(facts_.actions.begin(), facts_.actions.end(), [](const Action& action) {
            return action.movements.size() > ActionFacts::kMovementsMax;
        });
    if (too_much) {
        return refuse("default", "policy_not_understood", "more actions than any rule judges");
    }
    if (facts_.actions.empty()) {
        return refuse("default", "policy_denied", "there is nothing in it that a rule could allow");
    }
    return true;
}

bool Judge::check_denials() {
    for (const ValueRule& rule : policy_.rules) {
        if (rule.effect != Effect::Deny || !concerns(rule.conditions, question_)) continue;
        for (std::size_t i = 0; i < facts_.actions.size(); ++i) {
            if (!hits(rule.conditions, facts_.actions[i])) continue;
            return refuse(
                rule.name, "policy_denied",
                "rule \"" + rule.name + "\" denies " + describe(facts_.actions[i], i));
        }
    }
    return true;
}

bool Judge::check_coverage() {
    verdict_.covered_by.resize(facts_.actions.size());
    for (std::size_t r = 0; r < policy_.rules.size(); ++r) {
        const ValueRule& rule = policy_.rules[r];
        if (rule.effect != Effect::Allow || !concerns(rule.conditions, question_)) continue;
        for (std::size_t i = 0; i < facts_.actions.size(); ++i) {
            if (!covers(rule, facts_.actions[i], facts_.understood)) continue;
            covered_[r].push_back(&facts_.actions[i]);
            verdict_.covered_by[i].push_back(rule.name);
        }
    }
    for (std::size_t i = 0; i < facts_.actions.size(); ++i) {
        if (!verdict_.covered_by[i].empty()) continue;
        const Action& action = facts_.actions[i];
        if (!facts_.understood) {
            return refuse(
                "default", "policy_not_understood",
                "what is to be signed is not understood" +
                    (facts_.reason.empty() ? std::string() : ": " + facts_.reason));
        }
        if (policy_.default_effect == Effect::Allow && !is_privileged(action.kind)) {
            verdict_.covered_by[i].emplace_back("default");
            continue;
        }
        return refuse("default", "policy_denied", "no rule allows " + describe(action, i));
    }
    verdict_.rule = verdict_.covered_by.front().front();
    return true;
}

bool Judge::add(Sums& sums, std::string_view token, Amount amount) {
    Amount& sum = sums[token];
    const std::optional<Amount> total = sum.plus(amount);
    if (!total) {
        return refuse(
            kPolicyLimits, "policy_overflow",
            "the sum of " + internal::shown(token) + " is above 2^128 - 1");
    }
    sum = *total;
    return true;
}

bool Judge::add_action(Sums& sums, const Action& action) {
    for (const Moved& moved : moved_by(action)) {
        if (!add(sums, moved.token, moved.amount)) return false;
    }
    return true;
}

bool Judge::check_limits() {
    verdict_.outcome = Verdict::Outcome::Allowed;
    Sums all;
    std::vector<const Action*> actions;
    for (const Action& action : facts_.actions) {
        actions.push_back(&action);
        if (!add_action(all, action)) return false;
    }
    for (const Fee& fee : facts_.fees) {
        if (!add(all, fee.token, fee.amount)) return false;
    }
    if (!check_calls(policy_.limits, kPolicyLimits, actions)) return false;
    if (!check_spend(policy_.limits, kPolicyLimits, all)) return false;
    rule_sums_.resize(policy_.rules.size());
    for (std::size_t r = 0; r < policy_.rules.size(); ++r) {
        if (covered_[r].empty()) continue;
        const ValueRule& rule = policy_.rules[r];
        for (const Action* const action : covered_[r]) {
            if (!add_action(rule_sums_[r], *action)) return false;
        }
        if (!check_calls(rule.limits, rule.name, covered_[r])) return false;
        if (!check_spend(rule.limits, rule.name, rule_sums_[r])) return false;
    }
    return true;
}

const Amount* cap_of(const TokenCaps& caps, std::string_view token) {
    auto found = caps.find(token);
    if (found == caps.end()) found = caps.find(kAny);
    return found == caps.end() ? nullptr : &found->second;
}

std::string over(std::string_view rule, std::string_view what) {
    return "limit of rule \"" + std::string(rule) + "\": " + std::string(what);
}

bool Judge::check_calls(
    const SpendLimits& limits, std::string_view rule, const std::vector<const Action*>& actions) {
    for (const Action* const action : actions) {
        if (!limits.gas_per_call || !action->call) continue;
        if (action->call->gas <= *limits.gas_per_call) continue;
        return refuse(
            rule, "policy_limit",
            over(
                rule, std::to_string(action->call->gas) + " gas for a call, allowed are " +
                          std::to_string(*limits.gas_per_call)));
    }
    for (const Fee& fee : facts_.fees) {
        const Amount* const max = cap_of(limits.fee_per_transaction, fee.token);
        if (max == nullptr || fee.amount <= *max) continue;
        return refuse(
            rule, "policy_limit",
            over(
                rule, "fees of " + fee.amount.to_string() + " " + internal::shown(fee.token) +
                          ", allowed are " + max->to_string()));
    }
    return check_rates(limits, rule);
}

bool Judge::check_rates(const SpendLimits& limits, std::string_view rule) {
    const std::int64_t count = question_.claimed != nullptr ? question_.claimed->hourly_count : 0;
    return check_rate(limits.rate_per_hour, std::chrono::hours(1), rule, count) &&
           check_rate(limits.rate_per_day, std::chrono::hours(24), rule, 0);
}

std::string metric_of(std::string_view rule, std::string_view what) {
    if (rule == kPolicyLimits) return std::string(what);
    return "rule \"" + std::string(rule) + "\" " + std::string(what);
}

bool Judge::check_rate(
    std::optional<std::int64_t> max, base::Duration window, std::string_view rule,
    std::int64_t claimed) {
    if (!max) return true;
    if (claimed >= *max) {
        return refuse(
            rule, "policy_rate",
            over(rule, std::to_string(*max) + " in " + base::to_go_duration(window)));
    }
    Limit limit{
        std::string(question_.subject), metric_of(rule, kRateMetric), window,
        Amount(static_cast<std::uint64_t>(*max)), std::string(rule)};
    verdict_.charges.push_back({std::move(limit), Amount(1)});
    return true;
}

bool Judge::check_spend(const SpendLimits& limits, std::string_view rule, const Sums& sums) {
    for (std::size_t i = 0; i < kCapWindowCount; ++i) {
        if (limits.caps[i].empty()) continue;
        if (!check_window(static_cast<CapWindow>(i), limits.caps[i], rule, sums)) return false;
    }
    return true;
}

Amount Judge::claimed(CapWindow window, std::string_view token) const {
    const bool looked_at =
        window == CapWindow::Hour || window == CapWindow::Day || window == CapWindow::Month;
    if (question_.claimed == nullptr || !looked_at) return Amount();
    const TokenCaps& spent = question_.claimed->spent[static_cast<std::size_t>(window)];
    const auto found = spent.find(token);
    return found == spent.end() ? Amount() : found->second;
}

bool Judge::check_window(
    CapWindow window, const TokenCaps& caps, std::string_view rule, const Sums& sums) {
    for (const auto& [token, amount] : sums) {
        const Amount* const max = cap_of(caps, token);
        if (max == nullptr) continue;
        const std::optional<Amount> used = amount.plus(claimed(window, token));
        if (!used || *used > *max) {
            return refuse(
                rule, "policy_limit",
                over(
                    rule, amount.to_string() + " of " + internal::shown(token) + " is more than " +
                              std::string(to_string(window)) + " allows (" + max->to_string() +
                              ")"));
        }
        if (window == CapWindow::Transaction || amount == Amount()) continue;
        charge(rule, std::string(token), window, *max, amount);
    }
    return true;
}

// Tokens of any length in a metric of at most 256 bytes.
std::string token_in_metric(std::string_view token) {
    constexpr std::size_t kTokenBytesMax = 128;
    if (token.size() <= kTokenBytesMax && token.substr(0, 1) != "#") return std::string(token);
    return "#" + crypto::sha256(base::as_bytes(token)).to_hex();
}

void Judge::charge(
    std::string_view rule, const std::string& what, CapWindow window, Amount max, Amount amount) {
    Limit limit;
    limit.subject = question_.subject;
    limit.metric = metric_of(rule, std::string(kSpendMetric) + token_in_metric(what));
    limit.max = max;
    limit.rule = rule;
    switch (window) {
        case CapWindow::Hour:
            limit.window = std::chrono::hours(1);
            break;
        case CapWindow::Day:
            limit.window = std::chrono::hours(24);
            break;
        case CapWindow::Month:
            limit.kind = WindowKind::Month;
            break;
        case CapWindow::RollingHour:
            limit.window = std::chrono::hours(1);
            limit.kind = WindowKind::Rolling;
            break;
        case CapWindow::RollingDay:
            limit.window = std::chrono::hours(24);
            limit.kind = WindowKind::Rolling;
            break;
        case CapWindow::Total:
        case CapWindow::Transaction:
            break;
    }
    verdict_.charges.push_back({std::move(limit), amount});
}

void Judge::settle_approvals() {
    std::int64_t required = 0;
    std::string_view rule;
    const ApprovalTerms& terms = policy_.approval;
    const bool included =
        std::any_of(facts_.actions.begin(), facts_.actions.end(), [&terms](const Action& action) {
            return terms.excluded_operations.count(action.kind) == 0;
        });
    if (included && terms.required > 0) {
        required = terms.required;
        rule = "approval";
    }
    for (std::size_t r = 0; r < policy_.rules.size(); ++r) {
        const ValueRule& candidate = policy_.rules[r];
        if (covered_[r].empty() || candidate.approvals <= required) continue;
        const Sums& sums = rule_sums_[r];
        const bool above = std::any_of(sums.begin(), sums.end(), [&candidate](const auto& sum) {
            const Amount* const mark = cap_of(candidate.approvals_above, sum.first);
            return mark != nullptr && sum.second > *mark;
        });
        if (!candidate.approvals_above.empty() && !above) continue;
        required = candidate.approvals;
        rule = candidate.name;
    }
    if (required == 0) return;
    verdict_.outcome = Verdict::Outcome::NeedsApproval;
    verdict_.rule = rule;
    verdict_.reason = "policy_approval";
    verdict_.message = "requires " + std::to_string(required) + " approvals";
    verdict_.approvals_required = required;
}

}  // namespace

Error Verdict::to_error() const {
    CHECK(outcome != Outcome::Allowed);
    if (reason == "policy_frozen") return Error::frozen(message, reason);
    return Error::permission_denied(message, reason);
}

std::string_view to_string(Verdict::Outcome outcome) {
    switch (outcome) {
        case Verdict::Outcome::Allowed:
            return "allowed";
        case Verdict::Outcome::Denied:
            return "denied";
        case Verdict::Outcome::NeedsApproval:
            return "needs_approval";
    }
    return "";
}

base::Json to_json(const Verdict& verdict) {
    using base::Json;
    Json out = Json::object();
    out.set("outcome", Json::string(std::string(to_string(verdict.outcome))));
    out.set("rule", Json::string(verdict.rule));
    if (!verdict.reason.empty()) out.set("reason", Json::string(verdict.reason));
    if (!verdict.message.empty()) out.set("message", Json::string(verdict.message));
    if (verdict.approvals_required != 0) {
        out.set("approvals_required", Json::integer(verdict.approvals_required));
    }
    Json actions = Json::array();
    for (const auto& rules : verdict.covered_by) actions.push_back(internal::text_list(rules));
    out.set("covered_by", std::move(actions));
    Json charges = Json::array();
    for (const Charge& charge : verdict.charges) {
        Json item = Json::object();
        item.set("rule", Json::string(charge.limit.rule));
        item.set("metric", Json::string(charge.limit.metric));
        item.set("window", Json::string(describe_window(charge.limit)));
        item.set("amount", Json::string(charge.amount.to_string()));
        item.set("max", Json::string(charge.limit.max.to_string()));
        charges.push_back(std::move(item));
    }
    out.set("charges", std::move(charges));
    return out;
}

Verdict evaluate(const ValuePolicy& policy, const Question& question) {
    return Judge(policy, question).run();
}

}  // namespace adyton::policy
