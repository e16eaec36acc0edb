#pragma once

#include <memory>
#include <string>

#include "apps/product_hosting.h"
#include "attest/peer_identity.h"
#include "attest/secret_source.h"
#include "base/result.h"
#include "pool/pool_service.h"
#include "service/config.h"

namespace adyton::apps {

// The account pool as a process: everything from the configuration to the listening sockets, built
// here and passed down. Main thread only.
class PoolServer {
public:
    using Inputs = ServerInputs;

    // Opens everything and listens; /ready says no until run(). All inputs must outlive the server.
    // The first thing that is wrong, with what to do about it.
    static Result<std::unique_ptr<PoolServer>> create(const Inputs& inputs);
    ~PoolServer();
    PoolServer(const PoolServer&) = delete;
    PoolServer& operator=(const PoolServer&) = delete;

    // Serves until SIGTERM or SIGINT, then drains.
    Result<void> run();

    std::string address() const;          // "127.0.0.1:8085"
    std::string metrics_address() const;  // empty: none
    // What its metrics listener shows; others of the process are attached to it.
    service::MetricsRegistry& metrics();
    attest::IdentityMode identity_mode() const;
    const std::string& master_key_hash() const;

private:
    struct Parts;
    explicit PoolServer(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

// What the configuration says of a pool. InvalidArgument: a malformed address or token.
Result<pool::PoolOptions> pool_options(const service::Config& config);

// The pool's secrets, by reference of the configuration. InvalidArgument: none is configured, or
// one is malformed; errors of SecretSource.
Result<pool::PoolKeys> load_pool_keys(const service::Config& config, attest::SecretSource& secrets);

}  // namespace adyton::apps
