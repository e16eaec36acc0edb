#include "policy/rule.h"

#include <gtest/gtest.h>

namespace adyton::policy {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

Result<RuleSet> parse(const std::string& text) {
    const auto json = base::Json::parse(text);
    if (!json) return json.error();
    return RuleSet::parse(*json);
}

constexpr const char* kExample = R"({
  "default": "deny",
  "rules": [
    {"name": "everyone looks", "effect": "allow", "services": ["*"],
     "operations": ["pool_info", "list_accounts"]},
    {"name": "compute works", "effect": "allow", "services": ["neocompute", "neofeeds"],
     "operations": ["request_accounts", "release_accounts", "sign_digest"],
     "request_count_max": 50, "lock_ttl_max": "12h", "signatures_per_minute": 6000,
     "batch_size_max": 100},
    {"name": "feeds are slower", "effect": "allow", "services": ["neofeeds"],
     "operations": ["sign_digest"], "signatures_per_minute": 60, "batch_size_max": 200},
    {"name": "flow is out", "effect": "deny", "services": ["neoflow"], "operations": ["*"]}
  ]
})";

TEST(RuleSetTest, TheExampleReadsAndWritesBack) {
    const auto rules = parse(kExample);
    ASSERT_TRUE(rules) << rules.error().message();
    ASSERT_EQ(rules->rules.size(), 4U);
    EXPECT_EQ(rules->rules[1].limits.lock_ttl_max, hours(12));
    EXPECT_EQ(rules->rules[1].limits.request_count_max, 50);
    EXPECT_TRUE(rules->rules[3].operations.empty());
    const auto again = RuleSet::parse(to_json(*rules));
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(to_json(*again), to_json(*rules));
}

TEST(RuleSetTest, AnEmptyPolicyDeniesEverything) {
    const auto rules = parse("{}");
    ASSERT_TRUE(rules);
    const Policy policy(*rules);
    for (std::size_t i = 0; i < kOperationCount; ++i) {
        EXPECT_FALSE(policy.decide("neocompute", static_cast<Operation>(i)).allowed);
    }
    EXPECT_EQ(policy.decide("neocompute", Operation::PoolInfo).rule, "default");
    const Policy open(RuleSet::allow_all());
    EXPECT_TRUE(open.check("anybody", Operation::Grow));
}

TEST(RuleSetTest, EachMistakeIsNamedWithItsPlace) {
    const auto rule = [](const std::string& members) {
        return R"({"rules":[{"name":"r","effect":"allow","services":["a"],"operations":["*"])" +
               members + "}]}";
    };
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"[]", "policy: must be a table"},
        {R"({"defualt":"deny"})", "did you mean \"default\"?"},
        {R"({"default":"maybe"})", "policy.default"},
        {R"({"rules":{}})", "policy.rules"},
        {R"({"rules":[1]})", "policy.rules[0]: must be a table"},
        {rule(R"(,"signatures_per_minut":1)"), "did you mean \"signatures_per_minute\"?"},
        {rule(R"(,"signatures_per_minute":-1)"), "policy.rules[0].signatures_per_minute"},
        {rule(R"(,"signatures_per_minute":"5")"), "policy.rules[0].signatures_per_minute"},
        {rule(R"(,"signatures_per_minute":1.5)"), "policy.rules[0].signatures_per_minute"},
        {rule(R"(,"lock_ttl_max":"12 hours")"), "policy.rules[0].lock_ttl_max"},
        {rule(R"(,"lock_ttl_max":12)"), "policy.rules[0].lock_ttl_max"},
        {rule(R"(,"lock_ttl_max":"0s")"), "policy.rules[0].lock_ttl_max"},
        {R"({"rules":[{"effect":"allow","services":["a"],"operations":["*"]}]})",
         "policy.rules[0].name"},
        {R"({"rules":[{"name":"r","services":["a"],"operations":["*"]}]})",
         "policy.rules[0].effect"},
        {R"({"rules":[{"name":"r","effect":"allow","operations":["*"]}]})",
         "policy.rules[0].services"},
        {R"({"rules":[{"name":"r","effect":"allow","services":["A"],"operations":["*"]}]})",
         "policy.rules[0].services"},
        {R"({"rules":[{"name":"r","effect":"allow","services":["a"]}]})",
         "policy.rules[0].operations"},
        {R"({"rules":[{"name":"r","effect":"allow","services":["a"],"operations":[]}]})",
         "policy.rules[0].operations"},
        {R"({"rules":[{"name":"r","effect":"allow","services":["a"],"operations":["sign"]}]})",
         "unknown operation \"sign\""},
        {R"({"rules":[{"name":"r","effect":"allow","services":["a"],"operations":["sign_digst"]}]})",
         "did you mean \"sign_digest\"?"},
        {R"({"rules":[{"name":"r","effect":"allow","services":["a"],"operations":["*","grow"]}]})",
         "stands alone"},
        {R"({"rules":[{"name":"r","effect":"deny","services":["a"],"operations":["*"],)"
         R"("batch_size_max":1}]})",
         "has no limits"},
        {R"({"rules":[{"name":"r","effect":"deny","services":["a"],"operations":["*"]},)"
         R"({"name":"r","effect":"deny","services":["b"],"operations":["*"]}]})",
         "policy.rules[1].name"},
        {R"({"rules":[{"name":"default","effect":"deny","services":["a"],"operations":["*"]}]})",
         "policy.rules[0].name"},
    };
    for (const auto& [text, expected] : cases) {
        const auto refused = parse(text);
        ASSERT_FALSE(refused) << text;
        EXPECT_EQ(refused.error().code(), ErrorCode::InvalidArgument);
        EXPECT_NE(refused.error().message().find(expected), std::string::npos)
            << refused.error().message();
    }
}

TEST(OperationTest, NamesReadBack) {
    for (std::size_t i = 0; i < kOperationCount; ++i) {
        const auto operation = static_cast<Operation>(i);
        EXPECT_EQ(parse_operation(to_string(operation)).value(), operation);
    }
    EXPECT_FALSE(parse_operation(""));
    EXPECT_FALSE(parse_operation("SIGN_DIGEST"));
}

class PolicyTest : public ::testing::Test {
protected:
    Policy policy_{parse(kExample).value()};
};

TEST_F(PolicyTest, EveryAnswerNamesTheRuleThatDecided) {
    EXPECT_EQ(policy_.decide("stranger", Operation::PoolInfo).rule, "everyone looks");
    EXPECT_TRUE(policy_.decide("stranger", Operation::PoolInfo).allowed);
    EXPECT_EQ(policy_.decide("stranger", Operation::SignDigest).rule, "default");
    EXPECT_FALSE(policy_.decide("stranger", Operation::SignDigest).allowed);
    EXPECT_EQ(policy_.decide("neocompute", Operation::SignDigest).rule, "compute works");
    const auto refused = policy_.check("neocompute", Operation::Grow);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::PermissionDenied);
    EXPECT_EQ(refused.error().reason(), "policy_denied");
    EXPECT_NE(refused.error().message().find("\"default\""), std::string::npos);
}

TEST_F(PolicyTest, DenyWinsOverEveryAllow) {
    EXPECT_FALSE(policy_.check("neoflow", Operation::PoolInfo));
    EXPECT_EQ(policy_.decide("neoflow", Operation::PoolInfo).rule, "flow is out");
    RuleSet rules = parse(kExample).value();
    rules.default_effect = Effect::Allow;
    EXPECT_FALSE(Policy(rules).check("neoflow", Operation::Grow));
    EXPECT_TRUE(Policy(rules).check("stranger", Operation::Grow));
}

TEST_F(PolicyTest, IdsAreComparedExactly) {
    EXPECT_FALSE(policy_.check("NeoCompute", Operation::SignDigest));
    EXPECT_FALSE(policy_.check("neocompute ", Operation::SignDigest));
    EXPECT_FALSE(policy_.check("neocomput", Operation::SignDigest));
    EXPECT_FALSE(policy_.check("*", Operation::SignDigest));
    EXPECT_FALSE(policy_.check("", Operation::SignDigest));
}

TEST_F(PolicyTest, TheTightestBoundOfAllMatchingRulesCounts) {
    const Decision& feeds = policy_.decide("neofeeds", Operation::SignDigest);
    ASSERT_TRUE(feeds.signatures_per_minute);
    EXPECT_EQ(feeds.signatures_per_minute->max, 60);
    EXPECT_EQ(feeds.signatures_per_minute->rule, "feeds are slower");
    EXPECT_EQ(feeds.batch_size_max->max, 100);
    EXPECT_EQ(feeds.batch_size_max->rule, "compute works");
    EXPECT_EQ(policy_.decide("neocompute", Operation::SignDigest).signatures_per_minute->max, 6000);
    EXPECT_FALSE(policy_.decide("neocompute", Operation::SignDigest).locked_accounts_max);
    EXPECT_FALSE(policy_.decide("stranger", Operation::PoolInfo).request_count_max);
}

TEST_F(PolicyTest, BoundsOfOneCallAreChecked) {
    EXPECT_TRUE(policy_.check_request("neocompute", 50, hours(12)));
    EXPECT_TRUE(policy_.check_request("neocompute", 1, {}));
    EXPECT_EQ(
        policy_.check_request("neocompute", 51, hours(1)).error().reason(), "policy_request_count");
    EXPECT_EQ(
        policy_.check_request("neocompute", 1, hours(12) + minutes(1)).error().reason(),
        "policy_lock_ttl");
    EXPECT_EQ(policy_.check_request("stranger", 1, {}).error().reason(), "policy_denied");
    EXPECT_TRUE(policy_.check_sign("neocompute", 100));
    EXPECT_EQ(policy_.check_sign("neocompute", 101).error().reason(), "policy_batch_size");
    EXPECT_EQ(policy_.check_sign("stranger", 1).error().reason(), "policy_denied");
}

TEST_F(PolicyTest, TheDigestFollowsTheRules) {
    EXPECT_EQ(policy_.digest().size(), 64U);
    EXPECT_EQ(Policy(parse(kExample).value()).digest(), policy_.digest());
    RuleSet changed = parse(kExample).value();
    changed.rules[1].limits.request_count_max = 51;
    EXPECT_NE(Policy(changed).digest(), policy_.digest());
}

}  // namespace
}  // namespace adyton::policy
