#include "apps/compute_server.h"

#include <optional>
#include <utility>

#include "apps/script_engine.h"
#include "compute/compute_service.h"
#include "compute/fetch_policy.h"
#include "compute/http_fetch_broker.h"
#include "compute/public_address.h"
#include "http/guarded_client.h"
#include "http/tls.h"
#include "script/in_process_engine.h"
#include "service/frame.h"
#include "service/platform.h"
#include "service/settings.h"
#include "service/startup.h"

namespace adyton::apps {
namespace {

namespace settings = service::settings;

struct MasterKeys {
    crypto::SecretBuffer current;
    std::optional<crypto::SecretBuffer> previous;
};

Result<MasterKeys> load_keys(const service::Config& config, attest::SecretSource& secrets) {
    MasterKeys out;
    TRY(auto current, read_key(secrets, config.get(settings::kComputeMasterKey)));
    if (!current) {
        return not_configured(
            "compute's master key",
            "set compute.master_key = {file = \"PATH\"} or the variable COMPUTE_MASTER_KEY");
    }
    out.current = *std::move(current);
    TRY(out.previous, read_key(secrets, config.get(settings::kComputePreviousMasterKey)));
    return out;
}

// What scripts reach of the network, when the configuration has rules for it.
struct Network {
    std::unique_ptr<http::GuardedClient> client;
    std::unique_ptr<compute::HttpFetchBroker> broker;
};

Result<Network> open_network(const service::Config& config, base::EventLoop& loop) {
    constexpr std::size_t kAnswerBytesMax = std::size_t{1} << 20U;
    Network out;
    TRY(auto policy, compute::FetchPolicy::parse(config.get(settings::kComputeFetch)));
    if (policy.empty()) return out;
    http::ClientOptions options;
    http::ClientTlsOptions tls;
    tls.minimum_version = http::TlsVersion::Tls12;  // servers of others
    TRY(options.tls, http::TlsContext::create_client(tls));
    options.response_bytes_max = kAnswerBytesMax;
    options.connections_per_host_max = 16;
    out.client = std::make_unique<http::GuardedClient>(
        loop, std::move(options), &compute::is_public_address);
    out.broker = std::make_unique<compute::HttpFetchBroker>(std::move(policy), *out.client);
    return out;
}

}  // namespace

compute::ComputeOptions compute_options(const service::Config& config, attest::IdentityMode mode) {
    const bool development = mode == attest::IdentityMode::Development;
    compute::ComputeOptions options;
    options.result_ttl = config.get(settings::kComputeResultTtl);
    options.cleanup_period = config.get(settings::kComputeCleanupPeriod);
    options.checkpoint_period = config.get(settings::kAuditCheckpointPeriod);
    options.running_per_user_max = config.get(settings::kComputeRunningPerUserMax);
    options.queued_per_user_max = config.get(settings::kComputeQueuedPerUserMax);
    options.kept_per_user_max = config.get(settings::kComputeKeptPerUserMax);
    options.kept_bytes_per_user_max = config.get(settings::kComputeKeptBytesPerUserMax);
    options.kept_bytes_max = config.get(settings::kComputeKeptBytesMax);
    options.waiting_max = static_cast<std::size_t>(config.get(settings::kComputeWaitingMax));
    options.memory_bytes = static_cast<std::size_t>(config.get(settings::kComputeMemoryBytes));
    options.metered_gas_max =
        static_cast<std::uint64_t>(config.get(settings::kComputeMeteredGasMax));
    const std::string& empty = config.get(settings::kComputeEmptySecretPolicy);
    options.empty_policy_allows = empty == "allow" || (empty == "auto" && development);
    options.user_header_from_anybody = development;
    options.user_asserting_services.clear();
    for (const std::string& name : config.get(settings::kComputeUserAssertingServices)) {
        options.user_asserting_services.insert(name);
    }
    return options;
}

// Members are destroyed from the last to the first: the network before the service, the service
// before its engine, that before the loop it runs on.
struct ComputeServer::Parts {
    Parts(const Inputs& inputs, attest::IdentityMode mode)
        : ground(inputs, mode, Callers::Tokens) {}

    Result<void> open();
    Result<void> build_compute(MasterKeys keys);
    Result<void> build_host(std::shared_ptr<const http::TlsContext> tls);
    void log_start() const;

    ProductGround ground;
    EngineForm form = EngineForm::Processes;
    std::unique_ptr<script::Engine> engine;
    Network network;
    std::unique_ptr<compute::ComputeService> compute;
    std::unique_ptr<attest::IdentityResolver> identity;
    std::unique_ptr<ProductHost> host;
};

Result<void> ComputeServer::Parts::open() {
    TRY_VOID(ground.open_log());
    // Before any key is loaded: what executors inherit must hold none.
    const auto executors =
        static_cast<std::size_t>(ground.config().get(settings::kComputeExecutors));
    TRY(const auto platform, service::decide_platform(ground.config(), ground.mode));
    TRY(form,
        decide_engine_form(
            ground.config().get(settings::kComputeEngine), platform, script::guards_of_build()));
    TRY(engine, open_service_engine(ground.loop(), form, executors));
    TRY(auto keys, load_keys(ground.config(), ground.inputs.secrets));
    TRY(auto loaded, ground.trust.load());
    identity = attest::create_identity_resolver(std::move(loaded.identifier));
    TRY_VOID(ground.open_storage());
    TRY(network, open_network(ground.config(), ground.loop()));
    TRY_VOID(build_compute(std::move(keys)));
    return build_host(std::move(loaded.tls));
}

Result<void> ComputeServer::Parts::build_compute(MasterKeys keys) {
    compute::ComputeParts parts{*ground.database,      ground.loop(), *ground.logger,
                                *ground.audit,         ground.random, ground.metrics,
                                ground.instance->id(), *engine,       script_engine_name(),
                                network.broker.get()};
    TRY(compute, ground.loop().run_until_done(compute::ComputeService::create(
                     std::move(parts), std::move(keys.current), std::move(keys.previous),
                     compute_options(ground.config(), ground.mode))));
    const compute::ComputeKeys& derived = compute->keys();
    if (network.broker != nullptr) network.broker->use_keys(derived);
    const auto& receipt_key = derived.receipt_ed25519().public_key().bytes;
    ground.attestation->set_service("neocompute");
    ground.attestation->set_key(
        "compute-receipt", base::Bytes(receipt_key.begin(), receipt_key.end()), "ed25519");
    ground.attestation->add_signing_key("receipt-p256", derived.receipt_p256_public().to_hex());
    ground.attestation->add_signing_key("sealing-x25519", derived.sealing_public().to_hex());
    return {};
}

Result<void> ComputeServer::Parts::build_host(std::shared_ptr<const http::TlsContext> tls) {
    service::FrameOptions options;
    options.service_name = compute::kServiceName;
    options.version = compute::kServiceVersion;
    options.health.probe_database = [this] { return compute->probe_database(); };
    options.health.check_secrets = [this] { return compute->check_keys(); };
    options.openapi = compute::openapi_json();
    options.info = [this] { return compute->info(); };
    ProductHost::Hooks hooks;
    hooks.begin = [this] { compute->start(); };
    hooks.stop = [this] { return compute->stop(); };
    hooks.new_trust = [this](attest::CertificateIdentifier identifier) {
        identity->reload(std::move(identifier));
    };
    TRY(host, ProductHost::create(ground, *identity, std::move(options), std::move(hooks)));
    compute->register_routes(host->frame());
    return host->listen(std::move(tls));
}

void ComputeServer::Parts::log_start() const {
    host->log_warnings();
    if (ground.mode == attest::IdentityMode::Development) {
        ground.logger->warning(
            "DEVELOPMENT: every local program may claim to be any user; never use this where "
            "secrets have value");
    }
    const std::string layers = engine->layers().to_string();
    const script::Layers refused = refused_layers(engine->layers());
    if (form == EngineForm::Threads) {
        ground.logger->warning(
            "scripts run in threads of this process, beside its keys: only the guards of their "
            "memory are between them, and strict jobs are refused",
            {{"layers", layers}});
    } else if (refused != script::Layers()) {
        ground.logger->warning(
            "the kernel refused layers around scripts",
            {{"refused", refused.to_string()}, {"layers", layers}});
    }
    host->log_serving(
        compute::kServiceName, base::LogField("isolation", layers),
        base::LogField(
            "receipt_public_key", compute->info().find("receipt_public_key")->string_value()));
}

ComputeServer::ComputeServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
ComputeServer::~ComputeServer() = default;

Result<std::unique_ptr<ComputeServer>> ComputeServer::create(const Inputs& inputs) {
    TRY(const auto mode,
        decide_token_mode(inputs.config, inputs.environment, "users' keys and secrets travel"));
    auto parts = std::make_unique<Parts>(inputs, mode);
    TRY_VOID(parts->open());
    return std::unique_ptr<ComputeServer>(new ComputeServer(std::move(parts)));
}

Result<void> ComputeServer::run() {
    parts_->log_start();
    return parts_->host->run();
}

void ComputeServer::run_beside() {
    parts_->log_start();
    parts_->host->run_beside();
}

std::string ComputeServer::address() const {
    return parts_->host->address();
}
std::string ComputeServer::metrics_address() const {
    return parts_->host->metrics_address();
}
std::string ComputeServer::receipt_public_key() const {
    return parts_->compute->keys().receipt_ed25519().public_key().to_hex();
}

}  // namespace adyton::apps
