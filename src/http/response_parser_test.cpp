#include "http/internal/response_parser.h"

#include <gtest/gtest.h>

#include <string>

namespace adyton::http::internal {
namespace {

struct Parsed {
    Response response;
    bool complete = false;
    bool keep_alive = false;
    std::optional<ErrorCode> failure;
};

Parsed parse_in_steps(
    const std::string& text, std::size_t step, bool end, ResponseParser::AnswerTo method) {
    Parsed result;
    ResponseParser parser(256, 32);
    parser.start(result.response, method);
    std::size_t used = 0;
    std::size_t available = 0;
    while (available < text.size() && !parser.complete() && parser.failure() == nullptr) {
        available = std::min(text.size(), available + step);
        used += parser.feed(std::string_view(text).substr(used, available - used));
    }
    if (end) parser.feed_end();
    result.complete = parser.complete();
    result.keep_alive = parser.keep_alive();
    if (parser.failure() != nullptr) result.failure = parser.failure()->code();
    return result;
}

Parsed parse(
    const std::string& text, bool end = false,
    ResponseParser::AnswerTo method = ResponseParser::AnswerTo::Other) {
    Parsed whole = parse_in_steps(text, text.size(), end, method);
    for (const std::size_t step : {std::size_t{1}, std::size_t{5}}) {
        const Parsed pieces = parse_in_steps(text, step, end, method);
        EXPECT_EQ(pieces.complete, whole.complete) << text;
        EXPECT_EQ(pieces.failure, whole.failure) << text;
        if (whole.complete) {
            EXPECT_EQ(pieces.response.body, whole.response.body) << text;
        }
    }
    return whole;
}

TEST(ResponseParserTest, LengthsAndChunksFrameBodies) {
    const Parsed length = parse("HTTP/1.1 201 Created\r\nX-A: b\r\nContent-Length: 3\r\n\r\nabc");
    ASSERT_TRUE(length.complete);
    EXPECT_EQ(length.response.status, Status::Created);
    EXPECT_EQ(length.response.headers.find("x-a"), "b");
    EXPECT_EQ(length.response.body, "abc");
    EXPECT_TRUE(length.keep_alive);
    const Parsed chunks = parse(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n");
    ASSERT_TRUE(chunks.complete);
    EXPECT_EQ(chunks.response.body, "abc");
}

TEST(ResponseParserTest, TheEndOfTheConnectionEndsABodyWithoutLength) {
    EXPECT_FALSE(parse("HTTP/1.1 200 OK\r\n\r\nabc").complete);
    const Parsed ended = parse("HTTP/1.1 200 OK\r\n\r\nabc", true);
    EXPECT_TRUE(ended.complete);
    EXPECT_EQ(ended.response.body, "abc");
    EXPECT_FALSE(ended.keep_alive);
}

TEST(ResponseParserTest, WhatIsCutShortFails) {
    EXPECT_EQ(
        parse("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", true).failure,
        ErrorCode::CorruptData);
    EXPECT_EQ(
        parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", true).failure,
        ErrorCode::CorruptData);
    EXPECT_EQ(parse("HTTP/1.1 200 OK\r\nX: ", true).failure, ErrorCode::CorruptData);
}

TEST(ResponseParserTest, InterimAnswersAreSkipped) {
    const Parsed parsed = parse(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
    ASSERT_TRUE(parsed.complete);
    EXPECT_EQ(parsed.response.status, Status::Ok);
    EXPECT_FALSE(parsed.response.headers.find("Link"));
    std::string many;
    for (int i = 0; i < 20; ++i) many += "HTTP/1.1 100 Continue\r\n\r\n";
    EXPECT_EQ(parse(many).failure, ErrorCode::CorruptData);
}

TEST(ResponseParserTest, AnswersWithoutBodies) {
    EXPECT_TRUE(parse("HTTP/1.1 204 No Content\r\n\r\n").complete);
    EXPECT_TRUE(parse("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n").complete);
    EXPECT_TRUE(
        parse("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", false, ResponseParser::AnswerTo::Head)
            .complete);
}

TEST(ResponseParserTest, TheSizesAreLimited) {
    EXPECT_TRUE(
        parse("HTTP/1.1 200 OK\r\nContent-Length: 32\r\n\r\n" + std::string(32, 'x')).complete);
    EXPECT_EQ(parse("HTTP/1.1 200 OK\r\nContent-Length: 33\r\n\r\n").failure, ErrorCode::TooLarge);
    EXPECT_EQ(
        parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n21\r\n").failure,
        ErrorCode::TooLarge);
    EXPECT_EQ(
        parse("HTTP/1.1 200 OK\r\n\r\n" + std::string(33, 'x'), true).failure, ErrorCode::TooLarge);
    EXPECT_EQ(
        parse("HTTP/1.1 200 OK\r\nX: " + std::string(300, 'x') + "\r\n\r\n").failure,
        ErrorCode::TooLarge);
}

TEST(ResponseParserTest, WhatIsNoHttpFails) {
    for (const char* text :
         {"SSH-2.0-OpenSSH_9.2\r\n", "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n",
          "HTTP/1.1 600 Odd\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
          "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
          "HTTP/1.1 200 OK\r\nX : y\r\n\r\n"}) {
        EXPECT_EQ(parse(text, true).failure, ErrorCode::CorruptData) << text;
    }
}

}  // namespace
}  // namespace adyton::http::internal
