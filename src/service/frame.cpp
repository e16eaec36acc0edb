#include "service/frame.h"

#include <deque>
#include <exception>
#include <mutex>

#include "base/check.h"
#include "service/internal/process_metrics.h"
#include "service/internal/request_observer.h"

namespace adyton::service {
namespace {

using attest::Caller;
using http::ErrorInfo;
using http::Request;
using http::Response;
using http::Status;

base::Json text(std::string_view value) {
    return base::Json::string(std::string(value));
}

// Counts nothing and logs nothing: scrapes and probes come every few seconds.
class QuietObserver final : public http::ServerObserver {};

}  // namespace

Result<AccessLog> parse_access_log(std::string_view word) {
    if (word == "all") return AccessLog::All;
    if (word == "errors") return AccessLog::Errors;
    if (word == "off") return AccessLog::Off;
    return Error::invalid_argument("the access log is all, errors or off");
}

Response json_answer(std::string json, Status status) {
    json.push_back('\n');
    return Response::json(status, std::move(json));
}

struct ServiceFrame::Parts {
    struct Route {
        Access access = Access::Service;
        CallHandler handler;
    };

    Parts(
        FrameOptions its_options, const attest::IdentityResolver& its_identity,
        const base::Clock& its_clock, MetricsRegistry& its_metrics, base::Logger& its_logger)
        : options(std::move(its_options)),
          identity(its_identity),
          clock(its_clock),
          metrics(its_metrics),
          logger(its_logger),
          health(options.health, clock),
          router(options.renderer),
          operator_router(options.renderer),
          observer(router, metrics, logger, options.access_log) {}

    void add(std::string_view method, std::string_view pattern, Access access, CallHandler handler);
    Task<Response> run(const Route& route, Request& request);
    std::optional<Task<Result<Response>>> start(const Route& route, Call call);
    bool may_pass(const Route& route, const Request& request, const Error& error) const;
    Response refuse_caller(const Error& error, const Request& request);
    Response refuse(const Error& error, const ErrorHints& hints, const Request& request);
    void log_failure(const Error& error, const Request& request);

    void add_standard_routes();
    Task<Result<Response>> answer_health(bool as_readiness);
    Result<Response> answer_info();
    void note_health(const HealthReport& report);

    const FrameOptions options;
    const attest::IdentityResolver& identity;
    const base::Clock& clock;
    MetricsRegistry& metrics;
    base::Logger& logger;
    HealthMonitor health;
    http::Router router;
    http::Router operator_router;
    internal::RequestObserver observer;
    QuietObserver operator_observer;
    std::deque<Route> routes;  // handlers keep references
    std::mutex noted_mutex;
    std::string noted_problem;
};

void ServiceFrame::Parts::add(
    std::string_view method, std::string_view pattern, Access access, CallHandler handler) {
    CHECK(handler);
    const Route& route = routes.emplace_back(Route{access, std::move(handler)});
    router.add(method, pattern, [this, &route](Request& request) { return run(route, request); });
}

// Nothing when it threw. Only handlers that are plain functions can: coroutines let nothing out
// (base/task.h).
std::optional<Task<Result<Response>>> ServiceFrame::Parts::start(const Route& route, Call call) {
    try {
        return route.handler(call);
    } catch (const std::exception& error) {
        logger.error("uncaught exception", {{"what", error.what()}, {"route", call.request.route}});
    } catch (...) {
        logger.error("uncaught exception", {{"route", call.request.route}});
    }
    return std::nullopt;
}

Task<Response> ServiceFrame::Parts::run(const Route& route, Request& request) {
    const auto caller = identity.resolve(request);
    if (!caller && !may_pass(route, request, caller.error())) {
        co_return refuse_caller(caller.error(), request);
    }
    // Shared with the connection, whose cache may be replaced while this handler runs.
    const std::shared_ptr<const Caller> known = caller ? *caller : nullptr;
    ErrorHints hints;
    std::optional<Task<Result<Response>>> task = start(route, Call{request, known.get(), hints});
    if (!task) {
        ErrorInfo info =
            ErrorInfo::of(Status::InternalServerError, "Internal server error", request.trace_id);
        info.code = "SVC_5001";
        co_return router.error(info);
    }
    Result<Response> answer = co_await std::move(*task);
    if (!answer) co_return refuse(answer.error(), hints, request);
    co_return std::move(answer).value();
}

// Whether a request whose caller is not known reaches its handler. Where nobody is asked for, a
// header that contradicts the certificate is refused in strict mode all the same; so is a second
// header beside a certificate, behind which it could hide.
bool ServiceFrame::Parts::may_pass(
    const Route& route, const Request& request, const Error& error) const {
    if (route.access == Access::Service) return false;
    if (identity.mode() != attest::IdentityMode::Strict) return true;
    if (request.peer->verified_chain_der.empty()) return true;
    return error.reason() != "service_id_mismatch" && error.reason() != "duplicate_header";
}

Response ServiceFrame::Parts::refuse_caller(const Error& error, const Request& request) {
    ErrorInfo info = ErrorInfo::of(error, request.trace_id);
    if (error.code() == ErrorCode::Unauthenticated) {
        info.code = "AUTH_REQUIRED";
        info.message = "service authentication required";
    }
    if (error.reason() == "service_id_mismatch" && logger.enabled(base::LogLevel::Warning)) {
        const Caller* certified = attest::latest_caller(*request.peer);
        const auto claimed =
            attest::ServiceId::parse(request.headers.find("X-Service-ID").value_or(""));
        logger.warning(
            "a request contradicts its certificate",
            {{"service_id", certified == nullptr ? "" : certified->service_id.text()},
             {"claimed", claimed ? std::string_view(claimed->text()) : "(malformed)"},
             {"route", request.route},
             {"remote", request.peer->remote_address},
             {"trace_id", request.trace_id}});
    }
    return router.error(info);
}

Response ServiceFrame::Parts::refuse(
    const Error& error, const ErrorHints& hints, const Request& request) {
    log_failure(error, request);
    ErrorInfo info = ErrorInfo::of(error, request.trace_id);
    if (hints.retry_after) info.retry_after = hints.retry_after;
    if (hints.details.is_object()) {
        if (!info.details.is_object()) info.details = base::Json::object();
        for (const auto& [name, value] : hints.details.members()) info.details.set(name, value);
    }
    return router.error(info);
}

void ServiceFrame::Parts::log_failure(const Error& error, const Request& request) {
    using base::LogLevel;
    const ErrorCode code = error.code();
    const bool ours = code == ErrorCode::Internal || code == ErrorCode::CorruptData;
    const bool around = code == ErrorCode::Unavailable || code == ErrorCode::OutcomeUnknown ||
                        code == ErrorCode::DeadlineExceeded;
    if (!ours && !around) return;
    const LogLevel level = ours ? LogLevel::Error : LogLevel::Warning;
    if (!logger.enabled(level)) return;
    logger.write(
        level, "request failed",
        {{"error", base::to_string(code)},
         {"cause", error.message()},
         {"reason", error.reason()},
         {"method", request.method},
         {"route", request.route},
         {"trace_id", request.trace_id}});
}

void ServiceFrame::Parts::note_health(const HealthReport& report) {
    const std::lock_guard lock(noted_mutex);
    if (report.problem == noted_problem) return;
    noted_problem = report.problem;
    if (report.problem.empty()) {
        logger.info("healthy");
    } else {
        logger.warning(
            "not healthy",
            {{"status", to_string(report.status)}, {"problem", std::string_view(report.problem)}});
    }
}

Task<Result<Response>> ServiceFrame::Parts::answer_health(bool as_readiness) {
    Task<HealthReport> task = health.report();
    const HealthReport report = co_await std::move(task);
    note_health(report);
    using base::Json;
    Json body = Json::object();
    const bool healthy = report.status == HealthStatus::Healthy;
    body.set("status", text(healthy ? options.healthy_text : to_string(report.status)));
    body.set("service", text(options.service_name));
    body.set("version", text(options.version));
    body.set("enclave", Json::boolean(options.enclave));
    body.set("timestamp", text(base::to_rfc3339_seconds(clock.now())));
    if (!healthy) {
        Json details = Json::object();
        details.set("db_connected", Json::boolean(report.database_connected));
        details.set("secrets_loaded", Json::boolean(report.secrets_loaded));
        details.set("enclave_mode", Json::boolean(options.enclave));
        details.set(
            "last_check", text(report.last_check ? base::to_rfc3339(*report.last_check) : ""));
        details.set("uptime", text(base::to_go_duration(report.uptime)));
        details.set("phase", text(to_string(report.phase)));
        body.set("details", std::move(details));
    }
    const bool refused = as_readiness && !healthy;
    Response response = json_answer(body.dump(), refused ? Status::ServiceUnavailable : Status::Ok);
    if (refused) response.headers.set("Retry-After", "1");
    co_return response;
}

Result<Response> ServiceFrame::Parts::answer_info() {
    using base::Json;
    Json body = Json::object();
    body.set("status", text("active"));
    body.set("service", text(options.service_name));
    body.set("version", text(options.version));
    body.set("enclave", Json::boolean(options.enclave));
    body.set("timestamp", text(base::to_rfc3339_seconds(clock.now())));
    body.set("identity_mode", text(attest::to_string(identity.mode())));
    if (options.info) {
        const Json extra = options.info();
        for (const auto& [name, value] : extra.members()) body.set(name, value);
    }
    return json_answer(body.dump());
}

void ServiceFrame::Parts::add_standard_routes() {
    const auto health_route = [this](Call) { return answer_health(false); };
    const auto ready_route = [this](Call) { return answer_health(true); };
    constexpr auto kReady = [](Result<Response> value) -> Task<Result<Response>> {
        co_return value;
    };
    add("GET", "/health", Access::Public, health_route);
    add("GET", "/ready", Access::Public, ready_route);
    add("GET", "/info", Access::Public, [this, kReady](Call) { return kReady(answer_info()); });
    if (!options.openapi.empty()) {
        add("GET", "/openapi.json", Access::Public,
            [this, kReady](Call) { return kReady(Response::json(Status::Ok, options.openapi)); });
    }
    // No identity is asked for on the operator's listener, so its handlers go without run().
    constexpr auto kPlain = [](Task<Result<Response>> task) -> Task<Response> {
        Result<Response> answer = co_await std::move(task);
        co_return std::move(answer).value();
    };
    operator_router.add(
        "GET", "/health", [this, kPlain](Request&) { return kPlain(answer_health(false)); });
    operator_router.add(
        "GET", "/ready", [this, kPlain](Request&) { return kPlain(answer_health(true)); });
    if (!options.serve_metrics) return;
    operator_router.add("GET", "/metrics", [this, kPlain, kReady](Request&) {
        return kPlain(
            kReady(Response::with_type(Status::Ok, MetricsRegistry::kContentType, metrics.text())));
    });
}

ServiceFrame::ServiceFrame(
    FrameOptions options, const attest::IdentityResolver& identity, const base::Clock& clock,
    MetricsRegistry& metrics, base::Logger& logger)
    : parts_(std::make_unique<Parts>(std::move(options), identity, clock, metrics, logger)) {
    parts_->add_standard_routes();
    internal::add_process_metrics(
        metrics, clock, parts_->options.service_name, parts_->options.version);
}

ServiceFrame::~ServiceFrame() = default;

void ServiceFrame::add(
    std::string_view method, std::string_view pattern, Access access, CallHandler handler) {
    parts_->add(method, pattern, access, std::move(handler));
}

const http::Router& ServiceFrame::router() const {
    return parts_->router;
}
http::ServerObserver& ServiceFrame::observer() {
    return parts_->observer;
}
const http::Router& ServiceFrame::operator_router() const {
    return parts_->operator_router;
}
http::ServerObserver& ServiceFrame::operator_observer() {
    return parts_->operator_observer;
}
HealthMonitor& ServiceFrame::health() {
    return parts_->health;
}
MetricsRegistry& ServiceFrame::metrics() {
    return parts_->metrics;
}
base::Logger& ServiceFrame::logger() {
    return parts_->logger;
}
attest::IdentityMode ServiceFrame::identity_mode() const {
    return parts_->identity.mode();
}

}  // namespace adyton::service
