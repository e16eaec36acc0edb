#include "apps/webhook_connection.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "base/event_loop.h"

namespace adyton::apps {
namespace {

using base::Json;

class WebhookConnectionTest : public ::testing::Test {
protected:
    void SetUp() override {
        directory_ = ::testing::TempDir() + "/webhooks-XXXXXX";
        ASSERT_NE(::mkdtemp(directory_.data()), nullptr);
        write("secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
        write(
            "two", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw,whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX");
        write("bad", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }
    void write(const std::string& name, const std::string& text) {
        const std::string path = directory_ + "/" + name;
        std::ofstream(path) << text;
        std::filesystem::permissions(path, std::filesystem::perms{0600});
    }
    std::string secret(const std::string& name) { return "file:" + directory_ + "/" + name; }

    Json good() {
        Json wallets = Json::array();
        wallets.push_back(Json::string("*"));
        return Json::object()
            .set("url", Json::string("https://hooks.example.com/in"))
            .set("wallets", std::move(wallets))
            .set("secret", Json::string(secret("secret")));
    }
    Result<WebhookConnection> open(Json table) {
        const Json section = Json::object().set("ops", std::move(table));
        return WebhookConnection::open(section, secrets_, loop_);
    }

    std::string directory_;
    attest::SecretSource secrets_;
    base::WorkerThreads workers_{1};
    base::EventLoop loop_{workers_};
};

TEST_F(WebhookConnectionTest, ReceiversAreReadWithTheirSecrets) {
    auto opened =
        open(good()
                 .set("secret", Json::object().set("file", Json::string(directory_ + "/two")))
                 .set("private_addresses", Json::boolean(true)));
    ASSERT_TRUE(opened) << opened.error().message();
    const auto endpoints = opened->take_endpoints();
    ASSERT_EQ(endpoints.size(), 1U);
    EXPECT_EQ(endpoints.front().name, "ops");
    EXPECT_EQ(endpoints.front().url, "https://hooks.example.com/in");
    EXPECT_EQ(endpoints.front().secrets.size(), 2U);
    EXPECT_NE(endpoints.front().transport, nullptr);
    EXPECT_TRUE(coordinator::check_webhooks(endpoints, coordinator::PlainHttp::Refuse));
}

TEST_F(WebhookConnectionTest, NoSectionIsNoReceiver) {
    for (const Json& section : {Json(), Json::object()}) {
        auto opened = WebhookConnection::open(section, secrets_, loop_);
        ASSERT_TRUE(opened);
        EXPECT_TRUE(opened->take_endpoints().empty());
    }
}

TEST_F(WebhookConnectionTest, WhatIsWrongIsNamedAndNoSecretIsShown) {
    const auto refused = [&](Json table, const std::string& word) {
        const auto opened = open(std::move(table));
        ASSERT_FALSE(opened) << word;
        const std::string said = opened.error().message();
        EXPECT_NE(said.find(word), std::string::npos) << said;
        EXPECT_EQ(said.find("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), std::string::npos) << said;
    };
    refused(Json::array(), "coordinator.webhooks.ops");
    refused(Json::object(), "url");
    refused(good().set("url", Json::integer(1)), "url");
    refused(good().set("color", Json::string("red")), "color");
    refused(good().set("wallets", Json::string("*")), "wallets");
    refused(good().set("events", Json::integer(1)), "events");
    refused(good().set("private_addresses", Json::string("yes")), "private_addresses");
    refused(good().set("secret", Json::string(secret("bad"))), "coordinator.webhooks.ops");
    refused(
        good().set("secret", Json::string("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")), "file:PATH");
    refused(good().set("secret", Json::string(secret("none"))), "coordinator.webhooks.ops");
    refused(good().set("ca", Json::string(secret("none"))), "none");
    EXPECT_FALSE(WebhookConnection::open(Json::array(), secrets_, loop_));
}

// The name is resolved once and every address that it has is looked at; nothing is sent.
TEST_F(WebhookConnectionTest, APrivateAddressIsRefusedUnlessItIsAllowed) {
    const auto send = [&](bool allowed) {
        Json table = good().set("url", Json::string("http://127.0.0.1:1/"));
        if (allowed) table.set("private_addresses", Json::boolean(true));
        auto opened = open(std::move(table));
        EXPECT_TRUE(opened);
        const auto endpoints = opened->take_endpoints();
        http::ClientRequest request;
        request.url = endpoints.front().url;
        Task<Result<http::Response>> sending = endpoints.front().transport->send(request);
        const auto sent = loop_.run_until_done(std::move(sending));
        EXPECT_FALSE(sent);
        return std::string(sent ? "" : sent.error().reason());
    };
    EXPECT_EQ(send(false), "address_refused");
    EXPECT_NE(send(true), "address_refused");
}

}  // namespace
}  // namespace adyton::apps
