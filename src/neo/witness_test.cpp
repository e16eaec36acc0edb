#include "neo/witness.h"

#include <gtest/gtest.h>

#include <limits>

#include "crypto/test_bytes.h"
#include "neo/fee.h"
#include "neo/script.h"
#include "neo/verification_script.h"

namespace adyton::neo {
namespace {

using crypto::from_hex;

crypto::P256PrivateKey key(std::uint8_t number) {
    base::Bytes scalar(32, 0);
    scalar[31] = number;
    auto out = crypto::P256PrivateKey::from_scalar(crypto::secret32(scalar));
    CHECK(out.has_value());
    return std::move(*out);
}

std::vector<crypto::P256PublicKey> keys(std::uint8_t count) {
    std::vector<crypto::P256PublicKey> out;
    for (std::uint8_t i = 1; i <= count; ++i) out.push_back(key(i).public_key());
    return out;
}

crypto::Sha256Digest digest() {
    return crypto::sha256(base::as_bytes("what is signed"));
}

crypto::P256Signature sign(const crypto::P256PublicKey& by) {
    for (std::uint8_t i = 1; i < 40; ++i) {
        const auto candidate = key(i);
        if (candidate.public_key() == by) {
            return crypto::sign_rfc6979_low_s(candidate, digest()).value();
        }
    }
    ADD_FAILURE() << "no such key";
    return {};
}

TEST(WitnessTest, ASingleSignatureIsMadeAndVerified) {
    const auto public_key = key(5).public_key();
    const Witness witness = single_signature_witness(public_key, sign(public_key));
    EXPECT_EQ(witness.invocation.size(), 66U);
    EXPECT_EQ(witness.verification.size(), kVerificationScriptBytes);
    const auto account = account_script_hash(public_key);
    EXPECT_TRUE(verify_witness(witness, account, digest()));
    EXPECT_FALSE(verify_witness(witness, account, crypto::sha256({})));
    EXPECT_FALSE(verify_witness(witness, account_script_hash(key(6).public_key()), digest()));
    EXPECT_FALSE(verify_witness(unsigned_single_signature_witness(public_key), account, digest()));
}

TEST(WitnessTest, WhatIsNotExactlyASignatureIsRefused) {
    const auto public_key = key(5).public_key();
    const auto account = account_script_hash(public_key);
    const Witness good = single_signature_witness(public_key, sign(public_key));
    for (std::size_t i = 0; i < good.invocation.size(); ++i) {
        Witness bad = good;
        bad.invocation[i] ^= 1;
        EXPECT_FALSE(verify_witness(bad, account, digest())) << i;
    }
    for (std::size_t i = 0; i < good.verification.size(); ++i) {
        Witness bad = good;
        bad.verification[i] ^= 1;
        EXPECT_FALSE(verify_witness(bad, account, digest())) << i;
    }
    Witness twice = good;
    twice.invocation.insert(twice.invocation.end(), good.invocation.begin(), good.invocation.end());
    EXPECT_FALSE(verify_witness(twice, account, digest()));
}

TEST(WitnessTest, KeysOfAMultisigAccountAreSortedWhateverTheirOrder) {
    auto list = keys(7);
    const auto script = multisig_verification_script(4, list);
    ASSERT_TRUE(script);
    std::reverse(list.begin(), list.end());
    EXPECT_EQ(multisig_verification_script(4, list).value(), *script);
    const auto standard = parse_verification_script(*script);
    ASSERT_TRUE(standard);
    EXPECT_TRUE(standard->multisig);
    EXPECT_EQ(standard->threshold, 4U);
    ASSERT_EQ(standard->keys.size(), 7U);
    for (std::size_t i = 1; i < standard->keys.size(); ++i) {
        const auto& before = standard->keys[i - 1].bytes();
        const auto& after = standard->keys[i].bytes();
        EXPECT_TRUE(std::lexicographical_compare(
            before.begin() + 1, before.end(), after.begin() + 1, after.end()));
    }
    EXPECT_EQ(multisig_account(4, list).value(), ScriptHash::of_script(*script));
}

TEST(WitnessTest, TwoKeysOfOneXAreOrderedByTheirY) {
    auto compressed = key(3).public_key().bytes();
    const auto one = crypto::P256PublicKey::parse(compressed).value();
    compressed[0] ^= 1;
    const auto other = crypto::P256PublicKey::parse(compressed).value();
    const auto script = multisig_verification_script(1, std::vector{one, other});
    EXPECT_EQ(multisig_verification_script(1, std::vector{other, one}).value(), *script);
    const auto standard = parse_verification_script(*script);
    ASSERT_TRUE(standard);
    EXPECT_LT(standard->keys[0].uncompressed(), standard->keys[1].uncompressed());
}

TEST(WitnessTest, ThresholdsAndKeysOutOfRangeAreRefused) {
    const auto list = keys(3);
    EXPECT_FALSE(multisig_verification_script(0, list));
    EXPECT_FALSE(multisig_verification_script(4, list));
    EXPECT_FALSE(multisig_verification_script(1, {}));
    EXPECT_FALSE(multisig_verification_script(1, std::vector{list[0], list[1], list[0]}));
    EXPECT_TRUE(multisig_verification_script(3, list));
}

TEST(WitnessTest, EnoughSignaturesInTheOrderOfTheirKeysAreNeeded) {
    const auto script = multisig_verification_script(2, keys(3)).value();
    const auto account = ScriptHash::of_script(script);
    const auto sorted = parse_verification_script(script)->keys;
    const auto made = [&](std::initializer_list<std::size_t> order) {
        base::Bytes invocation;
        for (const std::size_t i : order) {
            ScriptBuilder builder;
            builder.push_bytes(sign(sorted[i]).view());
            const auto part = builder.take();
            invocation.insert(invocation.end(), part.begin(), part.end());
        }
        return Witness{invocation, script};
    };
    EXPECT_TRUE(verify_witness(made({0, 1}), account, digest()));
    EXPECT_TRUE(verify_witness(made({0, 2}), account, digest()));
    EXPECT_TRUE(verify_witness(made({1, 2}), account, digest()));
    EXPECT_FALSE(verify_witness(made({1, 0}), account, digest()));
    EXPECT_FALSE(verify_witness(made({0, 0}), account, digest()));
    EXPECT_FALSE(verify_witness(made({0}), account, digest()));
    EXPECT_FALSE(verify_witness(made({0, 1, 2}), account, digest()));
}

TEST(WitnessTest, AMultisigWitnessTakesExactlyItsThreshold) {
    const auto script = multisig_verification_script(2, keys(3)).value();
    const auto sorted = parse_verification_script(script)->keys;
    const std::vector signatures = {sign(sorted[0]), sign(sorted[1])};
    EXPECT_TRUE(multisig_witness(script, signatures));
    EXPECT_TRUE(multisig_witness(script, {})->invocation.empty());
    EXPECT_FALSE(multisig_witness(script, std::span(signatures).first(1)));
    EXPECT_FALSE(multisig_witness(verification_script(sorted[0]), {}));
}

TEST(WitnessTest, OtherScriptsAreNotStandard) {
    const auto key_hex = key(1).public_key().to_hex();
    const std::string push = "0c21" + key_hex;
    EXPECT_TRUE(parse_verification_script(from_hex("11" + push + "11419ed0dc3a")));
    // As neo-go writes counts of 16: PUSHINT8.
    EXPECT_TRUE(parse_verification_script(from_hex("0001" + push + "0001419ed0dc3a")));
    for (const std::string& bad :
         {std::string(), push, push + "4156e7b32740", "11" + push + "12419ed0dc3a",
          "12" + push + "11419ed0dc3a", "10" + push + "11419ed0dc3a", "0f" + push + "11419ed0dc3a",
          "11" + push + "11" + "4156e7b327", "11" + push + "11419ed0dc3a40",
          "0201000000" + push + "11419ed0dc3a", "11" + push + "419ed0dc3a",
          "0d2100" + key_hex + "4156e7b327"}) {
        EXPECT_FALSE(parse_verification_script(from_hex(bad))) << bad;
    }
}

TEST(WitnessTest, AllWitnessesOfATransactionMustBeTheirs) {
    Transaction transaction;
    transaction.script = {0x40};
    for (const std::uint8_t i : {std::uint8_t{1}, std::uint8_t{2}}) {
        transaction.signers.push_back(
            {account_script_hash(key(i).public_key()), kScopeCalledByEntry, {}, {}, {}});
    }
    const auto what = sign_digest(NetworkMagic{42}, transaction);
    for (const std::uint8_t i : {std::uint8_t{1}, std::uint8_t{2}}) {
        transaction.witnesses.push_back(single_signature_witness(
            key(i).public_key(), crypto::sign_rfc6979_low_s(key(i), what).value()));
    }
    EXPECT_TRUE(verify_witnesses(transaction, NetworkMagic{42}));
    EXPECT_FALSE(verify_witnesses(transaction, NetworkMagic{43}));
    std::swap(transaction.witnesses[0], transaction.witnesses[1]);
    EXPECT_FALSE(verify_witnesses(transaction, NetworkMagic{42}));
    transaction.witnesses.pop_back();
    EXPECT_FALSE(verify_witnesses(transaction, NetworkMagic{42}));
}

Transaction one_signer(base::Bytes verification) {
    Transaction out;
    out.signers = {{ScriptHash::of_script(verification), kScopeCalledByEntry, {}, {}, {}}};
    out.script = {0x40};
    out.witnesses = {{{}, std::move(verification)}};
    return out;
}

TEST(FeeTest, CountsEachWitnessAsComplete) {
    const auto script = verification_script(key(1).public_key());
    Transaction transaction = one_signer({script.begin(), script.end()});
    const auto size = static_cast<std::int64_t>(serialize_unsigned(transaction).size()) + 109;
    EXPECT_EQ(network_fee(transaction, {1000, 30}).value(), size * 1000 + 30 * 32784);
    transaction.witnesses[0].invocation.assign(66, 1);
    EXPECT_EQ(network_fee(transaction, {1000, 30}).value(), size * 1000 + 30 * 32784);
    EXPECT_EQ(network_fee(transaction, {0, 1}).value(), 32784);
    EXPECT_EQ(network_fee(transaction, {1, 0}).value(), size);
}

TEST(FeeTest, PricesEveryKeyAndSignatureOfAMultisig) {
    const auto script = multisig_verification_script(4, keys(8)).value();
    const Transaction transaction = one_signer(script);
    EXPECT_EQ(network_fee(transaction, {0, 1}).value(), 8 * 12 + 2 + 8 * 32768);
    const auto size = static_cast<std::int64_t>(
        serialize_unsigned(transaction).size() + 1 + (3 + 4 * 66) + (3 + script.size()));
    EXPECT_EQ(network_fee(transaction, {1, 0}).value(), size);
}

TEST(FeeTest, WhatTheNetworkAloneKnowsIsRefused) {
    const auto script = verification_script(key(1).public_key());
    Transaction transaction = one_signer({script.begin(), script.end()});
    transaction.attributes = {NotValidBefore{1}};
    EXPECT_TRUE(network_fee(transaction, {}));
    for (const Attribute& attribute :
         {Attribute(Conflicts{}), Attribute(NotaryAssisted{1}), Attribute(OracleResponse{})}) {
        transaction.attributes = {attribute};
        EXPECT_FALSE(network_fee(transaction, {}));
    }
    transaction.attributes.clear();
    transaction.witnesses[0].verification = {0x40};
    EXPECT_FALSE(network_fee(transaction, {}));
    transaction.witnesses.clear();
    EXPECT_FALSE(network_fee(transaction, {}));
}

TEST(FeeTest, OverflowsAndNegativePoliciesAreRefused) {
    const auto script = verification_script(key(1).public_key());
    const Transaction transaction = one_signer({script.begin(), script.end()});
    constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
    EXPECT_FALSE(network_fee(transaction, {kMax, 30}));
    EXPECT_FALSE(network_fee(transaction, {1000, kMax / 32784}));
    EXPECT_TRUE(network_fee(transaction, {0, kMax / 32784}));
    EXPECT_FALSE(network_fee(transaction, {-1, 30}));
    EXPECT_FALSE(network_fee(transaction, {1000, -1}));
}

}  // namespace
}  // namespace adyton::neo
