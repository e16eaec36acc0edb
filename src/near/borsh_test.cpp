#include "near/borsh.h"

#include <gtest/gtest.h>

#include "crypto/test_bytes.h"

namespace adyton::near {
namespace {

using crypto::from_hex;

TEST(BorshTest, WritesLittleEndianAndReadsItBack) {
    BorshWriter out;
    out.u8(0xfe).u16(0x0102).u32(0x01020304).u64(0x0102030405060708);
    out.u128(base::Amount::from_halves(1, 2)).string("h\u00e9").count(3).fixed(from_hex("aabb"));
    EXPECT_EQ(
        base::hex_encode(out.view()),
        "fe"
        "0201"
        "04030201"
        "0807060504030201"
        "02000000000000000100000000000000"
        "0300000068c3a9"
        "03000000"
        "aabb");
    BorshReader in(out.view());
    EXPECT_EQ(in.u8("a").value(), 0xfe);
    EXPECT_EQ(in.u16("a").value(), 0x0102);
    EXPECT_EQ(in.u32("a").value(), 0x01020304U);
    EXPECT_EQ(in.u64("a").value(), 0x0102030405060708U);
    EXPECT_EQ(in.u128("a").value(), base::Amount::from_halves(1, 2));
    EXPECT_EQ(in.string("a").value(), "h\u00e9");
    EXPECT_FALSE(in.finish());
    EXPECT_FALSE(in.count(1, "a"));  // three items of one byte do not fit into two bytes
}

TEST(BorshTest, ShortInputIsRefusedEverywhere) {
    const base::Bytes bytes(15);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        const auto cut = base::ByteView(bytes).first(size);
        EXPECT_EQ(BorshReader(cut).u8("a").has_value(), size >= 1);
        EXPECT_EQ(BorshReader(cut).u16("a").has_value(), size >= 2);
        EXPECT_EQ(BorshReader(cut).u32("a").has_value(), size >= 4);
        EXPECT_EQ(BorshReader(cut).u64("a").has_value(), size >= 8);
        EXPECT_FALSE(BorshReader(cut).u128("a"));
    }
}

TEST(BorshTest, ALengthIsNotBelievedBeforeItsBytesAreThere) {
    for (const char* hex :
         {"ffffffff", "ffffffff00", "0200000061", "00000080", "05000000aabbccdd"}) {
        const auto bytes = from_hex(hex);
        EXPECT_FALSE(BorshReader(bytes).bytes("a")) << hex;
        EXPECT_FALSE(BorshReader(bytes).string("a")) << hex;
        EXPECT_FALSE(BorshReader(bytes).count(8, "a")) << hex;
    }
}

TEST(BorshTest, TextIsUtf8AndOptionsAreZeroOrOne) {
    for (const char* hex : {"01000000ff", "02000000c080", "03000000eda080", "04000000f4908080"}) {
        EXPECT_FALSE(BorshReader(from_hex(hex)).string("a")) << hex;
    }
    EXPECT_EQ(BorshReader(from_hex("00")).option("a").value(), false);
    EXPECT_EQ(BorshReader(from_hex("01")).option("a").value(), true);
    for (int byte = 2; byte < 256; ++byte) {
        const base::Bytes one{static_cast<std::uint8_t>(byte)};
        EXPECT_FALSE(BorshReader(one).option("a")) << byte;
    }
}

}  // namespace
}  // namespace adyton::near
