#include "crypto/x25519.h"

#include <gtest/gtest.h>

#include "crypto/test_bytes.h"

namespace adyton::crypto {
namespace {

constexpr const char* kAlice = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
constexpr const char* kAlicePublic =
    "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
constexpr const char* kBob = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb";
constexpr const char* kBobPublic =
    "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f";
constexpr const char* kShared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";

TEST(X25519Test, AnswersTheVectorOfRfc7748) {
    const X25519KeyPair alice(secret32(from_hex(kAlice)));
    const X25519KeyPair bob(secret32(from_hex(kBob)));
    EXPECT_EQ(alice.public_key().to_hex(), kAlicePublic);
    EXPECT_EQ(bob.public_key().to_hex(), kBobPublic);
    EXPECT_EQ(base::hex_encode(alice.shared_secret(bob.public_key())->expose()), kShared);
    EXPECT_EQ(base::hex_encode(bob.shared_secret(alice.public_key())->expose()), kShared);
}

TEST(X25519Test, AnswersTheIteratedVectorOfRfc7748) {
    // k and u start as 9; after one round k is the first of the two published values, after 1,000
    // the second.
    auto k = from_hex("0900000000000000000000000000000000000000000000000000000000000000");
    auto u = k;
    for (int round = 1; round <= 1000; ++round) {
        const X25519KeyPair key(secret32(k));
        const auto shared = key.shared_secret(X25519PublicKey::parse(u).value());
        ASSERT_TRUE(shared);
        u = k;
        k = base::Bytes(shared->expose().begin(), shared->expose().end());
        if (round == 1) {
            EXPECT_EQ(
                base::hex_encode(k),
                "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
        }
    }
    EXPECT_EQ(
        base::hex_encode(k), "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
}

TEST(X25519Test, PointsOfSmallOrderAreRefused) {
    const X25519KeyPair alice(secret32(from_hex(kAlice)));
    for (const char* point :
         {"0000000000000000000000000000000000000000000000000000000000000000",
          "0100000000000000000000000000000000000000000000000000000000000000",
          "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
          "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"}) {
        const auto shared = alice.shared_secret(X25519PublicKey::parse(from_hex(point)).value());
        ASSERT_FALSE(shared) << point;
        EXPECT_EQ(shared.error().code(), ErrorCode::InvalidArgument);
    }
}

TEST(X25519Test, AKeyHas32Bytes) {
    EXPECT_FALSE(X25519PublicKey::parse(base::Bytes(31)));
    EXPECT_FALSE(X25519PublicKey::parse(base::Bytes(33)));
}

}  // namespace
}  // namespace adyton::crypto
