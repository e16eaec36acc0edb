#include <gtest/gtest.h>

#include "policy/outlayer_policy.h"
#include "policy/service_verdict.h"
#include "policy/value_policy_test_support.h"

namespace adyton::policy {
namespace {

constexpr const char* kWhole = R"({
  "version": 1, "frozen": false, "default": "deny",
  "limits": {"per_transaction": {"native": "5"}, "hourly": {"*": "10"}, "daily": {"GAS": 20},
    "monthly": {"nep141:wrap.near": "340282366920938463463374607431768211455"},
    "total": {"native": "0"}, "rolling_hour": {"a": "1"}, "rolling_day": {"a": "2"},
    "rate_per_hour": 3, "rate_per_day": 4, "gas_per_call": "300000000000000",
    "fee_per_transaction": {"GAS": "100"}},
  "rules": [
    {"name": "pay", "effect": "allow", "chains": ["near:mainnet"],
     "operations": ["transfer", "intents_transfer"], "receivers": ["intents.near"],
     "methods": ["execute_intents"], "tokens": ["native"], "destinations": ["bob.near", "?"],
     "hours": [9, 17], "days": [1, 2, 3], "opaque_calls": true, "not_understood": true,
     "limits": {"daily": {"native": "7"}}, "approvals": 1, "approvals_above": {"native": "3"}},
    {"name": "never", "effect": "deny", "operations": ["*"], "destinations": ["eve.near"]}
  ],
  "approval": {"required": 1, "approvers": [
      {"id": "ann", "key": "ed25519:11111111111111111111111111111111"}, {"id": "ben"}],
    "excluded_operations": ["call"], "expires_after": "1h30m"}
})";

TEST(ValuePolicyTest, TheWholeFormReadsAndItsCanonicalTextReadsBack) {
    const auto policy = try_policy(kWhole);
    ASSERT_TRUE(policy) << policy.error().message();
    EXPECT_EQ(policy->limits.of(CapWindow::Hour).at("*"), Amount(10));
    EXPECT_EQ(
        policy->limits.of(CapWindow::Day).at("0xd2a4cff31913016155e38e474a2c06d08be276cf"),
        Amount(20));
    EXPECT_EQ(policy->limits.gas_per_call, 300'000'000'000'000U);
    const ValueRule& pay = policy->rules.at(0);
    EXPECT_EQ(pay.conditions.hours, (Conditions::Hours{9, 17}));
    EXPECT_TRUE(pay.coverage.opaque_calls && pay.coverage.not_understood);
    EXPECT_EQ(pay.approvals, 1);
    EXPECT_FALSE(policy->rules.at(1).conditions.operations);
    EXPECT_EQ(policy->approval.expires_after, std::chrono::minutes(90));
    const auto again = ValuePolicy::parse(to_json(*policy));
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(*again, *policy);
    EXPECT_EQ(to_json(*again).dump(), to_json(*policy).dump());
    EXPECT_EQ(digest_of(*again), digest_of(*policy));
    ValuePolicy other = *policy;
    other.limits.rate_per_day = 5;
    EXPECT_NE(digest_of(other), digest_of(*policy));
}

TEST(ValuePolicyTest, TheEmptyPolicyDenies) {
    EXPECT_EQ(policy_of("{}"), ValuePolicy::deny_all());
    EXPECT_EQ(policy_of(R"({"default":"allow"})"), ValuePolicy::allow_all());
}

TEST(ValuePolicyTest, EachMistakeIsNamedWithItsPlace) {
    const auto rule = [](const std::string& members) {
        return R"({"rules":[{"name":"r","effect":"allow")" + members + "}]}";
    };
    const auto limits = [](const std::string& members) {
        return R"({"limits":{)" + members + "}}";
    };
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"[]", "policy: must be a table"},
        {R"({"version":2})", "policy.version: must be 1"},
        {R"({"frozen":1})", "policy.frozen: must be true or false"},
        {R"({"defualt":"deny"})", R"(policy: unknown key "defualt", did you mean "default"?)"},
        {R"({"default":"maybe"})", "policy.default"},
        {R"({"rules":[{"name":"r","effect":"permit"}]})", "policy.rules[0].effect"},
        {R"({"rules":[{"effect":"allow"}]})", "policy.rules[0].name"},
        {R"({"rules":[{"name":"r","effect":"deny"},{"name":"r","effect":"deny"}]})",
         R"(policy.rules[1].name: "r" is taken)"},
        {R"({"rules":[{"name":"limits","effect":"deny"}]})", "is taken"},
        {rule(R"(,"operation":["call"])"), R"(did you mean "operations"?)"},
        {rule(R"(,"operations":["trasnfer"])"),
         R"(policy.rules[0].operations[0]: unknown operation "trasnfer", did you mean "transfer"?)"},
        {rule(R"(,"operations":["call","*"])"), "policy.rules[0].operations[1]"},
        {rule(R"(,"operations":"call")"), "policy.rules[0].operations"},
        {rule(R"(,"tokens":["native","*"])"), "policy.rules[0].tokens: \"*\" stands alone"},
        {rule(R"(,"tokens":["with space"])"), "policy.rules[0].tokens[0]"},
        {rule(R"(,"tokens":[""])"), "policy.rules[0].tokens[0]"},
        {rule(R"(,"destinations":"bob")"), "policy.rules[0].destinations"},
        {rule(R"(,"hours":[9])"), "policy.rules[0].hours"},
        {rule(R"(,"hours":[9,25])"), "policy.rules[0].hours"},
        {rule(R"(,"hours":[24,3])"), "policy.rules[0].hours"},
        {rule(R"(,"hours":[9,9])"), "policy.rules[0].hours"},
        {rule(R"(,"hours":[-1,9])"), "policy.rules[0].hours"},
        {rule(R"(,"days":[0])"), "policy.rules[0].days[0]"},
        {rule(R"(,"days":[8])"), "policy.rules[0].days[0]"},
        {rule(R"(,"opaque_calls":"yes")"), "policy.rules[0].opaque_calls"},
        {rule(R"(,"approvals":1)"), "fewer approvers"},
        {rule(R"(,"approvals_above":{"a":"1"})"), "without `approvals`"},
        {rule(R"(,"limits":{"dayly":{}})"), R"(did you mean "daily"?)"},
        {R"({"rules":[{"name":"r","effect":"deny","limits":{}}]})", "policy.rules[0].limits"},
        {R"({"rules":[{"name":"r","effect":"deny","not_understood":true}]})",
         "policy.rules[0].not_understood"},
        {limits(R"("daily":{"a":"-1"})"), R"(policy.limits.daily["a"])"},
        {limits(R"("daily":{"a":-1})"), R"(policy.limits.daily["a"])"},
        {limits(R"("daily":{"a":"1.5"})"), R"(policy.limits.daily["a"])"},
        {limits(R"("daily":{"a":1e3})"), R"(policy.limits.daily["a"])"},
        {limits(R"("daily":{"a":"340282366920938463463374607431768211456"})"), "2^128 - 1"},
        {limits(R"("daily":{"GAS":"1","0xd2a4cff31913016155e38e474a2c06d08be276cf":"2"})"),
         "twice"},
        {limits(R"("rate_per_hour":-1)"), "policy.limits.rate_per_hour"},
        {limits(R"("rate_per_hour":"3")"), "policy.limits.rate_per_hour"},
        {limits(R"("gas_per_call":"18446744073709551616")"), "policy.limits.gas_per_call"},
        {R"({"approval":{"required":1}})", "more approvals are required"},
        {R"({"approval":{"approvers":[{"id":"a"},{"id":"a"}]}})", "stands here twice"},
        {R"({"approval":{"approvers":[{"id":"a","key":"rsa:x"}]}})",
         "policy.approval.approvers[0].key"},
        {R"({"approval":{"approvers":[)"
         R"({"id":"a","key":"ed25519:11111111111111111111111111111111"},)"
         R"({"id":"b","key":"ed25519:11111111111111111111111111111111"}]}})",
         "the same key"},
        {R"({"approval":{"excluded_operations":["cal"]}})", R"(did you mean "call"?)"},
        {R"({"approval":{"expires_after":"0s"}})", "policy.approval.expires_after"},
        {R"({"approval":{"expires_after":"721h"}})", "policy.approval.expires_after"},
    };
    for (const auto& [text, expected] : cases) {
        const auto policy = try_policy(text);
        ASSERT_FALSE(policy) << text;
        EXPECT_NE(policy.error().message().find(expected), std::string::npos)
            << text << "\n"
            << policy.error().message();
        EXPECT_EQ(policy.error().reason(), "policy_invalid") << text;
    }
}

TEST(ValuePolicyTest, ANeoAccountMayBeWrittenAsItsHash) {
    const ValuePolicy policy = policy_of(R"({"rules":[{"name":"r","effect":"allow",
        "destinations":["0xD2A4CFF31913016155E38E474A2C06D08BE276CF"]}]})");
    const ActionFacts facts =
        facts_with({transfer_action("a", "NepwUjd9GhqgNkrfXaxj9mmsFhFzGoFuWM", 1)});
    EXPECT_FALSE(evaluate(policy, {facts, "w", {}}).denied());
}

// --- The form of OutLayer ---

Result<ValuePolicy> outlayer(const std::string& text) {
    const auto json = base::Json::parse(text);
    if (!json) return json.error();
    EXPECT_TRUE(is_outlayer_policy(*json)) << text;
    return ValuePolicy::parse_any(*json);
}

constexpr const char* kOutLayer = R"({
  "frozen": false,
  "rules": {
    "transaction_types": ["call", "transfer", "intents_transfer", "intents_swap", "delete"],
    "allowed_tokens": ["native", "nep141:wrap.near"],
    "addresses": {"mode": "whitelist", "list": ["bob.near", "intents.near"]},
    "limits": {"per_transaction": {"native": "10", "*": "100"}, "hourly": {"*": "1000"},
               "daily": {"native": "20"}, "monthly": {"native": "30"}},
    "rate_limit": {"max_per_hour": 60},
    "time_restrictions": {"timezone": "UTC", "allowed_hours": [8, 20], "allowed_days": [1, 6]}
  },
  "approval": {"threshold": {"required": 1},
    "approvers": [{"id": "ed25519:11111111111111111111111111111111", "role": "admin"},
                  {"id": "carol.near"}],
    "excluded_types": ["call"]}
})";

TEST(OutLayerPolicyTest, ItMeansTheSameInOurRules) {
    const auto policy = outlayer(kOutLayer);
    ASSERT_TRUE(policy) << policy.error().message();
    const auto said = [&](Action action, std::string_view now = "2026-11-21T10:00:00Z") {
        const ActionFacts facts = facts_with({std::move(action)});
        const Verdict verdict = evaluate(*policy, {facts, "wallet:w", at(now)});
        return verdict.denied() ? verdict.reason : std::string(to_string(verdict.outcome));
    };
    EXPECT_EQ(said(call_action("bob.near", "x", 10)), "allowed");
    EXPECT_EQ(said(opaque_call("intents.near", "x")), "allowed");
    EXPECT_EQ(said(call_action("eve.near", "x", 10)), "policy_denied");
    EXPECT_EQ(said(call_action("bob.near", "x", 11)), "policy_limit");
    EXPECT_EQ(said(transfer_action("nep141:wrap.near", "bob.near", 100)), "needs_approval");
    EXPECT_EQ(said(transfer_action("nep141:wrap.near", "bob.near", 101)), "policy_limit");
    EXPECT_EQ(said(transfer_action("nep141:usdt", "bob.near", 1)), "policy_denied");
    EXPECT_EQ(said(kind_action(ActionKind::AddKey)), "policy_denied");
    EXPECT_EQ(said(call_action("bob.near", "x"), "2026-11-21T20:00:00Z"), "policy_denied");
    EXPECT_EQ(said(call_action("bob.near", "x"), "2026-11-22T10:00:00Z"), "policy_denied");
    Action swap = transfer_action("native", "", 5);  // the address rule is skipped
    swap.kind = ActionKind::IntentsSwap;
    EXPECT_EQ(said(swap), "needs_approval");
    EXPECT_TRUE(policy->approval.approvers[0].key);
    EXPECT_FALSE(policy->approval.approvers[1].key);
}

TEST(OutLayerPolicyTest, ABlacklistDeniesOnlyItsAddresses) {
    const auto policy =
        outlayer(R"({"rules":{"addresses":{"mode":"blacklist","list":["eve.near"]}}})");
    ASSERT_TRUE(policy) << policy.error().message();
    for (const auto& [to, denied] :
         std::vector<std::pair<std::string, bool>>{{"bob.near", false}, {"eve.near", true}}) {
        const ActionFacts pay = facts_with({transfer_action("native", to, 1)});
        EXPECT_EQ(evaluate(*policy, {pay, "w", {}}).denied(), denied);
        const ActionFacts call = facts_with({opaque_call(to, "x")});
        EXPECT_EQ(evaluate(*policy, {call, "w", {}}).denied(), denied);
    }
}

TEST(OutLayerPolicyTest, ItConvertsBackWhereItCan) {
    const auto policy = outlayer(kOutLayer);
    ASSERT_TRUE(policy);
    const auto back = to_outlayer_json(*policy);
    ASSERT_TRUE(back) << back.error().message();
    EXPECT_EQ(outlayer(back->dump()).value(), *policy);
    // Through our own form, too.
    EXPECT_EQ(ValuePolicy::parse_any(to_json(*policy)).value(), *policy);
    ValuePolicy richer = *policy;
    richer.limits.of(CapWindow::RollingDay)["native"] = Amount(1);
    EXPECT_EQ(to_outlayer_json(richer).error().code(), ErrorCode::Unprocessable);
    richer = *policy;
    richer.rules[0].conditions.methods.emplace();
    EXPECT_FALSE(to_outlayer_json(richer));
    EXPECT_FALSE(to_outlayer_json(ValuePolicy::allow_all()));
    EXPECT_FALSE(to_outlayer_json(policy_of(kWhole)));
}

TEST(OutLayerPolicyTest, WhatItDoesNotKnowIsRefused) {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {R"({"rules":{"transaction_type":["call"]}})", R"(did you mean "transaction_types"?)"},
        {R"({"rules":{"transaction_types":["cal"]}})", "policy.rules.transaction_types[0]"},
        {R"({"rules":{"addresses":{"mode":"whitelists","list":[]}}})",
         "policy.rules.addresses.mode"},
        {R"({"rules":{"addresses":{"mode":"whitelist"}}})", "policy.rules.addresses.list"},
        {R"({"rules":{"addresses":{"mode":"whitelist","list":["*"]}}})", "no address"},
        {R"({"rules":{"limits":{"weekly":{}}}})", "policy.rules.limits"},
        {R"({"rules":{"limits":{"daily":{"native":"1e3"}}}})", "policy.rules.limits.daily"},
        {R"({"rules":{"rate_limit":{"max_per_day":1}}})", "policy.rules.rate_limit"},
        {R"({"rules":{"time_restrictions":{"timezone":"CET"}}})",
         "policy.rules.time_restrictions.timezone"},
        {R"({"rules":{"time_restrictions":{"allowed_days":[0]}}})", "days[0]"},
        {R"({"rules":{},"approval":{"threshold":{"required":1}}})", "more approvals"},
        {R"({"rules":{},"velocity":1})", "unknown key"},
    };
    for (const auto& [text, expected] : cases) {
        const auto policy = outlayer(text);
        ASSERT_FALSE(policy) << text;
        EXPECT_NE(policy.error().message().find(expected), std::string::npos)
            << text << "\n"
            << policy.error().message();
    }
}

// --- Rules of services ---

Result<RuleSet> service_rules(const std::string& rule) {
    return RuleSet::parse(base::Json::parse(R"({"rules":[)" + rule + "]}").value());
}

constexpr const char* kTreasury = R"(
    {"name":"treasury","effect":"allow","services":["neoflow"],
     "operations":["transfer","sign_transaction"],"tokens":["GAS"],"destinations":["bob"],
     "limits":{"per_transaction":{"GAS":"10"},"daily":{"GAS":"100"}}},
    {"name":"no eve","effect":"deny","services":["*"],"operations":["transfer"],
     "destinations":["eve"]},
    {"name":"open","effect":"allow","services":["lab"],"operations":["*"]})";

TEST(ServiceVerdictTest, ConditionsAndCapsHoldForEachServiceByItself) {
    const auto rules = service_rules(kTreasury);
    ASSERT_TRUE(rules) << rules.error().message();
    EXPECT_EQ(to_json(RuleSet::parse(to_json(*rules)).value()), to_json(*rules));
    const Policy policy(*rules);
    const std::string gas = "0xd2a4cff31913016155e38e474a2c06d08be276cf";
    const auto ask = [&](std::string_view service, Operation operation, const ActionFacts& facts) {
        return evaluate(policy, service, operation, facts, {});
    };
    const ActionFacts good = facts_with({transfer_action(gas, "bob", 10)});
    const Verdict verdict = ask("neoflow", Operation::Transfer, good);
    EXPECT_FALSE(verdict.denied()) << verdict.message;
    ASSERT_EQ(verdict.charges.size(), 1U);
    EXPECT_EQ(verdict.charges[0].limit.subject, "service:neoflow");
    EXPECT_EQ(
        ask("neoflow", Operation::SignTransaction, good).charges[0].limit.metric,
        verdict.charges[0].limit.metric);
    EXPECT_TRUE(ask("neofeeds", Operation::Transfer, good).denied());
    const auto denied = [&](const Action& action) {
        return ask("neoflow", Operation::Transfer, facts_with({action})).denied();
    };
    EXPECT_TRUE(denied(transfer_action(gas, "bob", 11)));
    EXPECT_TRUE(denied(transfer_action("NEO", "bob", 1)));
    EXPECT_TRUE(denied(transfer_action(gas, "carol", 1)));
    EXPECT_TRUE(denied(opaque_call("bob", "x")));
    // The denial of a payload is no denial of the operation.
    EXPECT_TRUE(policy.decide("lab", Operation::Transfer).allowed);
    const ActionFacts eve = facts_with({transfer_action("a", "eve", 1)});
    EXPECT_EQ(ask("lab", Operation::Transfer, eve).rule, "no eve");
    EXPECT_FALSE(ask("lab", Operation::SignTransaction, eve).denied());
    EXPECT_TRUE(
        ask("lab", Operation::SignTransaction, facts_with({kind_action(ActionKind::Unknown)}))
            .denied());
}

TEST(ServiceVerdictTest, ConditionsStandOnlyWhereTheyMeanSomething) {
    const auto error = [](const std::string& members) {
        const auto rules =
            service_rules(R"({"name":"r","services":["a"],"effect":)" + members + "}");
        return rules ? std::string() : rules.error().message();
    };
    EXPECT_NE(error(R"("allow","operations":["*"],"tokens":["GAS"])"), "");
    EXPECT_NE(error(R"("allow","operations":["transfer","grow"],"hours":[1,2])"), "");
    EXPECT_NE(error(R"("deny","operations":["transfer"],"limits":{})"), "");
    EXPECT_NE(error(R"("allow","operations":["transfer"],"limits":{"day":{}})"), "");
    EXPECT_NE(error(R"("allow","operations":["transfer"],"destination":["a"])"), "");
    EXPECT_EQ(error(R"("allow","operations":["transfer"],"destinations":["a"])"), "");
    EXPECT_EQ(error(R"("deny","operations":["sign_transaction"],"destinations":["a"])"), "");
}

// --- Facts ---

TEST(FactsTest, TheyReadBackFromJson) {
    ActionFacts facts = facts_with(
        {transfer_action("a", "bob", 5), opaque_call("dex", "swap", 7),
         kind_action(ActionKind::AddKey)});
    facts.actions[1].call->gas = 9;
    facts.actions[2].detail = "a key";
    facts.fees = {{"g", Amount(3)}};
    facts.understood = false;
    facts.reason = "because";
    const auto back = parse_facts(to_json(facts));
    ASSERT_TRUE(back) << back.error().message();
    EXPECT_EQ(*back, facts);
    for (const std::string text :
         {R"({})", R"({"chain":"c","action":[]})", R"({"chain":"c","actions":[{"kind":"x"}]})",
          R"({"chain":"c","actions":[{"kind":"call","call":{}}]})",
          R"({"chain":"c","actions":[{"kind":"call","movements":[{"token":"a"}]}]})",
          R"({"chain":"c","actions":[{"kind":"call","movements":[{"token":"a","amount":"-1"}]}]})",
          R"({"chain":"c","fees":[{"token":"a"}]})", R"({"chain":"c","understood":1})"}) {
        EXPECT_FALSE(parse_facts(base::Json::parse(text).value())) << text;
    }
}

TEST(FactsTest, TheirDigestTellsApartWhatDiffers) {
    const ActionFacts facts = facts_with({call_action("dex", "swap", 7)});
    std::set<crypto::Sha256Digest> digests = {digest_of(facts)};
    std::size_t count = 1;
    const auto differs = [&](auto change) {
        ActionFacts other = facts;
        change(other);
        digests.insert(digest_of(other));
        EXPECT_EQ(digests.size(), ++count);
    };
    differs([](ActionFacts& f) { f.chain = "near:testnet"; });
    differs([](ActionFacts& f) { f.account = "bob"; });
    differs([](ActionFacts& f) { f.understood = false; });
    differs([](ActionFacts& f) { f.fees.push_back({"g", Amount(1)}); });
    differs([](ActionFacts& f) { f.actions.push_back(f.actions[0]); });
    differs([](ActionFacts& f) { f.actions[0].kind = ActionKind::DirectUser; });
    differs([](ActionFacts& f) { f.actions[0].call.reset(); });
    differs([](ActionFacts& f) { f.actions[0].call->receiver = "de"; });
    differs([](ActionFacts& f) { f.actions[0].call->receiver = "dexs"; });
    differs([](ActionFacts& f) { f.actions[0].call->method = "wap"; });
    differs([](ActionFacts& f) { f.actions[0].call->deposit = Amount(8); });
    differs([](ActionFacts& f) { f.actions[0].call->gas = 1; });
    differs([](ActionFacts& f) { f.actions[0].call->opaque = true; });
    differs([](ActionFacts& f) { f.actions[0].movements.push_back({"a", "x", "y", Amount(1)}); });
    differs([](ActionFacts& f) { f.actions[0].movements.push_back({"a", "xy", "", Amount(1)}); });
    ActionFacts same = facts;
    same.actions[0].detail = "for people";
    same.reason = "for people";
    EXPECT_EQ(digest_of(same), digest_of(facts));
}

}  // namespace
}  // namespace adyton::policy
