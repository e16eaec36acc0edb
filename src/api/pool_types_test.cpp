#include "api/pool_types.h"

#include <gtest/gtest.h>

namespace adyton::api {
namespace {

template <typename T>
Result<T> parsed(std::string_view text, Result<T> (*parse)(const base::Json&)) {
    TRY(const auto body, parse_request_body(text));
    return parse(body);
}

Result<BatchSignRequest> parsed_batch(std::string_view text, std::size_t items_max = 1000) {
    TRY(const auto body, parse_request_body(text));
    return parse_batch_sign_request(body, items_max);
}

template <typename T>
void expect_refused(std::string_view text, Result<T> (*parse)(const base::Json&)) {
    const auto result = parsed(text, parse);
    ASSERT_FALSE(result) << text;
    EXPECT_EQ(result.error().code(), ErrorCode::InvalidArgument) << text;
    EXPECT_EQ(result.error().message().find("invalid request body"), 0U)
        << text << ": " << result.error().message();
}

const std::string kId = "550e8400-e29b-41d4-a716-446655440000";
const std::string kDigest64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const std::string kDigestHex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

TEST(PoolTypesTest, MalformedBodiesAreRefusedBeforeAnyMemberIsRead) {
    const std::string deep = std::string(65, '[') + std::string(65, ']');
    for (const std::string& text :
         {std::string(), std::string("{"), std::string("[]"), std::string("null"),
          std::string("{} {}"), std::string("{\"count\":1,\"count\":2}"),
          std::string("{\"purpose\":\"\xff\"}"), deep, std::string("{\"a\":01}")}) {
        const auto body = parse_request_body(text);
        ASSERT_FALSE(body) << text;
        EXPECT_EQ(body.error().code(), ErrorCode::InvalidArgument);
        EXPECT_EQ(body.error().message().find("invalid request body"), 0U);
    }
}

TEST(PoolTypesTest, RequestCountDefaultsToOneAndStopsAtOneHundred) {
    EXPECT_EQ(parsed("{}", parse_accounts_request)->count, 1);
    EXPECT_EQ(parsed("{\"count\":null}", parse_accounts_request)->count, 1);
    EXPECT_EQ(parsed("{\"count\":0}", parse_accounts_request)->count, 1);
    EXPECT_EQ(parsed("{\"count\":-7}", parse_accounts_request)->count, 1);
    EXPECT_EQ(parsed("{\"count\":100}", parse_accounts_request)->count, 100);
    expect_refused("{\"count\":101}", parse_accounts_request);
    expect_refused("{\"count\":1.5}", parse_accounts_request);
    expect_refused("{\"count\":1e1}", parse_accounts_request);
    expect_refused("{\"count\":\"2\"}", parse_accounts_request);
    expect_refused("{\"count\":99999999999999999999}", parse_accounts_request);
}

TEST(PoolTypesTest, UnknownMembersAreIgnoredAndNamesAreExact) {
    const auto request =
        parsed("{\"COUNT\":5,\"extra\":{\"a\":[1]},\"service_id\":\"x\"}", parse_accounts_request);
    ASSERT_TRUE(request);
    EXPECT_EQ(request->count, 1);
    EXPECT_EQ(request->service_id, "x");
}

TEST(PoolTypesTest, WrongTypesAreRefused) {
    expect_refused("{\"service_id\":5}", parse_accounts_request);
    expect_refused("{\"purpose\":[]}", parse_accounts_request);
    expect_refused("{\"purpose\":\"a\\u0000b\"}", parse_accounts_request);
    expect_refused("{\"ttl_seconds\":0}", parse_accounts_request);
    expect_refused("{\"ttl_seconds\":86401}", parse_accounts_request);
    expect_refused("{\"account_ids\":\"a\"}", parse_release_request);
    expect_refused("{\"account_ids\":[1]}", parse_release_request);
    expect_refused("{\"account_id\":{}}", parse_sign_request);
    expect_refused("{\"account_id\":\"a\",\"tx_hash\":[1,2]}", parse_sign_request);
    expect_refused("{\"account_id\":\"a\",\"tx_hash\":\"?\"}", parse_sign_request);
    expect_refused("{\"account_id\":\"a\",\"fencing\":\"1\"}", parse_sign_request);
    expect_refused("{\"account_id\":\"a\",\"network_magic\":4294967296}", parse_sign_request);
    expect_refused("{\"account_id\":\"a\",\"delta\":true}", parse_balance_request);
    expect_refused("{\"scope\":\"world\"}", parse_freeze_request);
    expect_refused("{\"scope\":\"service\"}", parse_freeze_request);
    expect_refused("{\"scope\":\"pool\",\"subject\":\"x\"}", parse_freeze_request);
    expect_refused("{\"to\":0}", parse_grow_request);
    expect_refused("{}", parse_grow_request);
}

TEST(PoolTypesTest, TextLongerThanItsColumnIsRefused) {
    expect_refused(
        "{\"purpose\":\"" + std::string(kPurposeBytesMax + 1, 'x') + "\"}", parse_accounts_request);
    expect_refused(
        "{\"account_id\":\"a\",\"token\":\"" + std::string(33, 'x') + "\"}", parse_balance_request);
    expect_refused("{\"service_id\":\"" + std::string(257, 'x') + "\"}", parse_accounts_request);
}

TEST(PoolTypesTest, DigestMayBeBase64OrHexOfThirtyTwoBytes) {
    for (const std::string& text : {kDigest64, kDigestHex, "0x" + kDigestHex}) {
        const auto request = parsed(
            "{\"account_id\":\"" + kId + "\",\"tx_hash\":\"" + text + "\"}", parse_sign_request);
        ASSERT_TRUE(request) << text;
        const auto digest = signing_digest(request->item);
        ASSERT_TRUE(digest) << text;
        EXPECT_EQ(digest->to_hex(), kDigestHex);
    }
}

TEST(PoolTypesTest, DigestOfAnotherLengthIsRefused) {
    for (const char* const text : {"AAEC", "", "null"}) {
        const std::string value =
            std::string(text) == "null" ? "null" : "\"" + std::string(text) + "\"";
        const auto request = parsed(
            "{\"account_id\":\"" + kId + "\",\"tx_hash\":" + value + "}", parse_sign_request);
        ASSERT_TRUE(request) << text;
        const auto digest = signing_digest(request->item);
        ASSERT_FALSE(digest);
        EXPECT_EQ(digest.error().code(), ErrorCode::InvalidArgument);
    }
    // 64 characters are hex or nothing, although they would be base64 of 48 bytes.
    expect_refused(
        "{\"account_id\":\"a\",\"tx_hash\":\"" + std::string(63, 'a') + "z\"}", parse_sign_request);
    const auto missing = signing_digest(SignItem{});
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().message(), "account_id and tx_hash required");
}

TEST(PoolTypesTest, NetworkMagicAsksForTheNeoWitnessDigest) {
    const auto request = parsed(
        "{\"account_id\":\"" + kId + "\",\"tx_hash\":\"" + kDigestHex +
            "\",\"network_magic\":894710606}",
        parse_sign_request);
    ASSERT_TRUE(request);
    const auto digest = signing_digest(request->item);
    ASSERT_TRUE(digest);
    EXPECT_EQ(digest->to_hex(), "6eaf184a673070d536005a6646a125e88148cd5497658c87b1da401117be23d1");
}

TEST(PoolTypesTest, BatchOverTheLimitIsRefused) {
    std::string items;
    for (int i = 0; i < 3; ++i) {
        items += (i == 0 ? "" : ",");
        items += "{\"account_id\":\"" + kId + "\",\"tx_hash\":\"" + kDigest64 + "\"}";
    }
    EXPECT_EQ(parsed_batch("{\"requests\":[" + items + "]}", 3)->requests.size(), 3U);
    EXPECT_FALSE(parsed_batch("{\"requests\":[" + items + "]}", 2));
    EXPECT_TRUE(parsed_batch("{}")->requests.empty());
    EXPECT_TRUE(parsed_batch("{\"requests\":null}")->requests.empty());
    EXPECT_FALSE(parsed_batch("{\"requests\":[null]}"));
}

TEST(PoolTypesTest, AmountsAreIntegersOrTheSameAsText) {
    const auto number = parsed("{\"account_id\":\"a\",\"delta\":-5}", parse_balance_request);
    ASSERT_TRUE(number);
    EXPECT_EQ(number->delta, -5);
    EXPECT_EQ(number->form, AmountForm::Number);
    EXPECT_EQ(number->token, "GAS");
    const auto text = parsed("{\"account_id\":\"a\",\"absolute\":\"7\"}", parse_balance_request);
    ASSERT_TRUE(text);
    EXPECT_EQ(text->absolute, 7);
    EXPECT_EQ(text->form, AmountForm::Text);
    for (const char* const bad : {"1.0", "\"1.0\"", "1e3", "\"0x5\"", "\"\"", "\"-\"", "\" 1\""}) {
        expect_refused(
            std::string("{\"account_id\":\"a\",\"delta\":") + bad + "}", parse_balance_request);
    }
    const auto huge =
        parsed("{\"account_id\":\"a\",\"delta\":99999999999999999999}", parse_balance_request);
    ASSERT_FALSE(huge);
    EXPECT_EQ(huge.error().code(), ErrorCode::Unprocessable);
}

TEST(PoolTypesTest, BalanceAnswerEchoesTheFormOfTheRequest) {
    BalanceResponse response{kId, "GAS", 1, 2, 3, AmountForm::Text};
    EXPECT_EQ(
        to_json_text(response),
        "{\"account_id\":\"" + kId +
            "\",\"token\":\"GAS\",\"old_balance\":\"1\",\"new_balance\":\"2\",\"tx_count\":3}");
    EXPECT_EQ(*parse_balance_response(*base::Json::parse(to_json_text(response))), response);
    response.form = AmountForm::Number;
    EXPECT_NE(to_json_text(response).find("\"old_balance\":1,"), std::string::npos);
    EXPECT_EQ(*parse_balance_response(*base::Json::parse(to_json_text(response))), response);
}

TEST(PoolTypesTest, QueriesReadLeadingIntegersAndIgnoreTheRest) {
    EXPECT_EQ(parse_accounts_query({}, "GAS", "12abc").min_balance, 12);
    EXPECT_EQ(parse_accounts_query({}, "GAS", "abc").min_balance, std::nullopt);
    EXPECT_EQ(parse_accounts_query({}, "GAS", {}).min_balance, std::nullopt);
    const auto defaults = parse_low_balance_query({}, {}, {});
    EXPECT_EQ(defaults.token, "GAS");
    EXPECT_EQ(defaults.max_balance, 10'000'000);
    EXPECT_EQ(defaults.limit, 10);
    const auto bad = parse_low_balance_query("", "x", "-1");
    EXPECT_EQ(bad.token, "GAS");
    EXPECT_EQ(bad.max_balance, 10'000'000);
    EXPECT_EQ(bad.limit, 10);
}

TEST(PoolTypesTest, A3LowBalanceLimitOverOneHundredIsCutToOneHundredNotTen) {
    EXPECT_EQ(parse_low_balance_query({}, {}, "100").limit, 100);
    EXPECT_EQ(parse_low_balance_query({}, {}, "101").limit, 100);
    EXPECT_EQ(parse_low_balance_query({}, {}, "1000000").limit, 100);
}

AccountInfo locked_account() {
    AccountInfo account;
    account.id = kId;
    account.address = "NPuKuPNL8tHKQXnnBn7pa21xqPEGNp1qzd";
    account.created_at = *base::parse_rfc3339("2026-01-28T13:31:12.1234Z");
    account.last_used_at = *base::parse_rfc3339("2026-01-28T13:31:13Z");
    account.tx_count = 4;
    account.locked_by = "neocompute";
    account.locked_at = *base::parse_rfc3339("2026-01-28T13:31:14Z");
    account.lock_id = "550e8400-e29b-41d4-a716-446655440001";
    account.lock_expires_at = *base::parse_rfc3339("2026-01-29T13:31:14Z");
    account.fencing = 9;
    account.balances.emplace_back(
        "GAS",
        TokenBalance{"GAS", "0xd2a4", 5, 8, *base::parse_rfc3339("2026-01-28T13:31:12Z"), {}});
    return account;
}

TEST(PoolTypesTest, AccountsRoundTripAndUnlockedOnesShowNoLockMembers) {
    AccountInfo account = locked_account();
    const std::string text = to_json_text(account);
    EXPECT_EQ(*parse_account_info(*base::Json::parse(text)), account);
    EXPECT_NE(text.find("\"created_at\":\"2026-01-28T13:31:12.1234Z\""), std::string::npos);
    account.locked_by.clear();
    account.balances.clear();
    const std::string unlocked = to_json_text(account);
    EXPECT_EQ(unlocked.find("lock"), std::string::npos);
    EXPECT_EQ(unlocked.find("fencing"), std::string::npos);
    EXPECT_NE(unlocked.find("\"balances\":{}"), std::string::npos);
}

TEST(PoolTypesTest, ZeroTimeOfTheOriginalReadsAsAbsent) {
    const auto account = parse_account_info(*base::Json::parse(
        "{\"id\":\"a\",\"address\":\"N\",\"created_at\":\"2026-01-28T13:31:12Z\","
        "\"last_used_at\":\"2026-01-28T13:31:12Z\",\"tx_count\":0,\"is_retiring\":false,"
        "\"locked_at\":\"0001-01-01T00:00:00Z\",\"balances\":{}}"));
    ASSERT_TRUE(account);
    EXPECT_EQ(account->locked_at, std::nullopt);
}

TEST(PoolTypesTest, BatchAnswerKeepsPositionsInResultsAndTheSeedsForm) {
    BatchSignResponse response;
    const SignResponse good{kId, base::Bytes(64, 1), base::Bytes(33, 2)};
    response.results.push_back({0, "x", {}, BatchSignError{"HTTP_404", "account not found", "n"}});
    response.results.push_back({1, kId, good, {}});
    const std::string text = to_json_text(response);
    const auto json = base::Json::parse(text);
    ASSERT_TRUE(json);
    EXPECT_EQ(json->find("signatures")->size(), 1U);
    EXPECT_EQ(json->find("errors")->items()[0].string_value(), "x: account not found");
    const auto again = parse_batch_sign_response(*json);
    ASSERT_TRUE(again);
    ASSERT_EQ(again->results.size(), 2U);
    EXPECT_FALSE(again->results[0].signed_item);
    EXPECT_EQ(again->results[0].error->code, "HTTP_404");
    EXPECT_EQ(*again->results[1].signed_item, good);
    EXPECT_EQ(again->results[1].index, 1);
}

TEST(PoolTypesTest, EmptyBatchAnswerHasSignaturesAndNoErrors) {
    EXPECT_EQ(to_json_text(BatchSignResponse{}), "{\"signatures\":[],\"results\":[]}");
}

TEST(PoolTypesTest, AnswerWithAShortSignatureIsCorrupt) {
    const auto answer = parse_sign_response(*base::Json::parse(
        "{\"account_id\":\"a\",\"signature\":\"AAEC\",\"public_key\":\"AAEC\"}"));
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code(), ErrorCode::CorruptData);
}

TEST(PoolTypesTest, AWholeTransactionIsReadFromBase64WithItsNetwork) {
    const std::string text =
        R"({"account_id":")" + kId + R"(","transaction":"AAEC","network":4294967295})";
    EXPECT_FALSE(read_plain_sign_request(text));  // not of the quick kind
    const auto request = parsed(text, parse_sign_request);
    ASSERT_TRUE(request);
    EXPECT_EQ(request->item.transaction, (base::Bytes{0, 1, 2}));
    EXPECT_EQ(request->item.network, 4294967295U);
    EXPECT_TRUE(request->item.tx_hash.empty());
    const auto again = parsed(to_json_text(*request), parse_sign_request);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->item.transaction, request->item.transaction);
    EXPECT_EQ(again->item.network, request->item.network);
    expect_refused(R"({"account_id":"a","transaction":"A-_="})", parse_sign_request);
    expect_refused(R"({"account_id":"a","transaction":[1]})", parse_sign_request);
    expect_refused(R"({"account_id":"a","transaction":"AAEC","network":-1})", parse_sign_request);
    expect_refused(
        R"({"account_id":"a","transaction":"AAEC","network":4294967296})", parse_sign_request);
    expect_refused(
        R"({"account_id":"a","transaction":")" + std::string(140'004, 'A') + R"("})",
        parse_sign_request);
}

TEST(PoolTypesTest, WhatWasSignedIsSaidOfTransactionsOnly) {
    SignResponse response{kId, base::Bytes(64, 1), base::Bytes(33, 2)};
    EXPECT_EQ(to_json_text(response).find("tx_hash"), std::string::npos);
    response.tx_hash = "0xab";
    response.explanation = base::Json::object().set("understood", base::Json::boolean(true));
    const auto again = parsed(to_json_text(response), parse_sign_response);
    ASSERT_TRUE(again);
    EXPECT_EQ(*again, response);
    BatchSignResponse batch;
    batch.results.push_back({0, kId, response, {}});
    const auto batch_again = parsed(to_json_text(batch), parse_batch_sign_response);
    ASSERT_TRUE(batch_again);
    EXPECT_EQ(batch_again->results.at(0).signed_item, response);
}

TEST(PoolTypesTest, RequestsRoundTrip) {
    AccountsRequest request{"neocompute", 3, "jobs <1>", 60};
    const auto again = parsed(to_json_text(request), parse_accounts_request);
    ASSERT_TRUE(again);
    EXPECT_EQ(to_json_text(*again), to_json_text(request));
    BatchSignRequest batch{"s", {{kId, base::Bytes(32, 7), "lock", 5, 42}}};
    const auto batch_again = parsed_batch(to_json_text(batch));
    ASSERT_TRUE(batch_again);
    EXPECT_EQ(to_json_text(*batch_again), to_json_text(batch));
    FreezeRequest freeze{FreezeScope::Account, kId, "stolen"};
    const auto freeze_again = parsed(to_json_text(freeze), parse_freeze_request);
    ASSERT_TRUE(freeze_again);
    EXPECT_EQ(to_json_text(*freeze_again), to_json_text(freeze));
}

// ----- the quick readers ------------------------------------------------------------------------

TEST(PoolTypesTest, TheQuickReaderTakesUsualRequestsAsTheFullParserDoes) {
    for (const std::string& text :
         {R"({"account_id":")" + kId + R"(","tx_hash":")" + kDigest64 + R"("})",
          R"( { "tx_hash" : "0x)" + kDigestHex + R"(" , "account_id":")" + kId +
              "\",\"service_id\":\"neocompute\",\"fencing\":-0,\"lock_id\":\"\"}\r\n",
          std::string(R"({"network_magic":4294967295,"fencing":-9223372036854775808})")}) {
        const auto quick = read_plain_sign_request(text);
        ASSERT_TRUE(quick) << text;
        const auto full = parsed(text, parse_sign_request);
        ASSERT_TRUE(full) << text;
        EXPECT_EQ(to_json_text(*quick), to_json_text(*full));
    }
    const std::string item = R"({"account_id":")" + kId + R"(","tx_hash":")" + kDigestHex + R"("})";
    for (const std::string& text :
         {R"({"requests":[)" + item + "," + item + "]}",
          R"({"service_id":"x","requests":[)" + item + "]}"}) {
        const auto quick = read_plain_batch_sign_request(text, 2);
        ASSERT_TRUE(quick) << text;
        EXPECT_EQ(to_json_text(*quick), to_json_text(*parsed_batch(text, 2)));
    }
    EXPECT_FALSE(read_plain_batch_sign_request(R"({"requests":[)" + item + "," + item + "]}", 1));
}

TEST(PoolTypesTest, TheQuickReaderLeavesEverythingElseToTheFullParser) {
    for (const char* const text :
         {"",
          "{",
          "[]",
          "{}",
          "{}x",
          R"({"fencing":1}x)",
          R"({"fencing":1,})",
          R"({"fencing":1,"fencing":1})",
          R"({"fencing":01})",
          R"({"fencing":1.0})",
          R"({"fencing":1e0})",
          R"({"fencing":9223372036854775808})",
          R"({"fencing":null})",
          R"({"fencing":"1"})",
          R"({"fencing":-})",
          R"({"fencing":+1})",
          R"({"network_magic":-1})",
          R"({"network_magic":4294967296})",
          R"({"account_id":"\u0061"})",
          R"({"account_id":"a)",
          "{\"account_id\":\"\xc3\xa4\"}",
          "{\"account_id\":\"\x7f\"}",
          "{\"account_id\":\"a\nb\"}",
          R"({"account_id":1})",
          R"({"tx_hash":"zz"})",
          R"({"tx_hash":"AAE"})",
          R"({"other":1})",
          R"({"Account_id":"a"})",
          R"({"account_id" "a"})",
          R"({account_id:"a"})",
          R"({"requests":[]})",
          R"({"requests":[{}]})",
          R"({"requests":[{"service_id":"x"}]})",
          R"({"requests":[{"fencing":1},]})",
          R"({"requests":[{"fencing":1}],"requests":[{"fencing":1}]})",
          R"({"requests":[{"fencing":1}],"extra":1})"}) {
        EXPECT_FALSE(read_plain_sign_request(text)) << text;
        EXPECT_FALSE(read_plain_batch_sign_request(text, 10)) << text;
    }
    EXPECT_FALSE(read_plain_sign_request(R"({"account_id":")" + std::string(257, 'a') + R"("})"));
}

// Whatever the quick reader takes of a text with one byte changed, removed or doubled, the full
// parser takes with the same meaning.
TEST(PoolTypesTest, TheQuickReaderIsNeverLaxerThanTheFullParser) {
    const std::string good = R"({"account_id":"550e8400","tx_hash":"AAECAw==","lock_id":"l",)"
                             R"("fencing":-12,"network_magic":860833102,"service_id":"s"})";
    const std::string batch = R"({"service_id":"s","requests":[{"account_id":"5","tx_hash":"AAEC",)"
                              R"("fencing":0},{"tx_hash":"AAECAw=="}]})";
    int taken = 0;
    const auto agree = [&](const std::string& text) {
        const auto one = read_plain_sign_request(text);
        if (one) {
            const auto full = parsed(text, parse_sign_request);
            ASSERT_TRUE(full) << text;
            ASSERT_EQ(to_json_text(*one), to_json_text(*full)) << text;
            ++taken;
        }
        const auto many = read_plain_batch_sign_request(text, 2);
        if (many) {
            const auto full = parsed_batch(text, 2);
            ASSERT_TRUE(full) << text;
            ASSERT_EQ(to_json_text(*many), to_json_text(*full)) << text;
            ++taken;
        }
    };
    for (const std::string& text : {good, batch}) {
        for (std::size_t at = 0; at < text.size(); ++at) {
            for (int byte = 0; byte < 256; ++byte) {
                std::string changed = text;
                changed[at] = static_cast<char>(byte);
                agree(changed);
            }
            std::string shorter = text;
            agree(shorter.erase(at, 1));
            std::string longer = text;
            agree(longer.insert(at, 1, text[at]));
        }
    }
    EXPECT_GT(taken, 1000);
}

}  // namespace
}  // namespace adyton::api
