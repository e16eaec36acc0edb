#include "crypto/secret_text.h"

#include <gtest/gtest.h>

#include "crypto/test_bytes.h"

namespace adyton::crypto {
namespace {

std::string environment_hex(std::string_view text) {
    const auto bytes = environment_secret_bytes(secret_text(text));
    return bytes ? base::hex_encode(bytes->expose()) : "refused";
}

std::string file_hex(std::string_view content) {
    const auto bytes = file_secret_bytes(secret_text(content));
    return bytes ? base::hex_encode(bytes->expose()) : "refused";
}

std::string raw(std::string_view text) {
    return base::hex_encode(base::as_bytes(text));
}

TEST(SecretTextTest, EnvironmentHexIsDecoded) {
    EXPECT_EQ(environment_hex("00ff10AB"), "00ff10ab");
    EXPECT_EQ(environment_hex("0x00ff"), "00ff");
    EXPECT_EQ(environment_hex("0X00ff"), "00ff");
    EXPECT_EQ(environment_hex(" \t00ff\r\n"), "00ff");
    EXPECT_EQ(environment_hex(" 0x00ff\n"), "00ff");
}

TEST(SecretTextTest, EnvironmentTextThatIsNotHexStaysAsItIs) {
    for (const std::string_view text :
         {"00f", "0x", "00fg", "0x0", "pass phrase", " padded text ", "0x00ff zz", "00 ff"}) {
        EXPECT_EQ(environment_hex(text), raw(text)) << text;
    }
}

TEST(SecretTextTest, AnEmptyEnvironmentSecretIsAbsent) {
    for (const std::string_view text : {"", " ", "\n\t "}) {
        const auto bytes = environment_secret_bytes(secret_text(text));
        ASSERT_FALSE(bytes);
        EXPECT_EQ(bytes.error().code(), ErrorCode::NotFound);
    }
}

TEST(SecretTextTest, FileContentIsRawUnlessItSaysHex) {
    EXPECT_EQ(file_hex("00ff"), raw("00ff"));
    EXPECT_EQ(file_hex("0x00ff"), raw("0x00ff"));
    EXPECT_EQ(file_hex("raw\n"), raw("raw\n"));
    EXPECT_EQ(file_hex(std::string_view("\0\1", 2)), "0001");
    EXPECT_EQ(file_hex("hex:00fF"), "00ff");
    EXPECT_EQ(file_hex("hex: 00ff\n"), "00ff");
    EXPECT_EQ(file_hex("HEX:00ff"), raw("HEX:00ff"));
}

TEST(SecretTextTest, AFileThatSaysHexMustBeHex) {
    for (const std::string_view content : {"hex:", "hex: \n", "hex:0", "hex:0g", "hex:0x00"}) {
        const auto bytes = file_secret_bytes(secret_text(content));
        ASSERT_FALSE(bytes) << content;
        EXPECT_EQ(bytes.error().code(), ErrorCode::InvalidArgument);
    }
    EXPECT_FALSE(file_secret_bytes(SecretBuffer()));
}

TEST(SecretTextTest, EveryByteIsJudgedAsAHexDigitCorrectly) {
    for (int c = 0; c < 256; ++c) {
        const base::Bytes text = {static_cast<std::uint8_t>(c), '0'};
        const auto expected = base::hex_decode(base::as_text(text));
        const auto decoded = decode_secret_hex(text);
        ASSERT_EQ(decoded.has_value(), expected.has_value()) << c;
        if (decoded) {
            EXPECT_EQ(decoded->expose()[0], (*expected)[0]) << c;
        }
    }
}

}  // namespace
}  // namespace adyton::crypto
