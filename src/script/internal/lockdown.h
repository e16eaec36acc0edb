#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "script/layers.h"

struct sock_filter;

namespace adyton::script::internal {

// The one descriptor of an executor.
inline constexpr int kExecutorSocket = 0;

// A seccomp filter, made once in the zygote and given to each executor by one call.
class SyscallFilter {
public:
    // What a system call outside the list meets: death, or (for the test that finds none) SIGSYS.
    enum class Outside { Kill, Signal };

    // Unavailable: libseccomp or the kernel does not do it.
    static Result<SyscallFilter> build(Outside outside);
    // For the rest of this process's life. False: the kernel refused.
    bool install() const;

private:
    std::vector<std::uint64_t> program_;  // struct sock_filter, 8 bytes each
};

// A child in new namespaces, as far as the kernel lets us.
struct Birth {
    int pid = -1;     // 0 in the child
    int pid_fd = -1;  // in the parent; -1 where the kernel has none
    Layers layers;    // the namespaces of the child
};
// The namespaces are tried once; what they turned out to be is used from then on. pid -1: fork
// failed. For single-threaded processes only.
Birth fork_isolated();

struct Lockdown {
    const SyscallFilter* filter = nullptr;  // null: none could be built
    std::uint32_t number = 0;               // of this executor: its user id is its own
    Layers born;                            // of Birth
};
// In the child, once: gives up everything but kExecutorSocket. The layers that are really there;
// one that the kernel refuses is missing, and nothing else changes.
Layers lock_down(const Lockdown& lockdown);

}  // namespace adyton::script::internal
