#include "neo/script.h"

#include <algorithm>

#include "base/check.h"
#include "crypto/digest.h"

namespace adyton::neo {
namespace {

void append_little_endian(base::Bytes& out, std::uint64_t value, std::size_t width) {
    for (std::size_t i = 0; i < width; ++i) {
        out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    }
}

std::uint8_t offset_from(OpCode base, std::size_t steps) {
    return static_cast<std::uint8_t>(static_cast<std::size_t>(base) + steps);
}

void push_within(ScriptBuilder& builder, const Value& value, std::size_t depth) {
    switch (value.type) {
        case Value::Type::Null:
            builder.push_null();
            return;
        case Value::Type::Boolean:
            builder.push_bool(value.boolean);
            return;
        case Value::Type::Integer:
            builder.push_integer(value.integer);
            return;
        case Value::Type::Bytes:
            builder.push_bytes(value.bytes);
            return;
        case Value::Type::Array:
            CHECK(depth > 0);
            for (std::size_t i = value.items.size(); i-- > 0;) {
                push_within(builder, value.items[i], depth - 1);
            }
            builder.pack(value.items.size());
            return;
    }
}

}  // namespace

std::array<std::uint8_t, 4> syscall_id(std::string_view name) {
    const auto digest = crypto::sha256(base::as_bytes(name));
    return {digest.bytes[0], digest.bytes[1], digest.bytes[2], digest.bytes[3]};
}

ScriptBuilder& ScriptBuilder::push_integer(const Integer& number) {
    if (const auto small = number.as_int64(); small && *small >= -1 && *small <= 16) {
        script_.push_back(
            static_cast<std::uint8_t>(static_cast<std::int64_t>(OpCode::Push0) + *small));
        return *this;
    }
    std::size_t width = 1;
    std::size_t step = 0;  // PUSHINT8, 16, 32, 64, 128, 256
    for (const std::size_t needed = number.minimal_size(); width < needed; width *= 2) ++step;
    script_.push_back(offset_from(OpCode::PushInt8, step));
    return raw(base::ByteView(number.bytes()).first(width));
}

ScriptBuilder& ScriptBuilder::push_bytes(base::ByteView bytes) {
    CHECK(bytes.size() <= 0xffffffffU);
    if (bytes.size() <= 0xff) {
        op(OpCode::PushData1);
        append_little_endian(script_, bytes.size(), 1);
    } else if (bytes.size() <= 0xffff) {
        op(OpCode::PushData2);
        append_little_endian(script_, bytes.size(), 2);
    } else {
        op(OpCode::PushData4);
        append_little_endian(script_, bytes.size(), 4);
    }
    return raw(bytes);
}

ScriptBuilder& ScriptBuilder::push_bool(bool flag) {
    return op(flag ? OpCode::PushT : OpCode::PushF);
}

ScriptBuilder& ScriptBuilder::push_null() {
    return op(OpCode::PushNull);
}

ScriptBuilder& ScriptBuilder::push_value(const Value& value) {
    push_within(*this, value, kValueDepthMax);
    return *this;
}

ScriptBuilder& ScriptBuilder::pack(std::size_t count) {
    if (count == 0) return op(OpCode::NewArray0);
    return push_integer(static_cast<std::int64_t>(count)).op(OpCode::Pack);
}

ScriptBuilder& ScriptBuilder::call(
    const ScriptHash& contract, std::string_view method, std::uint8_t flags,
    const std::vector<Value>& arguments) {
    for (std::size_t i = arguments.size(); i-- > 0;) push_value(arguments[i]);
    pack(arguments.size());
    push_integer(std::int64_t{flags});
    push_text(method);
    push_hash(contract);
    return syscall(kSyscallContractCall);
}

ScriptBuilder& ScriptBuilder::syscall(std::string_view name) {
    // The one of every transfer; SHA-256("System.Contract.Call").
    static constexpr std::array<std::uint8_t, 4> kContractCall = {0x62, 0x7d, 0x5b, 0x52};
    op(OpCode::Syscall);
    return raw(name == kSyscallContractCall ? kContractCall : syscall_id(name));
}

ScriptBuilder& ScriptBuilder::op(OpCode opcode) {
    script_.push_back(static_cast<std::uint8_t>(opcode));
    return *this;
}

ScriptBuilder& ScriptBuilder::raw(base::ByteView bytes) {
    script_.insert(script_.end(), bytes.begin(), bytes.end());
    return *this;
}

base::Bytes ScriptBuilder::take() {
    base::Bytes out = std::move(script_);
    script_.clear();
    return out;
}

}  // namespace adyton::neo
