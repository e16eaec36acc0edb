#include "apps/keystore_server.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "apps/key_release_desk.h"
#include "apps/near_connection.h"
#include "crypto/secret.h"
#include "keystore/token_auth.h"
#include "service/frame.h"
#include "service/hosted_openapi.h"
#include "service/settings.h"
#include "service/startup.h"

namespace adyton::apps {
namespace {

namespace settings = service::settings;

Result<crypto::SecretBytes<keystore::KeyRing::kMasterBytes>> load_secret(
    const service::Config& config, attest::SecretSource& secrets) {
    TRY(const auto bytes, read_key(secrets, config.get(settings::kKeystoreMasterSecret)));
    if (!bytes) {
        return not_configured(
            "the keystore's master secret",
            "set keystore.master_secret = {file = \"PATH\"} or the variable "
            "KEYSTORE_MASTER_SECRET");
    }
    return keystore::master_secret(*bytes);
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
    options.sign_durability = sign_durability(config);
    options.transaction_validity_blocks =
        static_cast<std::uint64_t>(config.get(settings::kKeystoreValidityBlocks));
    options.self_check =
        config.get(settings::kKeystoreSelfCheck) ? crypto::SelfCheck::On : crypto::SelfCheck::Off;
    options.delegates_use = config.get(settings::kKeystoreDelegatesUse) == "native"
                                ? keystore::DelegatesUse::NativeOnly
                                : keystore::DelegatesUse::Anywhere;
    // Never forgotten before their idempotent answers may be.
    options.signatures_keep = std::max(
        config.get(settings::kKeystoreKeepSignatures), config.get(settings::kIdempotencyKeep));
    options.settle_period = config.get(settings::kKeystoreSettlePeriod);
    options.prune_period = config.get(settings::kKeystorePrunePeriod);
    options.checkpoint_period = config.get(settings::kAuditCheckpointPeriod);
    return options;
}

// Members are destroyed from the last to the first.
struct KeystoreServer::Parts {
    Parts(const Inputs& inputs, attest::IdentityMode mode)
        : ground(inputs, mode, Callers::Tokens) {}

    Result<void> open();
    Result<void> build_keystore(crypto::SecretBytes<keystore::KeyRing::kMasterBytes> secret);
    Result<void> build_host(std::shared_ptr<const http::TlsContext> tls);
    Task<void> stop();
    void log_start() const;

    ProductGround ground;
    std::unique_ptr<NearConnection> near;  // null: no node is configured
    std::unique_ptr<keystore::KeystoreService> keystore;
    std::unique_ptr<keystore::TokenResolver> tokens;
    std::unique_ptr<KeyReleaseDesk> releases;  // null: nothing is granted
    std::unique_ptr<ProductHost> host;
};

Result<void> KeystoreServer::Parts::open() {
    TRY_VOID(ground.open_log());
    TRY(auto secret, load_secret(ground.config(), ground.inputs.secrets));
    TRY(tokens, load_tokens(ground.config(), ground.mode));
    TRY(auto loaded, ground.trust.load());
    TRY_VOID(ground.open_storage());
    TRY(near, NearConnection::open(ground.config(), ground.loop(), *ground.logger));
    TRY_VOID(build_keystore(std::move(secret)));
    TRY(releases, KeyReleaseDesk::open(ground));
    return build_host(std::move(loaded.tls));
}

Result<void> KeystoreServer::Parts::build_keystore(
    crypto::SecretBytes<keystore::KeyRing::kMasterBytes> secret) {
    TRY(auto options, keystore_options(ground.config(), ground.mode));
    keystore::KeystoreParts parts{*ground.database,      ground.loop(),
                                  *ground.logger,        *ground.audit,
                                  ground.random,         ground.metrics,
                                  ground.instance->id(), near == nullptr ? nullptr : &near->view()};
    TRY(keystore, ground.loop().run_until_done(keystore::KeystoreService::create(
                      std::move(parts), std::move(secret), std::move(options))));
    // The keystore has no public key that stands for all wallets; what it signs as itself are the
    // checkpoints of its audit log.
    const auto audit_key = keystore->checkpoint_key().bytes;
    ground.attestation->set_service("keystore");
    ground.attestation->set_key(
        "keystore-audit", base::Bytes(audit_key.begin(), audit_key.end()), "ed25519");
    ground.attestation->add_signing_key("audit-ed25519", keystore->checkpoint_key().to_hex());
    return {};
}

Result<void> KeystoreServer::Parts::build_host(std::shared_ptr<const http::TlsContext> tls) {
    service::FrameOptions options;
    options.service_name = keystore::kServiceName;
    options.version = keystore::kServiceVersion;
    options.health.probe_database = [this] { return keystore->probe_database(); };
    options.health.check_secrets = [this] { return keystore->check_keys(); };
    options.healthy_text = "ok";
    options.renderer = &keystore::render_error;
    options.openapi = keystore::openapi_json();
    if (releases != nullptr) {
        options.openapi =
            service::document_hosted_routes(options.openapi, service::HostedRoutes::Release);
    }
    options.info = [this] { return keystore->info(); };
    ProductHost::Hooks hooks;
    hooks.begin = [this] {
        if (near != nullptr) near->start();
        keystore->start();
    };
    hooks.stop = [this] { return stop(); };
    TRY(host, ProductHost::create(ground, *tokens, std::move(options), std::move(hooks)));
    keystore->register_routes(host->frame());
    if (releases != nullptr) releases->register_routes(host->frame());
    return host->listen(std::move(tls));
}

Task<void> KeystoreServer::Parts::stop() {
    auto stopping = keystore->stop();
    co_await std::move(stopping);
    if (near != nullptr) near->stop();
}

void KeystoreServer::Parts::log_start() const {
    host->log_warnings();
    if (ground.mode == attest::IdentityMode::Development) {
        ground.logger->warning(
            "DEVELOPMENT: tokens travel in plain HTTP and wallets without a policy may sign; "
            "never use this where keys hold value");
    }
    if (near == nullptr) {
        ground.logger->warning(
            "no NEAR node is configured: transactions cannot be signed and no reservation is given "
            "back; set near.rpc_urls");
    }
    host->log_serving(
        keystore::kServiceName,
        base::LogField("secret_fingerprint", keystore->secret_fingerprint()));
}

KeystoreServer::KeystoreServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
KeystoreServer::~KeystoreServer() = default;

Result<std::unique_ptr<KeystoreServer>> KeystoreServer::create(const Inputs& inputs) {
    TRY(const auto mode, decide_token_mode(
                             inputs.config, inputs.environment,
                             "a bearer token signs for every wallet, so it travels"));
    auto parts = std::make_unique<Parts>(inputs, mode);
    TRY_VOID(parts->open());
    return std::unique_ptr<KeystoreServer>(new KeystoreServer(std::move(parts)));
}

Result<void> KeystoreServer::run() {
    parts_->log_start();
    return parts_->host->run();
}

void KeystoreServer::run_beside() {
    parts_->log_start();
    parts_->host->run_beside();
}

std::string KeystoreServer::address() const {
    return parts_->host->address();
}
std::string KeystoreServer::metrics_address() const {
    return parts_->host->metrics_address();
}
const service::MetricsRegistry& KeystoreServer::metrics() const {
    return parts_->ground.metrics;
}
std::string KeystoreServer::secret_fingerprint() const {
    return parts_->keystore->secret_fingerprint();
}

}  // namespace adyton::apps
