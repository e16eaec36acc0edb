#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "http/internal/response_writer.h"
#include "http/internal/trace_id.h"
#include "http/server.h"

namespace adyton::http {
namespace internal {

class Acceptor;
class Connection;

// What a server keeps on one loop; touched on its thread only.
struct LoopState {
    LoopState(base::EventLoop& its_loop, base::RandomSource& random)
        : loop(its_loop), trace_ids(random) {}

    base::EventLoop& loop;
    std::unordered_set<Connection*> connections;
    TraceIds trace_ids;
    DateText date;
    bool ticking = false;
};

// One source for several loops.
class LockedRandom final : public base::RandomSource {
public:
    explicit LockedRandom(base::RandomSource& inner) : inner_(inner) {}
    void fill(std::span<std::uint8_t> out) override {
        const std::scoped_lock lock(mutex_);
        inner_.fill(out);
    }

private:
    std::mutex mutex_;
    base::RandomSource& inner_;
};

}  // namespace internal

// Shared by the server and its connections: a handler may end after the server has gone.
struct Server::Core : std::enable_shared_from_this<Server::Core> {
    Core(
        const std::vector<base::EventLoop*>& event_loops, ServerOptions server_options,
        const Router& its_router, ServerObserver& its_observer);
    ~Core();

    std::shared_ptr<const TlsContext> tls();
    // Starts a connection on `state`'s loop; on its thread. Counted already.
    void open_connection(internal::LoopState& state, int fd, std::string remote);
    void start_ticking(internal::LoopState& state);
    void tick(internal::LoopState& state);

    // Counts a connection in; false over a limit.
    bool admit(std::string_view address);
    void dismiss(std::string_view address);

    const ServerOptions options;
    const Router& router;
    ServerObserver& observer;
    internal::LockedRandom random;
    std::vector<std::unique_ptr<internal::LoopState>> loops;
    std::unique_ptr<internal::Acceptor> acceptor;
    std::atomic<std::size_t> connection_count{0};
    std::atomic<std::size_t> in_flight{0};
    std::atomic<std::uint64_t> next_connection_id{1};
    std::atomic<bool> draining{false};
    std::atomic<bool> closed{false};  // the server is gone: neither router nor observer are called

    std::mutex tls_mutex;
    std::shared_ptr<const TlsContext> tls_context;  // guarded by tls_mutex
    std::mutex address_mutex;
    std::unordered_map<std::string, std::size_t> per_address;  // guarded by address_mutex
};

}  // namespace adyton::http
