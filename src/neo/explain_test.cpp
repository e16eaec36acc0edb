#include "neo/explain.h"

#include <gtest/gtest.h>

#include "crypto/test_bytes.h"
#include "neo/address.h"
#include "neo/script.h"
#include "neo/token.h"

namespace adyton::neo {
namespace {

using crypto::from_hex;

ScriptHash account(std::uint8_t number) {
    return ScriptHash::from_wire(base::Bytes(20, number)).value();
}

Nep17Transfer gas(std::uint64_t amount) {
    return {gas_token().contract, account(1), account(2), base::Amount(amount), Value::null()};
}

Transaction around(base::Bytes script, std::uint8_t scopes = kScopeCalledByEntry) {
    Transaction out;
    out.nonce = 7;
    out.system_fee = 9977780;
    out.network_fee = 1230520;
    out.valid_until_block = 1000;
    out.signers = {{account(1), scopes, {}, {}, {}}};
    out.script = std::move(script);
    CHECK(check(out).has_value());
    return out;
}

Explanation explain_script(base::Bytes script) {
    return explain(around(std::move(script)));
}

base::Bytes joined(std::initializer_list<base::Bytes> parts) {
    base::Bytes out;
    for (const auto& part : parts) out.insert(out.end(), part.begin(), part.end());
    return out;
}

void expect_not_decoded(base::Bytes script, std::string_view reason) {
    const auto explanation = explain_script(std::move(script));
    EXPECT_FALSE(explanation.decoded);
    EXPECT_FALSE(explanation.understood);
    EXPECT_NE(explanation.reason.find(reason), std::string::npos) << explanation.reason;
    EXPECT_FALSE(explanation.listing.empty());
}

TEST(ExplainTest, OneTransferIsUnderstood) {
    const auto explanation = explain_script(nep17_transfer_script(gas(255)));
    EXPECT_TRUE(explanation.understood) << explanation.reason;
    EXPECT_TRUE(explanation.warnings.empty());
    ASSERT_EQ(explanation.transfers.size(), 1U);
    EXPECT_EQ(explanation.transfers[0], gas(255));
    ASSERT_EQ(explanation.calls.size(), 1U);
    EXPECT_EQ(explanation.calls[0].kind, ContractCall::Kind::Nep17);
    EXPECT_TRUE(explanation.calls[0].asserted);
    EXPECT_EQ(explanation.fees(), 11208300);
    EXPECT_EQ(explanation.sender(), account(1));
    EXPECT_TRUE(explanation.listing.empty());
}

TEST(ExplainTest, SeveralTransfersAreUnderstoodInTheirOrder) {
    std::vector<Nep17Transfer> transfers = {gas(1), gas(2), gas(3)};
    transfers[1].token = account(9);
    transfers[2].data = Value::of_array({Value::of_text("order"), Value::of_integer(-5)});
    const auto explanation = explain_script(nep17_transfer_script(transfers).value());
    EXPECT_TRUE(explanation.understood) << explanation.reason;
    EXPECT_EQ(explanation.transfers, transfers);
}

TEST(ExplainTest, NftTransfersOfBothKindsAreRecognised) {
    Nep11Transfer whole;
    whole.contract = account(9);
    whole.to = account(2);
    whole.token_id = {1, 2, 3};
    Nep11Transfer part = whole;
    part.from = account(1);
    part.amount = base::Amount(50);
    const auto explanation = explain_script(
        joined({nep11_transfer_script(whole).value(), nep11_transfer_script(part).value()}));
    EXPECT_TRUE(explanation.understood) << explanation.reason;
    EXPECT_EQ(explanation.nft_transfers, (std::vector{whole, part}));
}

TEST(ExplainTest, ReadsAreHarmless) {
    const auto explanation = explain_script(joined(
        {nep17_balance_script(gas_token().contract, account(1)),
         nep17_transfer_script(gas(1)),
         {0x45}}));  // DROP of the balance
    EXPECT_TRUE(explanation.understood) << explanation.reason;
    ASSERT_EQ(explanation.calls.size(), 2U);
    EXPECT_EQ(explanation.calls[0].kind, ContractCall::Kind::Read);
}

TEST(ExplainTest, ATransferThatNobodyChecksIsWarnedAbout) {
    const auto explanation = explain_script(nep17_transfer_call(gas(1)));
    EXPECT_TRUE(explanation.understood);
    EXPECT_EQ(explanation.warnings.size(), 1U);
    EXPECT_FALSE(explanation.calls[0].asserted);
}

TEST(ExplainTest, AnAssertBelongsToTheCallWhoseResultItTakes) {
    ScriptBuilder both;
    both.raw(nep17_transfer_call(gas(1))).raw(nep17_transfer_call(gas(2)));
    both.op(OpCode::Drop).assert_true();
    const auto explanation = explain_script(both.take());
    ASSERT_EQ(explanation.calls.size(), 2U);
    EXPECT_TRUE(explanation.calls[0].asserted);
    EXPECT_FALSE(explanation.calls[1].asserted);
}

TEST(ExplainTest, OtherCallsAreShownButNotUnderstood) {
    ScriptBuilder builder;
    builder.call(
        neo_token().contract, "vote", kCallAll, {Value::of_hash(account(1)), Value::null()});
    const auto explanation = explain_script(builder.take());
    EXPECT_TRUE(explanation.decoded);
    EXPECT_FALSE(explanation.recognised);
    EXPECT_FALSE(explanation.understood);
    EXPECT_NE(explanation.reason.find("vote"), std::string::npos);
    ASSERT_EQ(explanation.calls.size(), 1U);
    EXPECT_EQ(explanation.calls[0].method, "vote");
    EXPECT_EQ(explanation.calls[0].arguments[0], Value::of_hash(account(1)));
}

// What looks like a transfer and is none.
TEST(ExplainTest, OnlyTheExactFormIsATransfer) {
    const std::vector<Value> good = {
        Value::of_hash(account(1)), Value::of_hash(account(2)), Value::of_integer(5),
        Value::null()};
    const auto understood = [](std::string_view method, std::uint8_t flags,
                               const std::vector<Value>& arguments) {
        ScriptBuilder builder;
        builder.call(gas_token().contract, method, flags, arguments);
        return explain_script(builder.take()).understood;
    };
    EXPECT_TRUE(understood("transfer", kCallAll, good));
    EXPECT_FALSE(understood("Transfer", kCallAll, good));
    EXPECT_FALSE(understood("transfer", kCallReadStates | kCallWriteStates, good));
    auto bad = good;
    bad.push_back(Value::null());
    EXPECT_FALSE(understood("transfer", kCallAll, bad));
    bad = good;
    bad[2] = Value::of_integer(-5);
    EXPECT_FALSE(understood("transfer", kCallAll, bad));
    bad[2] = Value::of_bytes(base::Bytes{5});  // the VM would take it for 5
    EXPECT_FALSE(understood("transfer", kCallAll, bad));
    bad[2] = Value::of_integer(Integer::parse("340282366920938463463374607431768211456").value());
    EXPECT_FALSE(understood("transfer", kCallAll, bad));
    bad = good;
    bad[0] = Value::null();
    EXPECT_FALSE(understood("transfer", kCallAll, bad));
    bad = good;
    bad[1] = Value::of_bytes(base::Bytes(19, 1));
    EXPECT_FALSE(understood("transfer", kCallAll, bad));
}

TEST(ExplainTest, WhateverElseRunsIsNotUnderstood) {
    const auto transfer = nep17_transfer_script(gas(1));
    expect_not_decoded(joined({{0x22, 0x02}, transfer}), "JMP");
    expect_not_decoded(joined({transfer, {0x11}}), "leaves a constant");
    expect_not_decoded(joined({{0x40}, transfer}), "code after its end");
    expect_not_decoded(joined({transfer, from_hex("41f827ec8c")}), "system call");
    expect_not_decoded({0x39}, "empty stack");
    expect_not_decoded({0x08, 0x39}, "constant for the result");
    expect_not_decoded({0xff}, "no opcode");
    expect_not_decoded({0x0c}, "ends beyond");
    expect_not_decoded({0x12, 0xc0}, "not there");
    expect_not_decoded({0x0f, 0xc0}, "not there");
    // 300 transfers hide behind a loop, a TRY or computed arguments: none is followed.
    expect_not_decoded(joined({{0x3b, 0x05, 0x00}, transfer}), "TRY");
    expect_not_decoded(joined({{0x11, 0x12, 0x9e}, transfer}), "ADD");
}

TEST(ExplainTest, AResultIsNoArgument) {
    ScriptBuilder builder;
    builder.push_null();
    builder.raw(nep17_balance_script(gas_token().contract, account(1)));
    builder.push_hash(account(2)).push_hash(account(1)).pack(4);
    builder.push_integer(std::int64_t{15}).push_text("transfer");
    builder.push_hash(gas_token().contract).syscall(kSyscallContractCall);
    expect_not_decoded(builder.take(), "packs the result");
}

TEST(ExplainTest, ACallInAnUnknownFormIsNotDecoded) {
    const auto call = [](std::string_view flags, std::string_view method, std::string_view hash) {
        ScriptBuilder builder;
        builder.raw(from_hex("c2")).raw(from_hex(flags)).raw(from_hex(method)).raw(from_hex(hash));
        return builder.syscall(kSyscallContractCall).take();
    };
    const std::string name = "0c0161";
    const std::string hash = "0c14" + std::string(40, '1');
    EXPECT_TRUE(explain_script(call("15", name, hash)).decoded);
    expect_not_decoded(call("20", name, hash), "form");      // flags 16
    expect_not_decoded(call("0f", name, hash), "form");      // flags -1
    expect_not_decoded(call("0c010f", name, hash), "form");  // flags as bytes
    expect_not_decoded(call("15", "0c00", hash), "form");    // no name
    expect_not_decoded(call("15", "0c01ff", hash), "form");  // no UTF-8
    expect_not_decoded(call("15", name, "0c13" + std::string(38, '1')), "form");
    expect_not_decoded(call("15", name, "0b"), "form");
}

TEST(ExplainTest, DeepAndWideScriptsAreGivenUpOn) {
    ScriptBuilder deep;
    deep.push_null();
    for (int i = 0; i < 20'000; ++i) deep.pack(1);
    expect_not_decoded(deep.take(), "too deeply");
    base::Bytes wide(65'000, 0x11);
    expect_not_decoded(wide, "too many");
    EXPECT_EQ(explain_script(wide).listing.size(), kListingLinesMax + 1);
}

TEST(ExplainTest, AWitnessThatReachesDeeperIsNotUnderstood) {
    for (const std::uint8_t scopes :
         {std::uint8_t{kScopeGlobal}, std::uint8_t{kScopeCustomContracts},
          std::uint8_t{kScopeCustomGroups}, std::uint8_t{kScopeWitnessRules},
          static_cast<std::uint8_t>(kScopeCalledByEntry | kScopeCustomContracts)}) {
        const auto explanation = explain(around(nep17_transfer_script(gas(1)), scopes));
        EXPECT_TRUE(explanation.recognised);
        EXPECT_FALSE(explanation.understood);
        EXPECT_NE(explanation.reason.find(scopes_to_string(scopes)), std::string::npos);
        EXPECT_FALSE(effect_on(explanation, account(1)).bounded);
    }
}

TEST(ExplainTest, TheEffectIsOfOneAccount) {
    Transaction transaction = around(nep17_transfer_script(gas(5)));
    transaction.signers.insert(transaction.signers.begin(), {account(7), kScopeNone, {}, {}, {}});
    const auto explanation = explain(transaction);
    const auto holder = effect_on(explanation, account(1));
    EXPECT_TRUE(holder.signer);
    EXPECT_TRUE(holder.bounded);
    EXPECT_EQ(holder.fees, 0);
    EXPECT_EQ(holder.transfers.size(), 1U);
    const auto sponsor = effect_on(explanation, account(7));
    EXPECT_TRUE(sponsor.bounded);
    EXPECT_EQ(sponsor.fees, 11208300);
    EXPECT_TRUE(sponsor.transfers.empty());
    EXPECT_FALSE(effect_on(explanation, account(2)).signer);
}

TEST(ExplainTest, AFeePayerIsBoundedWhateverTheScriptDoes) {
    Transaction transaction = around({0x22, 0x00}, kScopeNone);
    const auto explanation = explain(transaction);
    EXPECT_FALSE(explanation.understood);
    EXPECT_TRUE(effect_on(explanation, account(1)).bounded);
}

TEST(ExplainTest, AnotherSignersDepthDoesNotUnbindThisOne) {
    Transaction transaction = around(nep17_transfer_script(gas(5)));
    transaction.signers.push_back({account(7), kScopeGlobal, {}, {}, {}});
    const auto explanation = explain(transaction);
    EXPECT_FALSE(explanation.understood);
    EXPECT_TRUE(effect_on(explanation, account(1)).bounded);
    EXPECT_FALSE(effect_on(explanation, account(7)).bounded);
}

TEST(ExplainTest, AnNftWithoutItsOwnerMayBeAnySigners) {
    Nep11Transfer nft;
    nft.contract = account(9);
    nft.to = account(2);
    nft.token_id = {1};
    const auto explanation = explain_script(nep11_transfer_script(nft).value());
    EXPECT_EQ(effect_on(explanation, account(1)).nft_transfers.size(), 1U);
}

TEST(ExplainTest, TransfersOfOthersAreWarnedAbout) {
    Nep17Transfer other = gas(1);
    other.from = account(8);
    const auto explanation = explain_script(nep17_transfer_script(other));
    EXPECT_EQ(explanation.warnings.size(), 1U);
    EXPECT_TRUE(effect_on(explanation, account(1)).transfers.empty());
}

TEST(ExplainTest, ConflictsAreWarnedAbout) {
    Transaction transaction = around(nep17_transfer_script(gas(1)));
    transaction.attributes = {Conflicts{}};
    EXPECT_EQ(explain(transaction).warnings.size(), 1U);
}

TEST(ExplainTest, JsonSaysTheSameAsTheFields) {
    const auto explanation = explain_script(nep17_transfer_script(gas(255)));
    const auto json = to_json(explanation);
    EXPECT_EQ(json.find("hash")->string_value(), explanation.hash.to_string());
    EXPECT_TRUE(json.find("understood")->boolean_value());
    EXPECT_EQ(json.find("reason"), nullptr);
    EXPECT_EQ(json.find("fees")->string_value(), "11208300");
    const auto& transfer = json.find("transfers")->items().at(0);
    EXPECT_EQ(transfer.find("amount")->string_value(), "255");
    EXPECT_EQ(transfer.find("symbol")->string_value(), "GAS");
    EXPECT_EQ(transfer.find("to")->string_value(), Address(account(2)).to_string());
    EXPECT_EQ(json.find("signers")->items().at(0).find("scopes")->string_value(), "CalledByEntry");
    EXPECT_EQ(json.find("script"), nullptr);
    EXPECT_TRUE(base::Json::parse(json.dump()));
}

TEST(ExplainTest, TextSaysItInWords) {
    const auto text = to_text(explain_script(nep17_transfer_script(gas(255))));
    EXPECT_NE(
        text.find("transfer 0.00000255 GAS from " + Address(account(1)).to_string()), text.npos)
        << text;
    EXPECT_NE(text.find("Understood   yes"), text.npos) << text;
    EXPECT_NE(text.find("0.112083 GAS"), text.npos) << text;
    const auto strange = to_text(explain_script({0x22, 0x00}));
    EXPECT_NE(strange.find("Understood   NO"), text.npos) << strange;
    EXPECT_NE(strange.find("0000  JMP 00"), text.npos) << strange;
}

}  // namespace
}  // namespace adyton::neo
