#pragma once

#include <string>

#include "api/keystore_types.h"
#include "base/json.h"
#include "base/result.h"
#include "base/task.h"
#include "keystore/context.h"
#include "policy/facts.h"
#include "policy/value_policy.h"

namespace adyton::keystore {

// What a caller describes (near.md 5.4) as facts: the thing is built as it would be signed, and
// read by the same code. Types: call, direct_user, transfer, intents_transfer, intents_withdraw,
// intents_deposit, intents_swap, delete; `args_json` or `args_base64` make a call exact. Where a
// call to execute_intents names no arguments, it is one that carries no payloads.
// InvalidArgument: an unknown type, a missing or malformed member.
Result<policy::ActionFacts> facts_of_action(
    const base::Json& action, const near::AccountId& account, const policy::NearNetwork& network);

// `current_usage` of the action. InvalidArgument: malformed.
Result<policy::ClaimedUsage> claimed_usage(const base::Json& action);

// Answers for denials too; reserves nothing. With `encrypted_policy_data` that policy is asked as
// well, and both must allow.
Task<Result<api::CheckPolicyResponse>> check_policy(
    const KeystoreContext& keystore, api::CheckPolicyRequest request, std::uint32_t version);

// A dry run: a policy (null: the wallet's) against facts, or an action, with everything explained.
struct PolicyTest {
    std::string wallet_id;
    base::Json policy;
    base::Json action;
    base::Json facts;
};
Task<Result<base::Json>> test_policy(
    const KeystoreContext& keystore, PolicyTest test, std::uint32_t version);

// {"wallet_id","policy_json"} sealed to the wallet's policy key, and back.
Result<std::string> encrypt_policy(
    const KeystoreContext& keystore, const api::EncryptPolicyRequest& request);
Result<base::Json> decrypt_policy(
    const KeystoreContext& keystore, const std::string& wallet_id, const std::string& base64);
// The wallet's key over SHA-256 of the text, once the text has opened as a policy of this wallet: a
// bare hash could be a transaction's.
Task<Result<api::SignPolicyResponse>> sign_policy(
    const KeystoreContext& keystore, CallerContext caller, api::SignPolicyRequest request,
    std::uint32_t version);

}  // namespace adyton::keystore
