#include "policy/freeze.h"

#include <gtest/gtest.h>

#include "policy/policy_test_support.h"

namespace adyton::policy {
namespace {

using storage::Transaction;

const FreezeTarget kPool{FreezeScope::Pool, ""};
const FreezeTarget kService{FreezeScope::Service, "neocompute"};
const FreezeTarget kAccount{FreezeScope::Account, "0f9b2d3e-0000-4000-8000-000000000001"};

class FreezeTest : public PolicyDatabaseTest {
protected:
    std::unique_ptr<audit::AuditLog> log_;

    void SetUp() override {
        PolicyDatabaseTest::SetUp();
        if (IsSkipped()) return;
        auto log = run(audit::AuditLog::open(database(), "instance-a"));
        ASSERT_TRUE(log) << log.error().message();
        log_ = std::move(*log);
    }
    void TearDown() override {
        log_.reset();
        PolicyDatabaseTest::TearDown();
    }
    Result<bool> set(const FreezeTarget& target, const std::string& reason = "stolen key") {
        return write(
            [&](Transaction& tx) { return set_freeze(tx, *log_, target, reason, "operator"); });
    }
    Result<bool> lift(const FreezeTarget& target) {
        return write([&](Transaction& tx) { return lift_freeze(tx, *log_, target, "operator"); });
    }
    std::string refusal(const std::string& service, const std::string& account) {
        const auto result =
            write([&](Transaction& tx) { return check_frozen(tx, service, account); });
        if (result) return "";
        EXPECT_EQ(result.error().code(), ErrorCode::Frozen);
        return result.error().reason();
    }
};

TEST_P(FreezeTest, EachScopeHoldsWhatItNamesAndNothingElse) {
    EXPECT_EQ(refusal("neocompute", kAccount.subject), "");
    ASSERT_TRUE(set(kAccount).value());
    EXPECT_EQ(refusal("neocompute", kAccount.subject), "account_frozen");
    EXPECT_EQ(refusal("neocompute", "another"), "");
    EXPECT_EQ(refusal("neocompute", ""), "");
    ASSERT_TRUE(set(kService).value());
    EXPECT_EQ(refusal("neocompute", kAccount.subject), "service_frozen");
    EXPECT_EQ(refusal("neofeeds", "another"), "");
    ASSERT_TRUE(set(kPool).value());
    EXPECT_EQ(refusal("neofeeds", "another"), "pool_frozen");
    ASSERT_TRUE(lift(kPool).value());
    EXPECT_EQ(refusal("neofeeds", "another"), "");
    EXPECT_EQ(refusal("neocompute", "another"), "service_frozen");
}

TEST_P(FreezeTest, RepetitionsChangeAndRecordNothing) {
    EXPECT_TRUE(set(kService, "first").value());
    EXPECT_FALSE(set(kService, "second").value());
    EXPECT_TRUE(lift(kService).value());
    EXPECT_FALSE(lift(kService).value());
    EXPECT_EQ(count("audit_records"), 2);
    EXPECT_EQ(count("policy_freezes"), 0);
}

TEST_P(FreezeTest, TheListSaysWhoAndWhy) {
    ASSERT_TRUE(set(kPool, "drill").value());
    ASSERT_TRUE(set(kAccount, "").value());
    const auto all = write([](Transaction& tx) { return list_freezes(tx, 10); });
    ASSERT_TRUE(all) << all.error().message();
    ASSERT_EQ(all->size(), 2U);
    EXPECT_EQ(all->at(0).target.scope, FreezeScope::Pool);
    EXPECT_EQ(all->at(0).reason, "drill");
    EXPECT_EQ(all->at(0).actor, "operator");
    EXPECT_EQ(all->at(1).target.subject, kAccount.subject);
    EXPECT_EQ(write([](Transaction& tx) { return list_freezes(tx, 1); })->size(), 1U);
}

TEST_P(FreezeTest, AFreezeSurvivesARestartAndHoldsInOtherInstances) {
    const auto other = test().open_another();
    ASSERT_TRUE(set(kPool).value());
    const auto elsewhere =
        run(other->write([](Transaction& tx) { return check_frozen(tx, "neocompute", ""); }));
    EXPECT_EQ(elsewhere.error().reason(), "pool_frozen");
    test().reopen();
    EXPECT_EQ(refusal("neocompute", ""), "pool_frozen");
}

TEST_P(FreezeTest, TheSubqueryAnswersInsideAnotherStatement) {
    ASSERT_TRUE(write([](Transaction& tx) {
        return tx.execute_script(
            "CREATE TABLE accounts (id TEXT PRIMARY KEY);"
            "INSERT INTO accounts VALUES ('one'); INSERT INTO accounts VALUES ('two')");
    }));
    ASSERT_TRUE(set({FreezeScope::Account, "two"}).value());
    const auto scope_of = [&](const std::string& id) {
        return write([&](Transaction& tx) -> Result<std::optional<std::string>> {
                   TRY(const auto rows, tx.query(
                                            "SELECT a.id, " ADYTON_FREEZE_SUBQUERY(
                                                "$2", "a.id") " FROM accounts a WHERE a.id = $1",
                                            {id, "neocompute"}));
                   return rows.optional_text(0, 1);
               })
            .value();
    };
    EXPECT_EQ(scope_of("one"), std::nullopt);
    EXPECT_EQ(scope_of("two"), "account");
    ASSERT_TRUE(set(kService).value());
    EXPECT_EQ(scope_of("one"), "service");
    EXPECT_EQ(frozen_error(*scope_of("one")).reason(), "service_frozen");
}

TEST_P(FreezeTest, MalformedTargetsAreRefused) {
    const std::vector<FreezeTarget> bad = {
        {FreezeScope::Pool, "x"},       {FreezeScope::Service, ""},
        {FreezeScope::Account, ""},     {FreezeScope::Account, std::string(129, 'a')},
        {FreezeScope::Service, "a\nb"}, {FreezeScope::Service, "\xff"}};
    for (const FreezeTarget& target : bad) {
        EXPECT_EQ(set(target).error().code(), ErrorCode::InvalidArgument);
        EXPECT_EQ(lift(target).error().code(), ErrorCode::InvalidArgument);
    }
    EXPECT_FALSE(set(kPool, std::string(257, 'a')));
    EXPECT_FALSE(set(kPool, "a\tb"));
    EXPECT_EQ(count("policy_freezes"), 0);
    EXPECT_EQ(count("audit_records"), 0);
    EXPECT_FALSE(parse_freeze_scope("everything"));
    EXPECT_EQ(parse_freeze_scope("account").value(), FreezeScope::Account);
}

ADYTON_ON_ALL_DATABASES(FreezeTest);

}  // namespace
}  // namespace adyton::policy
