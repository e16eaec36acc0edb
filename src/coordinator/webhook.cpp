#include "coordinator/webhook.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/json.h"
#include "crypto/digest.h"
#include "http/url.h"
#include "near/amounts.h"
#include "near/intents.h"

namespace adyton::coordinator {
namespace {

using base::Json;

constexpr std::string_view kSecretPrefix = "whsec_";
constexpr std::size_t kSecretBytesMin = 24;
constexpr std::size_t kSecretBytesMax = 64;
constexpr std::size_t kNameBytesMax = 64;
constexpr std::string_view kScheme = "v1,";

// Those that a record may end with.
constexpr std::array kStatuses = {
    WorkflowStatus::Succeeded,
    WorkflowStatus::Failed,
    WorkflowStatus::Rejected,
    WorkflowStatus::RequiresFundingSetup,
    WorkflowStatus::RequiresDirectUserSetup,
    WorkflowStatus::PolicyDenied};

bool is_name(std::string_view text) {
    return !text.empty() && text.size() <= kNameBytesMax &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
           });
}

bool is_event(std::string_view text) {
    return std::any_of(kStatuses.begin(), kStatuses.end(), [&](WorkflowStatus status) {
        return webhook_event_of(status) == text;
    });
}

std::int64_t seconds_of(base::Timestamp time) {
    return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

std::string signed_text(std::string_view id, std::int64_t seconds, std::string_view body) {
    return fmt::format("{}.{}.{}", id, seconds, body);
}

std::string sign(const crypto::SecretBuffer& secret, std::string_view text) {
    const auto code = crypto::hmac_sha256(secret.expose(), base::as_bytes(text));
    return std::string(kScheme) + base::base64_encode(code.bytes);
}

Json texts(const std::vector<std::string>& values) {
    Json out = Json::array();
    for (const std::string& value : values) out.push_back(Json::string(value));
    return out;
}

Result<crypto::SecretBuffer> parse_secret(base::ByteView text) {
    const Error bad = Error::invalid_argument(
        "a webhook secret is whsec_ and the base64 of 24 to 64 random bytes");
    if (!base::as_text(text).starts_with(kSecretPrefix)) return bad;
    auto bytes = base::base64_decode(base::as_text(text).substr(kSecretPrefix.size()));
    if (!bytes) return bad;
    if (bytes->size() < kSecretBytesMin || bytes->size() > kSecretBytesMax) {
        crypto::wipe(*bytes);
        return bad;
    }
    auto secret = crypto::SecretBuffer::copy_of(*bytes);
    crypto::wipe(*bytes);
    return secret;
}

}  // namespace

bool WebhookEndpoint::wants(std::string_view wallet_id, std::string_view event) const {
    const auto names = [](const std::vector<std::string>& list, std::string_view text) {
        return std::find(list.begin(), list.end(), text) != list.end();
    };
    return (names(wallets, "*") || names(wallets, wallet_id)) &&
           (events.empty() || names(events, event));
}

Result<void> check_webhooks(const std::vector<WebhookEndpoint>& endpoints, PlainHttp plain_http) {
    std::set<std::string> names;
    for (const WebhookEndpoint& endpoint : endpoints) {
        const auto bad = [&](std::string_view why) {
            return Error::invalid_argument(
                fmt::format("coordinator.webhooks: {}: {}", endpoint.name, why));
        };
        if (!is_name(endpoint.name)) {
            return Error::invalid_argument(
                "coordinator.webhooks: a name is 1 to 64 of a-z, 0-9, '-' and '_'");
        }
        if (!names.insert(endpoint.name).second) return bad("the name is there twice");
        auto url = http::Url::parse(endpoint.url);
        if (!url) return bad(url.error().message());
        if (!url->tls && plain_http == PlainHttp::Refuse) return bad("the URL is not https");
        if (endpoint.wallets.empty()) return bad("it names no wallets (\"*\": all)");
        for (const std::string& event : endpoint.events) {
            if (!is_event(event)) return bad("no event " + event);
        }
        if (endpoint.secrets.empty() || endpoint.secrets.size() > kWebhookSecretsMax) {
            return bad("1 to 4 secrets are needed");
        }
        for (const crypto::SecretBuffer& secret : endpoint.secrets) {
            if (secret.size() < kSecretBytesMin) return bad("a secret is too short");
        }
        if (endpoint.transport == nullptr) return bad("nothing reaches it");
    }
    return {};
}

Result<std::vector<crypto::SecretBuffer>> parse_webhook_secrets(base::ByteView text) {
    std::vector<crypto::SecretBuffer> out;
    for (;;) {
        const auto comma = std::find(text.begin(), text.end(), std::uint8_t{','});
        const auto length = static_cast<std::size_t>(comma - text.begin());
        TRY(auto secret, parse_secret(text.first(length)));
        out.push_back(std::move(secret));
        if (out.size() > kWebhookSecretsMax) {
            return Error::invalid_argument("more than four webhook secrets");
        }
        if (comma == text.end()) return out;
        text = text.subspan(length + 1);
    }
}

std::string webhook_event_of(WorkflowStatus status) {
    return "workflow." + std::string(to_string(status));
}

std::string webhook_body(const WorkflowRecord& record, base::Timestamp now) {
    const auto optional = [](const std::optional<std::string>& text) {
        return text ? Json::string(*text) : Json();
    };
    Json data = Json::object();
    data.set("request_id", Json::string(record.request_id));
    data.set("wallet_id", Json::string(record.wallet_id));
    data.set("idempotency_key", Json::string(record.idempotency_key));
    data.set("endpoint", Json::string(record.endpoint));
    data.set("status", Json::string(std::string(to_string(record.status))));
    data.set("phase", Json::string(record.phase));
    data.set("ended", Json::boolean(record.phase == phase::kDone));
    data.set("final_status", optional(record.final_status));
    data.set(
        "user_visible_error",
        record.user_visible_error.empty() ? Json() : Json::string(record.user_visible_error));
    data.set("intent_ids", texts(record.intent_ids));
    data.set("submit_tx_hashes", texts(record.submit_tx_hashes));
    data.set("resume_tx_hash", optional(record.resume_tx_hash));
    return Json::object()
        .set("type", Json::string(webhook_event_of(record.status)))
        .set("timestamp", Json::string(base::to_rfc3339(now)))
        .set("data", std::move(data))
        .dump();
}

std::string webhook_signature(
    const WebhookMessage& message, const std::vector<crypto::SecretBuffer>& secrets) {
    const std::string text = signed_text(message.id, seconds_of(message.sent_at), message.body);
    std::string out;
    for (const crypto::SecretBuffer& secret : secrets) {
        out += (out.empty() ? "" : " ") + sign(secret, text);
    }
    return out;
}

Result<void> verify_webhook(
    const http::Headers& headers, std::string_view body, const crypto::SecretBuffer& secret,
    base::Timestamp now, base::Duration tolerance) {
    const auto id = headers.find(kWebhookIdHeader);
    const auto time = headers.find(kWebhookTimestampHeader);
    const auto signatures = headers.find(kWebhookSignatureHeader);
    const auto seconds = near::parse_u64(time.value_or(""));
    if (!id || !seconds || !signatures || *seconds > (std::uint64_t{1} << 40U)) {
        return Error::unauthenticated("a header of the webhook is missing", "webhook_headers");
    }
    const auto sent = static_cast<std::int64_t>(*seconds);
    const auto limit = std::chrono::duration_cast<std::chrono::seconds>(tolerance).count();
    if (std::abs(seconds_of(now) - sent) > limit) {
        return Error::unauthenticated("the webhook was sent at another time", "webhook_too_old");
    }
    const std::string wanted = sign(secret, signed_text(*id, sent, body));
    std::string_view rest = *signatures;
    while (!rest.empty()) {
        const std::size_t blank = std::min(rest.find(' '), rest.size());
        const std::string_view one = rest.substr(0, blank);
        if (crypto::constant_time_equal(base::as_bytes(one), base::as_bytes(wanted))) return {};
        rest.remove_prefix(std::min(blank + 1, rest.size()));
    }
    return Error::unauthenticated("the webhook was signed by somebody else", "webhook_signature");
}

}  // namespace adyton::coordinator
