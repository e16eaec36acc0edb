#include <algorithm>

#include "near/intents.h"

// What intents do to their signer.
namespace adyton::near {
namespace {

struct Context {
    const AccountId& signer_id;
    const AccountId& wrap_contract;
};

void refuse(IntentFacts& facts, std::string reason) {
    facts.understood = false;
    if (facts.reason.empty()) facts.reason = std::move(reason);
}

void lose(
    IntentFacts& facts, std::string token, std::optional<AccountId> to, base::Amount amount,
    bool leaves_contract) {
    if (amount == base::Amount()) refuse(facts, "an amount is zero");
    facts.outflows.push_back({std::move(token), std::move(to), amount, leaves_contract});
}

void lose_wrapped(
    IntentFacts& facts, const Context& context, const AccountId& to, YoctoNear amount) {
    lose(facts, TokenId::nep141(context.wrap_contract).text(), to, amount.amount(), true);
}

void add_options(
    IntentFacts& facts, const Context& context, const AccountId& token, const AccountId& receiver,
    const WithdrawOptions& options) {
    facts.async_effects = true;
    if (options.msg.has_value()) facts.called_contract = receiver;
    if (options.storage_deposit.has_value() && !options.storage_deposit->is_zero()) {
        lose_wrapped(facts, context, token, *options.storage_deposit);
    }
}

void add(IntentFacts& facts, const Context& context, const TransferIntent& intent) {
    if (intent.receiver_id == context.signer_id) refuse(facts, "a transfer to oneself");
    if (intent.tokens.empty()) refuse(facts, "a transfer of nothing");
    for (const TokenAmount& each : intent.tokens) {
        lose(facts, each.token.text(), intent.receiver_id, each.amount, false);
    }
    if (intent.msg.has_value()) {
        facts.called_contract = intent.receiver_id;
        facts.async_effects = true;
    }
}

void add(IntentFacts& facts, const Context&, const TokenDiffIntent& intent) {
    if (intent.diff.empty()) refuse(facts, "a token_diff of nothing");
    for (const auto& [token, delta] : intent.diff) {
        if (delta.is_zero()) {
            refuse(facts, "an amount is zero");
        } else if (delta.is_negative()) {
            lose(facts, token.text(), std::nullopt, delta.magnitude(), false);
        } else {
            facts.inflows.push_back({token, delta.magnitude()});
        }
    }
}

void add(IntentFacts& facts, const Context& context, const FtWithdrawIntent& intent) {
    lose(facts, TokenId::nep141(intent.token).text(), intent.receiver_id, intent.amount, true);
    add_options(facts, context, intent.token, intent.receiver_id, intent.options);
}

void add(IntentFacts& facts, const Context& context, const NftWithdrawIntent& intent) {
    if (intent.token_id.empty()) refuse(facts, "a token without an id");
    lose(
        facts, "nep171:" + intent.token.text() + ":" + intent.token_id, intent.receiver_id,
        base::Amount(1), true);
    add_options(facts, context, intent.token, intent.receiver_id, intent.options);
}

void add(IntentFacts& facts, const Context& context, const MtWithdrawIntent& intent) {
    if (intent.token_ids.empty()) refuse(facts, "a withdrawal of nothing");
    for (std::size_t i = 0; i < intent.token_ids.size(); ++i) {
        if (intent.token_ids[i].empty()) refuse(facts, "a token without an id");
        lose(
            facts, "nep245:" + intent.token.text() + ":" + intent.token_ids[i], intent.receiver_id,
            intent.amounts[i], true);
    }
    add_options(facts, context, intent.token, intent.receiver_id, intent.options);
}

void add(IntentFacts& facts, const Context& context, const NativeWithdrawIntent& intent) {
    facts.async_effects = true;
    lose_wrapped(facts, context, intent.receiver_id, intent.amount);
}

void add(IntentFacts& facts, const Context& context, const StorageDepositIntent& intent) {
    facts.async_effects = true;
    lose_wrapped(facts, context, intent.contract_id, intent.amount);
}

void add(IntentFacts& facts, const Context&, const AddPublicKeyIntent&) {
    facts.changes_authority = true;
}

void add(IntentFacts& facts, const Context&, const RemovePublicKeyIntent&) {
    facts.changes_authority = true;
}

void add(IntentFacts& facts, const Context&, const SetAuthByPredecessorIdIntent&) {
    facts.changes_authority = true;
}

void add(IntentFacts& facts, const Context& context, const AuthCallIntent& intent) {
    facts.async_effects = true;
    facts.called_contract = intent.contract_id;
    if (!intent.attached_deposit.is_zero()) {
        lose_wrapped(facts, context, intent.contract_id, intent.attached_deposit);
    }
}

std::string kind_of(const Intent& intent) {
    return std::visit(
        [](const auto& one) -> std::string {
            if constexpr (std::is_same_v<std::decay_t<decltype(one)>, UnknownIntent>) {
                return one.kind;
            } else {
                return std::string(one.kName);
            }
        },
        intent);
}

}  // namespace

IntentFacts facts_of(
    const Intent& intent, const AccountId& signer_id, const AccountId& wrap_contract) {
    IntentFacts facts;
    facts.kind = kind_of(intent);
    const Context context{signer_id, wrap_contract};
    std::visit(
        [&](const auto& one) {
            if constexpr (std::is_same_v<std::decay_t<decltype(one)>, UnknownIntent>) {
                refuse(facts, one.reason);
            } else {
                add(facts, context, one);
            }
        },
        intent);
    return facts;
}

std::vector<IntentFacts> facts_of(const IntentsMessage& message, const AccountId& wrap_contract) {
    std::vector<IntentFacts> out;
    for (const Intent& intent : message.intents) {
        out.push_back(facts_of(intent, message.signer_id, wrap_contract));
    }
    return out;
}

}  // namespace adyton::near
