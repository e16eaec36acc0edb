#include "attest/service_id.h"

#include <gtest/gtest.h>

namespace adyton::attest {
namespace {

TEST(ServiceIdTest, LettersDigitsAndHyphensOfUpTo64BytesAreAccepted) {
    for (const std::string& text :
         {std::string("neoaccounts"), std::string("tx-proxy"), std::string("0"), std::string("-"),
          std::string(64, 'a')}) {
        const auto id = ServiceId::parse(text);
        ASSERT_TRUE(id) << text;
        EXPECT_EQ(id->text(), text);
    }
}

TEST(ServiceIdTest, EverythingElseIsRefused) {
    for (const std::string& text :
         {std::string(), std::string(65, 'a'), std::string("Gateway"), std::string("a b"),
          std::string("a."), std::string("a_b"), std::string("a\n"), std::string("a\0", 2),
          std::string("\xC3\xA4"), std::string(" a"), std::string("a/b")}) {
        const auto id = ServiceId::parse(text);
        ASSERT_FALSE(id) << text;
        EXPECT_EQ(id.error().code(), ErrorCode::InvalidArgument);
    }
}

TEST(ServiceIdTest, EveryByteOutsideTheAlphabetIsRefused) {
    for (int byte = 0; byte < 256; ++byte) {
        const char c = static_cast<char>(byte);
        const bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
        EXPECT_EQ(ServiceId::parse(std::string("a") + c).has_value(), good) << byte;
    }
}

}  // namespace
}  // namespace adyton::attest
