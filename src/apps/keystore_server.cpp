#include "apps/keystore_server.h"

#include <future>
#include <optional>
#include <utility>

#include "apps/near_connection.h"
#include "apps/schema.h"
#include "apps/version.h"
#include "audit/audit_log.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "keystore/token_auth.h"
#include "service/frame.h"
#include "service/instance.h"
#include "service/metrics.h"
#include "service/settings.h"
#include "service/startup.h"
#include "storage/migrator.h"
#include "storage/open_database.h"

namespace adyton::apps {
namespace {

namespace settings = service::settings;

Error missing(std::string_view what, std::string_view help) {
    return Error::invalid_argument(std::string(what) + " is not configured: " + std::string(help));
}

// Callers are known by their tokens, so strict asks for TLS of the server; client certificates are
// demanded as well where an authority for them is configured.
Result<attest::IdentityMode> keystore_mode(
    const service::Config& config, const service::ConfigInputs& inputs) {
    if (config.get(settings::kIdentityMode) == "development") {
        return service::decide_identity_mode(config, inputs);
    }
    if (!config.get(settings::kTlsCertificate) || !config.get(settings::kTlsKey)) {
        return Error::invalid_argument(
            "a bearer token signs for every wallet, so it travels over TLS only: set "
            "tls.certificate and tls.key. For a trial on this machine: --identity development");
    }
    return attest::IdentityMode::Strict;
}

bool has_client_authority(const service::Config& config) {
    return config.get(settings::kTlsClientCa).has_value() ||
           config.get(settings::kIdentityIssuers).size() > 0;
}

Result<crypto::SecretBytes<keystore::KeyRing::kMasterBytes>> load_secret(
    const service::Config& config, attest::SecretSource& secrets) {
    const service::Reference& reference = config.get(settings::kKeystoreMasterSecret);
    if (!reference) {
        return missing(
            "the keystore's master secret",
            "set keystore.master_secret = {file = \"PATH\"} or the variable "
            "KEYSTORE_MASTER_SECRET");
    }
    TRY(const auto bytes, secrets.read_key_material(*reference));
    return keystore::master_secret(bytes);
}

Result<std::unique_ptr<keystore::TokenResolver>> load_tokens(
    const service::Config& config, attest::IdentityMode mode) {
    keystore::TokenHashes hashes;
    auto coordinators =
        keystore::parse_token_hashes(config.get(settings::kKeystoreCoordinatorTokens));
    if (!coordinators) {
        return std::move(coordinators)
            .error()
            .with_context(settings::kKeystoreCoordinatorTokens.name);
    }
    auto operators = keystore::parse_token_hashes(config.get(settings::kKeystoreOperatorTokens));
    if (!operators) {
        return std::move(operators).error().with_context(settings::kKeystoreOperatorTokens.name);
    }
    hashes.coordinators = *std::move(coordinators);
    hashes.operators = *std::move(operators);
    return keystore::TokenResolver::create(hashes, mode);
}

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
        co_return Error::conflict(check.message, "schema");
    }
    co_return Result<void>();
}

}  // namespace

Result<keystore::KeystoreOptions> keystore_options(
    const service::Config& config, attest::IdentityMode mode) {
    keystore::KeystoreOptions options;
    const std::string& without = config.get(settings::kKeystoreWithoutPolicy);
    const bool allow =
        without == "allow" || (without == "auto" && mode == attest::IdentityMode::Development);
    options.without_policy = allow ? keystore::WithoutPolicy::Allow : keystore::WithoutPolicy::Deny;
    options.network.chain = "near:" + config.get(settings::kNearNetwork);
    const auto contract = [&](service::Key<std::string> key) -> Result<near::AccountId> {
        auto id = near::AccountId::parse(config.get(key));
        if (!id) return std::move(id).error().with_context(key.name);
        return id;
    };
    TRY(options.network.intents, contract(settings::kNearIntentsContract));
    TRY(options.network.wrap, contract(settings::kNearWrapContract));
    options.sign_durability = config.get(settings::kAuditDurability) == "relaxed"
                                  ? storage::Durability::Relaxed
                                  : storage::Durability::Durable;
    options.transaction_validity_blocks =
        static_cast<std::uint64_t>(config.get(settings::kKeystoreValidityBlocks));
    options.settle_period = config.get(settings::kKeystoreSettlePeriod);
    options.checkpoint_period = config.get(settings::kAuditCheckpointPeriod);
    return options;
}

// Members are destroyed from the last to the first: the network before the service, the service
// before the database, the database before the threads that it uses.
struct KeystoreServer::Parts {
    Parts(const Inputs& its_inputs, attest::IdentityMode its_mode)
        : inputs(its_inputs),
          mode(its_mode),
          trust(
              inputs.config,
              has_client_authority(inputs.config) ? mode : attest::IdentityMode::Development,
              inputs.secrets),
          runtime(
              static_cast<unsigned>(inputs.config.get(settings::kThreads)),
              static_cast<unsigned>(inputs.config.get(settings::kWorkerThreads))) {}

    Result<void> open();
    Result<void> open_storage();
    Result<void> build_keystore(crypto::SecretBytes<keystore::KeyRing::kMasterBytes> secret);
    Result<void> build_host(std::shared_ptr<const http::TlsContext> tls);
    Task<void> stop();
    void begin();
    void log_start() const;

    const Inputs inputs;
    const attest::IdentityMode mode;
    crypto::SystemRandom random;
    std::unique_ptr<base::Logger> logger;
    service::TrustLoader trust;
    std::optional<service::Instance> instance;
    service::MetricsRegistry metrics;
    service::Runtime runtime;
    std::unique_ptr<NearConnection> near;  // null: no node is configured
    std::unique_ptr<storage::Database> database;
    std::unique_ptr<audit::AuditLog> audit;
    std::unique_ptr<keystore::KeystoreService> keystore;
    std::unique_ptr<keystore::TokenResolver> tokens;
    std::optional<service::ServiceFrame> frame;
    std::optional<service::ServiceHost> host;
    std::promise<void> ended;
    std::optional<std::future<void>> end;                 // set once run_beside() was called
    std::optional<base::WorkerThreads> main_loop_thread;  // of run_beside()
};

Result<void> KeystoreServer::Parts::open() {
    TRY(logger, open_log(inputs.config));
    TRY(auto secret, load_secret(inputs.config, inputs.secrets));
    TRY(tokens, load_tokens(inputs.config, mode));
    TRY(auto loaded, trust.load());
    TRY(instance, service::Instance::open(inputs.config.get(settings::kDataDir), random));
    TRY(near, NearConnection::open(inputs.config, runtime.main_loop(), *logger));
    TRY_VOID(open_storage());
    TRY_VOID(build_keystore(std::move(secret)));
    TRY_VOID(build_host(std::move(loaded.tls)));
    return {};
}

Result<void> KeystoreServer::Parts::open_storage() {
    base::EventLoop& loop = runtime.main_loop();
    TRY(database,
        storage::open_database(
            inputs.config.get(settings::kDatabaseUrl), instance->directory(), loop, *logger));
    TRY_VOID(loop.run_until_done(prepare_schema(*database, inputs.old_schema)));
    TRY(audit, loop.run_until_done(audit::AuditLog::open(*database, instance->id())));
    return {};
}

Result<void> KeystoreServer::Parts::build_keystore(
    crypto::SecretBytes<keystore::KeyRing::kMasterBytes> secret) {
    base::EventLoop& loop = runtime.main_loop();
    TRY(auto options, keystore_options(inputs.config, mode));
    keystore::KeystoreParts parts{
        *database, loop,    *logger,        *audit,
        random,    metrics, instance->id(), near == nullptr ? nullptr : &near->view()};
    TRY(keystore, loop.run_until_done(keystore::KeystoreService::create(
                      std::move(parts), std::move(secret), std::move(options))));
    return {};
}

Result<void> KeystoreServer::Parts::build_host(std::shared_ptr<const http::TlsContext> tls) {
    service::FrameOptions options;
    options.service_name = keystore::kServiceName;
    options.version = keystore::kServiceVersion;
    options.health.probe_database = [this] { return keystore->probe_database(); };
    options.health.check_secrets = [this] { return keystore->check_keys(); };
    options.health.cache_time = inputs.config.get(settings::kHealthCacheTime);
    options.health.timeout = inputs.config.get(settings::kHealthTimeout);
    options.healthy_text = "ok";
    TRY(options.access_log, service::parse_access_log(inputs.config.get(settings::kLogAccess)));
    options.renderer = &keystore::render_error;
    options.openapi = keystore::openapi_json();
    options.serve_metrics = inputs.config.get(settings::kMetricsEnabled);
    options.info = [this] { return keystore->info(); };
    frame.emplace(std::move(options), *tokens, runtime.main_loop(), metrics, *logger);
    keystore->register_routes(*frame);

    service::HostOptions hosting;
    hosting.server = service::server_options(inputs.config);
    hosting.server.tls = std::move(tls);
    hosting.operator_server = service::operator_server_options(inputs.config);
    hosting.drain_timeout = inputs.config.get(settings::kHttpDrainTimeout);
    hosting.load_tls = [this]() -> Result<std::shared_ptr<const http::TlsContext>> {
        TRY(auto loaded, trust.load());
        return std::move(loaded.tls);
    };
    host.emplace(runtime, *frame, std::move(hosting));
    host->on_drained([this] { return stop(); });
    return host->start();
}

// What belongs on the main loop, once that runs.
void KeystoreServer::Parts::begin() {
    runtime.main_loop().post([this] {
        if (near != nullptr) near->start();
        keystore->start();
        host->set_running();
    });
}

Task<void> KeystoreServer::Parts::stop() {
    auto stopping = keystore->stop();
    co_await std::move(stopping);
    if (near != nullptr) near->stop();
}

void KeystoreServer::Parts::log_start() const {
    for (const std::string& warning : inputs.config.warnings()) logger->warning(warning);
    for (const std::string& problem : inputs.hardening.problems) {
        logger->warning("process hardening refused", {{"cause", problem}});
    }
    const crypto::SecretArenaStatus arena = crypto::SecretArena::status();
    if (!arena.all_locked) {
        logger->warning("secrets can be swapped to disk", {{"cause", arena.problem}});
    }
    if (mode == attest::IdentityMode::Development) {
        logger->warning(
            "DEVELOPMENT: tokens travel in plain HTTP and wallets without a policy may sign; "
            "never use this where keys hold value");
    }
    if (near == nullptr) {
        logger->warning(
            "no NEAR node is configured: transactions cannot be signed and no reservation is given "
            "back; set near.rpc_urls");
    }
    const bool relaxed = inputs.config.get(settings::kAuditDurability) == "relaxed";
    if (relaxed) {
        logger->warning(
            "audit.durability is relaxed: a crash can lose the records of the last signatures");
    }
    const std::string& url = inputs.config.get(settings::kDatabaseUrl);
    logger->info(
        "serving", {{"service", keystore::kServiceName},
                    {"version", kVersion},
                    {"listen", host->bound_address()},
                    {"metrics", host->operator_address()},
                    {"identity_mode", attest::to_string(mode)},
                    {"audit_durability", relaxed ? "relaxed" : "durable"},
                    {"database", url.empty() ? std::string("sqlite, in the data directory")
                                             : storage::redact_url(url)},
                    {"instance", instance->id()},
                    {"secret_fingerprint", keystore->secret_fingerprint()}});
}

KeystoreServer::KeystoreServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

KeystoreServer::~KeystoreServer() {
    if (!parts_->end) return;
    parts_->host->request_stop();
    parts_->end->wait();
}

Result<std::unique_ptr<KeystoreServer>> KeystoreServer::create(const Inputs& inputs) {
    TRY(const auto mode, keystore_mode(inputs.config, inputs.environment));
    auto parts = std::make_unique<Parts>(inputs, mode);
    TRY_VOID(parts->open());
    return std::unique_ptr<KeystoreServer>(new KeystoreServer(std::move(parts)));
}

Result<void> KeystoreServer::run() {
    parts_->log_start();
    parts_->begin();
    return parts_->host->run_until_signal();
}

void KeystoreServer::run_beside() {
    parts_->log_start();
    parts_->begin();
    parts_->end = parts_->ended.get_future();
    parts_->main_loop_thread.emplace(1);
    parts_->main_loop_thread->post([parts = parts_.get()] {
        parts->host->run_until_stopped();
        parts->ended.set_value();
    });
}

std::string KeystoreServer::address() const {
    return parts_->host->bound_address();
}
std::string KeystoreServer::metrics_address() const {
    return parts_->host->operator_address();
}
std::string KeystoreServer::secret_fingerprint() const {
    return parts_->keystore->secret_fingerprint();
}

}  // namespace adyton::apps
