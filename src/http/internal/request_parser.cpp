#include "http/internal/request_parser.h"

#include <algorithm>
// Beast asserts that a last chunk which comes piece by piece has five bytes at once, and then works
// without: an assertion that outside bytes can fail must not stop the process.
#define BOOST_DISABLE_ASSERTS
#include <boost/beast/http/basic_parser.hpp>

#include "http/url.h"

namespace adyton::http::internal {
namespace {

namespace beast = boost::beast;
using BeastError = beast::http::error;
using BeastView = beast::string_view;

constexpr std::size_t kBodyReserveMax = 64 * 1024;
constexpr std::size_t kRequestLineExtra = 64;  // method, version and spaces

std::string_view view(BeastView text) {
    return {text.data(), text.size()};
}

bool is_decimal(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Only the letters of a host, a port and IPv6 brackets.
bool is_plausible_host(std::string_view host) {
    return !host.empty() && host.size() <= 300 && std::all_of(host.begin(), host.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               c == '-' || c == '.' || c == '_' || c == ':' || c == '[' || c == ']';
    });
}

// A line that ends without CR, at `from` or later. The tokenizer would wait for more of it.
bool has_bare_line_feed(std::string_view bytes, std::size_t from) {
    for (std::size_t at = bytes.find('\n', from); at != std::string_view::npos;
         at = bytes.find('\n', at + 1)) {
        if (at == 0 || bytes[at - 1] != '\r') return true;
    }
    return false;
}

// "GET /x HTTP/2.0": well formed, but not ours.
bool names_other_version(std::string_view bytes) {
    const std::string_view line = bytes.substr(0, std::min(bytes.find("\r\n"), bytes.size()));
    const std::size_t space = line.rfind(' ');
    if (space == std::string_view::npos) return false;
    const std::string_view version = line.substr(space + 1);
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    return version.size() == 8 && version.substr(0, 5) == "HTTP/" && digit(version[5]) &&
           version[6] == '.' && digit(version[7]);
}

}  // namespace

// Beast's tokenizer with our rules on top of it.
class RequestParser::Reader final : public beast::http::basic_parser<true> {
public:
    Reader(Request& request, const ParseLimits& limits) : request_(request), limits_(limits) {
        header_limit(static_cast<std::uint32_t>(limits.header_bytes_max + 16));
        body_limit(static_cast<std::uint64_t>(limits.body_bytes_max));
    }

    std::size_t put_bytes(std::string_view bytes, beast::error_code& ec) {
        input_ = bytes;
        return put({bytes.data(), bytes.size()}, ec);
    }
    bool request_line_done() const { return version_ != 0; }

    int version_ = 0;
    std::size_t field_count_ = 0;
    std::size_t host_count_ = 0;
    std::size_t length_count_ = 0;
    bool chunked_ = false;
    bool expects_continue_ = false;
    std::optional<ProtocolError> refusal_;

private:
    void refuse(Status status, std::string message, beast::error_code& ec) {
        refusal_ = ProtocolError{status, std::move(message), {}};
        ec = BeastError::bad_field;
    }

    void on_request_impl(
        beast::http::verb /*method*/, BeastView method, BeastView target, int version,
        beast::error_code& ec) override {
        version_ = version;
        if (target.size() > limits_.target_bytes_max) {
            return refuse(Status::UriTooLong, "request target too long", ec);
        }
        request_.method.assign(method.data(), method.size());
        request_.target.assign(target.data(), target.size());
    }
    void on_response_impl(int, BeastView, int, beast::error_code&) override {}

    void on_field_impl(
        beast::http::field field, BeastView name, BeastView value, beast::error_code& ec) override {
        if (++field_count_ > limits_.header_count_max) {
            return refuse(Status::HeaderFieldsTooLarge, "too many header fields", ec);
        }
        if (is_folded(name, value)) {
            return refuse(Status::BadRequest, "folded header line", ec);
        }
        if (in_trailer_) return;  // trailers are read and dropped
        on_known_field(field, view(value), ec);
        if (!ec) request_.headers.add(view(name), view(value));
    }

    void on_known_field(beast::http::field which, std::string_view value, beast::error_code& ec) {
        using beast::http::field;
        switch (which) {
            case field::host:
                if (++host_count_ > 1) refuse(Status::BadRequest, "several Host headers", ec);
                break;
            case field::content_length:
                if (++length_count_ > 1 || !is_decimal(value)) {
                    refuse(Status::BadRequest, "bad Content-Length", ec);
                }
                break;
            case field::transfer_encoding:
                if (version_ < 11) {
                    refuse(Status::BadRequest, "Transfer-Encoding in HTTP/1.0", ec);
                } else if (!equal_ignoring_case(value, "chunked")) {
                    refuse(Status::NotImplemented, "transfer coding not supported", ec);
                }
                chunked_ = true;
                break;
            case field::expect:
                if (!equal_ignoring_case(value, "100-continue")) {
                    refuse(Status::ExpectationFailed, "expectation not supported", ec);
                }
                expects_continue_ = version_ >= 11;
                break;
            default:
                break;
        }
    }

    // Beast joins folded lines in a buffer of its own, or starts the value on the next line.
    bool is_folded(BeastView name, BeastView value) const {
        const char* const first = input_.data();
        const char* const last = first + input_.size();
        const std::less<const char*> before;
        if (before(value.data(), first) || before(last, value.data())) return true;
        const char* const gap = name.data() + name.size();
        if (before(value.data(), gap)) return true;
        return std::find(gap, value.data(), '\n') != value.data();
    }

    void on_header_impl(beast::error_code&) override { in_trailer_ = true; }
    void on_body_init_impl(
        const boost::optional<std::uint64_t>& length, beast::error_code&) override {
        if (length) {
            request_.body.reserve(std::min(static_cast<std::size_t>(*length), kBodyReserveMax));
        }
    }
    std::size_t on_body_impl(BeastView body, beast::error_code&) override {
        request_.body.append(body.data(), body.size());
        return body.size();
    }
    void on_chunk_header_impl(std::uint64_t, BeastView, beast::error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, BeastView body, beast::error_code&) override {
        request_.body.append(body.data(), body.size());
        return body.size();
    }
    void on_finish_impl(beast::error_code&) override {}

    Request& request_;
    const ParseLimits& limits_;
    std::string_view input_;
    bool in_trailer_ = false;
};

struct RequestParser::Slot {
    std::optional<Reader> reader;
};

RequestParser::RequestParser(const ParseLimits& limits)
    : limits_(limits), slot_(std::make_unique<Slot>()) {}
RequestParser::~RequestParser() = default;

void RequestParser::start(Request& request) {
    request.clear();
    request_ = &request;
    reader_ = &slot_->reader.emplace(request, limits_);
    failure_.reset();
    header_bytes_ = 0;
    scanned_ = 0;
    begun_ = false;
    header_complete_ = false;
    skipped_empty_line_ = false;
}

bool RequestParser::begun() const {
    return begun_;
}
bool RequestParser::header_complete() const {
    return header_complete_;
}
bool RequestParser::complete() const {
    return header_complete_ && !failure_ && reader_->is_done();
}
const ProtocolError* RequestParser::failure() const {
    return failure_ ? &*failure_ : nullptr;
}
bool RequestParser::expects_continue() const {
    return header_complete_ && reader_->expects_continue_;
}
bool RequestParser::keep_alive() const {
    return header_complete_ && !failure_ && reader_->version_ >= 11 && reader_->keep_alive();
}
bool RequestParser::http_1_0() const {
    return reader_->version_ == 10;
}

void RequestParser::fail(Status status, std::string message) {
    failure_ = ProtocolError{status, std::move(message), {}};
}

void RequestParser::fail_too_large() {
    fail(Status::ContentTooLarge, "request body too large");
    failure_->details = base::Json::object();
    failure_->details.set("limit_bytes", base::Json::unsigned_integer(limits_.body_bytes_max));
}

std::size_t RequestParser::feed(std::string_view bytes) {
    CHECK(request_ != nullptr && !failure_ && !complete());
    const std::size_t given = bytes.size();
    if (!begun_ && !skipped_empty_line_) {
        // One empty line before a request is forgiven (RFC 9112, 2.2).
        if (bytes == "\r") return 0;
        if (bytes.substr(0, 2) == "\r\n") {
            bytes.remove_prefix(2);
            skipped_empty_line_ = true;
        }
    }
    if (bytes.empty()) return given;
    begun_ = true;
    if (!header_complete_) feed_header(bytes);
    if (header_complete_ && !failure_) feed_body(bytes);
    return given - bytes.size();
}

void RequestParser::feed_header(std::string_view& bytes) {
    beast::error_code ec;
    const std::string_view before = bytes;
    const std::size_t used = reader_->put_bytes(bytes, ec);
    bytes.remove_prefix(used);
    header_bytes_ += used;
    if (reader_->refusal_) {
        failure_ = std::move(reader_->refusal_);
    } else if (ec == BeastError::need_more || ec == BeastError::header_limit) {
        check_pending(bytes, used);
    } else if (ec == BeastError::body_limit) {
        fail_too_large();
    } else if (ec == BeastError::bad_version && names_other_version(before)) {
        fail(Status::VersionNotSupported, "HTTP version not supported");
    } else if (ec) {
        fail(Status::BadRequest, "malformed request: " + ec.message());
    } else {
        check_header_size(0);
        if (!failure_ && reader_->is_header_done()) finish_header();
    }
}

void RequestParser::check_header_size(std::size_t pending) {
    if (header_bytes_ + pending <= limits_.header_bytes_max) return;
    fail(Status::HeaderFieldsTooLarge, "request headers too large");
    failure_->details = base::Json::object();
    failure_->details.set("limit_bytes", base::Json::unsigned_integer(limits_.header_bytes_max));
}

// `pending`: what the tokenizer keeps until more comes; `used`: what it took just now.
void RequestParser::check_pending(std::string_view pending, std::size_t used) {
    const std::size_t line_max = limits_.target_bytes_max + kRequestLineExtra;
    if (!reader_->request_line_done() && pending.size() > line_max &&
        pending.substr(0, line_max + 2).find("\r\n") == std::string_view::npos) {
        return fail(Status::UriTooLong, "request target too long");
    }
    check_header_size(pending.size());
    const std::size_t scanned = scanned_ > used ? scanned_ - used : 0;
    if (!failure_ && has_bare_line_feed(pending, scanned)) {
        fail(Status::BadRequest, "bare line feed");
    }
    scanned_ = pending.size();
}

void RequestParser::finish_header() {
    header_complete_ = true;
    if (reader_->chunked_ && reader_->length_count_ > 0) {
        return fail(Status::BadRequest, "Content-Length together with Transfer-Encoding");
    }
    const auto host = request_->headers.find("Host");
    if (host ? !is_plausible_host(*host) : reader_->version_ >= 11) {
        return fail(Status::BadRequest, "missing or malformed Host header");
    }
    auto parsed = parse_target(*request_, limits_.query_count_max);
    if (!parsed) fail(Status::BadRequest, "bad request target: " + parsed.error().message());
}

void RequestParser::feed_body(std::string_view& bytes) {
    reader_->eager(true);
    while (!bytes.empty() && !reader_->is_done()) {
        beast::error_code ec;
        const std::size_t used = reader_->put_bytes(bytes, ec);
        bytes.remove_prefix(used);
        if (reader_->refusal_) {
            failure_ = std::move(reader_->refusal_);
            return;
        }
        if (ec == BeastError::need_more) {
            if (bytes.size() > kChunkHeaderBytesMax) {
                fail(Status::BadRequest, "chunk header or trailer too long");
            } else if (has_bare_line_feed(bytes, 0)) {
                fail(Status::BadRequest, "bare line feed");
            }
            return;
        }
        if (ec == BeastError::body_limit) return fail_too_large();
        if (ec) return fail(Status::BadRequest, "malformed body: " + ec.message());
    }
}

Result<void> parse_target(Request& request, std::size_t query_count_max) {
    std::string_view target = request.target;
    Url url;
    if (target == "*" && request.method == "OPTIONS") {
        request.path = "*";
        return {};
    }
    if (!target.empty() && target.front() != '/') {
        // Absolute form (RFC 9112, 3.2.2). Another host than Host says is somebody's trick.
        TRY(url, Url::parse(target));
        const std::string_view host = request.headers.find("Host").value_or("");
        const std::string with_port = url.authority();
        if (!equal_ignoring_case(host, with_port) &&
            !equal_ignoring_case(host, with_port + (url.tls ? ":443" : ":80"))) {
            return Error::invalid_argument("absolute target and Host differ");
        }
        target = url.target;
    }
    const std::size_t question = std::min(target.find('?'), target.size());
    TRY_VOID(parse_path(target.substr(0, question), request.path));
    if (question < target.size()) {
        return parse_query(target.substr(question + 1), query_count_max, request.query);
    }
    return {};
}

}  // namespace adyton::http::internal
