#include "apps/pool_server.h"

#include <optional>
#include <utility>
#include <vector>

#include "apps/neo_connection.h"
#include "apps/schema.h"
#include "apps/version.h"
#include "audit/audit_log.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "neo/address.h"
#include "policy/rule.h"
#include "pool/master_key.h"
#include "pool/pool_service.h"
#include "service/frame.h"
#include "service/host.h"
#include "service/instance.h"
#include "service/metrics.h"
#include "service/settings.h"
#include "service/startup.h"
#include "storage/migrator.h"
#include "storage/open_database.h"

namespace adyton::apps {
namespace {

namespace settings = service::settings;

Error missing(std::string_view what, const std::string& help) {
    return Error::invalid_argument(std::string(what) + " is not configured: " + help);
}

Result<std::optional<crypto::SecretBuffer>> read_key(
    attest::SecretSource& secrets, const service::Reference& reference) {
    if (!reference.has_value()) return std::optional<crypto::SecretBuffer>();
    TRY(auto bytes, secrets.read_key_material(*reference));
    return std::optional<crypto::SecretBuffer>(std::move(bytes));
}

Result<pool::PoolOptions> pool_options(const service::Config& config) {
    pool::PoolOptions options;
    options.accounts_min = config.get(settings::kPoolMinAccounts);
    options.accounts_max = config.get(settings::kPoolMaxAccounts);
    options.batch_sign_max = static_cast<std::size_t>(config.get(settings::kPoolBatchSignMax));
    options.lock_ttl_default = config.get(settings::kPoolLockTtlDefault);
    options.lock_ttl_max = config.get(settings::kPoolLockTtlMax);
    options.self_check =
        config.get(settings::kSigningSelfCheck) ? crypto::SelfCheck::On : crypto::SelfCheck::Off;
    options.sign_durability = config.get(settings::kAuditDurability) == "relaxed"
                                  ? storage::Durability::Relaxed
                                  : storage::Durability::Durable;
    options.rotation_rate_per_day = config.get(settings::kPoolRotationRate);
    options.rotation_min_age = config.get(settings::kPoolRotationMinAge);
    options.rotation_gas_max = config.get(settings::kPoolRotationGasMax);
    options.delete_retiring = config.get(settings::kPoolDeleteRetiring);
    options.rotate_period = config.get(settings::kPoolRotatePeriod);
    options.retire_period = config.get(settings::kPoolRetirePeriod);
    options.stale_lock_period = config.get(settings::kPoolStaleLockPeriod);
    options.top_up_period = config.get(settings::kPoolTopUpPeriod);
    options.reconcile_period = config.get(settings::kPoolReconcilePeriod);
    options.checkpoint_period = config.get(settings::kAuditCheckpointPeriod);
    options.reconcile.rows = config.get(settings::kPoolReconcileRows);
    options.reconcile.mode = config.get(settings::kPoolReconcileMode) == "adopt"
                                 ? pool::ReconcileOptions::Mode::Adopt
                                 : pool::ReconcileOptions::Mode::Flag;
    const std::string& sweep_to = config.get(settings::kPoolRetireSweepTo);
    if (!sweep_to.empty()) {
        auto address = neo::Address::parse(sweep_to);
        if (!address) return std::move(address).error().with_context("pool.retire.sweep_to");
        options.reconcile.sweep_to = address->script_hash();
    }
    if (const auto magic = config.get(settings::kNeoNetwork); magic != 0) {
        options.network = neo::NetworkMagic{static_cast<std::uint32_t>(magic)};
    }
    options.sign_fees_max = config.get(settings::kNeoSignFeesMax);
    return options;
}

Result<policy::RuleSet> load_rules(const service::Config& config, attest::IdentityMode mode) {
    const std::string& file = config.get(settings::kPolicyFile);
    if (!file.empty()) {
        const attest::SecretSource source;
        TRY(const std::string text,
            source.read_public_text({attest::SecretReference::Kind::File, file}));
        TRY(const auto json, service::parse_toml(text, file));
        auto rules = policy::RuleSet::parse(json);
        if (!rules) return std::move(rules).error().with_context(file);
        return rules;
    }
    const base::Json& section = config.get(settings::kPolicyRules);
    if (section.size() > 0) {
        auto rules = policy::RuleSet::parse(section);
        if (!rules) return std::move(rules).error().with_context("policy.rules");
        return rules;
    }
    return mode == attest::IdentityMode::Strict ? policy::RuleSet::deny_all()
                                                : policy::RuleSet::allow_all();
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

Result<pool::PoolKeys> load_pool_keys(
    const service::Config& config, attest::SecretSource& secrets) {
    pool::MasterKeySources sources;
    TRY(sources.master_key, read_key(secrets, config.get(settings::kPoolMasterKey)));
    TRY(sources.seed, read_key(secrets, config.get(settings::kPoolMasterSeed)));
    sources.pinned_hash = config.get(settings::kPoolMasterKeyHash);
    if (!sources.master_key.has_value() && !sources.seed.has_value()) {
        return missing(
            "the pool's master key",
            "set pool.master_key = {file = \"PATH\"} or the variable POOL_MASTER_KEY");
    }
    TRY(auto master, pool::load_master_key(std::move(sources)));
    pool::PoolKeys keys{
        std::move(master), std::nullopt, config.get(settings::kPoolMasterAttestationHash)};
    TRY(const auto encryption, read_key(secrets, config.get(settings::kPoolEncryptionKey)));
    if (encryption.has_value()) {
        if (encryption->size() != crypto::AesKey::kSize) {
            return Error::invalid_argument("pool.encryption_key must be 32 bytes");
        }
        keys.encryption_key.emplace();
        std::copy(
            encryption->expose().begin(), encryption->expose().end(),
            keys.encryption_key->expose_mutable().begin());
    }
    return keys;
}

Result<std::unique_ptr<base::Logger>> open_log(const service::Config& config) {
    base::LogOptions options;
    TRY(options.level, base::parse_log_level(config.get(settings::kLogLevel)));
    options.path = config.get(settings::kLogPath);
    return base::create_logger(options);
}

// Members are destroyed from the last to the first: the network before the service, the service
// before the database, the database before the threads that it uses.
struct PoolServer::Parts {
    Parts(const Inputs& its_inputs, attest::IdentityMode its_mode)
        : inputs(its_inputs),
          mode(its_mode),
          trust(inputs.config, mode, inputs.secrets),
          runtime(
              static_cast<unsigned>(inputs.config.get(settings::kThreads)),
              static_cast<unsigned>(inputs.config.get(settings::kWorkerThreads))) {}

    Result<void> open();
    Result<void> open_storage();
    Result<void> build_pool(pool::PoolKeys keys);
    Result<void> build_host(service::TrustLoader::Trust loaded);
    Result<std::shared_ptr<const http::TlsContext>> reload();
    void log_start() const;

    const Inputs inputs;
    const attest::IdentityMode mode;
    crypto::SystemRandom random;
    std::unique_ptr<base::Logger> logger;
    service::TrustLoader trust;
    std::optional<service::Instance> instance;
    service::MetricsRegistry metrics;
    service::Runtime runtime;
    std::unique_ptr<storage::Database> database;
    std::unique_ptr<audit::AuditLog> audit;
    std::optional<policy::Policy> policy;
    std::unique_ptr<NeoConnection> neo;  // null: no node is configured
    std::unique_ptr<pool::PoolService> pool;
    std::unique_ptr<attest::IdentityResolver> identity;
    std::optional<service::ServiceFrame> frame;
    std::optional<service::ServiceHost> host;
};

Result<void> PoolServer::Parts::open() {
    TRY(logger, open_log(inputs.config));
    TRY(auto keys, load_pool_keys(inputs.config, inputs.secrets));
    TRY(auto rules, load_rules(inputs.config, mode));
    policy.emplace(std::move(rules));
    TRY(auto loaded, trust.load());
    TRY(instance, service::Instance::open(inputs.config.get(settings::kDataDir), random));
    TRY_VOID(open_storage());
    TRY(neo, NeoConnection::open(inputs.config, runtime.main_loop(), *logger));
    TRY_VOID(build_pool(std::move(keys)));
    TRY_VOID(build_host(std::move(loaded)));
    return {};
}

Result<void> PoolServer::Parts::open_storage() {
    base::EventLoop& loop = runtime.main_loop();
    TRY(database,
        storage::open_database(
            inputs.config.get(settings::kDatabaseUrl), instance->directory(), loop, *logger));
    TRY_VOID(loop.run_until_done(prepare_schema(*database, inputs.old_schema)));
    TRY(audit, loop.run_until_done(audit::AuditLog::open(*database, instance->id())));
    return {};
}

Result<void> PoolServer::Parts::build_pool(pool::PoolKeys keys) {
    base::EventLoop& loop = runtime.main_loop();
    pool::PoolParts parts{*database, loop,           *logger,
                          *audit,    *policy,        random,
                          metrics,   instance->id(), inputs.config.get(settings::kIdempotencyKeep)};
    if (neo != nullptr) parts.neo = &neo->client();
    TRY(auto options, pool_options(inputs.config));
    TRY(pool, loop.run_until_done(pool::PoolService::create(
                  std::move(parts), std::move(keys), std::move(options))));
    return {};
}

Result<void> PoolServer::Parts::build_host(service::TrustLoader::Trust loaded) {
    identity = attest::create_identity_resolver(std::move(loaded.identifier));
    service::FrameOptions options;
    options.service_name = pool::kServiceName;
    options.version = pool::kServiceVersion;
    options.health.probe_database = [this] { return pool->probe_database(); };
    options.health.check_secrets = [this] { return pool->check_keys(); };
    options.health.cache_time = inputs.config.get(settings::kHealthCacheTime);
    options.health.timeout = inputs.config.get(settings::kHealthTimeout);
    TRY(options.access_log, service::parse_access_log(inputs.config.get(settings::kLogAccess)));
    options.openapi = pool::openapi_json();
    options.serve_metrics = inputs.config.get(settings::kMetricsEnabled);
    options.info = [this] {
        base::Json info = pool->info();
        if (neo != nullptr) info.set("neo", neo->info());
        return info;
    };
    frame.emplace(std::move(options), *identity, runtime.main_loop(), metrics, *logger);
    pool->register_routes(*frame);

    service::HostOptions hosting;
    hosting.server = service::server_options(inputs.config);
    hosting.server.tls = std::move(loaded.tls);
    hosting.operator_server = service::operator_server_options(inputs.config);
    hosting.drain_timeout = inputs.config.get(settings::kHttpDrainTimeout);
    hosting.load_tls = [this] { return reload(); };
    host.emplace(runtime, *frame, std::move(hosting));
    host->on_drained([this] {
        if (neo != nullptr) neo->stop();
        return pool->stop();
    });
    return host->start();
}

Result<std::shared_ptr<const http::TlsContext>> PoolServer::Parts::reload() {
    TRY(auto loaded, trust.load());
    identity->reload(std::move(loaded.identifier));
    return std::move(loaded.tls);
}

void PoolServer::Parts::log_start() const {
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
            "DEVELOPMENT IDENTITY: every local program may claim to be any service; never use this "
            "where keys hold value");
    }
    if (policy->rules().rules.empty() && policy->rules().default_effect == policy::Effect::Deny) {
        logger->warning(
            "no policy is configured: every call of every service is refused; set policy.file");
    }
    const std::string& url = inputs.config.get(settings::kDatabaseUrl);
    const bool relaxed = inputs.config.get(settings::kAuditDurability) == "relaxed";
    if (relaxed) {
        logger->warning(
            "audit.durability is relaxed: a crash can lose the records of the last signatures");
    }
    logger->info(
        "serving", {{"service", pool::kServiceName},
                    {"version", kVersion},
                    {"listen", host->bound_address()},
                    {"metrics", host->operator_address()},
                    {"identity_mode", attest::to_string(mode)},
                    {"audit_durability", relaxed ? "relaxed" : "durable"},
                    {"database", url.empty() ? std::string("sqlite, in the data directory")
                                             : storage::redact_url(url)},
                    {"neo_nodes", neo != nullptr ? neo->client().endpoints().size() : 0},
                    {"instance", instance->id()},
                    {"policy_digest", policy->digest()},
                    {"master_key_hash", pool->master_key_hash()}});
}

PoolServer::PoolServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
PoolServer::~PoolServer() = default;

Result<std::unique_ptr<PoolServer>> PoolServer::create(const Inputs& inputs) {
    TRY(const auto mode, service::decide_identity_mode(inputs.config, inputs.environment));
    auto parts = std::make_unique<Parts>(inputs, mode);
    TRY_VOID(parts->open());
    return std::unique_ptr<PoolServer>(new PoolServer(std::move(parts)));
}

Result<void> PoolServer::run() {
    parts_->log_start();
    Parts* const parts = parts_.get();
    parts->runtime.main_loop().post([parts] {
        if (parts->neo != nullptr) parts->neo->start();
        parts->pool->start();
        parts->host->set_running();
    });
    return parts_->host->run_until_signal();
}

std::string PoolServer::address() const {
    return parts_->host->bound_address();
}
std::string PoolServer::metrics_address() const {
    return parts_->host->operator_address();
}
attest::IdentityMode PoolServer::identity_mode() const {
    return parts_->mode;
}
const std::string& PoolServer::master_key_hash() const {
    return parts_->pool->master_key_hash();
}

}  // namespace adyton::apps
