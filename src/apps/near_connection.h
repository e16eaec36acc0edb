#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/event_loop.h"
#include "base/log.h"
#include "base/result.h"
#include "chain/near_client.h"
#include "http/client.h"
#include "keystore/chain_view.h"
#include "service/config.h"

namespace adyton::apps {

// The NEAR nodes of the configuration (near.*), the client over them, and the keystore's view of
// the chain through it.
class NearConnection {
public:
    // Null when no node is configured. InvalidArgument: a malformed or repeated URL, a quorum above
    // their number. Asks no node yet. `loop` and `logger` must outlive it, and it the calls in
    // flight.
    static Result<std::unique_ptr<NearConnection>> open(
        const service::Config& config, base::EventLoop& loop, base::Logger& logger);
    // The archival node of the configuration, likewise.
    static Result<std::unique_ptr<NearConnection>> open_archive(
        const service::Config& config, base::EventLoop& loop, base::Logger& logger);
    ~NearConnection();
    NearConnection(const NearConnection&) = delete;
    NearConnection& operator=(const NearConnection&) = delete;

    chain::NearClient& client() { return *client_; }
    keystore::ChainView& view() { return *view_; }
    // Watches the nodes, on the loop's thread.
    void start() { client_->start(); }
    void stop() { client_->stop(); }

private:
    NearConnection(base::EventLoop& loop, http::ClientOptions options);
    static Result<std::unique_ptr<NearConnection>> open(
        const service::Config& config, base::EventLoop& loop, base::Logger& logger,
        const service::TextList& urls, std::int64_t quorum, std::string_view setting);

    http::Client transport_;
    std::unique_ptr<chain::NearRpcClient> client_;
    std::unique_ptr<keystore::ChainView> view_;
};

// What a keystore asks, answered by a client. `client` must outlive the view.
std::unique_ptr<keystore::ChainView> keystore_chain_view(chain::NearClient& client);

}  // namespace adyton::apps
