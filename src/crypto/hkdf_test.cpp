#include "crypto/hkdf.h"

#include <gtest/gtest.h>

#include "crypto/test_bytes.h"

namespace adyton::crypto {
namespace {

base::Bytes sequence(std::uint8_t first, std::size_t count) {
    base::Bytes out(count);
    for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<std::uint8_t>(first + i);
    return out;
}

std::string hkdf_hex(
    const base::Bytes& material, const base::Bytes& salt, const base::Bytes& info,
    std::size_t size) {
    base::Bytes out(size);
    hkdf_sha256(material, salt, info, out);
    return base::hex_encode(out);
}

TEST(HkdfTest, AnswersTheVectorsOfRfc5869) {
    EXPECT_EQ(
        hkdf_hex(base::Bytes(22, 0x0b), sequence(0, 13), sequence(0xf0, 10), 42),
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    EXPECT_EQ(
        hkdf_hex(sequence(0x00, 80), sequence(0x60, 80), sequence(0xb0, 80), 82),
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c6"
        "5e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87");
    EXPECT_EQ(
        hkdf_hex(base::Bytes(22, 0x0b), {}, {}, 42),
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

TEST(HkdfTest, AnEmptySaltEqualsThirtyTwoZeros) {
    EXPECT_EQ(hkdf_hex({1, 2, 3}, {}, {4}, 32), hkdf_hex({1, 2, 3}, base::Bytes(32), {4}, 32));
}

TEST(HkdfTest, SaltAndInfoAreNotInterchangeable) {
    EXPECT_NE(hkdf_hex({1}, {2}, {3}, 32), hkdf_hex({1}, {3}, {2}, 32));
}

TEST(HkdfTest, TheLongestOutputIsFilledAndLongerIsABug) {
    const auto longest = hkdf_hex({1}, {2}, {3}, kHkdfOutputBytesMax);
    EXPECT_EQ(longest.size(), 2 * kHkdfOutputBytesMax);
    EXPECT_EQ(longest.substr(0, 64), hkdf_hex({1}, {2}, {3}, 32));
    base::Bytes too_long(kHkdfOutputBytesMax + 1);
    EXPECT_DEATH(hkdf_sha256({}, {}, {}, too_long), "");
}

}  // namespace
}  // namespace adyton::crypto
