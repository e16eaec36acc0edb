#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "localchain/neo_rpc.h"

namespace adyton::localchain::internal {

// The faults ordered of one node, and how often each struck. Not thread safe.
class FaultPlan {
public:
    explicit FaultPlan(std::uint64_t seed) : random_(seed) {}

    void order(FaultRule rule);
    void clear() { rules_.clear(); }
    // What strikes this call, if anything: the first rule in the order given. Every rule that the
    // call matches counts it.
    std::optional<FaultRule> strike(std::string_view method);
    std::uint64_t struck(NodeFault fault) const;

private:
    struct Ordered {
        FaultRule rule;
        std::uint64_t seen = 0;
        std::uint64_t acted = 0;
    };
    base::SeededRandom random_;
    std::vector<Ordered> rules_;
    std::array<std::uint64_t, kNodeFaultCount> struck_{};
};

}  // namespace adyton::localchain::internal
