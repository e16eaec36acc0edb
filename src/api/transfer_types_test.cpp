#include "api/transfer_types.h"

#include <gtest/gtest.h>

namespace adyton::api {
namespace {

Result<TransferRequest> parse(const std::string& text) {
    auto body = parse_request_body(text);
    if (!body) return body.error();
    return parse_transfer_request(*body);
}

TEST(TransferTypesTest, TheSeedsRequestIsReadWithItsDefaults) {
    const auto request = parse(R"({"account_id":"a","to_address":"N1","amount":1000})");
    ASSERT_TRUE(request) << request.error().message();
    EXPECT_EQ(request->amount, base::Amount(1000));
    EXPECT_EQ(request->form, AmountForm::Number);
    EXPECT_EQ(request->token_address, "GAS");
    EXPECT_EQ(request->wait_seconds, 0);
}

TEST(TransferTypesTest, AnAmountMayBeTextAndLargerThanAnyInteger) {
    const auto request = parse(
        R"({"account_id":"a","to_address":"N1","amount":"340282366920938463463374607431768211455",)"
        R"("token_address":"0x1","data":"hi","fee_account_id":"b","wait_seconds":25})");
    ASSERT_TRUE(request) << request.error().message();
    EXPECT_EQ(request->amount.to_string(), "340282366920938463463374607431768211455");
    EXPECT_EQ(request->form, AmountForm::Text);
    const auto again = parse(to_json_text(*request));
    ASSERT_TRUE(again);
    EXPECT_EQ(again->amount, request->amount);
    EXPECT_EQ(again->fee_account_id, "b");
    EXPECT_EQ(again->data, "hi");
}

TEST(TransferTypesTest, WhatIsNoPositiveIntegerIsRefused) {
    for (const std::string amount :
         {"0", "-1", "1.0", "1e3", "\"\"", "\"1.5\"", "\"0x10\"", "\"007\"", "\"+5\"", "true", "[]",
          "null", "\" 5\""}) {
        const auto request =
            parse(R"({"account_id":"a","to_address":"N1","amount":)" + amount + "}");
        ASSERT_FALSE(request) << amount;
        EXPECT_EQ(request.error().code(), ErrorCode::InvalidArgument) << amount;
    }
    for (const std::string amount :
         {"340282366920938463463374607431768211456", "\"1000000000000000000000000000000000000000\"",
          "99999999999999999999999999999999999999999999"}) {
        const auto request =
            parse(R"({"account_id":"a","to_address":"N1","amount":)" + amount + "}");
        ASSERT_FALSE(request) << amount;
        EXPECT_EQ(request.error().reason(), "amount_out_of_range") << amount;
    }
}

TEST(TransferTypesTest, WhatIsMissingIsSaidInTheSeedsWords) {
    for (const std::string body :
         {R"({"to_address":"N1","amount":1})", R"({"account_id":"a","amount":1})",
          R"({"account_id":"a","to_address":"N1"})"}) {
        const auto request = parse(body);
        ASSERT_FALSE(request);
        EXPECT_EQ(
            request.error().message(), "account_id, to_address, and positive amount required");
    }
    EXPECT_FALSE(parse(R"({"account_id":"a","to_address":"N1","amount":1,"wait_seconds":26})"));
    EXPECT_FALSE(parse(R"({"account_id":"a","to_address":"N1","amount":1,"wait_seconds":-1})"));
    EXPECT_FALSE(parse(R"({"account_id":5,"to_address":"N1","amount":1})"));
}

TEST(TransferTypesTest, AnAnswerReadsBackAsItWas) {
    TransferInfo transfer;
    transfer.tx_hash = "0xab";
    transfer.account_id = "a";
    transfer.to_address = "N1";
    transfer.amount = base::Amount(77);
    transfer.form = AmountForm::Text;
    transfer.transfer_id = "t";
    transfer.status = TransferStatus::Failed;
    transfer.token_address = "0x1";
    transfer.fee_account_id = "b";
    transfer.data = "d";
    transfer.system_fee = 9977780;
    transfer.network_fee = 1230520;
    transfer.valid_until_block = 4'000'000'000;
    transfer.block_index = 12;
    transfer.reason = "FAULT";
    transfer.created_at = base::Timestamp(std::chrono::microseconds(1'000'001));
    transfer.updated_at = base::Timestamp(std::chrono::microseconds(2'000'002));
    TransfersResponse response;
    response.transfers = {transfer, transfer};
    response.transfers[1].block_index.reset();
    response.transfers[1].form = AmountForm::Number;
    response.next_cursor = "next";
    const auto again = parse_transfers_response(base::Json::parse(to_json_text(response)).value());
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(again->transfers, response.transfers);
    EXPECT_EQ(again->next_cursor, "next");
    // The seed's members, in the seed's order, first.
    EXPECT_EQ(
        to_json_text(transfer).substr(0, 62),
        R"({"tx_hash":"0xab","account_id":"a","to_address":"N1","amount":)");
}

TEST(TransferTypesTest, AQueryForTransfersIsStrict) {
    const auto query = parse_transfers_query("a", "unknown", "c", "200");
    ASSERT_TRUE(query);
    EXPECT_EQ(query->status, TransferStatus::Unknown);
    EXPECT_EQ(query->limit, 200);
    EXPECT_FALSE(parse_transfers_query({}, "sent", {}, {}));
    for (const std::string_view limit : {"0", "201", "-1", "5x", "1e2"}) {
        EXPECT_FALSE(parse_transfers_query({}, {}, {}, limit)) << limit;
    }
    EXPECT_EQ(parse_transfers_query({}, {}, {}, {})->limit, 50);
}

TEST(TransferTypesTest, EveryStatusHasAWordThatReadsBack) {
    for (int i = 0; i < 6; ++i) {
        const auto status = static_cast<TransferStatus>(i);
        EXPECT_EQ(parse_transfer_status(to_string(status)).value(), status);
    }
    EXPECT_FALSE(parse_transfer_status("confirmed "));
}

}  // namespace
}  // namespace adyton::api
