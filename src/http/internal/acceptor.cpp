#include "http/internal/acceptor.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "http/internal/socket_address.h"

namespace adyton::http::internal {
namespace {

constexpr int kBacklog = 1024;
constexpr int kAcceptsPerEvent = 64;
constexpr auto kPause = std::chrono::milliseconds(100);

SocketAddress local_address(int fd) {
    SocketAddress address;
    address.size = sizeof(address.storage);
    ::getsockname(fd, address.generic(), &address.size);
    return address;
}

}  // namespace

Result<void> Acceptor::open(const std::string& host, std::uint16_t port) {
    const auto address = SocketAddress::parse(host, port);
    if (!address) return Error::invalid_argument("listen address is not numeric");
    fd_ = ::socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) return Error::unavailable("listen: no socket");
    const int on = 1;
    ::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (::bind(fd_, address->generic(), address->size) != 0 || ::listen(fd_, kBacklog) != 0) {
        const std::string why = std::generic_category().message(errno);
        close();
        return Error::unavailable("listen on " + host + ":" + std::to_string(port) + ": " + why);
    }
    return core_.loops[0]->loop.watch(fd_, EPOLLIN, *this);
}

void Acceptor::close() {
    if (fd_ < 0) return;
    core_.loops[0]->loop.unwatch(fd_);
    ::close(fd_);
    fd_ = -1;
}

std::string Acceptor::bound_address() const {
    return fd_ < 0 ? std::string() : local_address(fd_).to_string();
}

std::uint16_t Acceptor::bound_port() const {
    return fd_ < 0 ? std::uint16_t{0} : local_address(fd_).port();
}

void Acceptor::on_events(std::uint32_t /*events*/) {
    for (int i = 0; i < kAcceptsPerEvent && fd_ >= 0; ++i) {
        if (!accept_one()) return;
    }
}

bool Acceptor::accept_one() {
    SocketAddress address;
    address.size = sizeof(address.storage);
    const int fd = ::accept4(fd_, address.generic(), &address.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) pause();
        return errno == ECONNABORTED || errno == EINTR;
    }
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    std::string remote = address.to_string();
    if (!core_.admit(remote)) {
        turn_away(fd);
        return true;
    }
    LoopState& state = *core_.loops[next_loop_];
    next_loop_ = (next_loop_ + 1) % core_.loops.size();
    if (&state == core_.loops[0].get()) {
        core_.open_connection(state, fd, std::move(remote));
        return true;
    }
    state.loop.post([core = core_.shared_from_this(), &state, fd, remote = std::move(remote)] {
        core->open_connection(state, fd, remote);
    });
    return true;
}

// Out of descriptors: leave connections in the backlog for a moment instead of spinning.
void Acceptor::pause() {
    base::EventLoop& loop = core_.loops[0]->loop;
    loop.unwatch(fd_);
    loop.post_after(kPause, [weak = core_.weak_from_this()] {
        const auto core = weak.lock();
        if (!core || core->closed || !core->acceptor || core->acceptor->fd_ < 0) return;
        Acceptor& self = *core->acceptor;
        if (!core->loops[0]->loop.watch(self.fd_, EPOLLIN, self)) self.pause();
    });
}

// Over a connection limit. Plain HTTP gets an answer, as far as the socket takes it; a TLS client
// would have to be given a handshake first, which is what the limit saves.
void Acceptor::turn_away(int fd) {
    if (!core_.tls()) {
        LoopState& state = *core_.loops[0];
        std::string trace_id;
        state.trace_ids.fresh(trace_id);
        ErrorInfo info =
            ErrorInfo::of(Status::ServiceUnavailable, "too many connections", trace_id);
        info.retry_after = std::chrono::seconds(1);
        const Response response = core_.router.error(info);
        HeadContext context;
        context.date = state.date.at(state.loop.now());
        context.trace_id = trace_id;
        context.content_length = response.body.size();
        context.close = true;
        std::string out;
        append_head(out, response, context);
        out.append(response.body);
        [[maybe_unused]] const auto sent = ::send(fd, out.data(), out.size(), MSG_NOSIGNAL);
        ::shutdown(fd, SHUT_WR);
    }
    ::close(fd);
}

}  // namespace adyton::http::internal
