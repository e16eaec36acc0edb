#include "http/message.h"

#include <gtest/gtest.h>

#include <chrono>

#include "http/internal/response_writer.h"
#include "http/internal/trace_id.h"
#include "http/status.h"

namespace adyton::http {
namespace {

TEST(HeadersTest, NamesAreComparedWithoutCaseAndDuplicatesKept) {
    Headers headers;
    headers.add("X-Service-ID", "a");
    headers.add("Other", "b");
    headers.add("x-service-id", "c");
    EXPECT_EQ(headers.find("X-SERVICE-ID"), "a");
    EXPECT_EQ(headers.find_all("x-Service-Id"), (std::vector<std::string_view>{"a", "c"}));
    EXPECT_EQ(headers.count("x-service-id"), 2U);
    EXPECT_EQ(headers.at(1).name, "Other");
    EXPECT_FALSE(headers.find("X-Service-I"));
    EXPECT_FALSE(headers.find(""));
}

TEST(HeadersTest, SetReplacesAllOfAName) {
    Headers headers;
    headers.add("a", "1");
    headers.add("b", "2");
    headers.add("A", "3");
    headers.set("a", "4");
    EXPECT_EQ(headers.size(), 2U);
    EXPECT_EQ(headers.find_all("a"), (std::vector<std::string_view>{"4"}));
    headers.remove("B");
    EXPECT_EQ(headers.size(), 1U);
    headers.clear();
    EXPECT_TRUE(headers.empty());
    EXPECT_FALSE(headers.find("a"));
}

TEST(StatusTest, EveryErrorCodeHasItsStatus) {
    EXPECT_EQ(status_number(status_of(ErrorCode::InvalidArgument)), 400U);
    EXPECT_EQ(status_number(status_of(ErrorCode::Unauthenticated)), 401U);
    EXPECT_EQ(status_number(status_of(ErrorCode::PermissionDenied)), 403U);
    EXPECT_EQ(status_number(status_of(ErrorCode::NotFound)), 404U);
    EXPECT_EQ(status_number(status_of(ErrorCode::Conflict)), 409U);
    EXPECT_EQ(status_number(status_of(ErrorCode::TooLarge)), 413U);
    EXPECT_EQ(status_number(status_of(ErrorCode::Unprocessable)), 422U);
    EXPECT_EQ(status_number(status_of(ErrorCode::Frozen)), 423U);
    EXPECT_EQ(status_number(status_of(ErrorCode::ResourceExhausted)), 429U);
    EXPECT_EQ(status_number(status_of(ErrorCode::Internal)), 500U);
    EXPECT_EQ(status_number(status_of(ErrorCode::CorruptData)), 500U);
    EXPECT_EQ(status_number(status_of(ErrorCode::Unavailable)), 503U);
    EXPECT_EQ(status_number(status_of(ErrorCode::DeadlineExceeded)), 504U);
    EXPECT_EQ(status_number(status_of(ErrorCode::OutcomeUnknown)), 504U);
}

TEST(StatusTest, RefusalsReadBackAsTheirError) {
    for (const ErrorCode code :
         {ErrorCode::InvalidArgument, ErrorCode::Unauthenticated, ErrorCode::PermissionDenied,
          ErrorCode::NotFound, ErrorCode::Conflict, ErrorCode::TooLarge, ErrorCode::Unprocessable,
          ErrorCode::Frozen, ErrorCode::ResourceExhausted, ErrorCode::Internal,
          ErrorCode::Unavailable, ErrorCode::OutcomeUnknown}) {
        EXPECT_EQ(error_code_of(status_of(code)), code);
    }
    EXPECT_EQ(error_code_of(static_cast<Status>(418)), ErrorCode::InvalidArgument);
    EXPECT_EQ(error_code_of(static_cast<Status>(599)), ErrorCode::Internal);
}

TEST(ResponseWriterTest, AHeadHasTheServersFieldsAndTheHandlers) {
    Response response = Response::json(Status::NotFound, "{}");
    response.headers.add("X-Extra", "1");
    internal::HeadContext context;
    context.date = "D";
    context.trace_id = "T";
    context.content_length = 2;
    std::string out;
    internal::append_head(out, response, context);
    EXPECT_EQ(
        out,
        "HTTP/1.1 404 Not Found\r\nDate: D\r\nContent-Type: application/json\r\nX-Extra: 1\r\n"
        "X-Trace-ID: T\r\nContent-Length: 2\r\n\r\n");
}

TEST(ResponseWriterTest, NoHeaderCanSplitAnAnswer) {
    Response response;
    response.headers.add("X-A", "b\r\nSet-Cookie: c\n\x01");
    response.headers.add("X-B\r\nEvil", "1");
    response.headers.add("bad name", "1");
    response.headers.add("", "1");
    internal::HeadContext context;
    std::string out;
    internal::append_head(out, response, context);
    EXPECT_NE(out.find("X-A: b  Set-Cookie: c  \r\n"), std::string::npos);
    EXPECT_EQ(out.find("Evil"), std::string::npos);
    EXPECT_EQ(out.find("bad name"), std::string::npos);
    EXPECT_EQ(out.find("\r\n: "), std::string::npos);
}

TEST(ResponseWriterTest, FieldsOfTheServerCannotBeContradicted) {
    Response response;
    for (const char* name :
         {"content-length", "Transfer-Encoding", "CONNECTION", "date", "x-trace-id"}) {
        response.headers.add(name, "77");
    }
    internal::HeadContext context;
    context.framing = internal::BodyFraming::Chunked;
    context.close = true;
    std::string out;
    internal::append_head(out, response, context);
    EXPECT_EQ(out.find("77"), std::string::npos);
    EXPECT_NE(out.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
    EXPECT_NE(out.find("Connection: close\r\n"), std::string::npos);
    EXPECT_EQ(out.find("Content-Length"), std::string::npos);
}

TEST(ResponseWriterTest, NoContentHasNoLength) {
    std::string out;
    internal::append_head(out, Response::empty(Status::NoContent), internal::HeadContext{});
    EXPECT_EQ(out.find("Content-Length"), std::string::npos);
}

TEST(ResponseWriterTest, DatesAreImfFixdates) {
    using namespace std::chrono;
    internal::DateText date;
    // The example of RFC 9110, 5.6.7.
    EXPECT_EQ(date.at(sys_seconds(seconds(784111777))), "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(
        date.at(sys_seconds(seconds(784111777)) + microseconds(999999)),
        "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(date.at(sys_seconds(seconds(951782400))), "Tue, 29 Feb 2000 00:00:00 GMT");
}

TEST(ResponseWriterTest, ChunksCarryTheirSizeInHex) {
    std::string out;
    internal::append_chunk(out, std::string(26, 'x'));
    EXPECT_EQ(out, "1a\r\n" + std::string(26, 'x') + "\r\n");
}

TEST(TraceIdTest, FreshIdsAreVersionFourAndDiffer) {
    base::SeededRandom random(7);
    internal::TraceIds ids(random);
    std::string first;
    std::string id;
    ids.fresh(first);
    for (int i = 0; i < 200; ++i) {
        ids.fresh(id);
        ASSERT_EQ(id.size(), 36U);
        EXPECT_EQ(id[14], '4');
        EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos);
        EXPECT_EQ(id[8], '-');
        EXPECT_NE(id, first);
    }
}

TEST(TraceIdTest, OnlySaneIdsOfTheCallerAreKept) {
    base::SeededRandom random(7);
    internal::TraceIds ids(random);
    const auto chosen = [&](std::initializer_list<std::string> given) {
        Headers headers;
        for (const std::string& one : given) headers.add("x-trace-id", one);
        std::string id;
        ids.choose(headers, id);
        return id;
    };
    EXPECT_EQ(chosen({"abc-123"}), "abc-123");
    EXPECT_EQ(chosen({std::string(128, 'x')}), std::string(128, 'x'));
    EXPECT_EQ(chosen({std::string(129, 'x')}).size(), 36U);
    EXPECT_EQ(chosen({}).size(), 36U);
    EXPECT_EQ(chosen({""}).size(), 36U);
    EXPECT_EQ(chosen({"a b"}).size(), 36U);
    EXPECT_EQ(chosen({"\xc3\xa4"}).size(), 36U);
    EXPECT_EQ(chosen({"a", "b"}).size(), 36U);
}

}  // namespace
}  // namespace adyton::http
