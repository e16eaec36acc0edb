#include "neo/script.h"

#include <gtest/gtest.h>

#include "crypto/test_bytes.h"
#include "neo/contract_names.h"
#include "neo/nep11.h"
#include "neo/token.h"

namespace adyton::neo {
namespace {

using crypto::from_hex;

std::string pushed(std::int64_t number) {
    return base::hex_encode(ScriptBuilder().push_integer(number).take());
}

TEST(ScriptTest, EveryIntegerHasOneShortestPush) {
    EXPECT_EQ(pushed(-1), "0f");
    EXPECT_EQ(pushed(0), "10");
    EXPECT_EQ(pushed(16), "20");  // as the C# node; neo-go writes 0010
    EXPECT_EQ(pushed(17), "0011");
    EXPECT_EQ(pushed(-2), "00fe");
    EXPECT_EQ(pushed(127), "007f");
    EXPECT_EQ(pushed(128), "018000");
    EXPECT_EQ(pushed(-129), "017fff");
    EXPECT_EQ(pushed(8388608), "0200008000");
    EXPECT_EQ(pushed(1099511627776), "030000000000010000");
}

TEST(ScriptTest, BytesTakeTheLengthPrefixTheyNeed) {
    for (const auto& [size, prefix] : std::initializer_list<std::pair<std::size_t, const char*>>{
             {0, "0c00"},
             {255, "0cff"},
             {256, "0d0001"},
             {65535, "0dffff"},
             {65536, "0e00000100"}}) {
        const auto script = ScriptBuilder().push_bytes(base::Bytes(size, 7)).take();
        const std::string start = prefix;
        EXPECT_EQ(base::hex_encode(script).substr(0, start.size()), start);
        EXPECT_EQ(script.size(), start.size() / 2 + size);
        const auto read = disassemble(script);
        ASSERT_TRUE(read);
        ASSERT_EQ(read->size(), 1U);
        EXPECT_EQ(read->front().operand.size(), size);
    }
}

TEST(ScriptTest, BothFormsOfSixteenReadTheSame) {
    for (const char* const hex : {"20", "0010", "011000", "0210000000", "031000000000000000"}) {
        const auto script = from_hex(hex);
        const auto read = disassemble(script);
        ASSERT_TRUE(read) << hex;
        ASSERT_EQ(read->size(), 1U);
        EXPECT_EQ(read->front().constant(), Value::of_integer(16)) << hex;
    }
}

TEST(ScriptTest, ArraysAreTheirItemsBackwardsAndTheirNumber) {
    const Value value = Value::of_array(
        {Value::of_integer(1), Value::of_boolean(true), Value::null(),
         Value::of_array({Value::of_text("a")}), Value::of_array({})});
    EXPECT_EQ(
        base::hex_encode(ScriptBuilder().push_value(value).take()),
        "c2"
        "0c0161"
        "11c0"
        "0b"
        "08"
        "11"
        "15c0");
}

TEST(ScriptTest, ACallWithoutArgumentsHasAnEmptyArray) {
    ScriptBuilder builder;
    builder.call(gas_token().contract, "symbol", kCallReadOnly, {});
    EXPECT_EQ(
        base::hex_encode(builder.bytes()),
        "c2"
        "15"
        "0c0673796d626f6c"
        "0c14cf76e28bd0062c4a478ee35561011319f3cfa4d2"
        "41627d5b52");
    const std::size_t size = builder.size();
    EXPECT_EQ(builder.take().size(), size);
    EXPECT_EQ(builder.size(), 0U);
}

TEST(ScriptTest, SystemCallsAreKnownByTheirHash) {
    EXPECT_EQ(base::hex_encode(syscall_id(kSyscallContractCall)), "627d5b52");
    EXPECT_EQ(base::hex_encode(syscall_id(kSyscallCheckSig)), "56e7b327");
    EXPECT_EQ(base::hex_encode(syscall_id(kSyscallCheckMultisig)), "9ed0dc3a");
    EXPECT_EQ(syscall_name(from_hex("627d5b52")), kSyscallContractCall);
    EXPECT_EQ(syscall_name(from_hex("f827ec8c")), "System.Runtime.CheckWitness");
    EXPECT_EQ(syscall_name(from_hex("00000000")), "");
    EXPECT_EQ(syscall_name(from_hex("627d5b")), "");
    EXPECT_EQ(
        base::hex_encode(ScriptBuilder().syscall(kSyscallContractCall).take()),
        base::hex_encode(
            ScriptBuilder().op(OpCode::Syscall).raw(syscall_id(kSyscallContractCall)).take()));
}

TEST(ScriptTest, OperandsOfEverySizeAreSkipped) {
    // PUSHA, JMP, JMP_L, CALLT, TRY, TRY_L, INITSLOT, LDLOC, CONVERT, PUSHINT256, RET
    const auto script = from_hex(
        "0a01020304"
        "22fe"
        "2301020304"
        "370102"
        "3b0102"
        "3c0102030405060708"
        "570102"
        "6f01"
        "db21"
        "05"
        "0000000000000000000000000000000000000000000000000000000000000080"
        "40");
    const auto read = disassemble(script);
    ASSERT_TRUE(read);
    std::string names;
    for (const auto& instruction : *read) {
        names += std::string(opcode_name(instruction.opcode)) + " ";
    }
    EXPECT_EQ(names, "PUSHA JMP JMP_L CALLT TRY TRY_L INITSLOT LDLOC CONVERT PUSHINT256 RET ");
    EXPECT_EQ((*read)[9].constant()->integer.to_string()[0], '-');
    EXPECT_FALSE((*read)[0].constant());
}

TEST(ScriptTest, EveryOpcodeHasANameAndTheGapsAreRefused) {
    std::size_t known = 0;
    for (unsigned code = 0; code < 256; ++code) {
        // Zeros after it: its operand, then PUSHINT8 0 as often as they go in pairs.
        base::Bytes script(40, 0);
        script[0] = static_cast<std::uint8_t>(code);
        bool read = disassemble(script).has_value();
        script.push_back(0);
        read = read || disassemble(script).has_value();
        const bool named = !opcode_name(static_cast<OpCode>(code)).empty();
        known += named ? 1 : 0;
        EXPECT_EQ(read, named) << code;
    }
    EXPECT_EQ(known, 196U);  // as many as neo-project/neo-vm, OpCode.cs, has
}

TEST(ScriptTest, OperandsBeyondTheScriptAreRefused) {
    for (const char* const bad :
         {"00",     "0100",     "020000",     "03",       "04", "05ff", "0c", "0c01", "0d", "0d01",
          "0d0100", "0e010000", "0effffffff", "41627d5b", "22", "3c00", "06", "07",   "42", "ff"}) {
        const auto script = from_hex(bad);
        const auto read = disassemble(script);
        ASSERT_FALSE(read) << bad;
        EXPECT_EQ(read.error().code(), ErrorCode::InvalidArgument);
    }
    EXPECT_TRUE(disassemble({})->empty());
}

TEST(ScriptTest, ListingsShowWhatIsPushed) {
    const auto script = from_hex(
        "0b"
        "0c0668656c6c6f21"
        "0c020102"
        "01ff00"
        "41627d5b52"
        "4100000000"
        "22fe");
    const auto read = disassemble(script);
    ASSERT_TRUE(read);
    std::vector<std::string> lines;
    for (const auto& instruction : *read) lines.push_back(to_text(instruction));
    const std::vector<std::string> expected = {
        "0000  PUSHNULL",      "0001  PUSHDATA1 \"hello!\"",         "0009  PUSHDATA1 hex:0102",
        "0013  PUSHINT16 255", "0016  SYSCALL System.Contract.Call", "0021  SYSCALL 00000000",
        "0026  JMP fe"};
    EXPECT_EQ(lines, expected);
}

TEST(ScriptTest, NativeContractsAreNamedByTheirHash) {
    const std::pair<const char*, const char*> known[] = {
        {"0xd2a4cff31913016155e38e474a2c06d08be276cf", "GasToken"},
        {"0xef4073a0f2b305a38ec4050e4d3d28bc40ea63f5", "NeoToken"},
        {"0xcc5e4edd9f5f8dba8bb65734541df7a1c081c67b", "PolicyContract"},
        {"0xda65b600f7124ce6c79950c1772a36403104f2be", "LedgerContract"},
        {"0xfffdc93764dbaddd97c48f252a53ea4643faa3fd", "ContractManagement"},
    };
    for (const auto& [hash, name] : known) {
        EXPECT_EQ(native_contract_name(ScriptHash::parse(hash).value()), name);
    }
    EXPECT_EQ(native_contract_name(ScriptHash()), "");
}

TEST(ScriptTest, DecimalTextsKeepEveryDigit) {
    EXPECT_EQ(decimal_text(base::Amount(0), 8), "0");
    EXPECT_EQ(decimal_text(base::Amount(1), 8), "0.00000001");
    EXPECT_EQ(decimal_text(base::Amount(100000000), 8), "1");
    EXPECT_EQ(decimal_text(base::Amount(120000000), 8), "1.2");
    EXPECT_EQ(decimal_text(base::Amount(120), 0), "120");
    EXPECT_EQ(
        decimal_text(base::Amount::parse("340282366920938463463374607431768211455").value(), 18),
        "340282366920938463463.374607431768211455");
}

TEST(ScriptTest, TextThatWouldDeceiveATerminalIsShownAsHex) {
    EXPECT_EQ(to_text(Value::of_text("abc\"\\")), "\"abc\\\"\\\\\"");
    EXPECT_EQ(
        to_text(Value::of_text("\xe2\x80\xae"
                               "abc")),
        "hex:e280ae616263");  // U+202E
    EXPECT_EQ(to_text(Value::of_text("\x1b[2J")), "hex:1b5b324a");
    EXPECT_EQ(
        to_text(Value::of_text("\xc2\x9b"
                               "2J")),
        "hex:c29b324a");  // U+009B
    EXPECT_EQ(to_text(Value::of_text("m\xc3\xbcller")), "\"m\xc3\xbcller\"");
    EXPECT_EQ(to_text(Value::of_bytes(base::Bytes{0xff})), "hex:ff");
    EXPECT_EQ(to_text(Value::of_bytes(base::Bytes(1000, 0)), 20).size(), 23U);
}

TEST(ScriptTest, NftTransfersNeedATokenIdAndBothOrNeitherOfFromAndAmount) {
    Nep11Transfer transfer;
    EXPECT_FALSE(nep11_transfer_script(transfer));
    transfer.token_id = base::Bytes(64, 1);
    EXPECT_TRUE(nep11_transfer_script(transfer));
    transfer.from = ScriptHash();
    EXPECT_FALSE(nep11_transfer_script(transfer));
    transfer.amount = base::Amount(1);
    EXPECT_TRUE(nep11_transfer_script(transfer));
    transfer.token_id.push_back(1);
    EXPECT_FALSE(nep11_transfer_script(transfer));
}

}  // namespace
}  // namespace adyton::neo
