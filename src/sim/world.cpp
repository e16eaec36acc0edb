#include "sim/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "coordinator/evidence.h"
#include "coordinator/schema.h"
#include "keystore/schema.h"
#include "near/derivation.h"
#include "near/gate.h"
#include "near/intents.h"
#include "policy/rule.h"
#include "storage/migrator.h"
#include "workflow/idempotency.h"

namespace adyton::sim {
namespace {

using base::Json;
using storage::TestDatabase;

constexpr std::string_view kMasterHex =
    "f1805c8761626aaaf2c1d3937a70ee5ddcfabf6594c49c1222d2de714a4807c6";
constexpr std::string_view kCoordinatorToken = "coordinator-token-of-the-simulation";
constexpr std::string_view kOperatorToken = "operator-token-of-the-simulation";
constexpr std::uint64_t kNever = 1'000'000'000'000;

template <typename T>
T must(Result<T> result) {
    EXPECT_TRUE(result.has_value()) << (result ? "" : result.error().message());
    return std::move(result).value();
}

near::AccountId account(std::string_view text) {
    return must(near::AccountId::parse(text));
}

crypto::SecretBytes<32> master_secret() {
    const auto bytes = must(base::hex_decode(kMasterHex));
    crypto::SecretBytes<32> out;
    std::copy_n(bytes.begin(), 32, out.expose_mutable().begin());
    return out;
}

std::vector<storage::Migration> all_migrations() {
    std::vector<storage::Migration> all;
    for (const auto part :
         {workflow::migrations(), audit::migrations(), policy::migrations(), keystore::migrations(),
          coordinator::migrations()}) {
        all.insert(all.end(), part.begin(), part.end());
    }
    std::sort(
        all.begin(), all.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
    return all;
}

std::string authority(std::size_t index) {
    return "near-" + std::to_string(index + 1) + ":3030";
}

std::string text_of(const Json& json, std::string_view name) {
    const Json* const found = json.find(name);
    return found != nullptr && found->is_string() ? found->string_value() : std::string();
}

// A call that never returns, as those of a dead process.
template <typename T>
Task<T> hang() {
    base::Completion<T> never;
    co_return co_await never;
}

// The keystore's eyes on the chain, as in apps.
class View final : public keystore::ChainView {
public:
    explicit View(chain::NearClient& client) : client_(client) {}
    Task<Result<keystore::AccessKeyView>> access_key(
        near::AccountId id, near::PublicKey key) override {
        auto asking = client_.find_access_key(std::move(id), std::move(key));
        CO_TRY(const auto found, co_await std::move(asking));
        if (!found) co_return Error::not_found("the access key does not exist");
        keystore::AccessKeyView out;
        out.nonce = found->nonce;
        out.full_access = !found->function_call.has_value();
        out.block_hash = found->block_hash;
        out.block_height = found->block_height;
        co_return out;
    }
    Task<Result<keystore::FinalBlock>> final_block() override {
        auto asking = client_.final_block();
        CO_TRY(const auto block, co_await std::move(asking));
        co_return keystore::FinalBlock{
            block.height, base::Timestamp(std::chrono::microseconds(block.timestamp_ns / 1000))};
    }
    Task<Result<keystore::PayloadFate>> payload_fate(
        near::AccountId contract, near::AccountId signer, near::MessageNonce nonce,
        base::Timestamp deadline) override {
        auto asking =
            client_.payload_fate({std::move(contract), std::move(signer), nonce, deadline});
        CO_TRY(const auto fate, co_await std::move(asking));
        co_return fate_of(fate);
    }
    Task<Result<keystore::PayloadFate>> delegate_fate(
        near::AccountId signer, near::PublicKey key, std::uint64_t nonce,
        std::uint64_t max_block_height) override {
        auto asking =
            client_.delegate_fate({std::move(signer), std::move(key), nonce, max_block_height});
        CO_TRY(const auto fate, co_await std::move(asking));
        co_return fate_of(fate);
    }

private:
    static keystore::PayloadFate fate_of(chain::SignedFate fate) {
        if (fate == chain::SignedFate::Dead) return keystore::PayloadFate::Dead;
        return fate == chain::SignedFate::Consumed ? keystore::PayloadFate::Consumed
                                                   : keystore::PayloadFate::Open;
    }
    chain::NearClient& client_;
};

}  // namespace

// ----- watchers ---------------------------------------------------------------------------------

// Between coordinator and keystore: remembers what was allowed and what was signed.
class World::Keystore final : public api::KeystoreClient {
public:
    Keystore(World& world, api::KeystoreClient& inner) : world_(world), inner_(inner) {}

    Task<Result<api::DeriveAddressResponse>> derive_address(
        api::DeriveAddressRequest request) override {
        return told(this, "derive_address", inner_.derive_address(std::move(request)));
    }
    Task<Result<api::CheckPolicyResponse>> check_policy(api::CheckPolicyRequest request) override {
        return checked(this, std::move(request));
    }
    Task<Result<api::SignNep413Response>> sign_nep413(api::SignNep413Request request) override {
        world_.note_payload(request.wallet_id, request);
        return signed_by(this, "sign_nep413", inner_.sign_nep413(std::move(request)));
    }
    Task<Result<api::SignDelegateResponse>> sign_delegate(
        api::SignDelegateRequest request) override {
        world_.note_delegate(request.wallet_id, request);
        return signed_by(this, "sign_delegate", inner_.sign_delegate(std::move(request)));
    }
    Task<Result<api::SignedTransactionResponse>> sign_near_call(
        api::SignNearCallRequest request) override {
        world_.note_call(
            request.wallet_id, request.receiver_id, request.method_name, request.deposit);
        return signed_by(this, "sign_near_call", inner_.sign_near_call(std::move(request)));
    }
    Task<Result<api::PrepareFunctionCallKeyResponse>> prepare_function_call_key(
        api::PrepareFunctionCallKeyRequest request) override {
        return told(
            this, "prepare_function_call_key",
            inner_.prepare_function_call_key(std::move(request)));
    }
    Task<Result<api::SignedTransactionResponse>> sign_scoped_calls(
        api::SignScopedCallsRequest request) override {
        for (const api::FunctionCallAction& action : request.actions) {
            world_.note_call(
                request.wallet_id, request.receiver_id, action.method_name, action.deposit);
        }
        return signed_by(this, "sign_scoped_calls", inner_.sign_scoped_calls(std::move(request)));
    }

private:
    // Of what is no moment to die at.
    template <typename T>
    static Task<T> told(Keystore* self, std::string_view operation, Task<T> call) {
        if (auto trouble = self->world_.keystore_trouble(operation)) co_return *std::move(trouble);
        co_return co_await std::move(call);
    }
    template <typename T>
    static Task<T> signed_by(Keystore* self, std::string_view operation, Task<T> call) {
        if (auto trouble = self->world_.keystore_trouble(operation)) co_return *std::move(trouble);
        auto calling = pass(self, std::move(call));
        co_return co_await std::move(calling);
    }
    static Task<Result<api::CheckPolicyResponse>> checked(
        Keystore* self, api::CheckPolicyRequest request) {
        const std::string wallet = request.wallet_id;
        const Json action = request.action;
        if (auto trouble = self->world_.keystore_trouble("check_policy")) {
            co_return *std::move(trouble);
        }
        auto calling = pass(self, self->inner_.check_policy(std::move(request)));
        auto answer = co_await std::move(calling);
        const bool allowed = answer && answer->allowed && !answer->frozen &&
                             !answer->requires_approval.value_or(false);
        if (allowed) self->world_.note_allowed(wallet, action);
        co_return answer;
    }
    template <typename T>
    static Task<T> pass(Keystore* self, Task<T> call) {
        if (self->world_.strike()) {
            auto end = hang<T>();
            co_return co_await std::move(end);
        }
        T value = co_await std::move(call);
        if (self->world_.strike()) {
            auto end = hang<T>();
            co_return co_await std::move(end);
        }
        co_return value;
    }

    World& world_;
    api::KeystoreClient& inner_;
};

// Between the process and the nodes: remembers what was sent, and asks whether it was durable.
class World::Chain final : public chain::NearClient {
public:
    Chain(World& world, chain::NearClient& inner) : world_(world), inner_(inner) {}

    Task<Result<chain::NearBlock>> final_block() override { return inner_.final_block(); }
    Task<Result<chain::NearHeights>> final_heights() override { return inner_.final_heights(); }
    Task<Result<chain::NearBlock>> find_block(near::BlockHash hash) override {
        return inner_.find_block(hash);
    }
    Task<Result<std::optional<chain::NearAccessKey>>> find_access_key(
        near::AccountId id, near::PublicKey key) override {
        return inner_.find_access_key(std::move(id), std::move(key));
    }
    Task<Result<std::optional<chain::NearAccount>>> find_account(near::AccountId id) override {
        return inner_.find_account(std::move(id));
    }
    Task<Result<chain::NearView>> call_function(
        near::AccountId contract, std::string method, base::Bytes arguments) override {
        return inner_.call_function(std::move(contract), std::move(method), std::move(arguments));
    }
    Task<Result<std::optional<chain::NearAccessKey>>> find_agreed_access_key(
        near::AccountId id, near::PublicKey key) override {
        return inner_.find_agreed_access_key(std::move(id), std::move(key));
    }
    Task<Result<std::optional<chain::NearAccount>>> find_agreed_account(
        near::AccountId id) override {
        return inner_.find_agreed_account(std::move(id));
    }
    Task<Result<chain::NearView>> call_agreed_function(
        near::AccountId contract, std::string method, base::Bytes arguments) override {
        return inner_.call_agreed_function(
            std::move(contract), std::move(method), std::move(arguments));
    }
    Task<chain::NearSendOutcome> broadcast(base::Bytes bytes, near::TransactionHash hash) override {
        return watched(this, std::move(bytes), hash);
    }
    Task<Result<std::optional<chain::NearTransaction>>> find_transaction(
        near::TransactionHash hash, near::AccountId sender) override {
        return pass(this, inner_.find_transaction(hash, std::move(sender)));
    }
    Task<Result<std::optional<chain::NearTransaction>>> find_agreed_transaction(
        near::TransactionHash hash, near::AccountId sender, chain::NearStory story) override {
        return pass(
            this, inner_.find_agreed_transaction(hash, std::move(sender), std::move(story)));
    }
    Task<Result<chain::SignedFate>> payload_fate(chain::NearPayloadRef payload) override {
        return inner_.payload_fate(std::move(payload));
    }
    Task<Result<chain::SignedFate>> delegate_fate(chain::NearDelegateRef delegate) override {
        return inner_.delegate_fate(std::move(delegate));
    }
    std::vector<chain::EndpointStatus> endpoints() const override { return inner_.endpoints(); }

private:
    static Task<chain::NearSendOutcome> watched(
        Chain* self, base::Bytes bytes, near::TransactionHash hash) {
        auto noting = self->world_.note_broadcast(bytes, hash);
        co_await std::move(noting);
        auto calling = pass(self, self->inner_.broadcast(std::move(bytes), hash));
        co_return co_await std::move(calling);
    }
    template <typename T>
    static Task<T> pass(Chain* self, Task<T> call) {
        if (self->world_.strike()) {
            auto end = hang<T>();
            co_return co_await std::move(end);
        }
        T value = co_await std::move(call);
        if (self->world_.strike()) {
            auto end = hang<T>();
            co_return co_await std::move(end);
        }
        co_return value;
    }

    World& world_;
    chain::NearClient& inner_;
};

// In the order of construction.
struct World::Process {
    explicit Process(std::uint64_t seed) : random(seed) {}

    base::SeededRandom random;
    service::MetricsRegistry metrics;
    std::unique_ptr<chain::NearRpcClient> client;
    std::unique_ptr<Chain> watched_chain;
    std::unique_ptr<View> view;
    std::unique_ptr<audit::AuditLog> keystore_audit;
    std::unique_ptr<keystore::KeystoreService> keystore;
    std::unique_ptr<keystore::TokenResolver> tokens;
    std::unique_ptr<service::ServiceFrame> keystore_frame;
    std::unique_ptr<http::RouterTransport> keystore_transport;
    std::unique_ptr<api::HttpKeystoreClient> keystore_client;
    std::unique_ptr<Keystore> watched_keystore;
    std::unique_ptr<audit::AuditLog> audit;
    std::unique_ptr<coordinator::CoordinatorService> coordinator;
    std::unique_ptr<coordinator::WalletAuth> auth;
    std::unique_ptr<service::ServiceFrame> frame;
    std::unique_ptr<http::RouterTransport> transport;
};

// ----- answers ----------------------------------------------------------------------------------

const Json& WorldAnswer::at(std::string_view name) const {
    const Json* const found = body.find(name);
    EXPECT_NE(found, nullptr) << name << " is missing in " << text;
    static const Json kNothing;
    return found == nullptr ? kNothing : *found;
}

std::string WorldAnswer::string(std::string_view name) const {
    return text_of(body, name);
}

// ----- building ---------------------------------------------------------------------------------

World::World(TestDatabase& database, WorldOptions options)
    : database_(database), options_(std::move(options)), random_(options_.seed * 7919 + 13) {
    const auto all = all_migrations();
    must(database_.run(storage::migrate(database_.database(), all)));
    const near::KeyDeriver deriver(master_secret());
    for (std::size_t i = 0; i < options_.wallets; ++i) {
        const auto key = deriver.derive(near::wallet_seed_text(wallet(i), "near"));
        wallet_keys_.emplace(wallet(i), key.public_key());
    }
    make_chain();
    boot();
}

World::~World() {
    if (database_.sim() != nullptr) {
        database_.sim()->drop_all();
        drop_process();
    } else if (process_ != nullptr) {
        shut_down();
    }
    chain_->stop();
}

void World::make_chain() {
    localchain::NearNetworkOptions network;
    network.gates = options_.gates;
    network.relayer_keys = options_.relayer_keys;
    for (const auto& [name, key] : wallet_keys_) {
        network.wallets.push_back(
            {near::AccountId::implicit(key), near::PublicKey(key),
             must(near::YoctoNear::parse("100000000000000000000000000")),
             must(near::parse_u128("50000000000000000000000000"))});
    }
    localchain::NearChainOptions chain;
    chain.seed = options_.seed;
    chain.block_time = options_.block_time;
    chain.yield_timeout_blocks = options_.yield_timeout_blocks;
    chain.genesis = localchain::near_network_genesis(network);
    chain_ = must(localchain::NearChain::create(std::move(chain), database_.executor()));
    wire_ = std::make_unique<localchain::NodeTransport>(database_.executor(), random_);
    wire_->set_latency_max(options_.latency_max);
    for (std::size_t i = 0; i < options_.nodes; ++i) {
        localchain::NearNodeOptions node;
        node.seed = options_.seed * 31 + i;
        nodes_.push_back(
            std::make_unique<localchain::NearNode>(*chain_, database_.executor(), node));
        wire_->add(authority(i), *nodes_.back());
    }
}

void World::connect() {
    chain::NearClientOptions options;
    options.chain_id = chain_->options().chain_id;
    for (std::size_t i = 0; i < options_.nodes; ++i) {
        options.endpoints.urls.push_back("http://" + authority(i));
    }
    options.endpoints.rpc.timeout = std::chrono::seconds(2);
    options.endpoints.probe_timeout = std::chrono::seconds(2);
    options.endpoints.probe_period = options_.probe_period;
    options.endpoints.suspend_max = std::chrono::seconds(4);
    process_->client = must(chain::NearRpcClient::create(
        std::move(options), *wire_, database_.executor(), base::null_logger()));
    process_->watched_chain = std::make_unique<Chain>(*this, *process_->client);
    process_->view = std::make_unique<View>(*process_->client);
}

void World::build_keystore() {
    Process& p = *process_;
    storage::Database& database = database_.database();
    p.keystore_audit = must(database_.run(audit::AuditLog::open(database, "sim-keystore")));
    keystore::KeystoreOptions options;
    options.without_policy = keystore::WithoutPolicy::Allow;
    options.network.chain = "near:" + chain_->options().chain_id;
    p.keystore = must(database_.run(keystore::KeystoreService::create(
        {database, database_.executor(), base::null_logger(), *p.keystore_audit, p.random,
         p.metrics, "sim-keystore", p.view.get()},
        master_secret(), std::move(options))));
    keystore::TokenHashes hashes;
    hashes.coordinators = {must(keystore::token_hash(kCoordinatorToken))};
    hashes.operators = {must(keystore::token_hash(kOperatorToken))};
    p.tokens = must(keystore::TokenResolver::create(hashes, attest::IdentityMode::Development));
    service::FrameOptions frame;
    frame.service_name = keystore::kServiceName;
    frame.version = keystore::kServiceVersion;
    frame.renderer = &keystore::render_error;
    frame.access_log = service::AccessLog::Off;
    p.keystore_frame = std::make_unique<service::ServiceFrame>(
        std::move(frame), *p.tokens, database_.executor(), p.metrics, base::null_logger());
    p.keystore->register_routes(*p.keystore_frame);
    p.keystore_frame->health().set_phase(service::Phase::Running);
    http::PeerInfo peer;
    peer.remote_address = "127.0.0.1:40000";
    p.keystore_transport =
        std::make_unique<http::RouterTransport>(p.keystore_frame->router(), peer, p.random);
    api::KeystoreClientOptions client;
    client.base_url = "http://keystore.sim";
    p.keystore_client = std::make_unique<api::HttpKeystoreClient>(
        *p.keystore_transport, database_.executor(), p.random,
        must(crypto::SecretBuffer::copy_of(base::as_bytes(kCoordinatorToken))), client);
    p.watched_keystore = std::make_unique<Keystore>(*this, *p.keystore_client);
}

void World::build_coordinator() {
    Process& p = *process_;
    storage::Database& database = options_.change_database
                                      ? options_.change_database(database_.database())
                                      : database_.database();
    p.audit = must(database_.run(audit::AuditLog::open(database, "sim-coordinator")));
    coordinator::CoordinatorOptions options = coordinator::CoordinatorOptions::mainnet();
    options.gates.clear();
    for (std::size_t i = 0; i < options_.gates; ++i) {
        options.gates.push_back(account(
            i == 0 ? "gate.sequential.near" : fmt::format("gate{}.sequential.near", i + 1)));
    }
    options.poll_interval = options_.poll_interval;
    options.yield_blocks = options_.yield_timeout_blocks;
    if (options_.configure) options_.configure(options);
    const auto secret = base::as_bytes("public");
    std::vector<crypto::Ed25519KeyPair> relayers;
    for (std::size_t i = 0; i < options_.relayer_keys; ++i) {
        const std::string name =
            "relayer.sequential.near" + (i == 0 ? std::string() : "#" + std::to_string(i + 1));
        relayers.push_back(localchain::near_network_key(secret, name));
    }
    coordinator::CoordinatorParts parts{
        database,  database_.executor(),    base::null_logger(), *p.audit,         p.random,
        p.metrics, "sim-coordinator",       *p.watched_keystore, *p.watched_chain, nullptr,
        this,      std::chrono::seconds(15)};
    if (options_.change_parts) options_.change_parts(parts);
    p.coordinator = must(database_.run(coordinator::CoordinatorService::create(
        std::move(parts),
        {account("relayer.sequential.near"), std::move(relayers),
         account("approver.sequential.near"),
         localchain::near_network_key(secret, "approver.sequential.near")},
        std::move(options))));
    coordinator_ = p.coordinator.get();
    const auto token = must(crypto::SecretBuffer::copy_of(base::as_bytes(kInternalToken)));
    const std::string keys =
        "{\"" + std::string(kApiKeyOfFirstWallet) + "\":\"" + wallet(0) + "\"}";
    p.auth = must(coordinator::WalletAuth::create(
        &token, must(coordinator::parse_wallet_api_keys(base::as_bytes(keys))),
        attest::IdentityMode::Development));
    service::FrameOptions frame;
    frame.service_name = coordinator::kServiceName;
    frame.version = coordinator::kServiceVersion;
    frame.renderer = &coordinator::render_error;
    frame.access_log = service::AccessLog::Off;
    frame.openapi = coordinator::openapi_json();
    frame.health.probe_database = [this] { return coordinator_->probe_database(); };
    frame.info = [this] { return coordinator_->info(); };
    p.frame = std::make_unique<service::ServiceFrame>(
        std::move(frame), *p.auth, database_.executor(), p.metrics, base::null_logger());
    p.coordinator->register_routes(*p.frame);
    p.frame->health().set_phase(service::Phase::Running);
    http::PeerInfo peer;
    peer.remote_address = "127.0.0.1:40001";
    p.transport = std::make_unique<http::RouterTransport>(p.frame->router(), peer, p.random);
}

void World::boot() {
    ++lives_;
    dead_ = false;
    strike_at_ = 0;
    process_ = std::make_unique<Process>(options_.seed * 100'003 + lives_ * 17);
    connect();
    build_keystore();
    build_coordinator();
    constexpr auto kStart = [](World* self) -> Task<bool> {
        if (self->options_.instant_blocks) {
            self->chain_->start_instant();
        } else {
            self->chain_->start();
        }
        self->process_->keystore->start();
        self->process_->coordinator->start();
        auto pause = base::sleep_for(self->database_.executor(), std::chrono::milliseconds(50));
        co_await std::move(pause);
        co_return true;
    };
    database_.run(kStart(this));
}

void World::drop_process() {
    coordinator_ = nullptr;
    process_.reset();
}

void World::shut_down() {
    constexpr auto kStop = [](World* self) -> Task<bool> {
        auto first = self->process_->coordinator->stop();
        co_await std::move(first);
        auto second = self->process_->keystore->stop();
        co_await std::move(second);
        self->chain_->stop();
        co_return true;
    };
    database_.run(kStop(this));
    drop_process();
}

void World::crash_and_boot(TestDatabase::Crash kind) {
    wire_->deliver_in_flight(500);
    chain_->stop();
    database_.sim()->drop_all();
    drop_process();
    if (!database_.disk()->powered()) kind = TestDatabase::Crash::Power;
    database_.disk()->power_off_after(kNever);  // no strike is left for the next life
    database_.crash(kind);
    boot();
}

// ----- strikes ----------------------------------------------------------------------------------

void World::die_at(std::uint64_t nth) {
    strike_at_ = nth == 0 ? 0 : moments_ + nth;
}

bool World::strike() {
    if (dead_) return true;
    ++moments_;
    if (strike_at_ == 0 || moments_ < strike_at_) return false;
    dead_ = true;
    // What the process still wants to write does not reach the disk.
    if (database_.disk() != nullptr) database_.disk()->kill_process();
    return true;
}

void World::at(coordinator::WorkflowPoint, const std::string&) {
    strike();
}

void World::violate(std::string what) {
    if (violations_.size() < 50) violations_.push_back(std::move(what));
}

// ----- what must never happen -------------------------------------------------------------------

void World::note_allowed(const std::string& wallet, const Json& action) {
    allowed_.insert(fmt::format(
        "{} {} {} {} {}", wallet, text_of(action, "type"), text_of(action, "to"),
        text_of(action, "token"), text_of(action, "amount")));
    allowed_.insert(fmt::format(
        "{} calls {}.{} with {}", wallet, text_of(action, "receiver_id"),
        text_of(action, "method_name"), text_of(action, "deposit")));
}

void World::note_call(
    const std::string& wallet, const std::string& receiver, const std::string& method,
    const std::string& deposit) {
    ++signatures_;
    const std::string wanted =
        fmt::format("{} calls {}.{} with {}", wallet, receiver, method, deposit);
    if (allowed_.count(wanted) == 0) violate("signed before the policy allowed it: " + wanted);
}

// No signature before its policy's answer, and one payload for one message.
void World::note_payload(const std::string& wallet, const api::SignNep413Request& request) {
    ++signatures_;
    const auto message = near::parse_intents_message(request.message);
    if (!message) return violate("a payload that is no intents message was to be signed");
    for (const near::Intent& intent : message->intents) {
        const auto* const transfer = std::get_if<near::TransferIntent>(&intent);
        if (transfer == nullptr) continue;
        for (const near::TokenAmount& token : transfer->tokens) {
            const std::string wanted = fmt::format(
                "{} intents_transfer {} {} {}", wallet, transfer->receiver_id.text(),
                token.token.text(), token.amount.to_string());
            if (allowed_.count(wanted) == 0) {
                violate("signed before the policy allowed it: " + wanted);
            }
        }
    }
    const std::string content = wallet + " " + near::deadline_text({}) +
                                Json::parse(request.message)->find("intents")->dump();
    const auto [found, first] = payload_nonces_.emplace(content, request.nonce_base64);
    if (!first && found->second != request.nonce_base64) {
        violate("two payloads were signed for one call");
    }
}

void World::note_delegate(const std::string& wallet, const api::SignDelegateRequest& request) {
    ++signatures_;
    const std::string args = request.args.args_json.value_or(request.args.args_base64.value_or(""));
    const auto [found, first] = delegate_nonces_.emplace(wallet + " " + args, request.nonce);
    if (!first && found->second != request.nonce) violate("two delegates were signed for one call");
}

// Durable before it is sent; one transaction for one nonce; another transaction that does the same
// only when the one before is dead.
Task<void> World::note_broadcast(base::Bytes bytes, near::TransactionHash hash) {
    const std::string name = hash.to_string();
    const std::string like = "%" + name + "%";
    auto unit = [&like](storage::Transaction& tx) -> Result<std::int64_t> {
        TRY(const auto rows, tx.query(
                                 "SELECT count(*) FROM wallet_workflow_records "
                                 "WHERE internal_state_json LIKE $1",
                                 {like}));
        return rows.integer(0, 0);
    };
    auto read = database_.database().read(unit);
    const auto stored = co_await std::move(read);
    if (stored && *stored == 0) violate("sent before its bytes were durable: " + name);
    const auto parsed = near::parse_signed_transaction(bytes);
    if (!parsed) {
        violate("bytes that are no transaction were sent");
        co_return;
    }
    const near::Transaction& tx = parsed->transaction;
    const std::string key = tx.public_key.to_string();
    const Seen seen{key, tx.nonce, hash};
    const auto [at_nonce, first] =
        by_key_nonce_.emplace(key + "#" + std::to_string(tx.nonce), seen);
    if (!first && at_nonce->second.hash != hash) violate("two transactions share a nonce");
    const auto* const call = std::get_if<near::FunctionCall>(&tx.actions.front());
    if (call == nullptr) co_return;
    const std::string signer = tx.signer_id.text();
    const bool own = signer == "relayer.sequential.near" || signer == "approver.sequential.near";
    // Each gate counts its intents from zero.
    std::string content = signer + " " + tx.receiver_id.text() + " " + call->method_name +
                          std::string(base::as_text(call->args));
    if (!own) content += call->deposit.to_string();
    const auto before = by_content_.find(content);
    if (!own && options_.made_once) {
        // Registering once more than needed is given back.
        const bool harmless = call->method_name == "storage_deposit";
        if (!harmless && before != by_content_.end() && before->second.hash != hash) {
            violate(call->method_name + " was made a second time");
        }
        by_content_[content] = seen;
        co_return;
    }
    if (before != by_content_.end() && before->second.hash != hash) {
        const Seen& old = before->second;
        const auto* const landed = chain_->find_transaction(old.hash);
        bool dead = false;
        if (landed == nullptr) {
            const auto public_key = near::PublicKey::parse(old.key);
            const auto state = chain_->access_key_at(tx.signer_id, *public_key, chain_->height());
            dead = !state || state->nonce >= old.nonce;
        } else {
            // It landed: only one that was refused may be followed by another.
            const auto& outcomes = landed->outcomes;
            dead = std::any_of(outcomes.begin(), outcomes.end(), [](const auto& outcome) {
                return outcome.kind == localchain::NearOutcome::Kind::Failure;
            });
        }
        if (!dead) violate(call->method_name + " was signed anew while the one before was alive");
    }
    by_content_[content] = seen;
}

// ----- calls ------------------------------------------------------------------------------------

Task<WorldAnswer> World::call(WorldCall call) {
    http::ClientRequest request;
    request.method = call.method;
    request.url = "http://coordinator.sim" + call.path;
    request.body = std::move(call.body);
    request.timeout = std::chrono::minutes(10);
    if (!call.wallet.empty()) {
        request.headers.add("X-Internal-Wallet-Auth", kInternalToken);
        request.headers.add("X-Wallet-Id", call.wallet);
    }
    for (const auto& [name, value] : call.headers) request.headers.add(name, value);
    auto sending = process_->transport->send(std::move(request));
    auto sent = co_await std::move(sending);
    WorldAnswer answer;
    if (!sent) {
        answer.text = sent.error().message();
        co_return answer;
    }
    answer.status = static_cast<int>(http::status_number(sent->status));
    answer.text = sent->body;
    answer.headers = sent->headers;
    auto parsed = Json::parse(answer.text, Json::Limits{128});
    if (parsed) answer.body = *std::move(parsed);
    co_return answer;
}

void World::put_policy(const std::string& wallet, const std::string& policy) {
    constexpr auto kPut = [](World* self, std::string body) -> Task<int> {
        http::ClientRequest request;
        request.method = "POST";
        request.url = "http://keystore.sim/wallet/policy/put";
        request.headers.add("Authorization", "Bearer " + std::string(kOperatorToken));
        request.body = std::move(body);
        auto sending = self->process_->keystore_transport->send(std::move(request));
        auto sent = co_await std::move(sending);
        EXPECT_TRUE(sent && sent->status == http::Status::Ok) << (sent ? sent->body : "");
        co_return 0;
    };
    database_.run(kPut(this, "{\"wallet_id\":\"" + wallet + "\",\"policy\":" + policy + "}"));
}

void World::pass(base::Duration span) {
    constexpr auto kPass = [](base::Executor* executor, base::Duration delay) -> Task<bool> {
        auto pause = base::sleep_for(*executor, delay);
        co_await std::move(pause);
        co_return true;
    };
    database_.run(kPass(&database_.executor(), span));
}

near::AccountId World::account_of(const std::string& wallet) const {
    return near::AccountId::implicit(wallet_keys_.at(wallet));
}

near::PublicKey World::key_of(const std::string& wallet) const {
    return near::PublicKey(wallet_keys_.at(wallet));
}

base::Amount World::intents_balance(const std::string& id) const {
    const Json args = Json::object()
                          .set("account_id", Json::string(id))
                          .set("token_id", Json::string(std::string(kWrapToken)));
    const auto answer = chain_->view(account("intents.near"), "mt_balance_of", args.dump());
    EXPECT_TRUE(answer.has_value()) << (answer ? "" : answer.error().message());
    if (!answer || !answer->is_string()) return {};
    return must(near::parse_u128(answer->string_value()));
}

// ----- wishes -----------------------------------------------------------------------------------

World::Wish& World::wish(std::size_t wallet_index, std::size_t calls, const std::string& gate_id) {
    Wish out;
    const std::size_t number = wishes_.size() + 1;
    out.wallet = wallet(wallet_index);
    out.key = "wish-" + std::to_string(number);
    std::string list;
    for (std::size_t i = 0; i < calls; ++i) {
        const std::string receiver = fmt::format("r{}-{}.near", number, i);
        const base::Amount amount(1'000 + number * 10 + i);
        out.moves.emplace_back(receiver, amount);
        const std::string transfer = fmt::format(
            R"("token":"{}","amount":"{}","receiver_id":"{}")", kWrapToken, amount.to_string(),
            receiver);
        list += (i == 0 ? "" : ",");
        if (gate_id.empty()) {
            list += R"({"kind":"intents.transfer","gate_batch":"g",)" + transfer + "}";
        } else {
            list += R"({"receiver_id":"intents.near","method_name":"execute_intents",)"
                    R"("gas":"100000000000000","near_intents":{"kind":"transfer",)" +
                    transfer + "}}";
        }
    }
    if (gate_id.empty()) {
        out.body = R"({"idempotency_key":")" + out.key + R"(","steps":[)" + list + "]}";
    } else {
        out.path = "/wallet/v1/sequential-batch";
        out.body = R"({"idempotency_key":")" + out.key + R"(","gate_id":")" + gate_id +
                   R"(","calls":[)" + list + "]}";
    }
    wishes_.push_back(std::move(out));
    return wishes_.back();
}

Task<void> World::insist(World* self, std::size_t index) {
    for (int i = 0; i < 60; ++i) {
        const World::Wish before = self->wishes_.at(index);
        auto calling = self->call({"POST", before.path, before.wallet, before.body, {}});
        WorldAnswer answer = co_await std::move(calling);
        Wish& wish = self->wishes_.at(index);
        wish.last = std::move(answer);
        const std::string id = wish.last.string("request_id");
        if (!id.empty()) {
            if (!wish.request_id.empty() && wish.request_id != id) {
                self->violate(wish.key + " became two requests");
            }
            wish.request_id = id;
            wish.answered = true;
            co_return;
        }
        if (wish.last.status >= 400 && wish.last.status < 500 && wish.last.status != 429) {
            wish.answered = true;
            co_return;
        }
        auto pause = base::sleep_for(self->database_.executor(), std::chrono::seconds(1));
        co_await std::move(pause);
    }
}

void World::ask_all() {
    for (std::size_t i = 0; i < wishes_.size(); ++i) {
        if (wishes_[i].answered) continue;
        base::spawn(database_.executor(), insist(this, i));
    }
}

bool World::all_answered() const {
    return std::all_of(
        wishes_.begin(), wishes_.end(), [](const Wish& wish) { return wish.answered; });
}

bool World::settled() {
    auto unit = [](storage::Transaction& tx) {
        return tx.query("SELECT 1 FROM workflow_runs WHERE state = 'running' LIMIT 1", {});
    };
    const auto open = database_.run(database_.database().read(unit));
    return open && open->empty();
}

bool World::live(std::uint64_t blocks_max) {
    base::SimExecutor& executor = *database_.sim();
    for (std::uint64_t block = 0; block < blocks_max; block += 5) {
        const auto until = executor.steady_now() + options_.block_time * 5;
        while (executor.steady_now() < until) {
            if (dead()) return false;
            if (!executor.step()) break;
        }
        if (dead()) return false;
        if (all_answered() && settled()) return true;
    }
    violate("it does not come to rest");
    return true;
}

bool World::live_some(std::uint64_t blocks) {
    base::SimExecutor& executor = *database_.sim();
    const auto until =
        executor.steady_now() + options_.block_time * static_cast<std::int64_t>(blocks);
    while (executor.steady_now() < until) {
        if (dead()) return false;
        if (!executor.step()) break;
    }
    return !dead();
}

// ----- the books --------------------------------------------------------------------------------

// Every intent that the gate took of anybody: sender and nonce, and its id.
std::map<std::string, std::string> World::intents_on_chain() const {
    std::map<std::string, std::string> out;
    for (std::uint64_t height = chain_->options().genesis_height; height <= chain_->height();
         ++height) {
        const auto* const block = chain_->find_block(height);
        if (block == nullptr) continue;
        for (const auto& hash : block->transactions) {
            const auto* const tx = chain_->find_transaction(hash);
            if (tx == nullptr) continue;
            for (const auto& outcome : tx->outcomes) {
                if (outcome.kind == localchain::NearOutcome::Kind::Failure) continue;
                for (const std::string& line : outcome.logs) {
                    const auto event = near::parse_gate_log(line);
                    if (!event || event->name != "intent_submitted") continue;
                    out[*event->sender + "#" + std::to_string(*event->nonce)] =
                        std::to_string(*event->id);
                }
            }
        }
    }
    return out;
}

// What the gate took of a workflow is told, and so is what became of each.
void World::check_intents(const Wish& wish, const WorldAnswer& record) {
    const Json* const delegates = record.body.find("signed_nep366_delegates");
    const Json* const ids = record.body.find("intent_ids");
    const Json* const rows = record.body.find("dispatch_receipts");
    if (delegates == nullptr || ids == nullptr || rows == nullptr) return;
    for (const Json& delegate : delegates->items()) {
        const auto parsed = near::parse_signed_delegate_base64(delegate.string_value());
        if (!parsed) return violate(wish.key + ": a delegate that does not read back");
        const auto& action = parsed->delegate_action;
        const auto taken =
            intents_.find(action.sender_id.text() + "#" + std::to_string(action.nonce));
        if (taken == intents_.end()) continue;
        const auto names = [&](const Json& id) { return id.string_value() == taken->second; };
        if (std::none_of(ids->items().begin(), ids->items().end(), names)) {
            violate(
                wish.key + ": the gate took an intent that the record does not know; " +
                record.string("status") + ": " + record.string("user_visible_error"));
        }
    }
    if (ids->size() > 0 && rows->size() < ids->size()) {
        violate(wish.key + ": what became of its intents is not told");
    }
    // What was unknown when a record failed is known when it is over.
    const Json* const live = record.body.find("live_until");
    const Json* const late = record.body.find("late_outcomes");
    if (live == nullptr) return;
    if (live->size() > 0) violate(wish.key + ": something is live for ever");
    if (late == nullptr) return violate(wish.key + ": what came late is not told");
    for (const Json& row : late->items()) {
        const std::string outcome = text_of(row, "outcome");
        if (outcome == "unknown" || outcome == "pending") {
            violate(wish.key + ": a late outcome is " + outcome);
        }
    }
}

void World::check_bundle(const Wish& wish, const std::string& id) {
    const WorldAnswer bundle = get("/wallet/v1/workflows/" + id + "/evidence", wish.wallet);
    const auto parsed = coordinator::parse_evidence(bundle.body);
    if (!parsed) return violate(wish.key + ": its evidence cannot be read: " + bundle.text);
    const auto report = coordinator::check_evidence(*parsed, coordinator_->evidence_key());
    for (const std::string& problem : report.problems) {
        violate(fmt::format("{} ({}): evidence: {}", wish.key, id, problem));
    }
}

void World::check_wish(const Wish& wish) {
    const auto fail = [&](const std::string& what) {
        violate(fmt::format("{} ({}): {}", wish.key, wish.request_id, what));
    };
    if (wish.request_id.empty()) {
        for (const auto& [receiver, amount] : wish.moves) {
            if (intents_balance(receiver) != base::Amount()) fail("moved without a record");
        }
        return;
    }
    const WorldAnswer record = get("/wallet/v1/workflows/" + wish.request_id, wish.wallet);
    const std::string status = record.string("status");
    if (status == "processing" || status == "planned") return fail("its record never ended");
    check_intents(wish, record);
    std::vector<bool> moved;
    for (const auto& [receiver, amount] : wish.moves) {
        const base::Amount got = intents_balance(receiver);
        moved.push_back(got == amount);
        if (got != amount && got != base::Amount()) fail("moved more than once to " + receiver);
    }
    const bool all = std::all_of(moved.begin(), moved.end(), [](bool one) { return one; });
    const bool any = std::any_of(moved.begin(), moved.end(), [](bool one) { return one; });
    if ((status == "succeeded") != all) {
        fail(fmt::format(
            "says {} and {} calls moved tokens: {}", status, all ? "all" : "not all",
            record.string("user_visible_error")));
    }
    const Json* const rows = record.body.find("dispatch_receipts");
    const std::size_t told = rows == nullptr ? 0 : rows->size();
    if (any && told != moved.size()) fail("calls were carried out and are not told");
    for (std::size_t i = 0; i < std::min(told, moved.size()); ++i) {
        const std::string said = text_of(rows->items()[i], "status");
        if ((said == "success") != moved[i]) fail(fmt::format("call {} is told as {}", i, said));
        if (said == "pending") fail("a final record with a pending call");
    }
    check_bundle(wish, wish.request_id);
    if (status != "succeeded") return;
    // The order on the chain is the order of the calls.
    std::uint64_t before = 0;
    for (std::size_t i = 0; i < told; ++i) {
        const auto id = near::ReceiptId::parse(text_of(rows->items()[i], "receipt_id"));
        const auto* const tx = id ? chain_->find_transaction_of_receipt(*id) : nullptr;
        if (tx == nullptr) return fail("a receipt that the chain does not know");
        std::uint64_t height = 0;
        for (const auto& outcome : tx->outcomes) {
            if (outcome.id == *id) height = outcome.height;
        }
        bool names = false;
        for (const auto& receipt : tx->receipts) {
            if (receipt.id != *id) continue;
            const auto* const call = std::get_if<near::FunctionCall>(&receipt.actions.front());
            names = call != nullptr &&
                    std::string(base::as_text(call->args)).find(wish.moves[i].first) !=
                        std::string::npos;
        }
        if (!names) fail(fmt::format("receipt {} is of another call", i));
        if (height <= before) fail("not in the order of the calls");
        before = height;
    }
}

// What the gate saw of us.
void World::check_gate(bool foreign_batches) {
    std::map<std::string, int> submitted;  // sender and nonce
    std::map<std::string, int> started;    // gate and first id
    std::map<std::string, int> calls;      // what a submit carries
    for (std::uint64_t height = chain_->options().genesis_height; height <= chain_->height();
         ++height) {
        const auto* const block = chain_->find_block(height);
        if (block == nullptr) continue;
        for (const auto& hash : block->transactions) {
            const auto* const tx = chain_->find_transaction(hash);
            if (tx == nullptr) continue;
            const auto& actions = tx->transaction.transaction.actions;
            const auto* const call = std::get_if<near::FunctionCall>(&actions.front());
            for (const auto& outcome : tx->outcomes) {
                const bool failed = outcome.kind == localchain::NearOutcome::Kind::Failure;
                if (failed && !foreign_batches && call != nullptr &&
                    call->method_name == "resume_batch_chained" &&
                    outcome.failure.dump().find("already in flight") != std::string::npos) {
                    violate("our batches were in each other's way");
                }
                for (const std::string& line : outcome.logs) {
                    const auto event = near::parse_gate_log(line);
                    if (!event || failed) continue;
                    if (event->name == "intent_submitted") {
                        ++submitted[*event->sender + "#" + std::to_string(*event->nonce)];
                        if (call != nullptr) ++calls[std::string(base::as_text(call->args))];
                    }
                    if (event->name == "batch_started") {
                        ++started[fmt::format("{} {}", outcome.executor.text(), *event->first_id)];
                    }
                }
            }
        }
    }
    for (const auto& [id, count] : submitted) {
        if (count > 1) violate("submitted twice: " + id);
    }
    for (const auto& [id, count] : started) {
        if (count > 1) violate("resumed twice: " + id);
    }
    for (std::size_t i = 0; i < options_.gates; ++i) {
        const std::string gate =
            i == 0 ? "gate.sequential.near" : fmt::format("gate{}.sequential.near", i + 1);
        const auto tail = chain_->view(account(gate), "get_batch_tail");
        if (!foreign_batches && tail && tail->size() > 0) violate("the gate is left wedged");
    }
}

void World::check_books(bool foreign_batches) {
    intents_ = intents_on_chain();
    bool lanes = false;
    for (const Wish& wish : wishes_) {
        lanes = lanes || !wish.steps.empty();
        wish.steps.empty() ? check_wish(wish) : check_lane_wish(wish);
    }
    if (lanes) check_holdings();
    if (lanes) check_bounds();
    if (lanes && !foreign_batches) check_count();  // strangers count, too
    check_gate(foreign_batches);
    const auto books = chain_->books();
    const auto sum = books.held.plus(books.in_flight)->plus(books.burnt);
    if (*sum != books.supply) violate("tokens were made or lost");
}

std::string World::trace() const {
    std::string out = chain_->trace_hash().to_hex();
    for (const Wish& wish : wishes_) out += " " + wish.key + "=" + wish.last.string("status");
    return out;
}

}  // namespace adyton::sim
