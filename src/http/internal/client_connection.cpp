#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/check.h"
#include "http/internal/client_core.h"

namespace adyton::http::internal {
namespace {

// Idle shorter than that, the loop has seen whatever the server sent.
constexpr auto kTrustedIdle = std::chrono::milliseconds(10);

std::size_t buffer_max(const ClientOptions& options) {
    return options.header_bytes_max + ResponseParser::kChunkHeaderBytesMax + 32 * 1024;
}

}  // namespace

ClientConnection::ClientConnection(std::shared_ptr<Client::Core> core, std::string key, int fd)
    : core_(std::move(core)),
      key_(std::move(key)),
      stream_(core_->loop, fd),
      in_(buffer_max(core_->options)),
      parser_(core_->options.header_bytes_max, core_->options.response_bytes_max) {
    core_->connections.insert(this);
    stream_.set_idle_listener(this);
}

ClientConnection::~ClientConnection() {
    stream_.close();
    core_->connections.erase(this);
}

void ClientConnection::expire() {
    deadline_ = base::SteadyTime::max();
    stream_.expire();
}

Task<Result<void>> ClientConnection::finish_connect(base::SteadyTime deadline) {
    deadline_ = deadline;
    const Stream::Wake wake = co_await stream_.wait_writable();
    if (wake == Stream::Wake::Expired) co_return Error::deadline_exceeded("connect timed out");
    int failure = 0;
    socklen_t size = sizeof(failure);
    ::getsockopt(stream_.fd(), SOL_SOCKET, SO_ERROR, &failure, &size);
    if (failure != 0) {
        co_return Error::unavailable("connect: " + std::generic_category().message(failure));
    }
    const int on = 1;
    ::setsockopt(stream_.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    co_return Result<void>();
}

Task<Result<void>> ClientConnection::finish_tls(
    std::shared_ptr<const TlsContext> context, const std::string& host, base::SteadyTime deadline) {
    deadline_ = deadline;
    CO_TRY_VOID(stream_.start_tls_client(std::move(context), host));
    for (;;) {
        const Stream::Io io = stream_.handshake();
        if (io.outcome == Stream::Outcome::Done) co_return Result<void>();
        if (io.outcome != Stream::Outcome::WantRead && io.outcome != Stream::Outcome::WantWrite) {
            break;
        }
        const Stream::Wake wake = co_await stream_.wait_for(io.outcome);
        if (wake == Stream::Wake::Expired) {
            co_return Error::deadline_exceeded("TLS handshake timed out");
        }
    }
    if (stream_.peer_not_verified()) {
        co_return Error::unauthenticated("the server's certificate does not verify");
    }
    if (stream_.certificate_refused()) {
        co_return Error::unauthenticated("the server refused our certificate");
    }
    co_return Error::unavailable("TLS handshake failed: " + std::string(stream_.failure_reason()));
}

// Reads once without waiting. False: nothing to be had.
bool ClientConnection::try_read() {
    in_.make_room();
    const Stream::Io io = stream_.read(in_.room(), in_.room_size());
    if (io.outcome == Stream::Outcome::End) ended_ = true;
    if (io.outcome != Stream::Outcome::Done) return false;
    in_.grew(io.bytes);
    return true;
}

Task<ClientConnection::Sending> ClientConnection::write(std::string_view bytes) {
    while (!bytes.empty()) {
        const Stream::Io io = stream_.write(bytes);
        if (io.outcome == Stream::Outcome::Done) {
            sent_any_ = true;
            bytes.remove_prefix(io.bytes);
            continue;
        }
        if (io.outcome != Stream::Outcome::WantRead && io.outcome != Stream::Outcome::WantWrite) {
            co_return Sending::Broken;
        }
        const Stream::Wake wake = co_await stream_.wait_readable_or_writable();
        if (wake == Stream::Wake::Expired) co_return Sending::Expired;
        // A server may refuse a body before it has read all of it.
        if (try_read()) co_return Sending::EarlyAnswer;
        if (ended_) co_return Sending::Broken;
    }
    co_return Sending::Sent;
}

Error ClientConnection::broken_error() const {
    if (stream_.certificate_refused() && answer_count_ == 0) {
        return Error::unauthenticated("the server refused our certificate");
    }
    if (!sent_any_) return Error::unavailable("the connection broke before anything was sent");
    return Error::outcome_unknown("the connection broke before the answer was complete");
}

Task<Result<Response>> ClientConnection::exchange(
    const Outgoing& outgoing, base::SteadyTime deadline) {
    deadline_ = deadline;
    sent_any_ = false;
    reusable_ = false;
    Response response;
    parser_.start(response, outgoing.method);
    Sending sending = co_await write(outgoing.head);
    if (sending == Sending::Sent) sending = co_await write(outgoing.body);
    if (sending == Sending::Expired) {
        co_return sent_any_ ? Error::outcome_unknown("time ran out while sending")
                            : Error::deadline_exceeded("time ran out before sending");
    }
    for (;;) {
        if (!in_.empty()) {
            in_.consume(parser_.feed(in_.view()));
        }
        if (const Error* failure = parser_.failure()) co_return Error(*failure);
        if (parser_.complete()) break;
        if (try_read()) continue;
        if (ended_) parser_.feed_end();
        if (parser_.complete()) break;
        if (ended_ || stream_.broken()) co_return broken_error();
        const Stream::Wake wake = co_await stream_.wait_readable();
        if (wake == Stream::Wake::Expired) {
            co_return Error::outcome_unknown("no complete answer in time");
        }
    }
    ++answer_count_;
    reusable_ = sending == Sending::Sent && parser_.keep_alive() && in_.empty() && !ended_;
    co_return response;
}

void ClientConnection::become_idle(base::SteadyTime until) {
    idle_ = true;
    deadline_ = until;
    idle_since_ = core_->loop.steady_now();
    stream_.listen_while_idle();
}

bool ClientConnection::still_good(base::SteadyTime now) {
    idle_ = false;
    if (stream_.closed() || is_due(now)) return false;
    if (now - idle_since_ < kTrustedIdle) return true;
    char byte = 0;
    const auto got = ::recv(stream_.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got < 0 && (errno == EAGAIN || errno == EINTR);
}

// The server ended an idle connection, or speaks unasked: of no more use.
void ClientConnection::on_unexpected_event() {
    if (!idle_) return;
    const auto self = shared_from_this();
    stream_.close();
    core_->forget(self);
}

}  // namespace adyton::http::internal
