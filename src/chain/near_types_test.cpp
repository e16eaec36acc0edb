#include "chain/near_types.h"

#include <gtest/gtest.h>

#include "chain/chain_test_support.h"

namespace adyton::chain {
namespace {

using testing::json;

// 32 bytes of 1 as base58.
constexpr std::string_view kHash = "4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi";

std::string with_hash(std::string text) {
    for (std::size_t at; (at = text.find('#')) != std::string::npos;) text.replace(at, 1, kHash);
    return text;
}
base::Json of(std::string text) {
    return json(with_hash(std::move(text)));
}

TEST(NearTypesTest, ABlockHasHeightHashAndTime) {
    const auto block = parse_near_block(
        of(R"({"header":{"height":5,"hash":"#","timestamp":1776618119776000000}})"));
    ASSERT_TRUE(block) << block.error().message();
    EXPECT_EQ(block->height, 5U);
    EXPECT_EQ(block->timestamp_ns, 1'776'618'119'776'000'000U);
    for (const char* const bad :
         {"null", "{}", R"({"header":{}})", R"({"header":{"height":"5","hash":"#","timestamp":1}})",
          R"({"header":{"height":5,"hash":"0","timestamp":1}})",
          R"({"header":{"height":5,"hash":"#"}})",
          R"({"header":{"height":-5,"hash":"#","timestamp":1}})"}) {
        EXPECT_EQ(parse_near_block(of(bad)).error().code(), ErrorCode::CorruptData) << bad;
    }
}

TEST(NearTypesTest, AnAccessKeyIsFullOrForCalls) {
    const auto full = parse_near_access_key(
        of(R"({"nonce":9,"permission":"FullAccess","block_height":7,"block_hash":"#"})"));
    ASSERT_TRUE(full) << full.error().message();
    EXPECT_EQ(full->nonce, 9U);
    EXPECT_FALSE(full->function_call);
    const auto call = parse_near_access_key(of(
        R"({"nonce":9,"permission":{"FunctionCall":{"allowance":"250000000000000000000000",
            "receiver_id":"gate.near","method_names":["a","b"]}},"block_height":7,
            "block_hash":"#"})"));
    ASSERT_TRUE(call) << call.error().message();
    EXPECT_EQ(call->function_call->allowance->to_string(), "250000000000000000000000");
    EXPECT_EQ(call->function_call->method_names.size(), 2U);
    const auto unlimited = parse_near_access_key(of(
        R"({"nonce":9,"permission":{"FunctionCall":{"allowance":null,"receiver_id":"gate.near",
            "method_names":[]}},"block_height":7,"block_hash":"#"})"));
    ASSERT_TRUE(unlimited);
    EXPECT_FALSE(unlimited->function_call->allowance);
}

TEST(NearTypesTest, AFlatErrorIsNeverAValue) {
    const auto answer = of(
        R"({"error":"access key ed25519:x does not exist while viewing","nonce":0,
            "permission":"FullAccess","logs":[],"result":[],"block_height":1,"block_hash":"#",
            "amount":"0","locked":"0","code_hash":"#","storage_usage":0})");
    ASSERT_TRUE(flat_error(answer));
    EXPECT_TRUE(is_missing(*flat_error(answer)));
    EXPECT_FALSE(parse_near_access_key(answer));
    EXPECT_FALSE(parse_near_account(answer));
    EXPECT_FALSE(parse_near_view(answer));
    EXPECT_FALSE(is_missing(std::string(
        "wasm execution failed with error: account a.near does not exist, said the contract")));
    EXPECT_FALSE(flat_error(of(R"({"error":null})")));
}

TEST(NearTypesTest, MissingIsToldApartFromTrouble) {
    RpcError error;
    error.name = "HANDLER_ERROR";
    for (const char* const cause : {"UNKNOWN_ACCOUNT", "UNKNOWN_ACCESS_KEY", "NO_CONTRACT_CODE"}) {
        error.cause = cause;
        EXPECT_TRUE(is_missing(error)) << cause;
    }
    for (const char* const cause :
         {"", "UNKNOWN_BLOCK", "UNAVAILABLE_SHARD", "NO_SYNCED_BLOCKS", "INTERNAL_ERROR"}) {
        error.cause = cause;
        EXPECT_FALSE(is_missing(error)) << cause;
    }
}

TEST(NearTypesTest, AViewIsBytes) {
    const auto view = parse_near_view(
        of(R"({"result":[34,49,34],"logs":["x"],"block_height":7,"block_hash":"#"})"));
    ASSERT_TRUE(view) << view.error().message();
    EXPECT_EQ(base::as_text(view->result), "\"1\"");
    for (const char* const bad :
         {R"({"logs":[],"block_height":7,"block_hash":"#"})",
          R"({"result":"x","logs":[],"block_height":7,"block_hash":"#"})",
          R"({"result":[256],"logs":[],"block_height":7,"block_hash":"#"})",
          R"({"result":[-1],"logs":[],"block_height":7,"block_hash":"#"})",
          R"({"result":[1],"logs":[],"block_hash":"#"})"}) {
        EXPECT_FALSE(parse_near_view(of(bad))) << bad;
    }
}

TEST(NearTypesTest, AnAccountsAmountsAreExact) {
    const auto account = parse_near_account(of(
        R"({"amount":"340282366920938463463374607431768211455","locked":"0","code_hash":"#",
            "storage_usage":182,"block_height":7})"));
    ASSERT_TRUE(account) << account.error().message();
    EXPECT_EQ(account->amount.to_string(), "340282366920938463463374607431768211455");
    EXPECT_FALSE(parse_near_account(
        of(R"({"amount":5,"locked":"0","code_hash":"#","storage_usage":1,"block_height":7})")));
    EXPECT_FALSE(parse_near_account(
        of(R"({"locked":"0","code_hash":"#","storage_usage":1,"block_height":7})")));
}

TEST(NearTypesTest, ATransactionsStatusIsOneOfFour) {
    using Status = NearTransaction::Status;
    const auto status = [](const char* text) {
        const auto parsed = parse_near_transaction(
            json(std::string(R"({"final_execution_status":"FINAL","status":)") + text + "}"));
        return parsed ? std::optional(parsed->status) : std::nullopt;
    };
    EXPECT_EQ(status(R"("NotStarted")"), Status::NotStarted);
    EXPECT_EQ(status(R"("Started")"), Status::Started);
    EXPECT_EQ(status(R"({"SuccessValue":"MQ=="})"), Status::Success);
    EXPECT_EQ(status(R"({"Failure":{"ActionError":{}}})"), Status::Failure);
    for (const char* const bad :
         {"null", "{}", R"("Done")", R"({"SuccessValue":1})", R"({"SuccessValue":"!"})",
          R"({"Failure":null})", R"({"SuccessValue":"","Failure":{}})", "1"}) {
        EXPECT_EQ(status(bad), std::nullopt) << bad;
    }
    EXPECT_FALSE(parse_near_transaction(json("{}")));
}

}  // namespace
}  // namespace adyton::chain
