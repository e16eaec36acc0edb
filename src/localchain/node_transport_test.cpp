#include "localchain/localchain_test_support.h"

namespace adyton::localchain::testing {
namespace {

class NodeTransportTest : public LocalChainTest {
protected:
    http::ClientRequest request(
        std::string_view url, std::string_view method, const std::string& params = "[]") {
        http::ClientRequest out;
        out.method = "POST";
        out.url = url;
        out.body = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" + std::string(method) +
                   "\",\"params\":" + params + "}";
        return out;
    }
    http::ClientRequest send_transfer() {
        TransferPlan plan;
        plan.to = stranger_;
        const auto bytes = neo::serialize(signed_transfer(alice_, plan));
        return request(
            "http://one:10332/", "sendrawtransaction", "[\"" + base::base64_encode(bytes) + "\"]");
    }
    std::string body_of(http::ClientRequest asked) {
        const auto answer = executor_.run_until_done(transport_.send(std::move(asked)));
        return answer ? answer->body : "error: " + answer.error().message();
    }

    void SetUp() override {
        LocalChainTest::SetUp();
        second_ = std::make_unique<NeoNode>(*chain_, executor_, NodeOptions{});
        transport_.add("one:10332", *node_);
        transport_.add("two:10332", *second_);
    }

    NodeTransport transport_{executor_, random_};
    std::unique_ptr<NeoNode> second_;
};

TEST_F(NodeTransportTest, EachUrlReachesItsNode) {
    for (int i = 0; i < 5; ++i) chain_->produce_block();
    second_->set_lag(3);
    EXPECT_NE(
        body_of(request("http://one:10332/", "getblockcount")).find(":6}"), std::string::npos);
    EXPECT_NE(
        body_of(request("http://two:10332/", "getblockcount")).find(":3}"), std::string::npos);
    const auto nobody =
        executor_.run_until_done(transport_.send(request("http://three:10332/", "getblockcount")));
    ASSERT_FALSE(nobody);
    EXPECT_EQ(nobody.error().code(), ErrorCode::Unavailable);
}

TEST_F(NodeTransportTest, ANodeThatIsDownRefuses) {
    node_->set_down(true);
    const auto refused = executor_.run_until_done(transport_.send(send_transfer()));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::Unavailable);
    EXPECT_EQ(chain_->pool_size(), 0U);
    node_->set_down(false);
    EXPECT_NE(body_of(send_transfer()).find("hash"), std::string::npos);
}

TEST_F(NodeTransportTest, LatencyIsDrawnFromTheSeedAndTimeoutsAreUnknown) {
    transport_.set_latency_max(std::chrono::milliseconds(100));
    const auto before = executor_.steady_now();
    body_of(request("http://one:10332/", "getblockcount"));
    EXPECT_GT(executor_.steady_now(), before);
    EXPECT_LT(executor_.steady_now() - before, std::chrono::milliseconds(200));

    http::ClientRequest hurried = send_transfer();
    hurried.timeout = std::chrono::nanoseconds(1);
    const auto late = executor_.run_until_done(transport_.send(std::move(hurried)));
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code(), ErrorCode::OutcomeUnknown);
    EXPECT_EQ(chain_->pool_size(), 0U);
    executor_.run();
    EXPECT_EQ(chain_->pool_size(), 1U) << "the bytes were on their way";
}

TEST_F(NodeTransportTest, WhatIsOnTheWireSurvivesTheSendersCrash) {
    transport_.set_latency_max(std::chrono::seconds(10));
    for (const unsigned chance : {0U, 1000U}) {
        constexpr auto kForget = [](NodeTransport* transport,
                                    http::ClientRequest asked) -> Task<void> {
            Task<Result<http::Response>> sending = transport->send(std::move(asked));
            [[maybe_unused]] const auto lost = co_await std::move(sending);
        };
        base::spawn(executor_, kForget(&transport_, send_transfer()));
        executor_.step();
        EXPECT_EQ(transport_.deliver_in_flight(chance), chance == 0 ? 0U : 1U);
        executor_.drop_all();
        EXPECT_EQ(chain_->pool_size(), chance == 0 ? 0U : 1U);
        EXPECT_EQ(transport_.deliver_in_flight(1000), 0U);
    }
}

}  // namespace
}  // namespace adyton::localchain::testing
