#pragma once

#include <utility>
#include <vector>

#include "localchain/contracts/contract.h"

namespace adyton::localchain {

// wNEAR: a NEP-141 token with NEP-145 storage (registration only, 0.00125 NEAR) that NEAR is
// wrapped into and out of (near.md 8.1).
class WrapContract final : public NearContract {
public:
    // Registered holders at genesis. Their NEAR is not taken from anywhere: give the contract's
    // account as much.
    using Holders = std::vector<std::pair<near::AccountId, base::Amount>>;
    explicit WrapContract(Holders holders) : holders_(std::move(holders)) {}

    std::string_view name() const override { return "adyton/localchain/wrap"; }
    void deploy(const near::AccountId& account, NearStorage& storage) const override;
    Result<std::string> run(NearCall& call) const override;

private:
    const Holders holders_;
};

}  // namespace adyton::localchain
