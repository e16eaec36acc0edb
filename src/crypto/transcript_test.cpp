#include "crypto/transcript.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "base/bytes.h"

namespace adyton::crypto {
namespace {

std::string hex(const Transcript& transcript) {
    return base::hex_encode(transcript.bytes());
}

// The lines "name hex" of tests/golden/audit/transcripts.txt, written by make_golden.py there.
std::string golden(const std::string& name) {
    std::ifstream in("tests/golden/audit/transcripts.txt");
    std::string line;
    while (std::getline(in, line)) {
        std::istringstream words(line);
        std::string first;
        std::string second;
        words >> first >> second;
        if (first == name) return second;
    }
    return "not in the golden file";
}

TEST(TranscriptTest, AnEmptyOneIsTheDomainAndAZeroCount) {
    EXPECT_EQ(
        hex(Transcript("receipt")),
        base::hex_encode(base::as_bytes("adyton/receipt/v1")) + "00" + "0000");
}

TEST(TranscriptTest, FieldsAreTagLengthAndBytes) {
    Transcript transcript("x");
    transcript.add(1, std::string_view("ab")).add(9, std::string_view()).add_u64(255, 0x0102030405);
    EXPECT_EQ(
        hex(transcript), base::hex_encode(base::as_bytes("adyton/x/v1")) + "00" + "0003" + "01" +
                             "00000002" + "6162" + "09" + "00000000" + "ff" + "00000008" +
                             "0000000102030405");
}

TEST(TranscriptTest, TheGoldenFileIsMet) {
    Transcript attest("attest");
    attest.add(1, std::string_view("neoaccounts")).add(2, std::string_view("pool-master"));
    attest.add(3, base::as_bytes(std::string(33, '\x02'))).add(7, std::string_view());
    attest.add_u64(8, 1763672000);
    EXPECT_EQ(hex(attest), golden("attest"));
    EXPECT_EQ(attest.sha256().to_hex(), golden("attest.sha256"));
    EXPECT_EQ(base::hex_encode(attest.sha512().view()), golden("attest.sha512"));

    Transcript large("audit-record");
    large.add(6, std::string(70000, 'a'));
    EXPECT_EQ(large.sha256().to_hex(), golden("large.sha256"));
}

TEST(TranscriptTest, MovingBytesBetweenFieldsChangesTheHash) {
    Transcript one("x");
    one.add(1, std::string_view("ab")).add(2, std::string_view("c"));
    Transcript two("x");
    two.add(1, std::string_view("a")).add(2, std::string_view("bc"));
    Transcript three("x");
    three.add(1, std::string_view("ab")).add(3, std::string_view("c"));
    EXPECT_NE(one.sha256(), two.sha256());
    EXPECT_NE(one.sha256(), three.sha256());
    EXPECT_NE(one.sha256(), Transcript("y").sha256());
}

TEST(TranscriptDeathTest, TagsThatDoNotRiseAndBadKindsAreBugs) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(Transcript("x").add_u64(2, 0).add_u64(2, 0), "CHECK|last_tag_");
    EXPECT_DEATH(Transcript("x").add_u64(2, 0).add_u64(1, 0), "CHECK|last_tag_");
    EXPECT_DEATH(Transcript(""), "is_kind");
    EXPECT_DEATH(Transcript("Upper"), "is_kind");
    EXPECT_DEATH(Transcript("a/b"), "is_kind");
}

}  // namespace
}  // namespace adyton::crypto
