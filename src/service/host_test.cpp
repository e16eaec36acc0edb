#include "service/host.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <thread>

#include "http/client.h"
#include "http/test_pki.h"
#include "service/memory_logger_test_support.h"

namespace adyton::service {
namespace {

using http::PemIdentity;
using http::Response;
using http::Status;
using http::TestCa;

struct Pki {
    TestCa mesh = TestCa::create_root("mesh root");
    TestCa next_mesh = TestCa::create_root("next mesh root");
    TestCa gateway = TestCa::create_root("gateway root");
    TestCa stranger = TestCa::create_root("stranger root");
    TestCa intermediate = mesh.create_intermediate("mesh intermediate");
};
const Pki& pki() {
    static const Pki all;
    return all;
}

http::LeafOptions leaf_of(const std::string& marble_type) {
    http::LeafOptions leaf;
    if (!marble_type.empty()) leaf.marble_types = {marble_type};
    leaf.ip_addresses = {"127.0.0.1"};
    return leaf;
}

std::vector<base::Bytes> anchors_of(const TestCa& ca) {
    return attest::read_pem_certificates(ca.certificate_pem()).value();
}

attest::CertificateIdentifier identifier_for(const TestCa& mesh) {
    attest::IssuerProfile services;
    services.name = "mesh";
    services.anchors = anchors_of(mesh);
    services.allowed = attest::known_services();
    attest::IssuerProfile gateway;
    gateway.name = "gateway";
    gateway.anchors = anchors_of(pki().gateway);
    gateway.source = attest::IdentitySource::IssuerOnly;
    gateway.allowed = {attest::ServiceId::parse("gateway").value()};
    attest::IdentityOptions options;
    options.issuers = {std::move(services), std::move(gateway)};
    options.aliases = attest::known_aliases();
    return attest::CertificateIdentifier::create(std::move(options)).value();
}

std::shared_ptr<const http::TlsContext> server_tls(const TestCa& trusted) {
    const PemIdentity own = pki().mesh.issue(leaf_of("neoaccounts"));
    http::ServerTlsOptions options;
    options.certificate_chain_pem = own.certificate_chain_pem;
    options.private_key_pem = own.private_key_pem;
    options.client_ca_pem = {trusted.certificate_pem(), pki().gateway.certificate_pem()};
    return http::TlsContext::create_server(options).value();
}

// A service on two loops, and clients on a loop of the test's own.
class HostTest : public ::testing::Test {
protected:
    HostTest()
        : runtime_(2, 1),
          identity_(attest::create_identity_resolver(identifier_for(pki().mesh))),
          client_workers_(1),
          client_loop_(client_workers_) {
        FrameOptions options;
        options.service_name = "Test";
        options.version = "1";
        frame_ = std::make_unique<ServiceFrame>(
            std::move(options), *identity_, runtime_.main_loop(), metrics_, logger_);
        frame_->add("GET", "/who", Access::Service, [](Call call) { return answer_who(call); });
        frame_->add("GET", "/slow", Access::Service, [this](Call call) { return slow(call); });
    }
    ~HostTest() override { stop(); }

    static Task<Result<Response>> answer_who(Call call) {
        co_return Response::text(Status::Ok, call.caller().service_id.text());
    }
    Task<Result<Response>> slow(Call) {
        ++slow_started_;
        while (!slow_may_end_) {
            base::Executor& executor = *base::Executor::current();
            co_await base::sleep_for(executor, std::chrono::milliseconds(2));
        }
        co_return Response::text(Status::Ok, "done");
    }

    HostOptions host_options() {
        HostOptions options;
        options.server.tls = server_tls(pki().mesh);
        options.operator_server.emplace();
        options.drain_timeout = std::chrono::seconds(20);
        return options;
    }

    void start(HostOptions options) {
        host_ = std::make_unique<ServiceHost>(runtime_, *frame_, std::move(options));
        const auto started = host_->start();
        ASSERT_TRUE(started) << started.error().message();
        host_->set_running();
        // lint-allow(thread): what main is to the service
        thread_ = std::thread([this] {
            const auto ended = host_->run_until_signal();
            EXPECT_TRUE(ended);
            ended_ = true;
        });
        // the signal handlers are in place once the loop answers
        wait_until([] { return signals_installed(); });
    }
    static bool signals_installed() {
        struct sigaction action {};
        ::sigaction(SIGTERM, nullptr, &action);
        return action.sa_handler != SIG_DFL;
    }
    void stop() {
        slow_may_end_ = true;
        if (!thread_.joinable()) return;
        host_->request_stop();
        thread_.join();
    }
    template <typename F>
    void wait_until(F condition) {
        for (int i = 0; i < 5000 && !condition(); ++i) pause();
        EXPECT_TRUE(condition());
    }
    void pause() { client_loop_.run_until_done(pause_for(&client_loop_)); }
    static Task<bool> pause_for(base::EventLoop* loop) {
        co_await base::sleep_for(*loop, std::chrono::milliseconds(2));
        co_return true;
    }

    std::unique_ptr<http::Client> client(const PemIdentity& identity) {
        http::ClientTlsOptions tls;
        tls.server_ca_pem = {pki().mesh.certificate_pem()};
        tls.certificate_chain_pem = identity.certificate_chain_pem;
        tls.private_key_pem = identity.private_key_pem;
        http::ClientOptions options;
        options.tls = http::TlsContext::create_client(tls).value();
        options.timeout = std::chrono::seconds(10);
        return std::make_unique<http::Client>(client_loop_, std::move(options));
    }
    Result<Response> get(http::Client& client, const std::string& path, bool operators = false) {
        http::ClientRequest request;
        request.url = operators ? "http://" + host_->operator_address() + path
                                : "https://" + host_->bound_address() + path;
        return client_loop_.run_until_done(client.send(std::move(request)));
    }
    Result<Response> get_as(const PemIdentity& identity, const std::string& path) {
        const auto fresh = client(identity);
        return get(*fresh, path);
    }
    Result<Response> get_operator(const std::string& path) {
        http::Client plain(client_loop_, {});
        return get(plain, path, true);
    }
    // Refused in the handshake or, as TLS 1.3 lets the client see it, right after it.
    void expect_no_service(const PemIdentity& identity, const char* what) {
        const auto response = get_as(identity, "/health");
        EXPECT_FALSE(response) << what;
    }
    void expect_refused(const PemIdentity& identity, Status status, std::string_view reason) {
        const auto response = get_as(identity, "/who");
        ASSERT_TRUE(response) << reason << ": " << response.error().message();
        EXPECT_EQ(response->status, status) << response->body;
        EXPECT_NE(response->body.find(reason), std::string::npos) << response->body;
    }

    MemoryLogger logger_;
    MetricsRegistry metrics_;
    Runtime runtime_;
    std::unique_ptr<attest::IdentityResolver> identity_;
    std::unique_ptr<ServiceFrame> frame_;
    std::unique_ptr<ServiceHost> host_;
    base::WorkerThreads client_workers_;
    base::EventLoop client_loop_;
    std::atomic<int> slow_started_{0};
    std::atomic<bool> slow_may_end_{false};
    std::atomic<bool> ended_{false};
    std::thread thread_;  // lint-allow(thread): what main is to the service
};

TEST_F(HostTest, ACallerIsKnownByItsCertificateOverARealConnection) {
    start(host_options());
    const auto response = get_as(pki().mesh.issue(leaf_of("neocompute")), "/who");
    ASSERT_TRUE(response) << response.error().message();
    EXPECT_EQ(response->status, Status::Ok);
    EXPECT_EQ(response->body, "neocompute");
    const auto through = get_as(pki().intermediate.issue(leaf_of("accountpool")), "/who");
    ASSERT_TRUE(through) << through.error().message();
    EXPECT_EQ(through->body, "neoaccounts");
}

// enclave.md 2.3: the rows that TLS itself must refuse.
TEST_F(HostTest, CertificatesThatTlsMustRefuseGetNoAnswer) {
    start(host_options());
    expect_no_service({}, "no certificate");
    expect_no_service(TestCa::self_signed(leaf_of("neocompute")), "self-signed");
    expect_no_service(pki().stranger.issue(leaf_of("neocompute")), "another authority");
    http::LeafOptions leaf = leaf_of("neocompute");
    leaf.valid_from = std::chrono::hours(-48);
    leaf.valid_until = std::chrono::hours(-24);
    expect_no_service(pki().mesh.issue(leaf), "expired");
    leaf = leaf_of("neocompute");
    leaf.valid_from = std::chrono::hours(24);
    leaf.valid_until = std::chrono::hours(48);
    expect_no_service(pki().mesh.issue(leaf), "not yet valid");
    leaf = leaf_of("neocompute");
    leaf.for_client = false;
    expect_no_service(pki().mesh.issue(leaf), "wrong extended key usage");
    PemIdentity bare = pki().intermediate.issue(leaf_of("neocompute"));
    const std::string end = "-----END CERTIFICATE-----\n";
    bare.certificate_chain_pem.resize(bare.certificate_chain_pem.find(end) + end.size());
    expect_no_service(bare, "intermediate missing from the chain");
    // The client may know before the server has counted.
    wait_until([&] {
        return metrics_.text().find("adyton_http_handshake_failures_total 7") != std::string::npos;
    });
}

// And the rows that the identity rules refuse although TLS is satisfied.
TEST_F(HostTest, CertificatesThatNameNoAllowedServiceAreRefusedByTheGuard) {
    start(host_options());
    const TestCa& mesh = pki().mesh;
    http::LeafOptions leaf = leaf_of("");
    leaf.common_name = "neocompute";
    leaf.dns_names = {"neocompute"};
    expect_refused(mesh.issue(leaf), Status::Unauthorized, "no_identity");
    leaf = leaf_of("");
    leaf.marble_types = {"neocompute", "neocompute"};
    expect_refused(mesh.issue(leaf), Status::Unauthorized, "ambiguous_identity");
    expect_refused(mesh.issue(leaf_of("NeoCompute")), Status::Unauthorized, "malformed_identity");
    expect_refused(mesh.issue(leaf_of("somebody")), Status::Forbidden, "service_not_allowed");
    expect_refused(
        pki().gateway.issue(leaf_of("neoaccounts")), Status::Unauthorized, "ambiguous_identity");
    const auto gateway = get_as(pki().gateway.issue(leaf_of("")), "/who");
    ASSERT_TRUE(gateway);
    EXPECT_EQ(gateway->body, "gateway");
}

TEST_F(HostTest, OneConnectionAnswersManyRequestsWithOneIdentity) {
    start(host_options());
    const auto one = client(pki().mesh.issue(leaf_of("neocompute")));
    for (int i = 0; i < 50; ++i) {
        const auto response = get(*one, "/who");
        ASSERT_TRUE(response);
        EXPECT_EQ(response->body, "neocompute");
    }
    wait_until([this] {
        return metrics_.text().find(
                   "adyton_http_requests_total{method=\"GET\",route=\"/who\",status=\"2xx\"} 50") !=
               std::string::npos;
    });
    EXPECT_NE(metrics_.text().find("adyton_http_connections_total 1\n"), std::string::npos);
    wait_until([this] { return logger_.lines("request").size() == 50; });
    const auto line = logger_.lines("request").front();
    EXPECT_EQ(line.find("service_id")->string_value(), "neocompute");
    EXPECT_EQ(line.find("route")->string_value(), "/who");
}

TEST_F(HostTest, TheOperatorsListenerNeedsNoCertificate) {
    start(host_options());
    EXPECT_EQ(get_operator("/health")->status, Status::Ok);
    EXPECT_EQ(get_operator("/ready")->status, Status::Ok);
    const auto metrics = get_operator("/metrics");
    ASSERT_TRUE(metrics);
    EXPECT_NE(metrics->body.find("adyton_build_info"), std::string::npos);
    EXPECT_EQ(get_operator("/who")->status, Status::NotFound);
}

TEST_F(HostTest, AReloadChangesTrustForNewConnectionsAndKeepsTheOldOnes) {
    HostOptions options = host_options();
    options.load_tls = [this]() -> Result<std::shared_ptr<const http::TlsContext>> {
        identity_->reload(identifier_for(pki().next_mesh));
        return server_tls(pki().next_mesh);
    };
    start(std::move(options));
    const PemIdentity old_identity = pki().mesh.issue(leaf_of("neocompute"));
    const auto kept = client(old_identity);
    ASSERT_EQ(get(*kept, "/who")->body, "neocompute");
    ASSERT_EQ(::kill(::getpid(), SIGHUP), 0);
    wait_until([this] { return !logger_.lines("certificates and trust reloaded").empty(); });
    const auto renewed = get_as(pki().next_mesh.issue(leaf_of("neooracle")), "/who");
    ASSERT_TRUE(renewed) << renewed.error().message();
    EXPECT_EQ(renewed->body, "neooracle");
    expect_no_service(old_identity, "an authority that is trusted no more");
    const auto still = get(*kept, "/who");
    ASSERT_TRUE(still) << still.error().message();
    EXPECT_EQ(still->body, "neocompute");
}

// MarbleRun's intermediates (enclave.md 1.7): each update of its manifest makes a new one, of the
// same name, below the Coordinator's lasting root. The root's certificates live for centuries, so
// trust stands on the twin of the current intermediate, and a rotation ends the former's leaves.
struct Rotation {
    TestCa coordinator = TestCa::create_root("MarbleRun Coordinator");
    TestCa former = coordinator.create_intermediate("MarbleRun Coordinator - Intermediate CA");
    TestCa current = coordinator.create_intermediate("MarbleRun Coordinator - Intermediate CA");
    TestCa former_root = former.create_twin_root();
    TestCa current_root = current.create_twin_root();
};

TEST_F(HostTest, LeavesOfARetiredIntermediateAreRefusedAfterTheRotation) {
    const Rotation rotation;
    identity_->reload(identifier_for(rotation.former_root));
    HostOptions options = host_options();
    options.server.tls = server_tls(rotation.former_root);
    options.load_tls = [&]() -> Result<std::shared_ptr<const http::TlsContext>> {
        identity_->reload(identifier_for(rotation.current_root));
        return server_tls(rotation.current_root);
    };
    start(std::move(options));
    const PemIdentity former = rotation.former.issue(leaf_of("neocompute"));
    const PemIdentity current = rotation.current.issue(leaf_of("neocompute"));
    const auto kept = client(former);
    ASSERT_EQ(get(*kept, "/who")->body, "neocompute");
    expect_no_service(current, "an intermediate that is not known yet");
    ASSERT_EQ(::kill(::getpid(), SIGHUP), 0);
    wait_until([this] { return !logger_.lines("certificates and trust reloaded").empty(); });
    const auto renewed = get_as(current, "/who");
    ASSERT_TRUE(renewed) << renewed.error().message();
    EXPECT_EQ(renewed->body, "neocompute");
    expect_no_service(former, "the retired intermediate, with its chain to the Coordinator's root");
    PemIdentity mixed = former;
    const std::string end = "-----END CERTIFICATE-----\n";
    mixed.certificate_chain_pem.resize(mixed.certificate_chain_pem.find(end) + end.size());
    expect_no_service(mixed, "the former leaf alone");
    mixed.certificate_chain_pem += rotation.current.certificate_pem();
    expect_no_service(mixed, "the former leaf below the current intermediate of the same name");
    EXPECT_EQ(get(*kept, "/who")->body, "neocompute") << "a connection lives to its age";
}

TEST_F(HostTest, AConnectionOfARetiredIntermediateEndsAtItsAgeAndDoesNotComeBack) {
    const Rotation rotation;
    identity_->reload(identifier_for(rotation.former_root));
    HostOptions options = host_options();
    options.server.limits.connection_age_max = std::chrono::milliseconds(300);
    options.server.limits.tick = std::chrono::milliseconds(10);
    options.server.tls = server_tls(rotation.former_root);
    options.load_tls = [&]() -> Result<std::shared_ptr<const http::TlsContext>> {
        identity_->reload(identifier_for(rotation.current_root));
        return server_tls(rotation.current_root);
    };
    start(std::move(options));
    const auto kept = client(rotation.former.issue(leaf_of("neocompute")));
    ASSERT_EQ(get(*kept, "/who")->body, "neocompute");
    ASSERT_EQ(::kill(::getpid(), SIGHUP), 0);
    wait_until([this] { return !logger_.lines("certificates and trust reloaded").empty(); });
    wait_until([this] {
        return metrics_.text().find("adyton_http_connections 0\n") != std::string::npos;
    });
    EXPECT_FALSE(get(*kept, "/who"));
    EXPECT_EQ(get_as(rotation.current.issue(leaf_of("neooracle")), "/who")->body, "neooracle");
}

TEST_F(HostTest, AReloadThatFailsLeavesTheOldCertificatesInUse) {
    HostOptions options = host_options();
    options.load_tls = []() -> Result<std::shared_ptr<const http::TlsContext>> {
        return Error::not_found("no such file");
    };
    start(std::move(options));
    ASSERT_EQ(::kill(::getpid(), SIGHUP), 0);
    wait_until([this] { return logger_.text().find("reload failed") != std::string::npos; });
    EXPECT_EQ(get_as(pki().mesh.issue(leaf_of("neocompute")), "/who")->body, "neocompute");
}

TEST_F(HostTest, OldConnectionsEndAtTheirAge) {
    HostOptions options = host_options();
    options.server.limits.connection_age_max = std::chrono::milliseconds(300);
    options.server.limits.tick = std::chrono::milliseconds(10);
    start(std::move(options));
    const auto one = client(pki().mesh.issue(leaf_of("neocompute")));
    ASSERT_TRUE(get(*one, "/who"));
    wait_until([this] {
        return metrics_.text().find("adyton_http_connections 0\n") != std::string::npos;
    });
    EXPECT_EQ(get(*one, "/who")->body, "neocompute");  // by a new connection
}

TEST_F(HostTest, SigtermDrainsAndTheRequestInFlightIsAnswered) {
    start(host_options());
    const auto one = client(pki().mesh.issue(leaf_of("neocompute")));
    std::optional<Result<Response>> slow_answer;
    http::ClientRequest request;
    request.url = "https://" + host_->bound_address() + "/slow";
    constexpr auto kSend = [](http::Client* from, http::ClientRequest what,
                              std::optional<Result<Response>>* out) -> Task<void> {
        Task<Result<Response>> task = from->send(std::move(what));
        out->emplace(co_await std::move(task));
    };
    base::spawn(client_loop_, kSend(one.get(), std::move(request), &slow_answer));
    wait_until([this] { return slow_started_ == 1; });
    std::vector<int> order;
    runtime_.main_loop().post([&] {
        host_->on_drained([&order]() -> Task<void> {
            order.push_back(1);
            co_return;
        });
        host_->on_drained([&order]() -> Task<void> {
            order.push_back(2);
            co_return;
        });
    });
    ASSERT_EQ(::kill(::getpid(), SIGTERM), 0);
    wait_until([this] { return !logger_.lines("draining").empty(); });
    // probes see it, new connections find nobody, and the process waits
    EXPECT_EQ(get_operator("/ready")->status, Status::ServiceUnavailable);
    wait_until(
        [this] { return !get_as(pki().mesh.issue(leaf_of("neocompute")), "/who").has_value(); });
    EXPECT_FALSE(ended_);
    EXPECT_TRUE(order.empty());
    slow_may_end_ = true;
    wait_until([&] { return slow_answer.has_value(); });
    ASSERT_TRUE(*slow_answer) << slow_answer->error().message();
    EXPECT_EQ((*slow_answer)->body, "done");
    thread_.join();
    EXPECT_TRUE(ended_);
    EXPECT_EQ(order, (std::vector<int>{1, 2}));
    EXPECT_EQ(logger_.lines("stopped").size(), 1U);
    EXPECT_FALSE(signals_installed());
}

TEST_F(HostTest, ADrainThatTakesTooLongIsCut) {
    HostOptions options = host_options();
    options.drain_timeout = std::chrono::milliseconds(50);
    start(std::move(options));
    const auto one = client(pki().mesh.issue(leaf_of("neocompute")));
    std::optional<Result<Response>> slow_answer;
    http::ClientRequest request;
    request.url = "https://" + host_->bound_address() + "/slow";
    constexpr auto kSend = [](http::Client* from, http::ClientRequest what,
                              std::optional<Result<Response>>* out) -> Task<void> {
        Task<Result<Response>> task = from->send(std::move(what));
        out->emplace(co_await std::move(task));
    };
    base::spawn(client_loop_, kSend(one.get(), std::move(request), &slow_answer));
    wait_until([this] { return slow_started_ == 1; });
    ASSERT_EQ(::kill(::getpid(), SIGINT), 0);
    wait_until([this] { return ended_.load(); });
    wait_until([&] { return slow_answer.has_value(); });
    EXPECT_FALSE(*slow_answer);
}

TEST_F(HostTest, ASecondSignalStopsAtOnce) {
    start(host_options());
    const auto one = client(pki().mesh.issue(leaf_of("neocompute")));
    std::optional<Result<Response>> slow_answer;
    http::ClientRequest request;
    request.url = "https://" + host_->bound_address() + "/slow";
    constexpr auto kSend = [](http::Client* from, http::ClientRequest what,
                              std::optional<Result<Response>>* out) -> Task<void> {
        Task<Result<Response>> task = from->send(std::move(what));
        out->emplace(co_await std::move(task));
    };
    base::spawn(client_loop_, kSend(one.get(), std::move(request), &slow_answer));
    wait_until([this] { return slow_started_ == 1; });
    ASSERT_EQ(::kill(::getpid(), SIGTERM), 0);
    wait_until([this] { return !logger_.lines("draining").empty(); });
    EXPECT_FALSE(ended_);
    ASSERT_EQ(::kill(::getpid(), SIGTERM), 0);
    wait_until([this] { return ended_.load(); });
    EXPECT_EQ(logger_.lines("stopped at once, by a second signal").size(), 1U);
}

TEST_F(HostTest, AnAddressInUseIsAnErrorOfTheStart) {
    start(host_options());
    const auto colon = host_->bound_address().rfind(':');
    HostOptions options = host_options();
    options.server.port =
        static_cast<std::uint16_t>(std::stoi(host_->bound_address().substr(colon + 1)));
    Runtime other_runtime(1, 1);
    ServiceHost other(other_runtime, *frame_, std::move(options));
    const auto started = other.start();
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code(), ErrorCode::Unavailable);
}

TEST(RuntimeTest, EveryLoopRunsWorkUntilStop) {
    Runtime runtime(3, 1);
    std::atomic<int> ran{0};
    for (base::EventLoop* loop : runtime.loops()) {
        loop->post([&] {
            if (++ran == 3) runtime.stop();
        });
    }
    runtime.run();
    EXPECT_EQ(ran, 3);
    EXPECT_GE(Runtime(0, 0).loops().size(), 1U);
}

}  // namespace
}  // namespace adyton::service
