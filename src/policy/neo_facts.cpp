#include "policy/neo_facts.h"

#include <utility>

#include "neo/address.h"
#include "neo/token.h"

namespace adyton::policy {
namespace {

std::string account_text(const neo::ScriptHash& account) {
    return neo::Address(account).to_string();
}

ContractCall transfer_of(const neo::ScriptHash& contract) {
    ContractCall call;
    call.receiver = contract.to_string();
    call.method = "transfer";
    return call;
}

Action action_of(const neo::Nep17Transfer& transfer) {
    Action action;
    action.kind = ActionKind::Transfer;
    action.call = transfer_of(transfer.token);
    action.movements.push_back(
        {transfer.token.to_string(), account_text(transfer.from), account_text(transfer.to),
         transfer.amount});
    return action;
}

Action action_of(const neo::Nep11Transfer& transfer, const neo::ScriptHash& account) {
    Action action;
    action.kind = ActionKind::NftTransfer;
    action.call = transfer_of(transfer.contract);
    action.movements.push_back(
        {transfer.contract.to_string(), account_text(account), account_text(transfer.to),
         transfer.amount.value_or(Amount(1))});
    action.detail = "token id " + base::hex_encode(transfer.token_id);
    return action;
}

Action action_of(const neo::ContractCall& call) {
    Action action;
    action.kind = ActionKind::Call;
    action.call.emplace();
    action.call->receiver = call.contract.to_string();
    action.call->method = call.method;
    action.call->opaque = true;
    return action;
}

// A transfer out of somebody else's account. GAS and NEO have no use for another witness than that
// one's; any other contract gets the account's with the call and may do what it likes with it.
bool is_foreign_transfer(
    const neo::Explanation& explanation, const neo::ContractCall& call,
    const neo::ScriptHash& account) {
    switch (call.kind) {
        case neo::ContractCall::Kind::Nep17:
            return explanation.transfers.at(call.transfer_index).from != account &&
                   call.contract != neo::gas_token().contract &&
                   call.contract != neo::neo_token().contract;
        case neo::ContractCall::Kind::Nep11: {
            const auto& from = explanation.nft_transfers.at(call.transfer_index).from;
            return from && *from != account;
        }
        case neo::ContractCall::Kind::Read:
        case neo::ContractCall::Kind::Other:
            break;
    }
    return false;
}

// Whether the account's witness is of use only to what the script calls itself.
bool reaches_no_deeper(const neo::Explanation& explanation, const neo::Signer& signer) {
    if (signer.scopes == neo::kScopeNone) return true;
    return explanation.decoded && signer.scopes == neo::kScopeCalledByEntry;
}

}  // namespace

std::string neo_chain(std::uint32_t network_magic) {
    return "neo:" + std::to_string(network_magic);
}

ActionFacts facts_of(
    const neo::Explanation& explanation, const neo::ScriptHash& account,
    std::uint32_t network_magic) {
    ActionFacts facts;
    facts.chain = neo_chain(network_magic);
    facts.account = account_text(account);
    const neo::AccountEffect effect = neo::effect_on(explanation, account);
    const neo::Signer* const signer = explanation.find_signer(account);
    for (const neo::Nep17Transfer& transfer : effect.transfers) {
        facts.actions.push_back(action_of(transfer));
    }
    for (const neo::Nep11Transfer& transfer : effect.nft_transfers) {
        facts.actions.push_back(action_of(transfer, account));
    }
    const bool takes_part = signer != nullptr && signer->scopes != neo::kScopeNone;
    for (const neo::ContractCall& call : explanation.calls) {
        const bool opaque = call.kind == neo::ContractCall::Kind::Other ||
                            is_foreign_transfer(explanation, call, account);
        if (takes_part && opaque) facts.actions.push_back(action_of(call));
    }
    if (effect.fees > 0) {
        facts.fees.push_back(
            {std::string(neo::kGasScriptHashText),
             Amount(static_cast<std::uint64_t>(effect.fees))});
    }
    if (signer == nullptr) {
        facts.understood = false;
        facts.reason = "the account is not among the signers";
    } else if (!effect.bounded && !reaches_no_deeper(explanation, *signer)) {
        facts.understood = false;
        facts.reason = explanation.reason.empty() ? "the witness reaches further than the script"
                                                  : explanation.reason;
    }
    if (!facts.understood) {
        Action action;
        action.detail = facts.reason;
        facts.actions.push_back(std::move(action));
    } else if (facts.actions.empty()) {
        // Nothing but the fees: the sponsor of somebody else's transaction, or reads.
        Action action;
        action.kind = ActionKind::Transfer;
        action.detail = "moves nothing but the fees";
        facts.actions.push_back(std::move(action));
    }
    return facts;
}

}  // namespace adyton::policy
