#include "http/guarded_client.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "http/http_test_support.h"

namespace adyton::http {
namespace {

using testing::TestServer;

bool is_loopback(base::ByteView address) {
    if (address.size() == 4) return address[0] == 127;
    return std::all_of(address.begin(), address.end() - 1, [](auto byte) { return byte == 0; });
}

struct Asking {
    explicit Asking(AddressCheck allow) : client(loop, {}, std::move(allow)) {}
    Result<Response> get(std::string url) {
        ClientRequest request;
        request.url = std::move(url);
        return loop.run_until_done(client.send(std::move(request)));
    }
    base::WorkerThreads workers{2};
    base::EventLoop loop{workers};
    GuardedClient client;
};

class GuardedClientTest : public ::testing::Test {
protected:
    void SetUp() override {
        server_.router().add("GET", "/", [this](Request&) -> Task<Response> {
            ++answered_;
            co_return Response::text(Status::Ok, "here");
        });
        server_.start();
    }
    std::string at(const std::string& host) {
        return "http://" + host + ":" + std::to_string(server_.port()) + "/";
    }
    TestServer server_;
    std::atomic<int> answered_{0};
};

TEST_F(GuardedClientTest, AnAllowedAddressIsReached) {
    Asking asking([](base::ByteView) { return true; });
    const auto answer = asking.get(at("127.0.0.1"));
    ASSERT_TRUE(answer) << answer.error().message();
    EXPECT_EQ(answer->body, "here");
    EXPECT_TRUE(asking.get(at("localhost")));
    EXPECT_EQ(answered_, 2);
}

TEST_F(GuardedClientTest, ARefusedAddressIsNotReachedHoweverItIsSpelled) {
    Asking asking([](base::ByteView address) { return !is_loopback(address); });
    for (const std::string host :
         {"127.0.0.1", "localhost", "LOCALHOST", "127.1", "0x7f.0.0.1", "0x7f000001", "2130706433",
          "0177.0.0.1", "017700000001", "127.255.255.254", "[::1]", "localhost."}) {
        const auto answer = asking.get(at(host));
        ASSERT_FALSE(answer) << host;
        // Some spellings are no host at all for the parser, or have no address here.
        EXPECT_TRUE(
            answer.error().reason() == "address_refused" ||
            answer.error().code() == ErrorCode::InvalidArgument ||
            answer.error().code() == ErrorCode::Unavailable)
            << host << answer.error().message();
    }
    for (const std::string host : {"127.0.0.1", "localhost", "127.1", "2130706433"}) {
        EXPECT_EQ(asking.get(at(host)).error().reason(), "address_refused") << host;
    }
    EXPECT_EQ(answered_, 0);
}

TEST_F(GuardedClientTest, OneRefusedAddressAmongSeveralIsEnough) {
    std::atomic<int> asked{0};
    Asking asking([&asked](base::ByteView) { return asked++ > 0; });
    EXPECT_FALSE(asking.get(at("localhost")));
    EXPECT_EQ(asked, 1);
    EXPECT_EQ(answered_, 0);
}

}  // namespace
}  // namespace adyton::http
