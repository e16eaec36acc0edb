#include "pool/reconcile.h"

#include <gtest/gtest.h>

#include <string>

#include "neo/address.h"
#include "pool/transfer_test_support.h"

namespace adyton::pool {
namespace {

// A pool on a simulated chain of two nodes whose workers run when the test says so.
class ReconcileTest : public TransferTest {
public:
    static TestPoolOptions options() {
        TestPoolOptions options = quick_pool();
        // Not by themselves.
        options.pool.reconcile_period = std::chrono::hours(24);
        options.pool.retire_period = std::chrono::hours(24);
        options.pool.reconcile.sweep_wait_seconds = 10;
        return options;
    }
    static TestPoolOptions sweeping() {
        TestPoolOptions sweeps = options();
        sweeps.pool.delete_retiring = true;
        sweeps.pool.reconcile.sweep_to = TransferChain::stranger();
        return sweeps;
    }

    std::int64_t reconcile() {
        const auto done = run(reconciler().reconcile({}));
        EXPECT_TRUE(done) << done.error().message();
        return done ? *done : -1;
    }
    std::int64_t retire() {
        const auto done = run(reconciler().retire({}));
        EXPECT_TRUE(done) << done.error().message();
        return done ? *done : -1;
    }
    // A block every 50 ms while `work` waits for them.
    std::int64_t retire_with_blocks() {
        ticking_ = true;
        tick();
        const std::int64_t done = retire();
        ticking_ = false;
        pass(std::chrono::milliseconds(120));
        return done;
    }
    // As the rotation leaves it.
    void make_retiring(const std::string& id) {
        EXPECT_EQ(post("/release", R"({"account_ids":[")" + id + R"("]})").status, 200);
        execute("UPDATE pool_accounts SET is_retiring = TRUE WHERE id = '" + id + "'");
    }
    bool exists(const std::string& id) {
        return number("SELECT COUNT(*) FROM pool_accounts WHERE id = '" + id + "'") == 1;
    }
    base::Amount held(const neo::ScriptHash& token, const api::AccountInfo& account) {
        return chain().balance(token, hash_of(account));
    }
    std::int64_t tracked_gas(const std::string& id) {
        return number(
            "SELECT amount FROM pool_account_balances WHERE token_type = 'GAS' AND account_id = '" +
            id + "'");
    }
    TestAnswer set_balance(const std::string& id, const std::string& amount) {
        return post(
            "/balance",
            R"({"account_id":")" + id + R"(","token":"GAS","absolute":)" + amount + "}");
    }
    Reconciler& reconciler() { return *pool().service().parts().reconciler; }

private:
    void tick() {
        executor().post_after(std::chrono::milliseconds(50), [this] {
            if (!ticking_) return;
            ledger().produce_block();
            tick();
        });
    }
    bool ticking_ = false;
};

TEST_P(ReconcileTest, ADifferenceIsADriftOnceTwoRunsHaveSeenIt) {
    connect(options());
    const auto account = funded(1, 10 * kOneGas, 0).at(0);
    EXPECT_GE(reconcile(), 2) << "GAS and NEO of the account";
    EXPECT_TRUE(audit_bodies("pool.balance_drift").empty()) << "it may have moved between";
    reconcile();
    const auto drifts = audit_bodies("pool.balance_drift");
    ASSERT_EQ(drifts.size(), 1U);
    EXPECT_EQ(drifts[0].find("account_id")->string_value(), account.id);
    EXPECT_EQ(drifts[0].find("token")->string_value(), "GAS");
    EXPECT_EQ(drifts[0].find("on_chain")->string_value(), "1000000000");
    EXPECT_EQ(drifts[0].find("tracked")->number_text(), "0");
    EXPECT_EQ(tracked_gas(account.id), 0) << "flagged, not changed";
    reconcile();
    EXPECT_EQ(audit_bodies("pool.balance_drift").size(), 1U) << "said once";
    const base::Json info = reconciler().info();
    EXPECT_EQ(info.find("drifts")->number_text(), "1");
    ASSERT_EQ(info.find("first_drifts")->size(), 1U);
    const base::Json& shown = info.find("first_drifts")->items()[0];
    EXPECT_EQ(shown.find("account_id")->string_value(), account.id);
    EXPECT_EQ(shown.find("on_chain")->string_value(), "1000000000");
    const auto gas_of = [&] {
        const auto listed = api::parse_accounts_response(get("/accounts").body).value();
        for (const auto& [name, balance] : listed.accounts.at(0).balances) {
            if (name == "GAS") return balance;
        }
        return api::TokenBalance();
    };
    ASSERT_TRUE(gas_of().drift);
    EXPECT_EQ(gas_of().drift->on_chain, "1000000000");
    EXPECT_GT(gas_of().drift->block_index, 0);

    EXPECT_EQ(set_balance(account.id, "5").status, 200);
    EXPECT_FALSE(gas_of().drift) << "the reading was of another tracked amount";
    EXPECT_EQ(set_balance(account.id, "1000000000").status, 200);
    reconcile();
    EXPECT_EQ(audit_bodies("pool.balance_drift_over").size(), 1U);
    EXPECT_EQ(reconciler().info().find("drifts")->number_text(), "0");
}

TEST_P(ReconcileTest, ADifferenceThatIsGoneBeforeTheSecondRunIsNone) {
    connect(options());
    const auto account = funded(1, 10 * kOneGas, 0).at(0);
    reconcile();
    EXPECT_EQ(set_balance(account.id, "1000000000").status, 200);
    reconcile();
    reconcile();
    EXPECT_TRUE(audit_bodies("pool.balance_drift").empty());
    EXPECT_TRUE(audit_bodies("pool.balance_drift_over").empty());
    EXPECT_EQ(number("SELECT COUNT(*) FROM pool_balance_drifts"), 0);
}

TEST_P(ReconcileTest, AdoptingTakesTheChainsBalanceOver) {
    TestPoolOptions adopting = options();
    adopting.pool.reconcile.mode = ReconcileOptions::Mode::Adopt;
    connect(adopting);
    const auto account = funded(1, 10 * kOneGas, 0).at(0);
    reconcile();
    EXPECT_EQ(tracked_gas(account.id), 0);
    reconcile();
    EXPECT_EQ(tracked_gas(account.id), 1'000'000'000);
    const auto drifts = audit_bodies("pool.balance_drift");
    ASSERT_EQ(drifts.size(), 1U);
    EXPECT_TRUE(drifts[0].find("adopted")->boolean_value());
    expect_consistent();
}

TEST_P(ReconcileTest, NodesThatDoNotAnswerOrDisagreeChangeNothing) {
    TestPoolOptions adopting = options();
    adopting.pool.reconcile.mode = ReconcileOptions::Mode::Adopt;
    connect(adopting);
    const auto account = funded(1, 0, 0).at(0);
    EXPECT_EQ(set_balance(account.id, "500").status, 200);
    chain().node(1).set_down(true);
    for (int i = 0; i < 3; ++i) reconcile();
    EXPECT_EQ(tracked_gas(account.id), 500) << "one node is not two";
    chain().node(0).set_down(true);
    for (int i = 0; i < 3; ++i) reconcile();
    EXPECT_EQ(tracked_gas(account.id), 500) << "silence is no zero";
    EXPECT_NE(reconciler().info().find("unreadable")->number_text(), "0");
    EXPECT_TRUE(audit_bodies("pool.balance_drift").empty());
}

TEST_P(ReconcileTest, ANodeThatLagsBehindIsNoSecondWitness) {
    connect(options());
    const auto account = funded(1, 10 * kOneGas, 0).at(0);
    EXPECT_EQ(set_balance(account.id, "1000000000").status, 200);
    chain().node(1).set_lag(1);  // before the deposit
    reconcile();
    reconcile();
    EXPECT_TRUE(audit_bodies("pool.balance_drift").empty());
}

TEST_P(ReconcileTest, AnAccountWithATransferUnderWayIsNotCompared) {
    connect(options());
    const auto account = funded(1, 10 * kOneGas, 0).at(0);
    const auto answer = transfer(account.id, "5");
    ASSERT_EQ(answer.status, 200) << answer.text;
    EXPECT_EQ(reconcile(), 0);
    EXPECT_EQ(
        finish(answer.at("transfer_id").string_value()).status, api::TransferStatus::Confirmed);
    EXPECT_GT(reconcile(), 0);
}

TEST_P(ReconcileTest, OnlyWhatTwoNodesCallEmptyIsDeleted) {
    TestPoolOptions deleting = options();
    deleting.pool.delete_retiring = true;
    connect(deleting);
    const auto accounts = request(2).accounts;
    chain().fund(hash_of(accounts[1]), 1, 0);
    for (const auto& account : accounts) make_retiring(account.id);

    chain().node(1).set_down(true);
    EXPECT_EQ(retire(), 0) << "one node is not two";
    chain().node(1).set_down(false);
    pass(std::chrono::seconds(1));
    EXPECT_EQ(retire(), 1);
    EXPECT_FALSE(exists(accounts[0].id));
    EXPECT_TRUE(exists(accounts[1].id)) << "one datoshi on chain keeps it";
    ASSERT_EQ(audit_bodies("pool.delete").size(), 1U);
    EXPECT_NE(audit_bodies("pool.delete")[0].find("empty_at_block"), nullptr);
    EXPECT_EQ(number("SELECT COUNT(*) FROM pool_retired_accounts"), 1) << "its id is archived";
    expect_consistent();
}

TEST_P(ReconcileTest, TokensThatNobodyTrackedKeepAnAccount) {
    TestPoolOptions deleting = options();
    deleting.pool.delete_retiring = true;
    connect(deleting);
    const auto sender = funded(1).at(0);
    const auto receiver = request(1).accounts.at(0);
    ASSERT_TRUE(ledger().pay(TransferChain::token(), hash_of(sender), base::Amount(100)));
    block();
    const auto answer = post(
        "/transfer", R"({"account_id":")" + sender.id + R"(","to_address":")" + receiver.address +
                         R"(","amount":100,"token_address":")" +
                         TransferChain::token().to_string() + "\"}");
    ASSERT_EQ(answer.status, 200) << answer.text;
    EXPECT_EQ(
        finish(answer.at("transfer_id").string_value()).status, api::TransferStatus::Confirmed);
    make_retiring(receiver.id);
    EXPECT_EQ(retire(), 0);
    EXPECT_TRUE(exists(receiver.id));
    EXPECT_EQ(held(TransferChain::token(), receiver), base::Amount(100));
}

TEST_P(ReconcileTest, ConfiguredTokensKeepAnAccount) {
    TestPoolOptions deleting = options();
    deleting.pool.delete_retiring = true;
    deleting.pool.transfers.tokens = {{"TEST", TransferChain::token()}};
    connect(deleting);
    const auto account = request(1).accounts.at(0);
    ASSERT_TRUE(ledger().pay(TransferChain::token(), hash_of(account), base::Amount(100)));
    block();
    make_retiring(account.id);
    EXPECT_EQ(retire(), 0);
    EXPECT_TRUE(exists(account.id));
}

TEST_P(ReconcileTest, WithoutNodesNothingIsDeleted) {
    TestPoolOptions alone = options();
    alone.pool.delete_retiring = true;
    alone.pool.retire_period = std::chrono::milliseconds(20);
    alone.pool.accounts_min = 1;
    open(alone);
    const auto account = request(1).accounts.at(0);
    make_retiring(account.id);
    constexpr auto kStart = [](PoolService* service) -> Task<bool> {
        service->start();
        co_return true;
    };
    run(kStart(&pool().service()));
    pass(std::chrono::milliseconds(600));
    constexpr auto kStop = [](Task<void> task) -> Task<bool> {
        co_await std::move(task);
        co_return true;
    };
    run(kStop(pool().service().stop()));
    EXPECT_TRUE(exists(account.id));
}

TEST_P(ReconcileTest, ARetiringAccountIsSweptToTheLastDatoshiAndThenDeleted) {
    connect(sweeping());
    const auto account = funded(1, 10 * kOneGas, 100).at(0);
    const auto test_token = TransferChain::token();
    ASSERT_TRUE(ledger().pay(test_token, hash_of(account), base::Amount(12345)));
    block();
    // The pool knows of the token because somebody tracked it once.
    EXPECT_EQ(
        post(
            "/balance", R"({"account_id":")" + account.id + R"(","token":"TEST","script_hash":")" +
                            test_token.to_string() + R"(","absolute":0})")
            .status,
        200);
    make_retiring(account.id);
    const auto gas_before = chain().balance(TransferChain::gas(), TransferChain::stranger());
    EXPECT_EQ(retire_with_blocks(), 1);
    EXPECT_EQ(held(TransferChain::neo(), account), base::Amount());
    EXPECT_EQ(held(test_token, account), base::Amount());
    EXPECT_EQ(held(TransferChain::gas(), account), base::Amount()) << "fees and all";
    EXPECT_EQ(chain().balance(TransferChain::neo(), TransferChain::stranger()), base::Amount(100));
    EXPECT_EQ(chain().balance(test_token, TransferChain::stranger()), base::Amount(12345));
    EXPECT_GT(chain().balance(TransferChain::gas(), TransferChain::stranger()), gas_before);
    EXPECT_EQ(number("SELECT COUNT(*) FROM pool_transfers WHERE service_id = 'neoaccounts'"), 3);
    EXPECT_EQ(audit_bodies("pool.sweep").size(), 1U);
    EXPECT_TRUE(exists(account.id));

    EXPECT_EQ(retire_with_blocks(), 1);
    EXPECT_FALSE(exists(account.id));
    expect_consistent();
}

TEST_P(ReconcileTest, AnAccountWithATransferUnderWayIsNeitherSweptNorDeleted) {
    connect(sweeping());
    const auto account = funded(1, 10 * kOneGas, 0).at(0);
    const auto answer = transfer(account.id, "5");
    ASSERT_EQ(answer.status, 200) << answer.text;
    make_retiring(account.id);
    EXPECT_EQ(retire(), 0);
    EXPECT_TRUE(exists(account.id));
    EXPECT_TRUE(audit_bodies("pool.sweep").empty());
}

TEST_P(ReconcileTest, AnAccountThatIsHeldIsNotRetired) {
    connect(sweeping());
    const auto account = funded(1, 10 * kOneGas, 0).at(0);
    execute("UPDATE pool_accounts SET is_retiring = TRUE WHERE id = '" + account.id + "'");
    EXPECT_EQ(retire(), 0);
    EXPECT_EQ(held(TransferChain::gas(), account), base::Amount(10 * kOneGas));
}

TEST_P(ReconcileTest, DustThatDoesNotPayItsOwnFeesKeepsTheAccount) {
    connect(sweeping());
    const auto account = funded(1, 1000, 0).at(0);
    make_retiring(account.id);
    EXPECT_EQ(retire(), 0);
    EXPECT_TRUE(exists(account.id));
    EXPECT_EQ(held(TransferChain::gas(), account), base::Amount(1000));
    EXPECT_EQ(number("SELECT COUNT(*) FROM pool_accounts WHERE locked_by IS NOT NULL"), 0)
        << "the sweep's lock is given back";
}

TEST_P(ReconcileTest, APolicyThatForbidsTheSweepKeepsTheAccount) {
    TestPoolOptions forbidding = sweeping();
    const auto rules = base::Json::parse(
        R"({"default":"allow","rules":[{"name":"no sweeps","effect":"deny",
            "services":["neoaccounts"],"operations":["transfer"]}]})");
    ASSERT_TRUE(rules);
    auto parsed = policy::RuleSet::parse(*rules);
    ASSERT_TRUE(parsed) << parsed.error().message();
    forbidding.rules = *std::move(parsed);
    connect(std::move(forbidding));
    const auto account = funded(1, 10 * kOneGas, 0).at(0);
    make_retiring(account.id);
    EXPECT_EQ(retire(), 0);
    EXPECT_EQ(held(TransferChain::gas(), account), base::Amount(10 * kOneGas));
    EXPECT_EQ(number("SELECT COUNT(*) FROM pool_transfers"), 0);
}

ADYTON_ON_ALL_DATABASES(ReconcileTest);

}  // namespace
}  // namespace adyton::pool
