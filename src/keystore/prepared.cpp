#include "keystore/prepared.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "crypto/transcript.h"
#include "keystore/records.h"
#include "near/intents.h"

namespace adyton::keystore {
namespace {

using near::DelegateAction;
using near::MessagePayload;
using near::Transaction;

Error mismatch() {
    return Error::internal("the bytes to sign do not say what was asked; nothing was signed");
}

void find_carried(
    const near::FunctionCall& call, const near::AccountId& receiver, const Order& order,
    const policy::NearNetwork& network, std::vector<CarriedPayload>& out) {
    auto found =
        carried_by(call, receiver, order.account(), near::PublicKey(order.public_key), network);
    for (CarriedPayload& payload : found) {
        const bool known = std::any_of(out.begin(), out.end(), [&](const CarriedPayload& other) {
            return other.hash == payload.hash;
        });
        if (!known) out.push_back(std::move(payload));
    }
}

// Calls signed as a user are judged as such: what they call is the user's to lose, not the
// wallet's.
void mark_direct_user(policy::ActionFacts& facts) {
    for (policy::Action& action : facts.actions) {
        if (action.kind == policy::ActionKind::Call) action.kind = policy::ActionKind::DirectUser;
    }
}

Result<Prepared> prepare_message(
    const Order& order, const MessagePayload& asked, const policy::NearNetwork& network) {
    Prepared out;
    out.payload = near::serialize(asked);
    const auto read = near::parse_message_payload(out.payload);
    if (!read || *read != asked || read->callback_url) return mismatch();
    out.digest = near::hash(*read).digest;
    out.facts = policy::facts_of(order.account(), *read, network);
    if (read->recipient == network.intents.text()) {
        if (const auto message = near::parse_intents_message(read->message)) {
            out.valid_until = message->deadline.time_since_epoch().count();
        }
    }
    return out;
}

Result<Prepared> prepare_delegate(
    const Order& order, const DelegateAction& asked, const policy::NearNetwork& network) {
    Prepared out;
    out.payload = near::serialize(asked);
    const auto read = near::parse_delegate_action(out.payload);
    if (!read || *read != asked) return mismatch();
    if (read->sender_id != near::AccountId::implicit(order.public_key) ||
        read->public_key != near::PublicKey(order.public_key)) {
        return mismatch();
    }
    out.digest = near::hash_of_serialized_delegate(out.payload).digest;
    out.facts = policy::facts_of(*read, network);
    for (const near::PlainAction& action : read->actions) {
        const auto* const call = std::get_if<near::FunctionCall>(&action);
        if (call != nullptr) find_carried(*call, read->receiver_id, order, network, out.carried);
    }
    return out;
}

Result<Prepared> prepare_transaction(
    const Order& order, const Transaction& asked, const policy::NearNetwork& network) {
    Prepared out;
    out.payload = near::serialize(asked);
    if (out.payload.size() > near::kTransactionBytesMax) {
        return Error::invalid_argument("the transaction is larger than the chain takes");
    }
    const auto read = near::parse_transaction(out.payload);
    if (!read || *read != asked || read->public_key != near::PublicKey(order.public_key)) {
        return mismatch();
    }
    out.digest = near::hash(*read).digest;
    out.facts = policy::facts_of(*read, network);
    if (is_direct_user(order.operation)) {
        mark_direct_user(out.facts);
    } else {
        for (const near::Action& action : read->actions) {
            const auto* const call = std::get_if<near::FunctionCall>(&action);
            if (call != nullptr) {
                find_carried(*call, read->receiver_id, order, network, out.carried);
            }
        }
    }
    out.nonce = std::to_string(read->nonce);
    return out;
}

}  // namespace

std::vector<CarriedPayload> carried_by(
    const near::FunctionCall& call, const near::AccountId& receiver, const near::AccountId& account,
    const near::PublicKey& own, const policy::NearNetwork& network) {
    std::vector<CarriedPayload> out;
    if (receiver != network.intents || call.method_name != "execute_intents") return out;
    const auto payloads = near::parse_execute_intents_args(call.args);
    if (!payloads) return out;  // the facts say that the call is not understood
    for (const near::MultiPayload& payload : *payloads) {
        if (!payload.nep413 || payload.nep413->public_key != own) continue;
        const MessagePayload& message = payload.nep413->payload;
        const near::MessageHash hash = near::hash(message);
        const bool known = std::any_of(out.begin(), out.end(), [&](const CarriedPayload& other) {
            return other.hash == hash;
        });
        if (!known) out.push_back({hash, policy::facts_of(account, message, network)});
    }
    return out;
}

Result<policy::ActionFacts> with_fresh_payloads(
    storage::Transaction& tx, policy::ActionFacts facts, const std::vector<CarriedPayload>& carried,
    std::vector<const CarriedPayload*>& fresh) {
    for (const CarriedPayload& payload : carried) {
        TRY(const bool known, records::is_payload_known(tx, payload.hash.digest));
        if (known) continue;
        fresh.push_back(&payload);
        facts.actions.insert(
            facts.actions.end(), payload.facts.actions.begin(), payload.facts.actions.end());
        if (!payload.facts.understood && facts.understood) {
            facts.understood = false;
            facts.reason = payload.facts.reason;
        }
    }
    return facts;
}

Result<Prepared> prepare(const Order& order, const policy::NearNetwork& network) {
    if (const auto* const message = std::get_if<MessagePayload>(&order.content)) {
        return prepare_message(order, *message, network);
    }
    if (const auto* const delegate = std::get_if<DelegateAction>(&order.content)) {
        return prepare_delegate(order, *delegate, network);
    }
    return prepare_transaction(order, std::get<Transaction>(order.content), network);
}

Result<Order> with_chain(Order order, const AccessKeyView& view) {
    auto& transaction = std::get<Transaction>(order.content);
    if (!order.override_nonce) {
        if (view.nonce == std::numeric_limits<std::uint64_t>::max()) {
            return Error::conflict("the access key has no nonce left", "nonce_exhausted");
        }
        transaction.nonce = view.nonce + 1;
    }
    transaction.block_hash = view.block_hash;
    return order;
}

crypto::Sha256Digest request_digest(
    const Order& order, const Prepared& prepared, std::string_view idempotency_key) {
    base::Bytes without_chain;
    base::ByteView payload = prepared.payload;
    if (!order.is_transaction() || order.override_nonce) idempotency_key = {};
    if (order.is_transaction()) {
        Transaction transaction = std::get<Transaction>(order.content);
        transaction.nonce = order.override_nonce.value_or(0);
        transaction.block_hash = near::BlockHash{};
        without_chain = near::serialize(transaction);
        payload = without_chain;
    }
    crypto::Transcript transcript("keystore-request");
    transcript.add(1, order.wallet_id).add(2, to_string(order.operation));
    transcript.add_u64(3, order.key_version).add(4, order.public_key.bytes).add(5, payload);
    transcript.add_u64(6, order.override_nonce ? 1 : 0).add(7, idempotency_key);
    return transcript.sha256();
}

bool is_recorded_for(
    const Order& order, const Prepared& prepared, base::ByteView payload,
    const crypto::Sha256Digest& digest) {
    if (order.is_transaction()) return crypto::sha256(payload) == digest;
    return digest == prepared.digest &&
           std::equal(
               payload.begin(), payload.end(), prepared.payload.begin(), prepared.payload.end());
}

}  // namespace adyton::keystore
