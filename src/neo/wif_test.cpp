#include "neo/wif.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "crypto/test_bytes.h"
#include "neo/base58check.h"

namespace adyton::neo {
namespace {

using base::as_bytes;
using crypto::from_hex;
using crypto::secret32;

constexpr std::string_view kWif = "KzRKtJp7shLPiiKRZHcHRHwT6Eob5tToFxs5FRFWQ4qv8ZpwQBgb";
constexpr std::string_view kScalar =
    "5f7cd73ebb0918a8e84e8285a0ab8a7e3a40ee0127c0d373637244731c0b9741";

TEST(WifTest, DecodesAndEncodesTheSameText) {
    const auto key = decode_wif(as_bytes(kWif));
    ASSERT_TRUE(key);
    EXPECT_EQ(base::hex_encode(key->expose_scalar()), kScalar);
    EXPECT_EQ(base::as_text(encode_wif(*key).expose()), kWif);
}

TEST(WifTest, RandomKeysGoRoundAndAgreeWithBase58Check) {
    base::SeededRandom random(128);
    for (int i = 0; i < 200; ++i) {
        base::Bytes scalar(32);
        random.fill(scalar);
        if (i % 4 == 0) std::fill_n(scalar.begin(), i / 8, std::uint8_t{0});
        scalar[31] |= 1;
        auto key = crypto::P256PrivateKey::from_scalar(secret32(scalar));
        if (!key) continue;
        base::Bytes payload = {0x80};
        payload.insert(payload.end(), scalar.begin(), scalar.end());
        payload.push_back(0x01);
        const auto text = encode_wif(*key);
        EXPECT_EQ(base::as_text(text.expose()), base58check_encode(payload));
        const auto again = decode_wif(text.expose());
        ASSERT_TRUE(again);
        EXPECT_EQ(base::hex_encode(again->expose_scalar()), base::hex_encode(key->expose_scalar()));
    }
}

TEST(WifTest, EverySingleCharacterChangeIsRefused) {
    for (std::size_t i = 0; i < kWif.size(); ++i) {
        std::string bad(kWif);
        bad[i] = bad[i] == '2' ? '3' : '2';
        EXPECT_FALSE(decode_wif(as_bytes(bad))) << i;
        bad[i] = '0';
        EXPECT_FALSE(decode_wif(as_bytes(bad))) << i;
    }
}

TEST(WifTest, OtherLengthsAndOverflowAreRefused) {
    for (const std::string& bad :
         {std::string(), std::string(kWif) + " ", std::string(kWif).substr(1), std::string(52, 'z'),
          std::string(52, '1'), std::string(5000, 'K')}) {
        const auto key = decode_wif(as_bytes(bad));
        ASSERT_FALSE(key) << bad;
        EXPECT_EQ(key.error().code(), ErrorCode::InvalidArgument);
    }
}

class EncryptedWifTest : public testing::Test {
protected:
    std::string seal(std::string_view text, base::ByteView associated = {}) const {
        crypto::AesGcmNonce nonce;
        nonce.bytes.fill(7);
        return base::base64_encode(crypto::aes_gcm_seal(key_, nonce, as_bytes(text), associated));
    }

    const crypto::AesKey key_ = secret32(base::Bytes(32, 0x2a));
};

TEST_F(EncryptedWifTest, Opens) {
    const auto key = open_encrypted_wif(key_, seal(kWif));
    ASSERT_TRUE(key);
    EXPECT_EQ(base::hex_encode(key->expose_scalar()), kScalar);
}

TEST_F(EncryptedWifTest, AnotherKeyIsCorruptDataAndNeverAnotherAccount) {
    const auto key = open_encrypted_wif(secret32(base::Bytes(32, 0x2b)), seal(kWif));
    ASSERT_FALSE(key);
    EXPECT_EQ(key.error().code(), ErrorCode::CorruptData);
    EXPECT_FALSE(open_encrypted_wif(key_, seal(kWif, as_bytes("associated"))));
}

TEST_F(EncryptedWifTest, WhatIsNotAWifInsideIsRefused) {
    EXPECT_FALSE(open_encrypted_wif(key_, seal("")));
    EXPECT_FALSE(open_encrypted_wif(key_, seal("not a WIF")));
    EXPECT_FALSE(open_encrypted_wif(key_, seal(std::string(kWif) + "\n")));
}

TEST_F(EncryptedWifTest, WhatIsNotSealedBase64IsRefused) {
    const std::string good = seal(kWif);
    EXPECT_FALSE(open_encrypted_wif(key_, ""));
    EXPECT_FALSE(open_encrypted_wif(key_, "AAAA"));
    EXPECT_FALSE(open_encrypted_wif(key_, good.substr(0, good.size() - 1)));
    EXPECT_FALSE(open_encrypted_wif(key_, good.substr(4)));
    EXPECT_FALSE(open_encrypted_wif(key_, std::string(4096, 'A')));
}

}  // namespace
}  // namespace adyton::neo
