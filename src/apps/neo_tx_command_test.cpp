#include "apps/neo_tx_command.h"

#include <gtest/gtest.h>

#include "apps/command_test_support.h"

namespace adyton::apps {
namespace {

// Case 0 of tests/vectors/neo/transactions.json.
const char* const kUnsigned =
    "0000000000b43f980000000000b8c6120000000000e8030000018ca77d44ea323776876c3447319ef5d4f5cdcf0d01"
    "00590b01ff000c14d698128483dfed47ca39404b2e1c153d4cd5a2420c148ca77d44ea323776876c3447319ef5d4f5"
    "cdcf0d14c01f0c087472616e736665720c14cf76e28bd0062c4a478ee35561011319f3cfa4d241627d5b5239";
const char* const kWitness =
    "01420c402d9735b57baa654ef7f63d4d0a776b5cdb80753acb8daaf809764f9b4cb1ef1631462f2ff41b1e0f286886"
    "5f46826b6d09f43354f7c71790a90b18bfb9f24238280c2103ea0e2a2f61cd0faca5d75fcf9f05569d5cc1b4bc3615"
    "253e098fa9d43acd033d4156e7b327";
const char* const kHash = "0x2a3f3fb121bc5b709aad5f32e270993ba7930af793674a4b3dab9397317a76b4";

Outcome run(const std::vector<std::string>& arguments) {
    std::vector<std::string> line = {"tool", "neo-tx"};
    line.insert(line.end(), arguments.begin(), arguments.end());
    return run_command(line);
}

TEST(NeoTxCommandTest, ATransactionIsReadFromBase64HexAndBytes) {
    const auto bytes = base::hex_decode(kUnsigned).value();
    for (const std::string& text :
         {std::string(kUnsigned), "0x" + std::string(kUnsigned), base::base64_encode(bytes),
          "  " + base::base64_encode(bytes) + "\r\n", std::string(base::as_text(bytes))}) {
        const auto read = parse_transaction_text(text);
        ASSERT_TRUE(read) << text;
        EXPECT_EQ(*read, bytes);
    }
    for (const char* const bad : {"", " ", "hello", "0", "00zz", "A=", "1234"}) {
        EXPECT_FALSE(parse_transaction_text(bad)) << bad;
    }
    EXPECT_FALSE(read_transaction_file("/does/not/exist"));
}

TEST(NeoTxCommandTest, NetworksHaveNamesAndNumbers) {
    EXPECT_EQ(parse_network("mainnet").value(), neo::NetworkMagic::MainNet);
    EXPECT_EQ(parse_network("main").value(), neo::NetworkMagic::MainNet);
    EXPECT_EQ(parse_network("test").value(), neo::NetworkMagic::TestNet);
    EXPECT_EQ(parse_network("894710606").value(), neo::NetworkMagic::TestNet);
    for (const char* const bad : {"", "Mainnet", "-1", "4294967296", "56753x"}) {
        EXPECT_FALSE(parse_network(bad)) << bad;
    }
}

TEST(NeoTxCommandTest, ExplainSaysItInWordsAndInJson) {
    const auto words = run({"explain", kUnsigned});
    EXPECT_EQ(words.exit, Exit::Ok) << words.err;
    EXPECT_NE(words.out.find(kHash), std::string::npos);
    EXPECT_NE(
        words.out.find("transfer 0.00000255 GAS from NYjgRyWPM5SR3vo2T2j23j5vLvJS7AjFDE to "
                       "NfUdxyibmjwUucy1awh63yqwf1iUjcmAPo"),
        std::string::npos)
        << words.out;
    const auto json = run({"explain", kUnsigned, "--json", "--network", "mainnet"});
    const auto parsed = base::Json::parse(json.out);
    ASSERT_TRUE(parsed) << json.out;
    EXPECT_EQ(parsed->find("hash")->string_value(), kHash);
    EXPECT_TRUE(parsed->find("understood")->boolean_value());
    EXPECT_FALSE(parsed->find("signed")->boolean_value());
    EXPECT_EQ(
        parsed->find("sign_digest")->string_value(),
        "6bd39abc8c95d94935ead0d72582d0e015f7ddb9e72cf1bc6686e39f967216f5");
}

TEST(NeoTxCommandTest, WitnessesAreCheckedAgainstTheNetwork) {
    const std::string whole = std::string(kUnsigned) + kWitness;
    const auto right = run({"explain", whole, "--network", "mainnet"});
    EXPECT_NE(right.out.find("Witnesses    valid"), std::string::npos) << right.out;
    const auto wrong = run({"explain", whole, "--network", "testnet"});
    EXPECT_NE(wrong.out.find("NOT VALID"), std::string::npos) << wrong.out;
    const auto unknown = run({"explain", whole});
    EXPECT_NE(unknown.out.find("not checked"), std::string::npos) << unknown.out;
}

TEST(NeoTxCommandTest, HashAloneFitsAPipe) {
    const auto plain = run({"hash", kUnsigned});
    EXPECT_EQ(plain.out, std::string(kHash) + "\n");
    const auto bad = run({"hash", "00"});
    EXPECT_EQ(bad.exit, Exit::Failed);
    EXPECT_TRUE(bad.out.empty());
    EXPECT_FALSE(bad.err.empty());
    EXPECT_EQ(run({"hash", kUnsigned, "--file", "x"}).exit, Exit::Failed);
}

}  // namespace
}  // namespace adyton::apps
