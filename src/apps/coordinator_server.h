#pragma once

#include <memory>
#include <string>

#include "apps/product_hosting.h"
#include "attest/peer_identity.h"
#include "base/result.h"
#include "coordinator/coordinator_service.h"
#include "service/config.h"

namespace adyton::apps {

// The coordinator as a process, or beside other services in one: everything from the configuration
// to the listening sockets, built here and passed down. Main thread only.
class CoordinatorServer {
public:
    using Inputs = ServerInputs;

    // Opens everything and listens; /ready says no until run(). All inputs must outlive the server.
    // The first thing that is wrong, with what to do about it.
    static Result<std::unique_ptr<CoordinatorServer>> create(const Inputs& inputs);
    ~CoordinatorServer();
    CoordinatorServer(const CoordinatorServer&) = delete;
    CoordinatorServer& operator=(const CoordinatorServer&) = delete;

    // Serves until SIGTERM or SIGINT, then drains.
    Result<void> run();
    // Serves on threads of its own until the object is destroyed, which drains.
    void run_beside();

    std::string address() const;          // "127.0.0.1:8080"
    std::string metrics_address() const;  // empty: none
    const service::MetricsRegistry& metrics() const;
    std::string evidence_key() const;  // hex: what `adyton verify workflow --key` trusts

private:
    struct Parts;
    explicit CoordinatorServer(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

// What the configuration says of a coordinator. InvalidArgument: a malformed account or amount.
Result<coordinator::CoordinatorOptions> coordinator_options(const service::Config& config);
// ["user_id","registry_id","receiver_id","method_names"] objects of DIRECT_USER_SCOPES_JSON.
// InvalidArgument: another shape.
Result<std::vector<coordinator::DirectUserScope>> parse_user_scopes(const std::string& json);

}  // namespace adyton::apps
