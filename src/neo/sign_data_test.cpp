#include "neo/sign_data.h"

#include <gtest/gtest.h>

namespace adyton::neo {
namespace {

base::Bytes counting() {
    base::Bytes out(32);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::uint8_t>(i);
    return out;
}

TEST(SignDataTest, AgreesWithTheOriginal) {
    const auto hash = TransactionHash::from_wire(counting());
    ASSERT_TRUE(hash);
    EXPECT_EQ(
        sign_data_digest(NetworkMagic::TestNet, *hash).to_hex(),
        "6eaf184a673070d536005a6646a125e88148cd5497658c87b1da401117be23d1");
}

TEST(SignDataTest, TheNetworkChangesTheDigest) {
    const auto hash = TransactionHash::from_wire(counting());
    ASSERT_TRUE(hash);
    EXPECT_NE(
        sign_data_digest(NetworkMagic::TestNet, *hash),
        sign_data_digest(NetworkMagic::MainNet, *hash));
    EXPECT_NE(
        sign_data_digest(NetworkMagic{1}, *hash), sign_data_digest(NetworkMagic{0x1000000}, *hash));
}

TEST(SignDataTest, TheTextOfAHashIsReversed) {
    constexpr std::string_view kText =
        "0x1f1e1d1c1b1a191817161514131211100f0e0d0c0b0a09080706050403020100";
    const auto hash = TransactionHash::parse(kText);
    ASSERT_TRUE(hash);
    EXPECT_EQ(base::Bytes(hash->wire().begin(), hash->wire().end()), counting());
    EXPECT_EQ(hash->to_string(), kText);
    const auto without_prefix = TransactionHash::parse(kText.substr(2));
    ASSERT_TRUE(without_prefix);
    EXPECT_EQ(*without_prefix, *hash);
}

TEST(SignDataTest, OtherTextsAndLengthsAreRefused) {
    for (const std::string_view bad :
         {"", "0x", "0x00", "0x1f1e1d1c1b1a191817161514131211100f0e0d0c0b0a0908070605040302010",
          "0x1f1e1d1c1b1a191817161514131211100f0e0d0c0b0a0908070605040302010g"}) {
        EXPECT_FALSE(TransactionHash::parse(bad)) << bad;
    }
    EXPECT_FALSE(TransactionHash::from_wire(base::Bytes(31)));
    EXPECT_FALSE(TransactionHash::from_wire(base::Bytes(33)));
}

}  // namespace
}  // namespace adyton::neo
