#pragma once

#include <memory>

#include "base/event_loop.h"
#include "base/log.h"
#include "base/result.h"
#include "chain/neo_client.h"
#include "http/client.h"
#include "service/config.h"

namespace adyton::apps {

// The Neo nodes of the configuration (neo.*), and the client over them.
class NeoConnection {
public:
    // Null when no node is configured. InvalidArgument: nodes without a network, a malformed or
    // repeated URL, a quorum above their number. Asks no node yet. `loop` and `logger` must outlive
    // it, and it the calls in flight.
    static Result<std::unique_ptr<NeoConnection>> open(
        const service::Config& config, base::EventLoop& loop, base::Logger& logger);
    NeoConnection(const NeoConnection&) = delete;
    NeoConnection& operator=(const NeoConnection&) = delete;

    chain::NeoClient& client() { return *client_; }
    // Watches the nodes, on the loop's thread.
    void start() { client_->start(); }
    void stop() { client_->stop(); }
    // For /info: network, and each node with its height and standing.
    base::Json info() const;

private:
    NeoConnection(base::EventLoop& loop, http::ClientOptions options);

    http::Client transport_;
    std::unique_ptr<chain::NeoRpcClient> client_;
};

}  // namespace adyton::apps
