#include "http/router.h"

#include <gtest/gtest.h>

#include "base/sim_executor.h"
#include "http/client.h"

namespace adyton::http {
namespace {

Task<Response> name_route(Request& request) {
    std::string text(request.route);
    for (const auto& [name, value] : request.path_params.items()) {
        text += " " + name + "=" + value;
    }
    co_return Response::text(Status::Ok, text);
}

Task<Response> say_list(Request& /*request*/) {
    co_return Response::text(Status::Ok, "list");
}

Task<Response> fail_late(Request& request) {
    co_await base::sleep_for(*base::Executor::current(), std::chrono::seconds(1));
    const auto twice = request.query.find_single("a");
    std::string text = twice ? "fine" : twice.error().message();
    co_return Response::text(twice ? Status::Ok : Status::BadRequest, text);
}

Task<Result<void>> three_pieces(BodyWriter& writer) {
    for (const char* piece : {"one", "two", "three"}) {
        const Result<void> written = co_await writer.write(piece);
        if (!written) co_return written;
    }
    co_return Result<void>();
}

Task<Response> stream_pieces(Request& /*request*/) {
    Response response;
    response.stream = three_pieces;
    co_return response;
}

class RouterTest : public ::testing::Test {
protected:
    RouterTest() {
        router_.add("GET", "/jobs/{id}", name_route);
        router_.add("DELETE", "/jobs/{id}", name_route);
        router_.add("GET", "/jobs/{id}/logs/{line}", name_route);
        router_.add("GET", "/jobs/list", say_list);
        router_.add("GET", "/jobs", say_list);
        router_.add("POST", "/jobs", name_route);
        router_.add("GET", "/late", fail_late);
        router_.add("GET", "/stream", stream_pieces);
    }

    Result<Response> send(std::string method, std::string target, Headers headers = {}) {
        PeerInfo peer;
        peer.remote_address = "test";
        RouterTransport transport(router_, peer, random_);
        ClientRequest request;
        request.method = std::move(method);
        request.url = "http://pool" + target;
        request.headers = std::move(headers);
        return executor_.run_until_done(transport.send(std::move(request)));
    }

    base::SimExecutor executor_{1};
    base::SeededRandom random_{1};
    Router router_;
};

TEST_F(RouterTest, SegmentsBecomeParameters) {
    EXPECT_EQ(send("GET", "/jobs/a%20b")->body, "/jobs/{id} id=a b");
    EXPECT_EQ(send("GET", "/jobs/1/logs/2")->body, "/jobs/{id}/logs/{line} id=1 line=2");
    EXPECT_EQ(send("DELETE", "/jobs/list2")->body, "/jobs/{id} id=list2");
}

TEST_F(RouterTest, ExactPathsWinOverPatterns) {
    EXPECT_EQ(send("GET", "/jobs/list")->body, "list");
    EXPECT_EQ(send("DELETE", "/jobs/list")->status, Status::MethodNotAllowed);
}

TEST_F(RouterTest, OtherPathsAreNotFound) {
    for (const char* target :
         {"/", "/job", "/jobs/", "/jobs//", "/jobs/1/", "/jobs/1/logs", "/jobs/1/logs/", "/JOBS",
          "/jobs/1/logs/2/3", "//jobs"}) {
        const auto response = send("GET", target);
        ASSERT_TRUE(response) << target;
        EXPECT_EQ(response->status, Status::NotFound) << target;
    }
}

TEST_F(RouterTest, WrongMethodsAreToldTheRightOnes) {
    const auto response = send("PUT", "/jobs");
    EXPECT_EQ(response->status, Status::MethodNotAllowed);
    EXPECT_EQ(response->headers.find("Allow"), "GET, POST");
    EXPECT_EQ(send("HEAD", "/jobs")->status, Status::MethodNotAllowed);
    EXPECT_EQ(send("get", "/jobs")->status, Status::MethodNotAllowed);
}

TEST_F(RouterTest, RefusalsHaveTheEnvelopeAndTheTraceId) {
    Headers headers;
    headers.add("X-Trace-ID", "trace-1");
    const auto response = send("GET", "/nothing", headers);
    EXPECT_EQ(response->headers.find("X-Trace-ID"), "trace-1");
    EXPECT_EQ(
        response->body,
        "{\"code\":\"HTTP_404\",\"message\":\"not found\",\"trace_id\":\"trace-1\"}\n");
    EXPECT_EQ(response->headers.find("Content-Type"), "application/json");
}

TEST_F(RouterTest, BadTargetsAreRefusedAsOverASocket) {
    EXPECT_EQ(send("GET", "/jobs/a%2fb")->status, Status::BadRequest);
    EXPECT_EQ(send("GET", "/jobs?a=%zz")->status, Status::BadRequest);
    EXPECT_EQ(send("GET", "/jobs/../x")->status, Status::BadRequest);
}

TEST_F(RouterTest, HandlersMayWaitInVirtualTime) {
    EXPECT_EQ(send("GET", "/late?a=1&b=2")->body, "fine");
    EXPECT_EQ(send("GET", "/late?a=1&a=2")->status, Status::BadRequest);
}

TEST_F(RouterTest, StreamedBodiesAreCollected) {
    EXPECT_EQ(send("GET", "/stream")->body, "onetwothree");
}

TEST_F(RouterTest, RoutesAreListedInOrder) {
    const auto routes = router_.routes();
    ASSERT_EQ(routes.size(), 8U);
    EXPECT_EQ(routes[0].pattern, "/jobs");
    EXPECT_EQ(routes[0].method, "GET");
    EXPECT_EQ(routes[1].method, "POST");
}

TEST(ErrorEnvelopeTest, ReasonsBecomeDetails) {
    const auto info = ErrorInfo::of(Error::conflict("stale lease", "stale_fencing"), "t");
    EXPECT_EQ(
        render_error_envelope(info).body,
        "{\"code\":\"HTTP_409\",\"message\":\"stale lease\",\"details\":{\"reason\":"
        "\"stale_fencing\"},\"trace_id\":\"t\"}\n");
}

TEST(ErrorEnvelopeTest, InternalFailuresKeepTheirMessageToThemselves) {
    const auto info = ErrorInfo::of(Error::internal("/var/lib/secret.db is broken"));
    EXPECT_EQ(info.message, "internal server error");
    EXPECT_EQ(info.status, Status::InternalServerError);
}

TEST(ErrorEnvelopeTest, CallersAreToldWhenToComeBack) {
    const Router router;
    const Response response =
        router.error(ErrorInfo::of(Error::resource_exhausted("too many"), "t"));
    EXPECT_EQ(response.status, Status::TooManyRequests);
    EXPECT_EQ(response.headers.find("Retry-After"), "1");
}

}  // namespace
}  // namespace adyton::http
