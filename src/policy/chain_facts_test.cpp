#include <gtest/gtest.h>

#include "neo/address.h"
#include "neo/script.h"
#include "neo/token.h"
#include "policy/near_facts.h"
#include "policy/neo_facts.h"
#include "policy/value_policy_test_support.h"

namespace adyton::policy {
namespace {

// --- Neo ---

constexpr std::uint32_t kMainnet = 860833102;

neo::ScriptHash account(std::uint8_t number) {
    return neo::ScriptHash::from_wire(base::Bytes(20, number)).value();
}
std::string text_of(const neo::ScriptHash& hash) {
    return neo::Address(hash).to_string();
}

neo::Nep17Transfer gas_transfer(std::uint8_t from, std::uint8_t to, std::uint64_t amount) {
    return {
        neo::gas_token().contract, account(from), account(to), Amount(amount), neo::Value::null()};
}

ActionFacts neo_facts(base::Bytes script, std::vector<neo::Signer> signers, std::uint8_t of) {
    neo::Transaction transaction;
    transaction.system_fee = 5;
    transaction.network_fee = 6;
    transaction.valid_until_block = 1000;
    transaction.signers = std::move(signers);
    transaction.script = std::move(script);
    EXPECT_TRUE(neo::check(transaction));
    return facts_of(neo::explain(transaction), account(of), kMainnet);
}
neo::Signer signer(std::uint8_t number, std::uint8_t scopes = neo::kScopeCalledByEntry) {
    return {account(number), scopes, {}, {}, {}};
}

TEST(NeoFactsTest, ATransferMovesItsTokenAndCostsFees) {
    const ActionFacts facts =
        neo_facts(neo::nep17_transfer_script(gas_transfer(1, 2, 255)), {signer(1)}, 1);
    EXPECT_TRUE(facts.understood) << facts.reason;
    EXPECT_EQ(facts.chain, "neo:860833102");
    EXPECT_EQ(facts.account, text_of(account(1)));
    ASSERT_EQ(facts.actions.size(), 1U);
    const Action& action = facts.actions[0];
    EXPECT_EQ(action.kind, ActionKind::Transfer);
    EXPECT_FALSE(action.call->opaque);
    const Movement expected = {
        std::string(neo::kGasScriptHashText), text_of(account(1)), text_of(account(2)),
        Amount(255)};
    ASSERT_EQ(action.movements.size(), 1U);
    EXPECT_EQ(action.movements[0], expected);
    ASSERT_EQ(facts.fees.size(), 1U);
    EXPECT_EQ(facts.fees[0].amount, Amount(11));
    const ValuePolicy policy = policy_of(
        R"({"rules":[{"name":"r","effect":"allow","tokens":["GAS"],"destinations":[")" +
        text_of(account(2)) + R"("],"limits":{"daily":{"GAS":"300"}}}]})");
    EXPECT_FALSE(evaluate(policy, {facts, "service:s", {}}).denied());
    const ValuePolicy elsewhere = policy_of(
        R"({"rules":[{"name":"r","effect":"allow","destinations":[")" + account(3).to_string() +
        R"("]}]})");
    EXPECT_TRUE(evaluate(elsewhere, {facts, "service:s", {}}).denied());
}

TEST(NeoFactsTest, ASponsorPaysOnlyTheFees) {
    const base::Bytes script = neo::nep17_transfer_script(gas_transfer(1, 2, 255));
    const std::vector<neo::Signer> signers = {signer(9, neo::kScopeNone), signer(1)};
    const ActionFacts sponsor = neo_facts(script, signers, 9);
    EXPECT_TRUE(sponsor.understood) << sponsor.reason;
    ASSERT_EQ(sponsor.actions.size(), 1U);
    EXPECT_TRUE(sponsor.actions[0].movements.empty());
    EXPECT_EQ(sponsor.fees.size(), 1U);
    const ActionFacts payer = neo_facts(script, signers, 1);
    EXPECT_TRUE(payer.fees.empty());
    EXPECT_EQ(payer.actions[0].movements.size(), 1U);
    const ActionFacts stranger = neo_facts(script, signers, 7);
    EXPECT_FALSE(stranger.understood);
}

TEST(NeoFactsTest, AnotherCallIsOpaqueAndAWiderScopeIsNotUnderstood) {
    neo::ScriptBuilder builder;
    builder.call(
        neo::neo_token().contract, "vote", 15,
        {neo::Value::of_hash(account(1)), neo::Value::null()});
    const base::Bytes vote = builder.take();
    const ActionFacts facts = neo_facts(vote, {signer(1)}, 1);
    EXPECT_TRUE(facts.understood) << facts.reason;
    ASSERT_EQ(facts.actions.size(), 1U);
    EXPECT_TRUE(facts.actions[0].call->opaque);
    EXPECT_EQ(facts.actions[0].call->receiver, neo::kNeoScriptHashText);
    EXPECT_EQ(facts.actions[0].call->method, "vote");
    const ActionFacts global = neo_facts(vote, {signer(1, neo::kScopeGlobal)}, 1);
    EXPECT_FALSE(global.understood);
    EXPECT_FALSE(global.reason.empty());
    const base::Bytes loop = {0x22, 0x00};  // JMP to itself
    const ActionFacts strange = neo_facts(loop, {signer(1)}, 1);
    EXPECT_FALSE(strange.understood);
    EXPECT_EQ(strange.actions.back().kind, ActionKind::Unknown);
}

// Its contract gets the account's witness, and may do something else with it than a token would.
TEST(NeoFactsTest, ATransferOfSomebodyElseIsAnOpaqueCallOfItsContract) {
    neo::Nep17Transfer foreign = gas_transfer(8, 2, 255);
    foreign.token = account(5);
    const ActionFacts facts = neo_facts(neo::nep17_transfer_script(foreign), {signer(1)}, 1);
    EXPECT_TRUE(facts.understood) << facts.reason;
    ASSERT_EQ(facts.actions.size(), 1U);
    EXPECT_EQ(facts.actions[0].kind, ActionKind::Call);
    ASSERT_TRUE(facts.actions[0].call);
    EXPECT_TRUE(facts.actions[0].call->opaque);
    EXPECT_EQ(facts.actions[0].call->receiver, account(5).to_string());
    EXPECT_EQ(facts.actions[0].call->method, "transfer");
    EXPECT_TRUE(facts.actions[0].movements.empty());
    // What is known to be a token takes from `from` alone, and a witness without scope is of no
    // use to anybody.
    const ActionFacts gas =
        neo_facts(neo::nep17_transfer_script(gas_transfer(8, 2, 255)), {signer(1)}, 1);
    ASSERT_EQ(gas.actions.size(), 1U);
    EXPECT_EQ(gas.actions[0].kind, ActionKind::Transfer);
    EXPECT_FALSE(gas.actions[0].call);
    const ActionFacts sponsor =
        neo_facts(neo::nep17_transfer_script(foreign), {signer(9, neo::kScopeNone), signer(8)}, 9);
    ASSERT_EQ(sponsor.actions.size(), 1U);
    EXPECT_FALSE(sponsor.actions[0].call);

    neo::Nep11Transfer item;
    item.contract = account(5);
    item.from = account(8);
    item.to = account(2);
    item.amount = Amount(1);
    item.token_id = {1, 2};
    const ActionFacts items = neo_facts(neo::nep11_transfer_script(item).value(), {signer(1)}, 1);
    ASSERT_EQ(items.actions.size(), 1U);
    EXPECT_TRUE(items.actions[0].call && items.actions[0].call->opaque);
}

TEST(NeoFactsTest, ItemsAreCounted) {
    neo::Nep11Transfer item;
    item.contract = account(5);
    item.to = account(2);
    item.token_id = {1, 2};
    const ActionFacts facts = neo_facts(neo::nep11_transfer_script(item).value(), {signer(1)}, 1);
    EXPECT_TRUE(facts.understood) << facts.reason;
    ASSERT_EQ(facts.actions.size(), 1U);
    EXPECT_EQ(facts.actions[0].kind, ActionKind::NftTransfer);
    EXPECT_EQ(facts.actions[0].movements[0].amount, Amount(1));
    EXPECT_EQ(facts.actions[0].movements[0].token, account(5).to_string());
}

// --- NEAR ---

near::AccountId id(std::string_view text) {
    return near::AccountId::parse(text).value();
}
near::FunctionCall function_call(
    std::string method, std::string_view args, std::uint64_t deposit = 0) {
    const base::ByteView bytes = base::as_bytes(args);
    return {
        std::move(method), base::Bytes(bytes.begin(), bytes.end()), near::Gas(7),
        near::YoctoNear(Amount(deposit))};
}
ActionFacts near_facts(std::string_view receiver, near::PlainAction action) {
    const std::vector<near::PlainAction> actions = {std::move(action)};
    return facts_of(id("alice.near"), id(receiver), actions, NearNetwork::mainnet());
}
// "call nep141:t.near 5 -> bob.near", "call opaque".
std::string short_form(const ActionFacts& facts) {
    std::string out;
    for (const Action& action : facts.actions) {
        if (!out.empty()) out += "; ";
        out += to_string(action.kind);
        if (action.call && action.call->opaque) out += " opaque";
        if (action.call && action.call->deposit != Amount()) {
            out += " +" + action.call->deposit.to_string();
        }
        for (const Movement& movement : action.movements) {
            EXPECT_EQ(movement.from, "alice.near");
            out += " " + movement.amount.to_string() + " " + movement.token + " -> " + movement.to;
        }
    }
    return facts.understood ? out : "not understood: " + facts.reason + ": " + out;
}

TEST(NearFactsTest, TokenCallsAreReadToTheEnd) {
    const auto call = [](std::string_view receiver, std::string method, std::string_view args,
                         std::uint64_t deposit = 0) {
        return short_form(near_facts(receiver, function_call(std::move(method), args, deposit)));
    };
    EXPECT_EQ(
        call("t.near", "ft_transfer", R"({"receiver_id":"bob.near","amount":"5"})", 1),
        "call +1 5 nep141:t.near -> bob.near");
    EXPECT_EQ(
        call(
            "t.near", "ft_transfer_call",
            R"({"receiver_id":"dex.near","amount":"5","memo":null,"msg":"go"})", 1),
        "call +1 5 nep141:t.near -> dex.near");
    EXPECT_EQ(
        call(
            "t.near", "ft_transfer_call", R"({"receiver_id":"intents.near","amount":"5","msg":""})",
            1),
        "intents_deposit +1 5 nep141:t.near -> intents.near");
    EXPECT_EQ(
        call(
            "t.near", "ft_transfer_call",
            R"({"receiver_id":"intents.near","amount":"5","msg":"eve.near"})", 1),
        "call +1 5 nep141:t.near -> intents.near");
    EXPECT_EQ(
        call("n.near", "nft_transfer", R"({"receiver_id":"bob.near","token_id":"7"})", 1),
        "call +1 1 nep171:n.near:7 -> bob.near");
    EXPECT_EQ(call("wrap.near", "near_deposit", "{}", 9), "call +9");
    EXPECT_EQ(
        call("wrap.near", "near_withdraw", R"({"amount":"5"})", 1),
        "call +1 5 nep141:wrap.near -> alice.near");
    EXPECT_EQ(call("t.near", "storage_deposit", R"({"account_id":"bob.near"})", 9), "call +9");
}

TEST(NearFactsTest, WhatDoesNotReadExactlyIsOpaque) {
    const auto call = [](std::string_view receiver, std::string method, std::string_view args) {
        return short_form(near_facts(receiver, function_call(std::move(method), args)));
    };
    for (const std::string_view args :
         {R"({"receiver_id":"bob.near","amount":5})", R"({"receiver_id":"bob.near"})",
          R"({"receiver_id":"bob.near","amount":"05"})",
          R"({"receiver_id":"bob.near","amount":"5","extra":1})",
          R"({"receiver_id":"Bob","amount":"5"})", R"({"amount":"5","amount":"6"})", "[]", "",
          R"({"receiver_id":"bob.near","amount":"340282366920938463463374607431768211456"})"}) {
        EXPECT_EQ(call("t.near", "ft_transfer", args), "call opaque") << args;
    }
    EXPECT_EQ(call("dex.near", "swap", "{}"), "call opaque");
    EXPECT_EQ(call("t.near", "near_deposit", "{}"), "call opaque");
    EXPECT_EQ(call("intents.near", "execute_intents", R"({"signed":1})"), "call opaque");
    EXPECT_EQ(call("intents.near", "execute_intents", R"({"signed":[]})"), "call");
    EXPECT_EQ(call("intents.near", "mt_batch_transfer", "{}"), "call opaque");
    EXPECT_EQ(call("intents.near", "add_public_key", "{}"), "intents_keys");
    EXPECT_EQ(
        call(
            "intents.near", "mt_transfer",
            R"({"receiver_id":"bob.near","token_id":"nep141:t.near","amount":"5"})"),
        "intents_transfer 5 nep141:t.near -> bob.near");
    EXPECT_EQ(
        call(
            "intents.near", "ft_withdraw",
            R"({"token":"t.near","receiver_id":"bob.near","amount":"5"})"),
        "intents_withdraw 5 nep141:t.near -> bob.near");
}

TEST(NearFactsTest, ActionsThatChangeTheAccountArePrivileged) {
    const crypto::Ed25519PublicKey key{};
    EXPECT_EQ(
        short_form(near_facts("bob.near", near::Transfer{near::YoctoNear(Amount(5))})),
        "transfer 5 native -> bob.near");
    const std::vector<near::PlainAction> others = {
        near::CreateAccount{}, near::DeployContract{}, near::DeleteKey{near::PublicKey(key)},
        near::DeleteAccount{id("eve.near")},
        near::AddKey{near::PublicKey(key), near::AccessKey{0, near::FullAccess{}}}};
    for (const near::PlainAction& action : others) {
        const ActionFacts facts = near_facts("alice.near", action);
        ASSERT_EQ(facts.actions.size(), 1U);
        EXPECT_TRUE(is_privileged(facts.actions[0].kind)) << near::name_of(action);
        EXPECT_FALSE(facts.actions[0].detail.empty());
    }
}

near::MessagePayload payload_of(std::string message, std::string recipient = "intents.near") {
    return {std::move(message), near::MessageNonce{}, std::move(recipient), std::nullopt};
}
ActionFacts message_facts(const near::MessagePayload& payload) {
    return facts_of(id("alice.near"), payload, NearNetwork::mainnet());
}
std::string message_of(std::string_view intents, std::string_view signer = "alice.near") {
    return R"({"signer_id":")" + std::string(signer) +
           R"(","deadline":"2026-11-21T20:00:00.000Z","intents":)" + std::string(intents) + "}";
}

TEST(NearFactsTest, AnIntentsMessageIsWhatItsIntentsDo) {
    EXPECT_EQ(
        short_form(message_facts(payload_of(message_of(
            R"([{"intent":"transfer","receiver_id":"bob.near","tokens":{"nep141:t.near":"5"}},)"
            R"({"intent":"token_diff","diff":{"nep141:t.near":"-3","nep141:u.near":"4"}}])")))),
        "intents_transfer 5 nep141:t.near -> bob.near; intents_swap 3 nep141:t.near -> ");
    EXPECT_EQ(
        short_form(message_facts(payload_of(message_of(
            R"([{"intent":"ft_withdraw","token":"t.near","receiver_id":"bob.near","amount":"5"}])")))),
        "intents_withdraw 5 nep141:t.near -> bob.near");
    EXPECT_EQ(
        short_form(message_facts(payload_of(
            message_of(R"([{"intent":"set_auth_by_predecessor_id","enabled":false}])")))),
        "intents_keys");
    EXPECT_EQ(short_form(message_facts(payload_of("hello", "app.near"))), "sign_message");
}

TEST(NearFactsTest, AMessageThatIsNotReadToTheEndIsNotUnderstood) {
    const std::string transfer =
        R"([{"intent":"transfer","receiver_id":"bob.near","tokens":{"nep141:t.near":"5"}}])";
    for (const std::string& message :
         {std::string("hello"), message_of(transfer, "eve.near"),
          message_of(R"([{"intent":"teleport"}])"),
          message_of(R"([{"intent":"transfer","receiver_id":"bob.near","tokens":{},"x":1}])"),
          R"({"extra":1,)" + message_of(transfer).substr(1)}) {
        const ActionFacts facts = message_facts(payload_of(message));
        EXPECT_FALSE(facts.understood) << message;
        EXPECT_FALSE(facts.reason.empty()) << message;
        EXPECT_TRUE(evaluate(ValuePolicy::allow_all(), {facts, "w", {}}).denied()) << message;
    }
}

}  // namespace
}  // namespace adyton::policy
