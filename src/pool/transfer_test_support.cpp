#include "pool/transfer_test_support.h"

#include "neo/address.h"
#include "neo/token.h"

namespace adyton::pool {
namespace {

constexpr std::size_t kNodes = 2;

std::string authority(std::size_t index) {
    return "node-" + std::to_string(index + 1) + ":10332";
}

}  // namespace

const neo::ScriptHash& TransferChain::gas() {
    return neo::gas_token().contract;
}

const neo::ScriptHash& TransferChain::neo() {
    return neo::neo_token().contract;
}

neo::ScriptHash TransferChain::token() {
    return neo::ScriptHash::of_script(base::as_bytes("TEST token"));
}

neo::ScriptHash TransferChain::stranger() {
    return neo::ScriptHash::of_script(base::as_bytes("a stranger's account"));
}

TransferChain::TransferChain(base::Executor& executor, std::uint64_t seed)
    : executor_(executor), random_(seed) {
    localchain::ChainOptions options;
    options.tokens.push_back(
        {token(), "Test token", "TEST", 18,
         base::Amount::parse("1000000000000000000000000").value()});
    options.valid_until_increment_max = 200;
    chain_ = localchain::NeoChain::create(
                 std::move(options), localchain::public_test_validator(), executor_, random_)
                 .value();
    transport_ = std::make_unique<localchain::NodeTransport>(executor_, random_);
    for (std::size_t i = 0; i < kNodes; ++i) {
        localchain::NodeOptions node;
        node.seed = seed * 10 + i;
        nodes_.push_back(std::make_unique<localchain::NeoNode>(*chain_, executor_, node));
        transport_->add(authority(i), *nodes_.back());
    }
    reconnect();
}

void TransferChain::order(const localchain::FaultRule& rule) {
    for (const auto& node : nodes_) node->order(rule);
}

void TransferChain::clear_faults() {
    for (const auto& node : nodes_) node->clear_faults();
}

void TransferChain::reconnect() {
    chain::NeoClientOptions options;
    for (std::size_t i = 0; i < kNodes; ++i) {
        options.endpoints.urls.push_back("http://" + authority(i));
    }
    options.endpoints.probe_period = std::chrono::milliseconds(40);
    options.endpoints.suspend_max = std::chrono::milliseconds(160);
    options.magic = chain_->options().magic;
    client_.reset();
    client_ =
        chain::NeoRpcClient::create(std::move(options), *transport_, executor_, base::null_logger())
            .value();
}

void TransferChain::fund(const neo::ScriptHash& account, std::uint64_t gas, std::uint64_t neo) {
    if (gas > 0) {
        ASSERT_TRUE(chain_->pay(TransferChain::gas(), account, base::Amount(gas)));
    }
    if (neo > 0) {
        ASSERT_TRUE(chain_->pay(TransferChain::neo(), account, base::Amount(neo)));
    }
    chain_->produce_block();
}

TestPoolOptions TransferTest::quick_pool() {
    TestPoolOptions options = small_pool();
    options.pool.transfers.poll_min = std::chrono::milliseconds(5);
    options.pool.transfers.poll_max = std::chrono::milliseconds(20);
    options.pool.transfers.validity = std::chrono::seconds(8);  // blocks of a second
    options.pool.transfers.broadcast_wait = std::chrono::seconds(2);
    return options;
}

void TransferTest::SetUp() {
    PoolTest::SetUp();
    if (IsSkipped()) return;
    chain_ = std::make_unique<TransferChain>(executor(), 20261121);
}

void TransferTest::TearDown() {
    stop();
    PoolTest::TearDown();
}

void TransferTest::stop() {
    if (!started_) return;
    started_ = false;
    constexpr auto kStop = [](Task<void> task) -> Task<bool> {
        co_await std::move(task);
        co_return true;
    };
    run(kStop(pool().service().stop()));
}

void TransferTest::connect(TestPoolOptions options) {
    if (options.neo == nullptr) options.neo = &chain_->client();
    open(std::move(options));
    constexpr auto kStart = [](PoolService* service) -> Task<bool> {
        service->start();
        co_return true;
    };
    run(kStart(&pool().service()));
    started_ = true;
    pass(std::chrono::milliseconds(50));  // until its lease on transfers stands
}

void TransferTest::pass(base::Duration span) {
    constexpr auto kPass = [](base::Executor* executor, base::Duration delay) -> Task<bool> {
        auto pause = base::sleep_for(*executor, delay);
        co_await std::move(pause);
        co_return true;
    };
    run(kPass(&executor(), span));
}

neo::ScriptHash TransferTest::hash_of(const api::AccountInfo& account) {
    return neo::Address::parse(account.address).value().script_hash();
}

std::vector<api::AccountInfo> TransferTest::funded(
    std::int64_t count, std::uint64_t gas, std::uint64_t neo) {
    const auto accounts = request(count).accounts;
    for (const auto& account : accounts) chain_->fund(hash_of(account), gas, neo);
    return accounts;
}

std::string TransferTest::address_text() {
    return neo::Address(TransferChain::stranger()).to_string();
}

TestAnswer TransferTest::transfer(
    const std::string& account_id, const std::string& amount, const std::string& more,
    const std::string& key, const std::string& service) {
    std::string body = R"({"account_id":")" + account_id + R"(","to_address":")" + address_text() +
                       R"(","amount":)" + amount + more + "}";
    std::vector<std::pair<std::string, std::string>> headers;
    if (!key.empty()) headers.emplace_back("Idempotency-Key", key);
    return post("/transfer", body, service, std::move(headers));
}

api::TransferInfo TransferTest::find(const std::string& transfer_id, const std::string& service) {
    const auto answer = get("/transfers/" + transfer_id, service);
    EXPECT_EQ(answer.status, 200) << answer.text;
    auto parsed = api::parse_transfer_info(answer.body);
    EXPECT_TRUE(parsed) << answer.text;
    return parsed ? *std::move(parsed) : api::TransferInfo();
}

api::TransferInfo TransferTest::finish(const std::string& transfer_id) {
    for (int i = 0; i < 60; ++i) {
        const auto transfer = find(transfer_id);
        if (is_final(transfer.status)) return transfer;
        block();
        pass(std::chrono::milliseconds(25));
    }
    ADD_FAILURE() << "the transfer did not become final";
    return find(transfer_id);
}

}  // namespace adyton::pool
