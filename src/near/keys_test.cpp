#include "near/keys.h"

#include <gtest/gtest.h>

#include "base/base58.h"
#include "near/hash.h"
#include "near/test_random.h"

namespace adyton::near {
namespace {

std::string typed(const std::string& prefix, std::size_t size, std::uint8_t fill = 0x55) {
    return prefix + base::base58_encode(base::Bytes(size, fill));
}

TEST(NearKeysTest, EveryTypeHasItsExactLength) {
    EXPECT_TRUE(PublicKey::parse(typed("ed25519:", 32)));
    EXPECT_TRUE(PublicKey::parse(typed("secp256k1:", 64)));
    EXPECT_TRUE(Signature::parse(typed("ed25519:", 64)));
    EXPECT_TRUE(Signature::parse(typed("secp256k1:", 65)));
    // Leading zero bytes are leading ones; all zero is 32 ones.
    EXPECT_EQ(
        PublicKey::parse("ed25519:" + std::string(32, '1'))->to_string(),
        "ed25519:" + std::string(32, '1'));
    for (const std::string& text :
         {typed("ed25519:", 31), typed("ed25519:", 33), typed("ed25519:", 64),
          typed("secp256k1:", 32), typed("secp256k1:", 33), typed("secp256k1:", 65),
          typed("p256:", 64), typed("ml-dsa-65:", 32), typed("", 32), typed("ED25519:", 32),
          typed(" ed25519:", 32), typed("ed25519:", 32) + " ", typed("ed25519:", 32) + "\n",
          "ed25519:" + std::string(31, '1'), "ed25519:" + std::string(33, '1'),
          std::string("ed25519:"), std::string(), std::string("ed25519:0OIl"),
          "ed25519:" + std::string(64, 'c')}) {
        const auto refused = PublicKey::parse(text);
        ASSERT_FALSE(refused) << text;
        EXPECT_EQ(refused.error().code(), ErrorCode::InvalidArgument);
    }
    EXPECT_FALSE(Signature::parse(typed("ed25519:", 65)));
    EXPECT_FALSE(Signature::parse(typed("secp256k1:", 64)));
}

TEST(NearKeysTest, TextAndBytesGiveEachOtherBack) {
    RandomNear random(1);
    for (int round = 0; round < 500; ++round) {
        const auto key = random.key();
        EXPECT_EQ(PublicKey::parse(key.to_string()).value(), key);
        EXPECT_EQ(PublicKey::from_bytes(key.type(), key.bytes()).value(), key);
        const auto signature = random.signature();
        EXPECT_EQ(Signature::parse(signature.to_string()).value(), signature);
    }
}

TEST(NearKeysTest, ASignatureHoldsForOneKeyAndOneMessage) {
    RandomNear random(2);
    const auto pair = random.key_pair();
    const PublicKey key(pair.public_key());
    base::Bytes message(32, 7);
    const Signature signature(pair.sign(message));
    EXPECT_TRUE(verify(key, message, signature));
    EXPECT_FALSE(verify(PublicKey(random.key_pair().public_key()), message, signature));
    message[0] ^= 1U;
    EXPECT_FALSE(verify(key, message, signature));
    // Nothing here checks secp256k1, so nothing of it is ever valid.
    const auto other = PublicKey::from_bytes(KeyType::Secp256k1, base::Bytes(64, 1)).value();
    EXPECT_FALSE(verify(other, message, signature));
    const auto long_signature = Signature::from_bytes(KeyType::Secp256k1, base::Bytes(65)).value();
    EXPECT_FALSE(verify(key, message, long_signature));
}

TEST(NearKeysTest, ASecretKeyIsReadInBothFormsAndCheckedAgainstItsPublicHalf) {
    RandomNear random(3);
    for (int round = 0; round < 200; ++round) {
        auto seed = crypto::SecretBytes<32>();
        random.source().fill(seed.expose_mutable());
        // Leading zero bytes are where base58 goes wrong.
        for (std::uint64_t i = random.source().below(4); i > 0; --i) {
            seed.expose_mutable()[i - 1] = 0;
        }
        const std::string seed_text = "ed25519:" + base::base58_encode(seed.expose());
        const crypto::Ed25519KeyPair pair(std::move(seed));
        const auto text = encode_secret_key(pair);
        const auto both = parse_secret_key(text.expose());
        ASSERT_TRUE(both);
        EXPECT_EQ(both->public_key(), pair.public_key());
        const auto alone = parse_secret_key(base::as_bytes(seed_text));
        ASSERT_TRUE(alone);
        EXPECT_EQ(alone->public_key(), pair.public_key());
        const std::string spaced = "\n " + std::string(base::as_text(text.expose())) + "\r\n";
        EXPECT_TRUE(parse_secret_key(base::as_bytes(spaced)));

        base::Bytes wrong(pair.expose_seed().begin(), pair.expose_seed().end());
        wrong.insert(wrong.end(), pair.public_key().bytes.begin(), pair.public_key().bytes.end());
        wrong[40] ^= 1U;
        const auto refused =
            parse_secret_key(base::as_bytes("ed25519:" + base::base58_encode(wrong)));
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code(), ErrorCode::InvalidArgument);
    }
}

TEST(NearKeysTest, OtherTextsAreNoSecretKeys) {
    for (const std::string& text :
         {std::string(), std::string("ed25519:"), typed("ed25519:", 31), typed("ed25519:", 33),
          typed("ed25519:", 63), typed("secp256k1:", 32), typed("", 64),
          "ed25519:" + std::string(88, 'z'), "ed25519:" + std::string(200, '1'),
          std::string("ed25519:0"), std::string(64, 'a')}) {
        EXPECT_FALSE(parse_secret_key(base::as_bytes(text))) << text;
    }
}

TEST(NearKeysTest, HashesAreBase58Of32Bytes) {
    const auto hash = BlockHash::parse("7SsJ6Dfp6FCmz62aB5bQCrUr5TEFJLcoBL9Ct3JGA59Q");
    ASSERT_TRUE(hash);
    EXPECT_EQ(hash->to_string(), "7SsJ6Dfp6FCmz62aB5bQCrUr5TEFJLcoBL9Ct3JGA59Q");
    for (const std::string& text :
         {std::string(), std::string(31, '1'), std::string(33, '1'), std::string("abc"),
          base::base58_encode(base::Bytes(33, 1)), base::base58_encode(base::Bytes(31, 1))}) {
        EXPECT_FALSE(BlockHash::parse(text)) << text;
    }
}

}  // namespace
}  // namespace adyton::near
