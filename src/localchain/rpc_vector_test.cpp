#include <set>

#include "localchain/localchain_test_support.h"
#include "neo/transaction.h"

// The simulator against the recorded dialogue with a live neo-go v0.105.1 node
// (tests/vectors/neo/rpc_examples.json): same questions on the same chain, same answers. Only what
// is of that run alone (block hashes and times, the words of `data`) may differ in value, never in
// name or type.
namespace adyton::localchain::testing {
namespace {

using base::Json;

// Members whose value is not a matter of the protocol, or of that run alone.
const std::set<std::string, std::less<>> kOwnValues = {
    "nonce",
    "useragent",
    "tcpport",
    "maxtraceableblocks",
    "data",
    "blockhash",
    "blocktime",
    "time",
    "previousblockhash",
    "hash of a block",
    "invocation of a block",
};

class RpcVectorTest : public LocalChainTest {
protected:
    void SetUp() override {
        ChainOptions options;
        options.magic = neo::NetworkMagic{56753};
        NodeOptions node;
        node.flavour = NodeFlavour::NeoGo105;
        make_chain(std::move(options), node);
        examples_ = read_vectors("rpc_examples.json");
    }

    // Same names, types and, but for kOwnValues, values.
    void compare(const Json& ours, const Json& theirs, const std::string& where) {
        ASSERT_EQ(static_cast<int>(ours.type()), static_cast<int>(theirs.type())) << where;
        if (theirs.is_array()) {
            ASSERT_EQ(ours.size(), theirs.size()) << where << ": " << ours.dump();
            for (std::size_t i = 0; i < theirs.size(); ++i) {
                compare(ours.items()[i], theirs.items()[i], where + "[" + std::to_string(i) + "]");
            }
        } else if (theirs.is_object()) {
            ASSERT_EQ(ours.size(), theirs.size()) << where << ": " << ours.dump();
            for (const auto& [name, value] : theirs.members()) {
                const Json* const mine = ours.find(name);
                ASSERT_NE(mine, nullptr) << where << " has no " << name << ": " << ours.dump();
                if (kOwnValues.contains(name) && !value.is_object() && !value.is_array()) {
                    EXPECT_EQ(static_cast<int>(mine->type()), static_cast<int>(value.type()))
                        << where << "." << name;
                    continue;
                }
                compare(*mine, value, where + "." + name);
            }
        } else {
            EXPECT_EQ(ours.dump(), theirs.dump()) << where;
        }
    }

    // The answer to a request, with blocks produced until the chain is as far as the example was.
    void replay(const Json& example);
    // The recorded block is asked for by its hash, which is of that run: ours with the same
    // transaction stands for it, with its own hash, index and signature.
    void replay_block(const Json& example);
    void answer_and_compare(const Json& request, const Json& expected, std::uint64_t http_status);
    void catch_up(const Json& request, const Json& expected);

    Json examples_;
    std::size_t compared_ = 0;
};

const Json* member(const Json& json, std::initializer_list<std::string_view> path) {
    const Json* at = &json;
    for (const std::string_view name : path) {
        at = at == nullptr ? nullptr : at->find(name);
    }
    return at;
}

// What the example was asked of is in a block by then.
void RpcVectorTest::catch_up(const Json& request, const Json& expected) {
    if (const Json* const count = member(expected, {"result"});
        request.find("method")->string_value() == "getblockcount") {
        while (chain_->height() + 1 < count->as_uint64().value()) chain_->produce_block();
        return;
    }
    const bool executed = member(expected, {"result", "executions"}) != nullptr ||
                          member(expected, {"result", "confirmations"}) != nullptr;
    if (!executed || chain_->pool_size() == 0) return;
    chain_->produce_block();
}

void RpcVectorTest::answer_and_compare(
    const Json& request, const Json& expected, std::uint64_t http_status) {
    const http::Response response = node_->answer(request.dump());
    EXPECT_EQ(http::status_number(response.status), http_status);
    const auto ours = Json::parse(response.body);
    ASSERT_TRUE(ours) << response.body;
    compare(*ours, expected, "answer");
    ++compared_;
}

void RpcVectorTest::replay(const Json& example) {
    const Json& request = *example.find("request");
    const Json& expected = *example.find("response");
    SCOPED_TRACE(example.find("name")->string_value());
    catch_up(request, expected);
    answer_and_compare(request, expected, example.find("http_status")->as_uint64().value());
}

void RpcVectorTest::replay_block(const Json& example) {
    Json request = *example.find("request");
    Json expected = *example.find("response");
    Json block = *expected.find("result");
    const auto hash =
        neo::TransactionHash::parse(block.find("tx")->items()[0].find("hash")->string_value());
    const ConfirmedTransaction* const done = chain_->find_confirmed(hash.value());
    ASSERT_NE(done, nullptr);
    const Block& ours = *chain_->find_block(done->block_index);
    Json witness = block.find("witnesses")->items()[0];
    witness.set("invocation", Json::string(base::base64_encode(chain_->block_invocation(ours))));
    Json witnesses = Json::array();
    witnesses.push_back(std::move(witness));
    block.set("witnesses", std::move(witnesses));
    block.set("hash", Json::string(ours.hash.to_string()));
    block.set("index", Json::unsigned_integer(ours.index));
    expected.set("result", std::move(block));
    Json params = Json::array();
    params.push_back(Json::string(ours.hash.to_string()));
    params.push_back(Json::boolean(true));
    request.set("params", std::move(params));
    answer_and_compare(request, expected, 200);
}

// Three transactions of the recorded run were sent, but not recorded being sent.
struct Unrecorded {
    std::string_view before;  // the example that first knows it
    neo::ScriptHash token;
    std::string_view to;
    std::uint64_t amount;
};

TEST_F(RpcVectorTest, EveryRecordedQuestionGetsTheRecordedAnswer) {
    const std::vector<Unrecorded> unrecorded = {
        {"application log: NEO transfer HALT with GAS claim events", neo_hash(),
         "0xd687f53d4d712599f391317d226cb3826f740699", 100},
        {"application log: second GAS transfer HALT", gas(),
         "0xd687f53d4d712599f391317d226cb3826f740699", 3 * kOneGas},
        {"application log: funding the account whose OKM is >= n", gas(),
         "0x4941508e0d3555bbb9462ec11c5573c15cba9555", kOneGas},
    };
    std::size_t skipped = 0;
    for (const Json& example : examples_.find("cases")->items()) {
        const std::string& name = example.find("name")->string_value();
        bool replaced = false;
        for (const Unrecorded& one : unrecorded) {
            if (one.before != name) continue;
            ASSERT_TRUE(chain_->pay(
                one.token, neo::ScriptHash::parse(one.to).value(), base::Amount(one.amount)));
            chain_->produce_block();
            replaced = true;
        }
        if (replaced) {
            ++skipped;
            continue;
        }
        if (name == "block: by hash") {
            replay_block(example);
        } else {
            replay(example);
        }
        if (HasFatalFailure()) return;
    }
    EXPECT_EQ(compared_ + skipped, examples_.find("cases")->size());
    EXPECT_EQ(skipped, unrecorded.size());
    EXPECT_GE(compared_, 40U);
}

TEST_F(RpcVectorTest, BothFundingTransactionsOfThePrivateNetworkAreTakenAndExecuted) {
    const Json network = read_vectors("privnet.json");
    for (const Json& one : network.find("cases")->items()) {
        const std::string& name = one.find("name")->string_value();
        SCOPED_TRACE(name);
        const std::string params = "[\"" + one.find("signed_base64_low_s")->string_value() + "\"]";
        const Json sent = result("sendrawtransaction", params);
        ASSERT_NE(sent.find("hash"), nullptr);
        EXPECT_EQ(sent.find("hash")->string_value(), one.find("hash_display")->string_value());
        chain_->produce_block();
        const auto hash = neo::TransactionHash::parse(one.find("hash_display")->string_value());
        EXPECT_EQ(execution(hash.value()).state, VmState::Halt);
        const auto to = neo::Address::parse(one.find("to_address")->string_value());
        const bool of_gas = one.find("token")->string_value() == "GAS";
        EXPECT_EQ(
            chain_->balance(of_gas ? gas() : neo_hash(), to->script_hash()).to_string(),
            one.find("amount")->string_value());
    }
    EXPECT_EQ(chain_->height(), 2U);
}

}  // namespace
}  // namespace adyton::localchain::testing
