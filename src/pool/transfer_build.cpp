#include <algorithm>

#include "base/cut_text.h"
#include "crypto/uuid.h"
#include "neo/address.h"
#include "neo/nep17.h"
#include "neo/token.h"
#include "neo/witness.h"
#include "pool/internal/transfer_core.h"
#include "pool/lock_check.h"

namespace adyton::pool {
namespace {

// An address, or a script hash in display form with or without 0x (neo.md 4.2).
Result<neo::ScriptHash> parse_receiver(std::string_view text) {
    auto hash = neo::ScriptHash::parse(text);
    if (hash) return hash;
    auto address = neo::Address::parse(text);
    if (address) return address->script_hash();
    return Error::invalid_argument(
        "to_address must be a Neo N3 address or a script hash of 40 hex digits", "bad_address");
}

// What needs no book of tokens.
std::optional<neo::ScriptHash> parse_token(std::string_view text) {
    const auto known = neo::find_well_known_token(text);
    if (known) return known->contract;
    const auto hash = neo::ScriptHash::parse(text);
    if (hash) return *hash;
    return std::nullopt;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    return text;
}

}  // namespace

Result<TransferPlan> plan_transfer(api::TransferRequest request) {
    TransferPlan plan;
    auto account = crypto::canonical_uuid(request.account_id);
    if (!account) return unknown_account();
    plan.account_id = *std::move(account);
    plan.payer_id = plan.account_id;
    if (!request.fee_account_id.empty()) {
        auto payer = crypto::canonical_uuid(request.fee_account_id);
        if (!payer) {
            return Error::invalid_argument("fee_account_id is no account", "bad_fee_account");
        }
        plan.payer_id = *std::move(payer);
    }
    TRY(plan.to, parse_receiver(trimmed(request.to_address)));
    const std::string_view token = trimmed(request.token_address);
    if (const auto contract = parse_token(token)) {
        plan.token = *contract;
    } else {
        plan.symbol.emplace(token);
    }
    plan.request = std::move(request);
    return plan;
}

std::vector<neo::Signer> transfer_signers(const TransferParties& parties) {
    std::vector<neo::Signer> signers;
    if (parties.payer) {
        neo::Signer payer;
        payer.account = parties.payer->account;
        payer.scopes = neo::kScopeNone;  // pays, and can be made to do nothing else
        signers.push_back(std::move(payer));
    }
    neo::Signer from;
    from.account = parties.from.account;
    from.scopes = neo::kScopeCalledByEntry;
    signers.push_back(std::move(from));
    return signers;
}

base::Bytes transfer_script(const TransferPlan& plan, const TransferParties& parties) {
    neo::Nep17Transfer transfer;
    transfer.token = plan.token;
    transfer.from = parties.from.account;
    transfer.to = plan.to;
    transfer.amount = plan.request.amount;
    if (!plan.request.data.empty()) transfer.data = neo::Value::of_text(plan.request.data);
    return neo::nep17_transfer_script(transfer);
}

std::vector<neo::Witness> unsigned_witnesses(const TransferParties& parties) {
    std::vector<neo::Witness> witnesses;
    if (parties.payer) {
        witnesses.push_back(neo::unsigned_single_signature_witness(parties.payer->public_key));
    }
    witnesses.push_back(neo::unsigned_single_signature_witness(parties.from.public_key));
    return witnesses;
}

std::uint32_t last_block(
    std::uint32_t block_count, const chain::NeoNetwork& network, const TransferOptions& options) {
    const auto block_time = std::max<base::Duration>(
        std::chrono::duration_cast<base::Duration>(network.block_time),
        std::chrono::milliseconds(1));
    const auto blocks = (options.validity + block_time - base::Duration(1)) / block_time;
    std::uint64_t window = std::max<std::uint64_t>(
        static_cast<std::uint64_t>(blocks), std::uint64_t{network.validators_count} + 1);
    // Nodes refuse more than height + increment, and one may be some blocks behind (neo.md 6.3).
    const std::uint64_t most = network.valid_until_increment_max;
    const std::uint64_t lag = std::min<std::uint64_t>(most / 4, 3);
    window = std::min(window, most > lag + 1 ? most - 1 - lag : 1);
    return static_cast<std::uint32_t>(
        std::min<std::uint64_t>(block_count + window, std::uint64_t{0xffff'ffff}));
}

Result<base::Bytes> sign_transfer(
    const Signer& signer, neo::NetworkMagic magic, const TransferDraft& draft,
    const TransferParties& parties) {
    const auto digest = neo::sign_data_digest(magic, draft.hash);
    neo::Transaction transaction = draft.transaction;
    transaction.witnesses.clear();
    if (parties.payer) {
        TRY(const auto made, signer.sign(parties.payer->key, digest));
        transaction.witnesses.push_back(
            neo::single_signature_witness(made.public_key, made.signature));
    }
    TRY(const auto made, signer.sign(parties.from.key, digest));
    transaction.witnesses.push_back(neo::single_signature_witness(made.public_key, made.signature));
    return neo::serialize(transaction);
}

std::string cut(std::string text, std::size_t bytes_max) {
    text.resize(base::cut_text(text, bytes_max).size());
    return text;
}

bool has_transfer_event(
    const std::vector<chain::Notification>& notifications, const TransferRecord& record) {
    return std::any_of(
        notifications.begin(), notifications.end(), [&](const chain::Notification& notification) {
            const auto event = chain::as_nep17_transfer(notification);
            return event && event->token == record.token && event->from == record.from &&
                   event->to == record.to && event->amount == record.amount;
        });
}

}  // namespace adyton::pool
