#pragma once

#include <functional>
#include <memory>

#include "base/bytes.h"
#include "http/client.h"

namespace adyton::http {

// Whether a connection to this address may be made: 4 bytes of IPv4 or 16 of IPv6, network order.
// Called on the client's loop; must be quick.
using AddressCheck = std::function<bool(base::ByteView)>;

// A Client for URLs that others chose. The host is resolved once for a connection; every address
// that it resolved to is checked, and what was checked is what is connected to, so that no second
// answer of the name server comes between. A numeric host is checked alike, however it is spelled.
// PermissionDenied, reason "address_refused": one of them may not be connected to; nothing was
// sent.
class GuardedClient final : public Transport {
public:
    // `loop` must outlive the client, and the client its unfinished sends.
    GuardedClient(base::EventLoop& loop, ClientOptions options, AddressCheck allow);
    ~GuardedClient() override;
    GuardedClient(const GuardedClient&) = delete;
    GuardedClient& operator=(const GuardedClient&) = delete;

    Task<Result<Response>> send(ClientRequest request) override;

private:
    std::shared_ptr<Client::Core> core_;
};

}  // namespace adyton::http
