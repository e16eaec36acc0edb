#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "policy/policy_test_support.h"
#include "policy/reservation.h"

namespace adyton::policy {
namespace {

using storage::Transaction;

// A database with the tables as they were before migration 27.
class PolicyMigrationsTest : public storage::DatabaseTest {};

ADYTON_ON_ALL_DATABASES(PolicyMigrationsTest);

TEST_P(PolicyMigrationsTest, ReservationsAndTheirUsageLiveThroughTheNewTable) {
    ASSERT_TRUE(migrate_below(migrations(), 27));
    const Limit limit{"service:a", "gas", {}, Amount(100), "r"};
    const std::vector<Charge> charges = {{limit, Amount(10)}};
    ASSERT_TRUE(write([&](Transaction& tx) -> Result<void> {
        for (const std::string id : {"open", "kept", "lost"}) {
            TRY(const auto refusal, reserve(tx, id, charges));
            EXPECT_FALSE(refusal);
        }
        TRY_VOID(commit_reservation(tx, "kept"));
        return give_back_reservation(tx, "lost");
    }));
    ASSERT_EQ(migrate_below(migrations(), 100).value(), std::vector<int>{27});
    ASSERT_TRUE(write([&](Transaction& tx) -> Result<void> {
        TRY(const auto open, find_reservation(tx, "open"));
        TRY(const auto kept, find_reservation(tx, "kept"));
        TRY(const auto lost, find_reservation(tx, "lost"));
        EXPECT_EQ(open.state, ReservationState::Reserved);
        EXPECT_EQ(kept.state, ReservationState::Committed);
        EXPECT_EQ(lost.state, ReservationState::GivenBack);
        EXPECT_LE(open.created_at, kept.created_at);
        TRY_VOID(reserve(tx, "open", charges));  // the same charges still
        TRY_VOID(give_back_reservation(tx, "open"));
        TRY(const Amount used, reserved_total(tx, limit));
        EXPECT_EQ(used, Amount(10));
        TRY(const base::Timestamp now, tx.now());
        TRY(const auto removed, remove_decided_reservations(tx, now + std::chrono::seconds(1), 10));
        EXPECT_EQ(removed, 3);
        return {};
    }));
    const auto wrong = write([](Transaction& tx) {
        return tx.execute(
            "INSERT INTO policy_reservations (id, state, created_us, charges) "
            "VALUES ('x', 'other', 1, $1)",
            {base::Bytes(4)});
    });
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().reason(), "check");
}

}  // namespace
}  // namespace adyton::policy
