#pragma once

#include <string>
#include <utility>

#include "base/check.h"
#include "base/json.h"
#include "policy/value_policy.h"

// Short ways to write policies and facts in tests.
namespace adyton::policy {

inline Result<ValuePolicy> try_policy(const std::string& text) {
    const auto json = base::Json::parse(text);
    if (!json) return json.error();
    return ValuePolicy::parse(*json);
}
inline ValuePolicy policy_of(const std::string& text) {
    auto policy = try_policy(text);
    if (!policy) base::check_failed(policy.error().message().c_str(), __FILE__, __LINE__);
    return std::move(*policy);
}

inline Amount amount_of(std::string_view text) {
    return Amount::parse(text).value();
}
inline base::Timestamp at(std::string_view text) {
    return base::parse_rfc3339(text).value();
}

inline Action transfer_action(std::string token, std::string to, Amount amount) {
    Action action;
    action.kind = ActionKind::Transfer;
    action.movements.push_back({std::move(token), "alice", std::move(to), amount});
    return action;
}
inline Action transfer_action(std::string token, std::string to, std::uint64_t amount) {
    return transfer_action(std::move(token), std::move(to), Amount(amount));
}
inline Action call_action(std::string receiver, std::string method, std::uint64_t deposit = 0) {
    Action action;
    action.kind = ActionKind::Call;
    action.call.emplace();
    action.call->receiver = std::move(receiver);
    action.call->method = std::move(method);
    action.call->deposit = Amount(deposit);
    return action;
}
inline Action opaque_call(std::string receiver, std::string method, std::uint64_t deposit = 0) {
    Action action = call_action(std::move(receiver), std::move(method), deposit);
    action.call->opaque = true;
    return action;
}
inline Action kind_action(ActionKind kind) {
    Action action;
    action.kind = kind;
    return action;
}
inline ActionFacts facts_with(std::vector<Action> actions) {
    ActionFacts facts;
    facts.chain = "near:mainnet";
    facts.account = "alice";
    facts.actions = std::move(actions);
    return facts;
}

}  // namespace adyton::policy
