#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace adyton::script::internal {

// Whether this group (cgroup v2) was given to us to divide: it belongs to this process's user and
// not to root, or systemd marked it (Delegate=yes).
bool is_delegated(const std::string& directory);
bool make_group(const std::string& directory);

// One group for the zygote and all its executors, with the kernel's own limits of memory and of
// processes: the last line behind those of each executor. It stands beside the group that this
// process is in, below a group that was delegated and that holds no process itself (systemd:
// Delegate=yes and DelegateSubgroup=). Elsewhere there is none, and nothing is changed.
class Cgroup {
public:
    struct Place {
        std::string root;  // in front of /proc and /sys; tests
        bool (*delegated)(const std::string& directory) = &is_delegated;
        // True: it is there now, and was not before.
        bool (*make)(const std::string& directory) = &make_group;
        std::uint32_t number = 0;  // of this process; names the group
    };
    struct Limits {
        std::uint64_t memory_bytes = 0;
        std::uint32_t processes = 0;
    };

    // Nothing: not v2, not delegated, no controller, or the kernel refused. Empty groups that
    // earlier processes left are removed.
    static std::optional<Cgroup> create(const Place& place, const Limits& limits);

    // Moves the calling process into it; its children are born there. False: refused.
    bool join() const;
    // When no process is in it any more.
    void remove() const;
    const std::string& directory() const { return directory_; }

private:
    explicit Cgroup(std::string directory) : directory_(std::move(directory)) {}
    std::string directory_;
};

}  // namespace adyton::script::internal
