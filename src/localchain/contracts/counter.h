#pragma once

#include "localchain/contracts/contract.h"

namespace adyton::localchain {

// A counter: `increase` (also `increment`) adds one and answers the new count, `get_count` answers
// it, `fail` panics with `ordered failure`, `burn` {"tgas"} uses gas up. Numbers are JSON numbers.
class CounterContract final : public NearContract {
public:
    std::string_view name() const override { return "adyton/localchain/counter"; }
    void deploy(const near::AccountId& account, NearStorage& storage) const override;
    Result<std::string> run(NearCall& call) const override;
};

}  // namespace adyton::localchain
