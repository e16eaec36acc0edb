#include "near/intents.h"

#include <gtest/gtest.h>

#include "near/compact_json.h"
#include "near/test_random.h"

namespace adyton::near {
namespace {

using base::Json;

const AccountId kSigner = AccountId::parse("alice.near").value();
const AccountId kWrap = AccountId::parse("wrap.near").value();

IntentFacts facts(std::string_view text) {
    const auto json = Json::parse(text);
    EXPECT_TRUE(json) << text;
    return facts_of(parse_intent(json ? *json : Json()), kSigner, kWrap);
}

IntentMovement movement(
    std::string token, std::string_view to, std::uint64_t amount, bool leaves_contract) {
    return {std::move(token), AccountId::parse(to).value(), base::Amount(amount), leaves_contract};
}

using Movements = std::vector<IntentMovement>;

TEST(IntentsTest, ATransferMovesItsTokensToTheReceiver) {
    const auto plain =
        facts(R"({"intent":"transfer","receiver_id":"bob.near",)"
              R"("tokens":{"nep141:wrap.near":"5","nep171:nft.near:a:b":"1"},"memo":"thanks"})");
    EXPECT_TRUE(plain.understood) << plain.reason;
    EXPECT_EQ(plain.kind, "transfer");
    EXPECT_EQ(
        plain.outflows, (Movements{
                            movement("nep141:wrap.near", "bob.near", 5, false),
                            movement("nep171:nft.near:a:b", "bob.near", 1, false)}));
    EXPECT_FALSE(plain.async_effects);
    EXPECT_FALSE(plain.called_contract.has_value());
    const auto calling =
        facts(R"({"intent":"transfer","receiver_id":"bob.near","tokens":{"nep141:wrap.near":"5"},)"
              R"("msg":"hello","min_gas":"1000"})");
    EXPECT_TRUE(calling.understood) << calling.reason;
    EXPECT_EQ(calling.called_contract->text(), "bob.near");
    EXPECT_TRUE(calling.async_effects);
}

TEST(IntentsTest, ATokenDiffSeparatesWhatIsGivenFromWhatIsDemanded) {
    const auto swap =
        facts(R"({"intent":"token_diff","diff":{"nep141:wrap.near":"-7","nep141:usdt.near":"9"},)"
              R"("referral":"ref.near"})");
    EXPECT_TRUE(swap.understood) << swap.reason;
    ASSERT_EQ(swap.outflows.size(), 1U);
    EXPECT_EQ(swap.outflows[0].token, "nep141:wrap.near");
    EXPECT_EQ(swap.outflows[0].amount, base::Amount(7));
    EXPECT_EQ(swap.outflows[0].to, std::nullopt);
    ASSERT_EQ(swap.inflows.size(), 1U);
    EXPECT_EQ(swap.inflows[0].token.text(), "nep141:usdt.near");
    EXPECT_EQ(swap.inflows[0].amount, base::Amount(9));
}

TEST(IntentsTest, WithdrawalsLeaveTheContractAndPayStorageFromWrappedNear) {
    const auto ft = facts(
        R"({"intent":"ft_withdraw","token":"usdt.near","receiver_id":"bob.near","amount":"3",)"
        R"("storage_deposit":"100","msg":"swap"})");
    EXPECT_TRUE(ft.understood) << ft.reason;
    EXPECT_EQ(
        ft.outflows, (Movements{
                         movement("nep141:usdt.near", "bob.near", 3, true),
                         movement("nep141:wrap.near", "usdt.near", 100, true)}));
    EXPECT_EQ(ft.called_contract->text(), "bob.near");
    EXPECT_TRUE(ft.async_effects);

    const auto nft = facts(
        R"({"intent":"nft_withdraw","token":"nft.near","receiver_id":"bob.near","token_id":"7"})");
    EXPECT_EQ(nft.outflows, (Movements{movement("nep171:nft.near:7", "bob.near", 1, true)}));
    const auto mt = facts(R"({"intent":"mt_withdraw","token":"mt.near","receiver_id":"bob.near",)"
                          R"("token_ids":["a","b"],"amounts":["1","2"]})");
    EXPECT_EQ(
        mt.outflows, (Movements{
                         movement("nep245:mt.near:a", "bob.near", 1, true),
                         movement("nep245:mt.near:b", "bob.near", 2, true)}));
    const auto native =
        facts(R"({"intent":"native_withdraw","receiver_id":"bob.near","amount":"8"})");
    EXPECT_EQ(native.outflows, (Movements{movement("nep141:wrap.near", "bob.near", 8, true)}));
    for (const char* member : {"deposit_for_account_id", "account_id"}) {
        const auto storage = facts(
            std::string(R"({"intent":"storage_deposit","contract_id":"usdt.near","amount":"4",")") +
            member + R"(":"bob.near"})");
        EXPECT_TRUE(storage.understood) << storage.reason;
        EXPECT_EQ(
            storage.outflows, (Movements{movement("nep141:wrap.near", "usdt.near", 4, true)}));
    }
}

TEST(IntentsTest, ChangesOfAuthorityAndCallsAreMarked) {
    const std::string key = PublicKey(RandomNear(1).ed25519_key()).to_string();
    for (const std::string& text :
         {R"({"intent":"add_public_key","public_key":")" + key + "\"}",
          R"({"intent":"remove_public_key","public_key":")" + key + "\"}",
          std::string(R"({"intent":"set_auth_by_predecessor_id","enabled":false})")}) {
        const auto change = facts(text);
        EXPECT_TRUE(change.understood) << change.reason;
        EXPECT_TRUE(change.changes_authority);
        EXPECT_TRUE(change.outflows.empty());
    }
    const auto call =
        facts(R"({"intent":"auth_call","contract_id":"app.near","msg":"x","attached_deposit":"2",)"
              R"("min_gas":"10000000000000"})");
    EXPECT_TRUE(call.understood) << call.reason;
    EXPECT_EQ(call.called_contract->text(), "app.near");
    EXPECT_EQ(call.outflows, (Movements{movement("nep141:wrap.near", "app.near", 2, true)}));
}

TEST(IntentsTest, WhatIsNotReadInEveryPartIsNotUnderstood) {
    for (
        const char* text : {
            "null",
            "[]",
            "{}",
            R"({"intent":"mint"})",
            R"({"intent":7})",
            R"({"intent":"Transfer","receiver_id":"bob.near","tokens":{"nep141:a.near":"1"}})",
            R"({"intent":"transfer","receiver_id":"Bob","tokens":{"nep141:a.near":"1"}})",
            R"({"intent":"transfer","receiver_id":"bob.near"})",
            R"({"intent":"transfer","receiver_id":"bob.near","tokens":{}})",
            R"({"intent":"transfer","receiver_id":"bob.near","tokens":{"nep141:a.near":1}})",
            R"({"intent":"transfer","receiver_id":"bob.near","tokens":{"nep141:a.near":"0"}})",
            R"({"intent":"transfer","receiver_id":"bob.near","tokens":{"nep141:a.near":"+1"}})",
            R"({"intent":"transfer","receiver_id":"bob.near","tokens":{"nep141:a.near":"01"}})",
            R"({"intent":"transfer","receiver_id":"bob.near","tokens":{"nep141:a.near":"-1"}})",
            R"({"intent":"transfer","receiver_id":"bob.near","tokens":{"a.near":"1"}})",
            R"({"intent":"transfer","receiver_id":"bob.near","tokens":{"nep999:a.near":"1"}})",
            R"({"intent":"transfer","receiver_id":"bob.near","tokens":{"nep245:a.near":"1"}})",
            R"({"intent":"transfer","receiver_id":"bob.near","tokens":{"nep245:a.near:":"1"}})",
            R"({"intent":"transfer","receiver_id":"alice.near","tokens":{"nep141:a.near":"1"}})",
            R"({"intent":"transfer","receiver_id":"bob.near","tokens":{"nep141:a.near":"1"},"x":1})",
            R"({"intent":"transfer","receiver_id":"bob.near","tokens":{"nep141:a.near":"1"},"min_gas":"1"})",
            R"({"intent":"transfer","receiver_id":"bob.near","tokens":{"nep141:a.near":"1"},"msg":"","state_init":{}})",
            R"({"intent":"token_diff","diff":{}})",
            R"({"intent":"token_diff","diff":{"nep141:a.near":"0"}})",
            R"({"intent":"token_diff","diff":{"nep141:a.near":"-0"}})",
            R"({"intent":"ft_withdraw","token":"nep141:a.near","receiver_id":"b.near","amount":"1"})",
            R"({"intent":"ft_withdraw","token":"a.near","receiver_id":"b.near","amount":"0"})",
            R"({"intent":"ft_withdraw","token":"a.near","receiver_id":"b.near","amount":1})",
            R"({"intent":"mt_withdraw","token":"a.near","receiver_id":"b.near","token_ids":["a"],"amounts":[]})",
            R"({"intent":"mt_withdraw","token":"a.near","receiver_id":"b.near","token_ids":[],"amounts":[]})",
            R"({"intent":"nft_withdraw","token":"a.near","receiver_id":"b.near","token_id":""})",
            R"({"intent":"storage_deposit","contract_id":"a.near","amount":"1"})",
            R"({"intent":"storage_deposit","contract_id":"a.near","account_id":"b.near","deposit_for_account_id":"b.near","amount":"1"})",
            R"({"intent":"add_public_key","public_key":"ed25519:abc"})",
            R"({"intent":"set_auth_by_predecessor_id","enabled":"true"})",
            R"({"intent":"auth_call","contract_id":"a.near","msg":"","state_init":{}})",
        }) {
        const auto unknown = facts(text);
        EXPECT_FALSE(unknown.understood) << text;
        EXPECT_FALSE(unknown.reason.empty()) << text;
    }
}

TEST(IntentsTest, TheMessageIsReadInAnyOrderAndItsStrangersAreNamed) {
    const auto message = parse_intents_message(
        " { \"intents\" : [{\"intent\":\"mint\"}], \"extra\": 1, \"deadline\": "
        "\"2026-04-24T22:00:00+02:00\", \"signer_id\":\"alice.near\" } ");
    ASSERT_TRUE(message);
    EXPECT_EQ(message->signer_id, kSigner);
    EXPECT_EQ(deadline_text(message->deadline), "2026-04-24T20:00:00.000Z");
    ASSERT_EQ(message->intents.size(), 1U);
    EXPECT_TRUE(std::holds_alternative<UnknownIntent>(message->intents[0]));
    EXPECT_EQ(message->unknown_members, std::vector<std::string>{"extra"});
    EXPECT_TRUE(
        parse_intents_message(R"({"signer_id":"alice.near","deadline":"2026-04-24T20:00:00Z"})")
            ->intents.empty());
}

TEST(IntentsTest, AMessageThatTheContractWouldNotReadIsRefused) {
    for (const char* text :
         {"", "[]", "hello", R"({"signer_id":"alice.near","intents":[]})",
          R"({"deadline":"2026-04-24T20:00:00Z","intents":[]})",
          R"({"signer_id":"Alice","deadline":"2026-04-24T20:00:00Z","intents":[]})",
          R"({"signer_id":"alice.near","deadline":"tomorrow","intents":[]})",
          R"({"signer_id":"alice.near","deadline":"2026-04-24T20:00:00Z","intents":{}})",
          R"({"signer_id":"alice.near","deadline":"2026-04-24T20:00:00Z","intents":null})",
          R"({"signer_id":"alice.near","signer_id":"bob.near","deadline":"2026-04-24T20:00:00Z"})",
          R"({"signer_id":"alice.near","deadline":"2026-04-24T20:00:00Z"}x)"}) {
        EXPECT_FALSE(parse_intents_message(text)) << text;
    }
}

TEST(IntentsTest, SignedPayloadsAreReadStrictlyAndForeignOnesCarried) {
    RandomNear random(2);
    const MessagePayload payload{
        intents_message_text(kSigner, "2026-04-24T20:00:00.000Z", Json::array()),
        {},
        "intents.near",
        std::nullopt};
    const auto signed_message = sign(payload, random.key_pair());
    const Json good = to_json(signed_message);
    const auto read = parse_multi_payload(good);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->nep413, signed_message);
    EXPECT_TRUE(verify(*read));

    const auto refused = [&](auto change) {
        Json bad = good;
        change(bad);
        return !parse_multi_payload(bad);
    };
    const Json inner = *good.find("payload");
    EXPECT_TRUE(refused([](Json& bad) { bad.set("standard", Json::string("nep999")); }));
    EXPECT_TRUE(refused([](Json& bad) { bad.set("extra", Json::string("x")); }));
    EXPECT_TRUE(refused([](Json& bad) { bad.set("signature", Json::string("ed25519:abc")); }));
    EXPECT_TRUE(refused([&](Json& bad) {
        bad.set("payload", Json(inner).set("callback_url", Json::string("x")));
    }));
    EXPECT_TRUE(refused(
        [&](Json& bad) { bad.set("payload", Json(inner).set("nonce", Json::string("AAAA"))); }));
    // null and absent are the same; a text is another message.
    Json with_null = good;
    with_null.set("payload", Json(inner).set("callbackUrl", Json()));
    EXPECT_TRUE(verify(*parse_multi_payload(with_null)));
    Json with_callback = good;
    with_callback.set("payload", Json(inner).set("callbackUrl", Json::string("")));
    EXPECT_FALSE(verify(*parse_multi_payload(with_callback)));

    const auto foreign = parse_multi_payload(
        Json::parse(R"({"standard":"erc191","payload":"x","signature":"secp256k1:y"})").value());
    ASSERT_TRUE(foreign);
    EXPECT_FALSE(foreign->nep413.has_value());
    EXPECT_FALSE(verify(*foreign));
    const auto args = execute_intents_args({*read, *foreign});
    const auto both = parse_execute_intents_args(base::as_bytes(args));
    ASSERT_TRUE(both);
    EXPECT_EQ(both->size(), 2U);
    for (const char* text :
         {"", "{}", R"({"signed":{}})", R"({"signed":[{}]})", R"({"signed":[],"more":1})",
          R"({"signed":[]} )"
          "x"}) {
        EXPECT_FALSE(parse_execute_intents_args(base::as_bytes(text))) << text;
    }
}

TEST(IntentsTest, CompactJsonEscapesAsLittleAsJavaScriptDoes) {
    const auto json = Json::parse(
        R"({"a":["<&>","\u2028\u00fc\ud83d\ude80","\b\f\n\r\t\u0001\u001f\"\\\/"],"b":1e3,"c":-0.50})");
    ASSERT_TRUE(json);
    EXPECT_EQ(
        compact_json(*json),
        "{\"a\":[\"<&>\",\"\xe2\x80\xa8\u00fc\U0001F680\",\"\\b\\f\\n\\r\\t\\u0001\\u001f\\\"\\\\/"
        "\"],"
        "\"b\":1e3,\"c\":-0.50}");
}

}  // namespace
}  // namespace adyton::near
