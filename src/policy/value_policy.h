#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "policy/approver.h"
#include "policy/conditions.h"
#include "policy/facts.h"
#include "policy/reservation.h"
#include "policy/rule.h"

// Typed rules over facts, for whoever signs: wallets of the keystore, services of the pool. Asking
// and signing agree by construction: both call evaluate() on the same facts.
namespace adyton::policy {

struct ValueRule {
    std::string name;  // 1 to 64 characters, unique in the policy: its counters go by it
    Effect effect = Effect::Deny;
    Conditions conditions;

    // The rest only in rules that allow.
    Coverage coverage;
    SpendLimits limits;          // on what it covers, counted for the subject under the rule's name
    std::int64_t approvals = 0;  // that an action it covers needs
    TokenCaps approvals_above;   // ... only if more than this of the token leaves at once
    bool operator==(const ValueRule&) const = default;
};

struct ApprovalTerms {
    std::int64_t required = 0;  // for every operation that is not excluded; 0: none
    std::vector<Approver> approvers;
    std::set<ActionKind> excluded_operations;
    base::Duration expires_after = std::chrono::hours(24);
    bool operator==(const ApprovalTerms&) const = default;
};

// InvalidArgument, reason "policy_invalid": an id or a key twice, fewer approvers than required.
Result<void> check_terms(const ApprovalTerms& terms, const std::string& path);
bool is_approver_id(const base::Json& json);

// A policy: data, made by parse(). Every action must be covered: by a rule that allows, or by the
// default if that allows (privileged kinds never by the default). One rule that denies ends it. All
// rules that cover an action put their limits on it, beside those of the policy.
struct ValuePolicy {
    static constexpr std::size_t kRulesMax = 1000;
    static constexpr std::size_t kNamesMax = 10'000;  // in one list
    static constexpr std::size_t kTextBytesMax = 1024 * 1024;

    bool frozen = false;
    Effect default_effect = Effect::Deny;
    SpendLimits limits;  // on everything the subject signs
    std::vector<ValueRule> rules;
    ApprovalTerms approval;

    // Our form (docs/policy.md). InvalidArgument, reason "policy_invalid", with the path of the
    // member: unknown members (with the nearest known name), wrong types, duplicate names, amounts
    // that are no decimal text from 0 to 2^128 - 1, limits in a rule that denies, a quorum that the
    // approvers cannot reach.
    static Result<ValuePolicy> parse(const base::Json& json);
    // The form of OutLayer (near.md 5.4; outlayer_policy.h) or ours, told apart by the members.
    static Result<ValuePolicy> parse_any(const base::Json& json);
    // What stands where no policy is stored.
    static ValuePolicy deny_all() { return {}; }
    static ValuePolicy allow_all();

    bool operator==(const ValuePolicy&) const = default;
};

// Canonical: parse(to_json(p)) == p, and equal policies give equal text.
base::Json to_json(const ValuePolicy& policy);
crypto::Sha256Digest digest_of(const ValuePolicy& policy);  // of the canonical text

// What a caller says was spent already (near.md 5.4). It can only tighten: an amount must fit above
// both this and our own count.
struct ClaimedUsage {
    std::array<TokenCaps, kCapWindowCount> spent;  // Hour, Day and Month are looked at
    std::int64_t hourly_count = 0;
};

struct Question {
    const ActionFacts& facts;
    std::string_view subject;  // whose counters: "wallet:<id>", "service:<id>"; at most 256 bytes
    base::Timestamp now;       // Transaction::now()
    const ClaimedUsage* claimed = nullptr;
};

struct Verdict {
    enum class Outcome { Allowed, Denied, NeedsApproval };

    Outcome outcome = Outcome::Denied;
    std::string rule;     // that decided: a rule's name, "default", "limits", "frozen", "approval"
    std::string reason;   // of a denial: "policy_denied", "policy_frozen", "policy_not_understood",
                          // "policy_limit", "policy_rate", "policy_overflow"; "policy_approval"
    std::string message;  // for people: what the rule said to which action
    std::int64_t approvals_required = 0;
    // Not denied: what reserve() must be given in the unit that signs. It may still refuse.
    std::vector<Charge> charges;
    // The rules that cover each action, in its order; for explanations.
    std::vector<std::vector<std::string>> covered_by;

    bool denied() const { return outcome == Outcome::Denied; }
    // PermissionDenied with the reason; Frozen for "policy_frozen". CHECK: denied or needs
    // approval.
    Error to_error() const;
};
std::string_view to_string(Verdict::Outcome outcome);  // "allowed", "denied", "needs_approval"
base::Json to_json(const Verdict& verdict);

// Pure: the same question, the same verdict. Fixed and sliding caps are not looked at here, they
// are in `charges`: reserve() or probe() (reservation.h) tells whether they hold.
Verdict evaluate(const ValuePolicy& policy, const Question& question);

}  // namespace adyton::policy
