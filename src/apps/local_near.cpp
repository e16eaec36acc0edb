#include "apps/local_near.h"

#include <future>
#include <optional>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "crypto/hkdf.h"
#include "crypto/secret.h"
#include "http/server.h"
#include "localchain/near_ledger_file.h"
#include "near/keys.h"

namespace adyton::apps {
namespace {

constexpr std::chrono::milliseconds kReferenceBlockTime{600};

localchain::NearChainOptions chain_options(const LocalNearOptions& options, base::Timestamp now) {
    localchain::NearChainOptions out;
    out.chain_id = kLocalNearChainId;
    const base::Timestamp since{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};
    if (now > since)
        out.genesis_height += static_cast<std::uint64_t>((now - since) / kReferenceBlockTime);
    out.seed = static_cast<std::uint64_t>(now.time_since_epoch().count());
    out.genesis_time_ns = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count());
    out.block_time = options.block_time;
    out.block_transactions_max = options.block_transactions_max;
    out.garbage_collect_blocks = 100'000;
    out.genesis = localchain::near_network_genesis(options.network);
    return out;
}

}  // namespace

// Members are destroyed from the last to the first: the server before the node it serves, all of
// them before the loop, the loop before the threads.
struct LocalNear::Parts {
    explicit Parts(LocalNearOptions its_options)
        : options(std::move(its_options)), threads(2), loop(threads) {}

    Result<void> build();
    Result<void> build_chain();
    void run();
    void keep();

    const LocalNearOptions options;
    base::WorkerThreads threads;  // one of them runs the loop
    base::EventLoop loop;
    std::unique_ptr<localchain::NearLedgerFile> ledger;
    bool ledger_failed = false;
    std::unique_ptr<localchain::NearChain> chain;
    std::unique_ptr<localchain::NearNode> node;
    http::ServerObserver observer;
    std::unique_ptr<http::Server> server;
    std::promise<void> ended;
    std::optional<std::future<void>> end;  // set once the loop runs
};

Result<void> LocalNear::Parts::build_chain() {
    localchain::NearChainOptions its_options = chain_options(options, loop.now());
    if (options.ledger_path.empty()) {
        TRY(chain, localchain::NearChain::create(std::move(its_options), loop));
        return {};
    }
    TRY(ledger, localchain::NearLedgerFile::open(options.ledger_path, its_options));
    TRY(chain, localchain::NearChain::create(std::move(its_options), loop));
    auto replayed = ledger->replay(*chain);
    if (!replayed) {
        return std::move(replayed).error().with_context(
            options.ledger_path + " (remove it, and the coordinator's directory, to begin anew)");
    }
    chain->on_block([this](const localchain::NearBlockRecord&) { keep(); });
    return {};
}

void LocalNear::Parts::keep() {
    if (ledger_failed) return;
    const Result<void> done = ledger->append(*chain);
    if (done) return;
    ledger_failed = true;
    if (options.logger != nullptr) {
        options.logger->error(
            "the local NEAR chain is no longer kept on disk", {{"cause", done.error().message()}});
    }
}

Result<void> LocalNear::Parts::build() {
    TRY_VOID(build_chain());
    localchain::NearNodeOptions node_options;
    node_options.faucet = options.faucet;
    node_options.faults = options.faults;
    node = std::make_unique<localchain::NearNode>(*chain, loop, node_options);
    http::ServerOptions serving;
    serving.host = options.host;
    serving.port = options.port;
    server = std::make_unique<http::Server>(
        std::vector<base::EventLoop*>{&loop}, std::move(serving), node->router(), observer);
    return server->start();
}

void LocalNear::Parts::run() {
    if (options.block_time > base::Duration::zero()) {
        chain->start();
    } else {
        chain->start_instant();
    }
    end = ended.get_future();
    threads.post([this] {
        loop.run();
        ended.set_value();
    });
}

LocalNear::LocalNear(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

LocalNear::~LocalNear() {
    if (!parts_->end.has_value()) return;
    parts_->loop.stop();
    parts_->end->wait();
}

Result<std::unique_ptr<LocalNear>> LocalNear::start(LocalNearOptions options) {
    auto parts = std::make_unique<Parts>(std::move(options));
    const Result<void> built = parts->build();
    if (!built) return Error(built.error()).with_context("local NEAR chain");
    parts->run();
    return std::unique_ptr<LocalNear>(new LocalNear(std::move(parts)));
}

std::string LocalNear::url() const {
    return "http://" + parts_->server->bound_address();
}
const localchain::NearNames& LocalNear::names() const {
    return parts_->options.network.names;
}
std::uint64_t LocalNear::blocks_replayed() const {
    return parts_->ledger == nullptr ? 0 : parts_->ledger->blocks_replayed();
}
std::uint64_t LocalNear::bytes_cut() const {
    return parts_->ledger == nullptr ? 0 : parts_->ledger->bytes_cut();
}
crypto::SecretBuffer LocalNear::secret_key(std::string_view account) const {
    return near::encode_secret_key(
        localchain::near_network_key(base::as_bytes(parts_->options.network.secret), account));
}
base::Executor& LocalNear::executor() {
    return parts_->loop;
}
localchain::NearChain& LocalNear::chain() {
    return *parts_->chain;
}
localchain::NearNode& LocalNear::node() {
    return *parts_->node;
}

std::string local_near_secret(const neo::MasterKey& master) {
    crypto::SecretBytes<32> secret;
    crypto::hkdf_sha256(
        master.expose(), base::as_bytes("adyton/local-near/v1"), base::as_bytes("people"),
        secret.expose_mutable());
    return base::hex_encode(secret.expose());
}

}  // namespace adyton::apps
