#include "neo/master_key.h"

#include <gtest/gtest.h>

#include "crypto/test_bytes.h"

namespace adyton::neo {
namespace {

using crypto::from_hex;
using crypto::secret_bytes;
using crypto::secret_text;

constexpr std::string_view kAscii = "test-master-key-32-bytes-long!!!";
constexpr std::string_view kAsciiHash =
    "6fe1865e7fa3bef354f18772f7f3053875ccd44ff22b50d35f822196628fe74a";

std::string hash_of(Result<MasterKey> master) {
    return master ? master_public_key_hash(*master).to_hex() : "refused";
}

TEST(MasterKeyTest, ItsPublicKeyAgreesWithTheOriginal) {
    const auto master = MasterKey::create(secret_text(kAscii));
    ASSERT_TRUE(master);
    EXPECT_EQ(
        master_public_key(*master).to_hex(),
        "03847a275ba62fdde0b83d2d690d032067691281578cf52ae756127ed0e3ef79a4");
    EXPECT_EQ(master_public_key_hash(*master).to_hex(), kAsciiHash);
}

TEST(MasterKeyTest, ASeedBecomesTheSameKeyAsInTheOriginal) {
    const auto from_seed = [](crypto::SecretBuffer seed) {
        const auto master = MasterKey::from_seed(seed);
        return master ? base::hex_encode(master->expose()) : "refused";
    };
    EXPECT_EQ(
        from_seed(secret_bytes(base::Bytes(16, 4))),
        "27ae3735759a3ad544cc8ee4cb0d9444873bb4f1497114ed87b2b361dd2bf5d1");
    EXPECT_EQ(
        from_seed(secret_text("test-seed-that-is-long-enough!!!")),
        "c12323d207c0d47f8953ef8220c8548d902d4ecbc1ec2bd9bde354fe221671ed");
    EXPECT_EQ(from_seed(secret_bytes(base::Bytes(15, 4))), "refused");
    EXPECT_EQ(from_seed({}), "refused");
}

TEST(MasterKeyTest, TheEnvironmentRuleReadsHexAndText) {
    EXPECT_EQ(hash_of(MasterKey::parse_environment_text(secret_text(kAscii))), kAsciiHash);
    const std::string hex = base::hex_encode(base::as_bytes(kAscii));
    for (const std::string& text : {hex, "0x" + hex, " " + hex + "\n", "0X" + hex}) {
        EXPECT_EQ(hash_of(MasterKey::parse_environment_text(secret_text(text))), kAsciiHash)
            << text;
    }
}

TEST(MasterKeyTest, TheFileRuleReadsRawBytesAndMarkedHex) {
    EXPECT_EQ(hash_of(MasterKey::parse_file_content(secret_text(kAscii))), kAsciiHash);
    const std::string hex = base::hex_encode(base::as_bytes(kAscii));
    EXPECT_EQ(hash_of(MasterKey::parse_file_content(secret_text("hex:" + hex + "\n"))), kAsciiHash);
    const auto raw = MasterKey::parse_file_content(secret_text(hex));
    ASSERT_TRUE(raw);
    EXPECT_EQ(raw->expose().size(), 64U);
}

TEST(MasterKeyTest, ShortKeysAreRefusedEverywhere) {
    EXPECT_FALSE(MasterKey::create(secret_bytes(base::Bytes(31))));
    EXPECT_FALSE(MasterKey::create({}));
    EXPECT_FALSE(MasterKey::parse_environment_text(secret_text(std::string(62, 'a'))));
    EXPECT_FALSE(MasterKey::parse_environment_text(secret_text("0x" + std::string(62, '0'))));
    EXPECT_FALSE(MasterKey::parse_environment_text(secret_text("a short pass phrase")));
    EXPECT_FALSE(MasterKey::parse_file_content(secret_text("hex:" + std::string(62, '0'))));
    EXPECT_FALSE(MasterKey::parse_file_content(secret_text("0123456789")));
    EXPECT_FALSE(MasterKey::parse_file_content({}));
}

TEST(MasterKeyTest, LongKeysAreUsedWhole) {
    base::Bytes bytes(100, 1);
    const auto first = hash_of(MasterKey::create(secret_bytes(bytes)));
    bytes[99] = 2;
    EXPECT_NE(hash_of(MasterKey::create(secret_bytes(bytes))), first);
}

TEST(MasterKeyTest, APinnedHashComesRawOrAsHex) {
    const auto raw = from_hex(kAsciiHash);
    for (const std::string& text :
         {std::string(base::as_text(raw)), std::string(kAsciiHash),
          " " + std::string(kAsciiHash) + "\n"}) {
        const auto hash = parse_master_key_hash(base::as_bytes(text));
        ASSERT_TRUE(hash);
        EXPECT_EQ(hash->to_hex(), kAsciiHash);
    }
    for (const std::string& bad :
         {std::string(), std::string("  "), std::string(kAsciiHash).substr(2),
          "0x" + std::string(kAsciiHash), std::string(64, 'g'), std::string(31, 'a'),
          std::string(33, 'a')}) {
        EXPECT_FALSE(parse_master_key_hash(base::as_bytes(bad))) << bad;
    }
}

}  // namespace
}  // namespace adyton::neo
