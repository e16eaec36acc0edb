#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/event_loop.h"
#include "base/result.h"
#include "base/time.h"

namespace adyton::apps::bench {

// PEM texts of a client of the benchmark.
struct LoadTls {
    std::string ca;
    std::string certificate;
    std::string key;
};

// What one connection says and hears, request after request. Called on the loop's thread.
class Dialogue {
public:
    virtual ~Dialogue() = default;
    // Appends a complete HTTP/1.1 request.
    virtual void next_request(std::string& out) = 0;
    // How many units of work the answer completes: 1 signature, 100 signatures, 0 when the piece of
    // work goes on with another request (its time then counts as one). An error ends the
    // measurement.
    virtual Result<std::uint64_t> on_answer(unsigned status, std::string_view body) = 0;
};

struct LoadOptions {
    std::uint16_t port = 0;  // on 127.0.0.1
    base::Duration warm_up = std::chrono::milliseconds(300);
    base::Duration duration = std::chrono::seconds(5);
    // The client has a core of its own: it polls without sleeping, because waking a sleeping thread
    // on another core would be paid by the server, inside its send(). Off where both share cores.
    bool stay_awake = true;
};

struct LoadResult {
    std::uint64_t units = 0;   // answered between warm-up and end
    std::uint64_t pieces = 0;  // of work, the same
    double seconds = 0;
    double per_s = 0;         // units
    std::int64_t p50_us = 0;  // of a piece of work, from its first request to its last answer
    std::int64_t p99_us = 0;
};

// A closed loop over mutual TLS: every dialogue has a connection of its own, and sends its next
// request when the answer to the last one is complete. Lean on purpose, so that one core can load
// another: one read and one write a request, no allocation. Verifies the server's certificate.
// Errors: a connection that fails or ends, an answer that is not HTTP with Content-Length, and
// those of the dialogues.
Result<LoadResult> run_load(
    base::EventLoop& loop, const LoadTls& tls, const LoadOptions& options,
    std::vector<std::unique_ptr<Dialogue>>& dialogues);

// "POST /sign HTTP/1.1..." with this body.
void append_post(std::string& out, std::string_view path, std::string_view body);
void append_get(std::string& out, std::string_view path);

}  // namespace adyton::apps::bench
