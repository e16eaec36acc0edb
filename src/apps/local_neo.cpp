#include "apps/local_neo.h"

#include <future>
#include <optional>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "crypto/hkdf.h"
#include "crypto/random.h"
#include "http/server.h"
#include "localchain/ledger_file.h"

namespace adyton::apps {
namespace {

localchain::ChainOptions chain_options(const LocalNeoOptions& options) {
    localchain::ChainOptions out;
    out.magic = options.magic;
    out.block_time = options.block_time;
    out.block_transactions_max = options.block_transactions_max;
    localchain::TokenOptions test;
    test.contract = neo::ScriptHash::of_script(base::as_bytes("adyton/local-neo/v1/TEST"));
    test.name = "Adyton test token";
    test.symbol = "TEST";
    test.decimals = 8;
    test.supply = base::Amount(100'000'000'000'000'000);
    out.tokens.push_back(std::move(test));
    return out;
}

}  // namespace

// Members are destroyed from the last to the first: the server before the node it serves, all of
// them before the loop, the loop before the threads.
struct LocalNeo::Parts {
    explicit Parts(LocalNeoOptions its_options)
        : options(std::move(its_options)), threads(2), loop(threads) {}

    Result<void> build(crypto::P256PrivateKey validator);
    void run();
    void keep(const localchain::Block& block);

    const LocalNeoOptions options;
    crypto::SystemRandom random;
    base::WorkerThreads threads;  // one of them runs the loop
    base::EventLoop loop;
    std::unique_ptr<localchain::NeoChain> chain;
    std::unique_ptr<localchain::LedgerFile> ledger;
    bool ledger_failed = false;
    std::unique_ptr<localchain::NeoNode> node;
    http::ServerObserver observer;
    std::unique_ptr<http::Server> server;
    std::promise<void> ended;
    std::optional<std::future<void>> end;  // set once the loop runs
};

Result<void> LocalNeo::Parts::build(crypto::P256PrivateKey validator) {
    TRY(chain,
        localchain::NeoChain::create(chain_options(options), std::move(validator), loop, random));
    if (!options.ledger_path.empty()) {
        TRY(ledger, localchain::LedgerFile::open(options.ledger_path, *chain));
        chain->on_block([this](const localchain::Block& block) { keep(block); });
    }
    localchain::NodeOptions node_options;
    node_options.flavour = options.flavour;
    node_options.tcp_port = options.port;
    node_options.faucet = options.faucet;
    node_options.faults = options.faults;
    node = std::make_unique<localchain::NeoNode>(*chain, loop, node_options);
    http::ServerOptions serving;
    serving.host = options.host;
    serving.port = options.port;
    server = std::make_unique<http::Server>(
        std::vector<base::EventLoop*>{&loop}, std::move(serving), node->router(), observer);
    return server->start();
}

void LocalNeo::Parts::run() {
    chain->start();
    end = ended.get_future();
    threads.post([this] {
        loop.run();
        ended.set_value();
    });
}

void LocalNeo::Parts::keep(const localchain::Block& block) {
    if (ledger_failed) return;
    const Result<void> done = ledger->append(block);
    if (done) return;
    ledger_failed = true;
    if (options.logger != nullptr) {
        options.logger->error(
            "the local Neo chain is no longer kept on disk", {{"cause", done.error().message()}});
    }
}

LocalNeo::LocalNeo(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

LocalNeo::~LocalNeo() {
    if (!parts_->end.has_value()) return;
    parts_->loop.stop();
    parts_->end->wait();
}

Result<std::unique_ptr<LocalNeo>> LocalNeo::start(
    LocalNeoOptions options, crypto::P256PrivateKey validator) {
    auto parts = std::make_unique<Parts>(std::move(options));
    const Result<void> built = parts->build(std::move(validator));
    if (!built) return Error(built.error()).with_context("local Neo chain");
    parts->run();
    return std::unique_ptr<LocalNeo>(new LocalNeo(std::move(parts)));
}

std::string LocalNeo::url() const {
    return "http://" + parts_->server->bound_address();
}
std::uint32_t LocalNeo::blocks_replayed() const {
    return parts_->ledger == nullptr ? 0 : parts_->ledger->blocks_replayed();
}
std::uint64_t LocalNeo::bytes_cut() const {
    return parts_->ledger == nullptr ? 0 : parts_->ledger->bytes_cut();
}
base::Executor& LocalNeo::executor() {
    return parts_->loop;
}
localchain::NeoChain& LocalNeo::chain() {
    return *parts_->chain;
}
localchain::NeoNode& LocalNeo::node() {
    return *parts_->node;
}

crypto::P256PrivateKey local_neo_validator(const neo::MasterKey& master) {
    crypto::SecretBytes<crypto::P256PrivateKey::kSize> number;
    crypto::hkdf_sha256(
        master.expose(), base::as_bytes("adyton/local-neo/v1"), base::as_bytes("validator"),
        number.expose_mutable());
    return crypto::P256PrivateKey::reduce_scalar_shifted(std::move(number));
}

}  // namespace adyton::apps
