#include "http/client.h"
#include "localchain/localchain_test_support.h"
#include "neo/witness.h"

namespace adyton::localchain::testing {
namespace {

using base::Json;

class NeoNodeTest : public LocalChainTest {
protected:
    neo::Transaction transfer() {
        TransferPlan plan;
        plan.to = stranger_;
        return signed_transfer(alice_, plan);
    }
    static std::string quoted(const std::string& text) { return "[\"" + text + "\"]"; }
    static std::string sending(const neo::Transaction& transaction) {
        return quoted(base::base64_encode(neo::serialize(transaction)));
    }
    std::uint64_t block_count() { return result("getblockcount", "[]").as_uint64().value(); }
    std::string code_of(const http::Response& response) {
        const auto json = Json::parse(response.body);
        const Json* const error = json ? json->find("error") : nullptr;
        return error == nullptr ? "" : error->find("code")->number_text();
    }
    // Over a Router, as a client sees it.
    Result<http::Response> post(std::string_view method, std::string_view params) {
        http::RouterTransport transport(node_->router(), {}, random_);
        http::ClientRequest request;
        request.method = "POST";
        request.url = "http://node/";
        request.body = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" + std::string(method) +
                       "\",\"params\":" + std::string(params) + "}";
        return executor_.run_until_done(transport.send(std::move(request)));
    }
};

TEST_F(NeoNodeTest, SaysThatItIsASimulator) {
    const Json version = result("getversion", "[]");
    EXPECT_NE(version.find("useragent")->string_value().find("SIMULATOR"), std::string::npos);
    EXPECT_EQ(version.find("protocol")->find("network")->number_text(), "56753");
    http::RouterTransport transport(node_->router(), {}, random_);
    http::ClientRequest request;
    request.url = "http://node/";
    const auto page = executor_.run_until_done(transport.send(std::move(request)));
    EXPECT_NE(page->body.find("SIMULATOR"), std::string::npos);
}

TEST_F(NeoNodeTest, MalformedRequestsAreRefused) {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"", "-32700"},
        {"{", "-32700"},
        {"nonsense", "-32700"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"getversion\"}", "-32700"},
        {"5", "-32600"},
        {"[]", "-32600"},
        {"{\"id\":1,\"method\":\"getversion\"}", "-32600"},
        {"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"getversion\"}", "-32600"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}", "-32600"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"getversion\",\"params\":7}", "-32600"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"getVersion\"}", "-32601"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"adyton_faucet\"}", "-32601"},
        {std::string(2 * 1024 * 1024, ' '), "-32700"},
    };
    for (const auto& [body, code] : cases) {
        EXPECT_EQ(code_of(node_->answer(body)), code) << body.substr(0, 100);
    }
}

TEST_F(NeoNodeTest, WrongParametersAreMinus32602) {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"getblock", "[]"},
        {"getblock", "[\"0x12\"]"},
        {"getblockhash", "[\"1\"]"},
        {"invokescript", "[]"},
        {"invokescript", "[7]"},
        {"invokescript", "[\"\"]"},
        {"invokescript", "[\"EQ==\",7]"},
        {"invokescript", "[\"EQ==\",[{}]]"},
        {"invokescript", "[\"EQ==\",[{\"account\":\"NX\"}]]"},
        {"invokescript",
         "[\"EQ==\",[{\"account\":\"0xd2a4cff31913016155e38e474a2c06d08be276cf\",\"scopes\":"
         "\"Everything\"}]]"},
        {"invokescript",
         "[\"EQ==\",[{\"account\":\"0xd2a4cff31913016155e38e474a2c06d08be276cf\",\"scopes\":"
         "\"CustomGroups\"}]]"},
        {"invokescript",
         "[\"EQ==\",[\"0xd2a4cff31913016155e38e474a2c06d08be276cf\","
         "\"d2a4cff31913016155e38e474a2c06d08be276cf\"]]"},
        {"invokefunction", "[]"},
        {"invokefunction", "[\"0x12\",\"symbol\"]"},
        {"invokefunction", "[\"0xd2a4cff31913016155e38e474a2c06d08be276cf\",\"symbol\",{}]"},
        {"invokefunction",
         "[\"0xd2a4cff31913016155e38e474a2c06d08be276cf\",\"symbol\",[{\"type\":\"Map\","
         "\"value\":[]}]]"},
        {"invokefunction",
         "[\"0xd2a4cff31913016155e38e474a2c06d08be276cf\",\"symbol\",[{\"type\":\"Integer\","
         "\"value\":\"1.5\"}]]"},
        {"calculatenetworkfee", "[]"},
        {"calculatenetworkfee", "[\"AAAA\"]"},
        {"sendrawtransaction", "[]"},
        {"sendrawtransaction", "[\"!!\"]"},
        {"sendrawtransaction", "[\"AAAA\"]"},
        {"getrawtransaction", "[]"},
        {"getrawtransaction", "[\"zz\"]"},
        {"getapplicationlog", "[5]"},
        {"getnep17balances", "[]"},
        {"getnep17balances", "[\"AK2nJJpJr6o664CWJKi1QRXjqeic2zRp8y\"]"},
    };
    for (const auto& [method, params] : cases) {
        EXPECT_EQ(error_code(method, params), -32602) << method << params;
    }
}

TEST_F(NeoNodeTest, ATransferGoesFromFeeToLog) {
    const neo::Transaction transaction = transfer();
    const std::string hash = neo::hash(transaction).to_string();
    neo::Transaction unsigned_one = transaction;
    unsigned_one.witnesses = {neo::unsigned_single_signature_witness(alice_.public_key())};
    EXPECT_EQ(
        result("calculatenetworkfee", sending(unsigned_one)).find("networkfee")->string_value(),
        std::to_string(transaction.network_fee));
    EXPECT_EQ(error_code("getapplicationlog", quoted(hash)), -105);
    EXPECT_EQ(error_code("getrawtransaction", quoted(hash)), -103);
    EXPECT_EQ(
        result("sendrawtransaction", sending(transaction)).find("hash")->string_value(), hash);
    EXPECT_EQ(result("getrawmempool", "[]").items().front().string_value(), hash);
    EXPECT_EQ(error_code("getapplicationlog", quoted(hash)), -105);
    EXPECT_EQ(
        result("getrawtransaction", quoted(hash)).string_value(),
        base::base64_encode(neo::serialize(transaction)));
    EXPECT_EQ(error_code("gettransactionheight", quoted(hash)), -103);
    chain_->produce_block();
    EXPECT_EQ(result("gettransactionheight", quoted(hash)).number_text(), "1");
    const Json log = result("getapplicationlog", quoted(hash));
    EXPECT_EQ(log.find("executions")->items()[0].find("vmstate")->string_value(), "HALT");
    const Json full = result("getrawtransaction", "[\"" + hash + "\",true]");
    EXPECT_EQ(full.find("confirmations")->number_text(), "1");
    const Json balances = result("getnep17balances", quoted(neo::Address(stranger_).to_string()));
    EXPECT_EQ(balances.find("balance")->items()[0].find("amount")->string_value(), "1");
    const Json block = result("getblock", "[1,true]");
    EXPECT_EQ(block.find("tx")->items()[0].find("hash")->string_value(), hash);
    EXPECT_EQ(result("getblockhash", "[1]").string_value(), block.find("hash")->string_value());
    EXPECT_EQ(result("getbestblockhash", "[]").string_value(), block.find("hash")->string_value());
    EXPECT_EQ(error_code("getblockhash", "[2]"), -109);
}

TEST_F(NeoNodeTest, CSharpHasItsOwnWords) {
    NodeOptions options;
    options.flavour = NodeFlavour::CSharp;
    make_chain(standard_options(), options);
    const std::string unknown(64, '1');
    const Json answer = ask("getapplicationlog", quoted("0x" + unknown));
    EXPECT_EQ(answer.find("error")->find("code")->number_text(), "-32602");
    EXPECT_EQ(
        answer.find("error")->find("message")->string_value(),
        "Invalid params - Unknown transaction/blockhash");
    const http::Response response =
        node_->answer("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"getblock\",\"params\":[0]}");
    EXPECT_EQ(response.status, http::Status::Ok);
    EXPECT_EQ(response.body.find('+'), std::string::npos);
}

TEST_F(NeoNodeTest, BatchesAreAnsweredInOrder) {
    const http::Response response = node_->answer(
        "[{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"getblockcount\",\"params\":[]},"
        "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"nosuchmethod\"},5]");
    const auto json = Json::parse(response.body);
    ASSERT_TRUE(json && json->size() == 3U) << response.body;
    EXPECT_EQ(json->items()[0].find("id")->string_value(), "a");
    EXPECT_EQ(json->items()[0].find("result")->number_text(), "1");
    EXPECT_EQ(json->items()[1].find("error")->find("code")->number_text(), "-32601");
    EXPECT_EQ(json->items()[2].find("error")->find("code")->number_text(), "-32600");
    std::string big = "[";
    for (int i = 0; i < 101; ++i) big += i == 0 ? "1" : ",1";
    EXPECT_EQ(code_of(node_->answer(big + "]")), "-32600");
}

TEST_F(NeoNodeTest, ALaggingNodeSeesThePast) {
    const neo::Transaction transaction = transfer();
    const std::string hash = neo::hash(transaction).to_string();
    for (int i = 0; i < 3; ++i) chain_->produce_block();
    ASSERT_EQ(code(transaction), 0);
    chain_->produce_block();
    chain_->produce_block();
    node_->set_lag(2);
    EXPECT_EQ(block_count(), 4U);
    EXPECT_EQ(error_code("getapplicationlog", quoted(hash)), -105);
    EXPECT_EQ(error_code("getblock", "[4]"), -109);
    EXPECT_EQ(error_code("getblock", quoted(chain_->find_block(4U)->hash.to_string())), -101);
    EXPECT_EQ(
        result("getnep17balances", quoted(neo::Address(stranger_).to_string()))
            .find("balance")
            ->size(),
        0U);
    const Json pooled = result("getrawtransaction", "[\"" + hash + "\",true]");
    EXPECT_EQ(pooled.find("confirmations"), nullptr) << "for this node it still waits";
    // It takes the known bytes again, and nothing comes of it.
    EXPECT_NE(result("sendrawtransaction", sending(transaction)).find("hash"), nullptr);
    EXPECT_EQ(chain_->pool_size(), 0U);
    node_->set_lag(1);
    EXPECT_EQ(result("gettransactionheight", quoted(hash)).number_text(), "4");
    EXPECT_EQ(error_code("sendrawtransaction", sending(transaction)), -501);
}

TEST_F(NeoNodeTest, ALaggingNodeTakesWhatHasExpired) {
    TransferPlan plan;
    plan.to = stranger_;
    plan.valid_until_block = 2;
    const neo::Transaction transaction = signed_transfer(alice_, plan);
    for (int i = 0; i < 3; ++i) chain_->produce_block();
    EXPECT_EQ(error_code("sendrawtransaction", sending(transaction)), -510);
    node_->set_lag(2);
    EXPECT_NE(result("sendrawtransaction", sending(transaction)).find("hash"), nullptr);
    EXPECT_EQ(chain_->pool_size(), 0U);
    chain_->produce_block();
    EXPECT_EQ(chain_->balance(gas(), stranger_), base::Amount());
}

TEST_F(NeoNodeTest, ALyingHeightIsOnlyALie) {
    node_->set_height_lie(1000);
    EXPECT_EQ(block_count(), 1001U);
    EXPECT_EQ(error_code("getblock", "[5]"), -109);
    node_->set_height_lie(-5);
    EXPECT_EQ(block_count(), 0U);
}

TEST_F(NeoNodeTest, ALostRequestHasNoEffectAndALostAnswerHas) {
    const neo::Transaction first = transfer();
    node_->order({.fault = NodeFault::LoseRequest, .method = "sendrawtransaction"});
    const auto lost = post("sendrawtransaction", sending(first));
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().code(), ErrorCode::OutcomeUnknown);
    EXPECT_EQ(chain_->pool_size(), 0U);

    node_->order({.fault = NodeFault::LoseAnswer, .method = "sendrawtransaction"});
    const auto effective = post("sendrawtransaction", sending(first));
    ASSERT_FALSE(effective);
    EXPECT_EQ(effective.error().code(), ErrorCode::OutcomeUnknown);
    EXPECT_EQ(chain_->pool_size(), 1U);
    EXPECT_TRUE(post("getblockcount", "[]"));
    EXPECT_EQ(node_->struck(NodeFault::LoseRequest), 1U);
    EXPECT_EQ(node_->struck(NodeFault::LoseAnswer), 1U);
    EXPECT_EQ(node_->calls("sendrawtransaction"), 2U);
    EXPECT_EQ(node_->calls(), 3U);
}

TEST_F(NeoNodeTest, ASwallowedTransactionIsAcceptedAndForgotten) {
    node_->order({.fault = NodeFault::Swallow, .count = FaultRule::kForever});
    const neo::Transaction transaction = transfer();
    EXPECT_NE(result("sendrawtransaction", sending(transaction)).find("hash"), nullptr);
    EXPECT_EQ(chain_->pool_size(), 0U);
    node_->clear_faults();
    EXPECT_NE(result("sendrawtransaction", sending(transaction)).find("hash"), nullptr);
    EXPECT_EQ(chain_->pool_size(), 1U);
}

TEST_F(NeoNodeTest, OrderedRefusalsAndNonsenseComeAsOrdered) {
    node_->order({.fault = NodeFault::HttpStatus, .http_status = 502});
    EXPECT_EQ(post("getblockcount", "[]")->status, http::Status::BadGateway);
    node_->order({.fault = NodeFault::RpcError, .code = -502, .text = "full"});
    const neo::Transaction transaction = transfer();
    EXPECT_EQ(error_code("sendrawtransaction", sending(transaction)), -502);
    EXPECT_EQ(chain_->pool_size(), 0U);
    node_->order({.fault = NodeFault::Garbage});
    EXPECT_FALSE(Json::parse(post("getblockcount", "[]")->body));
    node_->order({.fault = NodeFault::WrongId});
    EXPECT_NE(ask("getblockcount", "[]").find("id")->dump(), "1");
    node_->order({.fault = NodeFault::NullResult});
    EXPECT_TRUE(ask("getblockcount", "[]").find("result")->is_null());
    node_->order({.fault = NodeFault::Delay, .delay = std::chrono::seconds(5)});
    const auto before = executor_.steady_now();
    EXPECT_TRUE(post("getblockcount", "[]"));
    EXPECT_EQ(executor_.steady_now() - before, std::chrono::seconds(5));
    EXPECT_EQ(block_count(), 1U) << "nothing is left to strike";
}

TEST_F(NeoNodeTest, FaultsStrikeTheOrderedCallsAndRepeatFromTheSeed) {
    node_->order({.fault = NodeFault::RpcError, .method = "getblockcount", .skip = 2, .count = 2});
    std::string seen;
    for (int i = 0; i < 6; ++i) {
        result("getversion", "[]");
        seen += ask("getblockcount", "[]").find("error") != nullptr ? 'x' : '.';
    }
    EXPECT_EQ(seen, "..xx..");

    std::vector<std::string> runs;
    for (int run = 0; run < 2; ++run) {
        make_chain(standard_options());
        node_->order(
            {.fault = NodeFault::RpcError, .count = FaultRule::kForever, .per_mille = 300});
        std::string pattern;
        for (int i = 0; i < 200; ++i) {
            pattern += ask("getblockcount", "[]").find("error") != nullptr ? 'x' : '.';
        }
        runs.push_back(pattern);
        const auto struck = std::count(pattern.begin(), pattern.end(), 'x');
        EXPECT_EQ(node_->struck(NodeFault::RpcError), static_cast<std::uint64_t>(struck));
        EXPECT_GT(struck, 30);
        EXPECT_LT(struck, 90);
    }
    EXPECT_EQ(runs[0], runs[1]);
}

TEST_F(NeoNodeTest, TheFaucetPaysWithinItsLimitAndOnlyWhereItIsOn) {
    NodeOptions options;
    options.faucet = true;
    make_chain(standard_options(), options);
    const std::string to = neo::Address(stranger_).to_string();
    const auto asked = [&to](std::string_view token, std::string_view amount) {
        return "[{\"address\":\"" + to + "\",\"token\":\"" + std::string(token) +
               "\",\"amount\":" + std::string(amount) + "}]";
    };
    const Json paid = result("adyton_faucet", asked("gas", "\"500000000\""));
    EXPECT_EQ(paid.find("token")->string_value(), gas().to_string());
    result("adyton_faucet", asked("TEST", "7"));
    result("adyton_faucet", asked(neo_hash().to_string(), "3"));
    chain_->produce_block();
    EXPECT_EQ(chain_->balance(gas(), stranger_), base::Amount(500'000'000));
    EXPECT_EQ(chain_->balance(test_token_, stranger_), base::Amount(7));
    EXPECT_EQ(chain_->balance(neo_hash(), stranger_), base::Amount(3));
    for (const std::string& bad :
         {std::string("[]"), std::string("[{}]"), asked("gas", "\"1.5\""), asked("gas", "-1"),
          asked("gas", "\"10000000000001\""), asked("nothing", "1"),
          std::string("[{\"address\":\"N\",\"amount\":1}]")}) {
        EXPECT_EQ(error_code("adyton_faucet", bad), -32602) << bad;
    }
    EXPECT_EQ(error_code("adyton_faucet", asked("NEO", "9999999999")), -32603);
}

TEST_F(NeoNodeTest, FaultsAreOrderedOverTheNodeItselfOnlyWhereThatIsOn) {
    EXPECT_EQ(error_code("adyton_fault", "[{}]"), -32601);
    NodeOptions options;
    options.faults = true;
    make_chain(standard_options(), options);
    result("adyton_fault", R"([{"fault":"rpc_error","skip":1,"count":2}])");
    EXPECT_EQ(result("adyton_fault", "[]").find("waiting")->number_text(), "1");
    EXPECT_EQ(block_count(), 1U);
    EXPECT_EQ(error_code("getblockcount", "[]"), -32603);
    EXPECT_EQ(error_code("getversion", "[]"), -32603);
    EXPECT_EQ(block_count(), 1U);
    const Json done = result("adyton_fault", "{}");
    EXPECT_EQ(done.find("waiting")->number_text(), "0");
    EXPECT_EQ(done.find("struck")->dump(), R"({"rpc_error":2})");

    // What strikes all calls leaves the way to take it back.
    const std::string always = R"([{"fault":"null_result","count":0,"lag":2,"height_lie":-3}])";
    EXPECT_EQ(result("adyton_fault", always).find("lag")->number_text(), "2");
    EXPECT_TRUE(result("getblockcount", "[]").is_null());
    const Json clear = result("adyton_fault", R"([{"clear":true}])");
    EXPECT_EQ(clear.find("height_lie")->number_text(), "0");
    EXPECT_EQ(clear.find("lag")->number_text(), "0");
    EXPECT_EQ(block_count(), 1U);

    for (const char* const bad :
         {"[7]", R"([{"fault":"no_such"}])", R"([{"falt":"delay"}])", R"([{"count":3}])",
          R"([{"fault":"delay","delay_ms":600001}])", R"([{"fault":"delay","per_mille":0}])",
          R"([{"fault":"http_status","http_status":200}])", R"([{"lag":51}])",
          R"([{"fault":"delay","count":-1}])", R"([{"clear":1}])"}) {
        EXPECT_EQ(error_code("adyton_fault", bad), -32602) << bad;
    }
    EXPECT_EQ(result("adyton_fault", "[]").find("waiting")->number_text(), "0");
}

}  // namespace
}  // namespace adyton::localchain::testing
