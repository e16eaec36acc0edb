#include "workflow/lease.h"

#include <gtest/gtest.h>

#include "workflow/workflow_test_support.h"

namespace adyton::workflow {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using storage::Transaction;

class LeaseTest : public WorkflowDatabaseTest {
protected:
    std::optional<Lease> acquire(const std::string& holder, base::Duration duration = minutes(1)) {
        const auto lease =
            write([&](Transaction& tx) { return acquire_lease(tx, "job", holder, duration); });
        EXPECT_TRUE(lease) << lease.error().message();
        return lease ? *lease : std::nullopt;
    }
    Result<void> check(const Lease& lease) {
        return write([&](Transaction& tx) { return check_lease(tx, lease); });
    }
    Result<Lease> renew(const Lease& lease, base::Duration duration = minutes(1)) {
        return write([&](Transaction& tx) { return renew_lease(tx, lease, duration); });
    }
    Result<void> release(const Lease& lease) {
        return write([&](Transaction& tx) { return release_lease(tx, lease); });
    }
};

TEST_P(LeaseTest, OnlyOneHolderAtATime) {
    const auto lease = acquire("a");
    ASSERT_TRUE(lease);
    EXPECT_EQ(lease->fencing, 1);
    EXPECT_FALSE(acquire("b"));
    EXPECT_TRUE(check(*lease));
    const auto stored = write([](Transaction& tx) { return find_lease(tx, "job"); });
    ASSERT_TRUE(stored.value());
    EXPECT_EQ((*stored)->holder, "a");
    EXPECT_EQ((*stored)->expires_at, lease->expires_at);
    EXPECT_FALSE(write([](Transaction& tx) { return find_lease(tx, "other"); }).value());
}

TEST_P(LeaseTest, ReleaseLetsAnotherInWithAHigherFencingNumber) {
    const auto first = acquire("a");
    ASSERT_TRUE(release(*first));
    EXPECT_EQ(check(*first).error().reason(), "lease_lost");
    const auto second = acquire("b");
    ASSERT_TRUE(second);
    EXPECT_EQ(second->fencing, 2);
    // The late release and renewal of the first holder change nothing.
    ASSERT_TRUE(release(*first));
    EXPECT_EQ(renew(*first).error().reason(), "lease_lost");
    EXPECT_TRUE(check(*second));
}

TEST_P(LeaseTest, AnExpiredLeaseIsLostEvenIfNobodyTookIt) {
    const auto lease = acquire("a", milliseconds(20));
    ASSERT_TRUE(lease);
    sleep(milliseconds(40));
    EXPECT_EQ(check(*lease).error().reason(), "lease_lost");
    EXPECT_EQ(renew(*lease).error().code(), ErrorCode::Conflict);
    const auto next = acquire("b");
    ASSERT_TRUE(next);
    EXPECT_EQ(next->fencing, 2);
}

TEST_P(LeaseTest, RenewalKeepsItAlive) {
    auto lease = acquire("a", minutes(1));
    const auto renewed = renew(*lease, minutes(5));
    ASSERT_TRUE(renewed) << renewed.error().message();
    EXPECT_EQ(renewed->fencing, lease->fencing);
    EXPECT_GT(renewed->expires_at, lease->expires_at + minutes(3));
    EXPECT_FALSE(acquire("b"));
}

TEST_P(LeaseTest, TheSameHolderAfterARestartFencesItsOldSelfOff) {
    const auto before = acquire("a");
    const auto after = acquire("a");
    ASSERT_TRUE(after);
    EXPECT_EQ(after->fencing, before->fencing + 1);
    EXPECT_EQ(check(*before).error().reason(), "lease_lost");
    EXPECT_TRUE(check(*after));
}

TEST_P(LeaseTest, AFailedUnitTakesNothing) {
    EXPECT_FALSE(write([](Transaction& tx) -> Result<void> {
        TRY_VOID(acquire_lease(tx, "job", "a", minutes(1)));
        return Error::internal("no");
    }));
    EXPECT_EQ(acquire("b")->fencing, 1);
}

TEST_P(LeaseTest, ManyInstancesAtOnceAndOneWins) {
    const auto other = test().open_another();
    for (int round = 1; round <= 3; ++round) {
        std::vector<Task<Result<std::optional<Lease>>>> tasks;
        for (int i = 0; i < 20; ++i) {
            storage::Database& at = i % 2 == 0 ? database() : *other;
            tasks.push_back(at.write([i](Transaction& tx) {
                return acquire_lease(tx, "job", "holder-" + std::to_string(i), minutes(1));
            }));
        }
        std::optional<Lease> winner;
        for (const auto& lease : test().run_all(std::move(tasks))) {
            ASSERT_TRUE(lease) << lease.error().message();
            if (!*lease) continue;
            EXPECT_FALSE(winner);
            winner = *lease;
        }
        ASSERT_TRUE(winner);
        EXPECT_EQ(winner->fencing, round);
        ASSERT_TRUE(release(*winner));
    }
}

ADYTON_ON_ALL_DATABASES(LeaseTest);

}  // namespace
}  // namespace adyton::workflow
