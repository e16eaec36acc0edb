#include "http/guarded_client.h"

#include <utility>

#include "http/internal/client_core.h"

namespace adyton::http {

GuardedClient::GuardedClient(base::EventLoop& loop, ClientOptions options, AddressCheck allow)
    : core_(std::make_shared<Client::Core>(loop, std::move(options))) {
    core_->allow_address = std::move(allow);
}

GuardedClient::~GuardedClient() {
    core_->close();
}

Task<Result<Response>> GuardedClient::send(ClientRequest request) {
    return internal::send_on_loop(core_, std::move(request));
}

}  // namespace adyton::http
