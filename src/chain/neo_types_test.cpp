#include "chain/neo_types.h"

#include <gtest/gtest.h>

#include "chain/chain_test_support.h"

namespace adyton::chain {
namespace {

using testing::json;

constexpr std::string_view kHash =
    "0x1111111111111111111111111111111111111111111111111111111111111111";

std::string invocation(std::string_view stack) {
    return R"({"state":"HALT","gasconsumed":"1","exception":null,"stack":)" + std::string(stack) +
           "}";
}

TEST(NeoTypesTest, AMissingOrMalformedNumberIsNeverZero) {
    for (const char* const gas :
         {"null", "\"\"", "\"-1\"", "-1", "\"0.0997775\"", "\"1e3\"", "1.0", "{}", "true",
          "\"9223372036854775808\"", "\" 1\""}) {
        const std::string text =
            std::string(R"({"state":"HALT","stack":[],"gasconsumed":)") + gas + "}";
        const auto parsed = parse_invocation(json(text));
        ASSERT_FALSE(parsed) << gas;
        EXPECT_EQ(parsed.error().code(), ErrorCode::CorruptData) << gas;
        const std::string fee = std::string(R"({"networkfee":)") + gas + "}";
        EXPECT_FALSE(parse_network_fee(json(fee))) << gas;
    }
    EXPECT_FALSE(parse_invocation(json(R"({"state":"HALT","stack":[]})")));
    EXPECT_FALSE(parse_network_fee(json("{}")));
    EXPECT_FALSE(parse_network_fee(json("5")));
    EXPECT_EQ(*parse_network_fee(json(R"({"networkfee":"9223372036854775807"})")), INT64_MAX);
    EXPECT_EQ(*parse_network_fee(json(R"({"networkfee":7})")), 7);
    for (const char* const count : {"0", "-1", "null", "\"7\"", "4294967296", "1.5"}) {
        EXPECT_FALSE(parse_block_count(json(count))) << count;
    }
    EXPECT_EQ(*parse_block_count(json("4294967295")), 4294967295U);
    EXPECT_FALSE(parse_transaction_height(json("null")));
}

TEST(NeoTypesTest, OnlyHaltAndFaultAreStates) {
    for (const char* const state : {"", "halt", "HALT, BREAK", "NONE", "BREAK"}) {
        const std::string text =
            std::string(R"({"gasconsumed":"1","stack":[],"state":")") + state + R"("})";
        EXPECT_FALSE(parse_invocation(json(text))) << state;
    }
}

TEST(NeoTypesTest, EveryStackItemIsRead) {
    const auto parsed = parse_invocation(json(invocation(
        R"([{"type":"Any"},{"type":"Any","value":null},{"type":"Boolean","value":true},
            {"type":"Integer","value":"-5"},{"type":"ByteString","value":"AQI="},
            {"type":"Buffer","value":""},{"type":"InteropInterface","id":"x"},{"type":"Pointer","value":3},
            {"type":"Array","value":[{"type":"Integer","value":"1"}]},{"type":"Struct","value":[]},
            {"type":"Map","value":[{"key":{"type":"Integer","value":"1"},
                                    "value":{"type":"Boolean","value":false}}]},
            {"error":"recursive reference"}])")));
    ASSERT_TRUE(parsed) << parsed.error().message();
    using Type = StackItem::Type;
    std::vector<Type> types;
    for (const auto& item : parsed->stack) types.push_back(item.type);
    EXPECT_EQ(
        types, (std::vector<Type>{
                   Type::Null, Type::Null, Type::Boolean, Type::Integer, Type::ByteString,
                   Type::Buffer, Type::Unreadable, Type::Unreadable, Type::Array, Type::Struct,
                   Type::Map, Type::Unreadable}));
    EXPECT_TRUE(parsed->stack[3].integer.is_negative());
    EXPECT_EQ(parsed->stack[3].as_amount().error().code(), ErrorCode::Unprocessable);
    EXPECT_EQ(parsed->stack[4].bytes, (base::Bytes{1, 2}));
    EXPECT_EQ(parsed->stack[4].as_amount().error().code(), ErrorCode::InvalidArgument);
    EXPECT_EQ(parsed->stack[10].items.size(), 2U);
}

TEST(NeoTypesTest, MalformedStackItemsAreRefused) {
    for (const char* const stack :
         {"null", "{}", "[1]", "[{}]", R"([{"type":5}])", R"([{"type":"Integer"}])",
          R"([{"type":"Integer","value":null}])", R"([{"type":"Integer","value":""}])",
          R"([{"type":"Integer","value":"0x10"}])", R"([{"type":"Integer","value":"01"}])",
          R"([{"type":"Integer","value":1.5}])", R"([{"type":"Boolean","value":"true"}])",
          R"([{"type":"ByteString","value":"!!"}])", R"([{"type":"Array","value":{}}])",
          R"([{"type":"Any","value":0}])", R"([{"type":"Map","value":[{"key":1}]}])"}) {
        EXPECT_FALSE(parse_invocation(json(invocation(stack)))) << stack;
    }
    std::string deep = R"({"type":"Integer","value":"1"})";
    for (int i = 0; i < 28; ++i) deep = R"({"type":"Array","value":[)" + deep + "]}";
    EXPECT_TRUE(parse_invocation(json(invocation("[" + deep + "]"))));
    // Beyond our depth, though the JSON itself may go deeper.
    StackItem item;
    EXPECT_FALSE(item.as_amount());
}

TEST(NeoTypesTest, AStackThatANodeCannotShowIsUnreadableNotEmpty) {
    const auto parsed = parse_invocation(json(invocation(R"("error: recursive reference")")));
    ASSERT_TRUE(parsed);
    ASSERT_EQ(parsed->stack.size(), 1U);
    EXPECT_EQ(parsed->stack[0].type, StackItem::Type::Unreadable);
}

TEST(NeoTypesTest, AnIntegerBeyondTheAmountsIsRefusedWithItsReason) {
    const auto parsed = parse_invocation(json(invocation(
        R"([{"type":"Integer","value":"340282366920938463463374607431768211455"},
            {"type":"Integer","value":"340282366920938463463374607431768211456"}])")));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->stack[0].as_amount()->to_string(), "340282366920938463463374607431768211455");
    EXPECT_EQ(parsed->stack[1].as_amount().error().code(), ErrorCode::Unprocessable);
}

TEST(NeoTypesTest, AnApplicationLogHasExactlyOneApplicationExecution) {
    const std::string execution =
        R"({"trigger":"Application","vmstate":"HALT","gasconsumed":"9","stack":[]})";
    const std::string block =
        R"({"trigger":"OnPersist","vmstate":"HALT","gasconsumed":"0","stack":[]})";
    const auto log = [](const std::string& executions) {
        return parse_application_log(
            json(R"({"txid":")" + std::string(kHash) + R"(","executions":[)" + executions + "]}"));
    };
    ASSERT_TRUE(log(execution));
    EXPECT_EQ(log(execution)->hash.to_string(), kHash);
    EXPECT_TRUE(log(block + "," + execution));
    EXPECT_FALSE(log(""));
    EXPECT_FALSE(log(block));
    EXPECT_FALSE(log(execution + "," + execution));
    EXPECT_FALSE(parse_application_log(json("{}")));
}

TEST(NeoTypesTest, ATransferEventIsRecognisedByShape) {
    const testing::FakeNode node;
    const auto log = parse_application_log(testing::application_log(testing::hash_of(1), "HALT"));
    ASSERT_TRUE(log) << log.error().message();
    ASSERT_EQ(log->notifications.size(), 1U);
    const auto event = as_nep17_transfer(log->notifications[0]);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->token.to_string(), "0xd2a4cff31913016155e38e474a2c06d08be276cf");
    EXPECT_EQ(event->from->to_string(), "0x0dcfcdf5d4f59e3147346c87763732ea447da78c");
    EXPECT_FALSE(event->to);
    EXPECT_EQ(event->amount, base::Amount(255));

    Notification other = log->notifications[0];
    other.event = "transfer";
    EXPECT_FALSE(as_nep17_transfer(other));
    other = log->notifications[0];
    other.state.items.pop_back();
    EXPECT_FALSE(as_nep17_transfer(other));
    other = log->notifications[0];
    other.state.items[0].bytes.pop_back();
    EXPECT_FALSE(as_nep17_transfer(other)) << "19 bytes are no account";
    other = log->notifications[0];
    other.state.items[2].integer = neo::Integer(-1);
    EXPECT_FALSE(as_nep17_transfer(other));
}

TEST(NeoTypesTest, UnknownTransactionIsToldApartFromTrouble) {
    const auto error = [](std::int64_t code, std::string message, std::string data) {
        RpcError out;
        out.code = code;
        out.message = std::move(message);
        out.data = std::move(data);
        return out;
    };
    EXPECT_TRUE(is_unknown_transaction(error(-100, "Unknown transaction", "")));
    EXPECT_TRUE(is_unknown_transaction(error(-103, "Unknown transaction", "")));
    EXPECT_TRUE(is_unknown_transaction(error(-105, "Unknown script container", "")));
    EXPECT_TRUE(
        is_unknown_transaction(error(-32602, "Invalid params", "Unknown transaction/blockhash")));
    EXPECT_TRUE(is_unknown_transaction(
        error(-32602, "Invalid params - Unknown transaction/blockhash", "")));
    EXPECT_FALSE(is_unknown_transaction(error(-32602, "Invalid params", "not a hash")));
    EXPECT_FALSE(is_unknown_transaction(error(-32601, "Method not found", "")));
    EXPECT_FALSE(is_unknown_transaction(error(-32603, "Unknown transaction", "")));
}

TEST(NeoTypesTest, AVersionWithoutItsProtocolIsRefused) {
    const std::string good =
        R"({"useragent":"/Neo:3.8.2/","protocol":{"addressversion":53,"network":860833102,
            "validatorscount":7,"msperblock":15000,"maxvaliduntilblockincrement":5760}})";
    const auto parsed = parse_neo_version(json(good));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->magic, neo::NetworkMagic::MainNet);
    EXPECT_EQ(parsed->block_time, std::chrono::seconds(15));
    EXPECT_EQ(parsed->validators_count, 7U);
    for (const char* const member :
         {"useragent", "protocol", "addressversion", "network", "validatorscount", "msperblock",
          "maxvaliduntilblockincrement"}) {
        std::string bad = good;
        bad.replace(bad.find(member), 1, "x");
        EXPECT_FALSE(parse_neo_version(json(bad))) << member;
    }
    std::string zero = good;
    zero.replace(zero.find("15000"), 5, "0");
    EXPECT_FALSE(parse_neo_version(json(zero)));
}

TEST(NeoTypesTest, ATransactionIsConfirmedByItsConfirmationsAlone) {
    const std::string hash = R"({"hash":")" + std::string(kHash) + R"(")";
    // neo-go v0.105 shows a pooled transaction with a block hash of zeros.
    const std::string zeros = R"(,"blockhash":"0x)" + std::string(64, '0') + "\"";
    EXPECT_FALSE(parse_transaction_place(json(hash + zeros + "}"))->confirmed);
    EXPECT_TRUE(parse_transaction_place(json(hash + R"(,"confirmations":1})"))->confirmed);
    EXPECT_FALSE(parse_transaction_place(json(hash + R"(,"confirmations":0})"))->confirmed);
    EXPECT_FALSE(parse_transaction_place(json(hash + R"(,"confirmations":"1"})")));
    EXPECT_FALSE(parse_transaction_place(json(R"({"confirmations":1})")));
}

}  // namespace
}  // namespace adyton::chain
