#include "neo/internal/script_calls.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace adyton::neo::internal {
namespace {

// The VM's own limit of items on its stack.
constexpr std::size_t kStackItemsMax = 2048;

// A constant, or what a call left.
struct Item {
    std::optional<Value> constant;
    std::size_t call = 0;   // index of the call whose result it is, when no constant
    std::size_t depth = 0;  // arrays inside arrays
};

class Follower {
public:
    ScriptCalls follow(base::ByteView script);

private:
    // Each false: stop, reason_ says why.
    bool step(const Instruction& instruction, bool last);
    bool push(Value value, std::size_t depth);
    bool pack();
    bool call(const Instruction& instruction);
    bool take_result(bool assert_true);
    std::optional<Item> pop();
    std::optional<Value> pop_constant();
    bool stop(std::string reason);

    std::vector<Item> stack_;
    std::size_t items_ = 0;  // pushed in all, packed ones too
    std::vector<ContractCall> calls_;
    std::string reason_;
};

bool Follower::stop(std::string reason) {
    if (reason_.empty()) reason_ = std::move(reason);
    return false;
}

std::optional<Item> Follower::pop() {
    if (stack_.empty()) {
        stop("takes from an empty stack");
        return std::nullopt;
    }
    Item out = std::move(stack_.back());
    stack_.pop_back();
    return out;
}

std::optional<Value> Follower::pop_constant() {
    auto item = pop();
    if (!item) return std::nullopt;
    if (!item->constant) stop("uses the result of a call as an argument");
    return std::move(item->constant);
}

bool Follower::push(Value value, std::size_t depth) {
    if (++items_ > kStackItemsMax * 16 || stack_.size() >= kStackItemsMax) {
        return stop("has too many items");
    }
    stack_.push_back({std::move(value), 0, depth});
    return true;
}

bool Follower::pack() {
    const auto count_value = pop_constant();
    if (!count_value) return false;
    const auto count = count_value->integer.as_int64();
    if (count_value->type != Value::Type::Integer || !count || *count < 0 ||
        static_cast<std::uint64_t>(*count) > stack_.size()) {
        return stop("packs a number of items that are not there");
    }
    std::vector<Value> items;
    std::size_t depth = 0;
    for (std::int64_t i = 0; i < *count; ++i) {
        auto item = pop();
        if (!item->constant) return stop("packs the result of a call");
        depth = std::max(depth, item->depth);
        items.push_back(std::move(*item->constant));
    }
    if (depth + 1 > kValueDepthMax) return stop("nests arrays too deeply");
    return push(Value::of_array(std::move(items)), depth + 1);
}

bool Follower::call(const Instruction& instruction) {
    const auto contract_value = pop_constant();
    const auto method = contract_value ? pop_constant() : std::nullopt;
    const auto flags = method ? pop_constant() : std::nullopt;
    auto arguments = flags ? pop_constant() : std::nullopt;
    if (!arguments) return false;
    const auto contract = ScriptHash::from_wire(contract_value->bytes);
    const std::string_view name = base::as_text(method->bytes);
    const auto number = flags->integer.as_int64();
    const bool well_formed = contract_value->type == Value::Type::Bytes && contract &&
                             method->type == Value::Type::Bytes && !name.empty() &&
                             base::is_valid_utf8(name) && flags->type == Value::Type::Integer &&
                             number && *number >= 0 && *number <= kCallAll &&
                             arguments->type == Value::Type::Array;
    if (!well_formed) return stop("calls a contract in a form that is not known");
    ContractCall out;
    out.contract = *contract;
    out.method = std::string(name);
    out.flags = static_cast<std::uint8_t>(*number);
    out.arguments = std::move(arguments->items);
    out.offset = instruction.offset;
    calls_.push_back(std::move(out));
    stack_.push_back({std::nullopt, calls_.size() - 1, 0});
    return true;
}

bool Follower::take_result(bool assert_true) {
    const auto item = pop();
    if (!item) return false;
    if (item->constant) return stop("takes a constant for the result of a call");
    if (assert_true) calls_[item->call].asserted = true;
    return true;
}

bool Follower::step(const Instruction& instruction, bool last) {
    if (auto constant = instruction.constant()) return push(std::move(*constant), 0);
    switch (instruction.opcode) {
        case OpCode::NewArray0:
            return push(Value::of_array({}), 1);
        case OpCode::Pack:
            return pack();
        case OpCode::Assert:
        case OpCode::Drop:
            return take_result(instruction.opcode == OpCode::Assert);
        case OpCode::Nop:
            return true;
        case OpCode::Ret:
            return last || stop("has code after its end");
        case OpCode::Syscall:
            if (syscall_name(instruction.operand) == kSyscallContractCall) return call(instruction);
            return stop(fmt::format("makes another system call at offset {}", instruction.offset));
        default:
            return stop(fmt::format(
                "has {} at offset {}", opcode_name(instruction.opcode), instruction.offset));
    }
}

ScriptCalls Follower::follow(base::ByteView script) {
    const auto instructions = disassemble(script);
    if (!instructions) return {false, "has " + instructions.error().message(), {}};
    for (const Instruction& instruction : *instructions) {
        if (!step(instruction, &instruction == &instructions->back())) break;
    }
    const bool unused = std::any_of(
        stack_.begin(), stack_.end(), [](const Item& item) { return item.constant.has_value(); });
    if (unused) stop("leaves a constant that no call uses");
    return {reason_.empty(), std::move(reason_), std::move(calls_)};
}

}  // namespace

ScriptCalls read_calls(base::ByteView script) {
    return Follower().follow(script);
}

}  // namespace adyton::neo::internal
