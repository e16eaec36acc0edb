#pragma once

#include <string_view>

namespace adyton::script::internal {

// JavaScript that every script finds in place: console, Math.random, the functions of the library
// under their names, and fetch where the job has it. Evaluated once, into the snapshot; called with
// an object of host functions by name.
extern const std::string_view kPrelude;

}  // namespace adyton::script::internal
