#include "near/delegate.h"

#include <gtest/gtest.h>

#include "near/test_random.h"

namespace adyton::near {
namespace {

constexpr std::uint64_t kHeight = 1000;

SignedDelegate good_delegate(RandomNear& random, const crypto::Ed25519KeyPair& pair) {
    DelegateAction action{
        AccountId::implicit(pair.public_key()),
        AccountId::parse("intents.near").value(),
        {FunctionCall{"execute_intents", base::Bytes{'{', '}'}, Gas::from_tgas(100), YoctoNear()}},
        random.source().next(),
        kHeight + 180,
        PublicKey(pair.public_key())};
    return sign(std::move(action), pair).value();
}

GateLimits limits() {
    return GateLimits{Gas::from_tgas(300), kHeight};
}

TEST(NearDelegateTest, SignedBytesReadBack) {
    RandomNear random(1);
    for (int round = 0; round < 300; ++round) {
        const auto pair = random.key_pair();
        const auto action = random.delegate_action(PublicKey(pair.public_key()));
        const auto signed_delegate = sign(action, pair);
        ASSERT_TRUE(signed_delegate);
        EXPECT_TRUE(verify(*signed_delegate));
        EXPECT_EQ(
            parse_signed_delegate_base64(to_base64(*signed_delegate)).value(), *signed_delegate);
        EXPECT_EQ(parse_delegate_action(serialize(action)).value(), action);
        EXPECT_EQ(
            signed_delegate_base64(serialize(action), signed_delegate->signature),
            to_base64(*signed_delegate));
        auto bytes = serialize(*signed_delegate);
        EXPECT_FALSE(parse_delegate_action(bytes));
        bytes.push_back(0);
        EXPECT_FALSE(parse_signed_delegate(bytes));
        for (std::size_t size = 0; size + 1 < bytes.size(); size += 7) {
            EXPECT_FALSE(parse_signed_delegate(base::ByteView(bytes).first(size)));
        }
        auto changed = *signed_delegate;
        changed.delegate_action.max_block_height ^= 1U;
        EXPECT_FALSE(verify(changed));
    }
}

TEST(NearDelegateTest, TheFormWithTheActionTagIsToldApart) {
    RandomNear random(2);
    const auto pair = random.key_pair();
    const auto good = good_delegate(random, pair);
    auto tagged = serialize(good);
    tagged.insert(tagged.begin(), SignedDelegate::kIndex);
    const auto refused = parse_signed_delegate(tagged);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message().find("0x08"), std::string::npos);
    // A sender of eight letters begins with 0x08 too, and is none.
    auto eight = good.delegate_action;
    eight.sender_id = AccountId::parse("bob.near").value();
    const auto bytes = serialize(sign(eight, pair).value());
    ASSERT_EQ(bytes[0], 8);
    EXPECT_TRUE(parse_signed_delegate(bytes));
}

TEST(NearDelegateTest, ADelegateInsideADelegateIsRefused) {
    RandomNear random(3);
    const auto pair = random.key_pair();
    const auto inner = good_delegate(random, pair);
    BorshWriter out;
    out.string("bob.near").string("bob.near").count(1);
    write_borsh(out, Action(inner));
    out.u64(1).u64(2);
    write_borsh(out, PublicKey(pair.public_key()));
    const auto refused = parse_delegate_action(out.view());
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message().find("delegate inside"), std::string::npos);
}

TEST(NearDelegateTest, TheGateRulesLetAGoodDelegateThrough) {
    RandomNear random(4);
    const auto pair = random.key_pair();
    EXPECT_TRUE(check_gate_rules(good_delegate(random, pair), limits()));
}

TEST(NearDelegateTest, EveryGateRuleIsKept) {
    RandomNear random(5);
    const auto pair = random.key_pair();
    const auto good = good_delegate(random, pair);
    const auto refused = [&](auto change) {
        DelegateAction action = good.delegate_action;
        change(action, std::get<FunctionCall>(action.actions.front()));
        const auto signed_delegate = sign(std::move(action), pair);
        CHECK(signed_delegate.has_value());
        const auto answer = check_gate_rules(*signed_delegate, limits());
        return !answer && answer.error().code() == ErrorCode::InvalidArgument;
    };
    EXPECT_TRUE(refused([](DelegateAction& action, FunctionCall&) { action.actions.clear(); }));
    EXPECT_TRUE(refused([](DelegateAction& action, FunctionCall&) {
        const auto copy = action.actions.front();
        action.actions.push_back(copy);
    }));
    EXPECT_TRUE(refused([](DelegateAction& action, FunctionCall&) {
        action.actions = {Transfer{YoctoNear(base::Amount(1))}};
    }));
    EXPECT_TRUE(
        refused([](DelegateAction& action, FunctionCall&) { action.max_block_height = kHeight; }));
    for (const char* name : {"", "a\"b", "a b", "a-b", "m\u00e9", "a\n"}) {
        EXPECT_TRUE(refused([&](DelegateAction&, FunctionCall& call) { call.method_name = name; }))
            << name;
    }
    EXPECT_TRUE(refused(
        [](DelegateAction&, FunctionCall& call) { call.method_name = std::string(257, 'a'); }));
    EXPECT_TRUE(refused([](DelegateAction&, FunctionCall& call) {
        call.gas = Gas(Gas::from_tgas(210).units() + 1);
    }));
    EXPECT_FALSE(
        refused([](DelegateAction&, FunctionCall& call) { call.gas = Gas::from_tgas(210); }));
    auto forged = good;
    forged.delegate_action.nonce ^= 1U;
    EXPECT_FALSE(check_gate_rules(forged, limits()));
    auto other_key = good;
    other_key.delegate_action.public_key =
        PublicKey::from_bytes(KeyType::Secp256k1, base::Bytes(64, 1)).value();
    EXPECT_FALSE(check_gate_rules(other_key, limits()));
}

TEST(NearDelegateTest, InnerGasFollowsWhatTheSubmitCarries) {
    EXPECT_EQ(inner_gas_max(Gas::from_tgas(300)), Gas::from_tgas(210));
    EXPECT_EQ(inner_gas_max(Gas::from_tgas(215)), Gas::from_tgas(125));
    EXPECT_EQ(inner_gas_max(Gas::from_tgas(50)), Gas::from_tgas(125));
    EXPECT_EQ(inner_gas_max(Gas::from_tgas(216)), Gas::from_tgas(126));
}

TEST(NearDelegateTest, AKeyOtherThanTheNamedOneDoesNotSign) {
    RandomNear random(6);
    const auto action = random.delegate_action(PublicKey(random.ed25519_key()));
    EXPECT_FALSE(sign(action, random.key_pair()));
}

}  // namespace
}  // namespace adyton::near
