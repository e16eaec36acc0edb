#pragma once

#include <span>
#include <string>

#include "near/account_id.h"
#include "near/delegate.h"
#include "near/intents.h"
#include "near/nep413.h"
#include "near/transaction.h"
#include "policy/facts.h"

namespace adyton::policy {

struct NearNetwork {
    std::string chain = "near:mainnet";
    near::AccountId intents;  // the verifying contract, "intents.near"
    near::AccountId wrap;     // wNEAR, "wrap.near"

    static NearNetwork mainnet();
};

// What actions of `account` towards `receiver` do, as a transaction or as a delegate.
//
// Calls that are read to the end: ft_transfer and ft_transfer_call (NEP-141; to the intents
// contract with an empty msg: intents_deposit), nft_transfer, near_deposit and near_withdraw of
// wNEAR, storage_deposit, and on the intents contract execute_intents (its tokens were charged when
// the payloads were signed), ft_withdraw, mt_transfer and the key methods. Arguments that do not
// read exactly, and every other method, make an opaque call.
ActionFacts facts_of(
    const near::AccountId& account, const near::AccountId& receiver,
    std::span<const near::PlainAction> actions, const NearNetwork& network);
ActionFacts facts_of(const near::DelegateAction& delegate, const NearNetwork& network);
// A transaction with a signed delegate of somebody else in it: not understood.
ActionFacts facts_of(const near::Transaction& transaction, const NearNetwork& network);

// What a NEP-413 payload does. Addressed to the intents contract: the intents inside, each an
// action; a signer_id other than `account`, members beside the known ones or an intent that is not
// read to the end make it not understood. Addressed to somebody else: sign_message.
ActionFacts facts_of(
    const near::AccountId& account, const near::MessagePayload& payload,
    const NearNetwork& network);

}  // namespace adyton::policy
