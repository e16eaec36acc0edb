#include "chain/neo_client.h"

#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/sim_executor.h"
#include "chain/chain_test_support.h"
#include "chain/internal/neo_requests.h"
#include "neo/script.h"
#include "neo/token.h"
#include "neo/transaction.h"
#include "neo/witness.h"

namespace adyton::chain {
namespace {

using namespace std::chrono_literals;
using testing::application_log;
using testing::FakeNode;
using testing::FakeTransport;
using testing::hash_of;
using testing::json;
using testing::kMagic;
using testing::rpc_error;
using Kind = TransactionFate::Kind;

base::Json result(base::Json value) {
    return base::Json::object().set("result", std::move(value));
}

class NeoClientTest : public ::testing::Test {
protected:
    void open(std::vector<std::string> urls, std::size_t quorum = 0) {
        NeoClientOptions options;
        options.endpoints.urls = std::move(urls);
        options.endpoints.quorum = quorum;
        options.endpoints.probe_period = 1s;
        options.magic = neo::NetworkMagic{kMagic};
        auto created = NeoRpcClient::create(options, transport, executor, base::null_logger());
        ASSERT_TRUE(created) << created.error().message();
        client = *std::move(created);
        executor.run_until_done(client->refresh());
    }
    void open_two() { open({"http://a", "http://b"}); }

    Result<TransactionFate> fate(std::uint32_t valid_until = 110) {
        return executor.run_until_done(client->fate(hash, valid_until));
    }
    SendOutcome send(unsigned attempt = 0) {
        return executor.run_until_done(client->send({1, 2, 3}, hash, attempt));
    }
    void height(std::uint32_t index) {
        for (FakeNode* node : {&a, &b, &c}) node->height = index;
        executor.run_until_done(client->refresh());
    }
    void execute(FakeNode& node, std::string_view state, std::uint32_t block = 105) {
        node.logs[hash.to_string()] = application_log(hash, state);
        node.heights[hash.to_string()] = block;
    }

    base::SimExecutor executor{11};
    FakeTransport transport{executor};
    FakeNode& a = transport.add("a:80");
    FakeNode& b = transport.add("b:80");
    FakeNode& c = transport.add("c:80");
    std::unique_ptr<NeoRpcClient> client;
    const neo::TransactionHash hash = hash_of(0x11);
};

// Network and height

TEST_F(NeoClientTest, TheNetworkIsWhatTheNodesSayAndIsAskedOnceAMinute) {
    open({"http://a"});
    const std::size_t before = a.count("getversion");
    for (int i = 0; i < 3; ++i) {
        const auto network = executor.run_until_done(client->network());
        ASSERT_TRUE(network);
        EXPECT_EQ(network->block_time, 1s);
        EXPECT_EQ(network->magic, neo::NetworkMagic{kMagic});
    }
    EXPECT_EQ(a.count("getversion"), before + 1);
    executor.run_for(61s);
    ASSERT_TRUE(executor.run_until_done(client->network()));
    EXPECT_GT(a.count("getversion"), before + 1);
}

TEST_F(NeoClientTest, AnotherMagicIsRefusedAndSaysSo) {
    a.magic = 1;
    open({"http://a"});
    const auto network = executor.run_until_done(client->network());
    ASSERT_FALSE(network);
    EXPECT_EQ(network.error().code(), ErrorCode::PermissionDenied);
    EXPECT_EQ(network.error().reason(), "wrong_network");
    EXPECT_EQ(
        executor.run_until_done(client->block_count()).error().code(), ErrorCode::PermissionDenied);
    EXPECT_EQ(send().kind, SendOutcome::Kind::NotSent);
    EXPECT_EQ(fate().error().code(), ErrorCode::PermissionDenied);
    EXPECT_EQ(a.count("sendrawtransaction"), 0U);
}

TEST_F(NeoClientTest, AMagicThatChangesUnderUsIsNoticed) {
    open({"http://a"});
    a.magic = 2;
    const auto network = executor.run_until_done(client->network());
    ASSERT_FALSE(network);
    EXPECT_EQ(network.error().code(), ErrorCode::PermissionDenied);
    EXPECT_FALSE(client->endpoints()[0].usable);
}

TEST_F(NeoClientTest, TheBlockCountIsOneMoreThanTheLastIndexAndNeverGoesDown) {
    open_two();
    EXPECT_EQ(*executor.run_until_done(client->block_count()), 101U);
    height(120);
    EXPECT_EQ(*executor.run_until_done(client->block_count()), 121U);
    a.height = b.height = 119;
    executor.run_until_done(client->refresh());
    EXPECT_EQ(*executor.run_until_done(client->block_count()), 121U);
}

TEST_F(NeoClientTest, AHeightThatNobodyConfirmsIsNotServedForEver) {
    open({"http://a"});
    a.before = Error::unavailable("connection refused");
    executor.run_for(10min);
    const auto count = executor.run_until_done(client->block_count());
    ASSERT_FALSE(count);
    EXPECT_EQ(count.error().code(), ErrorCode::Unavailable);
}

// Simulated calls and fees

TEST_F(NeoClientTest, ASimulatedCallCarriesItsSigners) {
    open({"http://a"});
    base::Json seen;
    a.methods["invokescript"] = [&seen](const base::Json& params) {
        seen = params;
        return result(
            json(R"({"state":"FAULT","gasconsumed":"12","exception":"ASSERT failed","stack":[]})"));
    };
    std::vector<neo::Signer> signers(1);
    signers[0].account = neo::gas_token().contract;
    signers[0].scopes = neo::kScopeCalledByEntry | neo::kScopeCustomContracts;
    signers[0].allowed_contracts.push_back(neo::neo_token().contract);
    const auto invocation = executor.run_until_done(client->invoke_script({0x11, 0x40}, signers));
    ASSERT_TRUE(invocation) << "FAULT is an answer";
    EXPECT_EQ(invocation->state, VmState::Fault);
    EXPECT_EQ(invocation->gas_consumed, 12);
    EXPECT_EQ(invocation->exception, "ASSERT failed");
    EXPECT_EQ(
        seen.dump(), R"(["EUA=",[{"account":"0xd2a4cff31913016155e38e474a2c06d08be276cf",)"
                     R"("scopes":"CalledByEntry, CustomContracts",)"
                     R"("allowedcontracts":["0xef4073a0f2b305a38ec4050e4d3d28bc40ea63f5"]}]])");
}

TEST_F(NeoClientTest, AReadGoesOnToTheNextNodeUntilOneAnswersProperly) {
    open({"http://a", "http://b", "http://c"});
    const base::Json good = result(json(R"({"state":"HALT","gasconsumed":"1","stack":[]})"));
    a.methods["invokescript"] = [](const base::Json&) {
        return rpc_error(-32603, "Internal error");
    };
    b.methods["invokescript"] = [](const base::Json&) { return result(json("{}")); };
    c.methods["invokescript"] = [&good](const base::Json&) { return good; };
    EXPECT_TRUE(executor.run_until_done(client->invoke_script({0x40}, {})));
    c.before = Error::unavailable("refused");
    const auto none = executor.run_until_done(client->invoke_script({0x40}, {}));
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code(), ErrorCode::Unavailable);
}

TEST_F(NeoClientTest, WhatANodeRefusesAsMalformedIsNotAskedOfTheOthers) {
    open_two();
    a.methods["invokescript"] = [](const base::Json&) {
        return rpc_error(-32602, "Invalid params");
    };
    const auto refused = executor.run_until_done(client->invoke_script({0x40}, {}));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::Unprocessable);
    EXPECT_EQ(b.count("invokescript"), 0U);
}

class NeoFeeTest : public NeoClientTest {
protected:
    static neo::Transaction transaction() {
        neo::Transaction out;
        out.nonce = 1;
        out.valid_until_block = 100;
        out.script = {0x11, 0x40};
        const auto key = crypto::P256PublicKey::parse(*base::hex_decode(
            "02b3622bf4017bdfe317c58aed5f4c753f206b7db896046fa7d774bbc4bf7f8dc2"));
        CHECK(key.has_value());
        neo::Witness witness = neo::unsigned_single_signature_witness(*key);
        out.signers.resize(1);
        out.signers[0].account = neo::ScriptHash::of_script(witness.verification);
        witness.invocation.assign(66, 0x0c);  // must not travel
        out.witnesses.push_back(std::move(witness));
        return out;
    }
    Result<std::int64_t> fee() {
        const neo::Transaction tx = transaction();
        return executor.run_until_done(client->network_fee(tx));
    }
};

TEST_F(NeoFeeTest, TheNodeIsAskedWithEmptyInvocationScripts) {
    open({"http://a"});
    std::string seen;
    a.methods["calculatenetworkfee"] = [&seen](const base::Json& params) {
        seen = params.items()[0].string_value();
        return result(json(R"({"networkfee":"1230520"})"));
    };
    EXPECT_EQ(*fee(), 1'230'520);
    const auto bytes = base::base64_decode(seen);
    ASSERT_TRUE(bytes);
    const auto sent = neo::parse_transaction(*bytes);
    ASSERT_TRUE(sent) << sent.error().message();
    EXPECT_TRUE(sent->witnesses[0].invocation.empty());
    EXPECT_FALSE(sent->witnesses[0].verification.empty());
}

TEST_F(NeoFeeTest, WithoutTheMethodTheFeeIsComputedFromTheChainsPolicy) {
    open({"http://a"});
    a.methods["invokescript"] = [](const base::Json&) {
        return result(json(
            R"({"state":"HALT","gasconsumed":"1","stack":[{"type":"Integer","value":"1000"},
                {"type":"Integer","value":"30"}]})"));
    };
    const neo::Transaction tx = transaction();
    const auto formula = neo::network_fee(tx, {1000, 30});
    ASSERT_TRUE(formula);
    EXPECT_EQ(*fee(), *formula + 100'000);
    a.methods["invokescript"] = [](const base::Json&) {
        return result(json(R"({"state":"HALT","gasconsumed":"1","stack":[]})"));
    };
    executor.run_for(2min);
    EXPECT_FALSE(fee()) << "no policy, no fee: never a default";
}

TEST_F(NeoFeeTest, AFeeAtTheEndOfItsRangeIsRefusedLikeEveryOtherThatIsTooHigh) {
    open({"http://a"});
    neo::Transaction tx = transaction();
    const auto bytes = neo::network_fee(tx, {1, 0});
    ASSERT_TRUE(bytes);
    const std::int64_t most = std::numeric_limits<std::int64_t>::max() / *bytes;
    a.methods["invokescript"] = [most](const base::Json&) {
        return result(json(
            R"({"state":"HALT","gasconsumed":"1","stack":[{"type":"Integer","value":")" +
            std::to_string(most) + R"("},{"type":"Integer","value":"0"}]})"));
    };
    const auto refused = fee();
    ASSERT_FALSE(refused) << *refused;
    EXPECT_EQ(refused.error().reason(), "network_fee_too_high");
}

TEST_F(NeoFeeTest, AnAbsurdFeeIsRefused) {
    open({"http://a"});
    a.methods["calculatenetworkfee"] = [](const base::Json&) {
        return result(json(R"({"networkfee":"1000000001"})"));
    };
    const auto refused = fee();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason(), "network_fee_too_high");
}

// Sending

TEST_F(NeoClientTest, AcceptedMeansThatTheNodeNamesOurHash) {
    open_two();
    std::string answer = hash.to_string();
    a.methods["sendrawtransaction"] = [&answer](const base::Json& params) {
        EXPECT_EQ(params.dump(), R"(["AQID"])");
        return result(base::Json::object().set("hash", base::Json::string(answer)));
    };
    SendOutcome outcome = send();
    EXPECT_EQ(outcome.kind, SendOutcome::Kind::Accepted);
    EXPECT_EQ(outcome.endpoint, "a:80");
    answer = hash_of(0x22).to_string();
    EXPECT_EQ(send().kind, SendOutcome::Kind::Unknown);
    answer = "nonsense";
    EXPECT_EQ(send().kind, SendOutcome::Kind::Unknown);
    EXPECT_EQ(b.count("sendrawtransaction"), 0U);
}

TEST_F(NeoClientTest, EveryCodeOfARefusalIsUnderstood) {
    open({"http://a"});
    using Advice = SendOutcome::Advice;
    using K = SendOutcome::Kind;
    const std::vector<std::tuple<std::int64_t, K, Advice>> kCodes = {
        {-500, K::Refused, Advice::Never},     {-501, K::AlreadyKnown, Advice::None},
        {-502, K::Refused, Advice::Later},     {-503, K::AlreadyKnown, Advice::None},
        {-504, K::Refused, Advice::FeeTooLow}, {-505, K::Refused, Advice::Never},
        {-506, K::Refused, Advice::Never},     {-507, K::Refused, Advice::Never},
        {-508, K::Refused, Advice::Never},     {-509, K::Refused, Advice::Never},
        {-510, K::Refused, Advice::Expired},   {-511, K::Refused, Advice::Later},
        {-512, K::Refused, Advice::Never},     {-32602, K::Refused, Advice::Never},
        {-32603, K::Unknown, Advice::None},    {-32601, K::Unknown, Advice::None},
        {-1, K::Unknown, Advice::None},        {-32005, K::Unknown, Advice::None},
    };
    for (const auto& [code, kind, advice] : kCodes) {
        a.methods["sendrawtransaction"] = [code = code](const base::Json&) {
            return rpc_error(code, "text", "data");
        };
        const SendOutcome outcome = send();
        EXPECT_EQ(outcome.kind, kind) << code;
        EXPECT_EQ(outcome.advice, advice) << code;
        EXPECT_EQ(outcome.code, code);
    }
}

TEST_F(NeoClientTest, EachFurtherAttemptBeginsWithAnotherNode) {
    open({"http://a", "http://b", "http://c"});
    for (FakeNode* const node : {&a, &b, &c}) {
        node->methods["sendrawtransaction"] = [this](const base::Json&) {
            return result(base::Json::object().set("hash", base::Json::string(hash.to_string())));
        };
    }
    EXPECT_EQ(send(0).endpoint, "a:80");
    EXPECT_EQ(send(1).endpoint, "b:80");
    EXPECT_EQ(send(2).endpoint, "c:80");
    EXPECT_EQ(send(3).endpoint, "a:80");
    c.before = Error::unavailable("connection refused");
    EXPECT_EQ(send(5).endpoint, "a:80") << "round the corner, when nothing was sent";
}

// Symbols

class NeoSymbolTest : public NeoClientTest {
protected:
    static void says(FakeNode& node, const std::string& stack) {
        node.methods["invokescript"] = [stack](const base::Json&) {
            return result(json(R"({"state":"HALT","gasconsumed":"1","stack":[)" + stack + "]}"));
        };
    }
    static std::string text(std::string_view symbol) {
        return R"({"type":"ByteString","value":")" + base::base64_encode(base::as_bytes(symbol)) +
               "\"}";
    }
    Result<std::string> ask() {
        return executor.run_until_done(client->token_symbol(neo::gas_token().contract));
    }
};

TEST_F(NeoSymbolTest, ASymbolIsWhatAQuorumOfNodesSays) {
    open_two();
    says(a, text("FLM"));
    says(b, text("FLM"));
    EXPECT_EQ(ask().value(), "FLM");
    says(b, text("FML"));
    EXPECT_EQ(ask().error().code(), ErrorCode::Unavailable) << "one of them lies";
    b.methods["invokescript"] = [](const base::Json&) { return rpc_error(-32603, "busy"); };
    EXPECT_EQ(ask().error().code(), ErrorCode::Unavailable) << "one is not enough";
}

TEST_F(NeoSymbolTest, WhatIsNoSymbolIsRefused) {
    open({"http://a"});
    for (const std::string& stack :
         {text(""), text("TWO WORDS"), text(std::string(33, 'A')), text("\xff"),
          std::string(R"({"type":"Integer","value":"7"})"), std::string(R"({"type":"Any"})")}) {
        says(a, stack);
        EXPECT_EQ(ask().error().code(), ErrorCode::Unprocessable) << stack;
    }
    a.methods["invokescript"] = [](const base::Json&) {
        return result(
            json(R"({"state":"FAULT","gasconsumed":"1","exception":"no contract","stack":[]})"));
    };
    EXPECT_EQ(ask().error().code(), ErrorCode::Unprocessable);
    says(a, text("A") + "," + text("B"));
    EXPECT_FALSE(ask());
}

TEST_F(NeoClientTest, OnlyWhatReachedNobodyIsOfferedToTheNextNode) {
    open_two();
    b.methods["sendrawtransaction"] = [this](const base::Json&) {
        return result(base::Json::object().set("hash", base::Json::string(hash.to_string())));
    };
    a.before = Error::unavailable("connection refused");
    EXPECT_EQ(send().kind, SendOutcome::Kind::Accepted);
    EXPECT_EQ(b.count("sendrawtransaction"), 1U);

    a.before.reset();
    a.after_method.emplace("sendrawtransaction", Error::outcome_unknown("the connection broke"));
    const SendOutcome lost = send();
    EXPECT_EQ(lost.kind, SendOutcome::Kind::Unknown);
    EXPECT_EQ(lost.endpoint, "a:80");
    EXPECT_EQ(a.count("sendrawtransaction"), 1U) << "no retry";
    EXPECT_EQ(b.count("sendrawtransaction"), 1U) << "and nobody else";

    const auto answers = [this](std::optional<int> status, const char* body) {
        a.after_method.clear();
        a.http_status.reset();
        a.body.reset();
        executor.run_until_done(client->refresh());  // or it would be asked last
        a.http_status = status;
        a.body = body;
    };
    answers(502, "bad gateway");
    EXPECT_EQ(send().kind, SendOutcome::Kind::Unknown);
    answers({}, R"({"jsonrpc":"2.0","id":999,"result":{}})");
    EXPECT_EQ(send().kind, SendOutcome::Kind::Unknown);
    EXPECT_EQ(b.count("sendrawtransaction"), 1U);

    a.body.reset();
    a.before = b.before = Error::unavailable("connection refused");
    EXPECT_EQ(send().kind, SendOutcome::Kind::NotSent);
    EXPECT_EQ(b.count("sendrawtransaction"), 1U);
}

// Fate

TEST_F(NeoClientTest, WithoutALogAndBeforeItsHeightATransactionIsPending) {
    open_two();
    const auto pending = fate();
    ASSERT_TRUE(pending) << pending.error().message();
    EXPECT_EQ(pending->kind, Kind::Pending);
    EXPECT_EQ(pending->height, 100U);
}

TEST_F(NeoClientTest, ExecutedNeedsAQuorumThatAgrees) {
    open_two();
    execute(a, "HALT");
    EXPECT_EQ(fate()->kind, Kind::Pending) << "one of two";
    execute(b, "HALT");
    const auto executed = fate();
    ASSERT_TRUE(executed);
    EXPECT_EQ(executed->kind, Kind::Executed);
    EXPECT_EQ(executed->state, VmState::Halt);
    EXPECT_EQ(executed->block_index, 105U);
    EXPECT_EQ(executed->gas_consumed, 9'977'780);
    EXPECT_EQ(executed->notifications.size(), 1U);

    execute(b, "FAULT");
    const auto contradiction = fate();
    ASSERT_FALSE(contradiction);
    EXPECT_EQ(contradiction.error().reason(), "chain_disagreement");
    execute(b, "HALT", 106);
    EXPECT_FALSE(fate()) << "in two blocks at once";
}

TEST_F(NeoClientTest, TheEventsOfAFaultAreNotShown) {
    open({"http://a"});
    execute(a, "FAULT");
    const auto executed = fate();
    ASSERT_TRUE(executed);
    EXPECT_EQ(executed->kind, Kind::Executed);
    EXPECT_EQ(executed->state, VmState::Fault);
    EXPECT_TRUE(executed->notifications.empty());
}

TEST_F(NeoClientTest, TheThirdNodeCompletesAQuorumThatALaggingOneCannot) {
    open({"http://a", "http://b", "http://c"});
    execute(a, "HALT");
    execute(c, "HALT");
    EXPECT_EQ(fate()->kind, Kind::Executed);
    EXPECT_EQ(c.count("getapplicationlog"), 1U);
}

TEST_F(NeoClientTest, ExpiredOnlyBeyondTheHeightAndTheMargin) {
    open_two();
    for (const std::uint32_t index : {109U, 110U, 111U}) {
        height(index);
        EXPECT_EQ(fate(110)->kind, Kind::Pending) << index;
    }
    height(112);
    const auto expired = fate(110);
    ASSERT_TRUE(expired) << expired.error().message();
    EXPECT_EQ(expired->kind, Kind::Expired);
    EXPECT_EQ(expired->height, 112U);
}

TEST_F(NeoClientTest, ExpiredNeedsEveryNodeOfTheQuorumToBeThatFar) {
    open_two();
    height(120);
    b.height = 111;  // it fell back a little: shows no block 112
    EXPECT_EQ(fate(110)->kind, Kind::Pending);
}

TEST_F(NeoClientTest, TheBlockIsShownBeforeTheLogIsAskedFor) {
    open({"http://a"});
    height(120);
    a.seen.clear();
    EXPECT_EQ(fate(110)->kind, Kind::Expired);
    EXPECT_EQ(
        a.seen,
        (std::vector<std::string>{"getblockheader", "getapplicationlog", "getrawtransaction"}));
}

TEST_F(NeoClientTest, NothingIsExpiredOnTwoForks) {
    open_two();
    height(120);
    b.fork = "b";
    const auto contradiction = fate(110);
    ASSERT_FALSE(contradiction);
    EXPECT_EQ(contradiction.error().reason(), "chain_disagreement");
}

TEST_F(NeoClientTest, NothingIsExpiredThatOneNodeHasExecuted) {
    open_two();
    height(120);
    execute(b, "HALT");
    ASSERT_FALSE(fate(110));
    EXPECT_EQ(fate(110).error().reason(), "chain_disagreement");
}

TEST_F(NeoClientTest, AMissingLogOfAConfirmedTransactionIsNoAbsence) {
    open({"http://a"});
    height(120);
    a.transactions[hash.to_string()] =
        json(R"({"confirmations":3})").set("hash", base::Json::string(hash.to_string()));
    const auto unclear = fate(110);
    ASSERT_FALSE(unclear);
    EXPECT_EQ(unclear.error().code(), ErrorCode::Unavailable);
    a.transactions[hash.to_string()] =
        base::Json::object().set("hash", base::Json::string(hash.to_string()));
    EXPECT_EQ(fate(110)->kind, Kind::Expired) << "pooled beyond its height: never to land";
}

TEST_F(NeoClientTest, NoErrorIsEverAnAbsence) {
    open_two();
    height(120);
    const std::vector<base::Json> answers = {
        rpc_error(-32601, "Method not found"),
        rpc_error(-32603, "Internal error"),
        rpc_error(-32602, "Invalid params"),
        rpc_error(-32700, "Parse error"),
        result(base::Json()),
        result(json("[]")),
        result(json(R"({"txid":"0x","executions":[]})")),
        result(application_log(hash_of(0x99), "HALT"))};
    for (const base::Json& answer : answers) {
        b.methods["getapplicationlog"] = [&answer](const base::Json&) { return answer; };
        const auto unclear = fate(110);
        ASSERT_FALSE(unclear) << answer.dump();
        EXPECT_EQ(unclear.error().code(), ErrorCode::Unavailable) << answer.dump();
        b.methods.clear();
        executor.run_for(200s);
        for (int i = 0; i < 4; ++i) executor.run_until_done(client->refresh());
    }
    b.after_method.emplace("getapplicationlog", Error::outcome_unknown("lost"));
    EXPECT_FALSE(fate(110));
    b.after_method.clear();
    b.before = Error::unavailable("refused");
    EXPECT_FALSE(fate(110));
}

TEST_F(NeoClientTest, ALieAboutTheHeightExpiresNothing) {
    open({"http://a"});
    a.height_lie = 1000;
    executor.run_until_done(client->refresh());
    EXPECT_EQ(fate(110).error().code(), ErrorCode::Unavailable) << "the only node is set aside";
    a.height_lie = 0;
    for (int i = 0; i < 3; ++i) executor.run_until_done(client->refresh());
    EXPECT_EQ(fate(110)->kind, Kind::Pending);
}

// Balances

class NeoBalanceTest : public NeoClientTest {
protected:
    // A node that answers every balanceOf with `amounts` in turn, as of block `at`.
    static void holds(FakeNode& node, std::vector<std::string> amounts, std::uint32_t at = 100) {
        node.methods["invokescript"] = [amounts, at](const base::Json&) {
            base::Json stack = base::Json::array();
            const auto push = [&stack](const std::string& number) {
                base::Json item = json(R"({"type":"Integer"})");
                stack.push_back(item.set("value", base::Json::string(number)));
            };
            push(std::to_string(at));
            for (const std::string& amount : amounts) push(amount);
            base::Json out = json(R"({"state":"HALT","gasconsumed":"1"})");
            return result(out.set("stack", std::move(stack)));
        };
    }
    BalanceReading read(std::size_t sources) {
        return executor.run_until_done(client->balances({query}, sources)).at(0);
    }
    const BalanceQuery query{neo::gas_token().contract, neo::neo_token().contract};
    using Reading = BalanceReading::Kind;
};

TEST_F(NeoBalanceTest, OneBalanceFromOneNode) {
    open({"http://a"});
    holds(a, {"340282366920938463463374607431768211455"});
    const auto amount = executor.run_until_done(client->balance(query.token, query.account));
    ASSERT_TRUE(amount);
    EXPECT_EQ(amount->to_string(), "340282366920938463463374607431768211455");
    holds(a, {"-1"});
    EXPECT_EQ(
        executor.run_until_done(client->balance(query.token, query.account)).error().code(),
        ErrorCode::Unprocessable);
}

TEST_F(NeoBalanceTest, TwoSourcesThatSayTheSameAgree) {
    open_two();
    holds(a, {"0"}, 100);
    holds(b, {"0"}, 99);
    const BalanceReading reading = read(2);
    EXPECT_EQ(reading.kind, Reading::Agreed);
    EXPECT_EQ(reading.amount, base::Amount(0));
    EXPECT_EQ(reading.height, 99U);
}

TEST_F(NeoBalanceTest, TwoSourcesAtTheSameBlockThatDifferDisagreeAtOnce) {
    open_two();
    holds(a, {"0"});
    holds(b, {"1"});
    const BalanceReading reading = read(2);
    EXPECT_EQ(reading.kind, Reading::Disagree);
    EXPECT_EQ(reading.reason, "one node says 0 at block 100, another 1 at block 100");
    EXPECT_EQ(a.count("invokescript"), 1U);
}

TEST_F(NeoBalanceTest, ADifferenceOfBlocksIsLookedAtAgain) {
    open_two();
    holds(a, {"0"}, 101);
    holds(b, {"1"}, 100);
    executor.post_after(400ms, [this] { holds(b, {"0"}, 101); });
    EXPECT_EQ(read(2).kind, Reading::Agreed);
    holds(b, {"1"}, 100);
    EXPECT_EQ(read(2).kind, Reading::Disagree);
    EXPECT_LE(b.count("invokescript"), 6U);
}

TEST_F(NeoBalanceTest, NoErrorIsEverAZero) {
    open_two();
    const auto check = [this](const char* what) {
        const BalanceReading reading = read(2);
        EXPECT_EQ(reading.kind, Reading::Unavailable) << what;
        EXPECT_FALSE(reading.reason.empty()) << what;
    };
    holds(a, {"0"});
    check("the second node does not know the method");
    for (const char* const answer :
         {R"({"state":"FAULT","gasconsumed":"1","exception":"no contract","stack":[]})",
          R"({"state":"HALT","gasconsumed":"1","stack":[]})",
          R"({"state":"HALT","gasconsumed":"1","stack":[{"type":"Integer","value":"100"}]})",
          R"({"state":"HALT","gasconsumed":"1","stack":[{"type":"Integer","value":"100"},
              {"type":"Any"}]})",
          R"({"state":"HALT","gasconsumed":"1","stack":[{"type":"Any"},
              {"type":"Integer","value":"0"}]})",
          "null", "[]"}) {
        b.methods["invokescript"] = [answer](const base::Json&) { return result(json(answer)); };
        check(answer);
    }
    holds(b, {"-5"});
    check("a negative balance");
    b.before = Error::unavailable("refused");
    check("a dead node");
    b.before.reset();
    open({"http://a"});
    check("one node where two are wanted");
}

TEST_F(NeoBalanceTest, AContractThatFaultsSpoilsOnlyItsOwnReading) {
    open({"http://a"});
    const BalanceQuery bad{neo::ScriptHash(), query.account};
    const std::string bad_script =
        base::base64_encode(internal::balances_script(std::vector<BalanceQuery>{bad}));
    const std::string good_script =
        base::base64_encode(internal::balances_script(std::vector<BalanceQuery>{query}));
    a.methods["invokescript"] = [&](const base::Json& params) {
        if (params.items()[0].string_value() == good_script) {
            return result(json(
                R"({"state":"HALT","gasconsumed":"1","stack":[{"type":"Integer","value":"100"},
                    {"type":"Integer","value":"77"}]})"));
        }
        return result(json(
            R"({"state":"FAULT","gasconsumed":"1","exception":"called contract not found",
                "stack":[]})"));
    };
    const auto readings = executor.run_until_done(client->balances({query, bad, query}, 1));
    ASSERT_EQ(readings.size(), 3U);
    EXPECT_EQ(readings[0].kind, Reading::Agreed);
    EXPECT_EQ(readings[0].amount, base::Amount(77));
    EXPECT_EQ(readings[1].kind, Reading::Unavailable);
    EXPECT_NE(readings[1].reason.find("called contract not found"), std::string::npos);
    EXPECT_EQ(readings[2].amount, base::Amount(77));
}

TEST_F(NeoBalanceTest, ManyBalancesGoInBoundedScripts) {
    open({"http://a"});
    std::size_t scripts = 0;
    a.methods["invokescript"] = [&](const base::Json& params) {
        ++scripts;
        const auto bytes = base::base64_decode(params.items()[0].string_value());
        const auto instructions = neo::disassemble(*bytes);
        std::size_t calls = 0;
        for (const auto& instruction : *instructions) {
            if (instruction.opcode == neo::OpCode::Syscall) ++calls;
        }
        std::string stack = R"({"type":"Integer","value":"100"})";
        for (std::size_t i = 1; i < calls; ++i) {
            stack += R"(,{"type":"Integer","value":")" + std::to_string(i) + R"("})";
        }
        return result(json(R"({"state":"HALT","gasconsumed":"1","stack":[)" + stack + "]}"));
    };
    std::vector<BalanceQuery> queries(120, query);
    const auto readings = executor.run_until_done(client->balances(queries, 1));
    EXPECT_EQ(scripts, 3U);
    ASSERT_EQ(readings.size(), 120U);
    EXPECT_EQ(readings[49].amount, base::Amount(50));
    EXPECT_EQ(readings[50].amount, base::Amount(1));
    EXPECT_EQ(readings[119].amount, base::Amount(20));
}

}  // namespace
}  // namespace adyton::chain
