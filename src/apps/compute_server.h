#pragma once

#include <memory>
#include <string>

#include "apps/product_hosting.h"
#include "attest/peer_identity.h"
#include "base/result.h"
#include "compute/options.h"
#include "service/config.h"

namespace adyton::apps {

// Compute as a process, or beside other services in one: everything from the configuration to the
// listening sockets, built here and passed down. Main thread only.
class ComputeServer {
public:
    using Inputs = ServerInputs;

    // Opens everything and listens; /ready says no until run(). All inputs must outlive the server.
    // The first thing that is wrong, with what to do about it.
    static Result<std::unique_ptr<ComputeServer>> create(const Inputs& inputs);
    ~ComputeServer();
    ComputeServer(const ComputeServer&) = delete;
    ComputeServer& operator=(const ComputeServer&) = delete;

    // Serves until SIGTERM or SIGINT, then drains.
    Result<void> run();
    // Serves on threads of its own until the object is destroyed, which drains.
    void run_beside();

    std::string address() const;          // "127.0.0.1:8086"
    std::string metrics_address() const;  // empty: none
    std::string receipt_public_key() const;

private:
    struct Parts;
    explicit ComputeServer(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

// What the configuration says of compute.
compute::ComputeOptions compute_options(const service::Config& config, attest::IdentityMode mode);

}  // namespace adyton::apps
