// lint-allow-file(thread): the server runs beside the blocking client
// lint-allow-file(sleep): real sockets are tested in real time
// lint-allow-file(clock): real sockets are tested in real time
#include "http/server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <numeric>

#include "http/http_test_support.h"

namespace adyton::http::testing {
namespace {

Task<Response> describe(Request& request) {
    std::string text = request.method + " " + request.path;
    for (const auto& [name, value] : request.query.items()) text += " " + name + "=" + value;
    text += request.peer->tls ? " tls" : " plain";
    co_return Response::text(Status::Ok, text);
}

Task<Response> no_content(Request& /*request*/) {
    co_return Response::empty(Status::NoContent);
}

Task<Response> large(Request& request) {
    const std::size_t size = std::stoul(std::string(*request.path_params.find("size")));
    std::string body(size, 'x');
    co_return Response::text(Status::Ok, std::move(body));
}

Task<Response> sum(Request& request) {
    const auto total = std::accumulate(
        request.body.begin(), request.body.end(), std::uint64_t{0},
        [](std::uint64_t all, char c) { return all + static_cast<unsigned char>(c); });
    co_return Response::text(Status::Ok, std::to_string(total));
}

Task<Result<void>> count_to_three(BodyWriter& writer) {
    for (int i = 1; i <= 3; ++i) {
        const std::string event = "data: " + std::to_string(i) + "\n\n";
        const Result<void> written = co_await writer.write(event);
        if (!written) co_return written;
        co_await base::sleep_for(*base::Executor::current(), 5ms);
    }
    co_return Result<void>();
}

Task<Response> events(Request& /*request*/) {
    Response response = Response::with_type(Status::Ok, "text/event-stream", {});
    response.stream = count_to_three;
    co_return response;
}

Task<Result<void>> fail_midway(BodyWriter& writer) {
    const Result<void> written = co_await writer.write("some");
    if (!written) co_return written;
    co_return Error::internal("the source broke");
}

Task<Response> broken_events(Request& /*request*/) {
    Response response;
    response.stream = fail_midway;
    co_return response;
}

std::atomic<int> endless_pieces{0};
std::atomic<bool> endless_ended{false};

Task<Result<void>> without_end(BodyWriter& writer) {
    const std::string piece(64 * 1024, 'x');
    for (;;) {
        const Result<void> written = co_await writer.write(piece);
        if (!written) {
            endless_ended = true;
            co_return written;
        }
        ++endless_pieces;
        co_await base::sleep_for(*base::Executor::current(), 1ms);
    }
}

Task<Response> endless(Request& /*request*/) {
    Response response;
    response.stream = without_end;
    co_return response;
}

std::atomic<int> slow_finished{0};

Task<Response> slow(Request& request) {
    co_await base::sleep_for(*base::Executor::current(), 100ms);
    ++slow_finished;
    co_return Response::text(Status::Ok, request.body);  // the request is still there
}

class ServerTest : public ::testing::Test {
protected:
    void start(ServerOptions options = {}, unsigned loops = 1) {
        server_ = std::make_unique<TestServer>(std::move(options), loops);
        Router& router = server_->router();
        router.add("GET", "/describe", describe);
        router.add("POST", "/echo", echo);
        router.add("POST", "/sum", sum);
        router.add("POST", "/wait", wait_as_told);
        router.add("POST", "/slow", slow);
        router.add("GET", "/large/{size}", large);
        router.add("GET", "/none", no_content);
        router.add("GET", "/events", events);
        router.add("GET", "/broken", broken_events);
        router.add("GET", "/endless", endless);
        slow_finished = 0;
        endless_pieces = 0;
        endless_ended = false;
        server_->start();
    }
    RawResponse ask(const std::string& text) {
        RawClient client(server_->port());
        client.send(text);
        return client.read_response();
    }
    std::unique_ptr<TestServer> server_;
};

TEST_F(ServerTest, ARequestIsAnswered) {
    start();
    const RawResponse response = ask(request_text("GET", "/describe?a=1&a=2"));
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "GET /describe a=1 a=2 plain");
    EXPECT_EQ(response.header("Content-Length"), std::to_string(response.body.size()));
    EXPECT_EQ(response.header("X-Trace-ID").size(), 36U);
    EXPECT_EQ(response.header("Date").size(), 29U);
    EXPECT_EQ(response.header("Connection"), "");
}

TEST_F(ServerTest, TheTraceIdOfTheCallerIsEchoedOnAnswersAndRefusals) {
    start();
    EXPECT_EQ(
        ask(request_text("GET", "/describe", "", "X-Trace-ID: t-1\r\n")).header("X-Trace-ID"),
        "t-1");
    const RawResponse unknown = ask(request_text("GET", "/nope", "", "X-Trace-ID: t-2\r\n"));
    EXPECT_EQ(unknown.status, 404);
    EXPECT_EQ(unknown.header("X-Trace-ID"), "t-2");
    EXPECT_NE(unknown.body.find("\"trace_id\":\"t-2\""), std::string::npos);
    const RawResponse bad = ask(request_text("GET", "/%00", "", "X-Trace-ID: t-3\r\n"));
    EXPECT_EQ(bad.status, 400);
    EXPECT_NE(bad.body.find("\"trace_id\":\"t-3\""), std::string::npos);
    const RawResponse insane = ask(request_text("GET", "/nope", "", "X-Trace-ID: a b\r\n"));
    EXPECT_EQ(insane.header("X-Trace-ID").size(), 36U);
}

TEST_F(ServerTest, UnknownPathsAndMethodsGetTheEnvelope) {
    start();
    const RawResponse unknown = ask(request_text("GET", "/describe/"));
    EXPECT_EQ(unknown.status, 404);
    EXPECT_EQ(unknown.header("Content-Type"), "application/json");
    EXPECT_NE(unknown.body.find("\"code\":\"HTTP_404\""), std::string::npos);
    const RawResponse method = ask(request_text("POST", "/describe", "x"));
    EXPECT_EQ(method.status, 405);
    EXPECT_EQ(method.header("Allow"), "GET");
    EXPECT_NE(method.body.find("\"code\":\"HTTP_405\""), std::string::npos);
}

TEST_F(ServerTest, HeadIsNotGetAndGetsNoBody) {
    start();
    RawClient client(server_->port());
    client.send(request_text("HEAD", "/describe", "", "Connection: close\r\n"));
    const std::string all = client.read_to_end();
    EXPECT_EQ(all.substr(0, 12), "HTTP/1.1 405");
    EXPECT_NE(all.find("Content-Length: "), std::string::npos);
    EXPECT_EQ(all.substr(all.size() - 4), "\r\n\r\n");
}

TEST_F(ServerTest, AConnectionServesManyRequests) {
    start();
    RawClient client(server_->port());
    for (int i = 0; i < 100; ++i) {
        client.send(request_text("POST", "/echo", "n" + std::to_string(i)));
        EXPECT_EQ(client.read_response().body, "n" + std::to_string(i));
    }
    EXPECT_EQ(server_->observer().opened(), 1U);
}

TEST_F(ServerTest, PipelinedRequestsAreAnsweredInOrder) {
    start();
    RawClient client(server_->port());
    std::string all;
    for (int i = 0; i < 200; ++i) {
        // Later ones would be ready first.
        all += i % 10 == 0 ? request_text("POST", "/wait", "3")
                           : request_text("POST", "/echo", std::to_string(i));
    }
    client.send(all);
    for (int i = 0; i < 200; ++i) {
        EXPECT_EQ(client.read_response().body, i % 10 == 0 ? "done" : std::to_string(i));
    }
}

TEST_F(ServerTest, PipelinedBytesWaitWhileAHandlerRuns) {
    start();
    RawClient client(server_->port());
    client.send(request_text("POST", "/wait", "50"));
    std::this_thread::sleep_for(10ms);
    std::string all;
    for (int i = 0; i < 20; ++i) all += request_text("POST", "/echo", std::string(5000, 'x'));
    client.send(all);
    EXPECT_EQ(client.read_response().body, "done");
    for (int i = 0; i < 20; ++i) EXPECT_EQ(client.read_response().body.size(), 5000U);
}

TEST_F(ServerTest, ARequestMayComeByteByByte) {
    start();
    RawClient client(server_->port());
    for (const char c : request_text("POST", "/echo", "slowly")) client.send({&c, 1});
    EXPECT_EQ(client.read_response().body, "slowly");
}

TEST_F(ServerTest, LargeBodiesPassBothWays) {
    start();
    RawClient client(server_->port());
    const std::string body(8 * 1024 * 1024, '\x01');
    client.send(request_text("POST", "/sum", body));
    EXPECT_EQ(client.read_response().body, std::to_string(body.size()));
    client.send(request_text("GET", "/large/20000000"));
    EXPECT_EQ(client.read_response().body.size(), 20000000U);
    client.send(request_text("GET", "/large/16384"));
    EXPECT_EQ(client.read_response().body.size(), 16384U);
    client.send(request_text("GET", "/large/16385"));
    EXPECT_EQ(client.read_response().body.size(), 16385U);
}

TEST_F(ServerTest, ChunkedRequestsAreRead) {
    start();
    const RawResponse response =
        ask("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
    EXPECT_EQ(response.body, "hello world");
}

TEST_F(ServerTest, NoContentHasNoBodyAndKeepsTheConnection) {
    start();
    RawClient client(server_->port());
    client.send(request_text("GET", "/none") + request_text("GET", "/describe"));
    EXPECT_EQ(client.read_response().status, 204);
    EXPECT_EQ(client.read_response().status, 200);
}

TEST_F(ServerTest, ClientsThatExpectContinueGetIt) {
    start();
    RawClient client(server_->port());
    client.send(
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    const RawResponse interim = client.read_response();
    EXPECT_EQ(interim.status, 100);
    client.send("ok");
    EXPECT_EQ(client.read_response().body, "ok");
    // Too large: refused without it.
    client.send(
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n"
        "Expect: 100-continue\r\n\r\n");
    EXPECT_EQ(client.read_response().status, 413);
    EXPECT_TRUE(client.is_closed_by_peer());
}

TEST_F(ServerTest, OldClientsAreAnsweredAndClosed) {
    start();
    RawClient client(server_->port());
    client.send("GET /describe HTTP/1.0\r\n\r\n");
    const std::string all = client.read_to_end();
    EXPECT_NE(all.find("200 OK"), std::string::npos);
    EXPECT_NE(all.find("Connection: close"), std::string::npos);
}

TEST_F(ServerTest, AClientThatAsksToCloseIsClosed) {
    start();
    RawClient client(server_->port());
    client.send(request_text("GET", "/describe", "", "Connection: close\r\n"));
    const RawResponse response = client.read_response();
    EXPECT_EQ(response.header("Connection"), "close");
    EXPECT_TRUE(client.is_closed_by_peer());
}

TEST_F(ServerTest, AHalfClosedClientIsStillAnswered) {
    start();
    RawClient client(server_->port());
    client.send(request_text("POST", "/wait", "30"));
    client.shutdown_write();
    EXPECT_EQ(client.read_response().body, "done");
    EXPECT_TRUE(client.is_closed_by_peer());
}

TEST_F(ServerTest, MalformedRequestsAreRefusedAndClosed) {
    start();
    RawClient client(server_->port());
    client.send(
        "GET / HTTP/1.1\r\nHost: a\r\nBad Header: x\r\n\r\n" + request_text("GET", "/none"));
    const RawResponse response = client.read_response();
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(response.header("Connection"), "close");
    EXPECT_NE(response.body.find("\"code\":\"HTTP_400\""), std::string::npos);
    EXPECT_TRUE(client.is_closed_by_peer());  // what came after it is not looked at
    EXPECT_EQ(ask("GET / HTTP/3.0\r\n\r\n").status, 505);
    ASSERT_TRUE(eventually([&] { return server_->observer().ended().size() == 2; }));
    EXPECT_EQ(server_->observer().begun(), 0U);
}

TEST_F(ServerTest, ACutRequestIsRefused) {
    start();
    RawClient client(server_->port());
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    client.shutdown_write();
    EXPECT_EQ(client.read_response().status, 400);
}

TEST_F(ServerTest, TheAnswerToATooLargeBodyReachesAClientThatSendsAllOfIt) {
    ServerOptions options;
    options.limits.body_bytes_max = 1000;
    start(options);
    RawClient client(server_->port());
    const std::string body(4 * 1024 * 1024, 'x');
    EXPECT_TRUE(client.send(request_text("POST", "/echo", body)));
    const RawResponse response = client.read_response();
    EXPECT_EQ(response.status, 413);
    EXPECT_NE(response.body.find("\"message\":\"request body too large\""), std::string::npos);
    EXPECT_NE(response.body.find("\"details\":{\"limit_bytes\":1000}"), std::string::npos);
}

TEST_F(ServerTest, TheObserverSeesEveryRequest) {
    start();
    ask(request_text("POST", "/echo", "12345", "X-Trace-ID: seen\r\n"));
    ask(request_text("GET", "/nope"));
    ASSERT_TRUE(eventually([&] { return server_->observer().ended().size() == 2; }));
    const auto seen = server_->observer().ended();
    EXPECT_EQ(seen[0].method, "POST");
    EXPECT_EQ(seen[0].path, "/echo");
    EXPECT_EQ(seen[0].route, "/echo");
    EXPECT_EQ(seen[0].trace_id, "seen");
    EXPECT_EQ(seen[0].status, Status::Ok);
    EXPECT_EQ(seen[0].request_body_bytes, 5U);
    EXPECT_EQ(seen[0].response_body_bytes, 5U);
    EXPECT_TRUE(seen[0].delivered);
    EXPECT_GT(seen[0].duration.count(), 0);
    EXPECT_EQ(seen[1].route, "");
    EXPECT_EQ(seen[1].status, Status::NotFound);
    EXPECT_EQ(server_->observer().begun(), 2U);
    ASSERT_TRUE(eventually([&] { return server_->observer().closed() == 2; }));
}

TEST_F(ServerTest, AHandlerEndsAlthoughTheClientIsGone) {
    start();
    for (int i = 0; i < 4; ++i) {
        RawClient client(server_->port());
        client.send(request_text("POST", "/slow", "x"));
        std::this_thread::sleep_for(10ms);
        if (i % 2 == 0) client.reset();
    }
    EXPECT_TRUE(eventually([] { return slow_finished == 4; }));
    EXPECT_TRUE(eventually([&] { return server_->server().connection_count() == 0; }));
    EXPECT_EQ(server_->server().in_flight_count(), 0U);
    // The server is well.
    EXPECT_EQ(ask(request_text("GET", "/describe")).status, 200);
}

TEST_F(ServerTest, StreamsAreChunked) {
    start();
    RawClient client(server_->port());
    client.send(request_text("GET", "/events") + request_text("GET", "/describe"));
    const RawResponse response = client.read_response();
    EXPECT_EQ(response.header("Transfer-Encoding"), "chunked");
    EXPECT_EQ(response.header("Content-Length"), "");
    EXPECT_EQ(response.body, "data: 1\n\ndata: 2\n\ndata: 3\n\n");
    EXPECT_EQ(client.read_response().status, 200);  // the connection lives on
}

TEST_F(ServerTest, StreamsToOldClientsEndWithTheConnection) {
    start();
    RawClient client(server_->port());
    client.send("GET /events HTTP/1.0\r\n\r\n");
    const std::string all = client.read_to_end();
    EXPECT_EQ(all.find("chunked"), std::string::npos);
    EXPECT_NE(all.find("\r\n\r\ndata: 1\n\ndata: 2\n\ndata: 3\n\n"), std::string::npos);
}

TEST_F(ServerTest, ABrokenStreamCutsTheConnection) {
    start();
    RawClient client(server_->port());
    client.send(request_text("GET", "/broken"));
    const std::string all = client.read_to_end();
    EXPECT_NE(all.find("4\r\nsome\r\n"), std::string::npos);
    EXPECT_EQ(all.find("0\r\n\r\n"), std::string::npos);
    ASSERT_TRUE(eventually([&] { return server_->observer().ended().size() == 1; }));
    EXPECT_FALSE(server_->observer().ended()[0].delivered);
}

TEST_F(ServerTest, AStreamEndsWhenItsClientGoes) {
    start();
    RawClient client(server_->port());
    client.send(request_text("GET", "/endless"));
    ASSERT_TRUE(eventually([] { return endless_pieces > 2; }));
    client.close();
    EXPECT_TRUE(eventually([] { return endless_ended.load(); }));
}

TEST_F(ServerTest, SeveralLoopsShareTheConnections) {
    start({}, 3);
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < 9; ++i) clients.push_back(std::make_unique<RawClient>(server_->port()));
    for (int round = 0; round < 5; ++round) {
        for (auto& client : clients) client->send(request_text("POST", "/wait", "2"));
        for (auto& client : clients) EXPECT_EQ(client->read_response().body, "done");
    }
    EXPECT_EQ(server_->server().connection_count(), 9U);
}

TEST_F(ServerTest, DrainAnswersWhatIsInFlightAndClosesTheRest) {
    start();
    RawClient idle(server_->port());
    idle.send(request_text("GET", "/describe"));
    EXPECT_EQ(idle.read_response().status, 200);
    RawClient busy(server_->port());
    busy.send(request_text("POST", "/slow", "in flight"));
    ASSERT_TRUE(eventually([&] { return server_->server().in_flight_count() == 1; }));
    const std::uint16_t port = server_->port();
    server_->drain(5s);
    EXPECT_TRUE(idle.is_closed_by_peer());
    const RawResponse response = busy.read_response();
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.header("Connection"), "close");
    EXPECT_TRUE(busy.is_closed_by_peer());
    EXPECT_EQ(server_->server().connection_count(), 0U);
    EXPECT_NE(port, 0);
    EXPECT_EQ(server_->server().bound_port(), 0);
}

TEST_F(ServerTest, DrainIsBounded) {
    start();
    RawClient busy(server_->port());
    busy.send(request_text("POST", "/wait", "400"));
    ASSERT_TRUE(eventually([&] { return server_->server().in_flight_count() == 1; }));
    const auto before = std::chrono::steady_clock::now();
    server_->drain(50ms);
    EXPECT_LT(std::chrono::steady_clock::now() - before, 300ms);
    EXPECT_TRUE(busy.is_closed_by_peer());
    // The handler goes on to its end.
    EXPECT_EQ(server_->server().in_flight_count(), 1U);
    EXPECT_TRUE(eventually([&] { return server_->server().in_flight_count() == 0; }));
    ASSERT_EQ(server_->observer().ended().size(), 1U);
    EXPECT_FALSE(server_->observer().ended()[0].delivered);
}

TEST_F(ServerTest, DrainUnderLoadLosesNoAnswer) {
    start({}, 2);
    std::atomic<int> sent{0};
    std::atomic<int> answered{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            RawClient client(server_->port());
            for (;;) {
                ++sent;
                if (!client.send(request_text("POST", "/wait", "1"))) break;
                const RawResponse response = client.read_response();
                if (response.status != 200) break;  // closed before it began
                ++answered;
                if (response.header("Connection") == "close") {
                    --sent;  // balance the increment of the last, not sent one
                    break;
                }
            }
            ++sent;
        });
    }
    ASSERT_TRUE(eventually([&] { return answered > 40; }));
    server_->drain(5s);
    for (std::thread& thread : threads) thread.join();
    std::size_t delivered = 0;
    for (const SeenRequest& request : server_->observer().ended()) delivered += request.delivered;
    EXPECT_EQ(delivered, static_cast<std::size_t>(answered));
    EXPECT_EQ(server_->observer().begun(), static_cast<std::size_t>(answered));
}

TEST_F(ServerTest, AServerMayGoWhileItsHandlersRun) {
    start();
    RawClient busy(server_->port());
    busy.send(request_text("POST", "/slow", "x"));
    RawClient idle(server_->port());
    ASSERT_TRUE(eventually([&] { return server_->server().in_flight_count() == 1; }));
    server_->destroy_server();
    EXPECT_TRUE(busy.is_closed_by_peer());
    EXPECT_TRUE(idle.is_closed_by_peer());
    EXPECT_TRUE(eventually([] { return slow_finished == 1; }));
}

TEST(ServerStartTest, AddressesThatCannotBeBoundAreReported) {
    base::WorkerThreads workers(1);
    base::EventLoop loop(workers);
    const Router router;
    ServerObserver observer;
    ServerOptions options;
    options.host = "localhost";
    Server named({&loop}, options, router, observer);
    EXPECT_EQ(named.start().error().code(), ErrorCode::InvalidArgument);
    options.host = "192.0.2.1";
    Server foreign({&loop}, options, router, observer);
    EXPECT_EQ(foreign.start().error().code(), ErrorCode::Unavailable);
    options.host = "127.0.0.1";
    Server first({&loop}, options, router, observer);
    ASSERT_TRUE(first.start());
    EXPECT_EQ(first.bound_address(), "127.0.0.1:" + std::to_string(first.bound_port()));
    options.port = first.bound_port();
    Server second({&loop}, options, router, observer);
    EXPECT_EQ(second.start().error().code(), ErrorCode::Unavailable);
}

TEST(ServerStartTest, LimitsOutOfRangeAreReported) {
    base::WorkerThreads workers(1);
    base::EventLoop loop(workers);
    const Router router;
    ServerObserver observer;
    ServerOptions options;
    options.limits.header_bytes_max = 1024 * 1024 + 1;
    Server headers({&loop}, options, router, observer);
    EXPECT_EQ(headers.start().error().code(), ErrorCode::InvalidArgument);
    options = {};
    options.limits.idle_timeout = base::Duration::zero();
    Server idle({&loop}, options, router, observer);
    EXPECT_EQ(idle.start().error().code(), ErrorCode::InvalidArgument);
}

TEST(ServerStartTest, Ipv6IsServed) {
    base::WorkerThreads workers(1);
    base::EventLoop loop(workers);
    Router router;
    router.add("POST", "/echo", echo);
    ServerObserver observer;
    ServerOptions options;
    options.host = "::1";
    Server server({&loop}, options, router, observer);
    if (!server.start()) GTEST_SKIP() << "NOT RUN: no IPv6 here";
    EXPECT_EQ(server.bound_address(), "[::1]:" + std::to_string(server.bound_port()));
    Client client(loop, {});
    ClientRequest request;
    request.method = "POST";
    request.url = "http://" + server.bound_address() + "/echo";
    request.body = "six";
    const auto response = loop.run_until_done(client.send(std::move(request)));
    ASSERT_TRUE(response) << response.error().message();
    EXPECT_EQ(response->body, "six");
}

}  // namespace
}  // namespace adyton::http::testing
