#include "base/check.h"
#include "http/client.h"
#include "http/internal/request_parser.h"
#include "http/internal/trace_id.h"
#include "http/server.h"
#include "http/url.h"

namespace adyton::http {
namespace {

constexpr std::size_t kQueryCountMax = 256;

// Collects a streamed body.
class Collector final : public BodyWriter {
public:
    explicit Collector(std::string& out) : out_(out) {}
    Task<Result<void>> write(std::string_view bytes) override {
        out_.append(bytes);
        co_return Result<void>();
    }

private:
    std::string& out_;
};

}  // namespace

RouterTransport::RouterTransport(const Router& router, PeerInfo peer, base::RandomSource& random)
    : router_(router), peer_(std::make_shared<PeerInfo>(std::move(peer))), random_(random) {}
RouterTransport::~RouterTransport() = default;

Task<Result<Response>> RouterTransport::send(ClientRequest outgoing) {
    base::Executor* const executor = base::Executor::current();
    CHECK(executor != nullptr);
    CO_TRY(const Url url, Url::parse(outgoing.url));
    Request request;
    request.method = std::move(outgoing.method);
    request.target = url.target;
    request.headers.add("Host", url.authority());
    for (std::size_t i = 0; i < outgoing.headers.size(); ++i) {
        const Headers::Field field = outgoing.headers.at(i);
        request.headers.add(field.name, field.value);
    }
    request.body = std::move(outgoing.body);
    request.peer = peer_;
    request.received_at = executor->now();
    request.received_steady = executor->steady_now();
    internal::TraceIds ids(random_);
    ids.choose(request.headers, request.trace_id);

    Response response;
    const Result<void> parsed = internal::parse_target(request, kQueryCountMax);
    if (request.body.size() > ServerLimits().body_bytes_max) {
        response = router_.error(Error::too_large("request body too large"), request);
    } else if (!parsed) {
        response = router_.error(parsed.error(), request);
    } else {
        Task<Response> task = router_.dispatch(request);
        response = co_await std::move(task);
    }
    if (response.stream) {
        Collector collector(response.body);
        const StreamBody stream = std::exchange(response.stream, nullptr);
        Task<Result<void>> task = stream(collector);
        const Result<void> ended = co_await std::move(task);
        if (!ended) co_return Error::outcome_unknown("the streamed answer was cut");
    }
    response.headers.set("X-Trace-ID", request.trace_id);
    co_return response;
}

}  // namespace adyton::http
