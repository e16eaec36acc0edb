#include "localchain/internal/near_rpc_json.h"

#include <algorithm>
#include <array>
#include <variant>

#include "crypto/digest.h"
#include "localchain/internal/near_core.h"
#include "near/delegate.h"

namespace adyton::localchain::internal {
namespace {

using base::Json;

constexpr std::string_view kProducer = "simulator.adyton.near";
constexpr std::int64_t kProtocolVersion = 80;
constexpr std::array<std::pair<WaitLevel, std::string_view>, 6> kLevels = {
    {{WaitLevel::None, "NONE"},
     {WaitLevel::Included, "INCLUDED"},
     {WaitLevel::ExecutedOptimistic, "EXECUTED_OPTIMISTIC"},
     {WaitLevel::IncludedFinal, "INCLUDED_FINAL"},
     {WaitLevel::Executed, "EXECUTED"},
     {WaitLevel::Final, "FINAL"}}};

Json text(std::string_view value) {
    return Json::string(std::string(value));
}
Json number(std::uint64_t value) {
    return Json::unsigned_integer(value);
}
Json object(std::string name, Json value) {
    return Json::object().set(std::move(name), std::move(value));
}

struct ActionView {
    Json operator()(const near::CreateAccount&) const { return text("CreateAccount"); }
    Json operator()(const near::DeployContract& action) const {
        // Nodes show the hash of the code, not the code.
        const auto digest = crypto::sha256(action.code);
        return object("DeployContract", object("code", text(base::base64_encode(digest.view()))));
    }
    Json operator()(const near::FunctionCall& action) const {
        return object(
            "FunctionCall", Json::object()
                                .set("method_name", text(action.method_name))
                                .set("args", text(base::base64_encode(action.args)))
                                .set("gas", number(action.gas.units()))
                                .set("deposit", text(action.deposit.to_string())));
    }
    Json operator()(const near::Transfer& action) const {
        return object("Transfer", object("deposit", text(action.deposit.to_string())));
    }
    Json operator()(const near::AddKey& action) const {
        return object(
            "AddKey",
            Json::object()
                .set("public_key", text(action.public_key.to_string()))
                .set(
                    "access_key",
                    Json::object()
                        .set("nonce", number(action.access_key.nonce))
                        .set("permission", permission_view(action.access_key.permission))));
    }
    Json operator()(const near::DeleteKey& action) const {
        return object("DeleteKey", object("public_key", text(action.public_key.to_string())));
    }
    Json operator()(const near::DeleteAccount& action) const {
        return object(
            "DeleteAccount", object("beneficiary_id", text(action.beneficiary_id.text())));
    }
    Json operator()(const near::SignedDelegate& action) const {
        const near::DelegateAction& inner = action.delegate_action;
        Json actions = Json::array();
        for (const near::PlainAction& one : inner.actions) {
            actions.push_back(action_view(near::to_action(one)));
        }
        return object(
            "Delegate",
            Json::object()
                .set(
                    "delegate_action", Json::object()
                                           .set("sender_id", text(inner.sender_id.text()))
                                           .set("receiver_id", text(inner.receiver_id.text()))
                                           .set("actions", std::move(actions))
                                           .set("nonce", number(inner.nonce))
                                           .set("max_block_height", number(inner.max_block_height))
                                           .set("public_key", text(inner.public_key.to_string())))
                .set("signature", text(action.signature.to_string())));
    }
    // None of these gets into a block.
    template <typename Other>
    Json operator()(const Other&) const {
        return object(std::string(Other::kName), Json::object());
    }
};

Json actions_view(const std::vector<near::Action>& actions) {
    Json out = Json::array();
    for (const near::Action& action : actions) out.push_back(action_view(action));
    return out;
}

Json status_of(const NearOutcome& outcome) {
    switch (outcome.kind) {
        case NearOutcome::Kind::Value:
            return object("SuccessValue", text(base::base64_encode(outcome.value)));
        case NearOutcome::Kind::Receipt:
            return object("SuccessReceiptId", text(outcome.receipt.to_string()));
        case NearOutcome::Kind::Failure:
            break;
    }
    return object("Failure", outcome.failure);
}

const NearOutcome* find_outcome(
    const NearTransactionRecord& record, const near::ReceiptId& id, std::uint64_t head) {
    for (const NearOutcome& outcome : record.outcomes) {
        if (outcome.id == id) return outcome.height <= head ? &outcome : nullptr;
    }
    return nullptr;
}

// Follows the transaction's receipt to the one that ended it.
Json final_status(const NearTransactionRecord& record, std::uint64_t head) {
    const NearOutcome* outcome = &record.outcome;
    while (outcome->kind == NearOutcome::Kind::Receipt) {
        outcome = find_outcome(record, outcome->receipt, head);
        if (outcome == nullptr) return text("Started");
    }
    return status_of(*outcome);
}

const std::string& zero_hash() {
    static const std::string kText = near::BlockHash{}.to_string();
    return kText;
}
const std::string& zero_signature() {
    static const std::string kText = near::Signature(crypto::Ed25519Signature{}).to_string();
    return kText;
}

Json chunk_header(const NearBlockRecord& block) {
    Json out = Json::object();
    out.set("chunk_hash", text(block.hash.to_string()))
        .set("prev_block_hash", text(block.previous.to_string()))
        .set("outcome_root", text(zero_hash()))
        .set("prev_state_root", text(zero_hash()))
        .set("encoded_merkle_root", text(zero_hash()))
        .set("encoded_length", number(0))
        .set("height_created", number(block.height))
        .set("height_included", number(block.height))
        .set("shard_id", number(0))
        .set("gas_used", number(block.gas_used))
        .set("gas_limit", number(1'000'000'000'000'000))
        .set("rent_paid", text("0"))
        .set("validator_reward", text("0"))
        .set("balance_burnt", text("0"))
        .set("outgoing_receipts_root", text(zero_hash()))
        .set("tx_root", text(zero_hash()))
        .set("validator_proposals", Json::array())
        .set("signature", text(zero_signature()));
    return out;
}

}  // namespace

Json action_view(const near::Action& action) {
    return std::visit(ActionView{}, action);
}

Json permission_view(const near::AccessKeyPermission& permission) {
    const auto* const limited = std::get_if<near::FunctionCallPermission>(&permission);
    if (limited == nullptr) return text("FullAccess");
    Json methods = Json::array();
    for (const std::string& method : limited->method_names) methods.push_back(text(method));
    Json out = Json::object();
    out.set(
        "allowance",
        limited->allowance.has_value() ? text(limited->allowance->to_string()) : Json());
    out.set("receiver_id", text(limited->receiver_id.text()));
    out.set("method_names", std::move(methods));
    return object("FunctionCall", std::move(out));
}

Json access_key_view(const NearKeyState& key) {
    return Json::object()
        .set("nonce", number(key.nonce))
        .set("permission", permission_view(key.permission));
}

Json transaction_view(
    const near::SignedTransaction& signed_transaction, const near::TransactionHash& hash) {
    const near::Transaction& transaction = signed_transaction.transaction;
    return Json::object()
        .set("signer_id", text(transaction.signer_id.text()))
        .set("public_key", text(transaction.public_key.to_string()))
        .set("nonce", number(transaction.nonce))
        .set("receiver_id", text(transaction.receiver_id.text()))
        .set("actions", actions_view(transaction.actions))
        .set("priority_fee", number(0))
        .set("signature", text(signed_transaction.signature.to_string()))
        .set("hash", text(hash.to_string()));
}

Json receipt_view(const NearReceipt& receipt) {
    Json inputs = Json::array();
    for (const near::ReceiptId& id : receipt.input_data_ids) inputs.push_back(text(id.to_string()));
    Json receivers = Json::array();
    for (const auto& receiver : receipt.output_data_receivers) {
        receivers.push_back(Json::object()
                                .set("data_id", text(receiver.data_id.to_string()))
                                .set("receiver_id", text(receiver.receiver.text())));
    }
    Json action = Json::object();
    action.set("signer_id", text(receipt.signer.text()))
        .set("signer_public_key", text(receipt.signer_key.to_string()))
        .set("gas_price", text(std::to_string(receipt.gas_price)))
        .set("output_data_receivers", std::move(receivers))
        .set("input_data_ids", std::move(inputs))
        .set("actions", actions_view(receipt.actions))
        .set("is_promise_yield", Json::boolean(receipt.is_promise_yield));
    return Json::object()
        .set("predecessor_id", text(receipt.predecessor.text()))
        .set("receiver_id", text(receipt.receiver.text()))
        .set("receipt_id", text(receipt.id.to_string()))
        .set("receipt", object("Action", std::move(action)))
        .set("priority", number(0));
}

Json outcome_view(const NearChain& chain, const NearOutcome& outcome) {
    Json logs = Json::array();
    for (const std::string& line : outcome.logs) logs.push_back(text(line));
    Json receipts = Json::array();
    for (const near::ReceiptId& id : outcome.receipt_ids) receipts.push_back(text(id.to_string()));
    Json inner = Json::object();
    inner.set("logs", std::move(logs))
        .set("receipt_ids", std::move(receipts))
        .set("gas_burnt", number(outcome.gas_burnt))
        .set("tokens_burnt", text(outcome.tokens_burnt.to_string()))
        .set("executor_id", text(outcome.executor.text()))
        .set("status", status_of(outcome))
        .set("metadata", Json::object().set("version", number(3)).set("gas_profile", Json()));
    const NearBlockRecord* const block = chain.find_block(outcome.height);
    return Json::object()
        .set("proof", Json::array())
        .set("block_hash", text(block == nullptr ? zero_hash() : block->hash.to_string()))
        .set("id", text(outcome.id.to_string()))
        .set("outcome", std::move(inner));
}

std::string_view to_string(WaitLevel level) {
    return kLevels.at(static_cast<std::size_t>(level)).second;
}

std::optional<WaitLevel> parse_wait_level(std::string_view name) {
    for (const auto& [level, word] : kLevels) {
        if (word == name) return level;
    }
    return std::nullopt;
}

WaitLevel level_of(const NearTransactionRecord& record, const NodeView& view) {
    const bool executed =
        record.unfinished == 0 && record.finished_at > 0 && record.finished_at <= view.head;
    if (record.height > view.final) {
        return executed ? WaitLevel::ExecutedOptimistic : WaitLevel::Included;
    }
    if (!executed) return WaitLevel::IncludedFinal;
    return record.finished_at <= view.final ? WaitLevel::Final : WaitLevel::Executed;
}

Json status_view(
    const NearChain& chain, const NearTransactionRecord& record, const NodeView& view,
    bool with_receipts) {
    Json outcomes = Json::array();
    for (const NearOutcome& outcome : record.outcomes) {
        if (outcome.height <= view.head) outcomes.push_back(outcome_view(chain, outcome));
    }
    Json out = Json::object();
    out.set("final_execution_status", text(to_string(level_of(record, view))))
        .set("status", final_status(record, view.head))
        .set("transaction", transaction_view(record.transaction, record.hash))
        .set("transaction_outcome", outcome_view(chain, record.outcome))
        .set("receipts_outcome", std::move(outcomes));
    if (!with_receipts) return out;
    Json receipts = Json::array();
    for (const NearReceipt& receipt : record.receipts) {
        if (receipt.made_at <= view.head) receipts.push_back(receipt_view(receipt));
    }
    out.set("receipts", std::move(receipts));
    return out;
}

Json block_view(const NearChain& chain, const NearBlockRecord& block) {
    const NearBlockRecord& final_block = chain.block_at_or_below(block.previous_height);
    Json mask = Json::array();
    mask.push_back(Json::boolean(true));
    Json header = Json::object();
    header.set("height", number(block.height))
        .set("prev_height", block.previous_height == 0 ? Json() : number(block.previous_height))
        .set("epoch_id", text(zero_hash()))
        .set("next_epoch_id", text(zero_hash()))
        .set("hash", text(block.hash.to_string()))
        .set("prev_hash", text(block.previous.to_string()))
        .set("prev_state_root", text(zero_hash()))
        .set("chunk_receipts_root", text(zero_hash()))
        .set("chunk_headers_root", text(zero_hash()))
        .set("chunk_tx_root", text(zero_hash()))
        .set("outcome_root", text(zero_hash()))
        .set("chunks_included", number(1))
        .set("challenges_root", text(zero_hash()))
        .set("timestamp", number(block.timestamp_ns))
        .set("timestamp_nanosec", text(std::to_string(block.timestamp_ns)))
        .set("random_value", text(block.hash.to_string()))
        .set("validator_proposals", Json::array())
        .set("chunk_mask", std::move(mask))
        .set("gas_price", text(std::to_string(chain.options().gas_price_yocto)))
        .set("block_ordinal", number(block.height - chain.options().genesis_height + 1))
        .set("rent_paid", text("0"))
        .set("validator_reward", text("0"))
        .set("total_supply", text(chain.core().supply.to_string()))
        .set("challenges_result", Json::array())
        .set("last_final_block", text(final_block.previous.to_string()))
        .set("last_ds_final_block", text(final_block.hash.to_string()))
        .set("next_bp_hash", text(zero_hash()))
        .set("block_merkle_root", text(zero_hash()))
        .set("epoch_sync_data_hash", Json())
        .set("approvals", Json::array())
        .set("signature", text(zero_signature()))
        .set("latest_protocol_version", Json::integer(kProtocolVersion));
    Json chunks = Json::array();
    chunks.push_back(chunk_header(block));
    return Json::object()
        .set("author", text(kProducer))
        .set("header", std::move(header))
        .set("chunks", std::move(chunks));
}

Json chunk_view(const NearChain& chain, const NearBlockRecord& block) {
    Json transactions = Json::array();
    for (const near::TransactionHash& hash : block.transactions) {
        const NearTransactionRecord* const record = chain.find_transaction(hash);
        if (record != nullptr) transactions.push_back(transaction_view(record->transaction, hash));
    }
    return Json::object()
        .set("author", text(kProducer))
        .set("header", chunk_header(block))
        .set("transactions", std::move(transactions))
        .set("receipts", Json::array());
}

}  // namespace adyton::localchain::internal
