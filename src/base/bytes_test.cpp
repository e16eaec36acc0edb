#include "base/bytes.h"

#include <gtest/gtest.h>

#include <array>

#include "base/base58.h"
#include "base/cut_text.h"
#include "base/json_array.h"
#include "base/random.h"

namespace adyton::base {
namespace {

TEST(HexTest, RoundTripsAndReadsBothCases) {
    EXPECT_EQ(hex_encode(Bytes{0x00, 0xab, 0xff}), "00abff");
    EXPECT_EQ(hex_decode("00ABff").value(), (Bytes{0x00, 0xab, 0xff}));
    EXPECT_TRUE(hex_decode("").value().empty());
}

TEST(HexTest, RefusesOddLengthAndForeignCharacters) {
    for (const char* bad : {"0", "0g", "0x00", " 00", "00 ", "0\n"}) {
        EXPECT_FALSE(hex_decode(bad)) << bad;
    }
}

// RFC 4648, section 10.
TEST(Base64Test, MatchesTheRfcVectors) {
    const std::pair<std::string_view, std::string_view> cases[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    for (const auto& [plain, encoded] : cases) {
        EXPECT_EQ(base64_encode(as_bytes(plain)), encoded);
        EXPECT_EQ(as_text(base64_decode(encoded).value()), plain);
    }
}

TEST(Base64Test, RefusesEveryTextWithASecondMeaning) {
    for (const char* bad :
         {"Zg", "Zg=", "Zg===", "Z", "Zm8", "=Zg=", "Zh==", "Zm9=", "Zg==Zg==", "Zm-_",
          "Zm 8=", "Zg=\x00="}) {
        EXPECT_FALSE(base64_decode(bad)) << bad;
    }
    EXPECT_EQ(as_text(base64_decode("Zm\r\n8=").value()), "fo");
}

TEST(Base64Test, RoundTripsSeededBytesOfEveryLength) {
    SeededRandom random(7);
    for (std::size_t length = 0; length < 300; ++length) {
        Bytes bytes(length);
        random.fill(bytes);
        EXPECT_EQ(base64_decode(base64_encode(bytes)).value(), bytes) << length;
        EXPECT_EQ(base58_decode(base58_encode(bytes), length).value(), bytes) << length;
    }
}

TEST(Base58Test, KeepsLeadingZerosAndRefusesAmbiguousLetters) {
    EXPECT_EQ(base58_encode(Bytes{0, 0, 1}), "112");
    EXPECT_EQ(base58_decode("112", 3).value(), (Bytes{0, 0, 1}));
    EXPECT_FALSE(base58_decode("112", 2));
    const Bytes ones(32, 0xff);
    EXPECT_EQ(base58_encode(ones), "JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWxFG");
    EXPECT_EQ(base58_decode("JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWxFG", 32).value(), ones);
    EXPECT_FALSE(base58_decode("JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWxFG", 31));
    EXPECT_FALSE(base58_decode("JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWxFH", 31));
    EXPECT_EQ(
        base58_decode("JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWxFH", 33).value().size(), 33U);
    EXPECT_FALSE(base58_decode(std::string(100'000, 'z'), 64));
    for (const char* bad : {"0", "O", "I", "l", "1 ", "+"}) {
        EXPECT_FALSE(base58_decode(bad, 32)) << bad;
    }
}

TEST(Utf8Test, AcceptsOnlyWellFormedText) {
    for (const char* good :
         {"", "abc", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"}) {
        EXPECT_TRUE(is_valid_utf8(good)) << good;
    }
    for (const char* bad :
         {"\x80", "\xc0\xaf", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
          "\xf8\x88\x80\x80\x80", "\xe2\x82"}) {
        EXPECT_FALSE(is_valid_utf8(bad));
    }
}

TEST(CutTextTest, EndsBehindAWholeCharacter) {
    const std::string_view text = "a\u00e9\u20acz";  // 1, 2, 3 and 1 bytes
    const std::array<std::size_t, 8> ends = {0, 1, 1, 3, 3, 3, 6, 7};
    for (std::size_t most = 0; most < ends.size(); ++most) {
        EXPECT_EQ(cut_text(text, most), text.substr(0, ends[most])) << most;
    }
    EXPECT_EQ(cut_text(text, 100), text);
}

TEST(JsonArrayTest, HoldsTextsInTheirOrder) {
    EXPECT_EQ(json_array(std::vector<std::string>{}), "[]");
    EXPECT_EQ(json_array(std::vector<std::string>{"b", "a\""}), R"(["b","a\""])");
}

}  // namespace
}  // namespace adyton::base
