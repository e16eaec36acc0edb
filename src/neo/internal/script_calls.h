#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "neo/explain.h"
#include "neo/script.h"

namespace adyton::neo::internal {

// What a script is made of when it is nothing but contract calls with constant arguments.
struct ScriptCalls {
    bool complete = false;  // false: `calls` is what was read before `reason`
    std::string reason;
    std::vector<ContractCall> calls;  // all of Kind::Other
};

// Follows a script without running it: pushes, PACK, NEWARRAY0, System.Contract.Call, and ASSERT or
// DROP of a call's result, NOP, a final RET. Stops at anything else.
ScriptCalls read_calls(base::ByteView script);

}  // namespace adyton::neo::internal
