#include "crypto/uuid.h"

#include <gtest/gtest.h>

#include <set>

#include "crypto/random.h"

namespace adyton::crypto {
namespace {

constexpr std::string_view kGood = "550e8400-e29b-41d4-a716-446655440000";

TEST(UuidTest, ARandomUuidIsCanonicalVersionFour) {
    SystemRandom random;
    std::set<std::string> seen;
    for (int i = 0; i < 1000; ++i) {
        const std::string uuid = uuid_v4(random);
        EXPECT_TRUE(is_canonical_uuid(uuid)) << uuid;
        EXPECT_EQ(uuid[14], '4') << uuid;
        EXPECT_NE(std::string_view("89ab").find(uuid[19]), std::string_view::npos) << uuid;
        EXPECT_TRUE(seen.insert(uuid).second);
    }
}

TEST(UuidTest, TheSameRandomBytesMakeTheSameUuid) {
    base::SeededRandom first(3);
    base::SeededRandom second(3);
    EXPECT_EQ(uuid_v4(first), uuid_v4(second));
}

TEST(UuidTest, AVersionSevenBeginsWithItsTime) {
    // The time of RFC 9562, appendix A.6: 2022-02-22T19:22:22.000Z is 017F22E279B0.
    const base::Timestamp time{std::chrono::milliseconds(0x017F22E279B0)};
    SystemRandom random;
    std::set<std::string> seen;
    for (int i = 0; i < 1000; ++i) {
        const std::string uuid = uuid_v7(random, time + std::chrono::microseconds(999));
        EXPECT_TRUE(is_canonical_uuid(uuid)) << uuid;
        EXPECT_TRUE(uuid.starts_with("017f22e2-79b0-7")) << uuid;
        EXPECT_NE(std::string_view("89ab").find(uuid[19]), std::string_view::npos) << uuid;
        EXPECT_TRUE(seen.insert(uuid).second);
    }
    EXPECT_LT(*seen.rbegin(), uuid_v7(random, time + std::chrono::milliseconds(1)));
}

TEST(UuidTest, AClockBefore1970IsNoNegativeTime) {
    SystemRandom random;
    const std::string uuid = uuid_v7(random, base::Timestamp{std::chrono::seconds(-1)});
    EXPECT_TRUE(uuid.starts_with("00000000-0000-7")) << uuid;
}

TEST(UuidTest, UpperCaseBecomesLowerCase) {
    const auto canonical = canonical_uuid("550E8400-E29B-41d4-A716-446655440000");
    ASSERT_TRUE(canonical);
    EXPECT_EQ(*canonical, kGood);
    EXPECT_FALSE(is_canonical_uuid("550E8400-e29b-41d4-a716-446655440000"));
}

TEST(UuidTest, OtherShapesAreRefused) {
    for (const std::string_view bad :
         {"", "550e8400e29b41d4a716446655440000", "{550e8400-e29b-41d4-a716-446655440000}",
          "urn:uuid:550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-44665544000",
          "550e8400-e29b-41d4-a716-4466554400000", "550e8400-e29b-41d4-a716-44665544000g",
          "550e8400-e29b-41d4-a7164-46655440000", " 50e8400-e29b-41d4-a716-446655440000",
          "550e8400-e29b-41d4-a716_446655440000", "------------------------------------"}) {
        EXPECT_FALSE(canonical_uuid(bad)) << bad;
        EXPECT_FALSE(is_canonical_uuid(bad)) << bad;
    }
}

TEST(UuidTest, EveryReplacedCharacterIsNoticed) {
    for (std::size_t i = 0; i < kGood.size(); ++i) {
        std::string bad(kGood);
        bad[i] = bad[i] == '-' ? '0' : '-';
        EXPECT_FALSE(canonical_uuid(bad)) << i;
    }
    std::string with_zero(kGood);
    with_zero[5] = '\0';
    EXPECT_FALSE(canonical_uuid(with_zero));
}

}  // namespace
}  // namespace adyton::crypto
