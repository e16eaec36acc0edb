#include "chain/near_client.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/sim_executor.h"
#include "chain/chain_test_support.h"

namespace adyton::chain {
namespace {

using namespace std::chrono_literals;
using testing::FakeNode;
using testing::FakeTransport;
using testing::json;

constexpr std::string_view kHash = "4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi";
constexpr std::string_view kKey = "ed25519:4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi";

base::Json result(base::Json value) {
    return base::Json::object().set("result", std::move(value));
}

base::Json handler_error(const char* cause, const char* name = "HANDLER_ERROR") {
    base::Json error = json(R"({"code":-32000,"message":"Server error","data":"text"})");
    error.set("name", base::Json::string(name));
    error.set("cause", base::Json::object().set("name", base::Json::string(cause)));
    return base::Json::object().set("error", std::move(error));
}

// What a fake node says about the chain.
struct State {
    std::string chain_id = "mainnet";
    std::uint64_t height = 1000;
    std::uint64_t time_ns = 1'800'000'000'000'000'000;
    std::uint64_t view_height = 0;  // zero: height
    base::Json query;               // the answer, result or error
};

class NearClientTest : public ::testing::Test {
protected:
    NearClientTest() {
        tell(a, state_a);
        tell(b, state_b);
    }

    static void tell(FakeNode& node, State& state) {
        node.methods["status"] = [&state](const base::Json&) {
            return result(base::Json::object().set("chain_id", base::Json::string(state.chain_id)));
        };
        node.methods["block"] = [&state](const base::Json&) {
            base::Json header = base::Json::object();
            header.set("height", base::Json::unsigned_integer(state.height));
            header.set("hash", base::Json::string(std::string(kHash)));
            header.set("timestamp", base::Json::unsigned_integer(state.time_ns));
            return result(base::Json::object().set("header", std::move(header)));
        };
        node.methods["query"] = [&state](const base::Json& params) {
            base::Json answer = state.query;
            const base::Json* const wanted = params.find("block_id");
            std::uint64_t height = wanted != nullptr ? *wanted->as_uint64() : state.height;
            if (height > state.height) return handler_error("UNKNOWN_BLOCK");
            if (state.view_height != 0) height = state.view_height;
            if (const base::Json* value = answer.find("result"); value != nullptr) {
                base::Json copy = *value;
                copy.set("block_height", base::Json::unsigned_integer(height));
                copy.set("block_hash", base::Json::string(std::string(kHash)));
                answer.set("result", std::move(copy));
            }
            return answer;
        };
    }

    void open(std::vector<std::string> urls) {
        NearClientOptions options;
        options.endpoints.urls = std::move(urls);
        auto created = NearRpcClient::create(options, transport, executor, base::null_logger());
        ASSERT_TRUE(created) << created.error().message();
        client = *std::move(created);
        executor.run_until_done(client->refresh());
    }
    void open_two() { open({"http://a", "http://b"}); }
    void both_say(const char* text) { state_a.query = state_b.query = result(json(text)); }

    auto find_key() { return executor.run_until_done(client->find_access_key(account, key)); }
    auto payload_fate(near::MessageNonce nonce, std::int64_t deadline_s) {
        NearPayloadRef payload{
            *near::AccountId::parse("intents.near"), account, nonce,
            base::Timestamp(std::chrono::seconds(deadline_s))};
        return executor.run_until_done(client->payload_fate(payload));
    }
    auto delegate_fate(std::uint64_t nonce, std::uint64_t height_max) {
        NearDelegateRef delegate{account, key, nonce, height_max};
        return executor.run_until_done(client->delegate_fate(delegate));
    }

    base::SimExecutor executor{5};
    FakeTransport transport{executor};
    FakeNode& a = transport.add("a:80");
    FakeNode& b = transport.add("b:80");
    State state_a;
    State state_b;
    std::unique_ptr<NearRpcClient> client;
    const near::AccountId account = *near::AccountId::parse("alice.near");
    const near::PublicKey key = *near::PublicKey::parse(kKey);
};

TEST_F(NearClientTest, TheLastFinalBlockIsRead) {
    open({"http://a"});
    const auto block = executor.run_until_done(client->final_block());
    ASSERT_TRUE(block) << block.error().message();
    EXPECT_EQ(block->height, 1000U);
    EXPECT_EQ(client->endpoints()[0].height, 1000U);
}

// Three nodes, of which a quorum is two.
class NearQuorumTest : public NearClientTest {
protected:
    NearQuorumTest() {
        tell(c, state_c);
        open({"http://a", "http://b", "http://c"});
    }
    // The status that every one of them tells; empty: it does not know the transaction.
    void tell_statuses(const char* of_a, const char* of_b, const char* of_c) {
        const char* const texts[] = {of_a, of_b, of_c};
        FakeNode* const nodes[] = {&a, &b, &c};
        for (int i = 0; i < 3; ++i) {
            const std::string text = texts[i];
            nodes[i]->methods["EXPERIMENTAL_tx_status"] = [text](const base::Json&) {
                if (text.empty()) return handler_error("UNKNOWN_TRANSACTION");
                return result(json(text));
            };
        }
    }
    Result<std::optional<NearTransaction>> agreed() {
        // Success and failure are stories, everything before is undecided.
        const NearStory story = [](const NearTransaction& seen) -> Result<std::string> {
            if (seen.status == NearTransaction::Status::Success) return std::string("good");
            if (seen.status == NearTransaction::Status::Failure) return std::string("bad");
            return std::string();
        };
        const near::TransactionHash hash{};
        return executor.run_until_done(client->find_agreed_transaction(hash, account, story));
    }
    Result<NearHeights> heights(std::uint64_t of_a, std::uint64_t of_b, std::uint64_t of_c) {
        state_a.height = of_a;
        state_b.height = of_b;
        state_c.height = of_c;
        return executor.run_until_done(client->final_heights());
    }
    FakeNode& c = transport.add("c:80");
    State state_c;
};
constexpr const char* kGood = R"({"status":{"SuccessValue":""}})";
constexpr const char* kBad = R"({"status":{"Failure":{}}})";
constexpr const char* kStarted = R"({"status":"Started"})";

TEST_F(NearQuorumTest, AStoryCountsWhenTwoTellIt) {
    tell_statuses(kGood, kGood, kBad);
    const auto seen = agreed();
    ASSERT_TRUE(seen && *seen);
    EXPECT_EQ((*seen)->status, NearTransaction::Status::Success);
    EXPECT_EQ(c.count("EXPERIMENTAL_tx_status"), 0U) << "two were enough";
}

TEST_F(NearQuorumTest, OneLiarIsOutvotedWhereverItStands) {
    tell_statuses(kBad, kGood, kGood);
    EXPECT_EQ((*agreed())->status, NearTransaction::Status::Success);
    tell_statuses(kGood, kBad, kGood);
    EXPECT_EQ((*agreed())->status, NearTransaction::Status::Success);
    tell_statuses(kBad, "", kGood);
    const auto split = agreed();
    ASSERT_FALSE(split);
    EXPECT_EQ(split.error().code(), ErrorCode::Unavailable);
    EXPECT_EQ(split.error().reason(), "nodes_disagree");
}

TEST_F(NearQuorumTest, OneStoryAloneDecidesNothing) {
    tell_statuses(kBad, kStarted, kStarted);
    const auto waiting = agreed();
    ASSERT_TRUE(waiting && *waiting);
    EXPECT_EQ((*waiting)->status, NearTransaction::Status::Started);
    tell_statuses(kBad, "", "");
    const auto alone = agreed();
    ASSERT_FALSE(alone) << "neither believed, nor is the transaction called unknown";
    EXPECT_EQ(alone.error().code(), ErrorCode::Unavailable);
    tell_statuses("", "", kStarted);
    const auto late = agreed();
    ASSERT_TRUE(late && *late) << "one that knows it is enough not to call it unknown";
    tell_statuses("", "", "");
    const auto unknown = agreed();
    ASSERT_TRUE(unknown);
    EXPECT_FALSE(unknown->has_value());
}

TEST_F(NearQuorumTest, HeightsAreThoseThatTwoHaveReached) {
    auto found = heights(1000, 1002, 1001);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->reached, 1000U);
    EXPECT_EQ(found->newest, 1002U);
    // One far ahead of two others is not believed, one far behind holds nobody up.
    found = heights(1200, 1002, 1001);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->reached, 1002U);
    EXPECT_EQ(found->newest, 1002U);
    found = heights(995, 1040, 1041);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->reached, 1040U);
    EXPECT_EQ(found->newest, 1041U);
}

TEST_F(NearQuorumTest, AKeysNonceIsWhatTwoTellOfOneBlock) {
    const auto ask = [&] {
        return executor.run_until_done(client->find_agreed_access_key(account, key));
    };
    state_a.query = result(json(R"({"nonce":50,"permission":"FullAccess"})"));
    state_b.query = state_c.query = result(json(R"({"nonce":5,"permission":"FullAccess"})"));
    state_b.height = 1002;
    state_c.height = 1001;
    const auto found = ask();
    ASSERT_TRUE(found && *found) << found.error().message();
    EXPECT_EQ((*found)->nonce, 5U);
    EXPECT_EQ((*found)->block_height, 1000U) << "a block that all who were asked have";
    // Another permission is another story, and so is an absence.
    state_c.query = handler_error("UNKNOWN_ACCESS_KEY");
    auto split = ask();
    ASSERT_FALSE(split);
    EXPECT_EQ(split.error().reason(), "nodes_disagree");
    state_a.query = state_c.query;
    const auto none = ask();
    ASSERT_TRUE(none);
    EXPECT_FALSE(none->has_value());
    // What is told of another block than was asked for does not count.
    state_a.query = state_b.query = result(json(R"({"nonce":5,"permission":"FullAccess"})"));
    state_b.view_height = 900;
    split = ask();
    ASSERT_FALSE(split);
    EXPECT_EQ(split.error().code(), ErrorCode::Unavailable);
}

TEST_F(NearQuorumTest, AViewsAnswerAndAnAccountsAmountNeedTwo) {
    const auto contract = *near::AccountId::parse("gate.near");
    const auto view = [&] {
        return executor.run_until_done(client->call_agreed_function(contract, "get", {}));
    };
    state_a.query = result(json(R"({"result":[49,48],"logs":[]})"));
    state_b.query = state_c.query = result(json(R"({"result":[49],"logs":[]})"));
    ASSERT_TRUE(view());
    EXPECT_EQ(base::as_text(view()->result), "1");
    const base::Json panic =
        result(json(R"({"error":"wasm execution failed with error: no","logs":[]})"));
    state_b.query = panic;
    EXPECT_EQ(view().error().code(), ErrorCode::Unavailable) << "one panic is one voice";
    state_c.query = panic;
    EXPECT_EQ(view().error().code(), ErrorCode::Unprocessable);
    const auto amount = [&] {
        return executor.run_until_done(client->find_agreed_account(account));
    };
    const auto has = [](const char* digits) {
        base::Json out = json(
            R"({"locked":"0","code_hash":"11111111111111111111111111111111","storage_usage":1})");
        return result(out.set("amount", base::Json::string(digits)));
    };
    state_a.query = has("7000");
    state_b.query = state_c.query = has("7");
    const auto account_now = amount();
    ASSERT_TRUE(account_now && *account_now) << account_now.error().message();
    EXPECT_EQ((*account_now)->amount.to_string(), "7");
    c.before = Error::unavailable("refused");
    EXPECT_FALSE(amount()) << "one of each";
}

TEST_F(NearQuorumTest, ABlockHasTheHeightThatTwoTell) {
    const near::BlockHash hash = *near::BlockHash::parse(std::string(kHash));
    const auto ask = [&] { return executor.run_until_done(client->find_block(hash)); };
    state_a.height = 7;
    auto block = ask();
    ASSERT_TRUE(block);
    EXPECT_EQ(block->height, 1000U);
    state_b.height = 8;
    block = ask();
    ASSERT_FALSE(block);
    EXPECT_EQ(block.error().reason(), "nodes_disagree");
    // Those that have thrown it away have no say; those that never saw it may be behind.
    const auto without = [](const char* cause) {
        return [cause](const base::Json&) { return handler_error(cause); };
    };
    a.methods["block"] = without("GARBAGE_COLLECTED_BLOCK");
    b.methods["block"] = without("GARBAGE_COLLECTED_BLOCK");
    block = ask();
    ASSERT_TRUE(block);
    EXPECT_EQ(block->height, 1000U);
    b.methods["block"] = without("UNKNOWN_BLOCK");
    block = ask();
    ASSERT_FALSE(block);
    EXPECT_EQ(block.error().code(), ErrorCode::Unavailable);
    c.methods["block"] = without("UNKNOWN_BLOCK");
    block = ask();
    ASSERT_FALSE(block);
    EXPECT_EQ(block.error().code(), ErrorCode::NotFound);
}

TEST_F(NearQuorumTest, TheBlockBeforeCountsWhereAQuorumTellsTheSame) {
    const std::string other(44, '2');
    const auto with_previous = [](std::uint64_t height, std::string hash) {
        return [height, hash = std::move(hash)](const base::Json&) {
            base::Json header = base::Json::object();
            header.set("height", base::Json::unsigned_integer(1000));
            header.set("hash", base::Json::string(std::string(kHash)));
            header.set("timestamp", base::Json::unsigned_integer(1));
            header.set("prev_height", base::Json::unsigned_integer(height));
            header.set("prev_hash", base::Json::string(hash));
            return result(base::Json::object().set("header", std::move(header)));
        };
    };
    const auto ask = [&] {
        return executor.run_until_done(client->find_block(*near::BlockHash::parse(kHash)));
    };
    const std::string hash(kHash);
    a.methods["block"] = b.methods["block"] = with_previous(998, hash);
    auto block = ask();
    ASSERT_TRUE(block && block->previous);
    EXPECT_EQ(block->previous->height, 998U);
    EXPECT_EQ(block->previous->hash.to_string(), hash);
    // One says something else of it, or nothing: the block itself is agreed upon.
    for (const auto& another : {with_previous(997, hash), with_previous(998, other)}) {
        a.methods["block"] = another;
        block = ask();
        ASSERT_TRUE(block) << block.error().message();
        EXPECT_EQ(block->height, 1000U);
        EXPECT_FALSE(block->previous);
    }
    tell(a, state_a);
    block = ask();
    ASSERT_TRUE(block);
    EXPECT_FALSE(block->previous);
    // Of those that were thrown away elsewhere, one node's word says nothing of the one before.
    a.methods["block"] = with_previous(998, hash);
    b.methods["block"] = c.methods["block"] = [](const base::Json&) {
        return handler_error("GARBAGE_COLLECTED_BLOCK");
    };
    block = ask();
    ASSERT_TRUE(block);
    EXPECT_FALSE(block->previous);
    // One that is not before it cannot be.
    a.methods["block"] = b.methods["block"] = c.methods["block"] = with_previous(1000, hash);
    EXPECT_FALSE(ask());
}

TEST_F(NearClientTest, AnotherChainIsRefused) {
    state_a.chain_id = "testnet";
    open({"http://a"});
    const auto block = executor.run_until_done(client->final_block());
    ASSERT_FALSE(block);
    EXPECT_EQ(block.error().code(), ErrorCode::PermissionDenied);
    EXPECT_EQ(client->endpoints()[0].reason, "the node is on testnet, configured is mainnet");
}

TEST_F(NearClientTest, AKeyIsFoundOrAQuorumSaysThatThereIsNone) {
    open_two();
    both_say(R"({"nonce":5,"permission":"FullAccess"})");
    ASSERT_TRUE(find_key());
    EXPECT_EQ((*find_key())->nonce, 5U);

    state_a.query = result(json(R"({"error":"access key x does not exist","logs":[]})"));
    EXPECT_EQ((*find_key())->nonce, 5U) << "one that does not know it yet";
    state_b.query = handler_error("UNKNOWN_ACCESS_KEY");
    const auto none = find_key();
    ASSERT_TRUE(none) << none.error().message();
    EXPECT_FALSE(none->has_value());
}

TEST_F(NearClientTest, NoErrorIsEverAnAbsence) {
    open_two();
    state_a.query = handler_error("UNKNOWN_ACCESS_KEY");
    for (const base::Json& answer :
         {handler_error("INTERNAL_ERROR"), handler_error("UNAVAILABLE_SHARD"),
          handler_error("UNKNOWN_BLOCK"), handler_error("PARSE_ERROR", "REQUEST_VALIDATION_ERROR"),
          result(json("{}")), result(json(R"({"permission":"FullAccess"})"))}) {
        state_b.query = answer;
        const auto found = find_key();
        ASSERT_FALSE(found) << answer.dump();
        EXPECT_EQ(found.error().code(), ErrorCode::Unavailable) << answer.dump();
    }
    b.before = Error::unavailable("refused");
    EXPECT_FALSE(find_key());
}

TEST_F(NearClientTest, APanicOfAViewIsTheContractsWord) {
    open_two();
    both_say(R"({"error":"wasm execution failed with error: HostError","logs":[]
})");
    const auto contract = *near::AccountId::parse("gate.near");
    const auto panicked =
        executor.run_until_done(client->call_function(contract, "get", base::Bytes{'{', '}'}));
    ASSERT_FALSE(panicked);
    EXPECT_EQ(panicked.error().code(), ErrorCode::Unprocessable);
    both_say(R"({"error":"account gate.near does not exist while viewing","logs":[]})");
    EXPECT_EQ(
        executor.run_until_done(client->call_function(contract, "get", {})).error().code(),
        ErrorCode::NotFound);
    both_say(R"({"result":[116,114,117,101],"logs":[]})");
    const auto view = executor.run_until_done(client->call_function(contract, "get", {}));
    ASSERT_TRUE(view);
    EXPECT_EQ(base::as_text(view->result), "true");
}

TEST_F(NearClientTest, ABroadcastIsOfferedOnceAndJudgedByItsHash) {
    open_two();
    const auto hash = *near::TransactionHash::parse(kHash);
    base::Json answer = result(base::Json::string(std::string(kHash)));
    a.methods["broadcast_tx_async"] = [&answer](const base::Json& params) {
        EXPECT_EQ(params.dump(), R"(["AQID"])");
        return answer;
    };
    const auto broadcast = [&] {
        return executor.run_until_done(client->broadcast({1, 2, 3}, hash));
    };
    using Kind = NearSendOutcome::Kind;
    EXPECT_EQ(broadcast().kind, Kind::Accepted);
    answer = result(base::Json::string("11111111111111111111111111111111"));
    EXPECT_EQ(broadcast().kind, Kind::Unknown);
    answer = handler_error("INVALID_TRANSACTION");
    EXPECT_EQ(broadcast().kind, Kind::Refused);
    EXPECT_EQ(broadcast().cause, "INVALID_TRANSACTION");
    answer = handler_error("TIMEOUT_ERROR");
    EXPECT_EQ(broadcast().kind, Kind::Unknown);
    a.after_method.emplace("broadcast_tx_async", Error::outcome_unknown("lost"));
    EXPECT_EQ(broadcast().kind, Kind::Unknown);
    EXPECT_EQ(b.count("broadcast_tx_async"), 0U);
    a.before = b.before = Error::unavailable("refused");
    EXPECT_EQ(broadcast().kind, Kind::NotSent);
}

TEST_F(NearClientTest, ATransactionIsUnknownOnlyToAQuorum) {
    open_two();
    const auto hash = *near::TransactionHash::parse(kHash);
    const auto find = [&] {
        return executor.run_until_done(client->find_transaction(hash, account));
    };
    base::Json answer_a = handler_error("UNKNOWN_TRANSACTION");
    base::Json answer_b = answer_a;
    a.methods["EXPERIMENTAL_tx_status"] = [&answer_a](const base::Json&) { return answer_a; };
    b.methods["EXPERIMENTAL_tx_status"] = [&answer_b](const base::Json&) { return answer_b; };
    ASSERT_TRUE(find());
    EXPECT_FALSE(find()->has_value());
    answer_b = handler_error("TIMEOUT_ERROR");
    EXPECT_EQ(find().error().code(), ErrorCode::Unavailable);
    answer_b = result(json(R"({"final_execution_status":"FINAL","status":{"SuccessValue":""}})"));
    ASSERT_TRUE(find());
    EXPECT_EQ((*find())->status, NearTransaction::Status::Success);
}

// What was signed

constexpr std::int64_t kNow = 1'800'000'000;  // the fake blocks' time
const near::MessageNonce kLegacy{};

TEST_F(NearClientTest, APayloadIsOpenUntilItsDeadlineHasPassedOnChain) {
    open_two();
    both_say(R"({"result":[102,97,108,115,101],"logs":[]})");
    EXPECT_EQ(*payload_fate(kLegacy, kNow), SignedFate::Open);
    EXPECT_EQ(*payload_fate(kLegacy, kNow - 5), SignedFate::Open) << "within the margin";
    EXPECT_EQ(*payload_fate(kLegacy, kNow - 6), SignedFate::Dead);
    state_b.time_ns -= 10'000'000'000;
    EXPECT_EQ(*payload_fate(kLegacy, kNow - 6), SignedFate::Open) << "the second node is behind";
}

TEST_F(NearClientTest, AUsedNonceIsConsumedAndBelievedFromOneNode) {
    open_two();
    both_say(R"({"result":[102,97,108,115,101],"logs":[]})");
    state_b.query = result(json(R"({"result":[116,114,117,101],"logs":[]})"));
    EXPECT_EQ(*payload_fate(kLegacy, kNow - 100), SignedFate::Consumed);
}

TEST_F(NearClientTest, APayloadsDeathNeedsTwoProperAnswers) {
    open_two();
    both_say(R"({"result":[102,97,108,115,101],"logs":[]})");
    for (const base::Json& answer :
         {handler_error("UNKNOWN_ACCOUNT"), handler_error("INTERNAL_ERROR"),
          result(json(R"({"error":"wasm execution failed","logs":[]})")),
          result(json(R"({"result":[],"logs":[]})")),
          result(json(R"({"result":[110,117,108,108],"logs":[]})"))}) {
        state_b.query = answer;
        const auto unclear = payload_fate(kLegacy, kNow - 100);
        ASSERT_FALSE(unclear) << answer.dump();
        EXPECT_EQ(unclear.error().code(), ErrorCode::Unavailable);
    }
    state_b.query = state_a.query;
    state_b.view_height = 999;  // asked at a block before the one that showed the end
    EXPECT_FALSE(payload_fate(kLegacy, kNow - 100));
}

TEST_F(NearClientTest, ANonceThatTheContractMayHaveForgottenGivesNothingBack) {
    open_two();
    both_say(R"({"result":[102,97,108,115,101],"logs":[]})");
    base::SeededRandom random(1);
    const auto nonce = [&random](std::int64_t deadline) {
        return near::VersionedNonce::create(
                   {}, base::Timestamp(std::chrono::seconds(deadline)), random)
            .encode();
    };
    EXPECT_EQ(*payload_fate(nonce(kNow + 1), kNow - 59), SignedFate::Dead);
    EXPECT_EQ(*payload_fate(nonce(kNow - 1), kNow - 61), SignedFate::Consumed);
    near::MessageNonce later = nonce(kNow + 1000);
    later.bytes[4] = 7;  // a version that nobody knows yet
    EXPECT_EQ(*payload_fate(later, kNow - 61), SignedFate::Consumed);
}

TEST_F(NearClientTest, ADelegateDiesOfItsHeightOnly) {
    open_two();
    both_say(R"({"nonce":5,"permission":"FullAccess"})");
    EXPECT_EQ(*delegate_fate(6, 1000), SignedFate::Open);
    EXPECT_EQ(*delegate_fate(6, 997), SignedFate::Open) << "within the margin";
    EXPECT_EQ(*delegate_fate(6, 996), SignedFate::Dead);
    EXPECT_EQ(*delegate_fate(5, 2000), SignedFate::Consumed);
    EXPECT_EQ(*delegate_fate(4, 10), SignedFate::Consumed);
    state_b.view_height = 999;
    EXPECT_FALSE(delegate_fate(6, 10));
}

TEST_F(NearClientTest, ADelegateOfAKeyThatIsGoneGivesNothingBack) {
    open_two();
    state_a.query = state_b.query = handler_error("UNKNOWN_ACCESS_KEY");
    EXPECT_EQ(*delegate_fate(6, 2000), SignedFate::Open) << "the key may come yet";
    EXPECT_EQ(*delegate_fate(6, 10), SignedFate::Consumed);
}

}  // namespace
}  // namespace adyton::chain
