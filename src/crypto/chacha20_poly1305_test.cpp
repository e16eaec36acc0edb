#include "crypto/chacha20_poly1305.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "crypto/test_bytes.h"

namespace adyton::crypto {
namespace {

// RFC 8439, 2.8.2.
constexpr const char* kKey = "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f";
constexpr const char* kNonce = "070000004041424344454647";
constexpr const char* kAssociated = "50515253c0c1c2c3c4c5c6c7";
constexpr const char* kText =
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
    "sunscreen would be it.";
constexpr const char* kCiphertext =
    "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92"
    "728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b"
    "4831d7bc3ff4def08e4b7a9de576d26586cec64b6116";
constexpr const char* kTag = "1ae10b594f09e26a7e902ecbd0600691";

base::Bytes sealed_vector() {
    return from_hex(std::string(kNonce) + kCiphertext + kTag);
}

TEST(ChaCha20Poly1305Test, AnswersTheVectorOfRfc8439) {
    ChaChaNonce nonce;
    const auto nonce_bytes = from_hex(kNonce);
    std::copy(nonce_bytes.begin(), nonce_bytes.end(), nonce.bytes.begin());
    const auto key = secret32(from_hex(kKey));
    const auto sealed =
        chacha20_poly1305_seal(key, nonce, base::as_bytes(kText), from_hex(kAssociated));
    EXPECT_EQ(sealed, sealed_vector());
    const auto opened = chacha20_poly1305_open(key, sealed, from_hex(kAssociated));
    ASSERT_TRUE(opened);
    EXPECT_EQ(base::as_text(*opened), kText);
}

TEST(ChaCha20Poly1305Test, EverySingleByteChangeIsRefused) {
    const auto key = secret32(from_hex(kKey));
    const auto good = sealed_vector();
    for (std::size_t i = 0; i < good.size(); ++i) {
        auto bad = good;
        bad[i] ^= 1U;
        const auto opened = chacha20_poly1305_open(key, bad, from_hex(kAssociated));
        ASSERT_FALSE(opened) << i;
        EXPECT_EQ(opened.error().code(), ErrorCode::CorruptData);
    }
    EXPECT_FALSE(chacha20_poly1305_open(key, good, {}));
    EXPECT_FALSE(chacha20_poly1305_open(secret32(base::Bytes(32)), good, from_hex(kAssociated)));
}

TEST(ChaCha20Poly1305Test, NothingSealsAndShortInputIsRefused) {
    base::SeededRandom random(1);
    const auto key = secret32(from_hex(kKey));
    const auto sealed = chacha20_poly1305_seal(key, ChaChaNonce::random(random), {}, {});
    EXPECT_EQ(sealed.size(), kChaChaOverheadBytes);
    EXPECT_TRUE(chacha20_poly1305_open(key, sealed, {}).value().empty());
    for (std::size_t size = 0; size < kChaChaOverheadBytes; ++size) {
        EXPECT_FALSE(chacha20_poly1305_open(key, base::ByteView(sealed).first(size), {}));
    }
}

}  // namespace
}  // namespace adyton::crypto
