#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/amount.h"
#include "base/bytes.h"
#include "base/result.h"
#include "crypto/p256.h"
#include "neo/integer.h"
#include "neo/script_hash.h"
#include "neo/value.h"

namespace adyton::neo {

// Longest script of a transaction, bytes.
inline constexpr std::size_t kScriptBytesMax = 65535;

// Every opcode of Neo VM 3 (N3 up to Faun). Operands follow the opcode, integers little endian.
enum class OpCode : std::uint8_t {
    PushInt8 = 0x00,
    PushInt16 = 0x01,
    PushInt32 = 0x02,
    PushInt64 = 0x03,
    PushInt128 = 0x04,
    PushInt256 = 0x05,
    PushT = 0x08,
    PushF = 0x09,
    PushA = 0x0a,
    PushNull = 0x0b,
    PushData1 = 0x0c,
    PushData2 = 0x0d,
    PushData4 = 0x0e,
    PushM1 = 0x0f,
    Push0 = 0x10,
    Push1 = 0x11,
    Push2 = 0x12,
    Push3 = 0x13,
    Push4 = 0x14,
    Push5 = 0x15,
    Push6 = 0x16,
    Push7 = 0x17,
    Push8 = 0x18,
    Push9 = 0x19,
    Push10 = 0x1a,
    Push11 = 0x1b,
    Push12 = 0x1c,
    Push13 = 0x1d,
    Push14 = 0x1e,
    Push15 = 0x1f,
    Push16 = 0x20,
    Nop = 0x21,
    Jmp = 0x22,
    JmpL = 0x23,
    JmpIf = 0x24,
    JmpIfL = 0x25,
    JmpIfNot = 0x26,
    JmpIfNotL = 0x27,
    JmpEq = 0x28,
    JmpEqL = 0x29,
    JmpNe = 0x2a,
    JmpNeL = 0x2b,
    JmpGt = 0x2c,
    JmpGtL = 0x2d,
    JmpGe = 0x2e,
    JmpGeL = 0x2f,
    JmpLt = 0x30,
    JmpLtL = 0x31,
    JmpLe = 0x32,
    JmpLeL = 0x33,
    Call = 0x34,
    CallL = 0x35,
    CallA = 0x36,
    CallT = 0x37,
    Abort = 0x38,
    Assert = 0x39,
    Throw = 0x3a,
    Try = 0x3b,
    TryL = 0x3c,
    EndTry = 0x3d,
    EndTryL = 0x3e,
    EndFinally = 0x3f,
    Ret = 0x40,
    Syscall = 0x41,
    Depth = 0x43,
    Drop = 0x45,
    Nip = 0x46,
    XDrop = 0x48,
    Clear = 0x49,
    Dup = 0x4a,
    Over = 0x4b,
    Pick = 0x4d,
    Tuck = 0x4e,
    Swap = 0x50,
    Rot = 0x51,
    Roll = 0x52,
    Reverse3 = 0x53,
    Reverse4 = 0x54,
    ReverseN = 0x55,
    InitSSlot = 0x56,
    InitSlot = 0x57,
    LdSFld0 = 0x58,
    LdSFld6 = 0x5e,  // 1 to 5 between them, here and below
    LdSFld = 0x5f,
    StSFld0 = 0x60,
    StSFld6 = 0x66,
    StSFld = 0x67,
    LdLoc0 = 0x68,
    LdLoc6 = 0x6e,
    LdLoc = 0x6f,
    StLoc0 = 0x70,
    StLoc6 = 0x76,
    StLoc = 0x77,
    LdArg0 = 0x78,
    LdArg6 = 0x7e,
    LdArg = 0x7f,
    StArg0 = 0x80,
    StArg6 = 0x86,
    StArg = 0x87,
    NewBuffer = 0x88,
    MemCpy = 0x89,
    Cat = 0x8b,
    SubStr = 0x8c,
    Left = 0x8d,
    Right = 0x8e,
    Invert = 0x90,
    And = 0x91,
    Or = 0x92,
    Xor = 0x93,
    Equal = 0x97,
    NotEqual = 0x98,
    Sign = 0x99,
    Abs = 0x9a,
    Negate = 0x9b,
    Inc = 0x9c,
    Dec = 0x9d,
    Add = 0x9e,
    Sub = 0x9f,
    Mul = 0xa0,
    Div = 0xa1,
    Mod = 0xa2,
    Pow = 0xa3,
    Sqrt = 0xa4,
    ModMul = 0xa5,
    ModPow = 0xa6,
    Shl = 0xa8,
    Shr = 0xa9,
    Not = 0xaa,
    BoolAnd = 0xab,
    BoolOr = 0xac,
    Nz = 0xb1,
    NumEqual = 0xb3,
    NumNotEqual = 0xb4,
    Lt = 0xb5,
    Le = 0xb6,
    Gt = 0xb7,
    Ge = 0xb8,
    Min = 0xb9,
    Max = 0xba,
    Within = 0xbb,
    PackMap = 0xbe,
    PackStruct = 0xbf,
    Pack = 0xc0,
    Unpack = 0xc1,
    NewArray0 = 0xc2,
    NewArray = 0xc3,
    NewArrayT = 0xc4,
    NewStruct0 = 0xc5,
    NewStruct = 0xc6,
    NewMap = 0xc8,
    Size = 0xca,
    HasKey = 0xcb,
    Keys = 0xcc,
    Values = 0xcd,
    PickItem = 0xce,
    Append = 0xcf,
    SetItem = 0xd0,
    ReverseItems = 0xd1,
    Remove = 0xd2,
    ClearItems = 0xd3,
    PopItem = 0xd4,
    IsNull = 0xd8,
    IsType = 0xd9,
    Convert = 0xdb,
    AbortMsg = 0xe0,
    AssertMsg = 0xe1,
};

// The name of the specification: "PUSHINT8", "LDLOC3"; empty: the VM has no such opcode.
std::string_view opcode_name(OpCode opcode);

// Call flags: what a call lets the callee and all that it calls do.
inline constexpr std::uint8_t kCallNone = 0;
inline constexpr std::uint8_t kCallReadStates = 1;
inline constexpr std::uint8_t kCallWriteStates = 2;
inline constexpr std::uint8_t kCallAllowCall = 4;
inline constexpr std::uint8_t kCallAllowNotify = 8;
inline constexpr std::uint8_t kCallReadOnly = 5;
inline constexpr std::uint8_t kCallAll = 15;

// The id of a system call as it stands in scripts: the first four bytes of SHA-256 of its name.
std::array<std::uint8_t, 4> syscall_id(std::string_view name);
// The name of a system call of Neo N3; empty: unknown.
std::string_view syscall_name(base::ByteView id);

inline constexpr std::string_view kSyscallContractCall = "System.Contract.Call";
inline constexpr std::string_view kSyscallCheckSig = "System.Crypto.CheckSig";
inline constexpr std::string_view kSyscallCheckMultisig = "System.Crypto.CheckMultisig";

// Writes a script, in the shortest form of each push as the C# node emits it (16 is PUSH16; neo-go
// writes PUSHINT8 16, which means the same). Growth is not limited here: a transaction refuses a
// script over kScriptBytesMax.
class ScriptBuilder {
public:
    ScriptBuilder& push_integer(const Integer& number);
    ScriptBuilder& push_integer(std::int64_t number) { return push_integer(Integer(number)); }
    ScriptBuilder& push_integer(base::Amount amount) { return push_integer(Integer(amount)); }
    ScriptBuilder& push_bytes(base::ByteView bytes);  // PUSHDATA1, 2 or 4; CHECKs size < 2^32
    ScriptBuilder& push_text(std::string_view text) { return push_bytes(base::as_bytes(text)); }
    ScriptBuilder& push_hash(const ScriptHash& hash) { return push_bytes(hash.wire()); }
    ScriptBuilder& push_bool(bool flag);  // PUSHT, PUSHF
    ScriptBuilder& push_null();
    // Arrays as their items in reverse, their number and PACK; an empty one as NEWARRAY0.
    ScriptBuilder& push_value(const Value& value);
    // Makes an array of the `count` uppermost items; the uppermost becomes the first.
    ScriptBuilder& pack(std::size_t count);

    // contract.method(arguments...), result left on the stack: the arguments' array, the flags, the
    // method's name, the contract's hash, SYSCALL System.Contract.Call.
    ScriptBuilder& call(
        const ScriptHash& contract, std::string_view method, std::uint8_t flags,
        const std::vector<Value>& arguments);
    ScriptBuilder& syscall(std::string_view name);
    ScriptBuilder& assert_true() { return op(OpCode::Assert); }
    ScriptBuilder& op(OpCode opcode);          // without operand
    ScriptBuilder& raw(base::ByteView bytes);  // as they are

    std::size_t size() const { return script_.size(); }
    const base::Bytes& bytes() const { return script_; }
    // The script; the builder is empty again.
    base::Bytes take();

private:
    base::Bytes script_;
};

struct Instruction {
    std::size_t offset = 0;  // of the opcode in the script
    OpCode opcode = OpCode::Nop;
    base::ByteView operand;  // into the script; of PUSHDATA the data alone, without its length

    // What the instruction pushes, for every push of a constant (PUSHINT*, PUSH*, PUSHDATA*, PUSHT,
    // PUSHF, PUSHNULL); nothing: another instruction.
    std::optional<Value> constant() const;
};

// Splits a script into instructions; the views point into `script`. It is no check of jump targets.
// InvalidArgument: an opcode that the VM does not know, or an operand that ends beyond the script.
Result<std::vector<Instruction>> disassemble(base::ByteView script);

// One line an instruction, for people: "0003  PUSHDATA1 \"transfer\"".
std::string to_text(const Instruction& instruction);

}  // namespace adyton::neo
