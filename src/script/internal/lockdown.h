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

// A forked child.
struct Birth {
    int pid = -1;     // 0 in the child, -1: fork failed
    int pid_fd = -1;  // in the parent; -1 where the kernel has none
    Layers layers;    // the namespaces that the child is in
};
// Forks into new namespaces, as many as the kernel grants; into none when it grants none. For
// single-threaded processes only. In the child, call enter_namespaces() next.
Birth fork_into_namespaces();
// Makes the new namespaces empty: an empty read-only root, no name of a user. Gives the layers that
// are really there. Dies with its parent.
Layers enter_namespaces(Layers born);
// Leaves libraries that no executor calls out of what a fork copies: a program has many of them,
// and each mapping costs every fork and every end. Needs all symbols bound (LD_BIND_NOW): looking
// one up would go through every library. Before /proc goes away.
void keep_from_children();
// For all that this process will fork: no capability can be had again by any exec.
void drop_bounding_set();
// Forks, with a pidfd where the kernel has them.
Birth fork_executor();

struct Lockdown {
    const SyscallFilter* filter = nullptr;  // null: none could be built
    std::uint32_t number = 0;               // of this executor: its user id is its own
    Layers inherited;                       // of enter_namespaces
    std::uint64_t data_bytes = 0;           // data_bytes() before the root went away
};
// What the kernel counts as this process's data; 0 when it does not say.
std::uint64_t data_bytes();
// In an executor, once: gives up everything but kExecutorSocket. The layers that are really there;
// one that the kernel refuses is missing, and nothing else changes.
Layers lock_down(const Lockdown& lockdown);

}  // namespace adyton::script::internal
