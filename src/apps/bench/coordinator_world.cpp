#include "apps/bench/coordinator_world.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

#include "api/keystore_client.h"
#include "apps/schema.h"
#include "audit/audit_log.h"
#include "base/log.h"
#include "base/random.h"
#include "chain/near_client.h"
#include "coordinator/coordinator_service.h"
#include "coordinator/wallet_auth.h"
#include "crypto/secret.h"
#include "http/client.h"
#include "keystore/chain_view.h"
#include "keystore/keystore_service.h"
#include "keystore/token_auth.h"
#include "localchain/near_network.h"
#include "localchain/near_node.h"
#include "localchain/neo_rpc.h"
#include "near/derivation.h"
#include "near/gate.h"
#include "near/intents.h"
#include "service/frame.h"
#include "service/metrics.h"
#include "storage/migrator.h"
#include "storage/sqlite/sqlite_database.h"

namespace adyton::apps::bench {
namespace {

using base::Json;
using Answer = Result<http::Response>;

constexpr std::string_view kSecret = "public";
constexpr std::string_view kKeystoreToken = "keystore-token-of-the-benchmark";
constexpr std::string_view kInternalToken = "internal-token-of-the-benchmark";
constexpr std::string_view kNode = "near-1:3030";
constexpr std::string_view kWrapToken = "nep141:wrap.near";
constexpr std::string_view kRelayer = "relayer.sequential.near";
constexpr std::string_view kApprover = "approver.sequential.near";

template <typename T>
Task<void> hand_over(Task<T> task, std::shared_ptr<typename base::Completion<T>::State> waiting) {
    T value = co_await std::move(task);
    waiting->set(std::move(value));
}

// Runs what `make` makes on another executor and continues here with its value.
template <typename T>
Task<T> run_on(base::Executor& there, std::function<Task<T>()> make) {
    base::Completion<T> done;
    there.post([&there, waiting = done.completer(), work = std::move(make)] {
        base::spawn(there, hand_over<T>(work(), waiting));
    });
    co_return co_await done;
}

// A transport that lives on another executor.
class PostedTransport final : public http::Transport {
public:
    PostedTransport(base::Executor& there, http::Transport& inner) : there_(there), inner_(inner) {}

    Task<Answer> send(http::ClientRequest request) override {
        base::Completion<Answer> done;
        there_.post([this, waiting = done.completer(), request = std::move(request)]() mutable {
            base::spawn(there_, hand_over<Answer>(inner_.send(std::move(request)), waiting));
        });
        co_return co_await done;
    }

private:
    base::Executor& there_;
    http::Transport& inner_;
};

near::AccountId account(std::string_view text) {
    auto id = near::AccountId::parse(text);
    CHECK(id.has_value());  // literals
    return *std::move(id);
}

crypto::SecretBytes<32> master_secret() {
    crypto::SecretBytes<32> out;
    const auto bytes = out.expose_mutable();
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 7 + 1);
    return out;
}

std::string gate_name(std::size_t index) {
    return index == 0 ? "gate.sequential.near" : fmt::format("gate{}.sequential.near", index + 1);
}
std::string wallet_name(std::size_t index) {
    return "wallet-" + std::to_string(index + 1);
}

// The keystore's eyes on the chain. It is asked when reservations are given back, which takes days.
class NoView final : public keystore::ChainView {
public:
    explicit NoView(chain::NearClient& client) : client_(client) {}
    Task<Result<keystore::AccessKeyView>> access_key(near::AccountId, near::PublicKey) override {
        co_return Error::unavailable("not asked in a benchmark");
    }
    Task<Result<keystore::FinalBlock>> final_block() override {
        auto asking = client_.final_block();
        CO_TRY(const auto block, co_await std::move(asking));
        co_return keystore::FinalBlock{
            block.height, base::Timestamp(std::chrono::microseconds(block.timestamp_ns / 1000))};
    }
    Task<Result<keystore::PayloadFate>> payload_fate(
        near::AccountId, near::AccountId, near::MessageNonce, base::Timestamp) override {
        co_return keystore::PayloadFate::Open;
    }
    Task<Result<keystore::PayloadFate>> delegate_fate(
        near::AccountId, near::PublicKey, std::uint64_t, std::uint64_t) override {
        co_return keystore::PayloadFate::Open;
    }

private:
    chain::NearClient& client_;
};

Result<std::unique_ptr<storage::Database>> open_database(
    const std::string& path, base::Executor& executor) {
    storage::SqliteOptions options;
    options.path = path;
    return storage::create_sqlite_database(std::move(options), executor, base::null_logger());
}

Result<std::unique_ptr<chain::NearRpcClient>> open_client(
    http::Transport& transport, base::Executor& executor, const std::string& chain_id) {
    chain::NearClientOptions options;
    options.chain_id = chain_id;
    options.endpoints.urls.push_back("http://" + std::string(kNode));
    return chain::NearRpcClient::create(
        std::move(options), transport, executor, base::null_logger());
}

service::FrameOptions frame_options(
    std::string_view name, std::string_view version, http::ErrorRenderer renderer) {
    service::FrameOptions out;
    out.service_name = std::string(name);
    out.version = std::string(version);
    out.renderer = std::move(renderer);
    out.access_log = service::AccessLog::Off;
    return out;
}

http::PeerInfo local_peer() {
    http::PeerInfo out;
    out.remote_address = "127.0.0.1:40000";
    return out;
}

}  // namespace

std::string WorldAnswer::string(std::string_view name) const {
    const auto json = Json::parse(text, Json::Limits{128});
    const Json* const found = json && json->is_object() ? json->find(name) : nullptr;
    return found != nullptr && found->is_string() ? found->string_value() : std::string();
}

// In the order of construction.
struct CoordinatorWorld::Parts {
    Parts(CoordinatorWorldOptions its_options, base::Executor& its_front, base::Executor& its_back)
        : options(std::move(its_options)),
          front(its_front),
          back(its_back),
          front_random(options.seed * 2 + 1),
          back_random(options.seed * 2 + 2) {}

    Task<Result<void>> build_back();
    Task<Result<void>> build_keystore();
    Task<Result<void>> build_front();
    Task<Result<void>> build_coordinator();
    void build_frame();
    Result<localchain::NearChainOptions> chain_options() const;
    Task<bool> start_back();
    Task<bool> stop_back();

    const CoordinatorWorldOptions options;
    base::Executor& front;
    base::Executor& back;
    base::SeededRandom front_random;
    base::SeededRandom back_random;

    // On `back`.
    std::unique_ptr<localchain::NearChain> chain;
    std::unique_ptr<localchain::NearNode> node;
    std::unique_ptr<localchain::NodeTransport> wire;
    std::unique_ptr<chain::NearRpcClient> back_client;
    std::unique_ptr<NoView> view;
    std::unique_ptr<storage::Database> keystore_database;
    service::MetricsRegistry keystore_metrics;
    std::unique_ptr<audit::AuditLog> keystore_audit;
    std::unique_ptr<keystore::KeystoreService> keystore;
    std::unique_ptr<keystore::TokenResolver> tokens;
    std::unique_ptr<service::ServiceFrame> keystore_frame;
    std::unique_ptr<http::RouterTransport> keystore_router;

    // On `front`.
    std::unique_ptr<PostedTransport> to_node;
    std::unique_ptr<PostedTransport> to_keystore;
    std::unique_ptr<chain::NearRpcClient> client;
    std::unique_ptr<api::HttpKeystoreClient> keystore_client;
    std::unique_ptr<storage::Database> database;
    service::MetricsRegistry metrics;
    std::unique_ptr<audit::AuditLog> audit;
    std::unique_ptr<coordinator::CoordinatorService> service;
    std::unique_ptr<coordinator::WalletAuth> auth;
    std::unique_ptr<service::ServiceFrame> frame;
    std::unique_ptr<http::RouterTransport> router;
};

Result<localchain::NearChainOptions> CoordinatorWorld::Parts::chain_options() const {
    localchain::NearNetworkOptions network;
    network.secret = std::string(kSecret);
    network.gates = options.gates;
    network.relayer_keys = options.relayer_keys;
    const near::KeyDeriver deriver(master_secret());
    TRY(const auto near_each, near::YoctoNear::parse("100000000000000000000000000"));
    TRY(const auto wrap_each, near::parse_u128("50000000000000000000000000"));
    for (std::size_t i = 0; i < options.wallets; ++i) {
        const auto key = deriver.derive(near::wallet_seed_text(wallet_name(i), "near"));
        network.wallets.push_back(
            {near::AccountId::implicit(key.public_key()), near::PublicKey(key.public_key()),
             near_each, wrap_each});
    }
    localchain::NearChainOptions out;
    out.seed = options.seed;
    if (options.block_time > base::Duration::zero()) out.block_time = options.block_time;
    out.yield_timeout_blocks = options.yield_blocks;
    out.genesis = localchain::near_network_genesis(network);
    return out;
}

Task<Result<void>> CoordinatorWorld::Parts::build_back() {
    CO_TRY(auto its_chain, chain_options());
    CO_TRY(chain, localchain::NearChain::create(std::move(its_chain), back));
    node = std::make_unique<localchain::NearNode>(*chain, back, localchain::NearNodeOptions{});
    wire = std::make_unique<localchain::NodeTransport>(back, back_random);
    wire->set_latency_max(options.latency_max);
    wire->add(std::string(kNode), *node);
    CO_TRY(back_client, open_client(*wire, back, chain->options().chain_id));
    view = std::make_unique<NoView>(*back_client);
    CO_TRY(keystore_database, open_database(options.directory + "/keystore.db", back));
    const auto all = all_migrations();
    auto migrating = storage::migrate(*keystore_database, all);
    CO_TRY_VOID(co_await std::move(migrating));
    auto building = build_keystore();
    co_return co_await std::move(building);
}

Task<Result<void>> CoordinatorWorld::Parts::build_keystore() {
    auto opening = audit::AuditLog::open(*keystore_database, "bench-keystore");
    CO_TRY(keystore_audit, co_await std::move(opening));
    keystore::KeystoreOptions settings;
    settings.without_policy = keystore::WithoutPolicy::Allow;
    settings.network.chain = "near:" + chain->options().chain_id;
    auto creating = keystore::KeystoreService::create(
        {*keystore_database, back, base::null_logger(), *keystore_audit, back_random,
         keystore_metrics, "bench-keystore", view.get()},
        master_secret(), std::move(settings));
    CO_TRY(keystore, co_await std::move(creating));
    keystore::TokenHashes hashes;
    CO_TRY(const auto token, keystore::token_hash(kKeystoreToken));
    hashes.coordinators = {token};
    CO_TRY(tokens, keystore::TokenResolver::create(hashes, attest::IdentityMode::Development));
    keystore_frame = std::make_unique<service::ServiceFrame>(
        frame_options(keystore::kServiceName, keystore::kServiceVersion, &keystore::render_error),
        *tokens, back, keystore_metrics, base::null_logger());
    keystore->register_routes(*keystore_frame);
    keystore_frame->health().set_phase(service::Phase::Running);
    keystore_router = std::make_unique<http::RouterTransport>(
        keystore_frame->router(), local_peer(), back_random);
    co_return Result<void>();
}

Task<Result<void>> CoordinatorWorld::Parts::build_front() {
    to_node = std::make_unique<PostedTransport>(back, *wire);
    to_keystore = std::make_unique<PostedTransport>(back, *keystore_router);
    CO_TRY(client, open_client(*to_node, front, chain->options().chain_id));
    api::KeystoreClientOptions settings;
    settings.base_url = "http://keystore.bench";
    CO_TRY(auto token, crypto::SecretBuffer::copy_of(base::as_bytes(kKeystoreToken)));
    keystore_client = std::make_unique<api::HttpKeystoreClient>(
        *to_keystore, front, front_random, std::move(token), settings);
    CO_TRY(database, open_database(options.directory + "/coordinator.db", front));
    const auto all = all_migrations();
    auto migrating = storage::migrate(*database, all);
    CO_TRY_VOID(co_await std::move(migrating));
    auto opening = audit::AuditLog::open(*database, "bench-coordinator");
    CO_TRY(audit, co_await std::move(opening));
    auto building = build_coordinator();
    co_return co_await std::move(building);
}

Task<Result<void>> CoordinatorWorld::Parts::build_coordinator() {
    auto settings = coordinator::CoordinatorOptions::mainnet();
    settings.gates.clear();
    for (std::size_t i = 0; i < options.gates; ++i) settings.gates.push_back(account(gate_name(i)));
    settings.yield_blocks = options.yield_blocks;
    if (options.configure) options.configure(settings);
    const auto secret = base::as_bytes(kSecret);
    std::vector<crypto::Ed25519KeyPair> relayers;
    for (std::size_t i = 0; i < options.relayer_keys; ++i) {
        const std::string name =
            std::string(kRelayer) + (i == 0 ? std::string() : "#" + std::to_string(i + 1));
        relayers.push_back(localchain::near_network_key(secret, name));
    }
    coordinator::CoordinatorParts parts{
        *database, front,   base::null_logger(), *audit, front_random,
        metrics,   "bench", *keystore_client,    *client};
    coordinator::CoordinatorKeys keys{
        account(kRelayer), std::move(relayers), account(kApprover),
        localchain::near_network_key(secret, kApprover)};
    auto creating = coordinator::CoordinatorService::create(
        std::move(parts), std::move(keys), std::move(settings));
    CO_TRY(service, co_await std::move(creating));
    CO_TRY(const auto token, crypto::SecretBuffer::copy_of(base::as_bytes(kInternalToken)));
    CO_TRY(auth, coordinator::WalletAuth::create(&token, {}, attest::IdentityMode::Development));
    build_frame();
    co_return Result<void>();
}

void CoordinatorWorld::Parts::build_frame() {
    frame = std::make_unique<service::ServiceFrame>(
        frame_options(
            coordinator::kServiceName, coordinator::kServiceVersion, &coordinator::render_error),
        *auth, front, metrics, base::null_logger());
    service->register_routes(*frame);
    frame->health().set_phase(service::Phase::Running);
    router = std::make_unique<http::RouterTransport>(frame->router(), local_peer(), front_random);
}

Task<bool> CoordinatorWorld::Parts::start_back() {
    if (options.block_time > base::Duration::zero()) {
        chain->start();
    } else {
        chain->start_instant();
    }
    keystore->start();
    co_return true;
}

Task<bool> CoordinatorWorld::Parts::stop_back() {
    auto stopping = keystore->stop();
    co_await std::move(stopping);
    chain->stop();
    co_return true;
}

CoordinatorWorld::CoordinatorWorld(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
CoordinatorWorld::~CoordinatorWorld() = default;

Task<Result<std::unique_ptr<CoordinatorWorld>>> CoordinatorWorld::create(
    CoordinatorWorldOptions options, base::Executor& front, base::Executor& back) {
    auto parts = std::make_unique<Parts>(std::move(options), front, back);
    Parts* const p = parts.get();
    auto behind = run_on<Result<void>>(back, [p] { return p->build_back(); });
    CO_TRY_VOID(co_await std::move(behind));
    auto before = p->build_front();
    CO_TRY_VOID(co_await std::move(before));
    auto starting = run_on<bool>(back, [p] { return p->start_back(); });
    co_await std::move(starting);
    p->service->start();
    // The runner registers its driver first.
    auto pause = base::sleep_for(front, std::chrono::milliseconds(100));
    co_await std::move(pause);
    co_return std::unique_ptr<CoordinatorWorld>(new CoordinatorWorld(std::move(parts)));
}

Task<void> CoordinatorWorld::stop() {
    auto first = parts_->service->stop();
    co_await std::move(first);
    Parts* const p = parts_.get();
    auto second = run_on<bool>(parts_->back, [p] { return p->stop_back(); });
    co_await std::move(second);
}

Task<WorldAnswer> CoordinatorWorld::post(std::string path, std::string wallet, std::string body) {
    http::ClientRequest request;
    request.method = body.empty() ? "GET" : "POST";
    request.url = "http://coordinator.bench" + path;
    request.body = std::move(body);
    request.headers.add("X-Internal-Wallet-Auth", std::string(kInternalToken));
    request.headers.add("X-Wallet-Id", std::move(wallet));
    auto sending = parts_->router->send(std::move(request));
    auto sent = co_await std::move(sending);
    WorldAnswer out;
    out.text = sent ? sent->body : sent.error().message();
    if (sent) out.status = static_cast<int>(http::status_number(sent->status));
    co_return out;
}

Task<WorldAnswer> CoordinatorWorld::get(std::string path, std::string wallet) {
    return post(std::move(path), std::move(wallet), {});
}

std::string CoordinatorWorld::wallet(std::size_t index) const {
    return wallet_name(index % parts_->options.wallets);
}

Task<Result<CoordinatorWorld::Records>> CoordinatorWorld::records() {
    auto unit = [](storage::Transaction& tx) -> Result<Records> {
        const auto count = [&](std::string_view sql) -> Result<std::int64_t> {
            TRY(const auto rows, tx.query(sql, {}));
            return rows.integer(0, 0);
        };
        Records out;
        TRY(out.all, count("SELECT count(*) FROM wallet_workflow_records"));
        TRY(out.succeeded,
            count("SELECT count(*) FROM wallet_workflow_records WHERE status = 'succeeded'"));
        TRY(out.running, count("SELECT count(*) FROM workflow_runs WHERE state = 'running'"));
        return out;
    };
    auto read = parts_->database->read(unit);
    co_return co_await std::move(read);
}

namespace {

// What the logs of one gate say, by height.
struct GateHistory {
    std::multiset<std::uint64_t> starts;
    std::multiset<std::uint64_t> dispatches;
    std::uint64_t submitted = 0;
    std::uint64_t timed_out = 0;
};

void note(const std::string& line, std::uint64_t height, GateHistory& out) {
    const auto event = near::parse_gate_log(line);
    if (!event) return;
    if (event->name == "batch_started") out.starts.insert(height);
    if (event->name == "intent_dispatched") out.dispatches.insert(height);
    if (event->name == "intent_submitted") ++out.submitted;
    if (event->name == "intent_resolved_err") ++out.timed_out;
}

GateHistory history_of(const localchain::NearChain& chain, const std::string& gate_id) {
    GateHistory out;
    for (std::uint64_t height = chain.options().genesis_height; height <= chain.height();
         ++height) {
        const auto* const block = chain.find_block(height);
        if (block == nullptr) continue;
        for (const auto& hash : block->transactions) {
            const auto* const tx = chain.find_transaction(hash);
            if (tx == nullptr) continue;
            for (const auto& outcome : tx->outcomes) {
                if (outcome.executor.text() != gate_id) continue;
                if (outcome.kind == localchain::NearOutcome::Kind::Failure) continue;
                for (const std::string& line : outcome.logs) note(line, outcome.height, out);
            }
        }
    }
    return out;
}

GateBatches summary_of(const GateHistory& history) {
    GateBatches out;
    out.batches = history.starts.size();
    out.dispatched = history.dispatches.size();
    out.submitted = history.submitted;
    out.timed_out = history.timed_out;
    if (history.starts.empty() || history.dispatches.empty()) return out;
    std::optional<std::uint64_t> last_end;
    for (auto start = history.starts.begin(); start != history.starts.end(); ++start) {
        const auto next = std::next(start);
        auto end = next == history.starts.end() ? history.dispatches.end()
                                                : history.dispatches.lower_bound(*next);
        if (end == history.dispatches.begin()) continue;
        --end;
        if (*end < *start) continue;  // none of its calls was dispatched
        out.busy_blocks += *end - *start;
        if (last_end) {
            const std::uint64_t gap = *start - *last_end;
            out.gap_min = out.gap_min == 0 ? gap : std::min(out.gap_min, gap);
            out.gap_max = std::max(out.gap_max, gap);
        }
        last_end = *end;
    }
    out.wall_blocks = *history.dispatches.rbegin() - *history.starts.begin();
    return out;
}

Task<GateBatches> batches_on(const localchain::NearChain* chain, std::string gate_id) {
    co_return summary_of(history_of(*chain, gate_id));
}

Task<Result<std::uint64_t>> balance_on(const localchain::NearChain* chain, std::string id) {
    const Json args = Json::object()
                          .set("account_id", Json::string(std::move(id)))
                          .set("token_id", Json::string(std::string(kWrapToken)));
    CO_TRY(const auto answer, chain->view(account("intents.near"), "mt_balance_of", args.dump()));
    if (!answer.is_string()) co_return Error::corrupt_data("mt_balance_of cannot be read");
    co_return near::parse_u64(answer.string_value());
}

Task<CoordinatorWorld::Work> work_on(
    const localchain::NearChain* chain, const localchain::NearNode* node) {
    CoordinatorWorld::Work out;
    out.blocks = chain->height() - chain->options().genesis_height;
    out.node_calls = node->calls();
    out.status_calls = node->calls("EXPERIMENTAL_tx_status");
    out.block_calls = node->calls("block");
    out.broadcasts = node->calls("broadcast_tx_async");
    co_return out;
}

}  // namespace

Task<GateBatches> CoordinatorWorld::batches(std::string gate_id) {
    const localchain::NearChain* const chain = parts_->chain.get();
    return run_on<GateBatches>(
        parts_->back, [chain, id = std::move(gate_id)] { return batches_on(chain, id); });
}

Task<Result<std::uint64_t>> CoordinatorWorld::intents_balance(std::string id) {
    const localchain::NearChain* const chain = parts_->chain.get();
    return run_on<Result<std::uint64_t>>(
        parts_->back, [chain, id = std::move(id)] { return balance_on(chain, id); });
}

Task<CoordinatorWorld::Work> CoordinatorWorld::work() {
    const localchain::NearChain* const chain = parts_->chain.get();
    const localchain::NearNode* const node = parts_->node.get();
    auto asking = run_on<Work>(parts_->back, [chain, node] { return work_on(chain, node); });
    Work out = co_await std::move(asking);
    out.steps = parts_->service->runner_status().calls;
    co_return out;
}

std::string three_transfers(const std::string& key, const std::string& receiver) {
    const std::string step = fmt::format(
        R"({{"kind":"intents.transfer","token":"{}","amount":"1","receiver_id":"{}","gate_batch":"g"}})",
        kWrapToken, receiver);
    return fmt::format(R"({{"idempotency_key":"{0}","steps":[{1},{1},{1}]}})", key, step);
}

}  // namespace adyton::apps::bench
