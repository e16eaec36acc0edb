#include "apps/product_hosting.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "apps/schema.h"
#include "service/attestation_route.h"
#include "service/hosted_openapi.h"
#include "service/platform.h"
#include "service/settings.h"
#include "storage/migrator.h"
#include "storage/open_database.h"
#include "workflow/lease.h"

namespace adyton::apps {
namespace {

namespace settings = service::settings;

// Runs on the main loop, before anything is served.
Task<Result<void>> prepare_schema(storage::Database& database, OldSchema old) {
    const std::vector<storage::Migration> all = all_migrations();
    if (old == OldSchema::Migrate) {
        auto migrating = storage::migrate(database, all);
        CO_TRY(const auto ran, co_await std::move(migrating));
        co_return Result<void>();
    }
    auto checking = storage::check_schema(database, all);
    CO_TRY(const auto check, co_await std::move(checking));
    if (check.state != storage::SchemaState::Current) {
        const bool newer = check.state == storage::SchemaState::Newer;
        co_return Error::conflict(check.message, newer ? "schema_newer" : "schema");
    }
    co_return Result<void>();
}

using Probe = std::function<Task<Result<void>>()>;

// The product's own probe, and the disk's before it.
Task<Result<void>> probe_storage(ProductGround& ground, const Probe& own) {
    auto disk = probe_disk(*ground.database, ground.disk_full, ground.instance->id());
    CO_TRY_VOID(co_await std::move(disk));
    auto product = own();
    co_return co_await std::move(product);
}

}  // namespace

Task<Result<void>> probe_disk(
    storage::Database& database, std::atomic<bool>& full, const std::string& instance_id) {
    // Taken back first, so that what another commit finds meanwhile is not lost.
    if (!full.exchange(false)) co_return Result<void>();
    auto unit = [&instance_id](storage::Transaction& tx) -> Result<void> {
        // A lease that is over at once: each call writes, whoever had it before.
        TRY_VOID(workflow::acquire_lease(tx, "disk_probe", instance_id, base::Duration::zero()));
        return {};
    };
    auto writing = database.write(std::move(unit));
    Result<void> written = co_await std::move(writing);
    if (!written) full.store(true);
    co_return written;
}

Result<std::unique_ptr<base::Logger>> open_log(const service::Config& config) {
    base::LogOptions options;
    TRY(options.level, base::parse_log_level(config.get(settings::kLogLevel)));
    options.path = config.get(settings::kLogPath);
    return base::create_logger(options);
}

Error not_configured(std::string_view what, std::string_view help) {
    return Error::invalid_argument(std::string(what) + " is not configured: " + std::string(help));
}

Result<std::optional<crypto::SecretBuffer>> read_key(
    attest::SecretSource& secrets, const service::Reference& reference) {
    if (!reference.has_value()) return std::optional<crypto::SecretBuffer>();
    TRY(auto bytes, secrets.read_key_material(*reference));
    return std::optional<crypto::SecretBuffer>(std::move(bytes));
}

storage::Durability sign_durability(const service::Config& config) {
    return config.get(settings::kAuditDurability) == "relaxed" ? storage::Durability::Relaxed
                                                               : storage::Durability::Durable;
}

Result<attest::IdentityMode> decide_token_mode(
    const service::Config& config, const service::ConfigInputs& inputs, std::string_view why) {
    if (config.get(settings::kIdentityMode) == "development") {
        return service::decide_identity_mode(config, inputs);
    }
    if (!config.get(settings::kTlsCertificate) || !config.get(settings::kTlsKey)) {
        return Error::invalid_argument(
            std::string(why) +
            " over TLS only: set tls.certificate and tls.key. For a trial on this machine: "
            "--identity development");
    }
    return attest::IdentityMode::Strict;
}

namespace {

// How the listener identifies those who connect.
attest::IdentityMode trust_mode(
    const service::Config& config, attest::IdentityMode mode, Callers callers) {
    const bool authority = config.get(settings::kTlsClientCa).has_value() ||
                           config.get(settings::kIdentityIssuers).size() > 0;
    return callers == Callers::Certificates || authority ? mode : attest::IdentityMode::Development;
}

}  // namespace

ProductGround::ProductGround(
    const ServerInputs& its_inputs, attest::IdentityMode its_mode, Callers callers)
    : inputs(its_inputs),
      mode(its_mode),
      trust(inputs.config, trust_mode(inputs.config, mode, callers), inputs.secrets),
      runtime(
          static_cast<unsigned>(inputs.config.get(settings::kThreads)),
          static_cast<unsigned>(inputs.config.get(settings::kWorkerThreads))) {}

Result<void> ProductGround::open_log() {
    TRY(logger, apps::open_log(inputs.config));
    return {};
}

Result<void> ProductGround::open_attestation() {
    TRY(const auto platform, service::decide_platform(config(), mode));
    TRY(auto evidence, attest::open_evidence(platform, random));
    attest::AttestationClaims claims;
    claims.version = kVersion;
    claims.build_id = attest::running_build_id();
    claims.coordinator_root = inputs.secrets.coordinator_root();
    attestation = std::make_unique<attest::AttestationService>(
        loop(), std::move(evidence), std::move(claims));
    return {};
}

Result<void> ProductGround::open_rollback() {
    std::vector<std::unique_ptr<service::RollbackWitness>> witnesses;
    const std::string& file = config().get(settings::kRollbackWitnessFile);
    if (!file.empty()) witnesses.push_back(service::file_witness(file));
    const std::string& url = config().get(settings::kRollbackWitnessUrl);
    if (!url.empty()) {
        http::ClientOptions options;
        options.tls = trust.client_tls();
        peer_client = std::make_unique<http::Client>(loop(), options);
        const bool says_who = mode == attest::IdentityMode::Development;
        witnesses.push_back(service::peer_witness(
            *peer_client, url, says_who ? attestation->claims().service_id : std::string()));
    }
    service::RollbackGuard::Options options;
    options.period = config().get(settings::kRollbackPeriod);
    options.adopt = config().get(settings::kRollbackAdopt);
    options.lag = sign_durability(config()) == storage::Durability::Relaxed;
    rollback = std::make_unique<service::RollbackGuard>(*database, std::move(witnesses), options);
    return loop().run_until_done(rollback->check());
}

Result<void> ProductGround::open_storage() {
    TRY_VOID(open_attestation());
    TRY(instance, service::Instance::open(config().get(settings::kDataDir), random));
    const std::string& url = config().get(settings::kDatabaseUrl);
    TRY(database, storage::open_database(url, instance->directory(), loop(), *logger, &disk_full));
    TRY_VOID(loop().run_until_done(prepare_schema(*database, inputs.old_schema)));
    TRY(audit, loop().run_until_done(audit::AuditLog::open(*database, instance->id())));
    return {};
}

namespace {

// What listen() will add stands in the document too.
void document_own_routes(const ProductGround& ground, std::string& openapi) {
    using service::HostedRoutes;
    if (openapi.empty()) return;
    if (ground.attestation->has_service()) {
        openapi = service::document_hosted_routes(openapi, HostedRoutes::Attestation);
    }
    if (ground.config().get(settings::kRollbackServe)) {
        openapi = service::document_hosted_routes(openapi, HostedRoutes::Witness);
    }
}

}  // namespace

ProductHost::ProductHost(ProductGround& ground, Hooks hooks)
    : ground_(ground), hooks_(std::move(hooks)) {}

ProductHost::~ProductHost() {
    if (!end_) return;
    host_->request_stop();
    end_->wait();
}

Result<std::unique_ptr<ProductHost>> ProductHost::create(
    ProductGround& ground, const attest::IdentityResolver& identity, service::FrameOptions options,
    Hooks hooks) {
    const service::Config& config = ground.config();
    options.health.cache_time = config.get(settings::kHealthCacheTime);
    options.health.timeout = config.get(settings::kHealthTimeout);
    options.health.probe_database = [&ground, own = std::move(options.health.probe_database)] {
        return probe_storage(ground, own);
    };
    TRY(options.access_log, service::parse_access_log(config.get(settings::kLogAccess)));
    options.serve_metrics = config.get(settings::kMetricsEnabled);
    TRY_VOID(ground.open_rollback());
    options.enclave = !ground.attestation->simulated();
    options.info = [&ground, own = std::move(options.info)] {
        base::Json info = own ? own() : base::Json::object();
        info.set("attestation", ground.attestation->info());
        info.set("rollback", ground.rollback->info());
        return info;
    };
    document_own_routes(ground, options.openapi);
    std::unique_ptr<ProductHost> out(new ProductHost(ground, std::move(hooks)));
    out->frame_.emplace(
        std::move(options), identity, ground.loop(), ground.metrics, *ground.logger);
    return out;
}

// GET /attestation, unless the product has it among its own routes.
void ProductHost::add_attestation_route() {
    if (!ground_.attestation->has_service()) return;
    const auto routes = frame_->router().routes();
    const bool own = std::any_of(routes.begin(), routes.end(), [](const auto& route) {
        return route.pattern == "/attestation";
    });
    if (!own) service::add_attestation_route(*frame_, *ground_.attestation);
}

Result<void> ProductHost::listen(std::shared_ptr<const http::TlsContext> tls) {
    add_attestation_route();
    if (ground_.config().get(settings::kRollbackServe)) {
        service::add_witness_routes(*frame_, *ground_.database);
    }
    const service::Config& config = ground_.config();
    service::HostOptions hosting;
    hosting.server = service::server_options(config);
    hosting.server.tls = std::move(tls);
    ground_.attestation->set_tls_spki(ground_.trust.certificate_spki());
    hosting.operator_server = service::operator_server_options(config);
    hosting.drain_timeout = config.get(settings::kHttpDrainTimeout);
    hosting.load_tls = [this] { return reload(); };
    host_.emplace(ground_.runtime, *frame_, std::move(hosting));
    host_->on_drained([this] { return hooks_.stop(); });
    host_->on_drained([this] { return ground_.rollback->stop(); });
    return host_->start();
}

Result<std::shared_ptr<const http::TlsContext>> ProductHost::reload() {
    if (auto renewed = ground_.inputs.secrets.refresh(); !renewed) {
        // Accounts derive from the master key: whoever brings another one is not believed again.
        if (renewed.error().reason() == "activation_secret_changed") {
            ground_.logger->error(
                "stopping: an activation brought other secrets",
                {{"cause", renewed.error().message()}});
            host_->request_stop();
        }
        return std::move(renewed).error();
    }
    TRY(auto loaded, ground_.trust.load());
    ground_.attestation->set_tls_spki(ground_.trust.certificate_spki());
    if (ground_.peer_client) ground_.peer_client->reload_tls(ground_.trust.client_tls());
    if (hooks_.new_trust) hooks_.new_trust(std::move(loaded.identifier));
    return std::move(loaded.tls);
}

void ProductHost::begin() {
    ground_.loop().post([this] {
        hooks_.begin();
        ground_.rollback->start(ground_.loop(), [this](const Error& error) {
            ground_.logger->error(
                "stopping: the database was rolled back", {{"cause", error.message()}});
            host_->request_stop();
        });
        host_->set_running();
    });
}

Result<void> ProductHost::run() {
    begin();
    return host_->run_until_signal();
}

void ProductHost::run_beside() {
    begin();
    end_ = ended_.get_future();
    main_loop_thread_.emplace(1);
    main_loop_thread_->post([this] {
        host_->run_until_stopped();
        ended_.set_value();
    });
}

bool ProductHost::relaxed() const {
    return sign_durability(ground_.config()) == storage::Durability::Relaxed;
}

std::string ProductHost::database_text() const {
    const std::string& url = ground_.config().get(settings::kDatabaseUrl);
    return url.empty() ? std::string("sqlite, in the data directory") : storage::redact_url(url);
}

void ProductHost::log_warnings() const {
    base::Logger& logger = *ground_.logger;
    for (const std::string& warning : ground_.config().warnings()) logger.warning(warning);
    for (const std::string& problem : ground_.inputs.hardening.problems) {
        logger.warning("process hardening refused", {{"cause", problem}});
    }
    const crypto::SecretArenaStatus arena = crypto::SecretArena::status();
    if (!arena.all_locked) {
        logger.warning("secrets can be swapped to disk", {{"cause", arena.problem}});
    }
    if (ground_.attestation->simulated()) {
        logger.warning("SIMULATED PLATFORM: no hardware vouches for this program or its keys");
    }
    if (!ground_.rollback->guarded()) {
        logger.warning(
            "no rollback witness: an older database that somebody puts back is not noticed; set "
            "rollback.witness_file or rollback.witness_url");
    }
    if (relaxed()) {
        logger.warning(
            "audit.durability is relaxed: a crash can lose the records of the last signatures");
    }
}

}  // namespace adyton::apps
