#include "neo/token.h"

#include <gtest/gtest.h>

#include "neo/address.h"

namespace adyton::neo {
namespace {

TEST(TokenTest, GasAndNeoAreTheNativeContracts) {
    EXPECT_EQ(gas_token().contract.to_string(), kGasScriptHashText);
    EXPECT_EQ(gas_token().decimals, 8);
    EXPECT_EQ(Address(gas_token().contract).to_string(), "NepwUjd9GhqgNkrfXaxj9mmsFhFzGoFuWM");
    EXPECT_EQ(neo_token().contract.to_string(), kNeoScriptHashText);
    EXPECT_EQ(neo_token().decimals, 0);
    EXPECT_EQ(Address(neo_token().contract).to_string(), "NiHURyS83nX2mpxtA7xq84cGxVbHojj5Wc");
    EXPECT_EQ(well_known_tokens().size(), 2U);
}

TEST(TokenTest, IsFoundBySymbolOrContract) {
    for (const std::string_view text :
         {"GAS", "gas", "Gas", "0xd2a4cff31913016155e38e474a2c06d08be276cf",
          "d2a4cff31913016155e38e474a2c06d08be276cf",
          "0xD2A4CFF31913016155E38E474A2C06D08BE276CF"}) {
        const auto token = find_well_known_token(text);
        ASSERT_TRUE(token) << text;
        EXPECT_EQ(token->symbol, "GAS");
    }
    const auto neo = find_well_known_token("neo");
    ASSERT_TRUE(neo);
    EXPECT_EQ(neo->symbol, "NEO");
}

TEST(TokenTest, OthersAreNotFound) {
    for (const std::string_view text :
         {"", "GA", "GASS", " GAS", "USDT", "0xcf76e28bd0062c4a478ee35561011319f3cfa4d2"}) {
        const auto token = find_well_known_token(text);
        ASSERT_FALSE(token) << text;
        EXPECT_EQ(token.error().code(), ErrorCode::NotFound);
    }
}

}  // namespace
}  // namespace adyton::neo
