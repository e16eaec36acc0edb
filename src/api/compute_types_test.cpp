#include "api/compute_types.h"

#include <gtest/gtest.h>

#include <string>

namespace adyton::api {
namespace {

std::string with_input(const std::string& input) {
    return R"({"script":"x","input":)" + input + "}";
}

TEST(ExecuteRequestTest, TheInputIsTheDocumentThatWasSent) {
    for (const std::string input :
         {R"({})", R"({"a":1,"b":[true,false,null,"x y",-0.5,0,{"c":{}}],"ba":"\u00e4"})",
          "{\"a\":\"\xc3\xa4\"}", R"({"A":1,"a":1})", R"({"b":1,"a":2})", R"({ "a":1})",
          R"({"a": 1})", R"({"a":"<"})", R"({"a":"\n"})", R"({"a":1e3})",
          R"({"a":1234567890123456})", "{\"a\":\"\xe2\x80\xa8\"}"}) {
        const auto request = parse_execute_request(with_input(input));
        ASSERT_TRUE(request) << input;
        EXPECT_EQ(request->input, *base::Json::parse(input)) << input;
    }
}

TEST(ExecuteRequestTest, WhatIsMalformedIsRefusedInEachForm) {
    for (const std::string input :
         {R"({"a":1,"a":2})", R"({"a":01})", R"({"a":1.})", R"({"a":-})", R"({"a":1,})", R"([1])",
          R"({"a":tru})", "{\"a\":\"\xff\"}", "{\"a\":\"\x01\"}", R"({"a":"x)", R"({"a")", "1"}) {
        EXPECT_FALSE(parse_execute_request(with_input(input))) << input;
    }
    EXPECT_FALSE(parse_execute_request(R"({"script":"x","input":{},"input":{}})"));
    EXPECT_FALSE(parse_execute_request(R"({"script":"x","input":{}} x)"));
    EXPECT_FALSE(parse_execute_request(R"({"script":"","input":{}})"));
    EXPECT_FALSE(parse_execute_request(R"({"input":{}})"));
}

TEST(ExecuteRequestTest, MembersMayStandInAnyOrderAndBeEscaped) {
    const auto request = parse_execute_request(
        " {\"script\" : \"a\\n\\t\\\"\\\\\\/b\xc3\xa4\" , \"entry_point\":\"run\",\"timeout\":7,"
        "\"app_id\":\"app\", \"script_name\":\"name\",\"input\":{\"a\":1}} ");
    ASSERT_TRUE(request);
    EXPECT_EQ(request->script, "a\n\t\"\\/b\xc3\xa4");
    EXPECT_EQ(request->entry_point, "run");
    EXPECT_EQ(request->timeout_s, 7);
    EXPECT_EQ(request->app_id, "app");
    EXPECT_EQ(request->script_name, "name");
    EXPECT_EQ(request->input, *base::Json::parse(R"({"a":1})"));
    EXPECT_EQ(parse_execute_request(R"({"script":"\u0041","entry_point":""})")->script, "A");
    EXPECT_EQ(parse_execute_request(R"({"script":"x","entry_point":""})")->entry_point, "main");
    EXPECT_EQ(parse_execute_request(R"({"script":"x","strict":true})")->strict, true);
}

}  // namespace
}  // namespace adyton::api
