#include "http/internal/request_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace adyton::http::internal {
namespace {

using namespace std::string_literals;

ParseLimits small_limits() {
    ParseLimits limits;
    limits.header_bytes_max = 512;
    limits.header_count_max = 8;
    limits.target_bytes_max = 64;
    limits.body_bytes_max = 32;
    limits.query_count_max = 4;
    return limits;
}

struct Parsed {
    int status = 0;  // 0: complete, -1: wants more, else the refusal
    Request request;
    std::size_t used = 0;
    bool keep_alive = false;
    std::string message;
};

// Feeds `text` in pieces of `step` bytes as a connection does: what was not used comes again.
Parsed parse(const std::string& text, std::size_t step, const ParseLimits& limits) {
    Parsed result;
    RequestParser parser(limits);
    parser.start(result.request);
    std::size_t available = 0;
    while (available < text.size() && !parser.complete() && parser.failure() == nullptr) {
        available = std::min(text.size(), available + step);
        result.used +=
            parser.feed(std::string_view(text).substr(result.used, available - result.used));
    }
    if (parser.failure() != nullptr) {
        result.status = static_cast<int>(status_number(parser.failure()->status));
        result.message = parser.failure()->message;
    } else {
        result.status = parser.complete() ? 0 : -1;
        result.keep_alive = parser.complete() && parser.keep_alive();
    }
    return result;
}

// The verdict must not depend on how the bytes arrive.
Parsed parse(const std::string& text, const ParseLimits& limits = small_limits()) {
    Parsed whole = parse(text, text.size(), limits);
    for (const std::size_t step : {std::size_t{1}, std::size_t{2}, std::size_t{7}}) {
        const Parsed pieces = parse(text, step, limits);
        EXPECT_EQ(pieces.status, whole.status) << "step " << step << ": " << pieces.message << "\n"
                                               << text;
        EXPECT_EQ(pieces.request.body, whole.request.body);
        EXPECT_EQ(pieces.request.path, whole.request.path);
        EXPECT_EQ(pieces.keep_alive, whole.keep_alive);
    }
    return whole;
}

TEST(RequestParserTest, AnOrdinaryRequestIsRead) {
    const std::string text =
        "POST /jobs/a%20b?limit=5&x HTTP/1.1\r\nHost: pool:8085\r\nX-A: 1\r\nx-a:\t2 \r\n"
        "Content-Length: 5\r\n\r\nhello";
    const Parsed parsed = parse(text + "GET /next");
    ASSERT_EQ(parsed.status, 0) << parsed.message;
    EXPECT_EQ(parsed.used, text.size());
    EXPECT_EQ(parsed.request.method, "POST");
    EXPECT_EQ(parsed.request.target, "/jobs/a%20b?limit=5&x");
    EXPECT_EQ(parsed.request.path, "/jobs/a b");
    EXPECT_EQ(parsed.request.query.find("limit"), "5");
    EXPECT_EQ(parsed.request.headers.find_all("X-A"), (std::vector<std::string_view>{"1", "2"}));
    EXPECT_EQ(parsed.request.body, "hello");
    EXPECT_TRUE(parsed.keep_alive);
}

TEST(RequestParserTest, ChunksAreJoinedAndTrailersDropped) {
    const Parsed parsed = parse(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
        "3;ext=\"v\"\r\nabc\r\n0A\r\n0123456789\r\n0\r\nX-Trailer: t\r\n\r\n");
    ASSERT_EQ(parsed.status, 0) << parsed.message;
    EXPECT_EQ(parsed.request.body, "abc0123456789");
    EXPECT_FALSE(parsed.request.headers.find("X-Trailer"));
}

TEST(RequestParserTest, TheConnectionHeaderAndTheVersionSayWhetherMoreMayFollow) {
    EXPECT_TRUE(parse("GET / HTTP/1.1\r\nHost: a\r\n\r\n").keep_alive);
    EXPECT_FALSE(parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").keep_alive);
    EXPECT_FALSE(parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n").keep_alive);
    EXPECT_FALSE(parse("GET / HTTP/1.0\r\n\r\n").keep_alive);
    EXPECT_FALSE(parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").keep_alive);
}

TEST(RequestParserTest, AnUpgradeIsIgnored) {
    const Parsed parsed =
        parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
    EXPECT_EQ(parsed.status, 0) << parsed.message;
}

TEST(RequestParserTest, OneEmptyLineBeforeARequestIsForgiven) {
    EXPECT_EQ(parse("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").status, 0);
    EXPECT_EQ(parse("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").status, 400);
    EXPECT_EQ(parse("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").status, 400);
}

TEST(RequestParserTest, AbsoluteTargetsMustNameTheHost) {
    const Parsed parsed = parse("GET http://Pool:80/x?y=1 HTTP/1.1\r\nHost: pool\r\n\r\n");
    ASSERT_EQ(parsed.status, 0) << parsed.message;
    EXPECT_EQ(parsed.request.path, "/x");
    EXPECT_EQ(parsed.request.query.find("y"), "1");
    EXPECT_EQ(parse("GET http://pool/x HTTP/1.1\r\nHost: other\r\n\r\n").status, 400);
}

TEST(RequestParserTest, OtherFormsOfTargets) {
    EXPECT_EQ(parse("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").request.path, "*");
    EXPECT_EQ(parse("GET * HTTP/1.1\r\nHost: a\r\n\r\n").status, 400);
    EXPECT_EQ(parse("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n").status, 400);
    EXPECT_EQ(parse("GET x HTTP/1.1\r\nHost: a\r\n\r\n").status, 400);
    EXPECT_EQ(parse("GET ftp://a/x HTTP/1.1\r\nHost: a\r\n\r\n").status, 400);
}

struct Refusal {
    const char* text;
    int status;
};

TEST(RequestParserTest, MalformedRequestsAreRefused) {
    const std::vector<Refusal> corpus = {
        {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
        {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505},
        {"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505},
        {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
        {"GET / http/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET /\r\n\r\n", 400},
        {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/1.1\nHost: a\n\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\n\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nX:\r\n c\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\t\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nNoColon\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nX\xc3: 1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
        {"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET /%2e%2e/x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET /?a=%ff HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET /?a&b&c&d&e HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", 417},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: ,;\r\n\r\n", 400},
    };
    for (const Refusal& refusal : corpus) {
        EXPECT_EQ(parse(refusal.text).status, refusal.status) << refusal.text;
    }
    EXPECT_EQ(parse("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"s).status, 400);
    EXPECT_EQ(parse("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"s).status, 400);
}

TEST(RequestParserTest, WhatSmugglesRequestsIsRefused) {
    const std::string start = "POST / HTTP/1.1\r\nHost: a\r\n";
    const std::vector<Refusal> corpus = {
        {"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400},
        {"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400},
        {"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400},
        {"Content-Length: 3, 3\r\n\r\nabc", 400},
        {"Content-Length: +3\r\n\r\nabc", 400},
        {"Content-Length: -1\r\n\r\n", 400},
        {"Content-Length: 0x3\r\n\r\nabc", 400},
        {"Content-Length: 3 \t3\r\n\r\nabc", 400},
        {"Content-Length:\r\n\r\n", 400},
        {"Content-Length: 18446744073709551616\r\n\r\n", 400},
        {"Content-Length : 3\r\n\r\nabc", 400},
        {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
        {"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 501},
        {"Transfer-Encoding: identity\r\n\r\n", 501},
        {"Transfer-Encoding: xchunked\r\n\r\n", 501},
        {"Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 501},
        {"Transfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n", 400},
        {"Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", 400},
        {"Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n", 400},
        {"Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", 400},
        {"Transfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n", 400},
        {"Transfer-Encoding: chunked\r\n\r\n\r\nabc\r\n0\r\n\r\n", 400},
        {"Transfer-Encoding: chunked\r\n\r\n3;a\rb\r\nabc\r\n0\r\n\r\n", 400},
        {"Transfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n", 400},
        {"Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n", 400},
    };
    for (const Refusal& refusal : corpus) {
        EXPECT_EQ(parse(start + refusal.text).status, refusal.status) << refusal.text;
    }
    EXPECT_EQ(
        parse("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").status,
        400);
}

std::string with_target(std::size_t size) {
    return "GET /" + std::string(size - 1, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n";
}

TEST(RequestParserTest, TargetsAreLimited) {
    EXPECT_EQ(parse(with_target(63)).status, 0);
    EXPECT_EQ(parse(with_target(64)).status, 0);
    EXPECT_EQ(parse(with_target(65)).status, 414);
    // Refused before the line ends, too.
    EXPECT_EQ(parse("GET /" + std::string(200, 'x')).status, 414);
}

std::string with_header_bytes(std::size_t size) {
    const std::string start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    const std::string end = "\r\n\r\n";
    return start + std::string(size - start.size() - end.size(), 'x') + end;
}

TEST(RequestParserTest, HeaderBytesAreLimited) {
    EXPECT_EQ(parse(with_header_bytes(511)).status, 0);
    EXPECT_EQ(parse(with_header_bytes(512)).status, 0);
    EXPECT_EQ(parse(with_header_bytes(513)).status, 431);
    // Many small fields count together, also when each is consumed on its own.
    std::string many = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (int i = 0; i < 6; ++i) many += "X: " + std::string(90, 'x') + "\r\n";
    EXPECT_EQ(parse(many + "\r\n").status, 431);
    EXPECT_EQ(parse("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(600, 'x')).status, 431);
}

TEST(RequestParserTest, HeaderFieldsAreCounted) {
    const auto with_fields = [](int count) {
        std::string text = "GET / HTTP/1.1\r\nHost: a\r\n";
        for (int i = 1; i < count; ++i) text += "X: 1\r\n";
        return text + "\r\n";
    };
    EXPECT_EQ(parse(with_fields(7)).status, 0);
    EXPECT_EQ(parse(with_fields(8)).status, 0);
    EXPECT_EQ(parse(with_fields(9)).status, 431);
}

TEST(RequestParserTest, BodiesAreLimitedByTheirLength) {
    const auto with_body = [](std::size_t size) {
        return "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(size) +
               "\r\n\r\n" + std::string(size, 'b');
    };
    EXPECT_EQ(parse(with_body(0)).status, 0);
    EXPECT_EQ(parse(with_body(31)).status, 0);
    EXPECT_EQ(parse(with_body(32)).status, 0);
    EXPECT_EQ(parse(with_body(33)).status, 413);
    // Nothing of the body is needed to refuse it.
    Request request;
    RequestParser parser(small_limits());
    parser.start(request);
    parser.feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 33\r\n\r\n");
    ASSERT_NE(parser.failure(), nullptr);
    EXPECT_EQ(parser.failure()->status, Status::ContentTooLarge);
    EXPECT_EQ(parser.failure()->message, "request body too large");
    EXPECT_EQ(parser.failure()->details.dump(), "{\"limit_bytes\":32}");
}

TEST(RequestParserTest, ChunkedBodiesAreLimitedWhileTheyAreRead) {
    const std::string start = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    const std::string sixteen = "10\r\n0123456789abcdef\r\n";
    EXPECT_EQ(parse(start + sixteen + sixteen + "0\r\n\r\n").status, 0);
    EXPECT_EQ(parse(start + sixteen + sixteen + "1\r\nx\r\n0\r\n\r\n").status, 413);
    EXPECT_EQ(parse(start + "21\r\n").status, 413);
}

TEST(RequestParserTest, ChunkHeadersAndTrailersAreLimited) {
    const std::string start = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    const std::string junk(RequestParser::kChunkHeaderBytesMax + 10, 'x');
    EXPECT_EQ(parse(start + "1;" + junk).status, 400);
    EXPECT_EQ(parse(start + "0\r\nX: " + junk).status, 400);
    std::string fields = start + "0\r\n";
    for (int i = 0; i < 10; ++i) fields += "X: 1\r\n";
    EXPECT_EQ(parse(fields + "\r\n").status, 431);
}

TEST(RequestParserTest, ExpectationsOfOldClientsAreIgnored) {
    Request request;
    RequestParser parser(small_limits());
    parser.start(request);
    parser.feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-Continue\r\n\r\n");
    EXPECT_TRUE(parser.expects_continue());
    EXPECT_FALSE(parser.complete());
    parser.start(request);
    parser.feed("POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-Continue\r\n\r\n");
    EXPECT_FALSE(parser.expects_continue());
}

TEST(RequestParserTest, OneParserReadsManyRequests) {
    Request request;
    RequestParser parser(small_limits());
    for (int i = 0; i < 3; ++i) {
        parser.start(request);
        EXPECT_FALSE(parser.begun());
        const std::string text = "POST /" + std::to_string(i) +
                                 " HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n" +
                                 std::to_string(i);
        EXPECT_EQ(parser.feed(text), text.size());
        ASSERT_TRUE(parser.complete());
        EXPECT_EQ(request.body, std::to_string(i));
        EXPECT_EQ(request.path, "/" + std::to_string(i));
        EXPECT_EQ(request.headers.size(), 2U);
    }
}

}  // namespace
}  // namespace adyton::http::internal
