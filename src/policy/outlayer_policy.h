#pragma once

#include "base/json.h"
#include "base/result.h"
#include "policy/value_policy.h"

// The policies of OutLayer's wallets (near.md 5.4). Their encrypted form: near/policy_blob.h.
namespace adyton::policy {

// {"frozen", "rules": {"transaction_types", "allowed_tokens", "addresses": {"mode", "list"},
// "limits": {"per_transaction", "hourly", "daily", "monthly"}, "rate_limit": {"max_per_hour"},
// "time_restrictions": {"timezone", "allowed_hours", "allowed_days"}}, "approval":
// {"threshold": {"required"}, "approvers": [{"id", "role", "name", "key"}], "excluded_types"}} into
// the same rules: one rule "outlayer" that allows what all its conditions permit, and a rule
// "blacklist" that denies. Opaque calls pass, as they do there; privileged kinds only where
// `transaction_types` names them. An approver's key is `key`, or the id itself if that spells one.
// InvalidArgument, reason "policy_invalid", with the path: anything else, other time zones too.
Result<ValuePolicy> parse_outlayer_policy(const base::Json& json);
// Whether the members are those of that form (rather than ours).
bool is_outlayer_policy(const base::Json& json);
// What it does not tell apart from ours ({"frozen": true} alone) counts as ours.
// The way back. Unprocessable: the policy says what that form cannot say.
Result<base::Json> to_outlayer_json(const ValuePolicy& policy);

}  // namespace adyton::policy
