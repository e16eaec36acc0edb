#include "crypto/ed25519.h"

#include <gtest/gtest.h>

#include "crypto/ed25519_signer.h"
#include "crypto/test_bytes.h"

namespace adyton::crypto {
namespace {

struct Vector {
    std::string_view seed, public_key, message, signature;
};

// RFC 8032, 7.1, tests 1 to 3.
constexpr Vector kVectors[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e3970"
     "1cf9b46bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613"
     "d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760"
     "984dc6594a7c15e9716ed28dc027beceea1ec40a"}};

TEST(Ed25519Test, AnswersTheVectorsOfRfc8032) {
    for (const Vector& vector : kVectors) {
        const Ed25519KeyPair pair(secret32(from_hex(vector.seed)));
        EXPECT_EQ(pair.public_key().to_hex(), vector.public_key);
        const auto message = from_hex(vector.message);
        const auto signature = pair.sign(message);
        EXPECT_EQ(base::hex_encode(signature.bytes), vector.signature);
        EXPECT_TRUE(verify(pair.public_key(), message, signature));
    }
}

TEST(Ed25519Test, AnotherMessageKeyOrSignatureIsRefused) {
    const Ed25519KeyPair pair(secret32(base::Bytes(32, 1)));
    const Ed25519KeyPair other(secret32(base::Bytes(32, 2)));
    const auto message = base::as_bytes("message");
    const auto signature = pair.sign(message);
    EXPECT_FALSE(verify(pair.public_key(), base::as_bytes("massage"), signature));
    EXPECT_FALSE(verify(other.public_key(), message, signature));
    for (std::size_t i = 0; i < signature.bytes.size(); ++i) {
        auto changed = signature;
        changed.bytes[i] ^= 1;
        EXPECT_FALSE(verify(pair.public_key(), message, changed)) << i;
    }
}

TEST(Ed25519Test, AKnownPublicKeyGivesTheSameSignatures) {
    for (std::uint8_t i = 0; i < 20; ++i) {
        const Ed25519KeyPair whole(secret32(base::Bytes(32, i)));
        const Ed25519KeyPair known(secret32(base::Bytes(32, i)), whole.public_key());
        const base::Bytes message(i, i);
        EXPECT_EQ(known.public_key(), whole.public_key());
        EXPECT_EQ(known.sign(message), whole.sign(message));
        EXPECT_EQ(Ed25519Signer(known).sign(message), whole.sign(message));
        EXPECT_TRUE(verify(whole.public_key(), message, known.sign(message)));
    }
}

// s + L verifies under a sloppy implementation: the signature would not be unique.
TEST(Ed25519Test, AScalarNotBelowTheOrderIsRefused) {
    const Ed25519KeyPair pair(secret32(base::Bytes(32, 1)));
    const auto message = base::as_bytes("message");
    auto signature = pair.sign(message);
    const auto order = from_hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    unsigned carry = 0;
    for (std::size_t i = 0; i < 32; ++i) {
        carry += static_cast<unsigned>(signature.bytes[32 + i]) + order[i];
        signature.bytes[32 + i] = static_cast<std::uint8_t>(carry & 0xffU);
        carry >>= 8U;
    }
    EXPECT_FALSE(verify(pair.public_key(), message, signature));
}

// Whoever has such a key could show one signature for every message.
TEST(Ed25519Test, KeysAndPointsOfSmallOrderAreRefused) {
    Ed25519PublicKey neutral;
    neutral.bytes[0] = 1;
    Ed25519Signature signature;  // R neutral, S zero: the equation holds for any message
    signature.bytes[0] = 1;
    EXPECT_FALSE(verify(neutral, base::as_bytes("message"), signature));
    EXPECT_FALSE(verify(neutral, base::as_bytes("another"), signature));
}

TEST(Ed25519Test, WrongLengthsAndPointsOffTheCurveAreRefused) {
    EXPECT_FALSE(Ed25519PublicKey::parse(base::Bytes(31)));
    EXPECT_FALSE(Ed25519PublicKey::parse(base::Bytes(33)));
    EXPECT_FALSE(Ed25519Signature::parse(base::Bytes(63)));
    const Ed25519KeyPair pair(secret32(base::Bytes(32, 1)));
    const auto signature = pair.sign({});
    base::Bytes no_point(32);
    no_point[0] = 2;  // y = 2: no x
    const auto key = Ed25519PublicKey::parse(no_point);
    ASSERT_TRUE(key);
    EXPECT_FALSE(verify(*key, {}, signature));
}

}  // namespace
}  // namespace adyton::crypto
