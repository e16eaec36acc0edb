#include "pool/account_repository.h"

#include <gtest/gtest.h>

#include "crypto/uuid.h"
#include "pool/test_pool.h"

namespace adyton::pool {
namespace {

class AccountRepositoryTest : public PoolTest {
public:
    template <typename F>
    auto write(F unit) {
        return run(database().write(std::move(unit)));
    }
};

class SqlitePlanTest : public PoolTest {};

NewAccount fresh_account(base::RandomSource& random) {
    const Signer signer(test_master_key(), {}, Signer::Options{});
    return signer.create_account(crypto::uuid_v4(random));
}

TEST_P(AccountRepositoryTest, NewAccountsAreFreeAndHaveBothBalanceRows) {
    open();
    grow_to(3);
    const auto info =
        run(database().read([](storage::Transaction& tx) { return accounts::pool_info(tx); }));
    ASSERT_TRUE(info) << info.error().message();
    EXPECT_EQ(info->total_accounts, 3);
    EXPECT_EQ(info->active_accounts, 3);
    EXPECT_EQ(number("SELECT COUNT(*) FROM pool_account_balances"), 6);
    EXPECT_EQ(number("SELECT COUNT(*) FROM pool_account_balances WHERE decimals = 8"), 3);
}

TEST_P(AccountRepositoryTest, TheSameIdTwiceIsAConflictAndLeavesNothing) {
    open();
    base::SeededRandom random(7);
    const NewAccount account = fresh_account(random);
    const NewAccount other = fresh_account(random);
    ASSERT_TRUE(write([&](storage::Transaction& tx) -> Result<void> {
        return accounts::insert(tx, {&account, 1});
    }));
    const std::vector<NewAccount> both = {other, account};
    const auto again =
        write([&](storage::Transaction& tx) -> Result<void> { return accounts::insert(tx, both); });
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code(), ErrorCode::Conflict);
    EXPECT_EQ(number("SELECT COUNT(*) FROM pool_accounts"), 1);
}

TEST_P(AccountRepositoryTest, LockingTakesTheLongestUnusedFirst) {
    open();
    grow_to(3);
    const auto first = request(1);
    ASSERT_EQ(post("/release", "{}").status, 200);
    const auto second = request(2);
    for (const auto& account : second.accounts) EXPECT_NE(account.id, first.accounts[0].id);
}

TEST_P(AccountRepositoryTest, LocksWithoutATimeOrAnIdAreRefusedByTheTables) {
    open();
    grow_to(1);
    for (const char* const sql :
         {"UPDATE pool_accounts SET locked_by = 'x'",
          "UPDATE pool_account_balances SET amount = -1"}) {
        const auto changed = write([&](storage::Transaction& tx) -> Result<void> {
            TRY_VOID(tx.execute(sql, {}));
            return {};
        });
        ASSERT_FALSE(changed) << sql;
        EXPECT_EQ(changed.error().reason(), "check") << sql;
    }
}

TEST_P(AccountRepositoryTest, StatisticsFollowEveryKindOfChange) {
    open();
    grow_to(6);
    const auto held = request(4, "holder");
    const auto& id = held.accounts[0].id;
    ASSERT_EQ(
        post("/balance", "{\"account_id\":\"" + id + "\",\"absolute\":9007199254740991}", "holder")
            .status,
        200);
    ASSERT_EQ(
        post(
            "/balance",
            "{\"account_id\":\"" + held.accounts[1].id +
                "\",\"absolute\":9007199254740991,\"token\":\"FOO\"}",
            "holder")
            .status,
        200);
    expect_consistent();
    execute("UPDATE pool_accounts SET is_retiring = true WHERE id = '" + id + "'");
    expect_consistent();
    ASSERT_EQ(post("/release", "{}", "holder").status, 200);
    expect_consistent();
    execute(
        "UPDATE pool_account_balances SET amount = 5 WHERE account_id = '" + held.accounts[1].id +
        "' AND token_type = 'FOO'");
    expect_consistent();
    execute("DELETE FROM pool_account_balances WHERE account_id = '" + id + "'");
    expect_consistent();
    execute("DELETE FROM pool_accounts WHERE id = '" + held.accounts[1].id + "'");
    expect_consistent();
    EXPECT_EQ(number("SELECT COUNT(*) FROM pool_account_balances"), 8);
}

TEST_P(AccountRepositoryTest, SumsPastSixtyFourBitsAreShownAsTheLargestNumber) {
    open();
    grow_to(3);
    // 2^53 - 1 fits; the sum of the parts is kept exactly however large it is.
    execute(
        "UPDATE pool_token_stats SET total_hi = 2147483648, total_lo = 7 WHERE token_type = 'GAS'");
    const auto info = get("/pool-info");
    ASSERT_EQ(info.status, 200);
    EXPECT_EQ(
        info.at("token_stats").find("GAS")->find("total_balance")->number_text(),
        "9223372036854775807");
    execute("UPDATE pool_token_stats SET total_hi = 0, total_lo = 0");
}

TEST_P(SqlitePlanTest, FreeAccountsAreFoundThroughTheirIndex) {
    open();
    const auto plan = run(database().read([](storage::Transaction& tx) -> Result<std::string> {
        TRY(const auto rows,
            tx.query(
                "EXPLAIN QUERY PLAN SELECT a.id FROM pool_accounts AS a WHERE a.locked_by IS NULL "
                "AND NOT a.is_retiring ORDER BY a.last_used_at, a.id LIMIT 5",
                {}));
        return rows.text(0, 3);
    }));
    ASSERT_TRUE(plan);
    EXPECT_NE(plan->find("pool_accounts_free"), std::string::npos) << *plan;
}

ADYTON_ON_ALL_DATABASES(AccountRepositoryTest);
INSTANTIATE_TEST_SUITE_P(
    Databases, SqlitePlanTest, ::testing::Values(storage::TestBackend::Sqlite));

}  // namespace
}  // namespace adyton::pool
