#include <gtest/gtest.h>

#include <map>

#include "coordinator/webhook.h"
#include "sim/routes_test_support.h"

// Webhooks of whole workflows, and their routes.
namespace adyton::sim {
namespace {

using base::Json;

constexpr std::string_view kSecretText = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

class Receiver final : public http::Transport {
public:
    Task<Result<http::Response>> send(http::ClientRequest request) override {
        requests.push_back(request);
        http::Response out;
        out.status = answer;
        co_return out;
    }
    http::Status answer = http::Status::Ok;
    std::vector<http::ClientRequest> requests;
};

class WebhookWorkflowTest : public RoutesTest {
protected:
    void open_with_receiver(std::vector<std::string> wallets = {"*"}) {
        WorldOptions options;
        options.change_parts = [this, wallets](coordinator::CoordinatorParts& parts) {
            coordinator::WebhookEndpoint endpoint;
            endpoint.name = "ops";
            endpoint.url = "https://hooks.example.com/in";
            endpoint.wallets = wallets;
            auto secrets = coordinator::parse_webhook_secrets(base::as_bytes(kSecretText));
            ASSERT_TRUE(secrets);
            endpoint.secrets = *std::move(secrets);
            endpoint.transport = &receiver_;
            parts.webhooks.endpoints.clear();
            parts.webhooks.endpoints.push_back(std::move(endpoint));
            parts.webhooks.options.attempts_max = 3;
        };
        open(std::move(options));
    }
    Json listed(const std::string& query = "", std::size_t wallet = 0) {
        const WorldAnswer answer =
            world().get("/wallet/v1/webhooks" + query, world().wallet(wallet));
        EXPECT_EQ(answer.status, 200) << answer.text;
        return answer.at("webhooks");
    }
    std::vector<std::string> types() const {
        std::vector<std::string> out;
        for (const auto& request : receiver_.requests) {
            out.push_back(Json::parse(request.body)->find("type")->string_value());
        }
        return out;
    }

    Receiver receiver_;
};

TEST_F(WebhookWorkflowTest, TheEndOfAWorkflowIsToldOnceAndSigned) {
    open_with_receiver();
    const std::string id = begin();
    until(id, "done");
    world().pass(std::chrono::seconds(5));
    ASSERT_EQ(receiver_.requests.size(), 1U);
    const auto& request = receiver_.requests.front();
    const auto secrets = coordinator::parse_webhook_secrets(base::as_bytes(kSecretText));
    EXPECT_TRUE(coordinator::verify_webhook(
        request.headers, request.body, secrets->front(), world().database().executor().now()));
    const auto body = Json::parse(request.body);
    EXPECT_EQ(body->find("type")->string_value(), "workflow.succeeded");
    const Json& data = *body->find("data");
    EXPECT_EQ(data.find("request_id")->string_value(), id);
    EXPECT_EQ(data.find("intent_ids")->size(), 3U);
    EXPECT_TRUE(data.find("ended")->boolean_value());
    const Json list = listed();
    ASSERT_EQ(list.size(), 1U);
    EXPECT_EQ(list.items().front().find("state")->string_value(), "delivered");
    EXPECT_EQ(list.items().front().find("endpoint")->string_value(), "ops");
    EXPECT_EQ(listed("", 1).size(), 0U);
    world().check_books();
}

TEST_F(WebhookWorkflowTest, AFailureIsToldAtOnceAndAgainWhenNothingOfItIsLive) {
    open_with_receiver({"wallet-2"});
    const std::string first = begin(3, 0);
    until(first, "dispatch_poll");
    const std::string id = begin(3, 1);
    until(id, "resume", 1);
    ASSERT_EQ(control(id, "cancel", 1).status, 200);
    until(id, "watch", 1);
    world().pass(std::chrono::seconds(5));
    ASSERT_EQ(receiver_.requests.size(), 1U);
    until(id, "done", 1);
    world().pass(std::chrono::seconds(5));
    // Of the first wallet's, nothing.
    ASSERT_EQ(types(), (std::vector<std::string>{"workflow.failed", "workflow.failed"}));
    const auto early = Json::parse(receiver_.requests[0].body);
    const auto late = Json::parse(receiver_.requests[1].body);
    EXPECT_FALSE(early->find("data")->find("ended")->boolean_value());
    EXPECT_TRUE(late->find("data")->find("ended")->boolean_value());
    EXPECT_EQ(late->find("data")->find("request_id")->string_value(), id);
    EXPECT_NE(
        receiver_.requests[0].headers.find("webhook-id"),
        receiver_.requests[1].headers.find("webhook-id"));
    world().check_books();
}

TEST_F(WebhookWorkflowTest, RejectedRequestsAreToldToo) {
    open_with_receiver();
    const WorldAnswer rejected = world().post(
        "/wallet/v1/workflows/execute", world().wallet(0),
        R"({"idempotency_key":"no","steps":[{"kind":"unheard.of"}]})");
    ASSERT_EQ(rejected.string("status"), "rejected") << rejected.text;
    // The same again is no news.
    world().post(
        "/wallet/v1/workflows/execute", world().wallet(0),
        R"({"idempotency_key":"no","steps":[{"kind":"unheard.of"}]})");
    world().pass(std::chrono::seconds(5));
    EXPECT_EQ(types(), std::vector<std::string>{"workflow.rejected"});
}

TEST_F(WebhookWorkflowTest, WhatCouldNotBeToldIsListedAndTriedAgainOnDemand) {
    open_with_receiver();
    receiver_.answer = http::Status::InternalServerError;
    const std::string id = begin();
    until(id, "done");
    world().pass(std::chrono::minutes(2));
    EXPECT_EQ(receiver_.requests.size(), 3U);
    const Json dead = listed("?state=dead");
    ASSERT_EQ(dead.size(), 1U);
    const Json& row = dead.items().front();
    EXPECT_EQ(row.find("last_http_status")->as_int64().value(), 500);
    EXPECT_EQ(row.find("attempts")->as_int64().value(), 3);
    EXPECT_EQ(row.find("last_error")->string_value(), "the receiver answered 500");
    EXPECT_EQ(row.find("request_id")->string_value(), id);
    EXPECT_EQ(listed("?state=delivered").size(), 0U);
    const std::string path = "/wallet/v1/webhooks/" + row.find("id")->string_value() + "/retry";
    expect_error(world().post(path, world().wallet(1), ""), 404, "request_not_found");
    expect_error(
        world().post("/wallet/v1/webhooks/msg_none/retry", world().wallet(0), ""), 404,
        "request_not_found");
    receiver_.answer = http::Status::Ok;
    const WorldAnswer retried = world().post(path, world().wallet(0), "");
    ASSERT_EQ(retried.status, 200) << retried.text;
    EXPECT_EQ(retried.string("state"), "pending");
    world().pass(std::chrono::seconds(5));
    EXPECT_EQ(listed("?state=delivered").size(), 1U);
    EXPECT_EQ(receiver_.requests.size(), 4U);
    expect_error(world().post(path, world().wallet(0), ""), 409, "webhook_not_dead");
    expect_auth("POST", path, "", 409);
    expect_auth("GET", "/wallet/v1/webhooks", "", 200);
}

TEST_F(WebhookWorkflowTest, TheListRefusesWhatItCannotRead) {
    open_with_receiver();
    for (const char* const bad :
         {"?state=gone", "?state=", "?limit=0", "?limit=201", "?limit=x", "?after=msg_none"}) {
        expect_error(
            world().get("/wallet/v1/webhooks" + std::string(bad), world().wallet(0)), 400,
            "invalid_request");
    }
}

TEST_F(WebhookWorkflowTest, WithoutReceiversNothingIsWritten) {
    open();
    const std::string id = begin();
    until(id, "done");
    EXPECT_EQ(listed().size(), 0U);
    expect_error(
        world().post("/wallet/v1/webhooks/msg_none/retry", world().wallet(0), ""), 404,
        "request_not_found");
}

}  // namespace
}  // namespace adyton::sim
