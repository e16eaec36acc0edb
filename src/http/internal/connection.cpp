#include "http/internal/connection.h"

#include <algorithm>

#include "base/check.h"

namespace adyton::http::internal {
namespace {

constexpr std::size_t kJoinBytesMax = 16 * 1024;  // bodies up to this leave with their head
constexpr std::size_t kOutKeptBytes = 64 * 1024;
constexpr std::size_t kLingerBytesMax = 16 * 1024 * 1024;
constexpr auto kLingerTime = std::chrono::seconds(2);
constexpr unsigned kRequestsBeforeYield = 32;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

ParseLimits parse_limits(const ServerLimits& limits) {
    ParseLimits out;
    out.header_bytes_max = limits.header_bytes_max;
    out.header_count_max = limits.header_count_max;
    out.target_bytes_max = limits.target_bytes_max;
    out.body_bytes_max = limits.body_bytes_max;
    return out;
}

std::size_t buffer_max(const ServerLimits& limits) {
    return std::max(
               limits.header_bytes_max + limits.target_bytes_max,
               RequestParser::kChunkHeaderBytesMax) +
           4096;
}

// Lets other work of the loop run first.
struct Yield {
    base::EventLoop& loop;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
        loop.post([handle] { handle.resume(); });
    }
    void await_resume() const noexcept {}
};

}  // namespace

// Counts a running handler for as long as its frame lives.
class Connection::InFlight {
public:
    explicit InFlight(std::shared_ptr<Server::Core> core) : core_(std::move(core)) {
        admitted_ = core_->in_flight.fetch_add(1) < core_->options.limits.in_flight_max;
    }
    ~InFlight() { core_->in_flight.fetch_sub(1); }
    InFlight(const InFlight&) = delete;
    InFlight& operator=(const InFlight&) = delete;
    bool admitted() const { return admitted_; }

private:
    std::shared_ptr<Server::Core> core_;  // shared: the frame may outlive the server
    bool admitted_ = false;
};

// The body of a streamed answer.
class Connection::Writer final : public BodyWriter {
public:
    Writer(Connection& connection, bool chunked) : connection_(connection), chunked_(chunked) {}

    Task<Result<void>> write(std::string_view bytes) override {
        if (connection_.stream_.closed() || failed_) {
            co_return Error::unavailable("the client is gone");
        }
        if (bytes.empty()) co_return Result<void>();
        size_ += bytes.size();
        std::string framed;
        if (chunked_) {
            append_chunk(framed, bytes);
        } else {
            framed = bytes;
        }
        const bool written = co_await connection_.write_rest(framed);
        if (!written) {
            failed_ = true;
            co_return Error::unavailable("the client is gone");
        }
        co_return Result<void>();
    }
    std::uint64_t size() const { return size_; }
    bool failed() const { return failed_; }

private:
    Connection& connection_;
    bool chunked_;
    bool failed_ = false;
    std::uint64_t size_ = 0;
};

Connection::Connection(
    std::shared_ptr<Server::Core> core, LoopState& state, int fd, std::string remote)
    : core_(std::move(core)),
      state_(state),
      limits_(core_->options.limits),
      stream_(state.loop, fd),
      peer_(std::make_shared<PeerInfo>()),
      opened_(state.loop.steady_now()),
      deadline_(opened_ + limits_.header_timeout),
      in_(buffer_max(limits_)),
      parser_(parse_limits(limits_)) {
    peer_->remote_address = std::move(remote);
    peer_->connection_id = core_->next_connection_id.fetch_add(1);
    request_.peer = peer_;
    state_.connections.insert(this);
    stream_.set_idle_listener(this);
}

Connection::~Connection() {
    finish();
}

void Connection::finish() {
    if (phase_ == Phase::Finished) return;
    phase_ = Phase::Finished;
    stream_.close();
    state_.connections.erase(this);
    core_->dismiss(peer_->remote_address);
    if (!core_->closed) core_->observer.on_connection_closed(*peer_);
}

Task<void> Connection::run(std::shared_ptr<Connection> self) {
    Connection& connection = *self;
    const bool opened = co_await connection.open();
    if (opened) {
        for (;;) {
            const bool received = co_await connection.read_request();
            if (!received) break;
            const bool again = co_await connection.answer();
            if (!again) break;
            if (++connection.requests_without_wait_ >= kRequestsBeforeYield) {
                connection.requests_without_wait_ = 0;
                co_await Yield{connection.state_.loop};
            }
        }
        if (connection.linger_) co_await connection.linger();
    }
    connection.finish();
}

Task<bool> Connection::open() {
    if (!core_->closed) core_->observer.on_connection_opened(*peer_);
    const std::shared_ptr<const TlsContext> context = core_->tls();
    if (!context) co_return true;
    phase_ = Phase::Handshaking;
    peer_->tls = true;
    if (!stream_.start_tls_server(context)) co_return false;
    for (;;) {
        const Stream::Io io = stream_.handshake();
        if (io.outcome == Stream::Outcome::Done) break;
        const bool wants =
            io.outcome == Stream::Outcome::WantRead || io.outcome == Stream::Outcome::WantWrite;
        Stream::Wake wake = Stream::Wake::Expired;
        if (wants) wake = co_await stream_.wait_for(io.outcome);
        if (wake == Stream::Wake::Expired) {
            const std::string_view reason =
                wants ? "handshake timed out" : stream_.failure_reason();
            if (!core_->closed) core_->observer.on_handshake_failed(*peer_, reason);
            // The alert that says why must not be overtaken by a reset.
            linger_ = true;
            if (!wants) co_await linger();
            co_return false;
        }
    }
    peer_->verified_chain_der = stream_.verified_chain();
    co_return true;
}

void Connection::set_deadline(base::Duration from_now) {
    deadline_ = state_.loop.steady_now() + from_now;
}

Connection::Parse Connection::parse() {
    if (in_.empty()) return Parse::NeedMore;
    const bool had_head = parser_.header_complete();
    in_.consume(parser_.feed(in_.view()));
    if (parser_.header_complete() && !had_head) stamp_request();
    if (parser_.failure() != nullptr) return Parse::Refused;
    if (parser_.complete()) return Parse::Complete;
    if (phase_ == Phase::Idle && parser_.begun()) {
        phase_ = Phase::ReadingHead;
        // The first request's time runs from the accept.
        if (request_count_ > 0) set_deadline(limits_.header_timeout);
    }
    if (phase_ == Phase::ReadingHead && parser_.header_complete()) {
        phase_ = Phase::ReadingBody;
        set_deadline(limits_.body_timeout);
    }
    return Parse::NeedMore;
}

void Connection::stamp_request() {
    request_.received_at = state_.loop.now();
    request_.received_steady = state_.loop.steady_now();
    state_.trace_ids.choose(request_.headers, request_.trace_id);
}

bool Connection::continue_is_due() const {
    return !continue_sent_ && parser_.header_complete() && parser_.expects_continue() &&
           in_.empty();
}

Task<bool> Connection::read_request() {
    parser_.start(request_);
    phase_ = Phase::Idle;
    continue_sent_ = false;
    for (;;) {
        const Parse parsed = parse();
        if (parsed == Parse::Complete) co_return true;
        if (parsed == Parse::Refused) {
            ProtocolError error = *parser_.failure();
            co_await refuse(std::move(error));
            co_return false;
        }
        if (continue_is_due()) {
            continue_sent_ = true;
            const bool written = co_await write_rest(kContinue);
            if (!written) co_return false;
            set_deadline(limits_.body_timeout);
        }
        const Fill filled = co_await fill();
        if (filled == Fill::Data) continue;
        if (phase_ == Phase::Idle || stream_.closed()) co_return false;
        ProtocolError error;
        if (filled == Fill::Expired) {
            error = {Status::RequestTimeout, "the request did not come in time", {}};
        } else {
            error = {Status::BadRequest, "the request is cut short", {}};
        }
        co_await refuse(std::move(error));
        co_return false;
    }
}

Task<Connection::Fill> Connection::fill() {
    in_.make_room();
    bool try_first = stream_.has_pending();
    for (;;) {
        Stream::Outcome outcome = Stream::Outcome::WantRead;
        if (try_first) {
            const Stream::Io io = stream_.read(in_.room(), in_.room_size());
            outcome = io.outcome;
            if (outcome == Stream::Outcome::Done) {
                in_.grew(io.bytes);
                co_return Fill::Data;
            }
        }
        if (outcome != Stream::Outcome::WantRead && outcome != Stream::Outcome::WantWrite) {
            co_return Fill::Ended;
        }
        if (phase_ == Phase::Idle && core_->draining) co_return Fill::Expired;
        requests_without_wait_ = 0;
        const Stream::Wake wake = co_await stream_.wait_for(outcome);
        if (wake == Stream::Wake::Expired) co_return Fill::Expired;
        try_first = true;
    }
}

bool Connection::must_close() const {
    return !parser_.keep_alive() || core_->draining ||
           (limits_.requests_per_connection_max > 0 &&
            request_count_ >= limits_.requests_per_connection_max) ||
           request_.received_steady - opened_ >= limits_.connection_age_max;
}

Response Connection::overload_response() const {
    ErrorInfo info =
        ErrorInfo::of(Status::ServiceUnavailable, "too many requests at once", request_.trace_id);
    info.retry_after = std::chrono::seconds(1);
    return core_->router.error(info);
}

Task<bool> Connection::answer() {
    ++request_count_;
    phase_ = Phase::Handling;
    core_->observer.on_request_begin(request_);
    clear_deadline();
    Response response;
    {
        const InFlight in_flight(core_);
        if (in_flight.admitted()) {
            if (limits_.handler_timeout > base::Duration::zero()) {
                deadline_ = request_.received_steady + limits_.handler_timeout;
            }
            Task<Response> task = core_->router.dispatch(request_);
            response = co_await std::move(task);
        } else {
            response = overload_response();
        }
    }
    if (abandoned_) co_return false;
    close_after_ = must_close();
    const bool sent = co_await send(std::move(response));
    if (close_after_ && sent) {
        stream_.shutdown_write();
        linger_ = !in_.empty();
    }
    if (!sent || close_after_) co_return false;
    set_deadline(limits_.idle_timeout);
    co_return true;
}

void Connection::compose(const Response& response, bool close) {
    HeadContext context;
    context.date = state_.date.at(
        request_.received_at == base::Timestamp() ? state_.loop.now() : request_.received_at);
    context.trace_id = request_.trace_id;
    context.content_length = response.body.size();
    context.close = close;
    if (response.stream) {
        context.framing = parser_.http_1_0() ? BodyFraming::UntilClose : BodyFraming::Chunked;
    }
    if (out_.capacity() > kOutKeptBytes) out_ = std::string();
    out_.clear();
    append_head(out_, response, context);
}

Task<bool> Connection::send(Response response) {
    phase_ = Phase::Writing;
    if (response.stream && parser_.http_1_0()) close_after_ = true;
    compose(response, close_after_);
    // HEAD gets the head alone (RFC 9110, 9.3.2).
    const bool bodiless = forbids_body(response.status) || request_.method == "HEAD";
    if (response.stream && !bodiless) co_return co_await send_stream(response);
    std::string_view body = bodiless ? std::string_view() : std::string_view(response.body);
    const std::uint64_t body_size = body.size();
    if (body.size() <= kJoinBytesMax) {
        out_.append(body);
        body = {};
    }
    set_deadline(limits_.write_timeout);
    std::string_view head = out_;
    bool written = write_some(head);
    if (written && !head.empty()) written = co_await write_rest(head);
    if (written && !body.empty()) written = co_await write_rest(body);
    record(response.status, body_size, written);
    co_return written;
}

Task<bool> Connection::send_stream(Response& response) {
    phase_ = Phase::Streaming;
    const bool chunked = !parser_.http_1_0();
    Writer writer(*this, chunked);
    bool written = co_await write_rest(out_);
    if (written) {
        clear_deadline();
        Task<Result<void>> task = response.stream(writer);
        const Result<void> ended = co_await std::move(task);
        written = ended.has_value() && !writer.failed() && !stream_.closed();
    }
    if (written && chunked) written = co_await write_rest("0\r\n\r\n");
    record(response.status, writer.size(), written);
    if (!written) stream_.close();  // not in order: the client sees that the body is cut
    co_return written;
}

bool Connection::write_some(std::string_view& bytes) {
    while (!bytes.empty()) {
        const Stream::Io io = stream_.write(bytes);
        if (io.outcome == Stream::Outcome::Done) {
            bytes.remove_prefix(io.bytes);
            continue;
        }
        return io.outcome == Stream::Outcome::WantRead || io.outcome == Stream::Outcome::WantWrite;
    }
    return true;
}

Task<bool> Connection::write_rest(std::string_view bytes) {
    set_deadline(limits_.write_timeout);
    while (!bytes.empty()) {
        const Stream::Io io = stream_.write(bytes);
        if (io.outcome == Stream::Outcome::Done) {
            bytes.remove_prefix(io.bytes);
            continue;
        }
        if (io.outcome != Stream::Outcome::WantRead && io.outcome != Stream::Outcome::WantWrite) {
            co_return false;
        }
        const Stream::Wake wake = co_await stream_.wait_for(io.outcome);
        if (wake == Stream::Wake::Expired) co_return false;
    }
    if (phase_ == Phase::Streaming) clear_deadline();
    co_return true;
}

Task<void> Connection::refuse(ProtocolError error) {
    if (request_.trace_id.empty()) stamp_request();
    phase_ = Phase::Writing;
    linger_ = true;
    ErrorInfo info = ErrorInfo::of(error.status, std::move(error.message), request_.trace_id);
    info.details = std::move(error.details);
    const Response response = core_->router.error(info);
    compose(response, true);
    if (request_.method != "HEAD") out_.append(response.body);
    const bool written = co_await write_rest(out_);
    record(error.status, response.body.size(), written);
    if (written) stream_.shutdown_write();
}

// Closing with unread input would send a reset, which can overtake the answer: read it away first.
Task<void> Connection::linger() {
    phase_ = Phase::Lingering;
    set_deadline(kLingerTime);
    std::string sink(kJoinBytesMax, '\0');
    for (std::size_t total = 0; total < kLingerBytesMax;) {
        const Stream::Io io = stream_.drain(sink.data(), sink.size());
        if (io.outcome == Stream::Outcome::Done) {
            total += io.bytes;
            continue;
        }
        if (io.outcome != Stream::Outcome::WantRead) co_return;
        const Stream::Wake wake = co_await stream_.wait_readable();
        if (wake == Stream::Wake::Expired) co_return;
    }
}

void Connection::record(Status status, std::uint64_t body_bytes, bool delivered) {
    if (core_->closed) return;
    RequestRecord entry;
    entry.method = request_.method;
    entry.path = request_.path;
    entry.route = request_.route;
    entry.trace_id = request_.trace_id;
    entry.status = status;
    entry.duration = state_.loop.steady_now() - request_.received_steady;
    entry.request_body_bytes = request_.body.size();
    entry.response_body_bytes = body_bytes;
    entry.delivered = delivered;
    entry.peer = peer_.get();
    core_->observer.on_request_end(entry);
}

void Connection::time_out_handler() {
    clear_deadline();
    abandoned_ = true;
    const Response response = core_->router.error(
        ErrorInfo::of(Error::outcome_unknown("the request took too long"), request_.trace_id));
    compose(response, true);
    out_.append(response.body);
    std::string_view rest = out_;
    const bool written = write_some(rest) && rest.empty();
    record(response.status, response.body.size(), written);
    stream_.shutdown_write();
    stream_.close();
}

bool Connection::is_due(base::SteadyTime now) const {
    const bool ages = phase_ == Phase::Idle || phase_ == Phase::Streaming;
    return now >= deadline_ || (ages && now - opened_ >= limits_.connection_age_max);
}

void Connection::check_time(base::SteadyTime now) {
    if (!is_due(now)) return;
    if (phase_ == Phase::Handling) return time_out_handler();
    if (phase_ == Phase::Streaming) stream_.close();
    clear_deadline();
    stream_.expire();  // may end this connection
}

void Connection::begin_drain() {
    if (phase_ == Phase::Idle) stream_.expire();
}

void Connection::cut() {
    if (phase_ == Phase::Handling && !abandoned_) {
        abandoned_ = true;
        record(Status::ServiceUnavailable, 0, false);
    }
    stream_.close();
    clear_deadline();
    stream_.expire();
}

}  // namespace adyton::http::internal
