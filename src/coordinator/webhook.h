#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "coordinator/record.h"
#include "crypto/secret.h"
#include "http/client.h"
#include "http/message.h"

// What a receiver of workflow news is told, and how it can know that we said it: Standard Webhooks
// 1.0 (https://www.standardwebhooks.com), signature scheme v1. Pure.
namespace adyton::coordinator {

// One receiver.
struct WebhookEndpoint {
    std::string name;  // unique: [a-z0-9_-], 1 to 64 characters
    std::string url;
    std::vector<std::string> wallets;  // "*": all
    std::vector<std::string> events;   // "workflow.failed"...; empty: all
    // 24 to 64 bytes each; 1 to 4. Every delivery is signed with each of them, so that a receiver
    // can change from one to the next.
    std::vector<crypto::SecretBuffer> secrets;
    // What reaches it, private addresses refused or not; must outlive the service.
    http::Transport* transport = nullptr;

    bool wants(std::string_view wallet_id, std::string_view event) const;
};

enum class PlainHttp { Refuse, Allow };
// InvalidArgument, naming the endpoint and never a secret: a bad or repeated name, a URL that is
// none, http where that is refused, no wallets, an unknown event, no secret or too many.
Result<void> check_webhooks(const std::vector<WebhookEndpoint>& endpoints, PlainHttp plain_http);

inline constexpr std::size_t kWebhookSecretsMax = 4;
// "whsec_" and base64 of 24 to 64 bytes; several separated by commas. InvalidArgument; the message
// repeats nothing of it.
Result<std::vector<crypto::SecretBuffer>> parse_webhook_secrets(base::ByteView text);

// "workflow.succeeded".
std::string webhook_event_of(WorkflowStatus status);
// {"type","timestamp","data":{"request_id","wallet_id","idempotency_key","endpoint","status",
// "phase","ended","final_status","user_visible_error","intent_ids","submit_tx_hashes",
// "resume_tx_hash"}}. Nothing in it can be used to spend.
std::string webhook_body(const WorkflowRecord& record, base::Timestamp now);

inline constexpr std::string_view kWebhookIdHeader = "webhook-id";
inline constexpr std::string_view kWebhookTimestampHeader = "webhook-timestamp";
inline constexpr std::string_view kWebhookSignatureHeader = "webhook-signature";

// A message as it is signed: `id` "." seconds since 1970 "." `body`.
struct WebhookMessage {
    std::string id;
    base::Timestamp sent_at;  // whole seconds count
    std::string body;
};
// "v1,<base64 of HMAC-SHA256>", one for each secret, with blanks between them.
std::string webhook_signature(
    const WebhookMessage& message, const std::vector<crypto::SecretBuffer>& secrets);

// What a receiver does: for tests, and as the example of docs/coordinator.md. Unauthenticated:
// "webhook_headers" (one is missing or malformed), "webhook_too_old" (the timestamp is further than
// `tolerance` from now, either way), "webhook_signature" (none of the signatures is of `secret`).
Result<void> verify_webhook(
    const http::Headers& headers, std::string_view body, const crypto::SecretBuffer& secret,
    base::Timestamp now, base::Duration tolerance = std::chrono::minutes(5));

}  // namespace adyton::coordinator
