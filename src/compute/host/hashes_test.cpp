#include "compute/host/hashes.h"

#include <gtest/gtest.h>

#include "compute/host/signatures.h"

namespace adyton::compute::host {
namespace {

base::Bytes bytes(std::string_view hex) {
    return *base::hex_decode(hex);
}
std::string hex(base::ByteView view) {
    return base::hex_encode(view);
}

TEST(HashesTest, KeccakGivesThePublishedVectors) {
    EXPECT_EQ(
        hex(keccak256({})), "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
    EXPECT_EQ(
        hex(keccak256(base::as_bytes("abc"))),
        "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45");
}

TEST(HashesTest, KeccakPadsEveryLengthAroundABlock) {
    // One byte more or less around the rate of 136 gives another digest, and none repeats.
    std::vector<std::string> seen;
    for (std::size_t size = 130; size < 280; ++size) {
        seen.push_back(hex(keccak256(base::Bytes(size, 0x61))));
        for (std::size_t i = 0; i + 1 < seen.size(); ++i) EXPECT_NE(seen[i], seen.back());
    }
}

TEST(HashesTest, HmacGivesTheVectorsOfRfc4231) {
    EXPECT_EQ(
        hex(*hmac(
            "sha256", base::as_bytes("Jefe"), base::as_bytes("what do ya want for nothing?"))),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    EXPECT_EQ(
        hex(*hmac(
            "sha512", base::as_bytes("Jefe"), base::as_bytes("what do ya want for nothing?"))),
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
        "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737");
    EXPECT_TRUE(hmac("sha256", {}, {}));
    EXPECT_FALSE(hmac("md5", {}, {}));
    EXPECT_FALSE(digest("md5", {}));
}

TEST(SignaturesTest, P256SignsTheVectorOfRfc6979) {
    const auto key = bytes("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
    const auto digested = *digest("sha256", base::as_bytes("sample"));
    const auto signature = ecdsa_sign(Curve::P256, key, digested);
    ASSERT_TRUE(signature);
    // r as published; s is the lower of the published one and its negative.
    EXPECT_EQ(
        hex(*signature),
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
        "0834e36ad29a83bf2bc9385e491d6099c8fdf9d1ed67aa7ea5f51f93782857a9");
    const auto public_key = ecdsa_public_key(Curve::P256, key);
    ASSERT_TRUE(public_key);
    EXPECT_EQ(
        hex(*public_key), "0360fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6");
    EXPECT_TRUE(*ecdsa_verify(Curve::P256, *public_key, digested, *signature));
}

TEST(SignaturesTest, Secp256k1SignsTheKnownVector) {
    const auto key = bytes("0000000000000000000000000000000000000000000000000000000000000001");
    const auto digested = *digest("sha256", base::as_bytes("Satoshi Nakamoto"));
    const auto signature = ecdsa_sign(Curve::Secp256k1, key, digested);
    ASSERT_TRUE(signature);
    EXPECT_EQ(
        hex(*signature),
        "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"
        "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5");
    EXPECT_EQ(
        hex(*ecdsa_public_key(Curve::Secp256k1, key)),
        "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798");
}

TEST(SignaturesTest, EveryChangedBitOfASignatureIsRefused) {
    for (const Curve curve : {Curve::P256, Curve::Secp256k1}) {
        const base::Bytes key(32, 0x42);
        const base::Bytes digested(32, 0x17);
        const auto public_key = *ecdsa_public_key(curve, key);
        const auto signature = *ecdsa_sign(curve, key, digested);
        EXPECT_TRUE(*ecdsa_verify(curve, public_key, digested, signature));
        for (std::size_t i = 0; i < signature.size(); i += 7) {
            base::Bytes bad = signature;
            bad[i] ^= 1;
            EXPECT_FALSE(*ecdsa_verify(curve, public_key, digested, bad)) << i;
        }
        EXPECT_FALSE(*ecdsa_verify(curve, public_key, base::Bytes(32, 0x18), signature));
        EXPECT_FALSE(*ecdsa_verify(curve, public_key, digested, base::Bytes(64, 0)));
        EXPECT_FALSE(*ecdsa_verify(curve, public_key, digested, base::Bytes(64, 0xFF)));
    }
}

TEST(SignaturesTest, KeysThatAreNoneAreRefused) {
    const base::Bytes digested(32, 1);
    for (const Curve curve : {Curve::P256, Curve::Secp256k1}) {
        EXPECT_FALSE(ecdsa_sign(curve, base::Bytes(32, 0), digested));
        EXPECT_FALSE(ecdsa_sign(curve, base::Bytes(32, 0xFF), digested));
        EXPECT_FALSE(ecdsa_sign(curve, base::Bytes(31, 1), digested));
        EXPECT_FALSE(ecdsa_sign(curve, base::Bytes(32, 1), base::Bytes(31, 1)));
        EXPECT_FALSE(ecdsa_public_key(curve, {}));
        for (const std::size_t size : {0U, 1U, 32U, 33U, 65U}) {
            EXPECT_FALSE(ecdsa_verify(curve, base::Bytes(size, 0), digested, base::Bytes(64, 1)));
        }
    }
    EXPECT_FALSE(ed25519_sign(base::Bytes(31, 1), {}));
    EXPECT_FALSE(ed25519_verify(base::Bytes(31, 1), {}, base::Bytes(64, 1)));
    EXPECT_FALSE(ed25519_verify(base::Bytes(32, 1), {}, base::Bytes(63, 1)));
}

TEST(SignaturesTest, Ed25519SignsTheFirstVectorOfRfc8032) {
    const auto seed = bytes("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
    const auto public_key = *ed25519_public_key(seed);
    EXPECT_EQ(hex(public_key), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    const auto signature = *ed25519_sign(seed, {});
    EXPECT_EQ(
        hex(signature),
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b");
    EXPECT_TRUE(*ed25519_verify(public_key, {}, signature));
    EXPECT_FALSE(*ed25519_verify(public_key, base::as_bytes("x"), signature));
}

TEST(SignaturesTest, AesGcmGivesTheVectorOfTheSpecificationAndRefusesEveryChange) {
    // McGrew and Viega, test case 14: a key and a block of zeros.
    const base::Bytes key(32, 0);
    const base::Bytes nonce(12, 0);
    const auto sealed = aes_gcm_encrypt(key, nonce, base::Bytes(16, 0), {});
    ASSERT_TRUE(sealed);
    EXPECT_EQ(hex(*sealed), "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
    EXPECT_EQ(hex(*aes_gcm_decrypt(key, nonce, *sealed, {})), std::string(32, '0'));
    for (std::size_t i = 0; i < sealed->size(); ++i) {
        base::Bytes bad = *sealed;
        bad[i] ^= 0x80;
        EXPECT_FALSE(aes_gcm_decrypt(key, nonce, bad, {})) << i;
    }
    EXPECT_FALSE(aes_gcm_decrypt(key, nonce, *sealed, base::as_bytes("x")));
    EXPECT_FALSE(aes_gcm_decrypt(key, nonce, base::Bytes(15, 0), {}));
    EXPECT_FALSE(aes_gcm_encrypt(base::Bytes(24, 0), nonce, {}, {}));
    EXPECT_FALSE(aes_gcm_encrypt(key, base::Bytes(11, 0), {}, {}));
    EXPECT_EQ(aes_gcm_encrypt(key, nonce, {}, {})->size(), 16U);
}

}  // namespace
}  // namespace adyton::compute::host
