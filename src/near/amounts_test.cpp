#include "near/amounts.h"

#include <gtest/gtest.h>

namespace adyton::near {
namespace {

TEST(NearAmountsTest, ReadsDecimalTextOfEverySize) {
    for (const char* text :
         {"0", "7", "10", "30000000000000000000000", "340282366920938463463374607431768211455"}) {
        EXPECT_EQ(YoctoNear::parse(text).value().to_string(), text);
    }
    EXPECT_TRUE(YoctoNear::parse("0")->is_zero());
    EXPECT_EQ(Gas::parse("18446744073709551615")->units(), 18446744073709551615U);
    EXPECT_EQ(Gas::from_tgas(300).to_string(), "300000000000000");
}

TEST(NearAmountsTest, RefusesEveryOtherSpelling) {
    const std::string padded = "000000000000000000000000000000000000001";
    for (const std::string& text :
         {std::string(), std::string("+1"), std::string("-1"), std::string("01"), std::string("00"),
          std::string("1.0"), std::string("1e3"), std::string(" 1"), std::string("1 "),
          std::string("0x1"), std::string("1_000"), padded}) {
        const auto refused = YoctoNear::parse(text);
        ASSERT_FALSE(refused) << text;
        EXPECT_EQ(refused.error().code(), ErrorCode::InvalidArgument) << text;
        EXPECT_FALSE(Gas::parse(text)) << text;
    }
    EXPECT_EQ(
        YoctoNear::parse("340282366920938463463374607431768211456").error().code(),
        ErrorCode::Unprocessable);
    EXPECT_EQ(Gas::parse("18446744073709551616").error().code(), ErrorCode::Unprocessable);
}

TEST(NearAmountsTest, ADeltaHasTheRangeOfSigned128Bits) {
    for (const char* text :
         {"0", "5", "-5", "170141183460469231731687303715884105727",
          "-170141183460469231731687303715884105728"}) {
        const auto delta = TokenDelta::parse(text);
        ASSERT_TRUE(delta) << text;
        EXPECT_EQ(delta->to_string(), text);
        EXPECT_EQ(delta->is_negative(), text[0] == '-');
    }
    for (const char* text : {"-0", "--1", "+1", "-", "", "-01", "1-"}) {
        EXPECT_FALSE(TokenDelta::parse(text)) << text;
    }
    for (const char* text :
         {"170141183460469231731687303715884105728", "-170141183460469231731687303715884105729"}) {
        EXPECT_EQ(TokenDelta::parse(text).error().code(), ErrorCode::Unprocessable) << text;
    }
}

}  // namespace
}  // namespace adyton::near
