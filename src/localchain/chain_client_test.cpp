#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "chain/neo_client.h"
#include "localchain/localchain_test_support.h"

// The chain client against simulated nodes that misbehave: whatever they do, a fate that the client
// believes is the ledger's.
namespace adyton::localchain::testing {
namespace {

using chain::SendOutcome;
using chain::TransactionFate;
using Kind = TransactionFate::Kind;
using namespace std::chrono_literals;

class ChainClientTest : public LocalChainTest {
protected:
    void TearDown() override { stop(); }

    void open(std::uint64_t seed) {
        stop();
        random_ = base::SeededRandom(seed);
        ChainOptions options = standard_options();
        options.block_time = 1s;
        make_chain(options);
        transport_ = std::make_unique<NodeTransport>(executor_, random_);
        constexpr NodeFlavour kFlavours[] = {
            NodeFlavour::NeoGo, NodeFlavour::NeoGo105, NodeFlavour::CSharp};
        chain::NeoClientOptions client;
        for (std::size_t i = 0; i < std::size(kFlavours); ++i) {
            NodeOptions node;
            node.flavour = kFlavours[i];
            node.seed = seed * 3 + i;
            nodes_.push_back(std::make_unique<NeoNode>(*chain_, executor_, node));
            const std::string authority = "node-" + std::to_string(i) + ":10332";
            transport_->add(authority, *nodes_.back());
            client.endpoints.urls.push_back("http://" + authority);
        }
        client.endpoints.probe_period = 500ms;
        client.endpoints.suspend_max = 2s;
        client.endpoints.rpc.timeout = 1s;
        client.endpoints.probe_timeout = 1s;
        client.magic = chain_->options().magic;
        auto created =
            chain::NeoRpcClient::create(client, *transport_, executor_, base::null_logger());
        ASSERT_TRUE(created) << created.error().message();
        client_ = *std::move(created);
        executor_.run_until_done(client_->refresh());
    }

    void stop() {
        if (chain_ != nullptr) chain_->stop();
        executor_.drop_all();
        client_.reset();
        nodes_.clear();
        transport_.reset();
    }

    neo::Transaction transfer(std::uint32_t valid_for) {
        TransferPlan plan;
        plan.to = stranger_;
        plan.valid_until_block = chain_->height() + valid_for;
        return signed_transfer(alice_, plan);
    }
    SendOutcome send(const neo::Transaction& transaction) {
        return executor_.run_until_done(
            client_->send(neo::serialize(transaction), neo::hash(transaction), 0));
    }
    Result<TransactionFate> fate(const neo::Transaction& transaction) {
        return executor_.run_until_done(
            client_->fate(neo::hash(transaction), transaction.valid_until_block));
    }
    void refresh() { executor_.run_until_done(client_->refresh()); }

    // True once it is final. Fails when the ledger says otherwise.
    bool settle(const neo::Transaction& transaction) {
        const auto found = fate(transaction);
        if (!found || found->kind == Kind::Pending) return false;
        const ConfirmedTransaction* const landed = chain_->find_confirmed(neo::hash(transaction));
        if (found->kind == Kind::Expired) {
            EXPECT_EQ(landed, nullptr) << "expired, but in a block";
            EXPECT_GT(chain_->height(), transaction.valid_until_block) << "it can still land";
            return true;
        }
        EXPECT_NE(landed, nullptr) << "executed, but in no block";
        if (landed == nullptr) return true;
        EXPECT_EQ(found->block_index, landed->block_index);
        EXPECT_EQ(found->state == chain::VmState::Halt, landed->execution.state == VmState::Halt);
        EXPECT_EQ(found->gas_consumed, landed->execution.gas_consumed);
        return true;
    }

    void misbehave(base::SeededRandom& draw) {
        for (const auto& node : nodes_) {
            node->clear_faults();
            node->set_lag(static_cast<std::uint32_t>(draw.below(4)));
            node->set_down(draw.below(8) == 0);
            node->set_height_lie(
                draw.below(4) == 0 ? static_cast<std::int64_t>(draw.below(600)) - 300 : 0);
            for (std::uint64_t i = draw.below(4); i > 0; --i) {
                FaultRule rule;
                rule.fault = static_cast<NodeFault>(draw.below(kNodeFaultCount));
                rule.count = FaultRule::kForever;
                rule.per_mille = static_cast<unsigned>(draw.below(300));
                rule.delay = std::chrono::milliseconds(draw.below(2000));
                node->order(rule);
            }
        }
    }
    void behave() {
        for (const auto& node : nodes_) {
            node->clear_faults();
            node->set_lag(0);
            node->set_down(false);
            node->set_height_lie(0);
        }
    }

    std::unique_ptr<NodeTransport> transport_;
    std::vector<std::unique_ptr<NeoNode>> nodes_;
    std::unique_ptr<chain::NeoRpcClient> client_;
};

TEST_F(ChainClientTest, ATransferIsSentFollowedAndFound) {
    open(1);
    const neo::Transaction transaction = transfer(10);
    EXPECT_EQ(send(transaction).kind, SendOutcome::Kind::Accepted);
    EXPECT_EQ(send(transaction).kind, SendOutcome::Kind::AlreadyKnown);
    EXPECT_EQ(fate(transaction)->kind, Kind::Pending);
    chain_->produce_block();
    EXPECT_TRUE(settle(transaction));
    EXPECT_EQ(send(transaction).kind, SendOutcome::Kind::AlreadyKnown);
}

TEST_F(ChainClientTest, AllThreeFlavoursSayWhatBecameOfATransaction) {
    open(2);
    const neo::Transaction never_sent = transfer(3);
    for (int i = 0; i < 5; ++i) chain_->produce_block();
    refresh();
    for (std::size_t down = 0; down < nodes_.size(); ++down) {
        behave();
        for (int i = 0; i < 3; ++i) refresh();
        nodes_[down]->set_down(true);
        EXPECT_EQ(fate(never_sent)->kind, Kind::Expired) << "without node " << down;
    }
}

TEST_F(ChainClientTest, FeesAndBalancesAreTheLedgers) {
    open(3);
    const neo::Transaction transaction = transfer(10);
    const auto fee = executor_.run_until_done(client_->network_fee(transaction));
    ASSERT_TRUE(fee) << fee.error().message();
    EXPECT_EQ(*fee, transaction.network_fee) << "the plan pays the least";
    const auto readings = executor_.run_until_done(client_->balances(
        {{gas(), alice_account_}, {neo_hash(), alice_account_}, {gas(), stranger_}}, 3));
    ASSERT_EQ(readings.size(), 3U);
    for (const auto& reading : readings) {
        EXPECT_EQ(reading.kind, chain::BalanceReading::Kind::Agreed) << reading.reason;
    }
    EXPECT_EQ(readings[0].amount, chain_->balance(gas(), alice_account_));
    EXPECT_EQ(readings[1].amount, base::Amount(100));
    EXPECT_EQ(readings[2].amount, base::Amount());
}

TEST_F(ChainClientTest, AHeightThatIsALieSetsTheNodeAside) {
    open(4);
    nodes_[0]->set_height_lie(200);
    refresh();
    EXPECT_FALSE(client_->endpoints()[0].usable);
    EXPECT_NE(client_->endpoints()[0].reason.find("does not have it"), std::string::npos);
    EXPECT_EQ(*executor_.run_until_done(client_->block_count()), chain_->height() + 1);
    const neo::Transaction transaction = transfer(20);
    EXPECT_EQ(send(transaction).endpoint, "node-1:10332");
    EXPECT_EQ(fate(transaction)->kind, Kind::Pending);
}

TEST_F(ChainClientTest, ALostAnswerIsUnknownAndTheFateSettlesIt) {
    open(5);
    for (const NodeFault fault :
         {NodeFault::LoseAnswer, NodeFault::LoseRequest, NodeFault::Garbage, NodeFault::WrongId,
          NodeFault::NullResult, NodeFault::HttpStatus, NodeFault::RpcError}) {
        for (const auto& node : nodes_) {
            FaultRule rule;
            rule.fault = fault;
            rule.method = "sendrawtransaction";
            node->order(rule);
        }
        const neo::Transaction transaction = transfer(3);
        EXPECT_EQ(send(transaction).kind, SendOutcome::Kind::Unknown) << static_cast<int>(fault);
        bool settled = false;
        for (int i = 0; i < 6; ++i) {
            chain_->produce_block();
            refresh();
            settled = settled || settle(transaction);
        }
        EXPECT_TRUE(settled) << static_cast<int>(fault);
        behave();
    }
}

// Many short lives of a chain, each with its own misbehaviour. What is believed must be true, and
// once the nodes behave again everything is settled.
TEST_F(ChainClientTest, NoMisbehaviourMakesAFateThatTheLedgerDenies) {
    int expired = 0;
    int executed = 0;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        open(seed * 1000);
        base::SeededRandom draw(seed);
        transport_->set_latency_max(std::chrono::milliseconds(draw.below(200)));
        chain_->start();
        client_->start();
        std::vector<neo::Transaction> open_ones;
        for (int i = 0; i < 5; ++i) {
            open_ones.push_back(transfer(1 + static_cast<std::uint32_t>(draw.below(8))));
        }
        const auto settle_all = [&] {
            std::erase_if(open_ones, [&](const neo::Transaction& transaction) {
                if (!settle(transaction)) return false;
                const bool landed = chain_->find_confirmed(neo::hash(transaction)) != nullptr;
                ++(landed ? executed : expired);
                return true;
            });
        };
        for (int round = 0; round < 25 && !open_ones.empty(); ++round) {
            if (round % 5 == 0) misbehave(draw);
            for (const auto& transaction : open_ones) {
                if (draw.below(3) == 0) (void)send(transaction);
            }
            executor_.run_for(std::chrono::milliseconds(draw.below(900)));
            settle_all();
        }
        behave();
        for (int round = 0; round < 30 && !open_ones.empty(); ++round) {
            executor_.run_for(1s);
            settle_all();
        }
        EXPECT_TRUE(open_ones.empty()) << open_ones.size() << " transactions are never settled";
        client_->stop();
        if (HasFailure()) break;
    }
    EXPECT_GT(executed, 20);
    EXPECT_GT(expired, 20);
}

}  // namespace
}  // namespace adyton::localchain::testing
