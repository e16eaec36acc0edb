#pragma once

#include <memory>
#include <vector>

#include "attest/secret_source.h"
#include "base/event_loop.h"
#include "base/json.h"
#include "base/result.h"
#include "coordinator/webhook.h"
#include "http/guarded_client.h"

namespace adyton::apps {

// What reaches the receivers of a coordinator's webhooks: a client for each, which refuses
// addresses that are not public unless the receiver's own setting allows them.
class WebhookConnection {
public:
    // The section coordinator.webhooks: {NAME: {"url", "wallets", ["events"], "secret", ["ca"],
    // ["private_addresses"]}}; `secret` and `ca` are references ("file:PATH"). InvalidArgument,
    // naming the receiver: an unknown key, a wrong type, a secret that is none. Errors of
    // SecretSource. `loop` must outlive the connection.
    static Result<WebhookConnection> open(
        const base::Json& section, attest::SecretSource& secrets, base::EventLoop& loop);

    // Once; must not outlive the connection.
    std::vector<coordinator::WebhookEndpoint> take_endpoints() { return std::move(endpoints_); }

private:
    std::vector<std::unique_ptr<http::GuardedClient>> clients_;
    std::vector<coordinator::WebhookEndpoint> endpoints_;
};

}  // namespace adyton::apps
