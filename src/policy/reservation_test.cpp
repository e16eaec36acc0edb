#include "policy/reservation.h"

#include <gtest/gtest.h>

#include "policy/policy_test_support.h"

namespace adyton::policy {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using storage::Transaction;

Limit rate(std::uint64_t max, std::string subject = "service:a") {
    return {std::move(subject), "signatures", hours(24), Amount(max), "r"};
}
Limit total(std::string_view max, std::string metric = "gas") {
    return {"service:a", std::move(metric), {}, Amount::parse(max).value(), "r"};
}

class ReservationTest : public PolicyDatabaseTest {
protected:
    Result<std::optional<Refusal>> take(const Limit& limit, std::int64_t amount) {
        return write([&](Transaction& tx) { return consume(tx, limit, amount); });
    }
    Result<std::optional<Refusal>> reserve(const std::string& id, std::vector<Charge> charges) {
        return write([&](Transaction& tx) { return policy::reserve(tx, id, charges); });
    }
    Result<void> commit(const std::string& id) {
        return write([&](Transaction& tx) { return commit_reservation(tx, id); });
    }
    Result<void> give_back(const std::string& id) {
        return write([&](Transaction& tx) { return give_back_reservation(tx, id); });
    }
    std::string used(const Limit& limit) {
        return write([&](Transaction& tx) { return reserved_total(tx, limit); })
            .value()
            .to_string();
    }
};

TEST_P(ReservationTest, ARateGrantsUpToItsMaximumExactly) {
    EXPECT_FALSE(take(rate(10), 7).value());
    EXPECT_FALSE(take(rate(10), 3).value());
    const auto refused = take(rate(10), 1);
    ASSERT_TRUE(refused && *refused);
    EXPECT_EQ((*refused)->used, Amount(10));
    EXPECT_EQ((*refused)->max, Amount(10));
    EXPECT_GT((*refused)->retry_after, base::Duration::zero());
    EXPECT_LE((*refused)->retry_after, hours(24));
    const Error error = (*refused)->to_error();
    EXPECT_EQ(error.code(), ErrorCode::ResourceExhausted);
    EXPECT_EQ(error.reason(), "policy_rate");
    EXPECT_EQ(error.message(), "limit of rule \"r\" reached: 10 of 10 signatures used in 24h0m0s");
    // Another subject has its own count; a raised maximum counts at once.
    EXPECT_FALSE(take(rate(10, "service:b"), 10).value());
    EXPECT_FALSE(take(rate(11), 1).value());
    EXPECT_TRUE(take(rate(5), 1).value());
}

TEST_P(ReservationTest, MoreThanTheMaximumAtOnceIsRefusedAndCountsNothing) {
    const auto refused = take(rate(10), 11);
    ASSERT_TRUE(refused && *refused);
    EXPECT_EQ((*refused)->used, Amount());
    EXPECT_FALSE(take(rate(10), 10).value());
    EXPECT_TRUE(take(rate(0), 1).value());
}

TEST_P(ReservationTest, AFailedUnitGivesItsCountBack) {
    EXPECT_FALSE(write([&](Transaction& tx) -> Result<void> {
        TRY_VOID(consume(tx, rate(10), 10));
        return Error::conflict("no");
    }));
    EXPECT_FALSE(take(rate(10), 10).value());
}

TEST_P(ReservationTest, ARefusalLeavesTheUnitFreeToCommit) {
    ASSERT_FALSE(take(rate(1), 1).value());
    const auto unit = write([&](Transaction& tx) -> Result<void> {
        TRY(const auto refusal, consume(tx, rate(1), 1));
        EXPECT_TRUE(refusal);
        TRY_VOID(consume(tx, rate(1, "service:b"), 1));
        return {};
    });
    EXPECT_TRUE(unit);
    EXPECT_EQ(count("policy_rates"), 2);
}

TEST_P(ReservationTest, SeveralRatesAreTakenAllOrNone) {
    const std::vector<Consumption> wide = {
        {rate(10, "service:a"), 4}, {rate(3, "service:b"), 4}, {rate(10, "service:c"), 4}};
    const auto refused = write([&](Transaction& tx) { return consume_all(tx, wide); });
    ASSERT_TRUE(refused && *refused) << refused.error().message();
    EXPECT_EQ((*refused)->subject, "service:b");
    EXPECT_FALSE(take(rate(10, "service:a"), 10).value());
    EXPECT_FALSE(take(rate(10, "service:c"), 10).value());
    const std::vector<Consumption> fits = {{rate(3, "service:b"), 3}, {rate(9, "service:d"), 1}};
    EXPECT_FALSE(write([&](Transaction& tx) { return consume_all(tx, fits); }).value());
}

TEST_P(ReservationTest, ARateIsExactWithManyCallersOnTwoInstances) {
    const auto other = test().open_another();
    std::vector<Task<Result<std::optional<Refusal>>>> tasks;
    for (int i = 0; i < 60; ++i) {
        storage::Database& at = i % 2 == 0 ? database() : *other;
        tasks.push_back(at.write([](Transaction& tx) { return consume(tx, rate(100), 7); }));
    }
    int granted = 0;
    for (const auto& refusal : test().run_all(std::move(tasks))) {
        ASSERT_TRUE(refusal) << refusal.error().message();
        if (!*refusal) ++granted;
    }
    EXPECT_EQ(granted, 14);
}

// Where the clock can be moved.
class RateWindowTest : public ReservationTest {};

TEST_P(RateWindowTest, AWindowBeginsAnewAndOldOnesAreForgotten) {
    Limit limit = rate(5);
    limit.window = minutes(1);
    ASSERT_FALSE(take(limit, 5).value());
    const auto refused = take(limit, 1);
    ASSERT_TRUE(*refused);
    test().sim()->run_for((*refused)->retry_after - seconds(1));
    EXPECT_TRUE(take(limit, 1).value());
    test().sim()->run_for(seconds(1));
    EXPECT_FALSE(take(limit, 5).value());
    ASSERT_FALSE(take(total("9"), 1).value());  // no window: never forgotten
    test().sim()->run_for(minutes(2));
    EXPECT_EQ(write([](Transaction& tx) { return remove_ended_rates(tx, 1); }).value(), 1);
    EXPECT_EQ(write([](Transaction& tx) { return remove_ended_rates(tx, 100); }).value(), 1);
    EXPECT_EQ(count("policy_rates"), 1);
}

TEST_P(ReservationTest, WhatFailedForGoodGivesItsAmountsBackAndKeepsItsRates) {
    Limit rate_limit = rate(10);
    rate_limit.metric = "rule \"r\" operations";
    Limit gas = total("100");
    gas.metric = "spend GAS";
    Limit gas_of_rule = gas;
    gas_of_rule.metric = "rule \"r\" spend GAS";
    const std::vector<Charge> charges = {
        {total("100"), Amount(60)},
        {rate_limit, Amount(1)},
        {gas, Amount(30)},
        {gas_of_rule, Amount(23)}};
    const auto commit_rates = [&](const std::string& id) {
        return write([&](Transaction& tx) {
            return commit_failed_reservation(tx, id, {"GAS", Amount(7)});
        });
    };
    ASSERT_FALSE(reserve("one", charges).value());
    ASSERT_TRUE(commit_rates("one"));
    EXPECT_EQ(used(total("100")), "0");
    EXPECT_EQ(used(rate_limit), "1");
    EXPECT_EQ(used(gas), "7") << "the fees of both that moved nothing";
    EXPECT_EQ(used(gas_of_rule), "0");
    ASSERT_FALSE(reserve("two", charges).value());
    ASSERT_TRUE(commit_rates("one")) << "twice is fine, and changes nothing";
    EXPECT_EQ(used(total("100")), "60");
    EXPECT_EQ(used(rate_limit), "2");
    EXPECT_EQ(give_back("one").error().reason(), "reservation_committed");
    ASSERT_TRUE(give_back("two"));
    EXPECT_EQ(used(rate_limit), "1");
    EXPECT_EQ(commit_rates("two").error().reason(), "reservation_given_back");
    EXPECT_EQ(commit_rates("three").error().code(), ErrorCode::NotFound);
}

TEST_P(ReservationTest, ReservedAmountsAreExactBeyond64Bits) {
    const std::string max = "340282366920938463463374607431768211455";
    const Limit limit = total(max);
    EXPECT_FALSE(
        reserve("one", {{limit, Amount::parse("340282366920938463463374607431768211454").value()}})
            .value());
    EXPECT_EQ(used(limit), "340282366920938463463374607431768211454");
    EXPECT_FALSE(reserve("two", {{limit, Amount(1)}}).value());
    EXPECT_EQ(used(limit), max);
    const auto over = reserve("three", {{limit, Amount(1)}});
    ASSERT_FALSE(over);
    EXPECT_EQ(over.error().code(), ErrorCode::Unprocessable);
    ASSERT_TRUE(give_back("one"));
    EXPECT_EQ(used(limit), "1");
}

TEST_P(ReservationTest, ARefusalReservesNothing) {
    const auto refused =
        reserve("one", {{total("100", "gas"), Amount(60)}, {total("10", "deposit"), Amount(11)}});
    ASSERT_TRUE(refused && *refused);
    EXPECT_EQ((*refused)->metric, "deposit");
    EXPECT_EQ((*refused)->to_error().reason(), "policy_total");
    EXPECT_EQ(used(total("100", "gas")), "0");
    EXPECT_EQ(
        write([](Transaction& tx) { return find_reservation(tx, "one"); }).error().code(),
        ErrorCode::NotFound);
    // The id is free again.
    EXPECT_FALSE(reserve("one", {{total("100", "gas"), Amount(60)}}).value());
    // Two charges against one counter add up.
    EXPECT_TRUE(reserve("two", {{total("100"), Amount(30)}, {total("100"), Amount(30)}}).value());
    EXPECT_EQ(used(total("100", "gas")), "60");
}

TEST_P(ReservationTest, ARepetitionReservesOnce) {
    const std::vector<Charge> charges = {{total("100"), Amount(60)}};
    EXPECT_FALSE(reserve("one", charges).value());
    EXPECT_FALSE(reserve("one", charges).value());
    EXPECT_EQ(used(total("100")), "60");
    const auto other = reserve("one", {{total("100"), Amount(61)}});
    EXPECT_EQ(other.error().reason(), "reservation_reused");
    EXPECT_FALSE(reserve("one", {}));
    ASSERT_TRUE(give_back("one"));
    EXPECT_EQ(reserve("one", charges).error().reason(), "reservation_reused");
}

TEST_P(ReservationTest, WhatIsCommittedStaysAndWhatIsGivenBackReturnsOnce) {
    ASSERT_FALSE(reserve("kept", {{total("100"), Amount(30)}}).value());
    ASSERT_FALSE(reserve("lost", {{total("100"), Amount(40)}}).value());
    EXPECT_TRUE(commit("kept"));
    EXPECT_TRUE(commit("kept"));
    EXPECT_EQ(give_back("kept").error().reason(), "reservation_committed");
    EXPECT_TRUE(give_back("lost"));
    EXPECT_TRUE(give_back("lost"));
    EXPECT_EQ(commit("lost").error().reason(), "reservation_given_back");
    EXPECT_EQ(used(total("100")), "30");
    EXPECT_EQ(commit("unknown").error().code(), ErrorCode::NotFound);
    EXPECT_EQ(give_back("unknown").error().code(), ErrorCode::NotFound);
    EXPECT_EQ(
        write([](Transaction& tx) { return find_reservation(tx, "lost"); })->state,
        ReservationState::GivenBack);
}

TEST_P(ReservationTest, AskingSaysWhatReservingWouldAndChangesNothing) {
    const auto ask = [&](const Limit& limit, std::uint64_t amount) {
        const std::vector<Charge> charges = {{limit, Amount(amount)}};
        return database().read([charges](Transaction& tx) { return probe(tx, charges); });
    };
    EXPECT_FALSE(run(ask(total("100"), 100)).value());
    ASSERT_FALSE(reserve("one", {{total("100"), Amount(60)}}).value());
    EXPECT_FALSE(run(ask(total("100"), 40)).value());
    const auto refused = run(ask(total("100"), 41));
    ASSERT_TRUE(refused && *refused);
    EXPECT_EQ((*refused)->used, Amount(60));
    EXPECT_EQ(used(total("100")), "60");
}

TEST_P(ReservationTest, DecidedOnesCanBeForgotten) {
    for (const std::string id : {"a", "b", "c"}) {
        ASSERT_FALSE(reserve(id, {{total("100"), Amount(1)}}).value());
    }
    ASSERT_TRUE(commit("a"));
    ASSERT_TRUE(give_back("b"));
    const auto removed = write([](Transaction& tx) -> Result<std::int64_t> {
        TRY(const base::Timestamp now, tx.now());
        return remove_decided_reservations(tx, now + seconds(1), 10);
    });
    EXPECT_EQ(removed.value(), 2);
    EXPECT_EQ(count("policy_reservations"), 1);
    EXPECT_EQ(used(total("100")), "2");
}

TEST_P(ReservationTest, UndecidedOnesAreListedOldestFirst) {
    for (const std::string id : {"a", "b", "c"}) {
        ASSERT_FALSE(reserve(id, {{total("100"), Amount(1)}}).value());
    }
    ASSERT_TRUE(commit("b"));
    const auto listed = write([](Transaction& tx) -> Result<std::vector<Reservation>> {
        TRY(const base::Timestamp now, tx.now());
        return list_undecided_reservations(tx, now + seconds(1), 10);
    });
    ASSERT_TRUE(listed);
    ASSERT_EQ(listed->size(), 2U);
    EXPECT_EQ(listed->at(0).id, "a");
    EXPECT_EQ(listed->at(1).id, "c");
    const auto none = write([](Transaction& tx) -> Result<std::vector<Reservation>> {
        return list_undecided_reservations(tx, base::Timestamp{}, 10);
    });
    EXPECT_TRUE(none->empty());
}

TEST_P(ReservationTest, ReservationsAreExactWithManyCallersOnTwoInstances) {
    const auto other = test().open_another();
    std::vector<Task<Result<std::optional<Refusal>>>> tasks;
    for (int i = 0; i < 40; ++i) {
        storage::Database& at = i % 2 == 0 ? database() : *other;
        tasks.push_back(at.write([i](Transaction& tx) {
            // Both counters, named in either order: no deadlock may come of it.
            std::vector<Charge> charges = {
                {total("100", "gas"), Amount(7)}, {total("1000", "deposit"), Amount(1)}};
            if (i % 4 < 2) std::swap(charges[0], charges[1]);
            return policy::reserve(tx, "id-" + std::to_string(i), charges);
        }));
    }
    int granted = 0;
    for (const auto& refusal : test().run_all(std::move(tasks))) {
        ASSERT_TRUE(refusal) << refusal.error().message();
        if (!*refusal) ++granted;
    }
    EXPECT_EQ(granted, 14);
    EXPECT_EQ(used(total("100", "gas")), "98");
    EXPECT_EQ(used(total("1000", "deposit")), "14");
}

TEST_P(ReservationTest, SerializeMakesACountTrueUntilTheCommit) {
    ASSERT_TRUE(write([](Transaction& tx) {
        return tx.execute_script("CREATE TABLE held (id BIGINT PRIMARY KEY)");
    }));
    const auto other = test().open_another();
    std::vector<Task<Result<bool>>> tasks;
    for (std::int64_t i = 0; i < 40; ++i) {
        storage::Database& at = i % 2 == 0 ? database() : *other;
        tasks.push_back(at.write([i](Transaction& tx) -> Result<bool> {
            TRY_VOID(serialize(tx, "service:a", "locked_accounts"));
            TRY(const auto rows, tx.query("SELECT count(*) FROM held", {}));
            TRY(const std::int64_t held, rows.integer(0, 0));
            if (held >= 5) return false;
            TRY_VOID(tx.execute("INSERT INTO held (id) VALUES ($1)", {i}));
            return true;
        }));
    }
    for (const auto& took : test().run_all(std::move(tasks))) {
        ASSERT_TRUE(took) << took.error().message();
    }
    EXPECT_EQ(count("held"), 5);
}

TEST_P(RateWindowTest, UsageReturnsToTheWindowItWasChargedIn) {
    Limit hourly = total("10");
    hourly.window = hours(1);
    Limit monthly = total("30");
    monthly.kind = WindowKind::Month;
    const auto take_both = [&](const std::string& id, std::uint64_t amount) {
        return reserve(id, {{hourly, Amount(amount)}, {monthly, Amount(amount)}});
    };
    ASSERT_FALSE(take_both("a", 10).value());
    const auto refused = take_both("b", 1);
    ASSERT_TRUE(refused && *refused);
    EXPECT_EQ((*refused)->to_error().reason(), "policy_rate");
    test().sim()->run_for((*refused)->retry_after);
    ASSERT_FALSE(take_both("c", 10).value());
    ASSERT_TRUE(give_back("a"));  // the hour of `a` is over, its month is not
    EXPECT_EQ(used(hourly), "10");
    EXPECT_EQ(used(monthly), "10");
    // A clock set back into the hour before does not open it again.
    test().sim()->shift_clock(-minutes(30));
    ASSERT_FALSE(take_both("d", 10).value());
    EXPECT_TRUE(take_both("e", 1).value());
    test().sim()->shift_clock(minutes(30));
    EXPECT_TRUE(take_both("f", 1).value());
    // A year on, everything has ended; giving back what was forgotten does no harm.
    test().sim()->run_for(hours(24 * 366));
    ASSERT_FALSE(take_both("g", 10).value());
    ASSERT_TRUE(give_back("c"));
    EXPECT_EQ(used(monthly), "10");
}

ADYTON_ON_ALL_DATABASES(ReservationTest);
INSTANTIATE_TEST_SUITE_P(
    Simulated, RateWindowTest, ::testing::Values(storage::TestBackend::SqliteSimulated));

}  // namespace
}  // namespace adyton::policy
