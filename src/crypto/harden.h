#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "crypto/secret.h"

namespace adyton::crypto {

// What harden_process got; printed at start-up.
struct Hardening {
    bool core_files_off = false;  // RLIMIT_CORE 0, hard limit too
    bool not_dumpable = false;    // PR_SET_DUMPABLE 0: no dumps into a pipe either, no ptrace and
                                  // no /proc/pid/{mem,environ} for other processes of this user
    bool no_new_privileges = false;     // PR_SET_NO_NEW_PRIVS, inherited by children
    std::vector<std::string> problems;  // one line a refusal: "prctl(PR_SET_DUMPABLE): ..."

    bool complete() const { return core_files_off && not_dumpable && no_new_privileges; }
};

// Call first thing in main, before threads: execve resets dumpable to 1. Refusals are reported, not
// fatal: Gramine has no prctl (and needs none), and the caller decides what strict mode demands.
Hardening harden_process();

// Takes a secret out of the environment: copies the value into locked memory, zeroes the original
// bytes where /proc/self/environ shows them, and removes the variable. unsetenv alone leaves them.
// Call in main before threads start and before anything copies the environment.
// NotFound: unset or empty. TooLarge: over SecretBuffer::kSizeMax; wiped and removed all the same.
Result<SecretBuffer> take_environment_secret(const std::string& name);

}  // namespace adyton::crypto
