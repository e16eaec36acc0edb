#include "near/account_id.h"

#include <gtest/gtest.h>

#include "crypto/test_bytes.h"

namespace adyton::near {
namespace {

TEST(AccountIdTest, ReadsEveryFormThatTheChainHas) {
    for (const char* const text :
         {"aa", "a0", "near", "bob.near", "a-b_c.d-e.near", "0o0ooo00oo00o", "app_1.alice.near",
          "0x0123456789abcdef0123456789abcdef01234567",
          "0s0123456789abcdef0123456789abcdef01234567",
          "98793cd91a3f870fb126f66285808c7e094afcfc4eda8a970f6648cdf0dbd6de"}) {
        const auto account = AccountId::parse(text);
        ASSERT_TRUE(account) << text;
        EXPECT_EQ(account->text(), text);
    }
    EXPECT_TRUE(AccountId::parse(std::string(64, 'a')));
}

TEST(AccountIdTest, RefusesEverythingElse) {
    for (const char* const text :
         {"",
          "a",
          "Bob.near",
          "bob near",
          "bob..near",
          ".near",
          "near.",
          "-near",
          "near-",
          "_ab",
          "ab_",
          "a--b",
          "a__b",
          "a-_b",
          "a.-b",
          "a-.b",
          "bob@near",
          "b\xc3\xb6"
          "b",
          "bob\n",
          "bob.near ",
          "bob/near",
          "$near"}) {
        const auto refused = AccountId::parse(text);
        ASSERT_FALSE(refused) << text;
        EXPECT_EQ(refused.error().code(), ErrorCode::InvalidArgument);
    }
    EXPECT_FALSE(AccountId::parse(std::string(65, 'a')));
    EXPECT_FALSE(AccountId::parse(std::string_view("a\0b", 3)));
}

TEST(AccountIdTest, OnlySixtyFourHexDigitsNameAKey) {
    crypto::Ed25519PublicKey key;
    for (std::size_t i = 0; i < key.bytes.size(); ++i) {
        key.bytes[i] = static_cast<std::uint8_t>(i * 9);
    }
    const auto implicit = AccountId::implicit(key);
    EXPECT_TRUE(implicit.is_implicit());
    EXPECT_EQ(implicit.implicit_key(), key);
    EXPECT_EQ(AccountId::parse(implicit.text()).value(), implicit);
    for (const std::string& text :
         {std::string("bob.near"), std::string(63, 'a'), std::string(64, 'g'),
          std::string("0x") + std::string(40, 'a'), std::string("0s") + std::string(40, 'a')}) {
        const auto account = AccountId::parse(text);
        ASSERT_TRUE(account) << text;
        EXPECT_FALSE(account->is_implicit()) << text;
        EXPECT_EQ(account->implicit_key(), std::nullopt) << text;
    }
}

}  // namespace
}  // namespace adyton::near
