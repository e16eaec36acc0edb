#include "coordinator/webhook.h"

#include <gtest/gtest.h>

#include <set>

#include "base/json.h"
#include "http/router.h"

namespace adyton::coordinator {
namespace {

using base::Json;

constexpr std::string_view kSecretText = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
constexpr std::string_view kOtherText = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";

class NoTransport final : public http::Transport {
public:
    Task<Result<http::Response>> send(http::ClientRequest) override {
        co_return Error::unavailable("nobody");
    }
};

std::vector<crypto::SecretBuffer> secrets(std::string_view text) {
    auto parsed = parse_webhook_secrets(base::as_bytes(text));
    EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message());
    return parsed ? *std::move(parsed) : std::vector<crypto::SecretBuffer>();
}

base::Timestamp at(std::int64_t seconds) {
    return base::Timestamp(std::chrono::seconds(seconds));
}

http::Headers headers_of(const WebhookMessage& message, std::string_view signature) {
    http::Headers out;
    out.add(kWebhookIdHeader, message.id);
    out.add(
        kWebhookTimestampHeader,
        std::to_string(
            std::chrono::floor<std::chrono::seconds>(message.sent_at).time_since_epoch().count()));
    out.add(kWebhookSignatureHeader, signature);
    return out;
}

// The example that the libraries of Standard Webhooks test themselves with.
const WebhookMessage kMessage{
    "msg_p5jXN8AQM9LWM0D4loKWxJek", at(1'614'265'330), R"({"test": 2432232314})"};
constexpr std::string_view kSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

TEST(WebhookTest, SignsAsTheStandardsExample) {
    EXPECT_EQ(webhook_signature(kMessage, secrets(kSecretText)), kSignature);
}

TEST(WebhookTest, SignsWithEverySecretSoThatAReceiverCanChange) {
    const auto both = secrets(std::string(kOtherText) + "," + std::string(kSecretText));
    ASSERT_EQ(both.size(), 2U);
    const std::string signature = webhook_signature(kMessage, both);
    const auto headers = headers_of(kMessage, signature);
    for (const auto& secret : both) {
        EXPECT_TRUE(verify_webhook(headers, kMessage.body, secret, kMessage.sent_at));
    }
}

TEST(WebhookTest, AReceiverNoticesWhateverWasChanged) {
    const auto own = secrets(kSecretText);
    const auto foreign = secrets(kOtherText);
    const auto headers = headers_of(kMessage, kSignature);
    const auto now = kMessage.sent_at;
    ASSERT_TRUE(verify_webhook(headers, kMessage.body, own.front(), now));
    const auto reason = [&](const http::Headers& its, std::string_view body,
                            const crypto::SecretBuffer& secret, base::Timestamp time) {
        const auto verified = verify_webhook(its, body, secret, time);
        return verified ? std::string() : std::string(verified.error().reason());
    };
    EXPECT_EQ(reason(headers, R"({"test": 2432232315})", own.front(), now), "webhook_signature");
    EXPECT_EQ(reason(headers, kMessage.body, foreign.front(), now), "webhook_signature");
    auto other_id = headers;
    other_id.set(kWebhookIdHeader, "msg_another");
    EXPECT_EQ(reason(other_id, kMessage.body, own.front(), now), "webhook_signature");
    auto later = headers;
    later.set(kWebhookTimestampHeader, "1614265331");
    EXPECT_EQ(reason(later, kMessage.body, own.front(), now), "webhook_signature");
    auto other_scheme = headers;
    other_scheme.set(kWebhookSignatureHeader, "v2" + std::string(kSignature).substr(2));
    EXPECT_EQ(reason(other_scheme, kMessage.body, own.front(), now), "webhook_signature");
    for (std::size_t i = 0; i < kSignature.size(); ++i) {
        std::string bad(kSignature);
        bad[i] = bad[i] == 'A' ? 'B' : 'A';
        auto changed = headers;
        changed.set(kWebhookSignatureHeader, bad);
        EXPECT_EQ(reason(changed, kMessage.body, own.front(), now), "webhook_signature") << i;
    }
}

TEST(WebhookTest, AReceiverRefusesWhatIsOldOrIncomplete) {
    const auto own = secrets(kSecretText);
    const auto headers = headers_of(kMessage, kSignature);
    const auto reason = [&](const http::Headers& its, base::Timestamp time) {
        const auto verified = verify_webhook(its, kMessage.body, own.front(), time);
        return verified ? std::string() : std::string(verified.error().reason());
    };
    const auto sent = kMessage.sent_at;
    EXPECT_EQ(reason(headers, sent + std::chrono::minutes(5)), "");
    EXPECT_EQ(reason(headers, sent + std::chrono::seconds(301)), "webhook_too_old");
    EXPECT_EQ(reason(headers, sent - std::chrono::seconds(301)), "webhook_too_old");
    for (const auto name : {kWebhookIdHeader, kWebhookTimestampHeader, kWebhookSignatureHeader}) {
        auto less = headers;
        less.remove(name);
        EXPECT_EQ(reason(less, sent), "webhook_headers") << name;
    }
    for (const char* const bad : {"", "-1", "1614265330.5", "99999999999999999999"}) {
        auto changed = headers;
        changed.set(kWebhookTimestampHeader, bad);
        EXPECT_EQ(reason(changed, sent), "webhook_headers") << bad;
    }
}

TEST(WebhookTest, ASecretIsThePrefixAndEnoughBytes) {
    for (const char* const bad :
         {"", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_AAAA", "whsec_!!!!",
          "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw,", ",whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
          "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS"}) {
        EXPECT_FALSE(parse_webhook_secrets(base::as_bytes(bad))) << bad;
    }
    const std::string one(kSecretText);
    const std::string four = one + "," + one + "," + one + "," + one;
    EXPECT_EQ(secrets(four).size(), 4U);
    EXPECT_FALSE(parse_webhook_secrets(base::as_bytes(four + "," + one)));
    const std::string long_text = "whsec_" + base::base64_encode(base::Bytes(65, 7));
    EXPECT_FALSE(parse_webhook_secrets(base::as_bytes(long_text)));
}

TEST(WebhookTest, EveryEndpointIsCheckedAtTheStart) {
    NoTransport transport;
    const auto good = [&] {
        WebhookEndpoint out;
        out.name = "treasury";
        out.url = "https://hooks.example.com/in?x=1";
        out.wallets = {"*"};
        out.secrets = secrets(kSecretText);
        out.transport = &transport;
        return out;
    };
    const auto check = [&](const auto& change, PlainHttp plain = PlainHttp::Refuse) {
        std::vector<WebhookEndpoint> endpoints;
        endpoints.push_back(good());
        change(endpoints.front());
        return check_webhooks(endpoints, plain).has_value();
    };
    EXPECT_TRUE(check([](WebhookEndpoint&) {}));
    EXPECT_TRUE(check([](WebhookEndpoint& its) { its.events = {"workflow.failed"}; }));
    EXPECT_FALSE(check([](WebhookEndpoint& its) { its.events = {"workflow.planned"}; }));
    EXPECT_FALSE(check([](WebhookEndpoint& its) { its.name = "Treasury"; }));
    EXPECT_FALSE(check([](WebhookEndpoint& its) { its.name = ""; }));
    EXPECT_FALSE(check([](WebhookEndpoint& its) { its.name = std::string(65, 'a'); }));
    EXPECT_FALSE(check([](WebhookEndpoint& its) { its.url = "hooks.example.com"; }));
    EXPECT_FALSE(check([](WebhookEndpoint& its) { its.url = "https://u:p@example.com/"; }));
    EXPECT_FALSE(check([](WebhookEndpoint& its) { its.wallets.clear(); }));
    EXPECT_FALSE(check([](WebhookEndpoint& its) { its.secrets.clear(); }));
    EXPECT_FALSE(check([](WebhookEndpoint& its) { its.transport = nullptr; }));
    const auto plain = [](WebhookEndpoint& its) { its.url = "http://127.0.0.1:9000/"; };
    EXPECT_FALSE(check(plain));
    EXPECT_TRUE(check(plain, PlainHttp::Allow));
    std::vector<WebhookEndpoint> twice;
    twice.push_back(good());
    twice.push_back(good());
    EXPECT_FALSE(check_webhooks(twice, PlainHttp::Refuse));
}

TEST(WebhookTest, AnEndpointHearsOfItsWalletsAndEventsAlone) {
    WebhookEndpoint endpoint;
    endpoint.wallets = {"w1", "w2"};
    EXPECT_TRUE(endpoint.wants("w1", "workflow.failed"));
    EXPECT_FALSE(endpoint.wants("w3", "workflow.failed"));
    EXPECT_FALSE(endpoint.wants("*", "workflow.failed"));
    endpoint.wallets = {"*"};
    EXPECT_TRUE(endpoint.wants("w3", "workflow.failed"));
    endpoint.events = {"workflow.succeeded"};
    EXPECT_FALSE(endpoint.wants("w3", "workflow.failed"));
    EXPECT_TRUE(endpoint.wants("w3", "workflow.succeeded"));
}

TEST(WebhookTest, TheBodyTellsTheEndAndNothingThatSpends) {
    WorkflowRecord record;
    record.request_id = "r1";
    record.wallet_id = "w1";
    record.idempotency_key = "k1";
    record.status = WorkflowStatus::Failed;
    record.final_status = "failed";
    record.phase = std::string(phase::kWatch);
    record.user_visible_error = "call 1 failed";
    record.intent_ids = {"7", "8"};
    record.submit_tx_hashes = {"h1", "h2"};
    record.signed_nep413_payloads = {"PAYLOAD-TO-KEEP"};
    record.signed_nep366_delegates = {"DELEGATE-TO-KEEP"};
    record.direct_signed_txs = {"TX-TO-KEEP"};
    record.internal_state = R"({"secret":"STATE-TO-KEEP"})";
    const std::string body = webhook_body(record, at(1'614'265'330));
    EXPECT_EQ(body.find("-TO-KEEP"), std::string::npos);
    const auto json = Json::parse(body);
    ASSERT_TRUE(json);
    EXPECT_EQ(json->find("type")->string_value(), "workflow.failed");
    EXPECT_EQ(json->find("timestamp")->string_value(), "2021-02-25T15:02:10Z");
    const Json& data = *json->find("data");
    EXPECT_EQ(data.find("request_id")->string_value(), "r1");
    EXPECT_FALSE(data.find("ended")->boolean_value());
    EXPECT_EQ(data.find("user_visible_error")->string_value(), "call 1 failed");
    EXPECT_EQ(data.find("intent_ids")->dump(), R"(["7","8"])");
    EXPECT_TRUE(data.find("resume_tx_hash")->is_null());
    record.phase = std::string(phase::kDone);
    const auto ended = Json::parse(webhook_body(record, at(0)));
    EXPECT_TRUE(ended->find("data")->find("ended")->boolean_value());
}

}  // namespace
}  // namespace adyton::coordinator
