// lint-allow-file(thread): the server runs beside the blocking client
// lint-allow-file(sleep): real sockets are tested in real time
// lint-allow-file(clock): real sockets are tested in real time
#include "http/client.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "http/http_test_support.h"
#include "http/internal/client_core.h"

namespace adyton::http::testing {
namespace {

class ClientTest : public ::testing::Test {
protected:
    void start(ServerOptions options = {}) {
        options.limits.tick = 5ms;
        server_ = std::make_unique<TestServer>(std::move(options));
        server_->router().add("POST", "/echo", echo);
        server_->router().add("POST", "/wait", wait_as_told);
        server_->start();
    }
    std::unique_ptr<TestServer> server_;
};

TEST_F(ClientTest, ConnectionsAreKept) {
    start();
    TestClient client;
    for (int i = 0; i < 20; ++i) {
        const auto response = client.post(server_->url("/echo"), std::to_string(i));
        ASSERT_TRUE(response) << response.error().message();
        EXPECT_EQ(response->status, Status::Ok);
        EXPECT_EQ(response->body, std::to_string(i));
    }
    EXPECT_EQ(server_->observer().opened(), 1U);
    EXPECT_EQ(client.client().connection_count(), 1U);
}

TEST_F(ClientTest, RequestsRunSideBySideWithinTheLimit) {
    start();
    ClientOptions options;
    options.connections_per_host_max = 4;
    TestClient client(options);
    std::vector<ClientRequest> requests(40);
    for (std::size_t i = 0; i < requests.size(); ++i) {
        requests[i].method = "POST";
        requests[i].url = server_->url(i % 2 == 0 ? "/wait" : "/echo");
        requests[i].body = std::to_string(i % 7);
    }
    const auto responses = client.send_all(std::move(requests));
    for (std::size_t i = 0; i < responses.size(); ++i) {
        ASSERT_TRUE(responses[i]) << responses[i].error().message();
        EXPECT_EQ(responses[i]->body, i % 2 == 0 ? "done" : std::to_string(i % 7));
    }
    EXPECT_LE(server_->observer().opened(), 4U);
}

TEST_F(ClientTest, WaitingForAConnectionIsBoundedInTimeAndNumber) {
    start();
    ClientOptions options;
    options.connections_per_host_max = 1;
    options.waiting_max = 1;
    TestClient client(options);
    std::vector<ClientRequest> requests(3);
    for (ClientRequest& request : requests) {
        request.method = "POST";
        request.url = server_->url("/wait");
        request.body = "150";
    }
    requests[1].timeout = 40ms;
    const auto responses = client.send_all(std::move(requests));
    EXPECT_TRUE(responses[0]);
    ASSERT_FALSE(responses[1]);
    EXPECT_EQ(responses[1].error().code(), ErrorCode::DeadlineExceeded);
    ASSERT_FALSE(responses[2]);
    EXPECT_EQ(responses[2].error().code(), ErrorCode::Unavailable);
}

TEST_F(ClientTest, RefusalsAreAnswersNotErrors) {
    start();
    TestClient client;
    EXPECT_EQ(client.get(server_->url("/nope"))->status, Status::NotFound);
    EXPECT_EQ(client.get(server_->url("/echo"))->headers.find("Allow"), "POST");
    EXPECT_EQ(server_->observer().opened(), 1U);
}

TEST_F(ClientTest, AnAnswerLaterThanTheTimeoutIsUnknown) {
    start();
    TestClient client;
    ClientRequest request;
    request.method = "POST";
    request.url = server_->url("/wait");
    request.body = "300";
    request.timeout = 50ms;
    const auto response = client.send(std::move(request));
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code(), ErrorCode::OutcomeUnknown);
    // The late answer must not be taken for the next one's.
    EXPECT_EQ(client.post(server_->url("/echo"), "fresh")->body, "fresh");
}

TEST_F(ClientTest, NothingWasSentWhenNobodyListens) {
    start();
    const std::string url = server_->url("/echo");
    server_.reset();
    TestClient client;
    const auto response = client.post(url, "x");
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code(), ErrorCode::Unavailable);
}

TEST_F(ClientTest, ConnectionsThatTheServerClosedAreReplaced) {
    ServerOptions options;
    options.limits.idle_timeout = 30ms;
    start(options);
    TestClient client;
    EXPECT_TRUE(client.post(server_->url("/echo"), "a"));
    client.idle(100ms);  // the loop sees the close
    EXPECT_EQ(client.client().connection_count(), 0U);
    EXPECT_TRUE(client.post(server_->url("/echo"), "b"));
    // The same while the loop stands still: the socket is asked before it is used.
    std::this_thread::sleep_for(100ms);
    EXPECT_TRUE(client.post(server_->url("/echo"), "c"));
}

TEST_F(ClientTest, IdleConnectionsAreClosedInTime) {
    start();
    ClientOptions options;
    options.idle_timeout = 50ms;
    TestClient client(options);
    EXPECT_TRUE(client.post(server_->url("/echo"), "a"));
    client.idle(1200ms);
    EXPECT_EQ(client.client().connection_count(), 0U);
    EXPECT_TRUE(eventually([&] { return server_->server().connection_count() == 0; }));
}

TEST_F(ClientTest, HostsWithoutConnectionsAreForgotten) {
    start();
    base::WorkerThreads workers(2);
    base::EventLoop loop(workers);
    ClientOptions options;
    options.connections_per_host_max = 1;
    const auto core = std::make_shared<Client::Core>(loop, options);
    const auto get = [&](const std::string& host) {
        ClientRequest request;
        request.url = "http://" + host + ":" + std::to_string(server_->port()) + "/none";
        return internal::send_on_loop(core, std::move(request));
    };
    EXPECT_FALSE(loop.run_until_done(get("no-such-host.invalid")));
    EXPECT_EQ(core->pools.size(), 0U);
    // Those that wait for the one connection get their turn.
    std::vector<Task<Result<Response>>> several;
    for (int i = 0; i < 5; ++i) several.push_back(get("127.0.0.1"));
    for (const auto& answer : loop.run_until_done(base::when_all(std::move(several)))) {
        EXPECT_TRUE(answer);
    }
    EXPECT_EQ(core->pools.size(), 1U);
    core->close();
}

TEST_F(ClientTest, CallersOnOtherLoopsAreServed) {
    start();
    base::WorkerThreads workers(1);
    base::EventLoop client_loop(workers);
    Client client(client_loop, {});
    std::thread thread([&] { client_loop.run(); });
    base::EventLoop own_loop(workers);
    for (int i = 0; i < 5; ++i) {
        ClientRequest request;
        request.method = "POST";
        request.url = server_->url("/echo");
        request.body = std::to_string(i);
        const auto response = own_loop.run_until_done(client.send(std::move(request)));
        ASSERT_TRUE(response);
        EXPECT_EQ(response->body, std::to_string(i));
    }
    client_loop.stop();
    thread.join();
}

TEST_F(ClientTest, NamesAreResolved) {
    start();
    TestClient client;
    const auto response =
        client.post("http://localhost:" + std::to_string(server_->port()) + "/echo", "named");
    ASSERT_TRUE(response) << response.error().message();
    EXPECT_EQ(response->body, "named");
    const auto unknown = client.get("http://no-such-host.invalid/");
    ASSERT_FALSE(unknown);
    EXPECT_TRUE(
        unknown.error().code() == ErrorCode::Unavailable ||
        unknown.error().code() == ErrorCode::DeadlineExceeded);
}

TEST_F(ClientTest, WhatCannotBeSentIsRefusedBeforehand) {
    TestClient client;
    const auto code = [&](ClientRequest request) {
        const auto response = client.send(std::move(request));
        return response ? ErrorCode::Internal : response.error().code();
    };
    ClientRequest request;
    request.url = "http://127.0.0.1:1/a b";
    EXPECT_EQ(code(request), ErrorCode::InvalidArgument);
    request.url = "https://127.0.0.1:1/";  // no TLS context
    EXPECT_EQ(code(request), ErrorCode::InvalidArgument);
    request.url = "http://127.0.0.1:1/";
    request.method = "GET / HTTP/1.1\r\nX:";
    EXPECT_EQ(code(request), ErrorCode::InvalidArgument);
    request.method = "GET";
    request.headers.add("X", "a\r\nEvil: b");
    EXPECT_EQ(code(request), ErrorCode::InvalidArgument);
    request.headers.clear();
    request.headers.add("X Y", "a");
    EXPECT_EQ(code(request), ErrorCode::InvalidArgument);
}

TEST(ClientWireTest, TheRequestIsAsItShouldBe) {
    std::string seen;
    ScriptedServer server([&](int fd) {
        seen = ScriptedServer::read_until(fd, "body!");
        ScriptedServer::send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    TestClient client;
    ClientRequest request;
    request.method = "POST";
    request.url = server.url("/a%20b?c=d");
    request.headers.add("X-Trace-ID", "t");
    request.headers.add("content-length", "99");
    request.headers.add("Host", "evil");
    request.headers.add("Transfer-Encoding", "chunked");
    request.body = "body!";
    const auto response = client.send(std::move(request));
    ASSERT_TRUE(response) << response.error().message();
    EXPECT_EQ(
        seen, "POST /a%20b?c=d HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(server.port()) +
                  "\r\nX-Trace-ID: t\r\nContent-Length: 5\r\n\r\nbody!");
}

Result<Response> ask_script(std::string_view reply, ClientOptions options = {}) {
    ScriptedServer server([&](int fd) {
        ScriptedServer::read_until(fd, "\r\n\r\n");
        ScriptedServer::send_text(fd, reply);
    });
    TestClient client(std::move(options));
    return client.get(server.url("/"));
}

TEST(ClientWireTest, AnswersMayEndWithTheConnection) {
    const auto response = ask_script("HTTP/1.1 200 OK\r\n\r\nuntil the end");
    ASSERT_TRUE(response) << response.error().message();
    EXPECT_EQ(response->body, "until the end");
}

TEST(ClientWireTest, IncompleteAnswersLeaveTheOutcomeUnknownOrCorrupt) {
    EXPECT_EQ(ask_script("").error().code(), ErrorCode::OutcomeUnknown);
    EXPECT_EQ(
        ask_script("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").error().code(),
        ErrorCode::OutcomeUnknown);
    EXPECT_EQ(ask_script("HTTP/1.1 200 O").error().code(), ErrorCode::OutcomeUnknown);
    EXPECT_EQ(ask_script("nonsense\r\n\r\n").error().code(), ErrorCode::CorruptData);
}

TEST(ClientWireTest, AnswersLargerThanTheLimitAreRefused) {
    ClientOptions options;
    options.response_bytes_max = 10;
    options.header_bytes_max = 100;
    EXPECT_TRUE(ask_script("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789", options));
    EXPECT_EQ(
        ask_script("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n01234567890", options)
            .error()
            .code(),
        ErrorCode::TooLarge);
    EXPECT_EQ(
        ask_script("HTTP/1.1 200 OK\r\n\r\n01234567890", options).error().code(),
        ErrorCode::TooLarge);
    EXPECT_EQ(
        ask_script("HTTP/1.1 200 OK\r\nX: " + std::string(100, 'x') + "\r\n\r\n", options)
            .error()
            .code(),
        ErrorCode::TooLarge);
}

TEST(ClientWireTest, AConnectionWithMoreThanTheAnswerIsNotUsedAgain) {
    ScriptedServer server([&](int fd) {
        ScriptedServer::read_until(fd, "\r\n\r\n");
        ScriptedServer::send_text(
            fd,
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    });
    TestClient client;
    EXPECT_EQ(client.get(server.url("/"))->body, "1");
    EXPECT_EQ(client.get(server.url("/"))->body, "1");
    EXPECT_EQ(server.connections(), 2U);
}

TEST(ClientWireTest, AnEarlyRefusalOfALargeBodyIsHeard) {
    ScriptedServer server([&](int fd) {
        ScriptedServer::read_until(fd, "\r\n\r\n");
        ScriptedServer::send_text(
            fd, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
        std::this_thread::sleep_for(200ms);  // without reading the rest
    });
    TestClient client;
    const auto response = client.post(server.url("/"), std::string(16 * 1024 * 1024, 'x'));
    ASSERT_TRUE(response) << response.error().message();
    EXPECT_EQ(response->status, Status::ContentTooLarge);
    EXPECT_EQ(response->body, "big");
}

TEST(ClientWireTest, AServerThatNeverAnswersIsLeftInTime) {
    ScriptedServer server([&](int fd) {
        ScriptedServer::read_until(fd, "\r\n\r\n");
        ScriptedServer::send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
        for (int i = 0; i < 20; ++i) {  // a drip does not extend the time
            ScriptedServer::send_text(fd, "x");
            std::this_thread::sleep_for(10ms);
        }
    });
    TestClient client;
    ClientRequest request;
    request.url = server.url("/");
    request.timeout = 60ms;
    const auto before = std::chrono::steady_clock::now();
    const auto response = client.send(std::move(request));
    EXPECT_LT(std::chrono::steady_clock::now() - before, 180ms);
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code(), ErrorCode::OutcomeUnknown);
}

}  // namespace
}  // namespace adyton::http::testing
