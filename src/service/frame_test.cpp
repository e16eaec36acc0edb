#include "service/frame.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "base/random.h"
#include "base/sim_executor.h"
#include "http/client.h"
#include "http/test_pki.h"
#include "service/memory_logger_test_support.h"

namespace adyton::service {
namespace {

using http::Request;
using http::Response;
using http::Status;

Task<Result<Response>> ready(Result<Response> answer) {
    co_return answer;
}

// A handler in the shape of style.md: authenticate, parse, act, answer.
Task<Result<Response>> handle_echo(base::SimExecutor& loop, Call call) {
    CO_TRY(const auto body, base::Json::parse(call.request.body));
    const base::Json* claimed = body.find("service_id");
    if (claimed != nullptr) {
        CO_TRY_VOID(attest::check_claimed(call.caller(), claimed->string_value()));
    }
    co_await base::sleep_for(loop, std::chrono::milliseconds(1));
    std::string json;
    base::JsonWriter(json)
        .begin_object()
        .member("caller", call.caller().service_id.text())
        .end_object();
    co_return json_answer(std::move(json));
}

std::string der_text(const std::string& pem) {
    const auto der = attest::read_pem_certificates(pem).value().front();
    return std::string(base::as_text(der));
}

class FrameTest : public ::testing::Test {
protected:
    static const http::TestCa& mesh() {
        static const http::TestCa ca = http::TestCa::create_root("mesh");
        return ca;
    }

    static std::unique_ptr<attest::IdentityResolver> resolver(attest::IdentityMode mode) {
        attest::IssuerProfile profile;
        profile.name = "mesh";
        profile.anchors = attest::read_pem_certificates(mesh().certificate_pem()).value();
        profile.allowed = attest::known_services();
        attest::IdentityOptions options;
        options.mode = mode;
        options.issuers = {std::move(profile)};
        return attest::create_identity_resolver(
            attest::CertificateIdentifier::create(std::move(options)).value());
    }

    void start(attest::IdentityMode mode, FrameOptions options = {}) {
        identity_ = resolver(mode);
        options.service_name = "Account Pool Service";
        options.version = "2.0.0";
        if (!options.health.probe_database) {
            options.health.probe_database = [this]() -> Task<Result<void>> {
                return probe_database();
            };
        }
        frame_ = std::make_unique<ServiceFrame>(
            std::move(options), *identity_, loop_, metrics_, logger_);
        frame_->add("POST", "/echo", Access::Service, [this](Call call) {
            return handle_echo(loop_, call);
        });
        frame_->health().set_phase(Phase::Running);
    }

    Task<Result<void>> probe_database() {
        if (database_fails_) co_return Error::unavailable("connection refused");
        co_return Result<void>();
    }

    http::PeerInfo peer(const std::string& marble_type = "") {
        http::PeerInfo out;
        out.remote_address = "127.0.0.1:40000";
        if (!marble_type.empty()) {
            http::LeafOptions leaf;
            leaf.marble_types = {marble_type};
            out.tls = true;
            out.verified_chain_der = {
                der_text(mesh().issue(leaf).certificate_chain_pem),
                der_text(mesh().certificate_pem())};
        }
        return out;
    }

    Response send(
        const http::Router& router, http::PeerInfo from, const std::string& method,
        const std::string& path, const std::string& body = "",
        std::vector<std::pair<std::string, std::string>> headers = {}) {
        http::RouterTransport transport(router, std::move(from), random_);
        http::ClientRequest request;
        request.method = method;
        request.url = "http://localhost" + path;
        request.body = body;
        for (const auto& [name, value] : headers) request.headers.add(name, value);
        auto response = loop_.run_until_done(transport.send(std::move(request)));
        EXPECT_TRUE(response) << response.error().message();
        return response ? std::move(response).value() : Response{};
    }
    Response get(const std::string& path) { return send(frame_->router(), peer(), "GET", path); }
    Response echo(
        http::PeerInfo from, const std::string& body = "{}",
        std::vector<std::pair<std::string, std::string>> headers = {}) {
        return send(frame_->router(), std::move(from), "POST", "/echo", body, std::move(headers));
    }

    static base::Json json_of(const Response& response) {
        EXPECT_EQ(response.headers.find("Content-Type"), "application/json");
        EXPECT_TRUE(response.body.ends_with('\n')) << response.body;
        auto json = base::Json::parse(response.body);
        EXPECT_TRUE(json) << response.body;
        return json ? std::move(json).value() : base::Json();
    }
    // The contract's error form, and nothing in it that should not be there.
    static void expect_error(
        const Response& response, Status status, std::string_view code, std::string_view message,
        std::string_view reason) {
        EXPECT_EQ(response.status, status) << response.body;
        const base::Json json = json_of(response);
        EXPECT_EQ(json.find("code")->string_value(), code);
        EXPECT_EQ(json.find("message")->string_value(), message);
        ASSERT_NE(json.find("trace_id"), nullptr);
        EXPECT_FALSE(json.find("trace_id")->string_value().empty());
        const base::Json* details = json.find("details");
        if (reason.empty()) {
            EXPECT_EQ(details, nullptr) << response.body;
        } else {
            ASSERT_NE(details, nullptr);
            ASSERT_NE(details->find("reason"), nullptr);
            EXPECT_EQ(details->find("reason")->string_value(), reason);
        }
    }

    base::SimExecutor loop_{3};
    base::SeededRandom random_{3};
    MetricsRegistry metrics_;
    MemoryLogger logger_;
    std::unique_ptr<attest::IdentityResolver> identity_;
    std::unique_ptr<ServiceFrame> frame_;
    bool database_fails_ = false;
};

TEST_F(FrameTest, AKnownCallerReachesTheHandler) {
    start(attest::IdentityMode::Strict);
    const Response response = echo(peer("neocompute"));
    EXPECT_EQ(response.status, Status::Ok);
    EXPECT_EQ(response.body, "{\"caller\":\"neocompute\"}\n");
}

TEST_F(FrameTest, WithoutIdentityTheContractsRefusalComesBeforeTheBodyIsRead) {
    start(attest::IdentityMode::Strict);
    const Response response = echo(peer(), "not even json", {{"X-Service-ID", "neocompute"}});
    expect_error(
        response, Status::Unauthorized, "AUTH_REQUIRED", "service authentication required",
        "no_certificate");
}

TEST_F(FrameTest, AContradictingHeaderOrBodyIs403AndLogged) {
    start(attest::IdentityMode::Strict);
    expect_error(
        echo(peer("neocompute"), "{}", {{"X-Service-ID", "gateway"}}), Status::Forbidden,
        "HTTP_403", "service_id does not match authenticated service", "service_id_mismatch");
    const auto lines = logger_.lines("a request contradicts its certificate");
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(lines[0].find("service_id")->string_value(), "neocompute");
    EXPECT_EQ(lines[0].find("claimed")->string_value(), "gateway");
    expect_error(
        echo(peer("neocompute"), R"({"service_id":"gateway"})"), Status::Forbidden, "HTTP_403",
        "service_id does not match authenticated service", "service_id_mismatch");
    EXPECT_EQ(echo(peer("neocompute"), R"({"service_id":"neocompute"})").status, Status::Ok);
}

TEST_F(FrameTest, AHeaderOfRawInputIsNotLogged) {
    start(attest::IdentityMode::Strict);
    (void)echo(peer("neocompute"), "{}", {{"X-Service-ID", "<script>evil</script>"}});
    EXPECT_EQ(logger_.text().find("evil"), std::string::npos);
    EXPECT_EQ(
        logger_.lines("a request contradicts its certificate")[0].find("claimed")->string_value(),
        "(malformed)");
}

TEST_F(FrameTest, DuplicateIdentityHeadersAre400) {
    start(attest::IdentityMode::Development);
    expect_error(
        echo(peer(), "{}", {{"X-Service-ID", "a"}, {"X-Service-ID", "a"}}), Status::BadRequest,
        "HTTP_400", "X-Service-ID stands twice", "duplicate_header");
}

TEST_F(FrameTest, DevelopmentBelievesTheHeader) {
    start(attest::IdentityMode::Development);
    EXPECT_EQ(
        echo(peer(), "{}", {{"X-Service-ID", "neocompute"}}).body, "{\"caller\":\"neocompute\"}\n");
    expect_error(
        echo(peer()), Status::Unauthorized, "AUTH_REQUIRED", "service authentication required",
        "no_service_header");
}

TEST_F(FrameTest, APublicRouteKnowsItsCallerWhenThereIsOne) {
    start(attest::IdentityMode::Strict);
    frame_->add("GET", "/open", Access::Public, [](Call call) {
        return ready(json_answer(
            call.caller_or_null == nullptr ? "null"
                                           : "\"" + call.caller_or_null->service_id.text() + "\""));
    });
    EXPECT_EQ(get("/open").body, "null\n");
    EXPECT_EQ(send(frame_->router(), peer("gateway"), "GET", "/open").body, "\"gateway\"\n");
}

TEST_F(FrameTest, AContradictionIsRefusedOnAPublicRouteTooInStrictMode) {
    start(attest::IdentityMode::Strict);
    frame_->add("GET", "/open", Access::Public, [](Call) { return ready(json_answer("{}")); });
    const auto ask = [&](const std::string& path, std::vector<std::string> claims) {
        std::vector<std::pair<std::string, std::string>> headers;
        for (std::string& claim : claims) headers.emplace_back("X-Service-ID", std::move(claim));
        return send(frame_->router(), peer("neofeeds"), "GET", path, "", std::move(headers));
    };
    std::size_t logged = 0;
    for (const char* path : {"/open", "/info", "/ready"}) {
        expect_error(
            ask(path, {"gateway"}), Status::Forbidden, "HTTP_403",
            "service_id does not match authenticated service", "service_id_mismatch");
        const auto lines = logger_.lines("a request contradicts its certificate");
        ASSERT_EQ(lines.size(), ++logged) << path;
        EXPECT_EQ(lines.back().find("service_id")->string_value(), "neofeeds");
        EXPECT_EQ(lines.back().find("claimed")->string_value(), "gateway");
        EXPECT_EQ(lines.back().find("route")->string_value(), path);
        // nor does a second header hide it
        expect_error(
            ask(path, {"gateway", "neofeeds"}), Status::BadRequest, "HTTP_400",
            "X-Service-ID stands twice", "duplicate_header");
        EXPECT_EQ(ask(path, {"neofeeds"}).status, Status::Ok);
        EXPECT_EQ(ask(path, {}).status, Status::Ok);
    }
    // Who has no identity contradicts none.
    const Response unknown = send(
        frame_->router(), peer(), "GET", "/open", "",
        {{"X-Service-ID", "gateway"}, {"X-Service-ID", "neofeeds"}});
    EXPECT_EQ(unknown.status, Status::Ok);
}

TEST_F(FrameTest, APublicRouteInDevelopmentPassesOverWhatTheHeaderSays) {
    start(attest::IdentityMode::Development);
    frame_->add("GET", "/open", Access::Public, [](Call call) {
        return ready(json_answer(call.caller_or_null == nullptr ? "null" : "known"));
    });
    const auto ask = [&](http::PeerInfo from,
                         std::vector<std::pair<std::string, std::string>> headers) {
        return send(frame_->router(), std::move(from), "GET", "/open", "", std::move(headers)).body;
    };
    EXPECT_EQ(ask(peer("neofeeds"), {{"X-Service-ID", "gateway"}}), "null\n");
    EXPECT_EQ(ask(peer(), {{"X-Service-ID", "a"}, {"X-Service-ID", "b"}}), "null\n");
}

TEST_F(FrameTest, EveryErrorCodeBecomesItsStatusWithReasonAndRetryAfter) {
    start(attest::IdentityMode::Development);
    std::optional<Error> error;
    frame_->add("GET", "/fail", Access::Public, [&error](Call) { return ready(*error); });
    const std::vector<std::pair<Error, Status>> cases = {
        {Error::invalid_argument("m", "r"), Status::BadRequest},
        {Error::permission_denied("m", "r"), Status::Forbidden},
        {Error::not_found("m", "r"), Status::NotFound},
        {Error::conflict("m", "r"), Status::Conflict},
        {Error::too_large("m", "r"), Status::ContentTooLarge},
        {Error::unprocessable("m", "r"), Status::UnprocessableContent},
        {Error::frozen("m", "r"), Status::Locked},
        {Error::resource_exhausted("m", "r"), Status::TooManyRequests},
        {Error::unavailable("m", "r"), Status::ServiceUnavailable},
        {Error::deadline_exceeded("m", "r"), Status::GatewayTimeout},
    };
    for (const auto& [refusal, status] : cases) {
        error = refusal;
        const Response response = get("/fail");
        const std::string code = "HTTP_" + std::to_string(http::status_number(status));
        expect_error(response, status, code, "m", "r");
        const bool later =
            status == Status::TooManyRequests || status == Status::ServiceUnavailable;
        EXPECT_EQ(response.headers.find("Retry-After").has_value(), later) << code;
    }
}

TEST_F(FrameTest, TheCauseOfAnInternalErrorGoesToTheLogAndToNobodyElse) {
    start(attest::IdentityMode::Development);
    frame_->add("GET", "/broken", Access::Public, [](Call) {
        return ready(Error::internal("the flux capacitor is empty"));
    });
    frame_->add("GET", "/corrupt", Access::Public, [](Call) {
        return ready(Error::corrupt_data("row 7 has a bad checksum"));
    });
    for (const char* path : {"/broken", "/corrupt"}) {
        const Response response = get(path);
        expect_error(
            response, Status::InternalServerError, "HTTP_500", "internal server error", "");
        const std::string trace = json_of(response).find("trace_id")->string_value();
        const auto lines = logger_.lines("request failed");
        ASSERT_FALSE(lines.empty());
        EXPECT_EQ(lines.back().find("trace_id")->string_value(), trace);
        EXPECT_EQ(lines.back().find("route")->string_value(), path);
    }
    EXPECT_NE(logger_.text().find("flux capacitor"), std::string::npos);
    EXPECT_NE(logger_.text().find("bad checksum"), std::string::npos);
}

TEST_F(FrameTest, AHandlerMayHintAtDetailsAndWhenToComeBack) {
    start(attest::IdentityMode::Development);
    frame_->add("GET", "/busy", Access::Public, [](Call call) {
        call.hints.retry_after = std::chrono::seconds(17);
        call.hints.details = base::Json::object();
        call.hints.details.set("limit", base::Json::integer(100));
        return ready(Error::resource_exhausted("slow down", "rate"));
    });
    const Response response = get("/busy");
    EXPECT_EQ(response.headers.find("Retry-After"), "17");
    EXPECT_EQ(json_of(response).find("details")->dump(), R"({"reason":"rate","limit":100})");
}

TEST_F(FrameTest, AnExceptionOfALibraryIsSvc5001AndTheProcessLives) {
    start(attest::IdentityMode::Development);
    frame_->add("GET", "/throw", Access::Public, [](Call) -> Task<Result<Response>> {
        throw std::runtime_error("from a library");  // lint-allow(throw): stands for a library
    });
    frame_->add("GET", "/throw-odd", Access::Public, [](Call) -> Task<Result<Response>> {
        throw 7;  // lint-allow(throw): stands for a library
    });
    for (const char* path : {"/throw", "/throw-odd"}) {
        expect_error(
            get(path), Status::InternalServerError, "SVC_5001", "Internal server error", "");
    }
    EXPECT_EQ(logger_.lines("uncaught exception").size(), 2U);
}

TEST_F(FrameTest, UnknownPathsAndMethodsAnswerInTheSameForm) {
    start(attest::IdentityMode::Strict);
    expect_error(get("/nowhere"), Status::NotFound, "HTTP_404", "not found", "");
    const Response response = get("/echo");
    expect_error(response, Status::MethodNotAllowed, "HTTP_405", "method not allowed", "");
    EXPECT_EQ(response.headers.find("Allow"), "POST");
}

TEST_F(FrameTest, HealthIsAlways200AndReadyOnlyWhenHealthy) {
    start(attest::IdentityMode::Strict);
    const std::string healthy =
        R"({"status":"healthy","service":"Account Pool Service","version":"2.0.0","enclave":false,)"
        R"("timestamp":"2026-01-01T00:00:00Z"})"
        "\n";
    EXPECT_EQ(get("/health").body, healthy);
    EXPECT_EQ(get("/ready").body, healthy);
    EXPECT_EQ(get("/ready").status, Status::Ok);

    database_fails_ = true;
    loop_.run_for(std::chrono::seconds(2));
    EXPECT_EQ(get("/health").status, Status::Ok);
    const Response response = get("/ready");
    EXPECT_EQ(response.status, Status::ServiceUnavailable);
    const base::Json json = json_of(response);
    EXPECT_EQ(json.find("status")->string_value(), "unhealthy");
    EXPECT_EQ(
        json.find("details")->dump(),
        R"({"db_connected":false,"secrets_loaded":true,"enclave_mode":false,)"
        R"("last_check":"2026-01-01T00:00:02Z","uptime":"2s","phase":"running"})");
}

TEST_F(FrameTest, ReadyIsFalseWhileStartingAndDraining) {
    start(attest::IdentityMode::Strict);
    for (const Phase phase : {Phase::Starting, Phase::Draining}) {
        frame_->health().set_phase(phase);
        EXPECT_EQ(get("/ready").status, Status::ServiceUnavailable);
        EXPECT_EQ(json_of(get("/health")).find("status")->string_value(), "degraded");
    }
}

TEST_F(FrameTest, AChangeOfHealthIsLoggedOnce) {
    start(attest::IdentityMode::Strict);
    (void)get("/health");
    database_fails_ = true;
    loop_.run_for(std::chrono::seconds(2));
    for (int i = 0; i < 5; ++i) (void)get("/health");
    database_fails_ = false;
    loop_.run_for(std::chrono::seconds(2));
    for (int i = 0; i < 5; ++i) (void)get("/health");
    EXPECT_EQ(logger_.lines("not healthy").size(), 1U);
    EXPECT_EQ(logger_.lines("healthy").size(), 1U);
}

TEST_F(FrameTest, InfoNamesTheIdentityModeAndWhatTheServiceAdds) {
    FrameOptions options;
    options.info = [] {
        base::Json out = base::Json::object();
        out.set("audit_durability", base::Json::string("relaxed"));
        return out;
    };
    start(attest::IdentityMode::Development, std::move(options));
    EXPECT_EQ(
        get("/info").body,
        R"({"status":"active","service":"Account Pool Service","version":"2.0.0","enclave":false,)"
        R"("timestamp":"2026-01-01T00:00:00Z","identity_mode":"development",)"
        R"("audit_durability":"relaxed"})"
        "\n");
}

TEST_F(FrameTest, TheOpenApiDocumentIsServedWhenThereIsOne) {
    FrameOptions options;
    options.openapi = R"({"openapi":"3.1.0"})";
    start(attest::IdentityMode::Strict, std::move(options));
    const Response response = get("/openapi.json");
    EXPECT_EQ(response.status, Status::Ok);
    EXPECT_EQ(response.body, R"({"openapi":"3.1.0"})");
    EXPECT_EQ(response.headers.find("Content-Type"), "application/json");
}

TEST_F(FrameTest, WithoutAnOpenApiDocumentThereIsNoSuchRoute) {
    start(attest::IdentityMode::Strict);
    EXPECT_EQ(get("/openapi.json").status, Status::NotFound);
}

TEST_F(FrameTest, TheOperatorsRoutesAnswerWithoutIdentity) {
    start(attest::IdentityMode::Strict);
    const auto ask = [&](const std::string& path) {
        return send(frame_->operator_router(), peer(), "GET", path);
    };
    EXPECT_EQ(ask("/health").status, Status::Ok);
    EXPECT_EQ(ask("/ready").status, Status::Ok);
    const Response metrics = ask("/metrics");
    EXPECT_EQ(metrics.headers.find("Content-Type"), MetricsRegistry::kContentType);
    for (const char* name :
         {"adyton_build_info{service=\"Account Pool Service\",version=\"2.0.0\"} 1",
          "process_resident_memory_bytes ", "process_open_fds ", "process_start_time_seconds "}) {
        EXPECT_NE(metrics.body.find(name), std::string::npos) << name;
    }
    EXPECT_EQ(ask("/echo").status, Status::NotFound);
    EXPECT_EQ(ask("/nowhere").status, Status::NotFound);
    // and the service's own listener has no metrics
    EXPECT_EQ(get("/metrics").status, Status::NotFound);
}

TEST_F(FrameTest, MetricsCanBeTurnedOff) {
    FrameOptions options;
    options.serve_metrics = false;
    start(attest::IdentityMode::Strict, std::move(options));
    EXPECT_EQ(send(frame_->operator_router(), peer(), "GET", "/metrics").status, Status::NotFound);
    EXPECT_EQ(send(frame_->operator_router(), peer(), "GET", "/ready").status, Status::Ok);
}

// The observer as the server calls it.
class FrameObserverTest : public FrameTest {
protected:
    void observe(
        std::string_view method, std::string_view route, Status status,
        const http::PeerInfo* from = nullptr) {
        static const http::PeerInfo nobody;
        if (!method.empty()) frame_->observer().on_request_begin(Request{});
        http::RequestRecord record;
        record.method = method;
        record.path = "/secret/path?with=query";
        record.route = route;
        record.trace_id = "trace-1";
        record.status = status;
        record.duration = std::chrono::microseconds(1234);
        record.request_body_bytes = 10;
        record.response_body_bytes = 20;
        record.delivered = true;
        record.peer = from == nullptr ? &nobody : from;
        frame_->observer().on_request_end(record);
    }
    bool exposes(const std::string& line) {
        return ("\n" + metrics_.text()).find("\n" + line + "\n") != std::string::npos;
    }
};

TEST_F(FrameObserverTest, AnswersAreCountedByRouteAndClass) {
    start(attest::IdentityMode::Strict);
    observe("POST", "/echo", Status::Ok);
    observe("POST", "/echo", Status::Ok);
    observe("POST", "/echo", Status::Conflict);
    observe("GET", "/health", Status::Ok);
    observe("GET", "", Status::NotFound);
    observe("BREW", "/echo", Status::MethodNotAllowed);
    observe("", "", Status::BadRequest);
    const std::string total = "adyton_http_requests_total{method=\"POST\",route=\"/echo\",status=";
    EXPECT_TRUE(exposes(total + "\"2xx\"} 2")) << metrics_.text();
    EXPECT_TRUE(exposes(total + "\"4xx\"} 1"));
    EXPECT_TRUE(exposes(total + "\"5xx\"} 0"));
    EXPECT_TRUE(
        exposes("adyton_http_requests_total{method=\"other\",route=\"none\",status=\"4xx\"} 3"));
    EXPECT_TRUE(
        exposes("adyton_http_request_duration_seconds_count{method=\"POST\",route=\"/echo\"} 3"));
    EXPECT_TRUE(exposes("adyton_http_requests_in_flight 0"));
    EXPECT_TRUE(exposes("adyton_http_request_body_bytes_total 70"));
    EXPECT_TRUE(exposes("adyton_http_response_body_bytes_total 140"));
    EXPECT_EQ(metrics_.text().find("BREW"), std::string::npos);
    EXPECT_EQ(metrics_.text().find("secret"), std::string::npos);
}

TEST_F(FrameObserverTest, ConnectionsAndHandshakesAreCounted) {
    start(attest::IdentityMode::Strict);
    const http::PeerInfo one;
    frame_->observer().on_connection_opened(one);
    frame_->observer().on_connection_opened(one);
    frame_->observer().on_connection_closed(one);
    frame_->observer().on_handshake_failed(one, "no certificate");
    EXPECT_TRUE(exposes("adyton_http_connections 1"));
    EXPECT_TRUE(exposes("adyton_http_connections_total 2"));
    EXPECT_TRUE(exposes("adyton_http_handshake_failures_total 1"));
    EXPECT_EQ(logger_.lines("handshake failed").size(), 1U);
}

TEST_F(FrameObserverTest, TheAccessLogHasItsFieldsAndNoPath) {
    start(attest::IdentityMode::Strict);
    Request request;
    request.peer = std::make_shared<http::PeerInfo>(peer("neocompute"));
    ASSERT_TRUE(identity_->resolve(request));
    observe("POST", "/echo", Status::Ok, request.peer.get());
    const auto lines = logger_.lines("request");
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(
        lines[0].dump(),
        R"({"level":1,"message":"request","method":"POST","route":"/echo","status":200,)"
        R"("duration_us":1234,"bytes_in":10,"bytes_out":20,"service_id":"neocompute",)"
        R"("trace_id":"trace-1","remote":"127.0.0.1:40000","delivered":true})");
}

TEST_F(FrameObserverTest, TheAccessLogCanBeForErrorsOnlyOrOff) {
    FrameOptions errors;
    errors.access_log = AccessLog::Errors;
    start(attest::IdentityMode::Strict, std::move(errors));
    observe("POST", "/echo", Status::Ok);
    EXPECT_EQ(logger_.lines("request").size(), 0U);
    observe("POST", "/echo", Status::Conflict);
    EXPECT_EQ(logger_.lines("request").size(), 1U);
    FrameOptions off;
    off.access_log = AccessLog::Off;
    start(attest::IdentityMode::Strict, std::move(off));
    observe("POST", "/echo", Status::InternalServerError);
    EXPECT_EQ(logger_.lines("request").size(), 1U);
}

TEST(FrameTextTest, AccessLogWordsParse) {
    EXPECT_EQ(parse_access_log("all").value(), AccessLog::All);
    EXPECT_EQ(parse_access_log("errors").value(), AccessLog::Errors);
    EXPECT_EQ(parse_access_log("off").value(), AccessLog::Off);
    EXPECT_FALSE(parse_access_log("some"));
}

}  // namespace
}  // namespace adyton::service
