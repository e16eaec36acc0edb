#pragma once

#include <optional>

#include "script/host_functions.h"

namespace adyton::script {

// The hidden subcommand of a binary that uses Executors.
inline constexpr const char* kZygoteCommand = "__script-zygote";
// For the test that no system call lies outside the list: executors report one instead of dying of
// it. It fails all the same.
inline constexpr const char* kZygoteSignalOption = "signal";

// First thing in main(), before any thread, key, signal handler or library starts: when argv asks
// for the zygote, serves as one until the parent is gone and gives the exit status to return;
// otherwise nothing.
std::optional<int> run_zygote_if_asked(int argc, char** argv, const HostLibrary& library);

}  // namespace adyton::script
