#pragma once

#include <any>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "http/status.h"

namespace adyton::http {

// ASCII letters compared without case, as header names are.
bool equal_ignoring_case(std::string_view a, std::string_view b);

// Header fields in the order of the wire, duplicates kept, names compared without case. All text is
// in one buffer: views that find() and at() give are valid until the next add(), set() or clear().
// Not thread safe.
class Headers {
public:
    struct Field {
        std::string_view name;
        std::string_view value;
    };

    // Neither is checked here; what cannot go on the wire is made harmless when it is written.
    void add(std::string_view name, std::string_view value);
    // Replaces every field of that name by this one.
    void set(std::string_view name, std::string_view value);
    void remove(std::string_view name);
    // Keeps the memory.
    void clear();

    // The first value, or nothing.
    std::optional<std::string_view> find(std::string_view name) const;
    std::vector<std::string_view> find_all(std::string_view name) const;
    std::size_t count(std::string_view name) const;

    std::size_t size() const { return entries_.size(); }
    bool empty() const { return entries_.empty(); }
    // index < size().
    Field at(std::size_t index) const;

private:
    struct Entry {
        std::uint32_t offset;
        std::uint32_t name_size;
        std::uint32_t value_size;
    };
    std::string text_;
    std::vector<Entry> entries_;
};

// Decoded name=value pairs in order, duplicates visible.
class Parameters {
public:
    using Item = std::pair<std::string, std::string>;

    void add(std::string name, std::string value);
    void clear() { items_.clear(); }

    // The first value, or nothing.
    std::optional<std::string_view> find(std::string_view name) const;
    std::vector<std::string_view> find_all(std::string_view name) const;
    // The value of a parameter that may stand at most once. InvalidArgument: it stands twice.
    Result<std::optional<std::string_view>> find_single(std::string_view name) const;

    const std::vector<Item>& items() const { return items_; }
    std::size_t size() const { return items_.size(); }
    bool empty() const { return items_.empty(); }

private:
    std::vector<Item> items_;
};

// Who is at the other end of a connection: one object a connection, shared by its requests. Touched
// only on the connection's loop.
struct PeerInfo {
    // "127.0.0.1:40312", "[::1]:40312"; empty when there is no socket.
    std::string remote_address;
    bool tls = false;
    // DER certificates that TLS authenticated, leaf first and root last; empty when there are none.
    std::vector<std::string> verified_chain_der;
    // Counts up from 1 within the process.
    std::uint64_t connection_id = 0;
    // For the service: the identity it resolved from the chain, kept for the connection's life.
    std::any identity_cache;
};

struct Request {
    std::string method;  // as sent: "POST"
    std::string target;  // as sent: "/jobs/a%20b?limit=5"
    // Percent-decoded, valid UTF-8, starts with '/' ("*" for `OPTIONS *`). Never holds an encoded
    // slash, a dot segment or a control character: those are answered 400.
    std::string path;
    Parameters query;
    Headers headers;
    std::string body;
    std::shared_ptr<PeerInfo> peer;  // shared by the requests of a connection; never null
    // X-Trace-ID of the request, or a fresh UUIDv4.
    std::string trace_id;
    // Values of the `{name}` segments of the route.
    Parameters path_params;
    // The pattern that matched, "/jobs/{id}"; empty when none did. Lives as long as the Router.
    std::string_view route;
    base::Timestamp received_at{};  // when the headers were complete
    base::SteadyTime received_steady{};

    // Ready for the next request; keeps the memory of usual sizes.
    void clear();
};

// Where a streamed body goes. Valid while the streaming function runs.
class BodyWriter {
public:
    virtual ~BodyWriter() = default;
    // Returns when the bytes are with the kernel; waits while the client reads slowly. Unavailable:
    // the client is gone or too slow, or the server stops; write no more.
    virtual Task<Result<void>> write(std::string_view bytes) = 0;
};

// Produces a body piece by piece, for server-sent events. A failure cuts the connection, so that
// the client sees a truncated body.
using StreamBody = std::function<Task<Result<void>>(BodyWriter&)>;

struct Response {
    Status status = Status::Ok;
    // Content-Length, Transfer-Encoding, Connection, Date and X-Trace-ID are the server's: set
    // here, they are ignored.
    Headers headers;
    std::string body;
    // When set, `body` is not used and the answer is chunked.
    StreamBody stream;

    static Response json(Status status, std::string body);
    static Response text(Status status, std::string body);
    static Response empty(Status status);
    static Response with_type(Status status, std::string_view content_type, std::string body);
};

}  // namespace adyton::http
