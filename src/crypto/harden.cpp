#include "crypto/harden.h"

#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstring>

namespace adyton::crypto {
namespace {

bool note(Hardening& hardening, const char* call, bool done) {
    if (!done) hardening.problems.push_back(std::string(call) + ": " + std::strerror(errno));
    return done;
}

}  // namespace

Hardening harden_process() {
    Hardening out;
    const rlimit none{0, 0};
    out.core_files_off = note(out, "setrlimit(RLIMIT_CORE)", ::setrlimit(RLIMIT_CORE, &none) == 0);
    out.not_dumpable = note(
        out, "prctl(PR_SET_DUMPABLE)",
        ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 && ::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
    out.no_new_privileges =
        note(out, "prctl(PR_SET_NO_NEW_PRIVS)", ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    return out;
}

Result<SecretBuffer> take_environment_secret(const std::string& name) {
    char* const value = ::getenv(name.c_str());
    if (value == nullptr) return Error::not_found("environment variable " + name + " is not set");
    const std::size_t size = std::strlen(value);
    const std::span<std::uint8_t> bytes(reinterpret_cast<std::uint8_t*>(value), size);
    auto secret = SecretBuffer::copy_of(bytes);
    wipe(bytes);
    // A value of zero bytes ends at once: the entry is NAME= now, and goes from the list as well.
    ::unsetenv(name.c_str());
    if (size == 0) return Error::not_found("environment variable " + name + " is empty");
    if (!secret) return std::move(secret).error().with_context("environment variable " + name);
    return secret;
}

}  // namespace adyton::crypto
