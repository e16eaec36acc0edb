#include "crypto/secret_base58.h"

#include <gtest/gtest.h>

#include "base/base58.h"
#include "base/random.h"

namespace adyton::crypto {
namespace {

std::string text_of(const SecretBuffer& secret) {
    return std::string(base::as_text(secret.expose()));
}

TEST(SecretBase58Test, IsTheSameAsInOrdinaryMemory) {
    base::SeededRandom random(58);
    for (std::size_t size = 1; size <= 70; ++size) {
        for (int zeros = 0; zeros < 4; ++zeros) {
            base::Bytes bytes(size);
            random.fill(bytes);
            for (int i = 0; i < zeros && i < static_cast<int>(size); ++i) {
                bytes[static_cast<std::size_t>(i)] = 0;
            }
            const std::string expected = base::base58_encode(bytes);
            base::Bytes number = bytes;
            EXPECT_EQ(text_of(base58_encode_secret(number)), expected);
            EXPECT_EQ(number, base::Bytes(size, 0)) << "nothing is left";
            number = bytes;
            EXPECT_EQ(text_of(base58_encode_secret(number, "ed25519:")), "ed25519:" + expected);
            base::Bytes back(72);
            EXPECT_EQ(base58_decode_secret(base::as_bytes(expected), back).value(), size);
            EXPECT_EQ(
                base::Bytes(back.end() - static_cast<std::ptrdiff_t>(size), back.end()), bytes);
            EXPECT_EQ(back[0] | back[1], 0);
        }
    }
}

TEST(SecretBase58Test, WhatIsNoBase58OrTooLargeIsRefused) {
    base::Bytes out(4);
    for (const char* const text : {"0", "O", "I", "l", " 2", "2\n", "\xff"}) {
        EXPECT_FALSE(base58_decode_secret(base::as_bytes(std::string_view(text)), out)) << text;
    }
    const std::string largest = base::base58_encode(base::Bytes(4, 0xff));
    EXPECT_EQ(base58_decode_secret(base::as_bytes(largest), out).value(), 4U);
    EXPECT_FALSE(base58_decode_secret(base::as_bytes(largest + "1"), out));
    EXPECT_FALSE(
        base58_decode_secret(base::as_bytes(base::base58_encode(base::Bytes{1, 0, 0, 0, 0})), out));
    EXPECT_EQ(base58_decode_secret({}, out).value(), 0U);
    EXPECT_EQ(base58_decode_secret(base::as_bytes(std::string_view("11")), out).value(), 2U);
}

}  // namespace
}  // namespace adyton::crypto
