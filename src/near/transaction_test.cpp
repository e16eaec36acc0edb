#include "near/transaction.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "near/delegate.h"
#include "near/test_random.h"

namespace adyton::near {
namespace {

TEST(NearTransactionTest, EveryKindSurvivesBorshAndJson) {
    const std::uint64_t seed = 20261121;
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
    RandomNear random(seed);
    std::array<int, 14> seen{};
    for (int round = 0; round < 3000; ++round) {
        const Action action = random.action();
        ++seen[action.index()];
        BorshWriter out;
        write_borsh(out, action);
        BorshReader in(out.view());
        EXPECT_EQ(read_action(in).value(), action);
        EXPECT_TRUE(in.finish());
        EXPECT_EQ(action_from_json(to_json(action)).value(), action) << to_json(action).dump();
        const auto text = to_json(action).dump();
        EXPECT_EQ(action_from_json(base::Json::parse(text).value()).value(), action);
    }
    for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_GT(seen[i], 0) << i;
}

TEST(NearTransactionTest, SignedBytesReadBackAndHoldOnlyForThemselves) {
    RandomNear random(4);
    for (int round = 0; round < 200; ++round) {
        const auto pair = random.key_pair();
        const auto transaction = random.transaction(PublicKey(pair.public_key()));
        const auto signed_transaction = sign(transaction, pair);
        ASSERT_TRUE(signed_transaction);
        EXPECT_TRUE(verify(*signed_transaction));
        const auto bytes = serialize(*signed_transaction);
        EXPECT_EQ(parse_signed_transaction(bytes).value(), *signed_transaction);
        EXPECT_EQ(parse_transaction(serialize(transaction)).value(), transaction);
        EXPECT_FALSE(parse_transaction(bytes));  // a signature behind it
        auto longer = bytes;
        longer.push_back(0);
        EXPECT_FALSE(parse_signed_transaction(longer));
        auto read = *signed_transaction;
        read.transaction.nonce ^= 1U;
        EXPECT_FALSE(verify(read));
    }
}

TEST(NearTransactionTest, EveryCutIsRefused) {
    RandomNear random(5);
    for (int round = 0; round < 20; ++round) {
        const auto pair = random.key_pair();
        const auto bytes =
            serialize(sign(random.transaction(PublicKey(pair.public_key())), pair).value());
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            EXPECT_FALSE(parse_signed_transaction(base::ByteView(bytes).first(size)));
        }
    }
}

// No bytes have two meanings, and no meaning two spellings: whatever still parses after a change is
// written back as exactly those bytes.
TEST(NearTransactionTest, WhateverParsesIsWrittenBackTheSame) {
    RandomNear random(6);
    std::vector<base::Bytes> good;
    for (int i = 0; i < 50; ++i) {
        const auto signer = random.key_pair();
        good.push_back(
            serialize(sign(random.transaction(PublicKey(signer.public_key())), signer).value()));
    }
    std::size_t accepted = 0;
    for (int round = 0; round < 30000; ++round) {
        auto bytes = good[random.source().below(good.size())];
        for (std::uint64_t i = 1 + random.source().below(3); i > 0; --i) {
            bytes[random.source().below(bytes.size())] =
                static_cast<std::uint8_t>(random.source().next());
        }
        const auto read = parse_signed_transaction(bytes);
        if (!read) continue;
        ++accepted;
        EXPECT_EQ(serialize(*read), bytes);
    }
    EXPECT_GT(accepted, 1000U);
}

TEST(NearTransactionTest, VersionOneIsNamedAndRefused) {
    const base::Bytes bytes{1, 10, 0, 0, 0, 'a', 'l', 'i', 'c', 'e', '.', 'n', 'e', 'a', 'r'};
    for (const auto& refused :
         {parse_transaction(bytes).error(), parse_signed_transaction(bytes).error()}) {
        EXPECT_EQ(refused.code(), ErrorCode::InvalidArgument);
        EXPECT_EQ(refused.reason(), "transaction_version");
    }
    // A zero behind it is a V0 transaction whose signer would have one letter.
    const base::Bytes one{1, 0, 0, 0, 'a'};
    EXPECT_NE(parse_transaction(one).error().reason(), "transaction_version");
}

TEST(NearTransactionTest, UnknownKindsAndOversizeAreRefused) {
    for (int index = 14; index < 256; ++index) {
        const base::Bytes bytes{static_cast<std::uint8_t>(index), 0, 0, 0, 0};
        BorshReader in(bytes);
        EXPECT_FALSE(read_action(in)) << index;
    }
    EXPECT_EQ(
        parse_transaction(base::Bytes(kTransactionBytesMax + 1)).error().code(),
        ErrorCode::TooLarge);
    BorshWriter out;
    out.count(101).fixed(base::Bytes(101));  // 101 times CreateAccount
    BorshReader in(out.view());
    EXPECT_FALSE(read_actions(in));
    EXPECT_FALSE(parse_signed_transaction_base64("AAAA\n"));
    EXPECT_FALSE(parse_signed_transaction_base64("AAA"));
}

TEST(NearTransactionTest, AKeyOfAnotherTypeOrAMapOutOfOrderIsRefused) {
    const base::Bytes newer_key{6, 2};
    BorshReader in(newer_key);
    EXPECT_FALSE(read_action(in));
    for (const bool same : {true, false}) {
        BorshWriter out;
        out.u8(DeterministicStateInit::kIndex).u8(0).u8(1).string("bob.near").count(2);
        out.bytes(base::Bytes{2})
            .bytes({})
            .bytes(base::Bytes{static_cast<std::uint8_t>(same ? 2 : 1)});
        out.bytes({}).u128({});
        BorshReader map(out.view());
        EXPECT_FALSE(read_action(map));
    }
}

TEST(NearTransactionTest, ASignerOfAnotherKeyIsRefused) {
    RandomNear random(8);
    const auto transaction = random.transaction(PublicKey(random.ed25519_key()));
    EXPECT_EQ(sign(transaction, random.key_pair()).error().code(), ErrorCode::InvalidArgument);
}

TEST(NearTransactionTest, TheExplanationNamesWhatIsDangerous) {
    RandomNear random(9);
    auto transaction = random.transaction(PublicKey(random.ed25519_key()));
    transaction.actions = {
        AddKey{PublicKey(random.ed25519_key()), AccessKey{0, FullAccess{}}},
        DeleteAccount{AccountId::parse("thief.near").value()},
        FunctionCall{"ft_transfer", base::Bytes{'{', '}'}, Gas::from_tgas(30), YoctoNear()}};
    const std::string text = explain(transaction);
    EXPECT_NE(text.find("FULL ACCESS"), std::string::npos) << text;
    EXPECT_NE(text.find("send all it holds to thief.near"), std::string::npos) << text;
    EXPECT_NE(text.find("call ft_transfer with \"{}\""), std::string::npos) << text;
    EXPECT_NE(text.find(hash(transaction).to_string()), std::string::npos) << text;
}

TEST(NearTransactionTest, AMethodNameCannotPretendToBeAnotherLine) {
    RandomNear random(10);
    auto transaction = random.transaction(PublicKey(random.ed25519_key()));
    transaction.actions = {FunctionCall{
        "m\naction 2    transfer 0 yocto\x1b[2K\u202e", base::Bytes{'\n'}, Gas(), YoctoNear()}};
    const std::string text = explain(transaction);
    EXPECT_EQ(text.find("\naction 2"), std::string::npos) << text;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        EXPECT_TRUE(c == '\n' || (byte >= 0x20 && byte < 0x7f)) << int{byte};
    }
}

TEST(NearTransactionTest, JsonWithUnknownMembersOrTwoArgumentFormsIsRefused) {
    for (
        const char* text :
        {R"({"type":"Transfer"})", R"({"type":"Transfer","deposit":1})",
         R"({"type":"Transfer","deposit":"1","x":1})", R"({"type":"Nothing"})", R"({})", R"([])",
         R"({"type":"FunctionCall","method_name":"m","args_utf8":"","args_hex":"","gas":"1","deposit":"0"})",
         R"({"type":"FunctionCall","method_name":"m","gas":"-1","deposit":"0"})",
         R"({"type":"FunctionCall","method_name":"m","gas":1.5,"deposit":"0"})",
         R"({"type":"AddKey","public_key":"ed25519:1","access_key":{}})",
         R"({"type":"DeleteAccount","beneficiary_id":"A"})"}) {
        const auto json = base::Json::parse(text);
        ASSERT_TRUE(json) << text;
        const auto refused = action_from_json(*json);
        ASSERT_FALSE(refused) << text;
        EXPECT_EQ(refused.error().code(), ErrorCode::InvalidArgument) << text;
    }
}

}  // namespace
}  // namespace adyton::near
