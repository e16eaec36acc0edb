#pragma once

#include <array>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/log.h"
#include "http/router.h"
#include "http/server.h"
#include "service/frame.h"
#include "service/metrics.h"

namespace adyton::service::internal {

// Counts and logs what the server answered. Series exist for known routes only, so a caller cannot
// make new ones. Thread safe.
class RequestObserver final : public http::ServerObserver {
public:
    RequestObserver(
        const http::Router& router, MetricsRegistry& metrics, base::Logger& logger,
        AccessLog access_log);
    ~RequestObserver() override;

    void on_request_begin(const http::Request& request) override;
    void on_request_end(const http::RequestRecord& record) override;
    void on_connection_opened(const http::PeerInfo& peer) override;
    void on_connection_closed(const http::PeerInfo& peer) override;
    void on_handshake_failed(const http::PeerInfo& peer, std::string_view reason) override;

private:
    // Of one method on one route; classes 1xx to 5xx.
    struct RouteMetrics {
        std::array<Counter*, 5> answers{};
        Histogram* duration = nullptr;
    };
    struct Key {
        std::string_view method;
        std::string_view route;
        bool operator==(const Key&) const = default;
    };
    struct KeyHash {
        std::size_t operator()(const Key& key) const {
            return std::hash<std::string_view>{}(key.route) * 31 + key.method.size() +
                   (key.method.empty() ? 0U : static_cast<unsigned char>(key.method.front()));
        }
    };

    std::unique_ptr<RouteMetrics> make_metrics(std::string_view method, std::string_view route);
    const RouteMetrics& metrics_of(const http::RequestRecord& record);
    void build_table();
    void log(const http::RequestRecord& record, unsigned status);

    const http::Router& router_;
    MetricsRegistry& metrics_;
    base::Logger& logger_;
    AccessLog access_log_;

    std::once_flag table_built_;
    std::deque<std::string> names_;  // what the keys of table_ view
    std::unordered_map<Key, std::unique_ptr<RouteMetrics>, KeyHash> table_;
    std::unique_ptr<RouteMetrics> unrouted_;

    Gauge& in_flight_;
    Gauge& connections_;
    Counter& connections_total_;
    Counter& handshake_failures_;
    Counter& undelivered_;
    Counter& bytes_in_;
    Counter& bytes_out_;
};

}  // namespace adyton::service::internal
