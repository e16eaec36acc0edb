// lint-allow-file(sleep): real sockets are tested in real time
// lint-allow-file(clock): real sockets are tested in real time
#include <gtest/gtest.h>

#include "http/http_test_support.h"
#include "http/server.h"

namespace adyton::http::testing {
namespace {

class ServerLimitsTest : public ::testing::Test {
protected:
    ServerLimitsTest() { options_.limits.tick = 5ms; }
    void start() {
        server_ = std::make_unique<TestServer>(options_);
        server_->router().add("POST", "/echo", echo);
        server_->router().add("POST", "/wait", wait_as_told);
        server_->start();
    }
    ServerLimits& limits() { return options_.limits; }

    ServerOptions options_;
    std::unique_ptr<TestServer> server_;
};

using Clock = std::chrono::steady_clock;

TEST_F(ServerLimitsTest, ASilentConnectionIsClosedAfterTheHeaderTimeout) {
    limits().header_timeout = 60ms;
    start();
    const auto before = Clock::now();
    RawClient client(server_->port());
    EXPECT_TRUE(client.is_closed_by_peer());
    EXPECT_GE(Clock::now() - before, 55ms);
    EXPECT_LT(Clock::now() - before, 2s);
}

TEST_F(ServerLimitsTest, DrippedHeadersRunIntoAnAbsoluteDeadline) {
    limits().header_timeout = 80ms;
    start();
    RawClient client(server_->port());
    const auto before = Clock::now();
    std::string text = "POST /echo HTTP/1.1\r\nHost: a\r\nX: ";
    client.send(text);
    // A byte every few milliseconds does not keep it alive.
    while (Clock::now() - before < 150ms && client.send("x")) {
        std::this_thread::sleep_for(5ms);
    }
    const RawResponse response = client.read_response();
    EXPECT_EQ(response.status, 408);
    EXPECT_EQ(response.header("Connection"), "close");
    EXPECT_NE(response.body.find("\"code\":\"HTTP_408\""), std::string::npos);
    EXPECT_LT(Clock::now() - before, 3s);
}

TEST_F(ServerLimitsTest, DrippedBodiesRunIntoAnAbsoluteDeadline) {
    limits().body_timeout = 80ms;
    start();
    RawClient client(server_->port());
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
    const auto before = Clock::now();
    while (Clock::now() - before < 150ms && client.send("x")) {
        std::this_thread::sleep_for(5ms);
    }
    EXPECT_EQ(client.read_response().status, 408);
}

TEST_F(ServerLimitsTest, IdleConnectionsAreClosedWithoutAnAnswer) {
    limits().idle_timeout = 60ms;
    limits().header_timeout = 10s;
    start();
    RawClient client(server_->port());
    client.send(request_text("POST", "/echo", "a"));
    EXPECT_EQ(client.read_response().status, 200);
    const auto before = Clock::now();
    EXPECT_TRUE(client.is_closed_by_peer());
    EXPECT_GE(Clock::now() - before, 50ms);
}

TEST_F(ServerLimitsTest, AClientThatDoesNotReadIsCutOff) {
    limits().write_timeout = 80ms;
    limits().body_bytes_max = 64 * 1024 * 1024;
    start();
    RawClient client(server_->port());
    const std::string body(32 * 1024 * 1024, 'x');
    ASSERT_TRUE(client.send(request_text("POST", "/echo", body)));
    ASSERT_TRUE(eventually([&] { return server_->observer().ended().size() == 1; }));
    EXPECT_FALSE(server_->observer().ended()[0].delivered);
    EXPECT_TRUE(eventually([&] { return server_->server().connection_count() == 0; }));
}

TEST_F(ServerLimitsTest, HandlersThatTakeTooLongAreAnsweredForAndEndUnseen) {
    limits().handler_timeout = 40ms;
    start();
    RawClient client(server_->port());
    client.send(request_text("POST", "/wait", "150"));
    const RawResponse response = client.read_response();
    EXPECT_EQ(response.status, 504);
    EXPECT_EQ(server_->server().in_flight_count(), 1U);
    EXPECT_TRUE(client.is_closed_by_peer());
    EXPECT_TRUE(eventually([&] { return server_->server().in_flight_count() == 0; }));
    EXPECT_TRUE(eventually([&] { return server_->server().connection_count() == 0; }));
    ASSERT_EQ(server_->observer().ended().size(), 1U);
    EXPECT_EQ(server_->observer().ended()[0].status, Status::GatewayTimeout);
}

TEST_F(ServerLimitsTest, OldConnectionsAreRetired) {
    limits().connection_age_max = 100ms;
    start();
    RawClient used(server_->port());
    RawClient idle(server_->port());
    used.send(request_text("POST", "/echo", "a"));
    EXPECT_EQ(used.read_response().header("Connection"), "");
    used.send(request_text("POST", "/wait", "120"));
    EXPECT_EQ(used.read_response().header("Connection"), "close");
    EXPECT_TRUE(used.is_closed_by_peer());
    EXPECT_TRUE(idle.is_closed_by_peer());
}

TEST_F(ServerLimitsTest, RequestsOfAConnectionAreCounted) {
    limits().requests_per_connection_max = 2;
    start();
    RawClient client(server_->port());
    client.send(request_text("POST", "/echo", "1") + request_text("POST", "/echo", "2"));
    EXPECT_EQ(client.read_response().header("Connection"), "");
    EXPECT_EQ(client.read_response().header("Connection"), "close");
    EXPECT_TRUE(client.is_closed_by_peer());
}

TEST_F(ServerLimitsTest, ConnectionsOverTheLimitAreTurnedAway) {
    limits().connections_max = 2;
    start();
    RawClient first(server_->port());
    auto second = std::make_unique<RawClient>(server_->port());
    ASSERT_TRUE(eventually([&] { return server_->server().connection_count() == 2; }));
    {
        RawClient third(server_->port());
        const RawResponse response = third.read_response();
        EXPECT_EQ(response.status, 503);
        EXPECT_EQ(response.header("Retry-After"), "1");
        EXPECT_EQ(response.header("X-Trace-ID").size(), 36U);
    }
    second.reset();
    ASSERT_TRUE(eventually([&] { return server_->server().connection_count() == 1; }));
    RawClient fourth(server_->port());
    fourth.send(request_text("POST", "/echo", "in"));
    EXPECT_EQ(fourth.read_response().body, "in");
}

TEST_F(ServerLimitsTest, ConnectionsOfOneAddressAreLimited) {
    limits().connections_per_address_max = 1;
    start();
    auto first = std::make_unique<RawClient>(server_->port());
    ASSERT_TRUE(eventually([&] { return server_->server().connection_count() == 1; }));
    RawClient second(server_->port());
    EXPECT_EQ(second.read_response().status, 503);
    first.reset();
    ASSERT_TRUE(eventually([&] { return server_->server().connection_count() == 0; }));
    RawClient third(server_->port());
    third.send(request_text("POST", "/echo", "in"));
    EXPECT_EQ(third.read_response().body, "in");
}

TEST_F(ServerLimitsTest, RequestsInFlightAreLimited) {
    limits().in_flight_max = 1;
    start();
    RawClient busy(server_->port());
    busy.send(request_text("POST", "/wait", "100"));
    ASSERT_TRUE(eventually([&] { return server_->server().in_flight_count() == 1; }));
    RawClient client(server_->port());
    client.send(request_text("POST", "/echo", "x"));
    const RawResponse refused = client.read_response();
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(refused.header("Retry-After"), "1");
    EXPECT_EQ(refused.header("Connection"), "");  // worth another try on this connection
    EXPECT_EQ(busy.read_response().body, "done");
    ASSERT_TRUE(eventually([&] { return server_->server().in_flight_count() == 0; }));
    client.send(request_text("POST", "/echo", "x"));
    EXPECT_EQ(client.read_response().body, "x");
}

TEST_F(ServerLimitsTest, EachSizeIsServedAtItsLimitAndRefusedAboveIt) {
    limits().body_bytes_max = 100;
    limits().target_bytes_max = 100;
    limits().header_bytes_max = 1000;
    limits().header_count_max = 10;
    start();
    const auto status = [&](const std::string& text) {
        RawClient client(server_->port());
        client.send(text);
        return client.read_response().status;
    };
    EXPECT_EQ(status(request_text("POST", "/echo", std::string(100, 'x'))), 200);
    EXPECT_EQ(status(request_text("POST", "/echo", std::string(101, 'x'))), 413);
    EXPECT_EQ(status(request_text("POST", "/echo?" + std::string(94, 'x'), "b")), 200);
    EXPECT_EQ(status(request_text("POST", "/echo?" + std::string(95, 'x'), "b")), 414);
    const std::string plain = request_text("POST", "/echo", "", "X: \r\n");
    const std::string padding(1000 - plain.size(), 'x');
    EXPECT_EQ(status(request_text("POST", "/echo", "", "X: " + padding + "\r\n")), 200);
    EXPECT_EQ(status(request_text("POST", "/echo", "", "X: " + padding + "x\r\n")), 431);
    std::string fields;
    for (int i = 0; i < 9; ++i) fields += "X: 1\r\n";
    EXPECT_EQ(status(request_text("POST", "/echo", "", fields)), 200);
    EXPECT_EQ(status(request_text("POST", "/echo", "", fields + "X: 1\r\n")), 431);
}

TEST_F(ServerLimitsTest, HeadersUpToTheContractsMaximumAreRead) {
    limits().header_bytes_max = 1024 * 1024;
    start();
    RawClient client(server_->port());
    const std::string value(1024 * 1024 - 200, 'x');
    client.send(request_text("POST", "/echo", "", "X: " + value + "\r\n"));
    EXPECT_EQ(client.read_response().status, 200);
}

}  // namespace
}  // namespace adyton::http::testing
