#include "base/check.h"
#include "neo/script.h"
#include "neo/witness.h"

// Instructions cover the script without gaps; constants that are pushed again read the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton::neo;
    const adyton::base::ByteView input{data, size};
    if (const auto standard = parse_verification_script(input)) {
        CHECK(standard->threshold >= 1 && standard->threshold <= standard->keys.size());
    }
    const auto instructions = disassemble(input);
    if (!instructions) return 0;
    std::size_t at = 0;
    for (const Instruction& instruction : *instructions) {
        CHECK(instruction.offset == at);
        CHECK(!opcode_name(instruction.opcode).empty());
        CHECK(!to_text(instruction).empty());
        at += 1 + instruction.operand.size();
        if (instruction.opcode == OpCode::PushData1) at += 1;
        if (instruction.opcode == OpCode::PushData2) at += 2;
        if (instruction.opcode == OpCode::PushData4) at += 4;
        const auto constant = instruction.constant();
        if (!constant) continue;
        ScriptBuilder builder;
        const auto pushed = builder.push_value(*constant).take();
        const auto again = disassemble(pushed);
        CHECK(again && again->size() == 1 && again->front().constant() == constant);
    }
    CHECK(at == size);
    return 0;
}
