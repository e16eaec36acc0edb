#include "base/amount.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace adyton::base {
namespace {

constexpr const char* kMax = "340282366920938463463374607431768211455";

TEST(AmountTest, ReadsAndWritesEveryEdge) {
    for (const char* text :
         {"0", "1", "9", "10", "9223372036854775807", "9223372036854775808", "18446744073709551615",
          "18446744073709551616", kMax}) {
        const auto amount = Amount::parse(text);
        ASSERT_TRUE(amount) << text;
        EXPECT_EQ(amount->to_string(), text);
        EXPECT_EQ(amount->to_padded().size(), Amount::kDigitsMax);
        EXPECT_EQ(Amount::parse(amount->to_padded()).value(), *amount);
    }
}

TEST(AmountTest, RefusesEverythingElse) {
    for (const char* text : {"", "-1", "+1", "01", "00", "1.0", "1e3", " 1", "1 ", "0x10", "abc"}) {
        const auto refused = Amount::parse(text);
        ASSERT_FALSE(refused) << text;
        EXPECT_EQ(refused.error().code(), ErrorCode::InvalidArgument) << text;
    }
    for (const char* text :
         {"340282366920938463463374607431768211456", "999999999999999999999999999999999999999",
          "1000000000000000000000000000000000000000"}) {
        const auto refused = Amount::parse(text);
        ASSERT_FALSE(refused) << text;
        EXPECT_EQ(refused.error().code(), ErrorCode::Unprocessable) << text;
    }
}

TEST(AmountTest, AdditionStopsAtTheTopAndSubtractionAtZero) {
    const Amount top = Amount::parse(kMax).value();
    EXPECT_EQ(top.plus(Amount(1)), std::nullopt);
    EXPECT_EQ(top.plus(Amount()), top);
    EXPECT_EQ(top.minus(top), Amount());
    EXPECT_EQ(Amount().minus(Amount(1)), std::nullopt);
    EXPECT_EQ(top.minus(Amount(1))->plus(Amount(1)), top);
    EXPECT_EQ(top.plus(top), std::nullopt);
}

TEST(AmountTest, PaddedTextSortsLikeTheNumbers) {
    base::SeededRandom random(3);
    for (int i = 0; i < 1000; ++i) {
        const Amount a(random.next() >> random.below(64));
        const Amount b(random.next() >> random.below(64));
        EXPECT_EQ(a < b, a.to_padded() < b.to_padded());
        EXPECT_EQ(a.plus(b)->minus(b), a);
    }
}

}  // namespace
}  // namespace adyton::base
