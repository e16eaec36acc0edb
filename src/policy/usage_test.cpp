#include "policy/internal/usage.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>

#include "base/random.h"

namespace adyton::policy::internal {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

base::Timestamp at(std::string_view text) {
    return base::parse_rfc3339(text).value();
}
Limit limit_of(WindowKind kind, base::Duration window, std::uint64_t max) {
    Limit limit{"s", "m", window, Amount(max), "r"};
    limit.kind = kind;
    return limit;
}
bool takes(Usage& usage, const Limit& limit, std::uint64_t amount, base::Timestamp now) {
    return !usage.add(limit, Amount(amount), now).value().has_value();
}

TEST(UsageTest, AMonthIsACalendarMonth) {
    const Limit limit = limit_of(WindowKind::Month, {}, 10);
    Usage usage;
    EXPECT_TRUE(takes(usage, limit, 10, at("2028-02-29T23:59:59.999999Z")));
    EXPECT_FALSE(takes(usage, limit, 1, at("2028-02-01T00:00:00Z")));
    EXPECT_TRUE(takes(usage, limit, 10, at("2028-03-01T00:00:00Z")));
    EXPECT_FALSE(takes(usage, limit, 1, at("2028-03-31T23:59:59Z")));
    EXPECT_TRUE(takes(usage, limit, 10, at("2028-12-31T23:59:59Z")));
    const auto refusal = usage.add(limit, Amount(1), at("2028-12-31T23:59:00Z")).value();
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->retry_after, minutes(1));
    EXPECT_EQ(
        refusal->to_error().message(), "limit of rule \"r\" reached: 10 of 10 m used in month");
    EXPECT_TRUE(takes(usage, limit, 10, at("2029-01-01T00:00:00Z")));
}

TEST(UsageTest, AFixedHourEndsWithTheClocksHour) {
    const Limit limit = limit_of(WindowKind::Fixed, hours(1), 10);
    Usage usage;
    EXPECT_TRUE(takes(usage, limit, 10, at("2026-11-21T10:00:00Z")));
    EXPECT_FALSE(takes(usage, limit, 1, at("2026-11-21T10:59:59.999999Z")));
    EXPECT_TRUE(takes(usage, limit, 10, at("2026-11-21T11:00:00Z")));
}

TEST(UsageTest, ARollingHourHoldsAcrossTheBorder) {
    const Limit limit = limit_of(WindowKind::Rolling, hours(1), 10);
    Usage usage;
    EXPECT_TRUE(takes(usage, limit, 10, at("2026-11-21T10:59:30Z")));
    EXPECT_FALSE(takes(usage, limit, 1, at("2026-11-21T11:00:00Z")));
    EXPECT_FALSE(takes(usage, limit, 1, at("2026-11-21T11:59:29Z")));
    EXPECT_FALSE(takes(usage, limit, 1, at("2026-11-21T11:59:59Z")));
    EXPECT_TRUE(takes(usage, limit, 10, at("2026-11-21T12:00:00Z")));
    const auto refusal = usage.add(limit, Amount(1), at("2026-11-21T12:00:20Z")).value();
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->retry_after, seconds(40));
}

TEST(UsageTest, ARollingDayCountsInQuartersOfAnHour) {
    const Limit limit = limit_of(WindowKind::Rolling, hours(24), 10);
    Usage usage;
    EXPECT_TRUE(takes(usage, limit, 4, at("2026-11-20T10:14:00Z")));
    EXPECT_TRUE(takes(usage, limit, 6, at("2026-11-21T09:00:00Z")));
    EXPECT_FALSE(takes(usage, limit, 1, at("2026-11-21T10:14:59Z")));
    EXPECT_TRUE(takes(usage, limit, 4, at("2026-11-21T10:15:00Z")));
    EXPECT_FALSE(takes(usage, limit, 1, at("2026-11-21T10:15:00Z")));
}

// The promise, checked on every stretch of the window's length that ends with a charge.
TEST(UsageTest, NoStretchOfARollingWindowHoldsMoreThanTheCap) {
    base::SeededRandom random(7);
    for (const base::Duration window : {base::Duration(hours(1)), base::Duration(hours(24))}) {
        const Limit limit = limit_of(WindowKind::Rolling, window, 100);
        const std::int64_t window_us = to_micros(window);
        const std::int64_t slice_us = window == hours(1) ? 60'000'000 : 900'000'000;
        Usage usage;
        std::map<std::int64_t, std::uint64_t> granted;
        std::int64_t now_us = to_micros(at("2026-11-21T00:00:00Z"));
        for (int i = 0; i < 3000; ++i) {
            now_us +=
                static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(slice_us / 2))) +
                1;
            const base::Timestamp now{std::chrono::microseconds(now_us)};
            const std::uint64_t amount = 1 + random.below(30);
            const auto sum_from = [&](std::int64_t from) {
                std::uint64_t sum = 0;
                for (auto it = granted.lower_bound(from); it != granted.end(); ++it) {
                    sum += it->second;
                }
                return sum;
            };
            const std::int64_t oldest = now_us / slice_us * slice_us - window_us;
            const bool fits = sum_from(oldest) + amount <= 100;
            ASSERT_EQ(takes(usage, limit, amount, now), fits) << i;
            if (fits) granted[now_us] += amount;
            ASSERT_LE(sum_from(now_us - window_us), 100U);
            usage.forget_ended(now);
        }
        EXPECT_LT(usage.size(), 200U);
    }
}

TEST(UsageTest, EndedWindowsAreForgottenAfterAGrace) {
    Usage usage;
    const base::Timestamp now = at("2026-11-21T10:30:00Z");
    ASSERT_TRUE(takes(usage, limit_of(WindowKind::Fixed, hours(1), 9), 1, now));
    ASSERT_TRUE(takes(usage, limit_of(WindowKind::Fixed, {}, 9), 1, now));
    ASSERT_TRUE(takes(usage, limit_of(WindowKind::Month, {}, 9), 1, now));
    ASSERT_TRUE(takes(usage, limit_of(WindowKind::Rolling, hours(1), 9), 1, now));
    ASSERT_TRUE(takes(usage, limit_of(WindowKind::Rolling, hours(24), 9), 1, now));
    EXPECT_EQ(usage.size(), 5U);
    usage.forget_ended(at("2026-11-21T11:59:59Z"));
    EXPECT_EQ(usage.size(), 5U);
    usage.forget_ended(at("2026-11-21T12:00:00Z"));
    EXPECT_EQ(usage.size(), 4U);
    usage.forget_ended(at("2026-12-30T00:00:00Z"));
    EXPECT_EQ(usage.size(), 2U);
    usage.forget_ended(at("2027-02-01T00:00:00Z"));
    EXPECT_EQ(usage.size(), 1U);
    // A clock set back by less than a window finds what was charged.
    Usage again;
    const Limit hourly = limit_of(WindowKind::Fixed, hours(1), 9);
    ASSERT_TRUE(takes(again, hourly, 9, at("2026-11-21T09:59:00Z")));
    again.forget_ended(at("2026-11-21T10:05:00Z"));
    EXPECT_FALSE(takes(again, hourly, 1, at("2026-11-21T09:55:00Z")));
    // Sliding windows count what seems to lie ahead.
    const Limit rolling = limit_of(WindowKind::Rolling, hours(1), 9);
    ASSERT_TRUE(takes(again, rolling, 9, at("2026-11-21T10:05:00Z")));
    EXPECT_FALSE(takes(again, rolling, 1, at("2026-11-21T09:30:00Z")));
}

TEST(UsageTest, GivingBackLeavesForgottenWindowsAlone) {
    Usage usage;
    const base::Timestamp now = at("2026-11-21T10:30:00Z");
    const Limit hourly = limit_of(WindowKind::Fixed, hours(1), 9);
    const Limit total = limit_of(WindowKind::Fixed, {}, 9);
    ASSERT_TRUE(takes(usage, hourly, 5, now));
    ASSERT_TRUE(takes(usage, total, 5, now));
    EXPECT_TRUE(usage.take_back(counter_of(hourly, now), Amount(2)));
    EXPECT_EQ(usage.used(hourly, now).value(), Amount(3));
    EXPECT_FALSE(usage.take_back(counter_of(hourly, now), Amount(4)));
    EXPECT_TRUE(usage.take_back(counter_of(hourly, now), Amount(3)));
    EXPECT_EQ(usage.size(), 1U);
    EXPECT_TRUE(usage.take_back(counter_of(hourly, now), Amount(1)));
    EXPECT_TRUE(usage.take_back(counter_of(total, now), Amount(5)));
    EXPECT_EQ(
        usage.take_back(counter_of(total, now), Amount(1)).error().code(), ErrorCode::CorruptData);
}

TEST(UsageTest, TheBytesReadBackAndNothingElseDoes) {
    Usage usage;
    const base::Timestamp now = at("2026-11-21T10:30:00Z");
    EXPECT_EQ(Usage::decode(usage.encode()).value(), usage);
    ASSERT_TRUE(takes(usage, limit_of(WindowKind::Fixed, hours(1), 9), 1, now));
    ASSERT_TRUE(takes(usage, limit_of(WindowKind::Rolling, hours(1), 9), 2, now));
    const base::Bytes bytes = usage.encode();
    EXPECT_EQ(Usage::decode(bytes).value(), usage);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        EXPECT_FALSE(Usage::decode(base::ByteView(bytes).first(i))) << i;
    }
    base::Bytes longer = bytes;
    longer.push_back(0);
    EXPECT_FALSE(Usage::decode(longer));
    base::Bytes other = bytes;
    other[0] = 2;
    EXPECT_FALSE(Usage::decode(other));
    const std::vector<StoredCharge> charges = {
        {"s", counter_of({"s", "m", hours(1), {}, "r"}, now), Amount(5)}};
    EXPECT_EQ(decode_charges(encode_charges(charges)).value(), charges);
    base::Bytes cut = encode_charges(charges);
    cut.pop_back();
    EXPECT_FALSE(decode_charges(cut));
}

TEST(UsageTest, ASumAbove128BitsIsRefusedNotWrapped) {
    Usage usage;
    const Amount most = Amount::from_halves(~std::uint64_t{0}, ~std::uint64_t{0});
    Limit limit = limit_of(WindowKind::Rolling, hours(1), 0);
    limit.max = most;
    ASSERT_FALSE(usage.add(limit, most, at("2026-11-21T10:30:00Z")).value());
    EXPECT_EQ(
        usage.add(limit, Amount(1), at("2026-11-21T10:31:00Z")).error().code(),
        ErrorCode::Unprocessable);
}

}  // namespace
}  // namespace adyton::policy::internal
