#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/event_loop.h"
#include "http/tls.h"

struct ssl_st;

namespace adyton::http::internal {

// A connected non-blocking socket on one loop, plain or TLS, with at most one coroutine waiting for
// it. Everything happens on the loop's thread.
//
// Readiness is level triggered. The epoll interest is changed only when it must be: it stays on
// reading between requests, turns to writing while the peer is slow, and the descriptor is taken
// out when events come that nobody waits for (pipelined bytes or a hang-up while a handler runs).
class Stream final : public base::EventLoop::Watcher {
public:
    enum class Outcome {
        Done,
        WantRead,   // wait for reading and try again
        WantWrite,  // wait for writing and try again
        End,        // the peer has ended its side in order
        Failed,     // the connection is of no more use
    };
    struct Io {
        Outcome outcome = Outcome::Failed;
        std::size_t bytes = 0;
    };
    enum class Wake { Ready, Expired };

    // Takes the descriptor over.
    Stream(base::EventLoop& loop, int fd);
    ~Stream() override;
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    // Before any I/O. Internal: the TLS library is out of memory.
    Result<void> start_tls_server(std::shared_ptr<const TlsContext> context);
    // `host` is checked against the certificate unless the context names another.
    Result<void> start_tls_client(
        std::shared_ptr<const TlsContext> context, const std::string& host);
    bool tls() const { return ssl_ != nullptr; }

    Io handshake();
    Io read(char* to, std::size_t size);
    Io write(std::string_view bytes);
    // Reads raw bytes off the socket, past TLS: for input that is thrown away.
    Io drain(char* to, std::size_t size);
    // Bytes are with the TLS library that epoll does not know of: read before waiting.
    bool has_pending() const;
    // Says that no more comes (close_notify, FIN); reading goes on.
    void shutdown_write();
    // Closes at once; a waiter is not woken. Idempotent.
    void close();
    bool closed() const { return fd_ < 0; }
    // Closed, or of no more use.
    bool broken() const { return fd_ < 0 || broken_; }
    int fd() const { return fd_; }

    // co_await wait(...) gives how it was woken. Ready may be spurious.
    class Waiter {
    public:
        Waiter(Stream& stream, std::uint32_t interest) : stream_(stream), interest_(interest) {}
        bool await_ready() const noexcept { return false; }
        bool await_suspend(std::coroutine_handle<> handle) {
            return stream_.suspend(handle, interest_);
        }
        Wake await_resume() const noexcept { return stream_.wake_; }

    private:
        Stream& stream_;
        std::uint32_t interest_;
    };
    Waiter wait_readable();
    Waiter wait_writable();
    Waiter wait_readable_or_writable();
    Waiter wait_for(Outcome wanted) {
        return wanted == Outcome::WantWrite ? wait_writable() : wait_readable();
    }
    bool waiting() const { return static_cast<bool>(waiter_); }
    // Wakes the waiter with Expired; nothing when there is none.
    void expire();

    // Called when an event comes and nobody waits; the descriptor is out of epoll then.
    class IdleListener {
    public:
        virtual ~IdleListener() = default;
        virtual void on_unexpected_event() = 0;
    };
    void set_idle_listener(IdleListener* listener) { idle_listener_ = listener; }
    // Reports events to the listener without a waiter.
    void listen_while_idle();

    // After the handshake: DER certificates that were verified, leaf first; empty without any.
    std::vector<std::string> verified_chain() const;
    // Why the last TLS call failed, a fixed phrase.
    std::string_view failure_reason() const { return failure_reason_; }
    // The peer's TLS alert refused our certificate.
    bool certificate_refused() const { return certificate_refused_; }
    // We did not accept the peer's certificate.
    bool peer_not_verified() const { return peer_not_verified_; }

private:
    friend struct StreamBio;
    struct SslDeleter {
        void operator()(ssl_st* ssl) const;
    };

    bool suspend(std::coroutine_handle<> handle, std::uint32_t interest);
    void arm(std::uint32_t interest);
    void on_events(std::uint32_t events) override;
    void resume(Wake wake);
    Result<void> attach_tls(std::shared_ptr<const TlsContext> context);
    Io tls_outcome(int returned, std::size_t bytes);
    void note_tls_failure();

    base::EventLoop& loop_;
    int fd_;
    std::uint32_t armed_ = 0;  // the interest epoll knows; 0: not in epoll
    std::coroutine_handle<> waiter_;
    Wake wake_ = Wake::Ready;
    IdleListener* idle_listener_ = nullptr;
    std::shared_ptr<const TlsContext> context_;  // shared: kept through a reload
    std::unique_ptr<ssl_st, SslDeleter> ssl_;
    Outcome blocked_ = Outcome::Done;  // what the socket said during a TLS call
    int alert_ = -1;                   // the peer's last TLS alert
    bool eof_seen_ = false;
    bool tls_broken_ = false;
    bool broken_ = false;
    bool certificate_refused_ = false;
    bool peer_not_verified_ = false;
    std::string_view failure_reason_;
};

}  // namespace adyton::http::internal
