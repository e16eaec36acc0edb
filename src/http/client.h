#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/event_loop.h"
#include "base/random.h"
#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "http/message.h"
#include "http/router.h"
#include "http/tls.h"

namespace adyton::http {

// A request of ours to somebody else. Host and Content-Length are added; set here, they are
// ignored.
struct ClientRequest {
    std::string method = "GET";
    std::string url;  // "https://host:port/path?query", already percent-encoded (url.h)
    Headers headers;
    std::string body;
    // From send() to the last byte of the answer; zero: the transport's default.
    base::Duration timeout = base::Duration::zero();
};

// Sends a request and gives the answer, whatever its status. Errors say whether the request may
// have taken effect:
//   InvalidArgument    URL, method or headers cannot be sent
//   Unavailable        nothing was sent: no address, refused, TLS failed, pool full
//   DeadlineExceeded   time ran out before anything was sent
//   Unauthenticated    the server refused our certificate, or we the server's
//   OutcomeUnknown     sent, in part or whole, and no complete answer came
//   TooLarge           an answer came but is larger than the limit (the request took its effect)
//   CorruptData        an answer came that is no HTTP
class Transport {
public:
    virtual ~Transport() = default;
    virtual Task<Result<Response>> send(ClientRequest request) = 0;
};

struct ClientOptions {
    std::shared_ptr<const TlsContext> tls;                     // needed for https
    base::Duration connect_timeout = std::chrono::seconds(5);  // address, TCP and TLS together
    base::Duration timeout = std::chrono::seconds(30);
    base::Duration idle_timeout = std::chrono::seconds(60);  // shorter than servers' keep-alive
    std::size_t connections_per_host_max = 256;              // more requests than that wait for one
    std::size_t waiting_max = 4096;                          // Unavailable beyond
    std::size_t response_bytes_max = 8 * 1024 * 1024;
    std::size_t header_bytes_max = 64 * 1024;
};

// HTTP/1.1 with keep-alive on one event loop. No redirects, no retries, no cookies, no proxies: the
// caller decides. A kept connection that the server closed before a byte of the request was sent is
// replaced silently.
//
// send() may be called on any executor; the answer arrives there.
class Client final : public Transport {
public:
    // `loop` must outlive the client, and the client its unfinished sends.
    Client(base::EventLoop& loop, ClientOptions options);
    ~Client() override;
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    Task<Result<Response>> send(ClientRequest request) override;

    // For new connections. On the loop's thread.
    void reload_tls(std::shared_ptr<const TlsContext> tls);
    std::size_t connection_count() const;

    struct Core;

private:
    std::shared_ptr<Core> core_;
};

// Calls a Router in the same process, for tests and simulation: the same parsing of targets, trace
// ids and error answers as over a socket, without the socket. Streamed bodies are collected.
class RouterTransport final : public Transport {
public:
    // What the server side sees of its caller. `random` makes trace ids.
    RouterTransport(const Router& router, PeerInfo peer, base::RandomSource& random);
    ~RouterTransport() override;

    Task<Result<Response>> send(ClientRequest request) override;

private:
    const Router& router_;
    std::shared_ptr<PeerInfo> peer_;
    base::RandomSource& random_;
};

}  // namespace adyton::http
