#include "base/json.h"

#include <gtest/gtest.h>

#include <string>

#include "base/json_filter.h"

namespace adyton::base {
namespace {

std::string nested(std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
}

TEST(JsonTest, KeepsOrderAndTheTextOfNumbers) {
    const std::string text =
        R"({"b":123456789012345678901234567890,"a":[1,-0,1.50,true,null,"x"],"c":{}})";
    const auto json = Json::parse(text);
    ASSERT_TRUE(json);
    EXPECT_EQ(json->dump(), text);
    EXPECT_EQ(json->find("b")->number_text(), "123456789012345678901234567890");
    EXPECT_FALSE(json->find("b")->as_int64());
}

TEST(JsonTest, RefusesWhatHasTwoReadings) {
    for (const char* bad :
         {R"({"a":1,"a":2})",
          R"({"a":{"b":1,"b":1}})",
          R"({} {})",
          "{}x",
          "",
          " ",
          "nul",
          "{\"a\":1,}",
          "[1,]",
          "01",
          "1.",
          ".5",
          "+1",
          "NaN",
          "Infinity",
          "'a'",
          "{a:1}",
          "\"\\ud800\"",
          "\"\\udc00x\"",
          "\"\xc0\xaf\"",
          "\"\xed\xa0\x80\"",
          "\"\x80\"",
          "\"a\nb\"",
          "/*c*/1",
          "[1 2]",
          "{\"a\" 1}",
          "\"\\x41\"",
          "\xef\xbb\xbf{}"}) {
        EXPECT_FALSE(Json::parse(bad)) << bad;
    }
    EXPECT_FALSE(Json::parse(std::string_view("{}\0", 3)));
    EXPECT_FALSE(Json::parse(std::string_view("\"a\0b\"", 5)));
}

// The reader looks at 16 bytes at once: each place in them, and each character.
TEST(JsonTest, ControlCharactersAreRefusedWhereverTheyStand) {
    for (int c = 0; c < 0x20; ++c) {
        for (std::size_t place = 0; place < 40; ++place) {
            std::string text(40, 'a');
            text[place] = static_cast<char>(c);
            EXPECT_FALSE(Json::parse("\"" + text + "\"")) << c << " at " << place;
            EXPECT_FALSE(Json::parse("\"\xc3\xa9" + text + "\"")) << c << " at " << place;
            const bool space = c == '\t' || c == '\n' || c == '\r';
            EXPECT_EQ(
                Json::parse(std::string("[1,") + static_cast<char>(c) + "2]").has_value(), space);
        }
    }
}

TEST(JsonTest, StringsOfEveryLengthComeOutAsTheyWent) {
    for (std::size_t size = 0; size < 70; ++size) {
        for (const std::string_view odd :
             {"", "\\\"", "\\u00e9", "\xc3\xa9", "\\n", "\\ud83d\\ude00"}) {
            const std::string before(size, 'x');
            const std::string body = before + std::string(odd) + before;
            const auto read = Json::parse("{\"k" + body + "\":[\"" + body + "\",-1.50e3]}");
            ASSERT_TRUE(read) << size << odd;
            const auto& [name, list] = read->members().front();
            const std::string& value = list.items().front().string_value();
            EXPECT_EQ(name, "k" + value);
            EXPECT_EQ(value.substr(0, size), before);
            EXPECT_EQ(value.substr(value.size() - size), before);
            EXPECT_EQ(
                value.size() - 2 * size, odd.empty()                     ? 0U
                                         : odd.size() == 12              ? 4U
                                         : odd == "\\\"" || odd == "\\n" ? 1U
                                                                         : 2U);
            EXPECT_EQ(list.items().back().number_text(), "-1.50e3");
        }
    }
}

TEST(JsonTest, FindsDuplicateKeysInLargeObjectsToo) {
    std::string text = "{";
    for (int i = 0; i < 100; ++i) text += "\"k" + std::to_string(i) + "\":0,";
    EXPECT_TRUE(Json::parse(text + "\"k100\":0}"));
    EXPECT_FALSE(Json::parse(text + "\"k57\":0}"));
    EXPECT_FALSE(Json::parse(text + "\"\\u006b3\":0}"));  // the same key, escaped
}

TEST(JsonTest, LimitsNestingAtExactlyTheEdge) {
    EXPECT_TRUE(Json::parse(nested(64)));
    EXPECT_FALSE(Json::parse(nested(65)));
    EXPECT_FALSE(Json::parse(std::string(1'000'000, '[')));
}

TEST(JsonTest, ReadsIntegersOnlyAsIntegers) {
    EXPECT_EQ(Json::parse("9223372036854775807")->as_int64().value(), INT64_MAX);
    EXPECT_EQ(Json::parse("-9223372036854775808")->as_int64().value(), INT64_MIN);
    EXPECT_EQ(Json::parse("18446744073709551615")->as_uint64().value(), UINT64_MAX);
    for (const char* bad : {"9223372036854775808", "1.0", "1e3", "\"1\"", "true", "null"}) {
        EXPECT_FALSE(Json::parse(bad)->as_int64()) << bad;
    }
}

TEST(JsonTest, EscapesLikeGo) {
    const Json text = Json::string("<a>&\"\\\n\t\x01\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa");
    EXPECT_EQ(
        text.dump(), "\"\\u003ca\\u003e\\u0026\\\"\\\\\\n\\t\\u0001\\u2028\\u2029\xe2\x80\xaa\"");
    EXPECT_EQ(Json::parse(text.dump())->string_value(), text.string_value());
}

TEST(JsonTest, DeepDocumentsAreBuiltWithoutLosingTheirParents) {
    const auto json = Json::parse(R"({"a":[{"b":[[1],[2,{"c":[3]}]]},{"d":4}],"e":5})");
    ASSERT_TRUE(json);
    EXPECT_EQ(json->dump(), R"({"a":[{"b":[[1],[2,{"c":[3]}]]},{"d":4}],"e":5})");
}

TEST(JsonFilterTest, WhatIsLeftOutIsReadAndNotKept) {
    const JsonFilter filter({"proof", "outcome.gas"});
    const auto json = parse_json(
        R"({"proof":[{"a":[1,{"b":null}]},true],"outcome":{"gas":7,"proof":"x","logs":["gas"],)"
        R"("gas2":{"gas":1}},"list":[{"gas":2,"proof":{}}],"gas":{"outcome":{"gas":3}}})",
        filter);
    ASSERT_TRUE(json) << json.error().message();
    EXPECT_EQ(
        json->dump(),
        R"({"outcome":{"logs":["gas"],"gas2":{"gas":1}},"list":[{"gas":2}],"gas":{"outcome":{}}})");
    EXPECT_EQ(parse_json("[1]", filter)->dump(), "[1]");
    EXPECT_EQ(parse_json(R"({"proof":1})", filter)->dump(), "{}");
}

TEST(JsonFilterTest, MalformedTextIsRefusedWhereItIsLeftOutToo) {
    const JsonFilter filter({"proof"});
    for (const char* bad :
         {R"({"proof":})", R"({"proof":[1,]})", R"({"proof":{"a" 1}})", R"({"proof":"\udc00"})",
          R"({"proof":nul})", R"({"proof":1)", R"({"a":1,"a":2,"proof":1})", R"({"proof":1}x)"}) {
        EXPECT_FALSE(parse_json(bad, filter)) << bad;
    }
    const std::string deep = std::string(70, '[') + std::string(70, ']');
    EXPECT_FALSE(parse_json("{\"proof\":" + deep + "}", filter));
    const std::string good = std::string(63, '[') + std::string(63, ']');
    EXPECT_TRUE(parse_json("{\"proof\":" + good + "}", filter));
    EXPECT_FALSE(parse_json("{\"proof\":[" + good + "]}", filter));
}

TEST(JsonWriterTest, WritesWhatTheDocumentWouldDump) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object().member("a", 1).key("b").begin_array().value("x<").value(true).null();
    writer.begin_object().end_object().end_array().member("c", std::uint64_t{7}).end_object();
    EXPECT_EQ(out, "{\"a\":1,\"b\":[\"x\\u003c\",true,null,{}],\"c\":7}");
    EXPECT_EQ(Json::parse(out)->dump(), out);
}

}  // namespace
}  // namespace adyton::base
