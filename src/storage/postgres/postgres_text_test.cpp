#include "storage/postgres/postgres_text.h"

#include <gtest/gtest.h>

#include <limits>

namespace adyton::storage::postgres {
namespace {

using std::chrono::microseconds;

base::Timestamp micros(std::int64_t count) {
    return base::Timestamp(microseconds(count));
}

TEST(PostgresTextTest, TimesAreWrittenAsTheServerWritesThem) {
    EXPECT_EQ(format_timestamp(micros(0)), "1970-01-01 00:00:00.000000+00");
    EXPECT_EQ(format_timestamp(micros(-1)), "1969-12-31 23:59:59.999999+00");
    EXPECT_EQ(format_timestamp(micros(1'769'607'072'123'456)), "2026-01-28 13:31:12.123456+00");
    EXPECT_EQ(format_timestamp(micros(-62'135'596'800'000'000)), "0001-01-01 00:00:00.000000+00");
    EXPECT_EQ(
        format_timestamp(micros(-62'135'596'800'000'001)), "0001-12-31 23:59:59.999999+00 BC");
}

TEST(PostgresTextTest, TimesAreReadInEveryFormOfTheServer) {
    EXPECT_EQ(parse_timestamp("1970-01-01 00:00:00+00").value(), micros(0));
    EXPECT_EQ(parse_timestamp("1970-01-01 00:00:00").value(), micros(0));
    EXPECT_EQ(parse_timestamp("1970-01-01 00:00:00.5+00").value(), micros(500'000));
    EXPECT_EQ(parse_timestamp("1970-01-01 05:30:00+05:30").value(), micros(0));
    EXPECT_EQ(parse_timestamp("1969-12-31 23:00:00-01").value(), micros(0));
    EXPECT_EQ(parse_timestamp("1970-01-01 00:19:32+00:19:32").value(), micros(0));
    EXPECT_EQ(
        parse_timestamp("0001-12-31 23:59:59.999999+00 BC").value(),
        micros(-62'135'596'800'000'001));
    EXPECT_EQ(
        parse_timestamp("294246-12-31 23:59:59.999999+00").value(),
        micros(9'223'371'244'799'999'999));
}

TEST(PostgresTextTest, EveryTimeThatIsWrittenIsReadBack) {
    // A step that lands on every kind of day over 20,000 years each way.
    for (std::int64_t count = -630'000'000'000'000'000; count < 630'000'000'000'000'000;
         count += 97'777'777'777'777) {
        const auto back = parse_timestamp(format_timestamp(micros(count)));
        ASSERT_TRUE(back) << format_timestamp(micros(count));
        ASSERT_EQ(*back, micros(count)) << format_timestamp(micros(count));
    }
}

TEST(PostgresTextTest, MalformedTimesAreRefused) {
    for (const char* text :
         {"",
          "infinity",
          "-infinity",
          "2026-01-28",
          "2026-01-28T00:00:00+00",
          "2026-13-01 00:00:00+00",
          "2026-02-30 00:00:00+00",
          "2023-02-29 00:00:00+00",
          "1900-02-29 00:00:00+00",
          "0000-01-01 00:00:00+00",
          "2026-01-00 00:00:00+00",
          "2026-01-01 24:00:00+00",
          "2026-01-01 00:60:00+00",
          "2026-01-01 00:00:60+00",
          "2026-01-01 00:00:00.+00",
          "2026-01-01 00:00:00.1234567+00",
          "2026-01-01 00:00:00+0",
          "2026-01-01 00:00:00+16",
          "2026-01-01 00:00:00+00:",
          "2026-01-01 00:00:00+00 ",
          "2026-01-01 00:00:00+00 AD",
          "294247-12-31 00:00:00+00",
          "9999999-01-01 00:00:00+00",
          "26-01-01 00:00:00+00"}) {
        EXPECT_FALSE(parse_timestamp(text)) << text;
    }
}

TEST(PostgresTextTest, ByteStringsAreHex) {
    EXPECT_EQ(format_bytes({}), "\\x");
    const base::Bytes bytes = {0, 1, 0xfe, 0xff};
    EXPECT_EQ(format_bytes(bytes), "\\x0001feff");
    EXPECT_EQ(parse_bytes("\\x0001feff").value(), bytes);
    EXPECT_TRUE(parse_bytes("\\x").value().empty());
    for (const char* text : {"", "x", "\\x0", "\\xzz", "0001", "\\001"}) {
        EXPECT_FALSE(parse_bytes(text)) << text;
    }
}

TEST(PostgresTextTest, ValuesFollowTheTypeOfTheirColumn) {
    EXPECT_EQ(parse_value(16, "t").value(), Value(true));
    EXPECT_FALSE(parse_value(16, "true"));
    EXPECT_EQ(parse_value(23, "-5").value(), Value(std::int64_t{-5}));
    EXPECT_EQ(
        parse_value(20, "-9223372036854775808").value(),
        Value(std::numeric_limits<std::int64_t>::min()));
    EXPECT_FALSE(parse_value(20, "9223372036854775808"));
    EXPECT_FALSE(parse_value(20, ""));
    EXPECT_FALSE(parse_value(20, "1 "));
    EXPECT_EQ(parse_value(1700, "12").value(), Value(std::int64_t{12}));
    EXPECT_EQ(parse_value(1700, "12.5").value(), Value(std::string("12.5")));
    EXPECT_EQ(
        parse_value(1700, "99999999999999999999").value(),
        Value(std::string("99999999999999999999")));
    EXPECT_EQ(parse_value(25, "text").value(), Value(std::string("text")));
    EXPECT_FALSE(parse_value(701, "1.5"));
}

}  // namespace
}  // namespace adyton::storage::postgres
