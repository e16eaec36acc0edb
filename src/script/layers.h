#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace adyton::script {

// One thing that stands between a script and the host. Values are bits and are part of the
// executor protocol and of receipts: never renumber.
enum class Layer : std::uint32_t {
    GuardPages = 1u << 0,      // linear memory inside a reserved region, unmapped around it
    MaskedMemory = 1u << 1,    // each access masked into the slot (for SGX)
    StackBound = 1u << 2,      // native stack checked at each call of the engine
    OwnProcess = 1u << 3,      // not in the process of the service
    OwnUserProcess = 1u << 4,  // and that process has served no other user
    OwnJobProcess = 1u << 5,   // and no other job (strict)
    NoNewPrivileges = 1u << 6,
    Seccomp = 1u << 7,
    ResourceLimits = 1u << 8,
    DroppedUser = 1u << 9,  // an unprivileged uid, or a user namespace's
    NoCapabilities = 1u << 10,
    NotDumpable = 1u << 11,
    OneDescriptor = 1u << 12,
    PidNamespace = 1u << 13,
    MountNamespace = 1u << 14,  // with an empty root
    NetworkNamespace = 1u << 15,
    IpcNamespace = 1u << 16,
    UtsNamespace = 1u << 17,
    UserNamespace = 1u << 18,
    ControlGroup = 1u << 19,  // the kernel limits memory and processes of all executors together
};
inline constexpr unsigned kLayerCount = 20;

std::string_view to_string(Layer layer);  // "guard_pages", "seccomp", ...

class Layers {
public:
    Layers() = default;
    // Unknown bits are dropped.
    explicit Layers(std::uint32_t bits) : bits_(bits & ((1u << kLayerCount) - 1)) {}

    void add(Layer layer) { bits_ |= static_cast<std::uint32_t>(layer); }
    bool has(Layer layer) const { return (bits_ & static_cast<std::uint32_t>(layer)) != 0; }
    std::uint32_t bits() const { return bits_; }
    // In the order of the bits.
    std::vector<std::string_view> names() const;
    // Those of these that `others` does not have.
    Layers without(Layers others) const { return Layers(bits_ & ~others.bits_); }
    // The names joined by ','.
    std::string to_string() const;
    bool operator==(const Layers&) const = default;

private:
    std::uint32_t bits_ = 0;
};

}  // namespace adyton::script
