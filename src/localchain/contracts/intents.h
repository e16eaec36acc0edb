#pragma once

#include <string>
#include <utility>
#include <vector>

#include "localchain/contracts/contract.h"
#include "near/nonce.h"

namespace adyton::localchain {

// NEAR Intents (near.md 3): NEP-413 payloads checked in the contract's order, nonces and their
// salts, transfers, token_diff with the zero-sum rule, withdrawals, balances, simulation.
//
// Not modelled, and refused with a panic that says SIMULATOR: payloads of other standards than
// nep413, messages to receivers, nft_withdraw, mt_withdraw, auth_call, storage deposits inside
// withdrawals. There is no fee.
class IntentsContract final : public NearContract {
public:
    struct Balance {
        near::AccountId account;
        std::string token;  // "nep141:wrap.near"
        base::Amount amount;
    };
    // The balances at genesis must be backed by the contract's own holdings at the tokens.
    IntentsContract(near::AccountId wrap, near::IntentsSalt salt, std::vector<Balance> balances)
        : wrap_(std::move(wrap)), salt_(salt), balances_(std::move(balances)) {}

    std::string_view name() const override { return "adyton/localchain/intents"; }
    void deploy(const near::AccountId& account, NearStorage& storage) const override;
    Result<std::string> run(NearCall& call) const override;

private:
    const near::AccountId wrap_;
    const near::IntentsSalt salt_;
    const std::vector<Balance> balances_;
};

}  // namespace adyton::localchain
