#include "neo/integer.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace adyton::neo {
namespace {

const char* const kLargest =
    "57896044618658097711785492504343953926634992332820282019728792003956564819967";  // 2^255 - 1
const char* const kLeast =
    "-57896044618658097711785492504343953926634992332820282019728792003956564819968";

std::string minimal_hex(const Integer& number) {
    return base::hex_encode(base::ByteView(number.bytes()).first(number.minimal_size()));
}

TEST(IntegerTest, TextGoesIntoTheFewestBytesAndBack) {
    const std::pair<const char*, const char*> cases[] = {
        {"0", ""},
        {"1", "01"},
        {"-1", "ff"},
        {"127", "7f"},
        {"128", "8000"},
        {"-128", "80"},
        {"-129", "7fff"},
        {"255", "ff00"},
        {"256", "0001"},
        {"-256", "00ff"},
        {"2147483648", "0000008000"},
        {"-2147483648", "00000080"},
        {"9223372036854775807", "ffffffffffffff7f"},
        {"9223372036854775808", "000000000000008000"},
    };
    for (const auto& [text, hex] : cases) {
        const auto number = Integer::parse(text);
        ASSERT_TRUE(number) << text;
        EXPECT_EQ(minimal_hex(*number), hex) << text;
        EXPECT_EQ(number->to_string(), text);
    }
}

TEST(IntegerTest, TheEndsOfTheRangeAreReadAndNothingBeyond) {
    for (const std::string text : {kLargest, kLeast}) {
        const auto number = Integer::parse(text);
        ASSERT_TRUE(number) << text;
        EXPECT_EQ(number->to_string(), text);
        EXPECT_EQ(number->minimal_size(), Integer::kBytesMax);
        std::string beyond = text;
        beyond.back() = static_cast<char>(beyond.back() + 1);
        const auto refused = Integer::parse(beyond);
        ASSERT_FALSE(refused) << beyond;
        EXPECT_EQ(refused.error().code(), ErrorCode::Unprocessable);
    }
    const auto two_to_256 = Integer::parse(
        "115792089237316195423570985008687907853269984665640564039457584007913129639936");
    ASSERT_FALSE(two_to_256);
    EXPECT_EQ(two_to_256.error().code(), ErrorCode::Unprocessable);
}

TEST(IntegerTest, OtherTextsAreRefused) {
    for (const char* const bad :
         {"", "-", "+1", " 1", "1 ", "01", "-0", "-01", "1.0", "1e3", "0x1", "--1", "\xd9\xa1"}) {
        const auto number = Integer::parse(bad);
        ASSERT_FALSE(number) << bad;
        EXPECT_EQ(number.error().code(), ErrorCode::InvalidArgument) << bad;
    }
}

TEST(IntegerTest, AmountsAreExactAndOthersAreRefused) {
    const auto most = base::Amount::parse("340282366920938463463374607431768211455");
    ASSERT_TRUE(most);
    const Integer number(*most);
    EXPECT_FALSE(number.is_negative());
    EXPECT_EQ(number.to_string(), most->to_string());
    EXPECT_EQ(number.as_amount().value(), *most);
    EXPECT_FALSE(Integer(std::int64_t{-1}).as_amount());
    EXPECT_FALSE(Integer::parse("340282366920938463463374607431768211456").value().as_amount());
}

TEST(IntegerTest, SixtyFourBitsComeBackAndMoreIsRefused) {
    using Limits = std::numeric_limits<std::int64_t>;
    for (const std::int64_t number :
         {Limits::min(), std::int64_t{-1}, std::int64_t{0}, std::int64_t{1}, Limits::max()}) {
        EXPECT_EQ(Integer(number).as_int64().value(), number);
        EXPECT_EQ(Integer(number).to_string(), std::to_string(number));
    }
    EXPECT_FALSE(Integer::parse("9223372036854775808").value().as_int64());
    EXPECT_FALSE(Integer::parse("-9223372036854775809").value().as_int64());
}

TEST(IntegerTest, EveryWidthIsSignExtended) {
    EXPECT_EQ(Integer::from_bytes(base::Bytes{}).value(), Integer());
    EXPECT_EQ(Integer::from_bytes(base::Bytes{0xff}).value(), Integer(std::int64_t{-1}));
    EXPECT_EQ(Integer::from_bytes(base::Bytes{0xff, 0x00}).value(), Integer(std::int64_t{255}));
    EXPECT_EQ(
        Integer::from_bytes(base::Bytes{0x05, 0x00, 0x00, 0x00}).value(), Integer(std::int64_t{5}));
    EXPECT_FALSE(Integer::from_bytes(base::Bytes(33)));
}

TEST(IntegerTest, RandomNumbersSurviveTextAndBytes) {
    constexpr std::uint64_t kSeed = 20261121;
    SCOPED_TRACE(kSeed);
    std::mt19937_64 random(kSeed);
    for (int i = 0; i < 2000; ++i) {
        base::Bytes bytes(random() % (Integer::kBytesMax + 1));
        for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
        const auto number = Integer::from_bytes(bytes);
        ASSERT_TRUE(number);
        EXPECT_EQ(Integer::parse(number->to_string()).value(), *number);
        const auto minimal = base::ByteView(number->bytes()).first(number->minimal_size());
        EXPECT_EQ(Integer::from_bytes(minimal).value(), *number);
    }
}

}  // namespace
}  // namespace adyton::neo
