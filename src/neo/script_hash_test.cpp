#include "neo/script_hash.h"

#include <gtest/gtest.h>

namespace adyton::neo {
namespace {

constexpr std::string_view kText = "0xd2a4cff31913016155e38e474a2c06d08be276cf";
constexpr std::string_view kWireHex = "cf76e28bd0062c4a478ee35561011319f3cfa4d2";

TEST(ScriptHashTest, TextIsReversedAndTheWireIsNot) {
    const auto hash = ScriptHash::parse(kText);
    ASSERT_TRUE(hash);
    EXPECT_EQ(base::hex_encode(hash->wire()), kWireHex);
    EXPECT_EQ(hash->to_string(), kText);
    const auto wire = base::hex_decode(kWireHex);
    ASSERT_TRUE(wire);
    const auto same = ScriptHash::from_wire(*wire);
    ASSERT_TRUE(same);
    EXPECT_EQ(*same, *hash);
}

TEST(ScriptHashTest, ThePrefixIsOptionalAndDigitsComeInEitherCase) {
    const auto hash = ScriptHash::parse(kText);
    ASSERT_TRUE(hash);
    for (const std::string_view text :
         {"d2a4cff31913016155e38e474a2c06d08be276cf", "0xD2A4CFF31913016155E38E474A2C06D08BE276CF",
          "D2a4cff31913016155e38e474a2c06d08be276cF"}) {
        const auto other = ScriptHash::parse(text);
        ASSERT_TRUE(other) << text;
        EXPECT_EQ(*other, *hash);
    }
}

TEST(ScriptHashTest, OtherTextsAreRefused) {
    for (const std::string_view bad :
         {"", "0x", "0xd2a4cff31913016155e38e474a2c06d08be276c",
          "0xd2a4cff31913016155e38e474a2c06d08be276cf0",
          "0Xd2a4cff31913016155e38e474a2c06d08be276cf",
          "0x0xa4cff31913016155e38e474a2c06d08be276cf",
          "0xg2a4cff31913016155e38e474a2c06d08be276cf", " d2a4cff31913016155e38e474a2c06d08be276cf",
          "NepwUjd9GhqgNkrfXaxj9mmsFhFzGoFuWM"}) {
        EXPECT_FALSE(ScriptHash::parse(bad)) << bad;
    }
    EXPECT_FALSE(ScriptHash::from_wire(base::Bytes(19)));
    EXPECT_FALSE(ScriptHash::from_wire(base::Bytes(21)));
}

}  // namespace
}  // namespace adyton::neo
