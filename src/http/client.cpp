#include "http/client.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "base/check.h"
#include "http/internal/client_core.h"
#include "http/internal/request_parser.h"
#include "http/internal/response_writer.h"
#include "http/internal/socket_address.h"
#include "http/internal/trace_id.h"

namespace adyton::http {
namespace {

using internal::ClientConnection;
using internal::HostPool;
using internal::SocketAddress;

constexpr std::size_t kJoinBytesMax = 16 * 1024;
constexpr auto kTick = std::chrono::milliseconds(10);
constexpr auto kSlowTick = std::chrono::milliseconds(500);

// Blocks.
Result<std::vector<SocketAddress>> look_up(const std::string& host, std::uint16_t port) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* found = nullptr;
    const int failure = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
    if (failure != 0) return Error::unavailable("host name does not resolve");
    std::vector<SocketAddress> addresses;
    for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
        if (one->ai_addrlen > sizeof(sockaddr_storage)) continue;
        SocketAddress address;
        std::memcpy(&address.storage, one->ai_addr, one->ai_addrlen);
        address.size = one->ai_addrlen;
        addresses.push_back(address);
    }
    ::freeaddrinfo(found);
    return addresses;
}

// A completion that several parties may try to set; the first wins.
template <typename T>
class FirstWins {
public:
    explicit FirstWins(std::shared_ptr<typename base::Completion<T>::State> state)
        : state_(std::move(state)), set_(std::make_shared<std::atomic<bool>>(false)) {}
    // False: somebody was first.
    bool set(T value) const {
        if (set_->exchange(true)) return false;
        state_->set(std::move(value));
        return true;
    }

private:
    std::shared_ptr<typename base::Completion<T>::State> state_;
    std::shared_ptr<std::atomic<bool>> set_;  // shared by the parties
};

Task<Result<std::vector<SocketAddress>>> resolve(
    base::EventLoop& loop, const std::string& host, std::uint16_t port, base::SteadyTime deadline) {
    const auto numeric = SocketAddress::parse(host, port);
    if (numeric) co_return std::vector<SocketAddress>{*numeric};
    using Found = Result<std::vector<SocketAddress>>;
    base::Completion<Found> done;
    const FirstWins<Found> first(done.completer());
    loop.post_blocking([first, host, port] { first.set(look_up(host, port)); });
    const auto timer = loop.post_after(deadline - loop.steady_now(), [first] {
        first.set(Error::deadline_exceeded("host name did not resolve in time"));
    });
    Found found = co_await done;
    loop.cancel(timer);
    co_return found;
}

bool is_token(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return c > ' ' && c < 0x7f &&
               std::string_view("\"(),/:;<=>?@[\\]{}").find(c) == std::string_view::npos;
    });
}

bool is_field_value(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return c == '\t' || (byte >= 0x20 && byte != 0x7f);
    });
}

bool is_ours(std::string_view name) {
    return equal_ignoring_case(name, "Host") || equal_ignoring_case(name, "Content-Length") ||
           equal_ignoring_case(name, "Transfer-Encoding") ||
           equal_ignoring_case(name, "Connection");
}

Result<void> check_request(const ClientRequest& request) {
    if (!is_token(request.method)) return Error::invalid_argument("request method is no token");
    for (std::size_t i = 0; i < request.headers.size(); ++i) {
        const Headers::Field field = request.headers.at(i);
        if (!is_token(field.name) || !is_field_value(field.value)) {
            return Error::invalid_argument("request header cannot be sent");
        }
    }
    return {};
}

// Requests carry credentials of their senders: nothing of one stays in freed memory.
void wipe(std::string& text) {
    if (!text.empty()) ::explicit_bzero(text.data(), text.size());
    text.clear();
}

void wipe(Headers& headers) {
    for (std::size_t i = 0; i < headers.size(); ++i) {
        const std::string_view value = headers.at(i).value;
        // The text belongs to the headers, which are ours and not const.
        if (!value.empty()) ::explicit_bzero(const_cast<char*>(value.data()), value.size());
    }
    headers.clear();
}

// Whatever becomes of it.
class WipedAtEnd {
public:
    explicit WipedAtEnd(ClientRequest& request) : request_(request) {}
    WipedAtEnd(const WipedAtEnd&) = delete;
    WipedAtEnd& operator=(const WipedAtEnd&) = delete;
    ~WipedAtEnd() {
        wipe(request_.headers);
        wipe(request_.body);
    }

private:
    ClientRequest& request_;
};

// An upper bound of the head's size: it is not to move while it grows.
std::size_t head_bytes_max(const ClientRequest& request, const Url& url) {
    std::size_t size = request.method.size() + url.target.size() + url.authority().size() + 128;
    for (std::size_t i = 0; i < request.headers.size(); ++i) {
        const Headers::Field field = request.headers.at(i);
        size += field.name.size() + field.value.size() + 4;
    }
    return size + std::min(request.body.size(), kJoinBytesMax);
}

ClientConnection::Outgoing compose(ClientRequest& request, const Url& url) {
    ClientConnection::Outgoing out;
    std::string& head = out.head;
    head.reserve(head_bytes_max(request, url));
    head.append(request.method).append(" ").append(url.target);
    head.append(" HTTP/1.1\r\nHost: ").append(url.authority()).append("\r\n");
    for (std::size_t i = 0; i < request.headers.size(); ++i) {
        const Headers::Field field = request.headers.at(i);
        if (!is_ours(field.name)) internal::append_field(head, field.name, field.value);
    }
    const bool has_length = !request.body.empty() || request.method == "POST" ||
                            request.method == "PUT" || request.method == "PATCH";
    if (has_length) {
        head.append("Content-Length: ").append(std::to_string(request.body.size())).append("\r\n");
    }
    head.append("\r\n");
    if (request.body.size() <= kJoinBytesMax) {
        head.append(request.body);
    } else {
        out.body = std::move(request.body);
    }
    if (request.method == "HEAD") out.method = internal::ResponseParser::AnswerTo::Head;
    return out;
}

std::string key_of(const Url& url) {
    return (url.tls ? "s " : "p ") + url.host + " " + std::to_string(url.port);
}

}  // namespace

Client::Core::Core(base::EventLoop& event_loop, ClientOptions client_options)
    : loop(event_loop), options(std::move(client_options)), tls(options.tls) {}

Task<Result<Response>> Client::Core::send(ClientRequest request) {
    const WipedAtEnd wiped(request);
    CO_TRY(const Url url, Url::parse(request.url));
    CO_TRY_VOID(check_request(request));
    if (closed) co_return Error::unavailable("the client is closed");
    if (url.tls && !tls) co_return Error::invalid_argument("https without a TLS context");
    const base::Duration timeout =
        request.timeout > base::Duration::zero() ? request.timeout : options.timeout;
    const base::SteadyTime deadline = loop.steady_now() + timeout;
    note_active();
    const auto self = shared_from_this();  // the client may go while this waits
    CO_TRY(const Lease lease, co_await acquire(url, deadline));
    ClientConnection::Outgoing outgoing = compose(request, url);
    Result<Response> response = co_await lease.connection->exchange(outgoing, deadline);
    wipe(outgoing.head);
    wipe(outgoing.body);
    if (lease.connection->reusable() && !closed) {
        give_back(lease.connection);
    } else {
        forget(lease.connection);
    }
    co_return response;
}

std::shared_ptr<ClientConnection> Client::Core::take_idle(HostPool& pool) {
    const base::SteadyTime now = loop.steady_now();
    while (!pool.idle.empty()) {
        std::shared_ptr<ClientConnection> connection = std::move(pool.idle.back());
        pool.idle.pop_back();
        if (connection->still_good(now)) return connection;
        connection->close();
        --pool.open;
    }
    return nullptr;
}

Task<Result<bool>> Client::Core::wait_for_turn(HostPool& pool, base::SteadyTime deadline) {
    if (waiting_count >= options.waiting_max) {
        co_return Error::unavailable("too many requests wait for a connection");
    }
    base::Completion<Result<bool>> turn;
    const FirstWins<Result<bool>> first(turn.completer());
    pool.waiting.emplace_back([first] { return first.set(true); });
    ++waiting_count;
    const auto timer = loop.post_after(deadline - loop.steady_now(), [first] {
        first.set(Error::deadline_exceeded("no connection became free in time"));
    });
    Result<bool> woken = co_await turn;
    --waiting_count;
    loop.cancel(timer);
    co_return woken;
}

Task<Result<Client::Core::Lease>> Client::Core::acquire(const Url& url, base::SteadyTime deadline) {
    const std::string key = key_of(url);
    for (;;) {
        HostPool& pool = pools[key];  // anew after each wait: it may have been erased
        if (auto connection = take_idle(pool)) co_return Lease{std::move(connection), true};
        if (pool.open < options.connections_per_host_max) break;
        CO_TRY_VOID(co_await wait_for_turn(pool, deadline));
        if (closed) co_return Error::unavailable("the client is closed");
    }
    ++pools[key].open;
    auto made = co_await connect(url, key, deadline);
    if (!made) {
        connection_gone(key);
        co_return std::move(made).error();
    }
    co_return Lease{std::move(made).value(), false};
}

Task<Result<std::shared_ptr<ClientConnection>>> Client::Core::connect(
    const Url& url, const std::string& key, base::SteadyTime deadline) {
    deadline = std::min(deadline, loop.steady_now() + options.connect_timeout);
    CO_TRY(
        const std::vector<SocketAddress> addresses,
        co_await resolve(loop, url.host, url.port, deadline));
    for (const SocketAddress& address : addresses) {
        if (allow_address && !allow_address(address.address_bytes())) {
            co_return Error::permission_denied(
                "the host is at an address that may not be reached", "address_refused");
        }
    }
    Error last = Error::unavailable("host has no address");
    for (const SocketAddress& address : addresses) {
        const int fd =
            ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0) co_return Error::unavailable("no socket");
        auto connection = std::make_shared<ClientConnection>(shared_from_this(), key, fd);
        const int started = ::connect(fd, address.generic(), address.size);
        if (started != 0 && errno != EINPROGRESS) {
            last = Error::unavailable("connect: " + std::generic_category().message(errno));
            continue;
        }
        const Result<void> connected = co_await connection->finish_connect(deadline);
        if (!connected) {
            last = connected.error();
            if (last.code() == ErrorCode::DeadlineExceeded) break;
            continue;
        }
        if (url.tls) {
            const std::shared_ptr<const TlsContext> context = tls;
            CO_TRY_VOID(co_await connection->finish_tls(context, url.host, deadline));
        }
        co_return connection;
    }
    co_return last;
}

void Client::Core::wake_one(HostPool& pool) {
    while (!pool.waiting.empty()) {
        const auto wake = std::move(pool.waiting.front());
        pool.waiting.pop_front();
        if (wake()) return;  // those whose time has run out say no
    }
}

void Client::Core::give_back(std::shared_ptr<ClientConnection> connection) {
    HostPool& pool = pools[connection->key()];
    connection->become_idle(loop.steady_now() + options.idle_timeout);
    pool.idle.push_back(std::move(connection));
    wake_one(pool);
}

void Client::Core::connection_gone(const std::string& key) {
    const auto found = pools.find(key);
    CHECK(found != pools.end());
    --found->second.open;
    wake_one(found->second);
    // Hosts that scripts name may be many. Whoever was woken may have changed the map.
    const auto left = pools.find(key);
    if (left == pools.end()) return;
    const HostPool& pool = left->second;
    if (pool.open == 0 && pool.waiting.empty()) pools.erase(left);
}

void Client::Core::forget(const std::shared_ptr<ClientConnection>& connection) {
    connection->close();
    HostPool& pool = pools[connection->key()];
    pool.idle.erase(std::remove(pool.idle.begin(), pool.idle.end(), connection), pool.idle.end());
    connection_gone(connection->key());
}

void Client::Core::note_active() {
    if (ticking && ticking_slowly && loop.cancel(tick_timer)) ticking = false;
    if (!ticking) start_ticking(kTick);
}

void Client::Core::start_ticking(base::Duration period) {
    ticking = true;
    ticking_slowly = period > kTick;
    tick_timer = loop.post_after(period, [weak = weak_from_this()] {
        const auto core = weak.lock();
        if (core) core->tick();
    });
}

void Client::Core::tick() {
    ticking = false;
    const base::SteadyTime now = loop.steady_now();
    std::vector<std::shared_ptr<ClientConnection>> due;
    for (ClientConnection* connection : connections) {
        if (!connection->is_due(now)) continue;
        if (auto strong = connection->weak_from_this().lock()) due.push_back(std::move(strong));
    }
    for (const auto& connection : due) {
        if (connection->idle()) {
            forget(connection);
        } else {
            connection->expire();
        }
    }
    if (closed || connections.empty()) return;
    bool active = false;
    for (const ClientConnection* connection : connections) active |= !connection->idle();
    if (!ticking) start_ticking(active ? base::Duration(kTick) : base::Duration(kSlowTick));
}

Client::Client(base::EventLoop& loop, ClientOptions options)
    : core_(std::make_shared<Core>(loop, std::move(options))) {}

void Client::Core::close() {
    closed = true;
    for (auto& [key, pool] : pools) {
        for (const auto& connection : pool.idle) connection->close();
        pool.idle.clear();
    }
}

Client::~Client() {
    core_->close();
}

Task<Result<Response>> internal::send_on_loop(
    std::shared_ptr<Client::Core> core, ClientRequest request) {
    if (base::Executor::current() == &core->loop) {
        co_return co_await core->send(std::move(request));
    }
    base::Completion<Result<Response>> done;
    constexpr auto kRelay =
        [](std::shared_ptr<Client::Core> inner, ClientRequest moved,
           std::shared_ptr<base::Completion<Result<Response>>::State> state) -> Task<void> {
        Result<Response> response = co_await inner->send(std::move(moved));
        state->set(std::move(response));
    };
    base::spawn(core->loop, kRelay(core, std::move(request), done.completer()));
    co_return co_await done;
}

Task<Result<Response>> Client::send(ClientRequest request) {
    return internal::send_on_loop(core_, std::move(request));
}

void Client::reload_tls(std::shared_ptr<const TlsContext> tls) {
    core_->tls = std::move(tls);
}

std::size_t Client::connection_count() const {
    return core_->connections.size();
}

}  // namespace adyton::http
