#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "attest/peer_identity.h"
#include "base/executor.h"
#include "base/json.h"
#include "base/log.h"
#include "base/result.h"
#include "base/task.h"
#include "http/message.h"
#include "http/router.h"
#include "http/server.h"
#include "service/health.h"
#include "service/metrics.h"

namespace adyton::service {

// What a handler may add to its refusal besides the Error.
struct ErrorHints {
    std::optional<std::chrono::seconds> retry_after;  // 429 and 503 have 1 s by themselves
    base::Json details;                               // an object; details.reason comes by itself
};

// One request on its way through a handler. References are valid until the handler's task ends.
struct Call {
    http::Request& request;
    // Who calls. On a Public route without identity: null.
    const attest::Caller* caller_or_null;
    ErrorHints& hints;

    // CHECKs that the route is not Public.
    const attest::Caller& caller() const {
        CHECK(caller_or_null != nullptr);
        return *caller_or_null;
    }
};

using CallHandler = std::function<Task<Result<http::Response>>(Call)>;

enum class Access {
    Public,   // a known caller is passed on, none asked for; strict: 403 when it contradicts
    Service,  // 401 AUTH_REQUIRED without a service identity, 403 when it contradicts the request
};

enum class AccessLog { All, Errors, Off };
// "all", "errors", "off". InvalidArgument otherwise.
Result<AccessLog> parse_access_log(std::string_view text);

struct FrameOptions {
    std::string service_name;  // as shown: "Account Pool Service"
    std::string version;       // "2.0.0"
    bool enclave = false;
    HealthOptions health;
    // How /health words that all is well; the keystore's contract says "ok".
    std::string healthy_text = "healthy";
    AccessLog access_log = AccessLog::All;
    http::ErrorRenderer renderer = http::render_error_envelope;
    // Served at /openapi.json; empty: no such route.
    std::string openapi;
    // Whether operator_router() has /metrics.
    bool serve_metrics = true;
    // Members for /info besides the contract's, and "statistics" if it has that member. Called for
    // each request; must be quick.
    std::function<base::Json()> info;
};

// What every service has around its own routes: caller identity, errors in the service's form,
// access log, metrics, /health, /ready, /info and /openapi.json. It needs no socket: tests and the
// simulation call router() through http::RouterTransport; ServiceHost (host.h) puts it on the
// network. Routes are added before use; then any number of threads may use it.
//
// A handler authenticates nobody, catches nothing and formats no error:
//
//   frame.add("POST", "/sign", Access::Service, [this](Call call) { return sign(call); });
//   Task<Result<http::Response>> Handler::sign(Call call) {
//       CO_TRY(const auto input, api::parse_sign_request(call.request.body));
//       CO_TRY_VOID(attest::check_claimed(call.caller(), input.service_id));
//       auto signed_by = signer_.sign(call.caller().service_id, input);
//       CO_TRY(const auto signature, co_await std::move(signed_by));
//       co_return http::Response::json(http::Status::Ok, api::to_json(signature));
//   }
class ServiceFrame {
public:
    // Everything passed by reference must outlive the frame.
    ServiceFrame(
        FrameOptions options, const attest::IdentityResolver& identity, const base::Clock& clock,
        MetricsRegistry& metrics, base::Logger& logger);
    ~ServiceFrame();
    ServiceFrame(const ServiceFrame&) = delete;
    ServiceFrame& operator=(const ServiceFrame&) = delete;

    // Errors of the handler become answers (status.h); the cause of Internal and CorruptData goes
    // to the log with the trace id and to nobody else. CHECKs that the route is new.
    void add(std::string_view method, std::string_view pattern, Access access, CallHandler handler);

    const http::Router& router() const;
    // Metrics and access log; give it to every http::Server that serves router().
    http::ServerObserver& observer();
    // For the operator's own listener, in plain HTTP: /metrics, /health, /ready.
    const http::Router& operator_router() const;
    http::ServerObserver& operator_observer();

    HealthMonitor& health();
    MetricsRegistry& metrics();
    base::Logger& logger();
    attest::IdentityMode identity_mode() const;

private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

// 200 with a JSON text and the newline that the contract ends with (services.md 1.4).
http::Response json_answer(std::string json, http::Status status = http::Status::Ok);

}  // namespace adyton::service
