#include "service/internal/request_observer.h"

#include <algorithm>

#include "attest/peer_identity.h"

namespace adyton::service::internal {
namespace {

constexpr std::array<std::string_view, 5> kClasses = {"1xx", "2xx", "3xx", "4xx", "5xx"};

}  // namespace

RequestObserver::RequestObserver(
    const http::Router& router, MetricsRegistry& metrics, base::Logger& logger,
    AccessLog access_log)
    : router_(router),
      metrics_(metrics),
      logger_(logger),
      access_log_(access_log),
      in_flight_(
          metrics.gauge("adyton_http_requests_in_flight", "Requests that are being answered.")),
      connections_(metrics.gauge("adyton_http_connections", "Open connections.")),
      connections_total_(metrics.counter("adyton_http_connections_total", "Connections accepted.")),
      handshake_failures_(
          metrics.counter("adyton_http_handshake_failures_total", "TLS handshakes that failed.")),
      undelivered_(metrics.counter(
          "adyton_http_undelivered_answers_total",
          "Answers whose client had gone or did not read them in time.")),
      bytes_in_(metrics.counter("adyton_http_request_body_bytes_total", "Bytes of bodies read.")),
      bytes_out_(
          metrics.counter("adyton_http_response_body_bytes_total", "Bytes of bodies written.")) {}

RequestObserver::~RequestObserver() = default;

std::unique_ptr<RequestObserver::RouteMetrics> RequestObserver::make_metrics(
    std::string_view method, std::string_view route) {
    auto out = std::make_unique<RouteMetrics>();
    const std::string method_label(method);
    const std::string route_label(route);
    for (std::size_t i = 0; i < kClasses.size(); ++i) {
        out->answers[i] = &metrics_.counter(
            "adyton_http_requests_total", "Requests answered, by route and class of status.",
            {{"method", method_label},
             {"route", route_label},
             {"status", std::string(kClasses[i])}});
    }
    out->duration = &metrics_.latency(
        "adyton_http_request_duration_seconds",
        "From the complete headers to the last byte of the answer.",
        {{"method", method_label}, {"route", route_label}});
    return out;
}

void RequestObserver::build_table() {
    for (const auto& name : router_.routes()) {
        const std::string& method = names_.emplace_back(name.method);
        const std::string& route = names_.emplace_back(name.pattern);
        table_.emplace(Key{method, route}, make_metrics(method, route));
    }
    unrouted_ = make_metrics("other", "none");
}

const RequestObserver::RouteMetrics& RequestObserver::metrics_of(
    const http::RequestRecord& record) {
    // At the first request all routes are there.
    std::call_once(table_built_, [this] { build_table(); });
    const auto found = table_.find(Key{record.method, record.route});
    return found == table_.end() ? *unrouted_ : *found->second;
}

void RequestObserver::on_request_begin(const http::Request&) {
    in_flight_.add(1);
}

void RequestObserver::on_request_end(const http::RequestRecord& record) {
    if (!record.method.empty()) in_flight_.add(-1);
    const unsigned status = http::status_number(record.status);
    const RouteMetrics& metrics = metrics_of(record);
    metrics.answers[std::clamp(status / 100, 1U, 5U) - 1]->add();
    metrics.duration->observe(record.duration);
    bytes_in_.add(record.request_body_bytes);
    bytes_out_.add(record.response_body_bytes);
    if (!record.delivered) undelivered_.add();
    if (access_log_ == AccessLog::Off || (access_log_ == AccessLog::Errors && status < 400)) return;
    if (logger_.enabled(base::LogLevel::Info)) log(record, status);
}

void RequestObserver::log(const http::RequestRecord& record, unsigned status) {
    const attest::Caller* caller = attest::latest_caller(*record.peer);
    const auto microseconds =
        std::chrono::duration_cast<std::chrono::microseconds>(record.duration).count();
    logger_.write(
        base::LogLevel::Info, "request",
        {{"method", record.method},
         {"route", record.route},
         {"status", status},
         {"duration_us", microseconds},
         {"bytes_in", record.request_body_bytes},
         {"bytes_out", record.response_body_bytes},
         {"service_id", caller == nullptr ? std::string_view() : caller->service_id.text()},
         {"trace_id", record.trace_id},
         {"remote", std::string_view(record.peer->remote_address)},
         {"delivered", record.delivered}});
}

void RequestObserver::on_connection_opened(const http::PeerInfo&) {
    connections_.add(1);
    connections_total_.add();
}

void RequestObserver::on_connection_closed(const http::PeerInfo&) {
    connections_.add(-1);
}

void RequestObserver::on_handshake_failed(const http::PeerInfo& peer, std::string_view reason) {
    handshake_failures_.add();
    if (access_log_ == AccessLog::Off) return;
    logger_.info("handshake failed", {{"remote", peer.remote_address}, {"reason", reason}});
}

}  // namespace adyton::service::internal
