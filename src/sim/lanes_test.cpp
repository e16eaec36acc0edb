#include <fmt/format.h>
#include <gtest/gtest.h>

#include "coordinator/evidence.h"
#include "localchain/near_network.h"
#include "near/transaction.h"
#include "sim/lane_books.h"
#include "sim/world.h"
#include "sim/world_faults.h"

// Funding steps, direct-user steps and gate batches of one workflow, over a real keystore and a
// simulated chain in virtual time: what they do, what they refuse, and that a crash anywhere makes
// no second transaction.
namespace adyton::sim {
namespace {

using base::Amount;
using base::Json;
using storage::TestBackend;
using storage::TestDatabase;

constexpr std::string_view kExecute = "/wallet/v1/workflows/execute";
constexpr std::string_view kOneNear = "1000000000000000000000000";
constexpr std::string_view kWrapAndDeposit =
    R"({"idempotency_key":"fund-1","steps":[)"
    R"({"kind":"funding.wrap_near","amount":"1000000000000000000000000"},)"
    R"({"kind":"funding.intents_deposit","token":"nep141:wrap.near",)"
    R"("amount":"400000000000000000000000"}]})";

near::AccountId account(std::string_view name) {
    return near::AccountId::parse(name).value();
}

Amount amount(std::string_view digits) {
    return near::parse_u128(digits).value();
}

WorldOptions lanes_on(std::uint64_t seed = 1) {
    WorldOptions out;
    out.seed = seed;
    out.configure = [](coordinator::CoordinatorOptions& options) {
        options.enable_funding_lane = true;
        options.enable_direct_user_lane = true;
    };
    return out;
}

class LanesTest : public ::testing::Test {
protected:
    void open(WorldOptions options = lanes_on()) {
        database_ = TestDatabase::create(TestBackend::SqliteSimulated, options.seed);
        world_ = std::make_unique<World>(*database_, std::move(options));
    }
    void TearDown() override {
        if (world_ == nullptr) return;
        for (const std::string& violation : world_->violations()) ADD_FAILURE() << violation;
        world_.reset();
    }
    World& world() { return *world_; }

    // Sends it and waits until its record says "done".
    WorldAnswer run(const std::string& body, int blocks_max = 600) {
        const WorldAnswer first = world().post(std::string(kExecute), wallet(), body);
        const std::string id = first.string("request_id");
        EXPECT_FALSE(id.empty()) << first.text;
        if (id.empty()) return first;
        return finish(id, blocks_max);
    }
    WorldAnswer finish(const std::string& id, int blocks_max = 600) {
        WorldAnswer record;
        for (int i = 0; i < blocks_max; ++i) {
            record = world().get("/wallet/v1/workflows/" + id, wallet());
            if (record.string("phase") == "done") return record;
            world().pass(world().options().block_time);
        }
        ADD_FAILURE() << "it does not end: " << record.text;
        return record;
    }
    std::string steps(const std::string& key, const std::string& list) {
        return R"({"idempotency_key":")" + key + R"(","steps":[)" + list + "]}";
    }
    std::string wallet() { return world().wallet(0); }
    std::string wallet_account() { return world().account_of(wallet()).text(); }
    Amount native(const near::AccountId& id) {
        return world().chain().account_at(id, world().chain().height())->amount.amount();
    }
    Amount wrapped(const std::string& id) {
        const auto answer = world().chain().view(
            account("wrap.near"), "ft_balance_of", R"({"account_id":")" + id + R"("})");
        return amount(answer.value().string_value());
    }
    std::string count() {
        return world().chain().view(account("count.mike.near"), "get_count", "{}").value().dump();
    }
    const Json& funding(const WorldAnswer& record, std::size_t index) {
        return record.at("funding_evidence").items().at(index);
    }
    void expect_evidence(const WorldAnswer& record) {
        const std::string id = record.string("request_id");
        const WorldAnswer bundle =
            world().get("/wallet/v1/workflows/" + id + "/evidence", wallet());
        ASSERT_EQ(bundle.status, 200) << bundle.text;
        const auto parsed = coordinator::parse_evidence(bundle.body);
        ASSERT_TRUE(parsed) << parsed.error().message();
        EXPECT_FALSE(parsed->statement.lane_evidence.empty());
        const auto report =
            coordinator::check_evidence(*parsed, world().coordinator().evidence_key());
        for (const auto& problem : report.problems) ADD_FAILURE() << problem;
        // What is signed cannot be changed afterwards.
        auto other = *parsed;
        other.statement.lane_evidence += " ";
        EXPECT_FALSE(coordinator::check_evidence(other, std::nullopt).problems.empty());
    }
    // mike.near installs the wallet's scoped key.
    void install_user_key(bool with_allowance = true) {
        sim::install_user_key(world(), wallet(), with_allowance);
    }
    // What transactions of this signer call, in the order of their blocks.
    std::vector<std::string> landed(const near::AccountId& signer) {
        std::vector<std::string> out;
        for (const auto* const tx : sim::landed(world(), signer)) out.push_back(method_of(*tx));
        return out;
    }

    std::unique_ptr<TestDatabase> database_;
    std::unique_ptr<World> world_;
};

using Methods = std::vector<std::string>;

// ----- funding ----------------------------------------------------------------------------------

TEST_F(LanesTest, WithTheSwitchOffTheAnswerIsTheSpecifications) {
    open(WorldOptions{});
    const WorldAnswer answer =
        world().post(std::string(kExecute), wallet(), std::string(kWrapAndDeposit));
    EXPECT_EQ(answer.status, 409);
    EXPECT_EQ(answer.string("status"), "requires_funding_setup");
    EXPECT_EQ(answer.string("predecessor_model"), "wallet");
    EXPECT_EQ(answer.string("ordering_model"), "normal_tx_or_view");
    EXPECT_EQ(answer.at("funding_evidence").size(), 0U);
    EXPECT_EQ(answer.body.find("segments"), nullptr);
    EXPECT_EQ(landed(world().account_of(wallet())), Methods{});
    const WorldAnswer more = world().post(
        std::string(kExecute), wallet(),
        steps("more", R"({"kind":"funding.unwrap_near","amount":"1"})"));
    EXPECT_EQ(more.status, 400);
    EXPECT_EQ(more.string("user_visible_error"), "unsupported workflow step kind");
    EXPECT_EQ(
        world()
            .post(
                std::string(kExecute), wallet(),
                steps(
                    "user",
                    R"({"kind":"near.function_call","predecessor_requirement":"user_required",)"
                    R"("user_id":"mike.near","receiver_id":"count.mike.near",)"
                    R"("method_name":"increase"})"))
            .string("status"),
        "requires_direct_user_setup");
}

TEST_F(LanesTest, WrapAndDepositRunInOrderAndEndWithEvidence) {
    open();
    const Amount inside = world().intents_balance(wallet_account());
    const WorldAnswer record = run(std::string(kWrapAndDeposit));
    EXPECT_EQ(record.string("status"), "succeeded") << record.text;
    EXPECT_EQ(record.string("final_status"), "success");
    EXPECT_TRUE(record.at("user_visible_error").is_null());
    EXPECT_EQ(record.string("predecessor_model"), "wallet");
    EXPECT_EQ(record.string("ordering_model"), "normal_tx_or_view");
    // Registered first, so that the whole amount is minted.
    EXPECT_EQ(
        landed(world().account_of(wallet())),
        (Methods{"storage_deposit", "near_deposit", "ft_transfer_call"}));
    EXPECT_EQ(wrapped(wallet_account()).to_string(), "600000000000000000000000");
    EXPECT_EQ(
        world().intents_balance(wallet_account()), inside.plus(amount("400000000000000000000000")));
    ASSERT_EQ(record.at("funding_evidence").size(), 2U);
    const Json& wrap = funding(record, 0);
    EXPECT_EQ(wrap.find("kind")->string_value(), "funding.wrap_near");
    EXPECT_EQ(wrap.find("status")->string_value(), "success");
    EXPECT_EQ(wrap.find("signer_id")->string_value(), wallet_account());
    EXPECT_EQ(wrap.find("tx_hashes")->size(), 2U);
    const auto& does = wrap.find("transactions")->items();
    ASSERT_EQ(does.size(), 2U);
    EXPECT_EQ(does[1].find("tx_hash")->string_value(), wrap.find("tx_hash")->string_value());
    EXPECT_EQ(does[1].find("receiver_id")->string_value(), "wrap.near");
    EXPECT_EQ(does[1].find("method_name")->string_value(), "near_deposit");
    EXPECT_EQ(
        does[1].find("args_sha256")->string_value(), crypto::sha256(base::as_bytes("{}")).to_hex());
    EXPECT_EQ(does[1].find("deposit")->string_value(), kOneNear);
    EXPECT_EQ(wrap.find("deltas")->find("nep141:wrap.near")->string_value(), kOneNear);
    EXPECT_TRUE(wrap.find("delta_ok")->boolean_value());
    const Json& deposit = funding(record, 1);
    EXPECT_EQ(
        deposit.find("deltas")->find("nep141:wrap.near:intents")->string_value(),
        "400000000000000000000000");
    EXPECT_TRUE(deposit.find("delta_ok")->boolean_value());
    EXPECT_GT(
        deposit.find("block_height")->as_uint64().value(),
        wrap.find("block_height")->as_uint64().value());
    EXPECT_EQ(record.at("direct_signed_txs").size(), 3U);
    expect_evidence(record);
    // The same request again: the same record, and nothing else happens.
    const WorldAnswer again =
        world().post(std::string(kExecute), wallet(), std::string(kWrapAndDeposit));
    EXPECT_EQ(again.status, 200);
    EXPECT_EQ(again.string("request_id"), record.string("request_id"));
    EXPECT_EQ(landed(world().account_of(wallet())).size(), 3U);
}

TEST_F(LanesTest, MoneyGoesInAndComesBack) {
    open();
    const WorldAnswer record = run(steps(
        "round", R"({"kind":"funding.storage_deposit","receiver_id":"wrap.near"},)"
                 R"({"kind":"funding.storage_deposit","receiver_id":"wrap.near"},)"
                 R"({"kind":"funding.intents_withdraw","token":"wrap.near","amount":"700"},)"
                 R"({"kind":"funding.unwrap_near","amount":"500"},)"
                 R"({"kind":"funding.balance_check","token":"wrap.near"},)"
                 R"({"kind":"funding.balance_check","token":"wrap.near","source":"intents"},)"
                 R"({"kind":"funding.balance_check","account_id":"nobody-here.near"})"));
    EXPECT_EQ(record.string("status"), "succeeded") << record.text;
    EXPECT_EQ(
        landed(world().account_of(wallet())),
        (Methods{"storage_deposit", "ft_withdraw", "near_withdraw"}));
    EXPECT_EQ(funding(record, 1).find("status")->string_value(), "skipped");
    EXPECT_EQ(funding(record, 1).find("note")->string_value(), "already_registered");
    EXPECT_EQ(
        funding(record, 2).find("deltas")->find("nep141:wrap.near:intents")->string_value(),
        "-700");
    EXPECT_TRUE(funding(record, 2).find("delta_ok")->boolean_value());
    EXPECT_TRUE(funding(record, 3).find("delta_ok")->boolean_value());
    EXPECT_EQ(funding(record, 4).find("result")->find("balance")->string_value(), "200");
    EXPECT_EQ(
        funding(record, 5).find("result")->find("balance")->string_value(),
        world().intents_balance(wallet_account()).to_string());
    EXPECT_EQ(funding(record, 6).find("result")->find("balance")->string_value(), "0");
    EXPECT_EQ(record.string("predecessor_model"), "view");
    EXPECT_EQ(wrapped(wallet_account()).to_string(), "200");
    expect_evidence(record);
}

TEST_F(LanesTest, AStepThatCannotBeDoneSaysWhyAndWhatWasDoneBefore) {
    open();
    const WorldAnswer poor = run(
        steps("poor", R"({"kind":"funding.wrap_near","amount":"100000000000000000000000000"})"));
    EXPECT_EQ(poor.string("status"), "failed");
    EXPECT_NE(poor.string("user_visible_error").find("yoctoNEAR"), std::string::npos) << poor.text;
    EXPECT_EQ(landed(world().account_of(wallet())), Methods{});
    const WorldAnswer half = run(steps(
        "half", R"({"kind":"funding.storage_deposit","receiver_id":"wrap.near"},)"
                R"({"kind":"funding.intents_deposit","token":"wrap.near","amount":"5"},)"
                R"({"kind":"funding.wrap_near","amount":"7"})"));
    EXPECT_EQ(half.string("status"), "failed");
    const std::string why = half.string("user_visible_error");
    EXPECT_NE(why.find("step 1 (funding.intents_deposit) failed"), std::string::npos) << why;
    EXPECT_NE(why.find("step 0 was carried out"), std::string::npos) << why;
    EXPECT_EQ(landed(world().account_of(wallet())), Methods{"storage_deposit"});
    EXPECT_EQ(funding(half, 2).find("status")->string_value(), "not_begun");
    // A withdrawal to somebody whom the token does not know.
    const WorldAnswer stranger = run(steps(
        "stranger", R"({"kind":"funding.intents_withdraw","token":"wrap.near","amount":"5",)"
                    R"("receiver_id":"stranger.near"})"));
    EXPECT_EQ(stranger.string("status"), "failed");
    EXPECT_NE(
        stranger.string("user_visible_error").find("stranger.near is not registered on wrap.near"),
        std::string::npos)
        << stranger.text;
}

TEST_F(LanesTest, AWalletThatDoesNotExistSignsNothing) {
    open();
    const WorldAnswer first = world().post(
        std::string(kExecute), "a-new-wallet",
        steps("new", R"({"kind":"funding.wrap_near","amount":"5"})"));
    const std::string id = first.string("request_id");
    world().pass(std::chrono::seconds(5));
    const WorldAnswer record = world().get("/wallet/v1/workflows/" + id, "a-new-wallet");
    EXPECT_EQ(record.string("status"), "failed");
    EXPECT_NE(
        record.string("user_visible_error").find("wallet account is not funded"), std::string::npos)
        << record.text;
    EXPECT_EQ(record.at("direct_signed_txs").size(), 0U);
}

TEST_F(LanesTest, OneDenialStopsEverythingBeforeTheFirstSignature) {
    open();
    world().put_policy(
        wallet(), R"({"rules":{"addresses":{"mode":"whitelist","list":["intents.near"]}}})");
    const WorldAnswer record = run(std::string(kWrapAndDeposit));
    EXPECT_EQ(record.string("status"), "policy_denied") << record.text;
    EXPECT_EQ(record.at("direct_signed_txs").size(), 0U);
    EXPECT_EQ(landed(world().account_of(wallet())), Methods{});
}

TEST_F(LanesTest, AReceiptThatFailsInsideASuccessfulTransactionFailsTheStep) {
    open();
    ASSERT_EQ(
        run(steps("first", R"({"kind":"funding.wrap_near","amount":"1000"})")).string("status"),
        "succeeded");
    localchain::NearReceiptFault fault;
    fault.method = "ft_on_transfer";
    world().chain().order(fault);
    const WorldAnswer record = run(steps(
        "refunded", R"({"kind":"funding.intents_deposit","token":"wrap.near","amount":"400"})"));
    EXPECT_EQ(record.string("status"), "failed") << record.text;
    EXPECT_EQ(wrapped(wallet_account()).to_string(), "1000");  // refunded
    EXPECT_EQ(funding(record, 0).find("status")->string_value(), "failed");
    EXPECT_NE(record.string("user_visible_error").find("ordered by a test"), std::string::npos)
        << record.text;
}

TEST_F(LanesTest, WorkflowsOfOneWalletAtOnceShareItsNonces) {
    WorldOptions options = lanes_on();
    options.configure = [switches = options.configure](coordinator::CoordinatorOptions& its) {
        switches(its);
        its.execute_wait = base::Duration::zero();
    };
    open(std::move(options));
    ASSERT_EQ(
        run(steps("first", R"({"kind":"funding.wrap_near","amount":"1000"})")).string("status"),
        "succeeded");
    std::vector<std::string> ids;
    for (int i = 1; i <= 4; ++i) {
        const WorldAnswer answer = world().post(
            std::string(kExecute), wallet(),
            steps(
                "at-once-" + std::to_string(i),
                fmt::format(
                    R"({{"kind":"funding.intents_deposit","token":"wrap.near","amount":"{}"}})",
                    i * 10)));
        ids.push_back(answer.string("request_id"));
    }
    for (const std::string& id : ids) {
        EXPECT_EQ(finish(id).string("status"), "succeeded");
    }
    EXPECT_EQ(wrapped(wallet_account()).to_string(), "900");
    const Methods seen = landed(world().account_of(wallet()));
    EXPECT_EQ(std::count(seen.begin(), seen.end(), "ft_transfer_call"), 4);
}

TEST_F(LanesTest, APlanKnowsTheFurtherKindsWhereTheyRun) {
    open();
    const std::string body =
        R"({"steps":[{"kind":"funding.unwrap_near","amount":"1"},)"
        R"({"kind":"funding.intents_withdraw","token":"wrap.near","amount":"1"}]})";
    const WorldAnswer plan = world().post("/wallet/v1/workflows/plan", wallet(), body);
    EXPECT_EQ(plan.status, 200);
    EXPECT_TRUE(plan.at("accepted").boolean_value()) << plan.text;
    const auto& rows = plan.at("steps").items();
    EXPECT_EQ(rows.at(0).find("lane")->string_value(), "funding_setup");
    EXPECT_EQ(rows.at(0).find("receiver_id")->string_value(), "wrap.near");
    EXPECT_EQ(rows.at(0).find("method_name")->string_value(), "near_withdraw");
    EXPECT_EQ(rows.at(1).find("receiver_id")->string_value(), "intents.near");
    EXPECT_EQ(rows.at(1).find("method_name")->string_value(), "ft_withdraw");
}

TEST_F(LanesTest, RequestsThatLackSomethingAreRefusedAndNotKept) {
    open();
    const std::vector<std::pair<std::string, std::string>> cases = {
        {R"({"kind":"funding.wrap_near"})", "steps[0].amount is required"},
        {R"({"kind":"funding.wrap_near","amount":"0"})", "steps[0].amount is zero"},
        {R"({"kind":"funding.wrap_near","amount":"1.5"})", "decimal digits"},
        {R"({"kind":"funding.intents_deposit","amount":"5"})", "steps[0].token is required"},
        {R"({"kind":"funding.intents_deposit","token":"NO","amount":"5"})", "fungible token"},
        {R"({"kind":"funding.balance_check","source":"moon"})", "neither wallet nor intents"},
        {R"({"kind":"funding.balance_check","source":"intents"})", "steps[0].token is required"},
        {R"({"route":"funding_setup","receiver_id":"wrap.near","method_name":"a b"})",
         "identifier"},
        {R"({"kind":"near.function_call","predecessor_requirement":"user_required",)"
         R"("user_id":"mike.near","receiver_id":"count.mike.near","method_name":"increase",)"
         R"("gas":"400000000000000"})",
         "steps[0].gas"},
    };
    for (const auto& [step, wanted] : cases) {
        const WorldAnswer answer =
            world().post(std::string(kExecute), wallet(), steps("bad", step));
        EXPECT_EQ(answer.status, 400) << step;
        EXPECT_EQ(answer.string("error"), "invalid_request") << answer.text;
        EXPECT_NE(answer.string("message").find(wanted), std::string::npos) << answer.text;
    }
    EXPECT_EQ(world().get("/wallet/v1/workflows", wallet()).at("workflows").size(), 0U);
}

TEST_F(LanesTest, ATransactionThatNobodySeesIsToldAndFollowedToItsEnd) {
    WorldOptions options = lanes_on();
    options.configure = [switches = options.configure](coordinator::CoordinatorOptions& its) {
        switches(its);
        its.validity_blocks = 200;
    };
    open(std::move(options));
    for (std::size_t i = 0; i < world().options().nodes; ++i) {
        localchain::NearFaultRule rule;
        rule.method = "broadcast_tx_async";
        rule.fault = localchain::NearFault::Swallow;
        rule.count = 1'000;
        world().node(i).order(rule);
    }
    const WorldAnswer first = world().post(
        std::string(kExecute), wallet(),
        steps(
            "lost", R"({"kind":"funding.storage_deposit","receiver_id":"wrap.near"},)"
                    R"({"kind":"funding.wrap_near","amount":"7"})"));
    const std::string id = first.string("request_id");
    world().pass(std::chrono::seconds(80));
    const WorldAnswer record = world().get("/wallet/v1/workflows/" + id, wallet());
    EXPECT_EQ(record.string("status"), "failed") << record.text;
    EXPECT_EQ(record.string("phase"), "watch");
    EXPECT_NE(
        record.string("user_visible_error").find("it may still land until block"),
        std::string::npos)
        << record.text;
    const WorldAnswer over = finish(id);
    EXPECT_NE(over.string("user_visible_error").find("it never took effect"), std::string::npos)
        << over.text;
    EXPECT_EQ(landed(world().account_of(wallet())), Methods{});
    EXPECT_EQ(over.at("direct_signed_txs").size(), 1U);
}

// ----- direct user ------------------------------------------------------------------------------

const std::string kIncrease =
    R"({"kind":"near.function_call","predecessor_requirement":"user_required",)"
    R"("user_id":"mike.near","receiver_id":"count.mike.near",)"
    R"("actions":[{"method_name":"increase","gas":"30000000000000","deposit":"0"}]})";

TEST_F(LanesTest, AUsersCallRunsAsATransactionOfTheUsersKey) {
    open();
    install_user_key();
    const WorldAnswer record = run(steps("user", kIncrease));
    EXPECT_EQ(record.string("status"), "succeeded") << record.text;
    EXPECT_EQ(record.string("predecessor_model"), "user");
    EXPECT_EQ(record.string("ordering_model"), "single_tx_atomic");
    EXPECT_EQ(count(), "1");
    const Json& row = record.at("direct_user_evidence").items().at(0);
    EXPECT_EQ(row.find("signer_id")->string_value(), "mike.near");
    EXPECT_EQ(row.find("before_count")->number_text(), "0");
    EXPECT_EQ(row.find("after_count")->number_text(), "1");
    EXPECT_TRUE(row.find("count_delta_ok")->boolean_value());
    EXPECT_EQ(row.find("receipt_status")->string_value(), "success");
    EXPECT_EQ(row.find("final_status")->string_value(), "success");
    EXPECT_EQ(row.find("method_name")->string_value(), "increase");
    EXPECT_NE(row.find("key_label")->string_value().find("direct-user-fc"), std::string::npos);
    const auto block = near::BlockHash::parse(row.find("block_hash")->string_value());
    ASSERT_TRUE(block);
    const auto* const there = world().chain().find_block(*block);
    ASSERT_NE(there, nullptr);
    EXPECT_EQ(std::to_string(there->height), row.find("block_height")->number_text());
    expect_evidence(record);
}

TEST_F(LanesTest, WithoutTheUsersKeyNothingIsSignedAtAll) {
    open();
    const std::string body =
        steps("none", R"({"kind":"funding.wrap_near","amount":"5"},)" + kIncrease);
    const WorldAnswer record = run(body);
    EXPECT_EQ(record.string("status"), "requires_direct_user_setup") << record.text;
    EXPECT_NE(record.string("user_visible_error").find("access key not found"), std::string::npos);
    EXPECT_EQ(landed(world().account_of(wallet())), Methods{});
    EXPECT_EQ(world().post(std::string(kExecute), wallet(), body).status, 409);
}

TEST_F(LanesTest, AKeyWithoutAFiniteAllowanceIsNotUsed) {
    open();
    install_user_key(false);
    const WorldAnswer record = run(steps("unlimited", kIncrease));
    EXPECT_EQ(record.string("status"), "requires_direct_user_setup");
    EXPECT_NE(
        record.string("user_visible_error").find("allowance is unlimited"), std::string::npos);
    EXPECT_EQ(count(), "0");
}

TEST_F(LanesTest, ScopesThatAreNotConfiguredAndDepositsAreRejected) {
    open();
    const std::string head =
        R"({"kind":"near.function_call","predecessor_requirement":"user_required",)";
    const std::vector<std::pair<std::string, std::string>> cases = {
        {head + R"("user_id":"eve.near","receiver_id":"count.mike.near","method_name":"increase"})",
         "direct-user scope is not allowed"},
        {head + R"("user_id":"mike.near","receiver_id":"count.mike.near","method_name":"fail"})",
         "direct-user scope is not allowed"},
        {head + R"("user_id":"mike.near","receiver_id":"count.mike.near",)"
                R"("registry_id":"other.near","method_name":"increase"})",
         "direct-user scope is not allowed"},
        {head + R"("user_id":"mike.near","receiver_id":"count.mike.near",)"
                R"("method_name":"increase","deposit":"1"})",
         "steps[0] attaches a deposit, which a scoped FunctionCall key cannot"},
        {head + R"("user_id":"mike.near","receiver_id":"count.mike.near",)"
                R"("actions":[{"method_name":"increase"},{"method_name":"increase"}]})",
         "steps[0] has several actions, and a scoped FunctionCall key signs one"},
    };
    int number = 0;
    for (const auto& [step, why] : cases) {
        const WorldAnswer answer = world().post(
            std::string(kExecute), wallet(), steps("no-" + std::to_string(++number), step));
        EXPECT_EQ(answer.status, 400) << answer.text;
        EXPECT_EQ(answer.string("status"), "rejected") << answer.text;
        EXPECT_EQ(answer.string("user_visible_error"), why);
    }
}

// ----- mixed ------------------------------------------------------------------------------------

std::string transfer(const std::string& receiver, const std::string& digits) {
    return R"({"kind":"intents.transfer","token":"nep141:wrap.near","amount":")" + digits +
           R"(","receiver_id":")" + receiver + R"("})";
}

TEST_F(LanesTest, AMixedWorkflowKeepsItsOrderAcrossLanes) {
    open();
    install_user_key();
    const WorldAnswer record = run(steps(
        "mixed", R"({"kind":"funding.wrap_near","amount":"1000"},)"
                 R"({"kind":"funding.intents_deposit","token":"wrap.near","amount":"900"},)" +
                     transfer("a.near", "10") + "," + transfer("b.near", "20") + "," + kIncrease +
                     "," + transfer("a.near", "5")));
    EXPECT_EQ(record.string("status"), "succeeded") << record.text;
    EXPECT_EQ(world().intents_balance("a.near").to_string(), "15");
    EXPECT_EQ(world().intents_balance("b.near").to_string(), "20");
    EXPECT_EQ(count(), "1");
    EXPECT_TRUE(record.at("proxy_predecessor").boolean_value());
    EXPECT_EQ(record.string("predecessor_model"), "gate");
    EXPECT_EQ(record.at("intent_ids").size(), 3U);
    EXPECT_EQ(record.at("submit_tx_hashes").size(), 3U);
    EXPECT_EQ(record.at("dispatch_receipts").size(), 3U);
    EXPECT_EQ(record.at("balance_deltas").dump(), R"({"nep141:wrap.near:intents":"-35"})");
    // Heights rise over all lanes.
    const auto& heights = record.at("dispatch_block_heights").items();
    ASSERT_EQ(heights.size(), 3U);
    const std::uint64_t deposit = funding(record, 1).find("block_height")->as_uint64().value();
    const std::uint64_t user =
        record.at("direct_user_evidence").items().at(0).find("block_height")->as_uint64().value();
    EXPECT_LT(deposit, heights[0].as_uint64().value());
    EXPECT_LT(heights[1].as_uint64().value(), user);
    EXPECT_LT(user, heights[2].as_uint64().value());
    ASSERT_EQ(record.at("segments").size(), 5U);
    // Each batch is a request of its own, with its own record and evidence.
    const std::string child =
        record.at("segments").items().at(2).find("request_id")->string_value();
    const WorldAnswer batch = world().get("/wallet/v1/workflows/" + child, wallet());
    EXPECT_EQ(batch.string("endpoint"), "workflow_segment");
    EXPECT_EQ(batch.string("status"), "succeeded");
    EXPECT_EQ(batch.at("dispatch_receipts").size(), 2U);
    expect_evidence(record);
}

TEST_F(LanesTest, AMixedWorkflowStopsAtTheFirstFailure) {
    open();
    localchain::NearReceiptFault fault;
    fault.method = "execute_intents";
    world().chain().order(fault);
    const WorldAnswer record = run(steps(
        "stops", R"({"kind":"funding.storage_deposit","receiver_id":"wrap.near"},)" +
                     transfer("a.near", "10") + R"(,{"kind":"funding.wrap_near","amount":"7"})"));
    EXPECT_EQ(record.string("status"), "failed") << record.text;
    const std::string why = record.string("user_visible_error");
    EXPECT_NE(why.find("step 1 (gate_batch) failed: call 0 failed"), std::string::npos) << why;
    EXPECT_NE(why.find("step 0 was carried out"), std::string::npos) << why;
    EXPECT_EQ(landed(world().account_of(wallet())), Methods{"storage_deposit"});
    EXPECT_EQ(record.at("dispatch_receipts").size(), 1U);
}

TEST_F(LanesTest, CancelStopsBetweenStepsAndSaysWhatWasDone) {
    WorldOptions options = lanes_on();
    options.configure = [switches = options.configure](coordinator::CoordinatorOptions& its) {
        switches(its);
        its.execute_wait = base::Duration::zero();
    };
    open(std::move(options));
    const WorldAnswer first = world().post(
        std::string(kExecute), wallet(),
        steps(
            "cancel", R"({"kind":"funding.wrap_near","amount":"1000"},)" +
                          transfer("a.near", "10") +
                          R"(,{"kind":"funding.unwrap_near","amount":"7"})"));
    const std::string id = first.string("request_id");
    for (int i = 0; i < 100 && landed(world().account_of(wallet())).empty(); ++i) {
        world().pass(world().options().block_time);
    }
    world().post("/wallet/v1/workflows/" + id + "/cancel", wallet(), "{}");
    const WorldAnswer record = finish(id);
    EXPECT_EQ(record.string("status"), "failed");
    EXPECT_NE(record.string("user_visible_error").find("cancelled"), std::string::npos)
        << record.text;
    const Methods seen = landed(world().account_of(wallet()));
    EXPECT_EQ(std::count(seen.begin(), seen.end(), "near_withdraw"), 0);
}

// ----- batches of 4 to 12 -----------------------------------------------------------------------

class LargeBatchTest : public LanesTest {
protected:
    static WorldOptions most(std::size_t calls) {
        WorldOptions out;
        out.configure = [calls](coordinator::CoordinatorOptions& options) {
            options.gate_calls_max = calls;
        };
        return out;
    }
    std::string transfers(std::size_t count) {
        std::string out;
        for (std::size_t i = 0; i < count; ++i) {
            out += (i == 0 ? "" : ",") + transfer(fmt::format("r{}.near", i), "10");
        }
        return out;
    }
};

TEST_F(LargeBatchTest, ABatchOfTwelveRunsInOrderAtItsTiersPrice) {
    open(most(12));
    const WorldAnswer record = run(steps("twelve", transfers(12)));
    EXPECT_EQ(record.string("status"), "succeeded") << record.text;
    ASSERT_EQ(record.at("dispatch_block_heights").size(), 12U);
    const auto& heights = record.at("dispatch_block_heights").items();
    for (std::size_t i = 1; i < 12; ++i) {
        EXPECT_EQ(heights[i].as_uint64().value(), heights[i - 1].as_uint64().value() + 3);
    }
    for (std::size_t i = 0; i < 12; ++i) {
        EXPECT_EQ(world().intents_balance(fmt::format("r{}.near", i)).to_string(), "10");
    }
    const auto fees =
        world().chain().view(account("gate.sequential.near"), "get_fee_stats", "{}").value();
    EXPECT_EQ(fees.items().at(0).string_value(), "60000000000000000000000");
}

TEST_F(LargeBatchTest, OneMoreThanAllowedIsRejected) {
    open(most(6));
    EXPECT_EQ(run(steps("six", transfers(6))).string("status"), "succeeded");
    const WorldAnswer answer =
        world().post(std::string(kExecute), wallet(), steps("seven", transfers(7)));
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(answer.string("user_visible_error"), "gate batch supports at most 6 calls");
}

TEST_F(LargeBatchTest, WithTheSwitchOffThreeAreTheMost) {
    open(WorldOptions{});
    const WorldAnswer answer =
        world().post(std::string(kExecute), wallet(), steps("four", transfers(4)));
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(answer.string("user_visible_error"), "gate batch supports at most 3 calls");
}

TEST_F(LargeBatchTest, ASequentialBatchTakesAsManyAndNoMore) {
    open(most(5));
    const auto call = [](std::size_t i) {
        return fmt::format(
            R"({{"receiver_id":"count.mike.near","method_name":"increase",)"
            R"("gas":"30000000000000","args_json":{{"n":{}}}}})",
            i);
    };
    const auto body = [&](std::size_t calls) {
        std::string list;
        for (std::size_t i = 0; i < calls; ++i) list += (i == 0 ? "" : ",") + call(i);
        return R"({"gate_id":"gate.sequential.near","idempotency_key":"b)" + std::to_string(calls) +
               R"(","calls":[)" + list + "]}";
    };
    const WorldAnswer many = world().post("/wallet/v1/sequential-batch", wallet(), body(6));
    EXPECT_EQ(many.status, 400);
    EXPECT_EQ(many.string("user_visible_error"), "sequential batch requires 1 to 5 calls");
    const WorldAnswer first = world().post("/wallet/v1/sequential-batch", wallet(), body(5));
    const WorldAnswer record = finish(first.string("request_id"));
    EXPECT_EQ(record.string("status"), "succeeded") << record.text;
    EXPECT_EQ(record.at("dispatch_receipts").size(), 5U);
    EXPECT_EQ(count(), "5");
}

TEST_F(LargeBatchTest, AFeeAboveTheConfiguredOneIsNotPaid) {
    WorldOptions options;
    options.configure = [](coordinator::CoordinatorOptions& its) {
        its.gate_calls_max = 6;
        its.gate_fee_4_to_6 = near::YoctoNear::parse("49999999999999999999999").value();
    };
    open(std::move(options));
    const WorldAnswer record = run(steps("dear", transfers(4)));
    EXPECT_EQ(record.string("status"), "failed");
    EXPECT_EQ(
        record.string("user_visible_error"),
        "4-6 call gate fee drift: expected 49999999999999999999999, got 50000000000000000000000");
    EXPECT_EQ(record.at("signed_nep413_payloads").size(), 0U);
}

// ----- every database ---------------------------------------------------------------------------

class LanesDatabaseTest : public storage::DatabaseTest {};

TEST_P(LanesDatabaseTest, AMixedWorkflowRunsToItsEnd) {
    WorldOptions options = lanes_on();
    if (test().sim() == nullptr) {
        // Real time: blocks come quickly.
        options.block_time = std::chrono::milliseconds(20);
        options.poll_interval = std::chrono::milliseconds(10);
    }
    World world(test(), options);
    const WorldAnswer first = world.post(
        std::string(kExecute), world.wallet(0),
        R"({"steps":[{"kind":"funding.wrap_near","amount":"1000"},)" + transfer("a.near", "10") +
            R"(,{"kind":"funding.unwrap_near","amount":"400"}]})");
    const std::string id = first.string("request_id");
    ASSERT_FALSE(id.empty()) << first.text;
    WorldAnswer record;
    for (int i = 0; i < 2'000 && record.string("phase") != "done"; ++i) {
        world.pass(options.block_time);
        record = world.get("/wallet/v1/workflows/" + id, world.wallet(0));
    }
    EXPECT_EQ(record.string("status"), "succeeded") << record.text;
    EXPECT_EQ(record.at("funding_evidence").size(), 2U);
    EXPECT_EQ(world.intents_balance("a.near").to_string(), "10");
    for (const std::string& violation : world.violations()) ADD_FAILURE() << violation;
}

ADYTON_ON_ALL_DATABASES(LanesDatabaseTest);

// ----- crashes ----------------------------------------------------------------------------------

// Others than optimized builds are five to fifty times slower.
#if defined(__OPTIMIZE__) && !defined(ADYTON_SANITIZED)
constexpr std::uint64_t kStride = 1;
#else
constexpr std::uint64_t kStride = 6;
#endif

// Dies at one moment after the other; afterwards every step is done once and told.
void survive_death(
    const std::vector<LaneStep::Kind>& kinds, std::uint64_t seed, std::uint64_t stride) {
    const Prepare prepare = [&kinds](World& world) {
        install_user_key(world, world.wallet(0));
        wish_lanes(world, 0, kinds);
    };
    WorldOptions options;
    options.seed = seed;
    switch_lanes_on(options);
    std::uint64_t crashes = 0;
    while (run_and_die(options, prepare, 1 + crashes * stride)) {
        ++crashes;
        if (::testing::Test::HasFailure()) return;
    }
    EXPECT_GT(crashes, 25 / stride);
}

using Kind = LaneStep::Kind;

TEST(LanesCrashTest, TheFundingLaneSurvivesDeathAtAnyMoment) {
    survive_death({Kind::Wrap, Kind::Deposit}, 3, kStride);
}

TEST(LanesCrashTest, AMixedWorkflowSurvivesDeathAtAnyMoment) {
    survive_death(all_kinds(), 4, kStride * 5);
}

}  // namespace
}  // namespace adyton::sim
