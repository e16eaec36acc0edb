#pragma once

#include <memory>
#include <string>

#include "apps/product_hosting.h"
#include "attest/peer_identity.h"
#include "base/result.h"
#include "keystore/keystore_service.h"
#include "service/config.h"

namespace adyton::apps {

// The keystore as a process, or beside other services in one: everything from the configuration to
// the listening sockets, built here and passed down. Main thread only.
class KeystoreServer {
public:
    using Inputs = ServerInputs;

    // Opens everything and listens; /ready says no until run(). All inputs must outlive the server.
    // The first thing that is wrong, with what to do about it.
    static Result<std::unique_ptr<KeystoreServer>> create(const Inputs& inputs);
    ~KeystoreServer();
    KeystoreServer(const KeystoreServer&) = delete;
    KeystoreServer& operator=(const KeystoreServer&) = delete;

    // Serves until SIGTERM or SIGINT, then drains.
    Result<void> run();
    // Serves on threads of its own until the object is destroyed, which drains.
    void run_beside();

    std::string address() const;          // "127.0.0.1:8087"
    std::string metrics_address() const;  // empty: none
    const service::MetricsRegistry& metrics() const;
    std::string secret_fingerprint() const;

private:
    struct Parts;
    explicit KeystoreServer(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

// What the configuration says of a keystore. InvalidArgument: a malformed contract name.
Result<keystore::KeystoreOptions> keystore_options(
    const service::Config& config, attest::IdentityMode mode);

}  // namespace adyton::apps
