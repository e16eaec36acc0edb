#include "base/time.h"

#include <gtest/gtest.h>

namespace adyton::base {
namespace {

TEST(Rfc3339Test, DropsTrailingZerosOfTheFraction) {
    const auto time = parse_rfc3339("2026-01-28T13:31:12.123400Z");
    ASSERT_TRUE(time);
    EXPECT_EQ(to_rfc3339(*time), "2026-01-28T13:31:12.1234Z");
    EXPECT_EQ(to_rfc3339_seconds(*time), "2026-01-28T13:31:12Z");
    EXPECT_EQ(to_rfc3339(parse_rfc3339("0001-01-01T00:00:00Z").value()), "0001-01-01T00:00:00Z");
}

TEST(Rfc3339Test, AppliesOffsetsAndCutsNanoseconds) {
    EXPECT_EQ(
        to_rfc3339(parse_rfc3339("2026-03-01T00:30:00.123456789+01:00").value()),
        "2026-02-28T23:30:00.123456Z");
}

TEST(Rfc3339Test, RefusesWhatIsNotATime) {
    for (const char* bad :
         {"", "2026-01-28", "2026-01-28 13:31:12Z", "2026-02-30T00:00:00Z", "2026-01-28T24:00:00Z",
          "2026-01-28T13:31:12", "2026-01-28T13:31:12.Z", "2026-01-28T13:31:12.1234567890Z",
          "2026-01-28T13:31:12+0100", "2026-01-28T13:31:12Zx", "2026-1-28T13:31:12Z"}) {
        EXPECT_FALSE(parse_rfc3339(bad)) << bad;
    }
}

// The values are what Go's time.Duration.String prints.
TEST(GoDurationTest, PrintsLikeGo) {
    using namespace std::chrono_literals;
    EXPECT_EQ(to_go_duration(0ns), "0s");
    EXPECT_EQ(to_go_duration(1ns), "1ns");
    EXPECT_EQ(to_go_duration(1100ns), "1.1\u00b5s");
    EXPECT_EQ(to_go_duration(12345678ns), "12.345678ms");
    EXPECT_EQ(to_go_duration(24h), "24h0m0s");
    EXPECT_EQ(to_go_duration(1min), "1m0s");
    EXPECT_EQ(to_go_duration(-1500ms), "-1.5s");
    EXPECT_EQ(to_go_duration(Duration::min()), "-2562047h47m16.854775808s");
}

TEST(GoDurationTest, ReadsWhatGoReads) {
    using namespace std::chrono_literals;
    EXPECT_EQ(parse_go_duration("24h").value(), 24h);
    EXPECT_EQ(parse_go_duration("1h30m").value(), 90min);
    EXPECT_EQ(parse_go_duration("1.5s").value(), 1500ms);
    EXPECT_EQ(parse_go_duration("-300ms").value(), -300ms);
    EXPECT_EQ(parse_go_duration("0").value(), 0ns);
    EXPECT_EQ(parse_go_duration(".5m").value(), 30s);
    for (const char* bad : {"", "5", "h", "1x", "1 h", "--1s", "9999999h", "1h-1m", "."}) {
        EXPECT_FALSE(parse_go_duration(bad)) << bad;
    }
}

}  // namespace
}  // namespace adyton::base
