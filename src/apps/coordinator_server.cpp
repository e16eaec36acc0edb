#include "apps/coordinator_server.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "apps/near_connection.h"
#include "apps/token_connection.h"
#include "apps/webhook_connection.h"
#include "coordinator/wallet_auth.h"
#include "http/client.h"
#include "http/tls.h"
#include "http/url.h"
#include "near/keys.h"
#include "service/settings.h"
#include "service/startup.h"

namespace adyton::apps {
namespace {

namespace settings = service::settings;
using base::Json;

Result<std::optional<crypto::SecretBuffer>> read_text_secret(
    attest::SecretSource& secrets, const service::Reference& reference) {
    if (!reference) return std::optional<crypto::SecretBuffer>();
    TRY(auto text, read_line_secret(secrets, *reference));
    return std::optional<crypto::SecretBuffer>(std::move(text));
}

Result<crypto::SecretBuffer> need_text_secret(
    attest::SecretSource& secrets, const service::Reference& reference, std::string_view name) {
    TRY(auto text, read_text_secret(secrets, reference));
    if (!text) return not_configured(name, "set the variable of that name, or its setting");
    return *std::move(text);
}

Result<near::AccountId> account_of(
    const service::Config& config, service::Key<std::string> key, std::string_view variable) {
    if (config.get(key).empty()) {
        return not_configured(variable, "set the variable of that name, or its setting");
    }
    auto id = near::AccountId::parse(config.get(key));
    if (!id) return std::move(id).error().with_context(variable);
    return id;
}

// One key, or several separated by commas. The message never repeats any of it.
Result<std::vector<crypto::Ed25519KeyPair>> parse_keys(
    const crypto::SecretBuffer& text, std::string_view variable) {
    std::vector<crypto::Ed25519KeyPair> out;
    base::ByteView rest = text.expose();
    for (;;) {
        const auto comma = std::find(rest.begin(), rest.end(), std::uint8_t{','});
        const auto length = static_cast<std::size_t>(comma - rest.begin());
        auto key = near::parse_secret_key(rest.first(length));
        if (!key) return std::move(key).error().with_context(variable);
        out.push_back(*std::move(key));
        if (comma == rest.end()) return out;
        rest = rest.subspan(length + 1);
    }
}

Result<coordinator::CoordinatorKeys> load_keys(
    const service::Config& config, attest::SecretSource& secrets) {
    TRY(auto relayer, account_of(config, settings::kCoordinatorRelayer, "RELAYER_ACCOUNT_ID"));
    TRY(auto approver, account_of(config, settings::kCoordinatorApprover, "APPROVER_ACCOUNT_ID"));
    TRY(const auto relayer_text,
        need_text_secret(
            secrets, config.get(settings::kCoordinatorRelayerKey), "RELAYER_SECRET_KEY"));
    TRY(const auto approver_text,
        need_text_secret(
            secrets, config.get(settings::kCoordinatorApproverKey), "APPROVER_SECRET_KEY"));
    TRY(auto relayer_keys, parse_keys(relayer_text, "RELAYER_SECRET_KEY"));
    auto approver_key = near::parse_secret_key(approver_text.expose());
    if (!approver_key) return std::move(approver_key).error().with_context("APPROVER_SECRET_KEY");
    return coordinator::CoordinatorKeys{
        std::move(relayer), std::move(relayer_keys), std::move(approver), *std::move(approver_key)};
}

Result<std::unique_ptr<coordinator::WalletAuth>> load_auth(
    const service::Config& config, attest::SecretSource& secrets, attest::IdentityMode mode) {
    TRY(const auto token,
        read_text_secret(secrets, config.get(settings::kCoordinatorInternalToken)));
    TRY(const auto keys_text, read_text_secret(secrets, config.get(settings::kCoordinatorApiKeys)));
    std::vector<coordinator::WalletApiKey> keys;
    if (keys_text) {
        TRY(keys, coordinator::parse_wallet_api_keys(keys_text->expose()));
    }
    return coordinator::WalletAuth::create(token ? &*token : nullptr, std::move(keys), mode);
}

Result<std::vector<near::AccountId>> gates_of(const service::Config& config) {
    std::vector<near::AccountId> out;
    const service::TextList& names = config.get(settings::kCoordinatorGates);
    for (const std::string& name : names) {
        auto id = near::AccountId::parse(name);
        if (!id) return std::move(id).error().with_context("SEQUENTIAL_GATE_ID");
        out.push_back(*std::move(id));
    }
    return out;
}

Result<near::YoctoNear> yocto_of(
    const service::Config& config, service::Key<std::string> key, std::string_view name) {
    auto amount = near::YoctoNear::parse(config.get(key));
    if (!amount) return std::move(amount).error().with_context(std::string(name));
    return *amount;
}

void set_switches(const service::Config& config, coordinator::CoordinatorOptions& out) {
    out.allow_gate_deposits = config.get(settings::kCoordinatorGateDeposits);
    out.allow_authority_intents = config.get(settings::kCoordinatorAuthorityIntents);
    out.enable_funding_lane = config.get(settings::kCoordinatorFundingLane);
    out.enable_direct_user_lane = config.get(settings::kCoordinatorDirectUserLane);
    out.simulate_intents = config.get(settings::kCoordinatorSimulate);
}

}  // namespace

Result<std::vector<coordinator::DirectUserScope>> parse_user_scopes(const std::string& text) {
    const Error bad = Error::invalid_argument(
        "DIRECT_USER_SCOPES_JSON is no JSON list of {user_id, registry_id, receiver_id, "
        "method_names}");
    const auto json = Json::parse(text);
    if (!json || !json->is_array() || json->size() == 0) return bad;
    std::vector<coordinator::DirectUserScope> out;
    for (const Json& item : json->items()) {
        if (!item.is_object() || item.size() != 4) return bad;
        coordinator::DirectUserScope scope;
        for (const auto& [name, member] :
             {std::pair{"user_id", &coordinator::DirectUserScope::user_id},
              std::pair{"registry_id", &coordinator::DirectUserScope::registry_id},
              std::pair{"receiver_id", &coordinator::DirectUserScope::receiver_id}}) {
            const Json* const found = item.find(name);
            if (found == nullptr || !found->is_string()) return bad;
            scope.*member = found->string_value();
        }
        const Json* const names = item.find("method_names");
        if (names == nullptr || !names->is_array() || names->size() == 0) return bad;
        for (const Json& name : names->items()) {
            if (!name.is_string()) return bad;
            scope.method_names.push_back(name.string_value());
        }
        out.push_back(std::move(scope));
    }
    return out;
}

Result<coordinator::CoordinatorOptions> coordinator_options(const service::Config& config) {
    TRY(auto gates, gates_of(config));
    TRY(auto intents, account_of(config, settings::kNearIntentsContract, "INTENTS_CONTRACT_ID"));
    TRY(auto wrap, account_of(config, settings::kNearWrapContract, "WRAP_CONTRACT_ID"));
    coordinator::CoordinatorOptions out(std::move(gates), std::move(intents), std::move(wrap));
    TRY(out.gate_fee, yocto_of(config, settings::kCoordinatorGateFee, "GATE_FEE_1_TO_3_YOCTO"));
    TRY(out.gate_fee_4_to_6,
        yocto_of(config, settings::kCoordinatorGateFee4To6, "coordinator.gate_fee_4_to_6_yocto"));
    TRY(out.gate_fee_7_to_12,
        yocto_of(config, settings::kCoordinatorGateFee7To12, "coordinator.gate_fee_7_to_12_yocto"));
    TRY(out.storage_deposit_max,
        yocto_of(
            config, settings::kCoordinatorStorageMax, "coordinator.storage_deposit_max_yocto"));
    out.gate_calls_max = static_cast<std::size_t>(config.get(settings::kCoordinatorGateCallsMax));
    const auto number = [&](service::Key<std::int64_t> key) {
        return static_cast<std::uint64_t>(config.get(key));
    };
    out.submit_gas = near::Gas(number(settings::kCoordinatorSubmitGas));
    out.resume_gas = near::Gas(number(settings::kCoordinatorResumeGas));
    out.delegate_validity_blocks = number(settings::kCoordinatorDelegateBlocks);
    out.poll_timeout = std::chrono::seconds(config.get(settings::kCoordinatorPollTimeout));
    out.poll_interval = std::chrono::milliseconds(config.get(settings::kCoordinatorPollInterval));
    out.intents_deadline = std::chrono::seconds(config.get(settings::kCoordinatorDeadline));
    out.execute_wait = std::chrono::seconds(config.get(settings::kCoordinatorExecuteWait));
    out.gate_code_hash = config.get(settings::kCoordinatorCodeHash);
    if (!config.get(settings::kCoordinatorUserScopes).empty()) {
        TRY(out.direct_user_scopes,
            parse_user_scopes(config.get(settings::kCoordinatorUserScopes)));
    }
    set_switches(config, out);
    out.lane_ahead = config.get(settings::kCoordinatorLaneAhead);
    out.queue_max = config.get(settings::kCoordinatorQueueMax);
    out.queue_wait_max = config.get(settings::kCoordinatorQueueWaitMax);
    out.checkpoint_period = config.get(settings::kAuditCheckpointPeriod);
    TRY_VOID(coordinator::check_options(out));
    return out;
}

// Members are destroyed from the last to the first.
struct CoordinatorServer::Parts {
    Parts(const Inputs& inputs, attest::IdentityMode mode)
        : ground(inputs, mode, Callers::Tokens) {}

    Result<void> open();
    Result<void> open_keystore();
    Result<void> build_coordinator(coordinator::CoordinatorKeys keys);
    Result<void> build_host(std::shared_ptr<const http::TlsContext> tls);
    Task<void> stop();
    void log_start() const;

    ProductGround ground;
    std::unique_ptr<NearConnection> near;
    std::unique_ptr<NearConnection> archive;  // null: none is configured
    std::unique_ptr<http::Client> keystore_transport;
    std::unique_ptr<api::HttpKeystoreClient> keystore;
    WebhookConnection webhooks;
    std::unique_ptr<coordinator::CoordinatorService> service;
    std::unique_ptr<coordinator::WalletAuth> auth;
    std::unique_ptr<ProductHost> host;
};

Result<void> CoordinatorServer::Parts::open() {
    TRY_VOID(ground.open_log());
    TRY(auto keys, load_keys(ground.config(), ground.inputs.secrets));
    TRY(auth, load_auth(ground.config(), ground.inputs.secrets, ground.mode));
    TRY(auto loaded, ground.trust.load());
    TRY_VOID(ground.open_storage());
    TRY(near, NearConnection::open(ground.config(), ground.loop(), *ground.logger));
    if (near == nullptr) return not_configured("NEAR_RPC_URL", "it names the node to be asked");
    TRY(archive, NearConnection::open_archive(ground.config(), ground.loop(), *ground.logger));
    TRY_VOID(open_keystore());
    TRY_VOID(build_coordinator(std::move(keys)));
    return build_host(std::move(loaded.tls));
}

Result<void> CoordinatorServer::Parts::open_keystore() {
    const service::Config& config = ground.config();
    api::KeystoreClientOptions options;
    options.base_url = config.get(settings::kCoordinatorKeystoreUrl);
    if (options.base_url.empty()) {
        return not_configured("KEYSTORE_URL", "set the variable of that name, or its setting");
    }
    while (options.base_url.ends_with('/')) options.base_url.pop_back();
    auto url = http::Url::parse(options.base_url + "/");
    if (!url) return std::move(url).error().with_context("KEYSTORE_URL");
    http::ClientOptions client;
    if (url->tls) {
        http::ClientTlsOptions tls;
        std::string ca;
        if (const auto& reference = config.get(settings::kCoordinatorKeystoreCa)) {
            TRY(ca, ground.inputs.secrets.read_public_text(*reference));
            tls.server_ca_pem.push_back(ca);
        }
        TRY(client.tls, http::TlsContext::create_client(tls));
        // A keystore of the same deployment asks for the certificate of whoever calls.
        if (!config.get(settings::kCoordinatorKeystoreCa) && ground.trust.client_tls()) {
            client.tls = ground.trust.client_tls();
        }
    } else if (ground.mode == attest::IdentityMode::Strict) {
        return Error::invalid_argument(
            "KEYSTORE_URL says http: the token that it gets signs for every wallet");
    }
    TRY(auto token, need_text_secret(
                        ground.inputs.secrets, config.get(settings::kCoordinatorKeystoreToken),
                        "KEYSTORE_AUTH_TOKEN"));
    keystore_transport = std::make_unique<http::Client>(ground.loop(), std::move(client));
    keystore = std::make_unique<api::HttpKeystoreClient>(
        *keystore_transport, ground.loop(), ground.random, std::move(token), std::move(options));
    return {};
}

Result<void> CoordinatorServer::Parts::build_coordinator(coordinator::CoordinatorKeys keys) {
    TRY(auto options, coordinator_options(ground.config()));
    coordinator::CoordinatorParts parts{
        *ground.database,      ground.loop(),
        *ground.logger,        *ground.audit,
        ground.random,         ground.metrics,
        ground.instance->id(), *keystore,
        near->client(),        archive != nullptr ? &archive->client() : nullptr};
    TRY(webhooks, WebhookConnection::open(
                      ground.config().get(settings::kCoordinatorWebhooks), ground.inputs.secrets,
                      ground.loop()));
    parts.webhooks.endpoints = webhooks.take_endpoints();
    if (ground.mode == attest::IdentityMode::Development) {
        parts.webhooks.plain_http = coordinator::PlainHttp::Allow;
    }
    TRY(service, ground.loop().run_until_done(coordinator::CoordinatorService::create(
                     std::move(parts), std::move(keys), std::move(options))));
    const auto key = service->evidence_key();
    ground.attestation->set_service("coordinator");
    ground.attestation->set_key(
        "workflow-evidence", base::Bytes(key.bytes.begin(), key.bytes.end()), "ed25519");
    ground.attestation->add_signing_key("workflow-ed25519", key.to_hex());
    return {};
}

Result<void> CoordinatorServer::Parts::build_host(std::shared_ptr<const http::TlsContext> tls) {
    service::FrameOptions options;
    options.service_name = coordinator::kServiceName;
    options.version = coordinator::kServiceVersion;
    options.health.probe_database = [this] { return service->probe_database(); };
    options.renderer = &coordinator::render_error;
    options.openapi = coordinator::openapi_json();
    options.info = [this] { return service->info(); };
    ProductHost::Hooks hooks;
    hooks.begin = [this] {
        near->start();
        if (archive != nullptr) archive->start();
        service->start();
    };
    hooks.stop = [this] { return stop(); };
    TRY(host, ProductHost::create(ground, *auth, std::move(options), std::move(hooks)));
    service->register_routes(host->frame());
    return host->listen(std::move(tls));
}

Task<void> CoordinatorServer::Parts::stop() {
    auto stopping = service->stop();
    co_await std::move(stopping);
    if (archive != nullptr) archive->stop();
    near->stop();
}

void CoordinatorServer::Parts::log_start() const {
    host->log_warnings();
    if (ground.mode == attest::IdentityMode::Development) {
        ground.logger->warning("DEVELOPMENT: tokens and API keys travel in plain HTTP");
    }
    if (auth->has_short_secrets()) {
        ground.logger->warning(
            "DEVELOPMENT: INTERNAL_WALLET_AUTH_TOKEN or a key of WALLET_API_KEYS_JSON has fewer "
            "than 16 bytes, which stops the start elsewhere");
    }
    host->log_serving(
        coordinator::kServiceName,
        base::LogField("evidence_key", service->evidence_key().to_hex()));
}

CoordinatorServer::CoordinatorServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
CoordinatorServer::~CoordinatorServer() = default;

Result<std::unique_ptr<CoordinatorServer>> CoordinatorServer::create(const Inputs& inputs) {
    TRY(const auto mode,
        decide_token_mode(
            inputs.config, inputs.environment, "API keys spend from wallets, so they travel"));
    auto parts = std::make_unique<Parts>(inputs, mode);
    TRY_VOID(parts->open());
    return std::unique_ptr<CoordinatorServer>(new CoordinatorServer(std::move(parts)));
}

Result<void> CoordinatorServer::run() {
    parts_->log_start();
    return parts_->host->run();
}

void CoordinatorServer::run_beside() {
    parts_->log_start();
    parts_->host->run_beside();
}

std::string CoordinatorServer::address() const {
    return parts_->host->address();
}
std::string CoordinatorServer::metrics_address() const {
    return parts_->host->metrics_address();
}
const service::MetricsRegistry& CoordinatorServer::metrics() const {
    return parts_->ground.metrics;
}
std::string CoordinatorServer::evidence_key() const {
    return parts_->service->evidence_key().to_hex();
}

}  // namespace adyton::apps
