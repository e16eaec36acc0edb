#include "chain/json_rpc.h"

#include <gtest/gtest.h>

#include <string>

#include "base/sim_executor.h"
#include "chain/chain_test_support.h"

namespace adyton::chain {
namespace {

using testing::FakeNode;
using testing::FakeTransport;
using testing::json;

TEST(JsonRpcAnswerTest, AResultIsAResultEvenWhenItIsNull) {
    const auto answer = parse_rpc_answer(R"({"jsonrpc":"2.0","id":7,"result":null})", 7);
    ASSERT_TRUE(answer);
    ASSERT_TRUE(std::holds_alternative<base::Json>(*answer));
    EXPECT_TRUE(std::get<base::Json>(*answer).is_null());
}

TEST(JsonRpcAnswerTest, AnErrorKeepsItsCodeAndTexts) {
    const auto answer = parse_rpc_answer(
        R"({"id":1,"jsonrpc":"2.0","error":{"code":-511,"message":"Insufficient funds",)"
        R"("data":"insufficient funds"}})",
        1);
    ASSERT_TRUE(answer);
    const auto& error = std::get<RpcError>(*answer);
    EXPECT_EQ(error.code, -511);
    EXPECT_EQ(error.to_string(), "-511 Insufficient funds: insufficient funds");
}

TEST(JsonRpcAnswerTest, TheCSharpFormThatRepeatsTheDataIsNotDoubled) {
    const auto answer = parse_rpc_answer(
        R"({"id":1,"error":{"code":-500,"message":"Inventory error - broken","data":"broken"}})",
        1);
    ASSERT_TRUE(answer);
    EXPECT_EQ(std::get<RpcError>(*answer).to_string(), "-500 Inventory error - broken");
}

TEST(JsonRpcAnswerTest, ANearErrorKeepsNameCauseAndStructuredData) {
    const auto answer = parse_rpc_answer(
        R"({"jsonrpc":"2.0","id":3,"error":{"name":"HANDLER_ERROR","cause":{"info":{},)"
        R"("name":"UNKNOWN_ACCOUNT"},"code":-32000,"message":"Server error","data":{"a":1}}})",
        3);
    ASSERT_TRUE(answer);
    const auto& error = std::get<RpcError>(*answer);
    EXPECT_EQ(error.name, "HANDLER_ERROR");
    EXPECT_EQ(error.cause, "UNKNOWN_ACCOUNT");
    EXPECT_EQ(error.data, R"({"a":1})");
}

TEST(JsonRpcAnswerTest, TextsOfEndpointsAreCutAndFreeOfControlCharacters) {
    const std::string text = std::string("a\\n\\u0000b") + std::string(3000, 'x');
    const auto answer =
        parse_rpc_answer(R"({"id":1,"error":{"code":1,"message":")" + text + R"("}})", 1);
    ASSERT_TRUE(answer);
    const std::string& message = std::get<RpcError>(*answer).message;
    EXPECT_EQ(message.size(), kRpcTextBytesMax);
    EXPECT_EQ(message.substr(0, 4), "a  b");
}

TEST(JsonRpcAnswerTest, CuttingNeverSplitsACharacter) {
    std::string text(kRpcTextBytesMax - 1, 'x');
    text += "\xc3\xa9\xc3\xa9";
    const auto answer =
        parse_rpc_answer(R"({"id":1,"error":{"code":1,"message":")" + text + R"("}})", 1);
    ASSERT_TRUE(answer);
    EXPECT_TRUE(base::is_valid_utf8(std::get<RpcError>(*answer).message));
}

TEST(JsonRpcAnswerTest, WhatIsNoAnswerToThisCallIsRefused) {
    for (const char* const body :
         {"", "null", "[]", "<html>", R"({"id":1})", R"({"id":2,"result":1})",
          R"({"id":"1","result":1})", R"({"result":1})", R"({"id":null,"result":1})",
          R"({"id":1,"result":1,"error":{"code":1}})", R"({"id":1,"error":null})",
          R"({"id":1,"error":"text"})", R"({"id":1,"error":{"message":"no code"}})",
          R"({"id":1,"error":{"code":"-501"}})", R"({"id":1,"error":{"code":1.5}})",
          R"({"id":1,"result":1} x)", R"({"id":1,"id":1,"result":1})",
          R"({"id":null,"error":{"code":-501,"message":""}})"}) {
        const auto answer = parse_rpc_answer(body, 1);
        ASSERT_FALSE(answer) << body;
        EXPECT_EQ(answer.error().code(), ErrorCode::CorruptData) << body;
    }
}

TEST(JsonRpcAnswerTest, AnUnreadableCallIsAnsweredWithoutItsId) {
    EXPECT_TRUE(parse_rpc_answer(R"({"id":null,"error":{"code":-32700,"message":"x"}})", 9));
    EXPECT_TRUE(parse_rpc_answer(R"({"id":9,"result":5,"error":null})", 9));
    EXPECT_TRUE(parse_rpc_answer(R"({"id":9,"result":null,"error":{"code":1}})", 9));
}

class JsonRpcTest : public ::testing::Test {
protected:
    Result<RpcAnswer> call(RpcOptions options = {}) {
        auto rpc = JsonRpc::create(transport, "http://a:80/key", options);
        CHECK(rpc.has_value());
        return executor.run_until_done(rpc->call("getblockcount", base::Json::array()));
    }

    base::SimExecutor executor{1};
    FakeTransport transport{executor};
    FakeNode& node = transport.add("a:80");
};

TEST_F(JsonRpcTest, ACallIsOnePostWithIdMethodAndParams) {
    ASSERT_TRUE(call());
    ASSERT_EQ(transport.requests.size(), 1U);
    EXPECT_EQ(transport.requests[0].method, "POST");
    EXPECT_EQ(
        transport.requests[0].body,
        R"({"jsonrpc":"2.0","id":1,"method":"getblockcount","params":[]})");
    EXPECT_EQ(*transport.requests[0].headers.find("Content-Type"), "application/json");
}

TEST_F(JsonRpcTest, TheBodyIsReadBeforeTheStatusIsJudged) {
    node.http_status = 422;
    node.methods["getblockcount"] = [](const base::Json&) {
        return testing::rpc_error(-501, "Inventory already exists on chain");
    };
    const auto answer = call();
    ASSERT_TRUE(answer);
    EXPECT_EQ(std::get<RpcError>(*answer).code, -501);
}

TEST_F(JsonRpcTest, AnHttpErrorWithoutBodyIsOfUnknownOutcomeAndOnlyTooManyRequestsIsNot) {
    node.body = "<html>bad gateway</html>";
    node.http_status = 502;
    auto answer = call();
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code(), ErrorCode::OutcomeUnknown);
    EXPECT_FALSE(nothing_was_sent(answer.error()));
    EXPECT_NE(answer.error().message().find("a:80"), std::string::npos);
    EXPECT_EQ(answer.error().message().find("key"), std::string::npos) << "the path may be secret";

    node.http_status = 429;
    answer = call();
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code(), ErrorCode::ResourceExhausted);
    EXPECT_TRUE(nothing_was_sent(answer.error()));
}

TEST_F(JsonRpcTest, AnAnswerAboveTheLimitIsTooLarge) {
    node.body = std::string(2000, ' ');
    RpcOptions options;
    options.response_bytes_max = 1999;
    const auto answer = call(options);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code(), ErrorCode::TooLarge);
    EXPECT_FALSE(nothing_was_sent(answer.error()));
}

TEST_F(JsonRpcTest, TheTransportsWordOnWhetherItWasSentIsKept) {
    node.before = Error::unavailable("connection refused");
    EXPECT_TRUE(nothing_was_sent(call().error()));
    node.before = Error::outcome_unknown("the connection broke");
    EXPECT_FALSE(nothing_was_sent(call().error()));
    node.before = Error::corrupt_data("no HTTP");
    EXPECT_FALSE(nothing_was_sent(call().error()));
}

TEST(JsonRpcUrlTest, OnlyHttpUrlsAreEndpoints) {
    base::SimExecutor executor{1};
    FakeTransport transport{executor};
    for (const char* const url : {"", "node", "ftp://a", "http://user:pass@a", "http://a/#x"}) {
        EXPECT_FALSE(JsonRpc::create(transport, url, {})) << url;
    }
    EXPECT_EQ(JsonRpc::create(transport, "https://A.example/x?key=1", {})->name(), "a.example:443");
    EXPECT_EQ(JsonRpc::create(transport, "http://[::1]:10332", {})->name(), "[::1]:10332");
}

}  // namespace
}  // namespace adyton::chain
