#include "crypto/aes_gcm.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "crypto/test_bytes.h"

namespace adyton::crypto {
namespace {

AesGcmNonce nonce_of(std::string_view hex) {
    AesGcmNonce out;
    const auto bytes = from_hex(hex);
    std::copy(bytes.begin(), bytes.end(), out.bytes.begin());
    return out;
}

struct Vector {
    std::string_view key, nonce, plaintext, associated, ciphertext_and_tag;
};

// McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 13, 14 and 16.
constexpr Vector kVectors[] = {
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000",
     "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000",
     "00000000000000000000000000000000", "",
     "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
    {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e24"
     "49a6b525b16aedf5aa0de657ba637b39",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b10"
     "56828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"}};

TEST(AesGcmTest, AnswersThePublishedVectorsBothWays) {
    for (const Vector& vector : kVectors) {
        const AesKey key = secret32(from_hex(vector.key));
        const auto plaintext = from_hex(vector.plaintext);
        const auto associated = from_hex(vector.associated);
        const auto sealed = aes_gcm_seal(key, nonce_of(vector.nonce), plaintext, associated);
        EXPECT_EQ(
            base::hex_encode(sealed),
            std::string(vector.nonce) + std::string(vector.ciphertext_and_tag));
        const auto opened = aes_gcm_open(key, sealed, associated);
        ASSERT_TRUE(opened);
        EXPECT_EQ(*opened, plaintext);
    }
}

TEST(AesGcmTest, OpensWhatTheOriginalSealed) {
    const AesKey key =
        secret32(from_hex("aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899"));
    const auto sealed =
        base::base64_decode("AAECAwQFBgcICQoLlptuww/je3+GBOn9J8HimyubFwgHT0U5hK/F8Q==");
    ASSERT_TRUE(sealed);
    const auto opened = aes_gcm_open_secret(key, *sealed, {});
    ASSERT_TRUE(opened);
    EXPECT_EQ(base::as_text(opened->expose()), "super-secret");
}

TEST(AesGcmTest, EveryChangedByteIsRefused) {
    base::SeededRandom random(11);
    const AesKey key = secret32(base::Bytes(32, 5));
    const auto associated = base::as_bytes("account 7");
    const auto sealed =
        aes_gcm_seal(key, AesGcmNonce::random(random), base::as_bytes("plaintext"), associated);
    ASSERT_TRUE(aes_gcm_open(key, sealed, associated));
    for (std::size_t i = 0; i < sealed.size(); ++i) {
        auto changed = sealed;
        changed[i] ^= 0x40;
        const auto opened = aes_gcm_open(key, changed, associated);
        ASSERT_FALSE(opened) << i;
        EXPECT_EQ(opened.error().code(), ErrorCode::CorruptData);
    }
}

TEST(AesGcmTest, AnotherKeyOrOtherAssociatedDataIsRefused) {
    base::SeededRandom random(12);
    const AesKey key = secret32(base::Bytes(32, 5));
    const auto sealed = aes_gcm_seal(
        key, AesGcmNonce::random(random), base::as_bytes("plaintext"), base::as_bytes("a"));
    EXPECT_FALSE(aes_gcm_open(secret32(base::Bytes(32, 6)), sealed, base::as_bytes("a")));
    EXPECT_FALSE(aes_gcm_open(key, sealed, base::as_bytes("b")));
    EXPECT_FALSE(aes_gcm_open(key, sealed, {}));
    EXPECT_FALSE(aes_gcm_open_secret(key, sealed, {}));
}

TEST(AesGcmTest, TooShortInputIsRefused) {
    const AesKey key = secret32(base::Bytes(32, 5));
    for (std::size_t size = 0; size < kAesGcmOverheadBytes; ++size) {
        EXPECT_FALSE(aes_gcm_open(key, base::Bytes(size), {})) << size;
    }
}

TEST(AesGcmTest, ASecretLargerThanABufferIsRefused) {
    base::SeededRandom random(13);
    const AesKey key = secret32(base::Bytes(32, 5));
    const auto seal = [&](std::size_t size) {
        return aes_gcm_seal(key, AesGcmNonce::random(random), base::Bytes(size), {});
    };
    EXPECT_TRUE(aes_gcm_open_secret(key, seal(SecretBuffer::kSizeMax), {}));
    const auto opened = aes_gcm_open_secret(key, seal(SecretBuffer::kSizeMax + 1), {});
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), ErrorCode::TooLarge);
}

}  // namespace
}  // namespace adyton::crypto
