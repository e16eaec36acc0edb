#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "policy/conditions.h"
#include "storage/migration.h"

namespace adyton::policy {

// Migrations 20 to 29: freezes, rates, usage and reservations, approvals, stored policies.
std::span<const storage::Migration> migrations();

// What a caller can want. Each has a name in rules: "sign_digest".
enum class Operation : std::uint8_t {
    PoolInfo,         // pool_info
    ListAccounts,     // list_accounts
    LowBalance,       // low_balance
    RequestAccounts,  // request_accounts
    ReleaseAccounts,  // release_accounts
    RenewLock,        // renew_lock
    SignDigest,       // sign_digest: 32 bytes whose meaning nobody checks
    UpdateBalance,    // update_balance
    Transfer,         // transfer
    Freeze,           // freeze: set, lift and list freezes
    Grow,             // grow: create accounts
    AuditExport,      // audit_export: also checkpoints and allocations of others
    SignTransaction,  // sign_transaction: whole transactions, judged by what they do
};
inline constexpr std::size_t kOperationCount = 13;
std::string_view to_string(Operation operation);
Result<Operation> parse_operation(std::string_view text);

enum class Effect : std::uint8_t { Deny, Allow };

// Bounds that a rule puts on the calls it allows, each for every service by itself.
struct RuleLimits {
    std::optional<std::int64_t> locked_accounts_max;    // held at one time
    std::optional<std::int64_t> request_count_max;      // accounts in one /request
    std::optional<base::Duration> lock_ttl_max;         // longest lock
    std::optional<std::int64_t> batch_size_max;         // signatures in one /batch-sign
    std::optional<std::int64_t> requests_per_minute;    // calls of request_accounts
    std::optional<std::int64_t> accounts_per_hour;      // accounts handed out
    std::optional<std::int64_t> signatures_per_minute;  // each one of a batch counts
    std::optional<std::int64_t> signatures_per_day;
    bool operator==(const RuleLimits&) const = default;
};

// What a rule for `transfer` and `sign_transaction` says of the payload. In text its members stand
// in the rule itself: "chains", "receivers", "methods", "tokens", "destinations", "hours", "days",
// "opaque_calls", "not_understood", and in rules that allow "limits" with those of conditions.h.
struct ValueTerms {
    Conditions conditions;
    Coverage coverage;
    SpendLimits limits;  // each service by itself
    bool operator==(const ValueTerms&) const = default;
};

struct Rule {
    std::string name;  // 1 to 64 characters, unique; appears in refusals and audit
    Effect effect = Effect::Deny;
    std::vector<std::string> services;  // exact ids, or "*"
    std::vector<Operation> operations;  // all when empty ("*" in text)
    RuleLimits limits;                  // only in rules that allow
    std::optional<ValueTerms> value;    // only if `operations` are those two or one of them
};

struct RuleSet {
    Effect default_effect = Effect::Deny;
    std::vector<Rule> rules;

    // {"default": "deny", "rules": [{"name", "effect", "services": [...], "operations": [...],
    // limits by their names above; lock_ttl_max as "12h"; members of ValueTerms}]}.
    // InvalidArgument, with the path of the member: unknown members (with the nearest known name),
    // wrong types, duplicate rule names, numbers below zero, limits in a rule that denies.
    static Result<RuleSet> parse(const base::Json& json);
    // What `adyton serve` and `adyton dev` start from without a configured policy.
    static RuleSet deny_all() { return {}; }
    static RuleSet allow_all() { return {Effect::Allow, {}}; }
};

struct ValuePolicy;  // value_policy.h

// A number and the rule that set it.
struct Bound {
    std::int64_t max = 0;
    std::string_view rule;
};

// What the rules say of one service and one operation. Views live as long as the Policy.
struct Decision {
    bool allowed = false;
    std::string_view rule;  // that decided; "default" when none matched

    // The tightest bound of all matching rules. Times in nanoseconds.
    std::optional<Bound> locked_accounts_max;
    std::optional<Bound> request_count_max;
    std::optional<Bound> lock_ttl_max;
    std::optional<Bound> batch_size_max;
    std::optional<Bound> requests_per_minute;
    std::optional<Bound> accounts_per_hour;
    std::optional<Bound> signatures_per_minute;
    std::optional<Bound> signatures_per_day;
};

// The rules, made ready to ask. A rule that denies wins over every one that allows; without a
// matching rule the default decides. Immutable and thread safe; one hash look-up an answer.
class Policy {
public:
    explicit Policy(RuleSet rules);
    Policy(const Policy&) = delete;

    const Decision& decide(std::string_view service, Operation operation) const;

    // PermissionDenied, reason "policy_denied"; the message names the rule.
    Result<void> check(std::string_view service, Operation operation) const;
    // The same, and PermissionDenied "policy_request_count" or "policy_lock_ttl" when one call asks
    // for more than a bound. Zero ttl: not asked for.
    Result<void> check_request(
        std::string_view service, std::int64_t count, base::Duration lock_ttl) const;
    // The same, and "policy_batch_size".
    Result<void> check_sign(std::string_view service, std::int64_t signatures) const;

    const RuleSet& rules() const { return rules_; }
    // The rules for a payload of that operation (Transfer or SignTransaction; CHECK), as
    // evaluate(..) in service_verdict.h asks them.
    const ValuePolicy& value_policy(std::string_view service, Operation operation) const;
    // SHA-256 over the canonical JSON of the rules, hex: for /info and the audit log.
    const std::string& digest() const { return digest_; }

private:
    struct Row {
        std::array<Decision, kOperationCount> decisions;
        // Never null; immutable, shared by nobody (an incomplete type needs it).
        std::shared_ptr<const ValuePolicy> transfer;
        std::shared_ptr<const ValuePolicy> sign_transaction;
    };
    void fill(Row& row, std::string_view service) const;
    const Row& row_of(std::string_view service) const;
    Decision evaluate(std::string_view service, Operation operation) const;

    RuleSet rules_;
    std::string digest_;
    std::map<std::string, Row, std::less<>> rows_;  // services that rules name
    Row others_;                                    // all the rest
};

base::Json to_json(const RuleSet& rules);

}  // namespace adyton::policy
