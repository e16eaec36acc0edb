#include "localchain/near_node.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "chain/near_client.h"
#include "localchain/near_test_support.h"
#include "localchain/neo_rpc.h"

namespace adyton::localchain {
namespace {

using base::Json;
using testing::account_id;
using testing::in_near;
using testing::near_test_key;
using testing::yocto;

class NearNodeTest : public testing::LocalNearTest {
protected:
    std::string async_params(const near::SignedTransaction& transaction) {
        return fmt::format(R"(["{}"])", near::to_base64(transaction));
    }
    near::SignedTransaction payment(std::uint64_t near = 1) {
        return sign(alice_, alice_key_, bob_, {near::Transfer{in_near(near)}});
    }
    std::string status_params(
        const near::TransactionHash& hash, std::string_view wait_until = "NONE") {
        return fmt::format(
            R"({{"tx_hash":"{}","sender_account_id":"{}","wait_until":"{}"}})", hash.to_string(),
            alice_.text(), wait_until);
    }
    std::string level(const near::TransactionHash& hash) {
        return result("tx", status_params(hash)).find("final_execution_status")->string_value();
    }
    std::string key_params(const near::AccountId& id, const crypto::Ed25519KeyPair& key) {
        return fmt::format(
            R"({{"request_type":"view_access_key","finality":"optimistic","account_id":"{}","public_key":"{}"}})",
            id.text(), near::PublicKey(key.public_key()).to_string());
    }
    std::string account_params(const near::AccountId& id, std::string_view finality) {
        return fmt::format(
            R"({{"request_type":"view_account","finality":"{}","account_id":"{}"}})", finality,
            id.text());
    }
    // Over the router, as a connection would; empty: cut or refused.
    Result<http::Response> post(std::string_view method, std::string_view params) {
        base::SeededRandom random(3);
        http::RouterTransport transport(node_->router(), {}, random);
        http::ClientRequest request;
        request.method = "POST";
        request.url = "http://node/";
        request.body =
            fmt::format(R"({{"jsonrpc":"2.0","id":5,"method":"{}","params":{}}})", method, params);
        Task<Result<http::Response>> sending = transport.send(std::move(request));
        return executor_.run_until_done(std::move(sending));
    }
};

TEST_F(NearNodeTest, BlocksAreFoundByFinalityHeightAndHash) {
    produce(5);
    const Json final = result("block", R"({"finality":"final"})");
    const Json& header = *final.find("header");
    EXPECT_EQ(header.find("height")->as_uint64().value(), chain_->height() - 2);
    const std::string hash = header.find("hash")->string_value();
    EXPECT_EQ(result("block", fmt::format(R"({{"block_id":"{}"}})", hash)), final);
    EXPECT_EQ(
        result("block", fmt::format(R"({{"block_id":{}}})", header.find("height")->number_text())),
        final);
    const Json head = result("block", R"({"finality":"optimistic"})");
    EXPECT_EQ(head.find("header")->find("height")->as_uint64().value(), chain_->height());
    EXPECT_EQ(
        head.find("header")->find("timestamp")->as_uint64().value(), chain_->head().timestamp_ns);
    EXPECT_EQ(
        error_cause("block", R"({"block_id":"11111111111111111111111111111111"})"),
        "UNKNOWN_BLOCK");
    EXPECT_EQ(error_cause("block", R"({"block_id":99})"), "UNKNOWN_BLOCK");
    EXPECT_EQ(error_cause("block", R"({"finality":"soon"})"), "PARSE_ERROR");
    EXPECT_EQ(
        result("chunk", fmt::format(R"({{"chunk_id":"{}"}})", hash))
            .find("header")
            ->find("chunk_hash")
            ->string_value(),
        hash);
}

TEST_F(NearNodeTest, TheNodeSaysThatItIsASimulator) {
    const Json status = result("status", "[]");
    EXPECT_EQ(status.find("chain_id")->string_value(), "adyton-local");
    EXPECT_NE(
        status.find("version")->find("version")->string_value().find("SIMULATOR"),
        std::string::npos);
    EXPECT_EQ(
        status.find("sync_info")->find("latest_block_height")->as_uint64().value(),
        chain_->height());
    EXPECT_EQ(result("gas_price", "[null]").find("gas_price")->string_value(), "100000000");
    EXPECT_TRUE(result("health", "[]").is_null());
    EXPECT_EQ(error_cause("no_such_method", "[]"), "METHOD_NOT_FOUND");
    EXPECT_EQ(error_cause("adyton_faucet", "{}"), "METHOD_NOT_FOUND");
}

TEST_F(NearNodeTest, StateIsReadAtTheFinalityAskedFor) {
    send(alice_, alice_key_, bob_, {near::Transfer{in_near(1)}});
    produce(2);
    const auto amount = [this](std::string_view finality) {
        return result("query", account_params(bob_, finality)).find("amount")->string_value();
    };
    EXPECT_EQ(amount("optimistic"), in_near(101).to_string());
    EXPECT_EQ(amount("final"), in_near(100).to_string());
    produce(2);
    EXPECT_EQ(amount("final"), in_near(101).to_string());
}

TEST_F(NearNodeTest, QueriesForWhatIsNotThereAreErrorsOfTheirKind) {
    EXPECT_EQ(
        error_cause("query", account_params(account_id("nobody.near"), "final")),
        "UNKNOWN_ACCOUNT");
    const Json flat = result("query", key_params(alice_, bob_key_));
    EXPECT_NE(
        flat.find("error")->string_value().find("does not exist while viewing"), std::string::npos);
    const auto view = [](std::string_view account, std::string_view method) {
        return fmt::format(
            R"({{"request_type":"call_function","finality":"final","account_id":"{}","method_name":"{}","args_base64":"e30="}})",
            account, method);
    };
    EXPECT_EQ(error_cause("query", view(alice_.text(), "f")), "NO_CONTRACT_CODE");
    EXPECT_EQ(error_cause("query", view("nobody.near", "f")), "UNKNOWN_ACCOUNT");
    EXPECT_EQ(
        result("query", view("count.mike.near", "fail")).find("error")->string_value(),
        R"(wasm execution failed with error: HostError(GuestPanic { panic_msg: "ordered failure" }))");
    EXPECT_NE(result("query", view("count.mike.near", "nothing")).find("error"), nullptr);
    EXPECT_NE(result("query", view("count.mike.near", "increase")).find("error"), nullptr);
    EXPECT_EQ(result("query", view("count.mike.near", "get_count")).find("result")->dump(), "[48]");
    EXPECT_EQ(error_cause("query", R"({"request_type":"view_everything"})"), "PARSE_ERROR");
    EXPECT_EQ(error_cause("query", R"({"finality":"final"})"), "PARSE_ERROR");

    make_chain(standard_options(), standard_network(), {.flat_errors = false});
    EXPECT_EQ(error_cause("query", key_params(alice_, bob_key_)), "UNKNOWN_ACCESS_KEY");
    EXPECT_EQ(error_cause("query", view("count.mike.near", "fail")), "CONTRACT_EXECUTION_ERROR");
}

TEST_F(NearNodeTest, KeysAreListedWithTheirPermissions) {
    const Json keys = result(
        "query",
        fmt::format(
            R"({{"request_type":"view_access_key_list","finality":"final","account_id":"{}"}})",
            names_.relayer));
    ASSERT_EQ(keys.find("keys")->size(), 1U);
    EXPECT_EQ(
        keys.find("keys")->items()[0].find("access_key")->find("permission")->string_value(),
        "FullAccess");
}

TEST_F(NearNodeTest, ATransactionGoesThroughItsLevels) {
    const auto transaction = payment();
    const auto hash = near::hash(transaction.transaction);
    EXPECT_EQ(error_cause("tx", status_params(hash)), "UNKNOWN_TRANSACTION");
    EXPECT_EQ(
        result("broadcast_tx_async", async_params(transaction)).string_value(), hash.to_string());
    EXPECT_EQ(error_cause("tx", status_params(hash)), "UNKNOWN_TRANSACTION");
    produce(1);
    EXPECT_EQ(level(hash), "INCLUDED");
    EXPECT_EQ(result("tx", status_params(hash)).find("status")->string_value(), "Started");
    EXPECT_EQ(error_cause("tx", status_params(hash, "FINAL")), "TIMEOUT_ERROR");
    produce(1);
    EXPECT_EQ(level(hash), "EXECUTED_OPTIMISTIC");
    produce(1);
    EXPECT_EQ(level(hash), "EXECUTED");
    produce(1);
    EXPECT_EQ(level(hash), "FINAL");
    const Json with_receipts = result("EXPERIMENTAL_tx_status", status_params(hash));
    EXPECT_EQ(with_receipts.find("receipts")->size(), 1U);
    EXPECT_EQ(result("tx", status_params(hash)).find("receipts"), nullptr);
    const std::string receipt =
        with_receipts.find("receipts")->items()[0].find("receipt_id")->string_value();
    EXPECT_EQ(
        result("EXPERIMENTAL_receipt", fmt::format(R"({{"receipt_id":"{}"}})", receipt))
            .find("receiver_id")
            ->string_value(),
        bob_.text());
}

TEST_F(NearNodeTest, AYieldLeavesItsTransactionIncludedFinalWithPartialReceipts) {
    const auto hash = submit_intent(delegate(counter_, "increase", "{}"));
    produce(6);
    EXPECT_EQ(status_of(hash).final_execution_status, "INCLUDED_FINAL");
}

TEST_F(NearNodeTest, AsyncBroadcastsAcceptWhatCannotLandAndOthersRefuseIt) {
    const auto stale = sign(
        alice_, alice_key_, bob_, {near::Transfer{in_near(1)}},
        Plan{.nonce = nonce_of(alice_, alice_key_)});
    EXPECT_TRUE(result("broadcast_tx_async", async_params(stale)).is_string());
    produce(3);
    EXPECT_EQ(
        error_cause("tx", status_params(near::hash(stale.transaction))), "UNKNOWN_TRANSACTION");
    const Json refused =
        ask("send_tx", fmt::format(R"({{"signed_tx_base64":"{}"}})", near::to_base64(stale)));
    const Json& error = *refused.find("error");
    EXPECT_EQ(error.find("name")->string_value(), "HANDLER_ERROR");
    EXPECT_EQ(error.find("cause")->find("name")->string_value(), "INVALID_TRANSACTION");
    const Json* const nonce =
        error.find("data")->find("TxExecutionError")->find("InvalidTxError")->find("InvalidNonce");
    ASSERT_NE(nonce, nullptr);
    EXPECT_EQ(nonce->find("ak_nonce")->as_uint64().value(), stale.transaction.nonce);
    EXPECT_EQ(nonce->find("tx_nonce")->as_uint64().value(), stale.transaction.nonce);
    EXPECT_EQ(error_cause("broadcast_tx_commit", async_params(stale)), "INVALID_TRANSACTION");
    EXPECT_EQ(error_cause("broadcast_tx_async", R"(["AAAA"])"), "PARSE_ERROR");
    EXPECT_EQ(error_cause("broadcast_tx_async", "[]"), "PARSE_ERROR");

    make_chain(standard_options(), standard_network(), {.async_validates = true});
    const auto old = sign(alice_, alice_key_, bob_, {near::Transfer{in_near(1)}}, Plan{.nonce = 1});
    EXPECT_EQ(error_cause("broadcast_tx_async", async_params(old)), "INVALID_TRANSACTION");
}

TEST_F(NearNodeTest, WaitingEndsWithTheBlockThatBringsTheLevel) {
    chain_->start();
    const auto transaction = payment();
    const auto response = post(
        "send_tx",
        fmt::format(
            R"({{"signed_tx_base64":"{}","wait_until":"FINAL"}})", near::to_base64(transaction)));
    ASSERT_TRUE(response);
    const Json answer = Json::parse(response->body).value();
    ASSERT_NE(answer.find("result"), nullptr) << response->body;
    EXPECT_EQ(answer.find("result")->find("final_execution_status")->string_value(), "FINAL");
    EXPECT_EQ(answer.find("id")->as_int64().value(), 5);
}

TEST_F(NearNodeTest, WaitingGivesUpAfterItsTime) {
    chain_->start();
    const auto before = executor_.steady_now();
    const auto hash = submit_intent(delegate(counter_, "increase", "{}"));
    const auto response = post("tx", status_params(hash, "FINAL"));
    ASSERT_TRUE(response);
    EXPECT_NE(response->body.find("TIMEOUT_ERROR"), std::string::npos);
    EXPECT_GE(executor_.steady_now() - before, std::chrono::seconds(10));
    const auto unknown = post("tx", status_params(near::TransactionHash{}, "INCLUDED"));
    EXPECT_NE(unknown->body.find("UNKNOWN_TRANSACTION"), std::string::npos);
}

TEST_F(NearNodeTest, ALaggingNodeKnowsOnlyThePast) {
    produce(20);
    node_->set_lag(10);
    EXPECT_EQ(node_->height(), chain_->height() - 10);
    const auto hash = send(alice_, alice_key_, bob_, {near::Transfer{in_near(1)}});
    produce(5);
    EXPECT_EQ(error_cause("tx", status_params(hash)), "UNKNOWN_TRANSACTION");
    EXPECT_EQ(
        result("query", account_params(bob_, "optimistic")).find("amount")->string_value(),
        in_near(100).to_string());
    EXPECT_EQ(
        error_cause("block", fmt::format(R"({{"block_id":{}}})", chain_->height())),
        "UNKNOWN_BLOCK");
    // It takes the same nonce again, which everybody else knows to be used.
    const auto again = sign(
        alice_, alice_key_, bob_, {near::Transfer{in_near(1)}},
        Plan{.nonce = nonce_of(alice_, alice_key_), .block_hash = chain_->block_back(12).hash});
    EXPECT_TRUE(chain_->submit(near::serialize(again), node_->height()).accepted());
    produce(20);
    EXPECT_EQ(chain_->find_transaction(near::hash(again.transaction)), nullptr);
    EXPECT_EQ(level(hash), "FINAL");
}

TEST_F(NearNodeTest, HistoryBeyondItsLimitIsGarbageCollected) {
    NearChainOptions options = standard_options();
    options.history_blocks = 5;
    make_chain(std::move(options), standard_network());
    produce(20);
    const auto params = fmt::format(
        R"({{"request_type":"view_account","block_id":{},"account_id":"{}"}})",
        chain_->height() - 15, alice_.text());
    EXPECT_EQ(error_cause("query", params), "GARBAGE_COLLECTED_BLOCK");
}

TEST_F(NearNodeTest, BroadcastFaultsLoseSwallowAndDouble) {
    node_->order({.fault = NearFault::LoseRequest, .method = "broadcast_tx_async"});
    node_->order({.fault = NearFault::LoseAnswer, .method = "broadcast_tx_async"});
    node_->order({.fault = NearFault::Swallow, .method = "broadcast_tx_async"});
    node_->order({.fault = NearFault::Double, .method = "broadcast_tx_async"});
    node_->order({.fault = NearFault::OtherHash, .method = "broadcast_tx_async"});
    const auto lost = payment();
    EXPECT_FALSE(post("broadcast_tx_async", async_params(lost)));
    EXPECT_EQ(chain_->pool_size(), 0U);
    EXPECT_FALSE(post("broadcast_tx_async", async_params(lost)));
    EXPECT_EQ(chain_->pool_size(), 1U);
    const auto swallowed = payment();
    EXPECT_EQ(
        result("broadcast_tx_async", async_params(swallowed)).string_value(),
        near::hash(swallowed.transaction).to_string());
    EXPECT_EQ(chain_->pool_size(), 1U);
    EXPECT_TRUE(result("broadcast_tx_async", async_params(payment())).is_string());
    EXPECT_EQ(chain_->pool_size(), 2U);
    const auto renamed = payment();
    EXPECT_NE(
        result("broadcast_tx_async", async_params(renamed)).string_value(),
        near::hash(renamed.transaction).to_string());
    produce(4);
    EXPECT_EQ(balance(bob_), in_near(103).amount());
    for (const NearFault fault :
         {NearFault::LoseRequest, NearFault::LoseAnswer, NearFault::Swallow, NearFault::Double,
          NearFault::OtherHash}) {
        EXPECT_EQ(node_->struck(fault), 1U);
    }
}

TEST_F(NearNodeTest, AnswerFaultsAreOneWrongThingEach) {
    const auto hash = submit_counts(1).front();
    resume({0});
    produce(8);
    const std::string params = status_params(hash);
    const Json truth = result("EXPERIMENTAL_tx_status", params);
    const auto ordered = [&](NearFault fault) {
        node_->order({.fault = fault, .method = "EXPERIMENTAL_tx_status"});
        return ask("EXPERIMENTAL_tx_status", params);
    };
    EXPECT_EQ(
        ordered(NearFault::Unknown).find("error")->find("cause")->find("name")->string_value(),
        "UNKNOWN_TRANSACTION");
    EXPECT_TRUE(ordered(NearFault::NullResult).find("result")->is_null());
    EXPECT_EQ(ordered(NearFault::WrongId).find("id")->string_value(), "another");
    EXPECT_EQ(ordered(NearFault::BareResult), truth);
    EXPECT_NE(
        ordered(NearFault::Contradict).find("result")->find("status")->find("Failure"), nullptr);
    const auto outcomes_of = [](const Json& answer) {
        return *answer.find("result")->find("receipts_outcome");
    };
    const Json turned = outcomes_of(ordered(NearFault::ContradictReceipts));
    const Json forged = outcomes_of(ordered(NearFault::ForgeIds));
    for (std::size_t i = 0; i < turned.size(); ++i) {
        const Json& was = *truth.find("receipts_outcome")->items()[i].find("outcome");
        const Json& is = *turned.items()[i].find("outcome");
        EXPECT_NE(is.find("status")->find("Failure"), nullptr);
        EXPECT_EQ(was.find("status")->find("Failure"), nullptr);
        EXPECT_EQ(*is.find("logs"), *was.find("logs"));
    }
    EXPECT_NE(forged.dump().find(R"(\"id\":100)"), std::string::npos) << forged.dump();
    EXPECT_TRUE(ordered(NearFault::Garbage).is_null());
    EXPECT_EQ(
        ordered(NearFault::RpcError).find("error")->find("cause")->find("name")->string_value(),
        "INTERNAL_ERROR");
    const Json shuffled = *ordered(NearFault::ShuffleOutcomes).find("result");
    EXPECT_EQ(shuffled.find("receipts_outcome")->size(), truth.find("receipts_outcome")->size());
    for (const Json& outcome : truth.find("receipts_outcome")->items()) {
        const auto& items = shuffled.find("receipts_outcome")->items();
        EXPECT_NE(std::find(items.begin(), items.end(), outcome), items.end());
    }
    node_->order({.fault = NearFault::HttpStatus, .http_status = 429});
    EXPECT_EQ(static_cast<int>(post("status", "[]")->status), 429);
    node_->order({.fault = NearFault::Delay, .delay = std::chrono::seconds(3)});
    const auto before = executor_.steady_now();
    EXPECT_TRUE(post("status", "[]"));
    EXPECT_GE(executor_.steady_now() - before, std::chrono::seconds(3));
    EXPECT_EQ(result("EXPERIMENTAL_tx_status", params), truth);
}

TEST_F(NearNodeTest, StaleAnswersShowThePastOfTheChain) {
    produce(12);
    send(alice_, alice_key_, bob_, {near::Transfer{in_near(1)}});
    produce(2);
    const std::string params = key_params(alice_, alice_key_);
    const std::uint64_t now = result("query", params).find("nonce")->as_uint64().value();
    node_->order({.fault = NearFault::StaleNonce, .blocks = 10});
    EXPECT_LT(result("query", params).find("nonce")->as_uint64().value(), now);
    EXPECT_EQ(result("query", params).find("nonce")->as_uint64().value(), now);
    node_->order({.fault = NearFault::StaleState, .blocks = 10});
    EXPECT_EQ(
        result("query", account_params(bob_, "optimistic")).find("amount")->string_value(),
        in_near(100).to_string());
    const std::string account = account_params(bob_, "final");
    const std::string truth = result("query", account).find("amount")->string_value();
    node_->order({.fault = NearFault::ContradictState});
    EXPECT_EQ(result("query", account).find("amount")->string_value(), truth + "0");
    node_->set_height_lie(1000);
    EXPECT_EQ(
        result("block", R"({"finality":"optimistic"})")
            .find("header")
            ->find("height")
            ->as_uint64()
            .value(),
        chain_->height() + 1000);
}

TEST_F(NearNodeTest, FaultsByChanceComeFromTheSeed) {
    const auto run = [this](std::uint64_t seed) {
        make_chain(standard_options(), standard_network(), {.seed = seed});
        node_->order(
            {.fault = NearFault::RpcError, .count = NearFaultRule::kForever, .per_mille = 500});
        std::string out;
        for (int i = 0; i < 64; ++i) {
            out += error_cause("status", "[]") == "INTERNAL_ERROR" ? '1' : '0';
        }
        return out;
    };
    EXPECT_EQ(run(1), run(1));
    EXPECT_NE(run(1), run(2));
}

TEST_F(NearNodeTest, BatchesAndBrokenRequestsAreAnsweredWithJson) {
    const http::Response batch = node_->answer(
        R"([{"jsonrpc":"2.0","id":1,"method":"status","params":[]},{"jsonrpc":"2.0","id":"x","method":"no","params":[]}])");
    const Json list = Json::parse(batch.body).value();
    ASSERT_EQ(list.size(), 2U);
    EXPECT_NE(list.items()[0].find("result"), nullptr);
    EXPECT_EQ(list.items()[1].find("id")->string_value(), "x");
    for (const char* const body :
         {"", "{", "[]", "7", R"({"method":"status"})", R"({"jsonrpc":"2.0","id":1,"method":7})"}) {
        const Json answer = Json::parse(node_->answer(body).body).value();
        EXPECT_EQ(answer.find("error")->find("code")->as_int64().value(), -32700) << body;
    }
}

TEST_F(NearNodeTest, TheFaucetPaysInEveryTokenAndNotTooMuch) {
    make_chain(standard_options(), standard_network(), {.faucet = true});
    const auto ask_for = [this](std::string_view token, std::string_view amount) {
        return ask(
            "adyton_faucet",
            fmt::format(
                R"({{"account_id":"{}","token":"{}","amount":"{}"}})", bob_.text(), token, amount));
    };
    EXPECT_NE(ask_for("NEAR", in_near(3).to_string()).find("result"), nullptr);
    EXPECT_NE(ask_for("wrap", "5").find("result"), nullptr);
    EXPECT_NE(ask_for("intents", "7").find("result"), nullptr);
    EXPECT_NE(ask_for("GAS", "7").find("error"), nullptr);
    EXPECT_NE(ask_for("NEAR", "0").find("error"), nullptr);
    EXPECT_NE(ask_for("NEAR", std::string(39, '9')).find("error"), nullptr);
    produce(6);
    EXPECT_EQ(balance(bob_), in_near(103).amount());
    EXPECT_EQ(wrapped(bob_), base::Amount(5));
    EXPECT_EQ(intents_balance(bob_), in_near(50).amount().plus(base::Amount(7)));
    expect_balanced_books();
}

TEST_F(NearNodeTest, FaultsAreOrderedOverTheNodeItselfOnlyWhereThatIsOn) {
    EXPECT_EQ(error_cause("adyton_fault", "{}"), "METHOD_NOT_FOUND");
    make_chain(standard_options(), standard_network(), {.faults = true});
    const auto order = [this](std::string_view wish) { return ask("adyton_fault", wish); };
    const Json ordered = order(R"({"fault":"other_height","method":"block","blocks":7,"count":0})");
    EXPECT_EQ(ordered.find("result")->find("waiting")->number_text(), "1") << ordered.dump();
    const auto height = [this] {
        return ask("block", R"({"finality":"optimistic"})")
            .find("result")
            ->find("header")
            ->find("height")
            ->as_uint64()
            .value();
    };
    EXPECT_NE(height(), node_->height());
    const Json cleared = order(R"([{"clear":true}])");
    EXPECT_EQ(cleared.find("result")->find("struck")->dump(), R"({"other_height":1})")
        << cleared.dump();
    EXPECT_EQ(height(), node_->height());
    EXPECT_NE(order(R"({"fault":"delays"})").find("error"), nullptr);
    EXPECT_NE(order(R"({"lag":151})").find("error"), nullptr);
}

// Our own client, unchanged, against three nodes of which one is down and one lags.
TEST_F(NearNodeTest, TheChainClientReadsAndWritesOverSeveralNodes) {
    NearNode second(*chain_, executor_, {});
    NearNode third(*chain_, executor_, {});
    second.set_lag(2);
    base::SeededRandom random(5);
    NodeTransport transport(executor_, random);
    transport.add("near-1:3030", *node_);
    transport.add("near-2:3030", second);
    transport.add("near-3:3030", third);
    third.set_down(true);
    chain::NearClientOptions options;
    options.chain_id = "adyton-local";
    options.endpoints.urls = {"http://near-1:3030", "http://near-2:3030", "http://near-3:3030"};
    const auto client = std::move(
        chain::NearRpcClient::create(options, transport, executor_, base::null_logger()).value());
    chain_->start();
    Task<Result<chain::NearBlock>> blocking = client->final_block();
    const auto block = executor_.run_until_done(std::move(blocking));
    ASSERT_TRUE(block) << block.error().message();
    const near::PublicKey key(alice_key_.public_key());
    Task<Result<std::optional<chain::NearAccessKey>>> finding =
        client->find_access_key(alice_, key);
    const auto found = executor_.run_until_done(std::move(finding));
    ASSERT_TRUE(found && found->has_value());
    const auto transaction = sign(
        alice_, alice_key_, bob_, {near::Transfer{in_near(1)}},
        Plan{.nonce = (*found)->nonce + 1, .block_hash = (*found)->block_hash});
    const auto hash = near::hash(transaction.transaction);
    Task<chain::NearSendOutcome> sending = client->broadcast(near::serialize(transaction), hash);
    const auto sent = executor_.run_until_done(std::move(sending));
    EXPECT_EQ(sent.kind, chain::NearSendOutcome::Kind::Accepted) << sent.text;
    executor_.run_for(std::chrono::seconds(5));
    Task<Result<std::optional<chain::NearTransaction>>> asking =
        client->find_transaction(hash, alice_);
    const auto landed = executor_.run_until_done(std::move(asking));
    ASSERT_TRUE(landed && landed->has_value());
    EXPECT_EQ((*landed)->status, chain::NearTransaction::Status::Success);
    Task<Result<chain::NearView>> viewing =
        client->call_function(gate_, "get_batch_tail", {'{', '}'});
    const auto view = executor_.run_until_done(std::move(viewing));
    ASSERT_TRUE(view) << view.error().message();
    EXPECT_EQ(base::as_text(view->result), "[]");
    chain_->stop();
}

}  // namespace
}  // namespace adyton::localchain
