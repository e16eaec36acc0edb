#include "localchain/internal/vm.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/check.h"
#include "neo/script.h"

namespace adyton::localchain::internal {
namespace {

using neo::Instruction;
using neo::OpCode;
using neo::Value;

constexpr std::size_t kStackItemsMax = 2048;
constexpr std::size_t kMethodBytesMax = 32;
constexpr std::int64_t kCallPrice = 1 << 15;

// Price units of an instruction; nothing: the simulator does not run it (neo.md 4.3).
std::optional<std::int64_t> price_of(OpCode opcode) {
    switch (opcode) {
        case OpCode::PushInt128:
        case OpCode::PushInt256:
            return 4;
        case OpCode::PushInt8:
        case OpCode::PushInt16:
        case OpCode::PushInt32:
        case OpCode::PushInt64:
        case OpCode::PushT:
        case OpCode::PushF:
        case OpCode::PushNull:
        case OpCode::PushM1:
        case OpCode::Assert:
        case OpCode::Nop:
            return 1;
        case OpCode::PushData1:
            return 8;
        case OpCode::PushData2:
            return 512;
        case OpCode::PushData4:
            return 4096;
        case OpCode::NewArray0:
            return 16;
        case OpCode::Pack:
            return 2048;
        case OpCode::Syscall:
        case OpCode::Ret:
            return 0;
        default:
            if (opcode >= OpCode::Push0 && opcode <= OpCode::Push16) return 1;
            return std::nullopt;
    }
}

std::size_t depth_of(const Value& value) {
    std::size_t deepest = 0;
    for (const Value& item : value.items) deepest = std::max(deepest, depth_of(item));
    return value.type == Value::Type::Array ? deepest + 1 : 0;
}

// One run of an entry script.
class Machine {
public:
    Machine(
        const std::vector<neo::Signer>& signers, const ChainPolicy& policy, std::int64_t gas_limit,
        State& state)
        : policy_(policy), gas_limit_(gas_limit), contracts_(state, policy, signers) {}

    Execution run(base::ByteView script);

private:
    Result<void> step(const Instruction& instruction);
    Result<void> charge(std::int64_t units, std::int64_t storage_bytes = 0);
    Result<void> push(Value value);
    Result<Value> pop();
    Result<std::int64_t> pop_count();
    Result<void> pack();
    Result<void> assert_true();
    Result<void> call();

    const ChainPolicy& policy_;
    const std::int64_t gas_limit_;
    Contracts contracts_;
    Execution out_;
};

Execution Machine::run(base::ByteView script) {
    const auto instructions = neo::disassemble(script);
    if (!instructions) {
        out_.state = VmState::Fault;
        out_.exception = instructions.error().message();
        return std::move(out_);
    }
    for (const Instruction& instruction : *instructions) {
        if (instruction.opcode == OpCode::Ret) break;
        const Result<void> done = step(instruction);
        if (done) continue;
        out_.state = VmState::Fault;
        out_.exception = fmt::format(
            "at instruction {} ({}): {}", instruction.offset, neo::opcode_name(instruction.opcode),
            done.error().message());
        break;
    }
    return std::move(out_);
}

// Adds the price also when it is too much, as nodes show it.
Result<void> Machine::charge(std::int64_t units, std::int64_t storage_bytes) {
    out_.gas_consumed += units * policy_.exec_fee_factor + storage_bytes * policy_.storage_price;
    if (out_.gas_consumed > gas_limit_) return Error::invalid_argument("gas limit is exceeded");
    return {};
}

Result<void> Machine::step(const Instruction& instruction) {
    const auto price = price_of(instruction.opcode);
    if (!price.has_value()) {
        return Error::invalid_argument("the simulator does not run this instruction");
    }
    TRY_VOID(charge(*price));
    if (auto constant = instruction.constant()) return push(std::move(*constant));
    switch (instruction.opcode) {
        case OpCode::Nop:
            return {};
        case OpCode::NewArray0:
            return push(Value::of_array({}));
        case OpCode::Pack:
            return pack();
        case OpCode::Assert:
            return assert_true();
        default:
            CHECK(instruction.opcode == OpCode::Syscall);
            if (neo::syscall_name(instruction.operand) == neo::kSyscallContractCall) return call();
            return Error::invalid_argument("the simulator does not know this system call");
    }
}

Result<void> Machine::push(Value value) {
    if (out_.stack.size() >= kStackItemsMax) return Error::invalid_argument("the stack is full");
    out_.stack.push_back(std::move(value));
    return {};
}

Result<Value> Machine::pop() {
    if (out_.stack.empty()) return Error::invalid_argument("the stack is empty");
    Value top = std::move(out_.stack.back());
    out_.stack.pop_back();
    return top;
}

Result<std::int64_t> Machine::pop_count() {
    TRY(const Value value, pop());
    if (value.type != Value::Type::Integer) return Error::invalid_argument("no Integer");
    return value.integer.as_int64();
}

Result<void> Machine::pack() {
    TRY(const std::int64_t count, pop_count());
    if (count < 0 || static_cast<std::uint64_t>(count) > out_.stack.size()) {
        return Error::invalid_argument("the stack has fewer items");
    }
    std::vector<Value> items;
    for (std::int64_t i = 0; i < count; ++i) {
        TRY(auto item, pop());
        items.push_back(std::move(item));
    }
    Value array = Value::of_array(std::move(items));
    if (depth_of(array) > neo::kValueDepthMax) {
        return Error::invalid_argument("arrays nest too deep for the simulator");
    }
    return push(std::move(array));
}

Result<void> Machine::assert_true() {
    TRY(const Value value, pop());
    if (value.type != Value::Type::Boolean) {
        return Error::invalid_argument("the simulator asserts Booleans only");
    }
    if (!value.boolean) return Error::invalid_argument("ASSERT failed");
    return {};
}

Result<void> Machine::call() {
    TRY_VOID(charge(kCallPrice));
    ContractCall call;
    TRY(const Value contract, pop());
    TRY(const Value method, pop());
    TRY(const std::int64_t flags, pop_count());
    TRY(Value arguments, pop());
    if (contract.type != Value::Type::Bytes) return Error::invalid_argument("no contract hash");
    TRY(call.contract, neo::ScriptHash::from_wire(contract.bytes));
    if (method.type != Value::Type::Bytes || method.bytes.size() > kMethodBytesMax ||
        !base::is_valid_utf8(base::as_text(method.bytes))) {
        return Error::invalid_argument("no method name");
    }
    call.method = base::as_text(method.bytes);
    if (flags < 0 || flags > neo::kCallAll) return Error::invalid_argument("no call flags");
    call.flags = static_cast<std::uint8_t>(flags);
    if (arguments.type != Value::Type::Array) return Error::invalid_argument("no arguments");
    call.arguments = std::move(arguments.items);

    TRY(const CallPrice price, contracts_.price(call));
    TRY_VOID(charge(price.cpu, price.storage_bytes));
    TRY(auto result, contracts_.run(call, out_.events));
    return push(std::move(result));
}

}  // namespace

Execution run_script(
    base::ByteView script, const std::vector<neo::Signer>& signers, const ChainPolicy& policy,
    std::int64_t gas_limit, State& state) {
    return Machine(signers, policy, gas_limit, state).run(script);
}

}  // namespace adyton::localchain::internal
