#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "neo/script.h"

namespace adyton::neo {
namespace {

struct OpCodeInfo {
    std::string_view name;     // empty: the VM has no such opcode
    std::uint8_t operand = 0;  // bytes of fixed operand
    std::uint8_t length = 0;   // bytes of the length in front of the data (PUSHDATA)
};

using Table = std::array<OpCodeInfo, 256>;

struct Entry {
    OpCode opcode;
    std::string_view name;
    std::uint8_t operand = 0;
};

// Neo VM 3: neo-project/neo-vm, OpCode.cs.
constexpr std::array kEntries = {
    Entry{OpCode::PushInt8, "PUSHINT8", 1},
    Entry{OpCode::PushInt16, "PUSHINT16", 2},
    Entry{OpCode::PushInt32, "PUSHINT32", 4},
    Entry{OpCode::PushInt64, "PUSHINT64", 8},
    Entry{OpCode::PushInt128, "PUSHINT128", 16},
    Entry{OpCode::PushInt256, "PUSHINT256", 32},
    Entry{OpCode::PushT, "PUSHT"},
    Entry{OpCode::PushF, "PUSHF"},
    Entry{OpCode::PushA, "PUSHA", 4},
    Entry{OpCode::PushNull, "PUSHNULL"},
    Entry{OpCode::PushM1, "PUSHM1"},
    Entry{OpCode::Nop, "NOP"},
    Entry{OpCode::Jmp, "JMP", 1},
    Entry{OpCode::JmpL, "JMP_L", 4},
    Entry{OpCode::JmpIf, "JMPIF", 1},
    Entry{OpCode::JmpIfL, "JMPIF_L", 4},
    Entry{OpCode::JmpIfNot, "JMPIFNOT", 1},
    Entry{OpCode::JmpIfNotL, "JMPIFNOT_L", 4},
    Entry{OpCode::JmpEq, "JMPEQ", 1},
    Entry{OpCode::JmpEqL, "JMPEQ_L", 4},
    Entry{OpCode::JmpNe, "JMPNE", 1},
    Entry{OpCode::JmpNeL, "JMPNE_L", 4},
    Entry{OpCode::JmpGt, "JMPGT", 1},
    Entry{OpCode::JmpGtL, "JMPGT_L", 4},
    Entry{OpCode::JmpGe, "JMPGE", 1},
    Entry{OpCode::JmpGeL, "JMPGE_L", 4},
    Entry{OpCode::JmpLt, "JMPLT", 1},
    Entry{OpCode::JmpLtL, "JMPLT_L", 4},
    Entry{OpCode::JmpLe, "JMPLE", 1},
    Entry{OpCode::JmpLeL, "JMPLE_L", 4},
    Entry{OpCode::Call, "CALL", 1},
    Entry{OpCode::CallL, "CALL_L", 4},
    Entry{OpCode::CallA, "CALLA"},
    Entry{OpCode::CallT, "CALLT", 2},
    Entry{OpCode::Abort, "ABORT"},
    Entry{OpCode::Assert, "ASSERT"},
    Entry{OpCode::Throw, "THROW"},
    Entry{OpCode::Try, "TRY", 2},
    Entry{OpCode::TryL, "TRY_L", 8},
    Entry{OpCode::EndTry, "ENDTRY", 1},
    Entry{OpCode::EndTryL, "ENDTRY_L", 4},
    Entry{OpCode::EndFinally, "ENDFINALLY"},
    Entry{OpCode::Ret, "RET"},
    Entry{OpCode::Syscall, "SYSCALL", 4},
    Entry{OpCode::Depth, "DEPTH"},
    Entry{OpCode::Drop, "DROP"},
    Entry{OpCode::Nip, "NIP"},
    Entry{OpCode::XDrop, "XDROP"},
    Entry{OpCode::Clear, "CLEAR"},
    Entry{OpCode::Dup, "DUP"},
    Entry{OpCode::Over, "OVER"},
    Entry{OpCode::Pick, "PICK"},
    Entry{OpCode::Tuck, "TUCK"},
    Entry{OpCode::Swap, "SWAP"},
    Entry{OpCode::Rot, "ROT"},
    Entry{OpCode::Roll, "ROLL"},
    Entry{OpCode::Reverse3, "REVERSE3"},
    Entry{OpCode::Reverse4, "REVERSE4"},
    Entry{OpCode::ReverseN, "REVERSEN"},
    Entry{OpCode::InitSSlot, "INITSSLOT", 1},
    Entry{OpCode::InitSlot, "INITSLOT", 2},
    Entry{OpCode::LdSFld, "LDSFLD", 1},
    Entry{OpCode::StSFld, "STSFLD", 1},
    Entry{OpCode::LdLoc, "LDLOC", 1},
    Entry{OpCode::StLoc, "STLOC", 1},
    Entry{OpCode::LdArg, "LDARG", 1},
    Entry{OpCode::StArg, "STARG", 1},
    Entry{OpCode::NewBuffer, "NEWBUFFER"},
    Entry{OpCode::MemCpy, "MEMCPY"},
    Entry{OpCode::Cat, "CAT"},
    Entry{OpCode::SubStr, "SUBSTR"},
    Entry{OpCode::Left, "LEFT"},
    Entry{OpCode::Right, "RIGHT"},
    Entry{OpCode::Invert, "INVERT"},
    Entry{OpCode::And, "AND"},
    Entry{OpCode::Or, "OR"},
    Entry{OpCode::Xor, "XOR"},
    Entry{OpCode::Equal, "EQUAL"},
    Entry{OpCode::NotEqual, "NOTEQUAL"},
    Entry{OpCode::Sign, "SIGN"},
    Entry{OpCode::Abs, "ABS"},
    Entry{OpCode::Negate, "NEGATE"},
    Entry{OpCode::Inc, "INC"},
    Entry{OpCode::Dec, "DEC"},
    Entry{OpCode::Add, "ADD"},
    Entry{OpCode::Sub, "SUB"},
    Entry{OpCode::Mul, "MUL"},
    Entry{OpCode::Div, "DIV"},
    Entry{OpCode::Mod, "MOD"},
    Entry{OpCode::Pow, "POW"},
    Entry{OpCode::Sqrt, "SQRT"},
    Entry{OpCode::ModMul, "MODMUL"},
    Entry{OpCode::ModPow, "MODPOW"},
    Entry{OpCode::Shl, "SHL"},
    Entry{OpCode::Shr, "SHR"},
    Entry{OpCode::Not, "NOT"},
    Entry{OpCode::BoolAnd, "BOOLAND"},
    Entry{OpCode::BoolOr, "BOOLOR"},
    Entry{OpCode::Nz, "NZ"},
    Entry{OpCode::NumEqual, "NUMEQUAL"},
    Entry{OpCode::NumNotEqual, "NUMNOTEQUAL"},
    Entry{OpCode::Lt, "LT"},
    Entry{OpCode::Le, "LE"},
    Entry{OpCode::Gt, "GT"},
    Entry{OpCode::Ge, "GE"},
    Entry{OpCode::Min, "MIN"},
    Entry{OpCode::Max, "MAX"},
    Entry{OpCode::Within, "WITHIN"},
    Entry{OpCode::PackMap, "PACKMAP"},
    Entry{OpCode::PackStruct, "PACKSTRUCT"},
    Entry{OpCode::Pack, "PACK"},
    Entry{OpCode::Unpack, "UNPACK"},
    Entry{OpCode::NewArray0, "NEWARRAY0"},
    Entry{OpCode::NewArray, "NEWARRAY"},
    Entry{OpCode::NewArrayT, "NEWARRAY_T", 1},
    Entry{OpCode::NewStruct0, "NEWSTRUCT0"},
    Entry{OpCode::NewStruct, "NEWSTRUCT"},
    Entry{OpCode::NewMap, "NEWMAP"},
    Entry{OpCode::Size, "SIZE"},
    Entry{OpCode::HasKey, "HASKEY"},
    Entry{OpCode::Keys, "KEYS"},
    Entry{OpCode::Values, "VALUES"},
    Entry{OpCode::PickItem, "PICKITEM"},
    Entry{OpCode::Append, "APPEND"},
    Entry{OpCode::SetItem, "SETITEM"},
    Entry{OpCode::ReverseItems, "REVERSEITEMS"},
    Entry{OpCode::Remove, "REMOVE"},
    Entry{OpCode::ClearItems, "CLEARITEMS"},
    Entry{OpCode::PopItem, "POPITEM"},
    Entry{OpCode::IsNull, "ISNULL"},
    Entry{OpCode::IsType, "ISTYPE", 1},
    Entry{OpCode::Convert, "CONVERT", 1},
    Entry{OpCode::AbortMsg, "ABORTMSG"},
    Entry{OpCode::AssertMsg, "ASSERTMSG"},
};

// Opcodes with their number in the name.
constexpr std::array<std::string_view, 17> kPushNames = {
    "PUSH0", "PUSH1",  "PUSH2",  "PUSH3",  "PUSH4",  "PUSH5",  "PUSH6",  "PUSH7", "PUSH8",
    "PUSH9", "PUSH10", "PUSH11", "PUSH12", "PUSH13", "PUSH14", "PUSH15", "PUSH16"};
struct Slots {
    OpCode first;
    std::array<std::string_view, 7> names;
};
constexpr std::array kSlots = {
    Slots{
        OpCode::LdSFld0,
        {"LDSFLD0", "LDSFLD1", "LDSFLD2", "LDSFLD3", "LDSFLD4", "LDSFLD5", "LDSFLD6"}},
    Slots{
        OpCode::StSFld0,
        {"STSFLD0", "STSFLD1", "STSFLD2", "STSFLD3", "STSFLD4", "STSFLD5", "STSFLD6"}},
    Slots{OpCode::LdLoc0, {"LDLOC0", "LDLOC1", "LDLOC2", "LDLOC3", "LDLOC4", "LDLOC5", "LDLOC6"}},
    Slots{OpCode::StLoc0, {"STLOC0", "STLOC1", "STLOC2", "STLOC3", "STLOC4", "STLOC5", "STLOC6"}},
    Slots{OpCode::LdArg0, {"LDARG0", "LDARG1", "LDARG2", "LDARG3", "LDARG4", "LDARG5", "LDARG6"}},
    Slots{OpCode::StArg0, {"STARG0", "STARG1", "STARG2", "STARG3", "STARG4", "STARG5", "STARG6"}},
};

constexpr std::size_t index_of(OpCode opcode) {
    return static_cast<std::size_t>(opcode);
}

constexpr Table make_table() {
    Table table{};
    for (const Entry& entry : kEntries) {
        table[index_of(entry.opcode)] = {entry.name, entry.operand, 0};
    }
    for (std::size_t i = 0; i < kPushNames.size(); ++i) {
        table[index_of(OpCode::Push0) + i] = {kPushNames[i], 0, 0};
    }
    for (const Slots& slots : kSlots) {
        for (std::size_t i = 0; i < slots.names.size(); ++i) {
            table[index_of(slots.first) + i] = {slots.names[i], 0, 0};
        }
    }
    table[index_of(OpCode::PushData1)] = {"PUSHDATA1", 0, 1};
    table[index_of(OpCode::PushData2)] = {"PUSHDATA2", 0, 2};
    table[index_of(OpCode::PushData4)] = {"PUSHDATA4", 0, 4};
    return table;
}

constexpr Table kTable = make_table();

std::uint64_t read_little_endian(base::ByteView bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8U | bytes[i];
    return value;
}

constexpr std::array<std::string_view, 41> kSyscalls = {
    "System.Contract.Call",
    "System.Contract.CallNative",
    "System.Contract.CreateMultisigAccount",
    "System.Contract.CreateStandardAccount",
    "System.Contract.GetCallFlags",
    "System.Contract.NativeOnPersist",
    "System.Contract.NativePostPersist",
    "System.Crypto.CheckMultisig",
    "System.Crypto.CheckSig",
    "System.Iterator.Next",
    "System.Iterator.Value",
    "System.Runtime.BurnGas",
    "System.Runtime.CheckWitness",
    "System.Runtime.CurrentSigners",
    "System.Runtime.GasLeft",
    "System.Runtime.GetAddressVersion",
    "System.Runtime.GetCallingScriptHash",
    "System.Runtime.GetEntryScriptHash",
    "System.Runtime.GetExecutingScriptHash",
    "System.Runtime.GetInvocationCounter",
    "System.Runtime.GetNetwork",
    "System.Runtime.GetNotifications",
    "System.Runtime.GetRandom",
    "System.Runtime.GetScriptContainer",
    "System.Runtime.GetTime",
    "System.Runtime.GetTrigger",
    "System.Runtime.LoadScript",
    "System.Runtime.Log",
    "System.Runtime.Notify",
    "System.Runtime.Platform",
    "System.Storage.AsReadOnly",
    "System.Storage.Delete",
    "System.Storage.Find",
    "System.Storage.Get",
    "System.Storage.GetContext",
    "System.Storage.GetReadOnlyContext",
    "System.Storage.Local.Delete",
    "System.Storage.Local.Find",
    "System.Storage.Local.Get",
    "System.Storage.Local.Put",
    "System.Storage.Put",
};

Result<Instruction> read_instruction(base::ByteView script, std::size_t offset) {
    const std::uint8_t code = script[offset];
    const OpCodeInfo& info = kTable[code];
    if (info.name.empty()) {
        return Error::invalid_argument(fmt::format("no opcode {:#04x} at offset {}", code, offset));
    }
    base::ByteView rest = script.subspan(offset + 1);
    std::uint64_t size = info.operand;
    const bool complete = rest.size() >= info.length;
    if (complete && info.length > 0) {
        size = read_little_endian(rest.first(info.length));
        rest = rest.subspan(info.length);
    }
    if (!complete || size > rest.size()) {
        return Error::invalid_argument(
            fmt::format("{} at offset {} ends beyond the script", info.name, offset));
    }
    return Instruction{
        offset, static_cast<OpCode>(code), rest.first(static_cast<std::size_t>(size))};
}

std::size_t end_of(const Instruction& instruction) {
    const OpCodeInfo& info = kTable[index_of(instruction.opcode)];
    return instruction.offset + 1 + info.length + instruction.operand.size();
}

}  // namespace

std::string_view opcode_name(OpCode opcode) {
    return kTable[index_of(opcode)].name;
}

std::string_view syscall_name(base::ByteView id) {
    static const auto ids = [] {
        std::array<std::array<std::uint8_t, 4>, kSyscalls.size()> out;
        for (std::size_t i = 0; i < out.size(); ++i) out[i] = syscall_id(kSyscalls[i]);
        return out;
    }();
    for (std::size_t i = 0; i < ids.size(); ++i) {
        if (std::equal(ids[i].begin(), ids[i].end(), id.begin(), id.end())) return kSyscalls[i];
    }
    return {};
}

std::optional<Value> Instruction::constant() const {
    switch (opcode) {
        case OpCode::PushNull:
            return Value::null();
        case OpCode::PushT:
        case OpCode::PushF:
            return Value::of_boolean(opcode == OpCode::PushT);
        case OpCode::PushData1:
        case OpCode::PushData2:
        case OpCode::PushData4:
            return Value::of_bytes(operand);
        default:
            break;
    }
    if (opcode <= OpCode::PushInt256) {
        const auto number = Integer::from_bytes(operand);
        CHECK(number.has_value());
        return Value::of_integer(*number);
    }
    if (opcode >= OpCode::PushM1 && opcode <= OpCode::Push16) {
        return Value::of_integer(
            static_cast<std::int64_t>(opcode) - static_cast<std::int64_t>(OpCode::Push0));
    }
    return std::nullopt;
}

Result<std::vector<Instruction>> disassemble(base::ByteView script) {
    std::vector<Instruction> out;
    for (std::size_t offset = 0; offset < script.size();) {
        TRY(const Instruction instruction, read_instruction(script, offset));
        out.push_back(instruction);
        offset = end_of(instruction);
    }
    return out;
}

std::string to_text(const Instruction& instruction) {
    std::string out = fmt::format("{:04}  {}", instruction.offset, opcode_name(instruction.opcode));
    if (instruction.operand.empty() && kTable[index_of(instruction.opcode)].length == 0) return out;
    if (instruction.opcode == OpCode::Syscall) {
        const std::string_view name = syscall_name(instruction.operand);
        return out + " " +
               (name.empty() ? base::hex_encode(instruction.operand) : std::string(name));
    }
    const auto constant = instruction.constant();
    return out + " " + (constant ? to_text(*constant) : base::hex_encode(instruction.operand));
}

}  // namespace adyton::neo
