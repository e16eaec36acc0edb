#include "localchain/internal/near_rpc_json.h"

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

#include "base/check.h"
#include "crypto/digest.h"
#include "localchain/internal/near_core.h"
#include "near/compact_json.h"
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

// A document as it is written, from first to last.
class Writing {
public:
    Writing() { text_.reserve(4096); }
    base::JsonWriter& out() { return out_; }
    std::string take() { return std::move(text_); }

private:
    std::string text_;
    base::JsonWriter out_{text_};
};

void write_actions(base::JsonWriter& out, const std::vector<near::Action>& actions);

void write_permission(base::JsonWriter& out, const near::AccessKeyPermission& permission) {
    const auto* const limited = std::get_if<near::FunctionCallPermission>(&permission);
    if (limited == nullptr) {
        out.value("FullAccess");
        return;
    }
    out.begin_object().key("FunctionCall").begin_object().key("allowance");
    if (limited->allowance.has_value()) {
        out.value(limited->allowance->to_string());
    } else {
        out.null();
    }
    out.member("receiver_id", std::string_view(limited->receiver_id.text()));
    out.key("method_names").begin_array();
    for (const std::string& method : limited->method_names) out.value(std::string_view(method));
    out.end_array().end_object().end_object();
}

struct ActionWriter {
    base::JsonWriter& out;

    void operator()(const near::CreateAccount&) const { out.value("CreateAccount"); }
    void operator()(const near::DeployContract& action) const {
        // Nodes show the hash of the code, not the code.
        const auto digest = crypto::sha256(action.code);
        out.begin_object().key("DeployContract").begin_object();
        out.key("code").base64(digest.view()).end_object().end_object();
    }
    void operator()(const near::FunctionCall& action) const {
        out.begin_object().key("FunctionCall").begin_object();
        out.member("method_name", std::string_view(action.method_name));
        out.key("args").base64(action.args);
        out.member("gas", std::uint64_t{action.gas.units()});
        out.member("deposit", std::string_view(action.deposit.to_string()));
        out.end_object().end_object();
    }
    void operator()(const near::Transfer& action) const {
        out.begin_object().key("Transfer").begin_object();
        out.member("deposit", std::string_view(action.deposit.to_string()));
        out.end_object().end_object();
    }
    void operator()(const near::AddKey& action) const {
        out.begin_object().key("AddKey").begin_object();
        out.member("public_key", std::string_view(action.public_key.to_string()));
        out.key("access_key").begin_object();
        out.member("nonce", std::uint64_t{action.access_key.nonce}).key("permission");
        write_permission(out, action.access_key.permission);
        out.end_object().end_object().end_object();
    }
    void operator()(const near::DeleteKey& action) const {
        out.begin_object().key("DeleteKey").begin_object();
        out.member("public_key", std::string_view(action.public_key.to_string()));
        out.end_object().end_object();
    }
    void operator()(const near::DeleteAccount& action) const {
        out.begin_object().key("DeleteAccount").begin_object();
        out.member("beneficiary_id", std::string_view(action.beneficiary_id.text()));
        out.end_object().end_object();
    }
    void operator()(const near::SignedDelegate& action) const {
        const near::DelegateAction& inner = action.delegate_action;
        std::vector<near::Action> actions;
        for (const near::PlainAction& one : inner.actions) actions.push_back(near::to_action(one));
        out.begin_object().key("Delegate").begin_object().key("delegate_action").begin_object();
        out.member("sender_id", std::string_view(inner.sender_id.text()));
        out.member("receiver_id", std::string_view(inner.receiver_id.text())).key("actions");
        write_actions(out, actions);
        out.member("nonce", std::uint64_t{inner.nonce});
        out.member("max_block_height", std::uint64_t{inner.max_block_height});
        out.member("public_key", std::string_view(inner.public_key.to_string())).end_object();
        out.member("signature", std::string_view(action.signature.to_string()));
        out.end_object().end_object();
    }
    // None of these gets into a block.
    template <typename Other>
    void operator()(const Other&) const {
        out.begin_object().key(Other::kName).begin_object().end_object().end_object();
    }
};

void write_actions(base::JsonWriter& out, const std::vector<near::Action>& actions) {
    out.begin_array();
    for (const near::Action& action : actions) std::visit(ActionWriter{out}, action);
    out.end_array();
}

void write_status(base::JsonWriter& out, const NearOutcome& outcome) {
    out.begin_object();
    switch (outcome.kind) {
        case NearOutcome::Kind::Value:
            out.key("SuccessValue").base64(outcome.value);
            break;
        case NearOutcome::Kind::Receipt:
            out.member("SuccessReceiptId", std::string_view(outcome.receipt.to_string()));
            break;
        case NearOutcome::Kind::Failure:
            out.key("Failure").raw(near::compact_json(outcome.failure));
            break;
    }
    out.end_object();
}

const NearOutcome* find_outcome(
    const NearTransactionRecord& record, const near::ReceiptId& id, std::uint64_t head) {
    for (const NearOutcome& outcome : record.outcomes) {
        if (outcome.id == id) return outcome.height <= head ? &outcome : nullptr;
    }
    return nullptr;
}

// Follows the transaction's receipt to the one that ended it.
void write_final_status(
    base::JsonWriter& out, const NearTransactionRecord& record, std::uint64_t head) {
    const NearOutcome* outcome = &record.outcome;
    while (outcome->kind == NearOutcome::Kind::Receipt) {
        outcome = find_outcome(record, outcome->receipt, head);
        if (outcome == nullptr) {
            out.value("Started");
            return;
        }
    }
    write_status(out, *outcome);
}

// As JSON strings.
const std::string& zero_hash() {
    static const std::string kText = '"' + near::BlockHash{}.to_string() + '"';
    return kText;
}
const std::string& zero_signature() {
    static const std::string kText =
        '"' + near::Signature(crypto::Ed25519Signature{}).to_string() + '"';
    return kText;
}

void write_chunk_header(base::JsonWriter& out, const NearBlockRecord& block) {
    const std::string hash = block.hash.to_string();
    out.begin_object().member("chunk_hash", std::string_view(hash));
    out.member("prev_block_hash", std::string_view(block.previous.to_string()));
    for (const char* const name : {"outcome_root", "prev_state_root", "encoded_merkle_root"}) {
        out.key(name).raw(zero_hash());
    }
    out.member("encoded_length", 0);
    out.member("height_created", std::uint64_t{block.height});
    out.member("height_included", std::uint64_t{block.height}).member("shard_id", 0);
    out.member("gas_used", std::uint64_t{block.gas_used});
    out.member("gas_limit", std::uint64_t{1'000'000'000'000'000});
    out.member("rent_paid", "0").member("validator_reward", "0").member("balance_burnt", "0");
    for (const char* const name : {"outgoing_receipts_root", "tx_root"}) {
        out.key(name).raw(zero_hash());
    }
    out.key("validator_proposals").begin_array().end_array();
    out.key("signature").raw(zero_signature()).end_object();
}

void write_transaction(
    base::JsonWriter& out, const near::SignedTransaction& signed_transaction,
    const near::TransactionHash& hash) {
    const near::Transaction& transaction = signed_transaction.transaction;
    out.begin_object().member("signer_id", std::string_view(transaction.signer_id.text()));
    out.member("public_key", std::string_view(transaction.public_key.to_string()));
    out.member("nonce", std::uint64_t{transaction.nonce});
    out.member("receiver_id", std::string_view(transaction.receiver_id.text())).key("actions");
    write_actions(out, transaction.actions);
    out.member("priority_fee", 0);
    out.member("signature", std::string_view(signed_transaction.signature.to_string()));
    out.member("hash", std::string_view(hash.to_string())).end_object();
}

void write_receipt(base::JsonWriter& out, const NearReceipt& receipt) {
    out.begin_object().member("predecessor_id", std::string_view(receipt.predecessor.text()));
    out.member("receiver_id", std::string_view(receipt.receiver.text()));
    out.member("receipt_id", std::string_view(receipt.id.to_string()));
    out.key("receipt").begin_object().key("Action").begin_object();
    out.member("signer_id", std::string_view(receipt.signer.text()));
    out.member("signer_public_key", std::string_view(receipt.signer_key.to_string()));
    out.member("gas_price", std::string_view(std::to_string(receipt.gas_price)));
    out.key("output_data_receivers").begin_array();
    for (const auto& receiver : receipt.output_data_receivers) {
        out.begin_object().member("data_id", std::string_view(receiver.data_id.to_string()));
        out.member("receiver_id", std::string_view(receiver.receiver.text())).end_object();
    }
    out.end_array().key("input_data_ids").begin_array();
    for (const near::ReceiptId& id : receipt.input_data_ids) out.value(id.to_string());
    out.end_array().key("actions");
    write_actions(out, receipt.actions);
    out.member("is_promise_yield", receipt.is_promise_yield).end_object().end_object();
    out.member("priority", 0).end_object();
}

void write_outcome(base::JsonWriter& out, const NearChain& chain, const NearOutcome& outcome) {
    const NearBlockRecord* const block = chain.find_block(outcome.height);
    out.begin_object().key("proof").begin_array().end_array().key("block_hash");
    if (block == nullptr) {
        out.raw(zero_hash());
    } else {
        out.value(block->hash.to_string());
    }
    out.member("id", std::string_view(outcome.id.to_string()));
    out.key("outcome").begin_object().key("logs").begin_array();
    for (const std::string& line : outcome.logs) out.value(std::string_view(line));
    out.end_array().key("receipt_ids").begin_array();
    for (const near::ReceiptId& id : outcome.receipt_ids) out.value(id.to_string());
    out.end_array().member("gas_burnt", std::uint64_t{outcome.gas_burnt});
    out.member("tokens_burnt", std::string_view(outcome.tokens_burnt.to_string()));
    out.member("executor_id", std::string_view(outcome.executor.text())).key("status");
    write_status(out, outcome);
    out.key("metadata").begin_object().member("version", 3).key("gas_profile").null();
    out.end_object().end_object().end_object();
}

}  // namespace

Json access_key_view(const NearKeyState& key) {
    Writing writing;
    writing.out().begin_object().member("nonce", std::uint64_t{key.nonce}).key("permission");
    write_permission(writing.out(), key.permission);
    writing.out().end_object();
    return NearRpcText{writing.take()}.parsed();
}

NearRpcText receipt_text(const NearReceipt& receipt) {
    Writing writing;
    write_receipt(writing.out(), receipt);
    return {writing.take()};
}

Json NearRpcText::parsed() const {
    auto parsed = Json::parse(json);
    CHECK(parsed.has_value());  // we wrote it
    return *std::move(parsed);
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

NearRpcText status_text(
    const NearChain& chain, const NearTransactionRecord& record, const NodeView& view,
    bool with_receipts) {
    Writing writing;
    base::JsonWriter& out = writing.out();
    out.begin_object().member("final_execution_status", to_string(level_of(record, view)));
    out.key("status");
    write_final_status(out, record, view.head);
    out.key("transaction");
    write_transaction(out, record.transaction, record.hash);
    out.key("transaction_outcome");
    write_outcome(out, chain, record.outcome);
    out.key("receipts_outcome").begin_array();
    for (const NearOutcome& outcome : record.outcomes) {
        if (outcome.height <= view.head) write_outcome(out, chain, outcome);
    }
    out.end_array();
    if (with_receipts) {
        out.key("receipts").begin_array();
        for (const NearReceipt& receipt : record.receipts) {
            if (receipt.made_at <= view.head) write_receipt(out, receipt);
        }
        out.end_array();
    }
    out.end_object();
    return {writing.take()};
}

NearRpcText block_text(const NearChain& chain, const NearBlockRecord& block) {
    const NearBlockRecord& final_block = chain.block_at_or_below(block.previous_height);
    const std::string hash = block.hash.to_string();
    Writing writing;
    base::JsonWriter& out = writing.out();
    out.begin_object().member("author", kProducer).key("header").begin_object();
    out.member("height", std::uint64_t{block.height}).key("prev_height");
    if (block.previous_height == 0) {
        out.null();
    } else {
        out.value(std::uint64_t{block.previous_height});
    }
    for (const char* const name : {"epoch_id", "next_epoch_id"}) out.key(name).raw(zero_hash());
    out.member("hash", std::string_view(hash));
    out.member("prev_hash", std::string_view(block.previous.to_string()));
    for (const char* const name :
         {"prev_state_root", "chunk_receipts_root", "chunk_headers_root", "chunk_tx_root",
          "outcome_root"}) {
        out.key(name).raw(zero_hash());
    }
    out.member("chunks_included", 1).key("challenges_root").raw(zero_hash());
    out.member("timestamp", std::uint64_t{block.timestamp_ns});
    out.member("timestamp_nanosec", std::string_view(std::to_string(block.timestamp_ns)));
    out.member("random_value", std::string_view(hash));
    out.key("validator_proposals").begin_array().end_array();
    out.key("chunk_mask").begin_array().value(true).end_array();
    out.member("gas_price", std::string_view(std::to_string(chain.options().gas_price_yocto)));
    out.member("block_ordinal", block.height - chain.options().genesis_height + 1);
    out.member("rent_paid", "0").member("validator_reward", "0");
    out.member("total_supply", std::string_view(chain.core().supply.to_string()));
    out.key("challenges_result").begin_array().end_array();
    out.member("last_final_block", std::string_view(final_block.previous.to_string()));
    out.member("last_ds_final_block", std::string_view(final_block.hash.to_string()));
    for (const char* const name : {"next_bp_hash", "block_merkle_root"}) {
        out.key(name).raw(zero_hash());
    }
    out.key("epoch_sync_data_hash").null().key("approvals").begin_array().end_array();
    out.key("signature").raw(zero_signature());
    out.member("latest_protocol_version", kProtocolVersion).end_object();
    out.key("chunks").begin_array();
    write_chunk_header(out, block);
    out.end_array().end_object();
    return {writing.take()};
}

NearRpcText chunk_text(const NearChain& chain, const NearBlockRecord& block) {
    Writing writing;
    base::JsonWriter& out = writing.out();
    out.begin_object().member("author", kProducer).key("header");
    write_chunk_header(out, block);
    out.key("transactions").begin_array();
    for (const near::TransactionHash& hash : block.transactions) {
        const NearTransactionRecord* const record = chain.find_transaction(hash);
        if (record != nullptr) write_transaction(out, record->transaction, hash);
    }
    out.end_array().key("receipts").begin_array().end_array().end_object();
    return {writing.take()};
}

}  // namespace adyton::localchain::internal
