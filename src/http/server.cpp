#include "http/server.h"

#include <unistd.h>

#include "base/check.h"
#include "http/internal/acceptor.h"
#include "http/internal/connection.h"
#include "http/internal/server_core.h"

namespace adyton::http {
namespace {

constexpr std::size_t kHeaderBytesCap = 1024 * 1024;  // services.md 1.1
constexpr auto kDrainPoll = std::chrono::milliseconds(5);

std::string without_port(std::string_view address) {
    return std::string(address.substr(0, address.rfind(':')));
}

// Connections end while they are worked through: hold them.
std::vector<std::shared_ptr<internal::Connection>> held(const internal::LoopState& state) {
    std::vector<std::shared_ptr<internal::Connection>> all;
    all.reserve(state.connections.size());
    for (internal::Connection* connection : state.connections) {
        if (auto strong = connection->weak_from_this().lock()) all.push_back(std::move(strong));
    }
    return all;
}

Result<void> check_limits(const ServerLimits& limits) {
    if (limits.header_bytes_max == 0 || limits.header_bytes_max > kHeaderBytesCap) {
        return Error::invalid_argument("header_bytes_max is not within 1 byte and 1 MiB");
    }
    if (limits.connections_max == 0 || limits.in_flight_max == 0 || limits.header_count_max == 0 ||
        limits.target_bytes_max == 0) {
        return Error::invalid_argument("a limit of the HTTP server is zero");
    }
    for (const base::Duration time :
         {limits.header_timeout, limits.body_timeout, limits.write_timeout, limits.idle_timeout,
          limits.connection_age_max, limits.tick}) {
        if (time <= base::Duration::zero()) {
            return Error::invalid_argument("a timeout of the HTTP server is not positive");
        }
    }
    return {};
}

}  // namespace

Server::Core::Core(
    const std::vector<base::EventLoop*>& event_loops, ServerOptions server_options,
    const Router& its_router, ServerObserver& its_observer)
    : options(std::move(server_options)),
      router(its_router),
      observer(its_observer),
      random(options.random != nullptr ? *options.random : internal::kernel_random()),
      tls_context(options.tls) {
    CHECK(!event_loops.empty());
    for (base::EventLoop* loop : event_loops) {
        loops.push_back(std::make_unique<internal::LoopState>(*loop, random));
    }
}

Server::Core::~Core() = default;

std::shared_ptr<const TlsContext> Server::Core::tls() {
    const std::scoped_lock lock(tls_mutex);
    return tls_context;
}

bool Server::Core::admit(std::string_view address) {
    const std::size_t per_address_max = options.limits.connections_per_address_max;
    if (connection_count.fetch_add(1) >= options.limits.connections_max) {
        connection_count.fetch_sub(1);
        return false;
    }
    if (per_address_max == 0) return true;
    const std::scoped_lock lock(address_mutex);
    std::size_t& count = per_address[without_port(address)];
    if (count >= per_address_max) {
        connection_count.fetch_sub(1);
        return false;
    }
    ++count;
    return true;
}

void Server::Core::dismiss(std::string_view address) {
    connection_count.fetch_sub(1);
    if (options.limits.connections_per_address_max == 0) return;
    const std::scoped_lock lock(address_mutex);
    const auto found = per_address.find(without_port(address));
    if (found != per_address.end() && --found->second == 0) per_address.erase(found);
}

void Server::Core::open_connection(internal::LoopState& state, int fd, std::string remote) {
    if (closed || draining) {
        dismiss(remote);
        ::close(fd);
        return;
    }
    auto connection =
        std::make_shared<internal::Connection>(shared_from_this(), state, fd, std::move(remote));
    base::spawn(state.loop, internal::Connection::run(std::move(connection)));
    start_ticking(state);
}

void Server::Core::start_ticking(internal::LoopState& state) {
    if (state.ticking) return;
    state.ticking = true;
    state.loop.post_after(options.limits.tick, [weak = weak_from_this(), &state] {
        const auto core = weak.lock();
        if (core) core->tick(state);
    });
}

void Server::Core::tick(internal::LoopState& state) {
    state.ticking = false;
    const base::SteadyTime now = state.loop.steady_now();
    std::vector<std::shared_ptr<internal::Connection>> due;
    for (internal::Connection* connection : state.connections) {
        if (!connection->is_due(now)) continue;
        if (auto strong = connection->weak_from_this().lock()) due.push_back(std::move(strong));
    }
    for (const auto& connection : due) connection->check_time(now);
    if (!state.connections.empty()) start_ticking(state);
}

Server::Server(
    std::vector<base::EventLoop*> loops, ServerOptions options, const Router& router,
    ServerObserver& observer)
    : core_(std::make_shared<Core>(loops, std::move(options), router, observer)) {}

Server::~Server() {
    core_->draining = true;
    core_->acceptor.reset();
    for (const auto& state : core_->loops) {
        if (state.get() == core_->loops[0].get()) {
            for (const auto& connection : held(*state)) connection->cut();
        } else {
            state->loop.post([core = core_, &loop_state = *state] {
                for (const auto& connection : held(loop_state)) connection->cut();
            });
        }
    }
    core_->closed = true;
}

Result<void> Server::start() {
    CHECK(!core_->acceptor);
    TRY_VOID(check_limits(core_->options.limits));
    auto acceptor = std::make_unique<internal::Acceptor>(*core_);
    TRY_VOID(acceptor->open(core_->options.host, core_->options.port));
    core_->acceptor = std::move(acceptor);
    return {};
}

std::string Server::bound_address() const {
    return core_->acceptor ? core_->acceptor->bound_address() : std::string();
}

std::uint16_t Server::bound_port() const {
    return core_->acceptor ? core_->acceptor->bound_port() : std::uint16_t{0};
}

void Server::reload_tls(std::shared_ptr<const TlsContext> tls) {
    const std::scoped_lock lock(core_->tls_mutex);
    CHECK(core_->tls_context != nullptr && tls != nullptr);
    core_->tls_context = std::move(tls);
}

Task<void> Server::drain(base::Duration deadline) {
    const std::shared_ptr<Core> core = core_;
    base::EventLoop& loop = core->loops[0]->loop;
    core->draining = true;
    core->acceptor.reset();
    for (const auto& state : core->loops) {
        state->loop.post([core, &loop_state = *state] {
            for (const auto& connection : held(loop_state)) connection->begin_drain();
        });
    }
    const base::SteadyTime end = loop.steady_now() + deadline;
    while (core->connection_count > 0 && loop.steady_now() < end) {
        co_await base::sleep_for(loop, kDrainPoll);
    }
    for (const auto& state : core->loops) {
        state->loop.post([core, &loop_state = *state] {
            for (const auto& connection : held(loop_state)) connection->cut();
        });
    }
}

std::size_t Server::connection_count() const {
    return core_->connection_count;
}

std::size_t Server::in_flight_count() const {
    return core_->in_flight;
}

}  // namespace adyton::http
