#include "apps/pool_server.h"

#include <optional>
#include <utility>
#include <vector>

#include "apps/neo_connection.h"
#include "crypto/secret.h"
#include "neo/address.h"
#include "policy/rule.h"
#include "pool/master_key.h"
#include "pool/pool_service.h"
#include "service/frame.h"
#include "service/settings.h"
#include "service/startup.h"

namespace adyton::apps {
namespace {

namespace settings = service::settings;

Result<pool::TransferOptions> transfer_options(const service::Config& config) {
    pool::TransferOptions options;
    options.system_fee_max = config.get(settings::kTransfersSystemFeeMax);
    options.unfinished_per_account_max = config.get(settings::kTransfersUnfinishedMax);
    options.validity = config.get(settings::kTransfersValidity);
    options.broadcast_wait = config.get(settings::kTransfersBroadcastWait);
    options.resend_blocks =
        static_cast<std::uint32_t>(config.get(settings::kTransfersResendBlocks));
    options.poll_min = config.get(settings::kTransfersPollMin);
    options.poll_max = config.get(settings::kTransfersPollMax);
    options.lease = config.get(settings::kTransfersLease);
    options.runs_keep = config.get(settings::kTransfersKeepRuns);
    auto tokens = pool::parse_configured_tokens(config.get(settings::kNeoTokens));
    if (!tokens) return std::move(tokens).error().with_context(settings::kNeoTokens.name);
    options.tokens = *std::move(tokens);
    return options;
}

}  // namespace

Result<pool::PoolOptions> pool_options(const service::Config& config) {
    pool::PoolOptions options;
    options.accounts_min = config.get(settings::kPoolMinAccounts);
    options.accounts_max = config.get(settings::kPoolMaxAccounts);
    options.batch_sign_max = static_cast<std::size_t>(config.get(settings::kPoolBatchSignMax));
    options.lock_ttl_default = config.get(settings::kPoolLockTtlDefault);
    options.lock_ttl_max = config.get(settings::kPoolLockTtlMax);
    options.self_check =
        config.get(settings::kSigningSelfCheck) ? crypto::SelfCheck::On : crypto::SelfCheck::Off;
    options.sign_durability = sign_durability(config);
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
    TRY(options.transfers, transfer_options(config));
    return options;
}

namespace {

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

}  // namespace

Result<pool::PoolKeys> load_pool_keys(
    const service::Config& config, attest::SecretSource& secrets) {
    pool::MasterKeySources sources;
    TRY(sources.master_key, read_key(secrets, config.get(settings::kPoolMasterKey)));
    TRY(sources.seed, read_key(secrets, config.get(settings::kPoolMasterSeed)));
    sources.pinned_hash = config.get(settings::kPoolMasterKeyHash);
    if (!sources.master_key.has_value() && !sources.seed.has_value()) {
        return not_configured(
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

// Members are destroyed from the last to the first.
struct PoolServer::Parts {
    Parts(const Inputs& inputs, attest::IdentityMode mode)
        : ground(inputs, mode, Callers::Certificates) {}

    Result<void> open();
    Result<void> build_pool(pool::PoolKeys keys);
    Result<void> build_host(service::TrustLoader::Trust loaded);
    Task<void> stop();
    void log_start() const;

    ProductGround ground;
    std::optional<policy::Policy> policy;
    std::unique_ptr<NeoConnection> neo;  // null: no node is configured
    std::unique_ptr<pool::PoolService> pool;
    std::unique_ptr<attest::IdentityResolver> identity;
    std::unique_ptr<ProductHost> host;
};

Result<void> PoolServer::Parts::open() {
    TRY_VOID(ground.open_log());
    TRY(auto keys, load_pool_keys(ground.config(), ground.inputs.secrets));
    TRY(auto rules, load_rules(ground.config(), ground.mode));
    policy.emplace(std::move(rules));
    TRY(auto loaded, ground.trust.load());
    TRY_VOID(ground.open_storage());
    TRY(neo, NeoConnection::open(ground.config(), ground.loop(), *ground.logger));
    TRY_VOID(build_pool(std::move(keys)));
    return build_host(std::move(loaded));
}

Result<void> PoolServer::Parts::build_pool(pool::PoolKeys keys) {
    pool::PoolParts parts{
        *ground.database,
        ground.loop(),
        *ground.logger,
        *ground.audit,
        *policy,
        ground.random,
        ground.metrics,
        ground.instance->id(),
        ground.config().get(settings::kIdempotencyKeep)};
    if (neo != nullptr) parts.neo = &neo->client();
    parts.attestation = ground.attestation.get();
    TRY(auto options, pool_options(ground.config()));
    TRY(pool, ground.loop().run_until_done(pool::PoolService::create(
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
    options.openapi = pool::openapi_json();
    options.info = [this] {
        base::Json info = pool->info();
        if (neo != nullptr) info.set("neo", neo->info());
        return info;
    };
    ProductHost::Hooks hooks;
    hooks.begin = [this] {
        if (neo != nullptr) neo->start();
        pool->start();
    };
    hooks.stop = [this] { return stop(); };
    hooks.new_trust = [this](attest::CertificateIdentifier identifier) {
        identity->reload(std::move(identifier));
    };
    TRY(host, ProductHost::create(ground, *identity, std::move(options), std::move(hooks)));
    pool->register_routes(host->frame());
    return host->listen(std::move(loaded.tls));
}

Task<void> PoolServer::Parts::stop() {
    if (neo != nullptr) neo->stop();
    return pool->stop();
}

void PoolServer::Parts::log_start() const {
    host->log_warnings();
    if (ground.mode == attest::IdentityMode::Development) {
        ground.logger->warning(
            "DEVELOPMENT IDENTITY: every local program may claim to be any service; never use this "
            "where keys hold value");
    }
    if (policy->rules().rules.empty() && policy->rules().default_effect == policy::Effect::Deny) {
        ground.logger->warning(
            "no policy is configured: every call of every service is refused; set policy.file");
    }
    host->log_serving(
        pool::kServiceName,
        base::LogField("neo_nodes", neo != nullptr ? neo->client().endpoints().size() : 0),
        base::LogField("policy_digest", policy->digest()),
        base::LogField("master_key_hash", pool->master_key_hash()));
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
    return parts_->host->run();
}

std::string PoolServer::address() const {
    return parts_->host->address();
}
std::string PoolServer::metrics_address() const {
    return parts_->host->metrics_address();
}
service::MetricsRegistry& PoolServer::metrics() {
    return parts_->ground.metrics;
}
attest::IdentityMode PoolServer::identity_mode() const {
    return parts_->ground.mode;
}
const std::string& PoolServer::master_key_hash() const {
    return parts_->pool->master_key_hash();
}

}  // namespace adyton::apps
