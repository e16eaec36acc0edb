#pragma once

#include <utility>
#include <vector>

#include "localchain/contracts/contract.h"

namespace adyton::localchain {

// The sequential gate (near.md 4): methods, logs, panics and gas after the public contract. Own
// work costs a fixed amount of gas a method; that of the callback and of the calls it makes is what
// decides whether a batch wedges, and is counted exactly.
class GateContract final : public NearContract {
public:
    struct People {
        near::AccountId owner;
        near::AccountId approver;
        std::vector<near::AccountId> relayers;
    };
    explicit GateContract(People people) : people_(std::move(people)) {}

    std::string_view name() const override { return "adyton/localchain/gate"; }
    void deploy(const near::AccountId& account, NearStorage& storage) const override;
    Result<std::string> run(NearCall& call) const override;

    // Where the batch's rest is kept: ids with commas between them. For wedging it by hand.
    static constexpr const char* kTailKey = "tail";

private:
    const People people_;
};

}  // namespace adyton::localchain
