#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "attest/activation_message.h"
#include "base/bytes.h"
#include "crypto/digest.h"

namespace adyton::attest {

// A MarbleRun Coordinator as marbles see it: gRPC over TLS on a port of its own, the certificates
// of enclave.md 1.7, one manifest's worth of variables. With everything that may go wrong. CHECKs
// what the libraries must be able to do. Serves one connection after the other on its own thread.
class FakeCoordinator {
public:
    struct Behaviour {
        // What the variables are; the marble's own credentials come besides.
        std::vector<std::pair<std::string, std::string>> env;
        std::vector<std::string> argv;
        std::vector<int> statuses;  // gRPC statuses answered first, before it succeeds
        // Changes what is answered, credentials included.
        std::function<void(ActivationParameters&)> change;
        std::string marble_type;    // empty: as asked for
        bool second_type = false;   // two extensions
        std::string common_name;    // empty: the UUID
        bool foreign_leaf = false;  // signed by somebody else's intermediate of the same name
        bool leaf_is_ca = false;
        bool foreign_root = false;     // all of it from another, consistent Coordinator
        bool foreign_server = false;   // TLS with another key than the marble root's
        std::size_t padding = 0;       // bytes of an unknown field in the answer
        std::size_t claimed_more = 0;  // the frame claims more than comes
        bool compressed = false;
        bool no_trailers = false;
        bool hang = false;   // never answers
        bool drip = false;   // one byte every 20 ms
        bool http1 = false;  // does not know h2
        int http_status = 200;
    };

    FakeCoordinator();
    ~FakeCoordinator();
    FakeCoordinator(const FakeCoordinator&) = delete;
    FakeCoordinator& operator=(const FakeCoordinator&) = delete;

    std::string address() const;        // "127.0.0.1:40000"
    crypto::Sha256Digest root() const;  // to pin
    void behave(Behaviour behaviour);   // from the next connection on
    std::vector<ActivationRequest> requests() const;
    base::Bytes client_certificate() const;  // DER, of the last connection
    // A new intermediate and marble root under the same root, as a manifest update makes.
    void update_manifest();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace adyton::attest
