#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "http/message.h"
#include "http/status.h"

namespace adyton::http::internal {

// Why a message is refused, before it takes a service's form.
struct ProtocolError {
    Status status = Status::BadRequest;
    std::string message;
    base::Json details;  // null, or an object
};

struct ParseLimits {
    std::size_t header_bytes_max = 0;
    std::size_t header_count_max = 0;
    std::size_t target_bytes_max = 0;
    std::size_t body_bytes_max = 0;
    std::size_t query_count_max = 256;
};

// Reads one HTTP/1.x request after another, in pieces of any size. Everything that two readers
// could understand differently is refused: folded lines, bare LF, Content-Length together with
// Transfer-Encoding or given twice, codings other than chunked, a missing or second Host, targets
// with escapes that change the path's shape (RFC 9112, 11).
class RequestParser {
public:
    // Bytes of a chunk header or trailer that may stand unread at once; more is refused.
    static constexpr std::size_t kChunkHeaderBytesMax = 8 * 1024;

    explicit RequestParser(const ParseLimits& limits);
    ~RequestParser();
    RequestParser(const RequestParser&) = delete;
    RequestParser& operator=(const RequestParser&) = delete;

    // The next message goes into `request`, which is cleared and must outlive the parsing.
    void start(Request& request);
    // Takes what it can use and says how much; the rest is given again with more bytes behind it.
    // Not after complete() or failure().
    std::size_t feed(std::string_view bytes);

    // Some byte of the message has come.
    bool begun() const;
    bool header_complete() const;
    bool complete() const;
    const ProtocolError* failure() const;

    // After the headers: the client waits for `100 Continue` before it sends the body.
    bool expects_continue() const;
    // Whether the connection may carry another request after this one.
    bool keep_alive() const;
    bool http_1_0() const;

private:
    class Reader;
    struct Slot;

    void feed_header(std::string_view& bytes);
    void feed_body(std::string_view& bytes);
    void finish_header();
    void check_header_size(std::size_t pending);
    void check_pending(std::string_view pending, std::size_t used);
    void fail(Status status, std::string message);
    void fail_too_large();

    ParseLimits limits_;
    std::unique_ptr<Slot> slot_;  // holds the reader, made anew for each message
    Reader* reader_ = nullptr;
    Request* request_ = nullptr;
    std::optional<ProtocolError> failure_;
    std::size_t header_bytes_ = 0;
    std::size_t scanned_ = 0;  // of the pending bytes, for bare line feeds
    bool begun_ = false;
    bool header_complete_ = false;
    bool skipped_empty_line_ = false;
};

// Fills path and query of a request from its target and Host. InvalidArgument, TooLarge.
Result<void> parse_target(Request& request, std::size_t query_count_max);

}  // namespace adyton::http::internal
