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
    bool going = co_await connection.open();
    if (going) connection.start_request();
    while (going) {
        switch (connection.read_step()) {
            case Step::Wait: {
                connection.requests_without_wait_ = 0;
                const Stream::Wake wake = co_await connection.stream_.wait_for(connection.wanted_);
                connection.readable_ = wake == Stream::Wake::Ready;
                if (connection.readable_) break;
                if (connection.give_up(true) == Step::Refuse) {
                    co_await connection.refuse(std::move(connection.refusal_));
                }
                going = false;
                break;
            }
            case Step::Answer: {
                connection.start_handling();
                {
                    const InFlight in_flight(connection.core_);
                    if (in_flight.admitted()) {
                        Task<Response> task =
                            connection.core_->router.dispatch(connection.request_);
                        connection.response_ = co_await std::move(task);
                    } else {
                        connection.response_ = connection.overload_response();
                    }
                }
                going = !connection.abandoned_;
                if (!going) break;
                const bool done = connection.answer_at_once();
                bool written = true;
                if (!done) written = co_await connection.answer_slowly();
                going = connection.finish_answer(written);
                if (!going) break;
                connection.start_request();
                if (++connection.requests_without_wait_ >= kRequestsBeforeYield) {
                    connection.requests_without_wait_ = 0;
                    co_await Yield{connection.state_.loop};
                }
                break;
            }
            case Step::Refuse:
                co_await connection.refuse(std::move(connection.refusal_));
                going = false;
                break;
            case Step::Continue:
                connection.continue_sent_ = true;
                going = co_await connection.write_rest(kContinue);
                connection.set_deadline(connection.limits_.body_timeout);
                break;
            case Step::End:
                going = false;
                break;
        }
    }
    if (connection.linger_) co_await connection.linger();
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
            linger_ = !wants;
            stream_.shutdown_write();
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

void Connection::start_request() {
    parser_.start(request_);
    phase_ = Phase::Idle;
    continue_sent_ = false;
}

Connection::Step Connection::read_step() {
    for (;;) {
        const Parse parsed = parse();
        if (parsed == Parse::Complete) return Step::Answer;
        if (parsed == Parse::Refused) {
            refusal_ = *parser_.failure();
            return Step::Refuse;
        }
        if (continue_is_due()) return Step::Continue;
        wanted_ = Stream::Outcome::WantRead;
        if (readable_ || stream_.has_pending()) {
            readable_ = false;
            in_.make_room();
            const Stream::Io io = stream_.read(in_.room(), in_.room_size());
            if (io.outcome == Stream::Outcome::Done) {
                in_.grew(io.bytes);
                continue;
            }
            if (io.outcome != Stream::Outcome::WantRead &&
                io.outcome != Stream::Outcome::WantWrite) {
                return give_up(false);
            }
            wanted_ = io.outcome;
        }
        if (phase_ == Phase::Idle && core_->draining) return Step::End;
        return Step::Wait;
    }
}

// The rest of the request does not come.
Connection::Step Connection::give_up(bool expired) {
    if (phase_ == Phase::Idle || stream_.closed()) return Step::End;
    refusal_ = ProtocolError();
    if (expired) {
        refusal_.status = Status::RequestTimeout;
        refusal_.message = "the request did not come in time";
    } else {
        refusal_.message = "the request is cut short";
    }
    return Step::Refuse;
}

bool Connection::must_close() const {
    return !parser_.keep_alive() || core_->draining || old_ ||
           (limits_.requests_per_connection_max > 0 &&
            request_count_ >= limits_.requests_per_connection_max);
}

Response Connection::overload_response() const {
    ErrorInfo info =
        ErrorInfo::of(Status::ServiceUnavailable, "too many requests at once", request_.trace_id);
    info.retry_after = std::chrono::seconds(1);
    return core_->router.error(info);
}

void Connection::start_handling() {
    ++request_count_;
    phase_ = Phase::Handling;
    if (!core_->closed) core_->observer.on_request_begin(request_);
    clear_deadline();
    if (limits_.handler_timeout > base::Duration::zero()) {
        deadline_ = request_.received_steady + limits_.handler_timeout;
    }
}

// HEAD gets the head alone (RFC 9110, 9.3.2).
bool Connection::bodiless() const {
    return forbids_body(response_.status) || request_.method == "HEAD";
}

bool Connection::answer_at_once() {
    phase_ = Phase::Writing;
    close_after_ = must_close() || (response_.stream && parser_.http_1_0());
    compose(response_, close_after_);
    body_rest_ = bodiless() || response_.stream ? std::string_view() : response_.body;
    body_size_ = body_rest_.size();
    if (body_rest_.size() <= kJoinBytesMax) {
        out_.append(body_rest_);
        body_rest_ = {};
    }
    out_rest_ = out_;
    if (response_.stream && !bodiless()) return false;
    const bool alive = write_some(out_rest_);
    return alive && out_rest_.empty() && body_rest_.empty();
}

// The part of an answer that has to wait for the client.
Task<bool> Connection::answer_slowly() {
    if (response_.stream && !bodiless()) co_return co_await send_stream();
    bool written = co_await write_rest(out_rest_);
    if (written && !body_rest_.empty()) written = co_await write_rest(body_rest_);
    co_return written;
}

// False: the connection ends here.
bool Connection::finish_answer(bool written) {
    const base::SteadyTime now = record(response_.status, body_size_, written);
    response_ = Response();
    if (!written) return false;
    if (close_after_) {
        stream_.shutdown_write();
        linger_ = !in_.empty();
        return false;
    }
    deadline_ = now + limits_.idle_timeout;
    return true;
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

Task<bool> Connection::send_stream() {
    phase_ = Phase::Streaming;
    const bool chunked = !parser_.http_1_0();
    Writer writer(*this, chunked);
    bool written = co_await write_rest(out_rest_);
    if (written) {
        clear_deadline();
        Task<Result<void>> task = response_.stream(writer);
        const Result<void> ended = co_await std::move(task);
        written = ended.has_value() && !writer.failed() && !stream_.closed();
    }
    if (written && chunked) written = co_await write_rest("0\r\n\r\n");
    body_size_ = writer.size();
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

base::SteadyTime Connection::record(Status status, std::uint64_t body_bytes, bool delivered) {
    const base::SteadyTime now = state_.loop.steady_now();
    if (core_->closed) return now;
    RequestRecord entry;
    entry.method = request_.method;
    entry.path = request_.path;
    entry.route = request_.route;
    entry.trace_id = request_.trace_id;
    entry.status = status;
    entry.duration = now - request_.received_steady;
    entry.request_body_bytes = request_.body.size();
    entry.response_body_bytes = body_bytes;
    entry.delivered = delivered;
    entry.peer = peer_.get();
    core_->observer.on_request_end(entry);
    return now;
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

bool Connection::is_due(base::SteadyTime now) {
    old_ = now - opened_ >= limits_.connection_age_max;
    const bool interruptible = phase_ == Phase::Idle || phase_ == Phase::Streaming;
    return now >= deadline_ || (old_ && interruptible);
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
