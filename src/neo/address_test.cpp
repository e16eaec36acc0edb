#include "neo/address.h"

#include <gtest/gtest.h>

#include "base/base58.h"
#include "base/random.h"
#include "neo/base58check.h"

namespace adyton::neo {
namespace {

constexpr std::string_view kGasToken = "NepwUjd9GhqgNkrfXaxj9mmsFhFzGoFuWM";

TEST(AddressTest, ParsesAndPrintsTheSameText) {
    const auto address = Address::parse(kGasToken);
    ASSERT_TRUE(address);
    EXPECT_EQ(address->to_string(), kGasToken);
    EXPECT_EQ(address->script_hash().to_string(), "0xd2a4cff31913016155e38e474a2c06d08be276cf");
}

TEST(AddressTest, EverySingleCharacterChangeIsRejected) {
    for (std::size_t i = 0; i < kGasToken.size(); ++i) {
        std::string bad(kGasToken);
        bad[i] = bad[i] == 'x' ? 'y' : 'x';
        EXPECT_FALSE(Address::parse(bad)) << i;
    }
}

TEST(AddressTest, EveryScriptHashGoesRound) {
    base::SeededRandom random(53);
    for (int i = 0; i < 500; ++i) {
        base::Bytes bytes(ScriptHash::kSize);
        random.fill(bytes);
        if (i < 40)
            std::fill_n(bytes.begin(), i % 21, i < 21 ? std::uint8_t{0} : std::uint8_t{255});
        const auto hash = ScriptHash::from_wire(bytes);
        ASSERT_TRUE(hash);
        const std::string text = Address(*hash).to_string();
        EXPECT_EQ(text.size(), Address::kTextLength);
        EXPECT_EQ(text[0], 'N');
        const auto parsed = Address::parse(text);
        ASSERT_TRUE(parsed) << text;
        EXPECT_EQ(parsed->script_hash(), *hash);
    }
}

TEST(AddressTest, AWrongVersionIsRejectedThoughTheChecksumIsRight) {
    base::Bytes payload(21);
    int of_right_length = 0;
    for (int version = 0; version < 256; ++version) {
        payload[0] = static_cast<std::uint8_t>(version);
        const std::string text = base58check_encode(payload);
        of_right_length += text.size() == Address::kTextLength ? 1 : 0;
        EXPECT_EQ(Address::parse(text).has_value(), version == Address::kVersion) << version;
    }
    EXPECT_GT(of_right_length, 100);
}

TEST(AddressTest, SpacesPrefixesAndOtherLengthsAreRejected) {
    const std::string good(kGasToken);
    for (const std::string& bad :
         {std::string(), good + " ", " " + good, good + "1", "1" + good, good.substr(1),
          good.substr(0, 33), std::string(34, '1'), std::string(34, 'z'), std::string(1000, 'N'),
          good.substr(0, 33) + '\0', std::string("0xd2a4cff31913016155e38e474a2c06d08be276cf")}) {
        const auto address = Address::parse(bad);
        ASSERT_FALSE(address) << bad;
        EXPECT_EQ(address.error().code(), ErrorCode::InvalidArgument);
    }
}

TEST(Base58CheckTest, ChecksTheLengthBeforeTheChecksum) {
    const base::Bytes payload = {1, 2, 3};
    const std::string text = base58check_encode(payload);
    const auto good = base58check_decode(text, 3);
    ASSERT_TRUE(good);
    EXPECT_EQ(*good, payload);
    EXPECT_FALSE(base58check_decode(text, 2));
    EXPECT_FALSE(base58check_decode(text, 4));
    EXPECT_FALSE(base58check_decode("", 3));
    EXPECT_FALSE(base58check_decode(base::base58_encode(base::Bytes{1, 2, 3, 0, 0, 0, 0}), 3));
}

}  // namespace
}  // namespace adyton::neo
