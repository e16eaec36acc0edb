#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/event_loop.h"
#include "base/random.h"
#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "http/message.h"
#include "http/router.h"
#include "http/tls.h"

namespace adyton::http {

// Every bound of a server. Sizes are bytes; a count of 0 means "no limit" only where said.
struct ServerLimits {
    std::size_t header_bytes_max = 64 * 1024;      // request line and fields; at most 1 MiB. 431
    std::size_t header_count_max = 128;            // 431
    std::size_t target_bytes_max = 8 * 1024;       // 414
    std::size_t body_bytes_max = 8 * 1024 * 1024;  // 413 with details.limit_bytes
    std::size_t connections_max = 4096;
    std::size_t connections_per_address_max = 0;    // 0: no limit
    std::size_t in_flight_max = 4096;               // 503 with Retry-After
    std::uint64_t requests_per_connection_max = 0;  // 0: no limit
    // From the accept or the first byte of a request: handshake, request line and fields. 408
    base::Duration header_timeout = std::chrono::seconds(10);
    base::Duration body_timeout = std::chrono::seconds(30);  // for the whole body. 408
    base::Duration write_timeout =
        std::chrono::seconds(30);  // for a whole answer, or one stream write
    base::Duration idle_timeout = std::chrono::seconds(120);  // between requests
    // After it the caller gets 504 and the handler goes on unseen; zero: no limit.
    base::Duration handler_timeout = base::Duration::zero();
    // A connection is closed after the answer at hand, or cut in a stream (enclave.md 2.3, 8).
    base::Duration connection_age_max = std::chrono::minutes(15);
    // How often timeouts are looked at: they fire up to this much late.
    base::Duration tick = std::chrono::milliseconds(100);
};

struct ServerOptions {
    std::string host = "127.0.0.1";         // a numeric address; "0.0.0.0", "::"
    std::uint16_t port = 0;                 // 0: the kernel chooses
    std::shared_ptr<const TlsContext> tls;  // null: plain HTTP
    ServerLimits limits;
    // For fresh trace ids; null: the kernel's. Used under a lock.
    base::RandomSource* random = nullptr;
};

// What is known when an answer has been written or given up. Views live for the call.
struct RequestRecord {
    std::string_view method;  // empty: the request never became readable
    std::string_view path;
    std::string_view route;  // the pattern; empty when none matched
    std::string_view trace_id;
    Status status = Status::Ok;
    base::Duration duration{};  // from the complete headers to the last byte of the answer
    std::uint64_t request_body_bytes = 0;
    std::uint64_t response_body_bytes = 0;
    bool delivered = false;  // false: the client had gone, or did not read the answer in time
    const PeerInfo* peer = nullptr;  // never null in calls
};

// Access log and metrics. Called on the loops' threads, several at once; must be quick.
class ServerObserver {
public:
    virtual ~ServerObserver() = default;
    virtual void on_request_begin(const Request& /*request*/) {}
    // After each begin, and alone for requests that could not be read.
    virtual void on_request_end(const RequestRecord& /*record*/) {}
    virtual void on_connection_opened(const PeerInfo& /*peer*/) {}
    virtual void on_connection_closed(const PeerInfo& /*peer*/) {}
    // `reason` is a fixed phrase of the TLS library.
    virtual void on_handshake_failed(const PeerInfo& /*peer*/, std::string_view /*reason*/) {}
};

// An HTTP/1.1 server (RFC 9110, 9112) on event loops. Each connection stays on one loop, where its
// requests are answered one after the other, pipelined ones in order; connections are dealt to the
// loops in turn. Handlers run on the connection's loop (Executor::current()).
//
// A handler that has started always runs to its end: when the client goes away, times out or the
// server stops, only its answer is dropped.
//
// Every answer carries X-Trace-ID. Refusals by the server itself go through Router::error().
class Server {
public:
    // `loops` (at least one), `router` and `observer` must outlive the server and every handler
    // that it started. start(), drain() and the destructor belong on loops[0]'s thread, or are
    // called while the loops do not run.
    Server(
        std::vector<base::EventLoop*> loops, ServerOptions options, const Router& router,
        ServerObserver& observer);
    // Cuts what drain() has not ended.
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    // Binds and accepts from now on. InvalidArgument: host is no numeric address, or a limit is out
    // of range. Unavailable: the address is taken or not ours.
    Result<void> start();
    // "127.0.0.1:8085"; after start().
    std::string bound_address() const;
    std::uint16_t bound_port() const;

    // New connections use it. CHECKs that the server already speaks TLS. Thread safe.
    void reload_tls(std::shared_ptr<const TlsContext> tls);

    // Stops accepting, answers what is in flight with `Connection: close`, closes idle connections,
    // and cuts what is left after `deadline`. Handlers still running then end unseen.
    Task<void> drain(base::Duration deadline);

    std::size_t connection_count() const;
    std::size_t in_flight_count() const;

    struct Core;  // shared with connections, whose handlers may end later than the server

private:
    std::shared_ptr<Core> core_;
};

}  // namespace adyton::http
