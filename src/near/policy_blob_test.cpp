#include "near/policy_blob.h"

#include <gtest/gtest.h>

#include "crypto/test_bytes.h"

namespace adyton::near {
namespace {

KeyDeriver deriver(std::uint8_t fill) {
    return KeyDeriver(crypto::secret32(base::Bytes(32, fill)));
}

TEST(PolicyBlobTest, OpensForItsWalletAlone) {
    base::SeededRandom random(1);
    const auto key = policy_key(deriver(7), "wallet-1");
    const std::string text = R"({"rules":{"limits":{}}})";
    const auto blob = seal_policy(key.public_key(), base::as_bytes(text), random);
    EXPECT_EQ(blob.size(), text.size() + kPolicyBlobOverheadBytes);
    EXPECT_EQ(blob[0], 1);
    EXPECT_EQ(base::as_text(open_policy(key, blob).value()), text);
    EXPECT_NE(seal_policy(key.public_key(), base::as_bytes(text), random), blob);
    EXPECT_EQ(
        open_policy(policy_key(deriver(7), "wallet-2"), blob).error().code(),
        ErrorCode::CorruptData);
    EXPECT_EQ(
        open_policy(policy_key(deriver(8), "wallet-1"), blob).error().code(),
        ErrorCode::CorruptData);
}

TEST(PolicyBlobTest, EverySingleByteChangeIsRefused) {
    base::SeededRandom random(2);
    const auto key = policy_key(deriver(7), "wallet-1");
    const auto good = seal_policy(key.public_key(), base::as_bytes("{}"), random);
    for (std::size_t i = 0; i < good.size(); ++i) {
        auto bad = good;
        bad[i] ^= 4U;
        EXPECT_FALSE(open_policy(key, bad)) << i;
    }
    for (std::size_t size = 0; size < good.size(); ++size) {
        EXPECT_FALSE(open_policy(key, base::ByteView(good).first(size))) << size;
    }
    EXPECT_EQ(
        open_policy(key, base::Bytes(kPolicyBlobBytesMax + 1, 1)).error().code(),
        ErrorCode::InvalidArgument);
}

// Made with a program of its own (HMAC, X25519, HKDF and ChaCha20-Poly1305 of Python's
// `cryptography`), from the description of the format alone.
TEST(PolicyBlobTest, ReadsABlobThatAnotherProgramSealed) {
    const auto key = policy_key(deriver(0x42), "3f0c9a52-6b1e-4c55-9f4d-2f6a5b7c8d90");
    EXPECT_EQ(
        key.public_key().to_hex(),
        "77b915220bdf84bea8131514b853d62bec0ce44490d0c3a68143ecb5d2714179");
    const auto blob = crypto::from_hex(
        "018f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f6465666768696a6b6c6d6e"
        "6f6da09f9427ef35aa30e6fa681040fdaa75a39b924911c40ed2149041d5f30885");
    EXPECT_EQ(base::as_text(open_policy(key, blob).value()), R"({"frozen":false})");
}

}  // namespace
}  // namespace adyton::near
