#include "keystore/token_auth.h"

#include <gtest/gtest.h>

#include "keystore/wallet_id.h"

namespace adyton::keystore {
namespace {

TEST(TokenHashesTest, AreAListOfDigests) {
    const std::string one(64, 'a');
    const std::string two(64, 'B');
    EXPECT_TRUE(parse_token_hashes("").value().empty());
    EXPECT_TRUE(parse_token_hashes("  ").value().empty());
    EXPECT_EQ(parse_token_hashes(one).value().size(), 1U);
    EXPECT_EQ(parse_token_hashes(one + ", " + two).value().size(), 2U);
    for (const std::string& bad :
         {std::string("x"), one + ",", "," + one, one + one, one + ";" + two, one.substr(1),
          "g" + one.substr(1)}) {
        EXPECT_FALSE(parse_token_hashes(bad)) << bad;
    }
    std::string many = one;
    for (int i = 0; i < 64; ++i) many += "," + one;
    EXPECT_FALSE(parse_token_hashes(many));
}

TEST(TokenHashesTest, OneTokenIsNotBoth) {
    const auto hash = token_hash("a-token-of-the-test").value();
    EXPECT_FALSE(TokenResolver::create({{hash}, {hash}}, attest::IdentityMode::Strict));
    EXPECT_FALSE(TokenResolver::create({{hash, hash}, {}}, attest::IdentityMode::Strict));
    EXPECT_FALSE(TokenResolver::create({{}, {}}, attest::IdentityMode::Strict));
    EXPECT_TRUE(TokenResolver::create({{hash}, {}}, attest::IdentityMode::Strict));
}

TEST(TokenHashesTest, TokensAreLongAndVisible) {
    EXPECT_FALSE(token_hash("short"));
    EXPECT_FALSE(token_hash("a token with blanks in it"));
    EXPECT_FALSE(token_hash(std::string(1025, 'a')));
    EXPECT_TRUE(token_hash(std::string(1024, 'a')));
}

TEST(WalletIdTest, HoldsNothingThatCouldMakeTwoNamesOne) {
    for (const char* good : {"w", "3f0c9a52-6b1e-4c55-9f4d-2f6a5b7c8d90", "A.b_c@d-9"}) {
        EXPECT_TRUE(check_wallet_id(good)) << good;
    }
    for (const std::string& bad :
         {std::string(), std::string("a:b"), std::string("a b"), std::string("a/b"),
          std::string("ä"), std::string("a\0b", 3), std::string(129, 'a')}) {
        EXPECT_FALSE(check_wallet_id(bad)) << bad;
    }
}

}  // namespace
}  // namespace adyton::keystore
