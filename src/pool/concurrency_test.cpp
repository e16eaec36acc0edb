#include <gtest/gtest.h>

#include <map>
#include <set>

#include "pool/internal/service_parts.h"
#include "pool/test_pool.h"

// Three processes of one pool on one database, all callers at once.
namespace adyton::pool {
namespace {

// One account, from the answer that gave it to the answer that took it back.
struct Tenure {
    std::string account;
    std::string service;
    std::int64_t fencing;
};

class ConcurrencyTest : public PoolTest {
public:
    void open_three(TestPoolOptions options) {
        for (int i = 0; i < 3; ++i) {
            options.instance = "test-" + std::to_string(i + 1);
            options.seed = static_cast<std::uint64_t>(i) * 100 + 5;
            databases_.push_back(test().open_another());
            pools_.push_back(open_another(*databases_.back(), options));
        }
    }
    void TearDown() override {
        pools_.clear();
        databases_.clear();
        PoolTest::TearDown();
    }

    std::vector<std::unique_ptr<TestPool>>& pools() { return pools_; }

private:
    std::vector<std::unique_ptr<storage::Database>> databases_;
    std::vector<std::unique_ptr<TestPool>> pools_;
};

struct Shared {
    std::map<std::string, std::string> owners;  // account to service, between the answers
    std::map<std::string, std::int64_t> last_fencing;
    std::map<std::string, std::int64_t> balances;
    std::int64_t signatures = 0;
    std::int64_t exhausted = 0;
};

void take_ownership(
    Shared& shared, const std::string& service, const api::AllocationResponse& allocation) {
    for (const auto& account : allocation.accounts) {
        EXPECT_TRUE(shared.owners.emplace(account.id, service).second)
            << account.id << " is given to " << service << " and " << shared.owners[account.id];
        EXPECT_GT(account.fencing, shared.last_fencing[account.id]);
        shared.last_fencing[account.id] = account.fencing;
    }
}

Task<bool> use_accounts(
    Shared& shared, TestPool& pool, std::string service, api::AllocationResponse allocation) {
    for (const auto& account : allocation.accounts) {
        TestCall signing{
            "POST",
            "/sign",
            service,
            "{\"account_id\":\"" + account.id + "\",\"tx_hash\":\"" + kDigest +
                "\",\"fencing\":" + std::to_string(account.fencing) + "}",
            {}};
        auto sign = pool.call(std::move(signing));
        const auto signature = co_await std::move(sign);
        EXPECT_EQ(signature.status, 200) << signature.text;
        ++shared.signatures;
        TestCall paying{
            "POST", "/balance", service, "{\"account_id\":\"" + account.id + "\",\"delta\":1}", {}};
        auto pay = pool.call(std::move(paying));
        const auto paid = co_await std::move(pay);
        EXPECT_EQ(paid.status, 200) << paid.text;
        ++shared.balances[account.id];
    }
    co_return true;
}

Task<bool> call_for_a_while(
    Shared& shared, std::vector<std::unique_ptr<TestPool>>& pools, std::string service,
    std::uint64_t seed) {
    base::SeededRandom random(seed);
    for (int round = 0; round < 5; ++round) {
        TestPool& pool = *pools[random.below(pools.size())];
        TestCall asking{
            "POST",
            "/request",
            service,
            "{\"count\":" + std::to_string(1 + random.below(6)) + "}",
            {}};
        auto ask = pool.call(std::move(asking));
        const auto answer = co_await std::move(ask);
        if (answer.status != 200) {
            EXPECT_EQ(answer.status, 503) << answer.text;
            ++shared.exhausted;
            continue;
        }
        const auto allocation = api::parse_allocation_response(answer.body);
        if (!allocation) co_return false;
        take_ownership(shared, service, *allocation);
        auto use = use_accounts(shared, *pools[random.below(pools.size())], service, *allocation);
        co_await std::move(use);
        // From the moment of asking, others may have them.
        for (const auto& account : allocation->accounts) shared.owners.erase(account.id);
        TestCall returning{
            "POST", "/release", service, "{\"lock_id\":\"" + allocation->lock_id + "\"}", {}};
        auto give_back = pools[random.below(pools.size())]->call(std::move(returning));
        const auto released = co_await std::move(give_back);
        EXPECT_EQ(
            released.text,
            "{\"released_count\":" + std::to_string(allocation->accounts.size()) + "}\n");
    }
    co_return true;
}

TEST_P(ConcurrencyTest, ThreeProcessesNeverShareAnAccountNorPassTheMaximum) {
    TestPoolOptions options = small_pool(40);
    open_three(options);
    Shared shared;
    std::vector<Task<bool>> callers;
    for (std::uint64_t i = 0; i < 16; ++i) {
        callers.push_back(
            call_for_a_while(shared, pools(), "svc-" + std::to_string(i), i * 7919 + 1));
    }
    for (const bool finished : test().run_all(std::move(callers))) EXPECT_TRUE(finished);
    expect_consistent();
    EXPECT_LE(number("SELECT COUNT(*) FROM pool_accounts"), 40);
    EXPECT_EQ(number("SELECT COUNT(*) FROM pool_accounts WHERE locked_by IS NOT NULL"), 0);
    std::int64_t paid = 0;
    for (const auto& [account, amount] : shared.balances) paid += amount;
    EXPECT_EQ(
        number("SELECT CAST(SUM(amount) AS BIGINT) FROM pool_account_balances "
               "WHERE token_type = 'GAS'"),
        paid);
    EXPECT_EQ(static_cast<std::int64_t>(audit_bodies("pool.sign").size()), shared.signatures);
    EXPECT_GT(shared.signatures, 100);
}

TEST_P(ConcurrencyTest, ThreeProcessesThatGrowTogetherReachTheTargetExactly) {
    TestPoolOptions options = small_pool(70);
    options.pool.create_step = 8;
    open_three(options);
    std::vector<Task<TestAnswer>> calls;
    for (int i = 0; i < 9; ++i) {
        calls.push_back(pools()[static_cast<std::size_t>(i % 3)]->call(
            {"POST", "/grow", "op", "{\"to\":" + std::to_string(50 + i) + "}", {}}));
    }
    for (const auto& answer : test().run_all(std::move(calls))) {
        EXPECT_EQ(answer.status, 200) << answer.text;
    }
    EXPECT_EQ(number("SELECT COUNT(*) FROM pool_accounts"), 58);
}

TEST_P(ConcurrencyTest, TheSameIdempotencyKeyAtThreeProcessesHasOneEffect) {
    open_three(small_pool());
    std::vector<Task<TestAnswer>> calls;
    for (int i = 0; i < 9; ++i) {
        calls.push_back(pools()[static_cast<std::size_t>(i % 3)]->call(
            {"POST", "/request", "svc", "{\"count\":2}", {{"Idempotency-Key", "one"}}}));
    }
    const auto answers = test().run_all(std::move(calls));
    for (const auto& answer : answers) {
        EXPECT_EQ(answer.status, 200) << answer.text;
        EXPECT_EQ(answer.text, answers[0].text);
    }
    EXPECT_EQ(number("SELECT COUNT(*) FROM pool_accounts WHERE locked_by = 'svc'"), 2);
}

INSTANTIATE_TEST_SUITE_P(
    Databases, ConcurrencyTest,
    ::testing::Values(
        storage::TestBackend::Postgres, storage::TestBackend::Sqlite,
        storage::TestBackend::SqliteSimulated),
    [](const ::testing::TestParamInfo<storage::TestBackend>& backend) {
        return storage::to_string(backend.param);
    });

}  // namespace
}  // namespace adyton::pool
