#include <gtest/gtest.h>

#include "policy/value_policy_test_support.h"

namespace adyton::policy {
namespace {

using Outcome = Verdict::Outcome;

constexpr std::string_view kSaturday = "2026-11-21T10:30:00Z";

Verdict ask(
    const ValuePolicy& policy, const ActionFacts& facts, std::string_view now = kSaturday,
    const ClaimedUsage* claimed = nullptr) {
    return evaluate(policy, Question{facts, "wallet:w", at(now), claimed});
}
Verdict ask(const ValuePolicy& policy, Action action, std::string_view now = kSaturday) {
    const ActionFacts facts = facts_with({std::move(action)});
    return ask(policy, facts, now);
}
// "allowed by pay", "denied by default: policy_denied".
std::string said(const Verdict& verdict) {
    std::string out = std::string(to_string(verdict.outcome)) + " by " + verdict.rule;
    if (!verdict.reason.empty()) out += ": " + verdict.reason;
    return out;
}
// A policy of one rule that allows, named "r", with these members besides.
ValuePolicy rule_with(const std::string& members) {
    return policy_of(R"({"rules":[{"name":"r","effect":"allow")" + members + "}]}");
}
ValuePolicy denial_with(const std::string& members) {
    return policy_of(
        R"({"default":"allow","rules":[{"name":"no","effect":"deny")" + members + "}]}");
}

const std::string kNo = "denied by default: policy_denied";
const std::string kYes = "allowed by r";

TEST(EvaluateTest, WithoutARuleTheDefaultDecides) {
    const Action pay = transfer_action("native", "bob", 5);
    EXPECT_EQ(said(ask(ValuePolicy::deny_all(), pay)), kNo);
    EXPECT_EQ(said(ask(ValuePolicy::allow_all(), pay)), "allowed by default");
    EXPECT_EQ(
        ask(ValuePolicy::deny_all(), pay).message,
        "no rule allows action 1 (transfer moving 5 of \"native\" to \"bob\")");
}

TEST(EvaluateTest, FrozenDeniesEverythingFirst) {
    ValuePolicy policy = ValuePolicy::allow_all();
    policy.frozen = true;
    const Verdict verdict = ask(policy, transfer_action("native", "bob", 1));
    EXPECT_EQ(said(verdict), "denied by frozen: policy_frozen");
    EXPECT_EQ(verdict.to_error().code(), ErrorCode::Frozen);
    EXPECT_TRUE(verdict.charges.empty());
}

TEST(EvaluateTest, NothingToDoIsNothingToAllow) {
    EXPECT_EQ(said(ask(ValuePolicy::allow_all(), facts_with({}))), kNo);
    ActionFacts many = facts_with({});
    many.actions.assign(ActionFacts::kActionsMax + 1, transfer_action("native", "bob", 0));
    EXPECT_EQ(
        said(ask(ValuePolicy::allow_all(), many)), "denied by default: policy_not_understood");
    many.actions.pop_back();
    EXPECT_EQ(said(ask(ValuePolicy::allow_all(), many)), "allowed by default");
    ActionFacts wide = facts_with({transfer_action("native", "bob", 0)});
    wide.actions[0].movements.assign(ActionFacts::kMovementsMax + 1, wide.actions[0].movements[0]);
    EXPECT_EQ(
        said(ask(ValuePolicy::allow_all(), wide)), "denied by default: policy_not_understood");
}

TEST(EvaluateTest, EachConditionMustHold) {
    const ValuePolicy policy =
        rule_with(R"(,"chains":["near:mainnet"],"operations":["call"],"receivers":["dex.near"],)"
                  R"("methods":["swap"],"tokens":["native"],"destinations":["dex.near"])");
    const Action good = call_action("dex.near", "swap", 7);
    EXPECT_EQ(said(ask(policy, good)), kYes);
    EXPECT_EQ(said(ask(policy, call_action("dex2.near", "swap", 7))), kNo);
    EXPECT_EQ(said(ask(policy, call_action("dex.near", "drain", 7))), kNo);
    Action kind = good;
    kind.kind = ActionKind::Transfer;
    EXPECT_EQ(said(ask(policy, kind)), kNo);
    ActionFacts chain = facts_with({good});
    chain.chain = "near:testnet";
    EXPECT_EQ(said(ask(policy, chain)), kNo);
    Action more = good;
    more.movements.push_back({"nep141:x.near", "alice", "dex.near", Amount(1)});
    EXPECT_EQ(said(ask(policy, more)), kNo);
    more.movements[0] = {"native", "alice", "eve.near", Amount(1)};
    EXPECT_EQ(said(ask(policy, more)), kNo);
}

TEST(EvaluateTest, EveryMovementMustFitNotJustOne) {
    const ValuePolicy policy = rule_with(R"(,"tokens":["a","b"],"destinations":["bob","?"])");
    Action action = transfer_action("a", "bob", 1);
    action.movements.push_back({"b", "alice", "bob", Amount(1)});
    EXPECT_EQ(said(ask(policy, action)), kYes);
    action.movements[1].to = "eve";
    EXPECT_EQ(said(ask(policy, action)), kNo);
    action.movements[1].to = "";
    EXPECT_EQ(said(ask(policy, action)), kYes);
    action.movements[1].token = "c";
    EXPECT_EQ(said(ask(policy, action)), kNo);
    EXPECT_EQ(said(ask(rule_with(R"(,"destinations":["bob"])"), transfer_action("a", "", 1))), kNo);
}

TEST(EvaluateTest, WhatMovesNothingHasNoTokenOrDestination) {
    const ValuePolicy policy =
        rule_with(R"(,"operations":["stake","call"],"destinations":["bob"])");
    EXPECT_EQ(said(ask(policy, kind_action(ActionKind::Stake))), kNo);
    // A call pays its deposit, be it nothing, to its receiver.
    EXPECT_EQ(said(ask(policy, call_action("bob", "x"))), kYes);
    EXPECT_EQ(said(ask(policy, call_action("dao", "x"))), kNo);
    EXPECT_EQ(said(ask(rule_with(R"(,"receivers":["bob"])"), transfer_action("a", "bob", 1))), kNo);
    EXPECT_EQ(said(ask(rule_with(R"(,"methods":["x"])"), transfer_action("a", "bob", 1))), kNo);
}

TEST(EvaluateTest, TheYoctoThatContractsDemandGoesWithTheTokens) {
    const ValuePolicy policy = rule_with(R"(,"tokens":["nep141:t"],"destinations":["bob"])");
    Action action = call_action("t", "ft_transfer", 1);
    action.movements.push_back({"nep141:t", "alice", "bob", Amount(100)});
    EXPECT_EQ(said(ask(policy, action)), kYes);
    action.call->deposit = Amount(2);
    EXPECT_EQ(said(ask(policy, action)), kNo);
    // Alone it is a payment like any other.
    EXPECT_EQ(said(ask(policy, call_action("t", "ft_transfer", 1))), kNo);
    // It is charged in any case.
    ValuePolicy capped = policy;
    capped.limits.of(CapWindow::Day)["native"] = Amount(0);
    action.call->deposit = Amount(1);
    EXPECT_EQ(said(ask(capped, action)), "denied by limits: policy_limit");
}

TEST(EvaluateTest, EveryActionNeedsARuleOfItsOwn) {
    const ValuePolicy policy = policy_of(R"({"rules":[
        {"name":"pay","effect":"allow","operations":["transfer"],"destinations":["bob"]},
        {"name":"vote","effect":"allow","receivers":["dao"]}]})");
    const Verdict both =
        ask(policy, facts_with({transfer_action("a", "bob", 1), call_action("dao", "vote")}));
    EXPECT_EQ(said(both), "allowed by pay");
    const std::vector<std::vector<std::string>> covered = {{"pay"}, {"vote"}};
    EXPECT_EQ(both.covered_by, covered);
    EXPECT_EQ(
        said(ask(policy, facts_with({transfer_action("a", "bob", 1), call_action("dex", "v")}))),
        kNo);
    EXPECT_EQ(
        said(ask(policy, facts_with({transfer_action("a", "eve", 1), call_action("dao", "v")}))),
        kNo);
}

TEST(EvaluateTest, OneRuleThatDeniesWins) {
    const ValuePolicy policy = policy_of(R"({"default":"allow","rules":[
        {"name":"all","effect":"allow"},
        {"name":"not eve","effect":"deny","destinations":["eve"]}]})");
    EXPECT_EQ(said(ask(policy, transfer_action("a", "bob", 1))), "allowed by all");
    const Verdict denied =
        ask(policy, facts_with({transfer_action("a", "bob", 1), transfer_action("a", "eve", 1)}));
    EXPECT_EQ(said(denied), "denied by not eve: policy_denied");
    EXPECT_EQ(denied.to_error().code(), ErrorCode::PermissionDenied);
    EXPECT_EQ(
        denied.message, "rule \"not eve\" denies action 2 (transfer moving 1 of \"a\" to \"eve\")");
    // One movement of several is enough.
    Action mixed = transfer_action("a", "bob", 1);
    mixed.movements.push_back({"a", "alice", "eve", Amount(0)});
    EXPECT_TRUE(ask(policy, mixed).denied());
    // And so is being called.
    EXPECT_TRUE(ask(policy, call_action("eve", "x")).denied());
}

TEST(EvaluateTest, ADenialNeedsTokenAndDestinationOfOneMovement) {
    const ValuePolicy policy = denial_with(R"(,"tokens":["a"],"destinations":["eve"])");
    Action action = transfer_action("a", "bob", 1);
    action.movements.push_back({"b", "alice", "eve", Amount(1)});
    EXPECT_FALSE(ask(policy, action).denied());
    action.movements.push_back({"a", "alice", "eve", Amount(1)});
    EXPECT_TRUE(ask(policy, action).denied());
    // A transfer of nothing is a transfer; a call that pays nothing is no payment.
    EXPECT_TRUE(ask(policy, transfer_action("a", "eve", 0)).denied());
    const ValuePolicy no_native = denial_with(R"(,"tokens":["native"])");
    EXPECT_FALSE(ask(no_native, call_action("dex", "swap")).denied());
    EXPECT_TRUE(ask(no_native, call_action("dex", "swap", 1)).denied());
    const ValuePolicy no_method = denial_with(R"(,"methods":["drain"],"operations":["call"])");
    EXPECT_TRUE(ask(no_method, call_action("dex", "drain")).denied());
    EXPECT_FALSE(ask(no_method, call_action("dex", "swap")).denied());
    Action other = call_action("dex", "drain");
    other.kind = ActionKind::DirectUser;
    EXPECT_FALSE(ask(no_method, other).denied());
    EXPECT_FALSE(ask(denial_with(R"(,"chains":["near:testnet"])"), other).denied());
}

TEST(EvaluateTest, HoursAreOfTheDayInUtcWithoutTheirEnd) {
    const ValuePolicy policy = rule_with(R"(,"hours":[9,17])");
    const Action pay = transfer_action("a", "bob", 1);
    EXPECT_TRUE(ask(policy, pay, "2026-11-20T08:59:59.999999Z").denied());
    EXPECT_FALSE(ask(policy, pay, "2026-11-20T09:00:00Z").denied());
    EXPECT_FALSE(ask(policy, pay, "2026-11-20T16:59:59.999999Z").denied());
    EXPECT_TRUE(ask(policy, pay, "2026-11-20T17:00:00Z").denied());
    const ValuePolicy night = rule_with(R"(,"hours":[22,6])");
    EXPECT_FALSE(ask(night, pay, "2026-11-20T22:00:00Z").denied());
    EXPECT_FALSE(ask(night, pay, "2026-11-20T05:59:59Z").denied());
    EXPECT_TRUE(ask(night, pay, "2026-11-20T06:00:00Z").denied());
    EXPECT_TRUE(ask(night, pay, "2026-11-20T21:59:59Z").denied());
    EXPECT_FALSE(ask(rule_with(R"(,"hours":[18,0])"), pay, "2026-11-20T23:59:59Z").denied());
    EXPECT_TRUE(ask(rule_with(R"(,"hours":[18,0])"), pay, "2026-11-20T00:00:00Z").denied());
    // In a rule that denies, the hours are those of the denial.
    const ValuePolicy lunch = denial_with(R"(,"hours":[12,13])");
    EXPECT_TRUE(ask(lunch, pay, "2026-11-20T12:30:00Z").denied());
    EXPECT_FALSE(ask(lunch, pay, "2026-11-20T13:00:00Z").denied());
}

TEST(EvaluateTest, DaysCountFromMonday) {
    const ValuePolicy weekdays = rule_with(R"(,"days":[1,2,3,4,5])");
    const Action pay = transfer_action("a", "bob", 1);
    EXPECT_FALSE(ask(weekdays, pay, "2026-11-20T23:59:59Z").denied());  // Friday
    EXPECT_TRUE(ask(weekdays, pay, "2026-11-21T00:00:00Z").denied());
    EXPECT_TRUE(ask(weekdays, pay, "2026-11-22T23:59:59Z").denied());
    EXPECT_FALSE(ask(weekdays, pay, "2026-11-23T00:00:00Z").denied());
    EXPECT_FALSE(ask(rule_with(R"(,"days":[7])"), pay, "2026-11-22T12:00:00Z").denied());
}

TEST(EvaluateTest, WhatIsNotUnderstoodNeedsARuleThatSaysSo) {
    ActionFacts facts = facts_with({kind_action(ActionKind::Unknown)});
    facts.understood = false;
    facts.reason = "a loop";
    const std::string no = "denied by default: policy_not_understood";
    EXPECT_EQ(said(ask(ValuePolicy::allow_all(), facts)), no);
    EXPECT_EQ(said(ask(rule_with(""), facts)), no);
    EXPECT_EQ(said(ask(rule_with(R"(,"opaque_calls":true)"), facts)), no);
    EXPECT_EQ(ask(rule_with(""), facts).message, "what is to be signed is not understood: a loop");
    EXPECT_EQ(said(ask(rule_with(R"(,"not_understood":true)"), facts)), kYes);
    // Each action of it, and never what somebody denies.
    facts.actions.push_back(transfer_action("a", "bob", 1));
    EXPECT_EQ(said(ask(rule_with(R"(,"not_understood":true)"), facts)), kYes);
    EXPECT_EQ(said(ask(rule_with(R"(,"not_understood":true,"destinations":["bob"])"), facts)), no);
    ValuePolicy denying = rule_with(R"(,"not_understood":true)");
    denying.rules.push_back(denial_with(R"(,"destinations":["bob"])").rules[0]);
    EXPECT_EQ(said(ask(denying, facts)), "denied by no: policy_denied");
    // Ordinary as they look, its actions may not be all.
    facts.actions = {transfer_action("a", "bob", 1)};
    EXPECT_EQ(said(ask(rule_with(""), facts)), no);
    EXPECT_EQ(said(ask(rule_with(R"(,"operations":["transfer"])"), facts)), no);
    // Key changes must still be named.
    facts.actions = {kind_action(ActionKind::AddKey)};
    EXPECT_EQ(said(ask(rule_with(R"(,"not_understood":true)"), facts)), no);
}

TEST(EvaluateTest, OpaqueCallsNeedTheirReceiverNamed) {
    const Action blind = opaque_call("dex", "swap");
    EXPECT_EQ(said(ask(rule_with(""), blind)), kNo);
    EXPECT_EQ(said(ask(rule_with(R"(,"receivers":["*"])"), blind)), kNo);
    EXPECT_EQ(said(ask(rule_with(R"(,"methods":["swap"])"), blind)), kNo);
    EXPECT_EQ(said(ask(rule_with(R"(,"receivers":["dex"])"), blind)), kYes);
    EXPECT_EQ(said(ask(rule_with(R"(,"opaque_calls":true)"), blind)), kYes);
    EXPECT_EQ(said(ask(rule_with(R"(,"not_understood":true)"), blind)), kYes);
    EXPECT_EQ(said(ask(ValuePolicy::allow_all(), blind)), "allowed by default");
    EXPECT_EQ(said(ask(rule_with(""), call_action("dex", "swap"))), kYes);
}

TEST(EvaluateTest, WhatChangesAuthorityMustBeNamed) {
    for (std::size_t i = 0; i < kActionKindCount; ++i) {
        const auto kind = static_cast<ActionKind>(i);
        const std::string name(to_string(kind));
        const bool privileged = i >= static_cast<std::size_t>(ActionKind::IntentsAuthCall);
        EXPECT_EQ(is_privileged(kind), privileged) << name;
        const ActionFacts facts = facts_with({kind_action(kind)});
        EXPECT_EQ(ask(ValuePolicy::allow_all(), facts).denied(), privileged) << name;
        EXPECT_EQ(ask(rule_with(""), facts).denied(), privileged) << name;
        EXPECT_EQ(ask(rule_with(R"(,"operations":["*"])"), facts).denied(), privileged) << name;
        EXPECT_FALSE(ask(rule_with(R"(,"operations":[")" + name + R"("])"), facts).denied())
            << name;
        EXPECT_EQ(parse_action_kind(name).value(), kind);
    }
}

// --- Limits ---

TEST(EvaluateTest, OneTransactionIsSummedByToken) {
    ValuePolicy policy = ValuePolicy::allow_all();
    policy.limits.of(CapWindow::Transaction) = {{"a", Amount(10)}, {"*", Amount(3)}};
    const auto pay = [&](std::uint64_t a, std::uint64_t more_a, std::uint64_t b) {
        return said(
            ask(policy, facts_with(
                            {transfer_action("a", "bob", a), transfer_action("a", "eve", more_a),
                             transfer_action("b", "bob", b)})));
    };
    EXPECT_EQ(pay(5, 5, 3), "allowed by default");
    EXPECT_EQ(pay(5, 6, 3), "denied by limits: policy_limit");
    EXPECT_EQ(pay(5, 5, 4), "denied by limits: policy_limit");
    Action call = call_action("dex", "swap", 2);
    call.movements.push_back({"native", "alice", "bob", Amount(2)});
    EXPECT_TRUE(ask(policy, call).denied());  // the deposit and the transfer are one coin
    const Verdict denied = ask(policy, transfer_action("a", "bob", 11));
    EXPECT_EQ(
        denied.message,
        "limit of rule \"limits\": 11 of \"a\" is more than per_transaction allows (10)");
    EXPECT_EQ(denied.to_error().reason(), "policy_limit");
}

TEST(EvaluateTest, SumsAbove128BitsAreRefused) {
    const Amount most = amount_of("340282366920938463463374607431768211455");
    ValuePolicy policy = ValuePolicy::allow_all();
    const ActionFacts one = facts_with({transfer_action("a", "bob", most)});
    EXPECT_FALSE(ask(policy, one).denied());
    const ActionFacts two =
        facts_with({transfer_action("a", "bob", most), transfer_action("a", "bob", 1)});
    EXPECT_EQ(said(ask(policy, two)), "denied by limits: policy_overflow");
    ActionFacts fees = one;
    fees.fees.push_back({"a", Amount(1)});
    EXPECT_EQ(said(ask(policy, fees)), "denied by limits: policy_overflow");
    // A claim that overflows does not wrap around either.
    policy.limits.of(CapWindow::Day)["a"] = most;
    ClaimedUsage claimed;
    claimed.spent[static_cast<std::size_t>(CapWindow::Day)]["a"] = Amount(1);
    EXPECT_EQ(said(ask(policy, one, kSaturday, &claimed)), "denied by limits: policy_limit");
}

TEST(EvaluateTest, ChargesSayExactlyWhatToReserve) {
    const ValuePolicy policy = policy_of(R"({"default":"allow",
        "limits":{"hourly":{"a":"100"},"daily":{"*":"200"},"monthly":{"a":"300"},
                  "total":{"a":"400"},"rolling_hour":{"a":"90"},"rolling_day":{"a":"190"},
                  "rate_per_hour":5,"rate_per_day":7},
        "rules":[{"name":"bob","effect":"allow","destinations":["bob"],
                  "limits":{"daily":{"a":"50"},"rate_per_hour":2}}]})");
    const Verdict verdict =
        ask(policy, facts_with(
                        {transfer_action("a", "bob", 20), transfer_action("a", "eve", 22),
                         transfer_action("b", "eve", 1), transfer_action("c", "eve", 0)}));
    ASSERT_EQ(said(verdict), "allowed by bob");
    std::vector<std::string> charges;
    for (const Charge& charge : verdict.charges) {
        EXPECT_EQ(charge.limit.subject, "wallet:w");
        charges.push_back(
            charge.limit.metric + " " + describe_window(charge.limit) + " " +
            charge.amount.to_string() + "/" + charge.limit.max.to_string());
    }
    const std::vector<std::string> expected = {
        "operations 1h0m0s 1/5",
        "operations 24h0m0s 1/7",
        "spend a 1h0m0s 42/100",
        "spend a 24h0m0s 42/200",
        "spend b 24h0m0s 1/200",
        "spend a month 42/300",
        "spend a total 42/400",
        "spend a rolling 1h0m0s 42/90",
        "spend a rolling 24h0m0s 42/190",
        "rule \"bob\" operations 1h0m0s 1/2",
        "rule \"bob\" spend a 24h0m0s 20/50",
    };
    EXPECT_EQ(charges, expected);
}

TEST(EvaluateTest, EveryRuleThatCoversPutsItsLimitsOn) {
    const ValuePolicy policy = policy_of(R"({"rules":[
        {"name":"wide","effect":"allow","limits":{"per_transaction":{"a":"100"}}},
        {"name":"tight","effect":"allow","destinations":["bob"],
         "limits":{"per_transaction":{"a":"10"}}}]})");
    EXPECT_EQ(said(ask(policy, transfer_action("a", "bob", 10))), "allowed by wide");
    EXPECT_EQ(said(ask(policy, transfer_action("a", "bob", 11))), "denied by tight: policy_limit");
    EXPECT_EQ(said(ask(policy, transfer_action("a", "eve", 11))), "allowed by wide");
    EXPECT_EQ(said(ask(policy, transfer_action("a", "eve", 101))), "denied by wide: policy_limit");
    // A rule counts only what it covers.
    EXPECT_EQ(
        said(
            ask(policy,
                facts_with({transfer_action("a", "bob", 10), transfer_action("a", "eve", 90)}))),
        "allowed by wide");
}

TEST(EvaluateTest, WhatCanNeverFitIsDeniedAtOnce) {
    for (const std::string window : {"hourly", "daily", "monthly", "total", "rolling_hour"}) {
        const ValuePolicy policy =
            policy_of(R"({"default":"allow","limits":{")" + window + R"(":{"a":"10"}}})");
        EXPECT_EQ(said(ask(policy, transfer_action("a", "b", 10))), "allowed by default");
        EXPECT_EQ(
            said(ask(policy, transfer_action("a", "b", 11))), "denied by limits: policy_limit");
        EXPECT_EQ(said(ask(policy, transfer_action("x", "b", 11))), "allowed by default");
    }
    const ValuePolicy none = policy_of(R"({"default":"allow","limits":{"daily":{"a":"0"}}})");
    EXPECT_TRUE(ask(none, transfer_action("a", "b", 1)).denied());
    EXPECT_FALSE(ask(none, transfer_action("a", "b", 0)).denied());
}

TEST(EvaluateTest, ClaimedUsageOnlyTightens) {
    const ValuePolicy policy = policy_of(R"({"default":"allow",
        "limits":{"hourly":{"a":"10"},"daily":{"a":"20"},"monthly":{"a":"30"},
                  "total":{"a":"40"},"per_transaction":{"a":"10"},"rate_per_hour":3}})");
    const ActionFacts facts = facts_with({transfer_action("a", "bob", 4)});
    const auto with = [&](CapWindow window, std::uint64_t spent, std::int64_t count) {
        ClaimedUsage claimed;
        claimed.spent[static_cast<std::size_t>(window)]["a"] = Amount(spent);
        claimed.hourly_count = count;
        return said(ask(policy, facts, kSaturday, &claimed));
    };
    EXPECT_EQ(with(CapWindow::Hour, 6, 2), "allowed by default");
    EXPECT_EQ(with(CapWindow::Hour, 7, 0), "denied by limits: policy_limit");
    EXPECT_EQ(with(CapWindow::Day, 16, 0), "allowed by default");
    EXPECT_EQ(with(CapWindow::Day, 17, 0), "denied by limits: policy_limit");
    EXPECT_EQ(with(CapWindow::Month, 26, 0), "allowed by default");
    EXPECT_EQ(with(CapWindow::Month, 27, 0), "denied by limits: policy_limit");
    EXPECT_EQ(with(CapWindow::Total, 99, 0), "allowed by default");
    EXPECT_EQ(with(CapWindow::Transaction, 99, 0), "allowed by default");
    EXPECT_EQ(with(CapWindow::Hour, 0, 3), "denied by limits: policy_rate");
    ClaimedUsage claimed;
    claimed.hourly_count = 2;
    const Verdict verdict = ask(policy, facts, kSaturday, &claimed);
    for (const Charge& charge : verdict.charges) EXPECT_LE(charge.amount, Amount(4));
}

TEST(EvaluateTest, GasAndFeesHaveTheirOwnBounds) {
    const ValuePolicy policy = policy_of(R"({"default":"allow",
        "limits":{"gas_per_call":"300","fee_per_transaction":{"g":"9"},"daily":{"g":"100"}}})");
    Action call = call_action("dex", "swap");
    call.call->gas = 300;
    ActionFacts facts = facts_with({call});
    facts.fees = {{"g", Amount(9)}};
    const Verdict verdict = ask(policy, facts);
    EXPECT_EQ(said(verdict), "allowed by default");
    ASSERT_EQ(verdict.charges.size(), 1U);  // fees are spent, too
    EXPECT_EQ(verdict.charges[0].amount, Amount(9));
    facts.fees[0].amount = Amount(10);
    EXPECT_EQ(said(ask(policy, facts)), "denied by limits: policy_limit");
    facts.fees.clear();
    facts.actions[0].call->gas = 301;
    EXPECT_EQ(said(ask(policy, facts)), "denied by limits: policy_limit");
}

TEST(EvaluateTest, LongTokensAndOddNamesHaveCountersOfTheirOwn) {
    ValuePolicy policy = ValuePolicy::allow_all();
    policy.limits.of(CapWindow::Day)["*"] = Amount(10);
    const std::string stem(300, 'x');
    const Verdict verdict =
        ask(policy, facts_with(
                        {transfer_action(stem + "a", "bob", 1),
                         transfer_action(stem + "b", "bob", 1), transfer_action("#x", "bob", 1)}));
    ASSERT_EQ(verdict.charges.size(), 3U);
    std::set<std::string> metrics;
    for (const Charge& charge : verdict.charges) {
        EXPECT_LE(charge.limit.metric.size(), 256U);
        metrics.insert(charge.limit.metric);
    }
    EXPECT_EQ(metrics.size(), 3U);
}

// --- Approvals ---

const std::string kTwoOfThree =
    R"("approval":{"required":2,"approvers":[{"id":"a"},{"id":"b"},{"id":"c"}],)"
    R"("excluded_operations":["call"]})";

TEST(EvaluateTest, ApprovalsAreNeededUnlessTheOperationIsExcluded) {
    const ValuePolicy policy = policy_of(R"({"default":"allow",)" + kTwoOfThree + "}");
    const Verdict verdict = ask(policy, transfer_action("a", "bob", 1));
    EXPECT_EQ(said(verdict), "needs_approval by approval: policy_approval");
    EXPECT_EQ(verdict.approvals_required, 2);
    EXPECT_EQ(verdict.message, "requires 2 approvals");
    EXPECT_EQ(verdict.to_error().reason(), "policy_approval");
    EXPECT_EQ(said(ask(policy, call_action("dex", "swap"))), "allowed by default");
    EXPECT_EQ(
        ask(policy, facts_with({call_action("dex", "x"), transfer_action("a", "b", 1)})).outcome,
        Outcome::NeedsApproval);
    // What is denied stays denied.
    EXPECT_TRUE(ask(policy, kind_action(ActionKind::AddKey)).denied());
}

TEST(EvaluateTest, ARuleMayDemandMoreOrOnlyAboveAnAmount) {
    const ValuePolicy policy = policy_of(
        R"({"rules":[
        {"name":"small","effect":"allow","operations":["transfer"],"approvals":3,
         "approvals_above":{"a":"100"}},
        {"name":"keys","effect":"allow","operations":["add_key"],"approvals":1},
        {"name":"calls","effect":"allow","operations":["call"]}],)" +
        kTwoOfThree + "}");
    EXPECT_EQ(ask(policy, transfer_action("a", "bob", 100)).approvals_required, 2);
    const Verdict large = ask(policy, transfer_action("a", "bob", 101));
    EXPECT_EQ(large.approvals_required, 3);
    EXPECT_EQ(large.rule, "small");
    EXPECT_EQ(ask(policy, transfer_action("b", "bob", 101)).approvals_required, 2);
    // The larger of both.
    EXPECT_EQ(ask(policy, kind_action(ActionKind::AddKey)).approvals_required, 2);
    EXPECT_EQ(said(ask(policy, call_action("x", "y"))), "allowed by calls");
    // The amount that counts is the sum.
    EXPECT_EQ(
        ask(policy, facts_with({transfer_action("a", "b", 60), transfer_action("a", "c", 60)}))
            .approvals_required,
        3);
}

TEST(EvaluateTest, AVerdictExplainsItself) {
    const ValuePolicy policy =
        policy_of(R"({"rules":[{"name":"r","effect":"allow","limits":{"daily":{"a":"10"}}}]})");
    EXPECT_EQ(
        to_json(ask(policy, transfer_action("a", "bob", 1))).dump(),
        R"({"outcome":"allowed","rule":"r","covered_by":[["r"]],"charges":[{"rule":"r",)"
        R"("metric":"rule \"r\" spend a","window":"24h0m0s","amount":"1","max":"10"}]})");
}

}  // namespace
}  // namespace adyton::policy
