#include "near/transaction_status.h"

#include <algorithm>
#include <array>

#include "base/cut_text.h"
#include "near/compact_json.h"

namespace adyton::near {
namespace {

using base::Json;

constexpr std::size_t kErrorBytesMax = 1000;

Error corrupt(std::string_view what) {
    return Error::corrupt_data("transaction status: " + std::string(what));
}

Result<const Json*> member(const Json& object, std::string_view name) {
    const Json* const found = object.find(name);
    if (found == nullptr) return corrupt(std::string(name) + " is missing");
    return found;
}

Result<std::string> text_member(const Json& object, std::string_view name) {
    TRY(const Json* const found, member(object, name));
    if (!found->is_string()) return corrupt(std::string(name) + " is not a text");
    return found->string_value();
}

Result<AccountId> account_member(const Json& object, std::string_view name) {
    TRY(const std::string text, text_member(object, name));
    const auto account = AccountId::parse(text);
    if (!account) return corrupt(std::string(name) + " is not an account id");
    return *account;
}

template <typename HashType>
Result<HashType> hash_member(const Json& object, std::string_view name) {
    TRY(const std::string text, text_member(object, name));
    const auto hash = HashType::parse(text);
    if (!hash) return corrupt(std::string(name) + " is not a hash");
    return *hash;
}

Result<const Json*> list_member(const Json& object, std::string_view name) {
    TRY(const Json* const found, member(object, name));
    if (!found->is_array()) return corrupt(std::string(name) + " is not a list");
    return found;
}

const Json* find_path(const Json& json, std::initializer_list<std::string_view> names) {
    const Json* at = &json;
    for (const std::string_view name : names) {
        at = at->find(name);
        if (at == nullptr) return nullptr;
    }
    return at;
}

// A contract's own words when there are any; else the failure as the node spells it.
std::string failure_text(const Json& failure) {
    std::string text;
    const Json* const execution =
        find_path(failure, {"ActionError", "kind", "FunctionCallError", "ExecutionError"});
    if (execution != nullptr && execution->is_string()) {
        text = execution->string_value();
    } else if (const Json* const kind = find_path(failure, {"ActionError", "kind"})) {
        text = kind->is_string() ? kind->string_value() : compact_json(*kind);
    } else {
        text = compact_json(failure);
    }
    text.resize(base::cut_text(text, kErrorBytesMax).size());
    return text;
}

Result<ExecutionStatus> read_status(const Json& json) {
    ExecutionStatus out;
    if (const Json* const failure = json.find("Failure")) {
        out.kind = ExecutionStatus::Kind::Failure;
        out.error = failure_text(*failure);
    } else if (json.find("SuccessReceiptId") != nullptr) {
        out.kind = ExecutionStatus::Kind::SuccessReceipt;
        TRY(out.receipt, hash_member<ReceiptId>(json, "SuccessReceiptId"));
    } else if (json.find("SuccessValue") != nullptr) {
        out.kind = ExecutionStatus::Kind::SuccessValue;
        TRY(const std::string base64, text_member(json, "SuccessValue"));
        auto value = base::base64_decode(base64);
        if (!value) return corrupt("SuccessValue is not base64");
        out.value = std::move(*value);
    }
    return out;
}

Result<ExecutionOutcome> read_outcome(const Json& json) {
    TRY(const auto id, hash_member<ReceiptId>(json, "id"));
    TRY(const auto block_hash, hash_member<BlockHash>(json, "block_hash"));
    TRY(const Json* const inner, member(json, "outcome"));
    TRY(auto executor_id, account_member(*inner, "executor_id"));
    ExecutionOutcome out{id, block_hash, std::move(executor_id), {}, {}, {}};
    TRY(const Json* const logs, list_member(*inner, "logs"));
    for (const Json& log : logs->items()) {
        if (!log.is_string()) return corrupt("a log is not a text");
        out.logs.push_back(log.string_value());
    }
    TRY(const Json* const ids, list_member(*inner, "receipt_ids"));
    for (const Json& each : ids->items()) {
        const auto receipt = each.is_string() ? ReceiptId::parse(each.string_value())
                                              : Result<ReceiptId>(corrupt("a receipt id"));
        if (!receipt) return corrupt("a receipt id is not a hash");
        out.receipt_ids.push_back(*receipt);
    }
    TRY(const Json* const status, member(*inner, "status"));
    TRY(out.status, read_status(*status));
    return out;
}

Result<ReceiptCall> read_call(const Json& json) {
    ReceiptCall out;
    TRY(out.method_name, text_member(json, "method_name"));
    TRY(const std::string args, text_member(json, "args"));
    auto bytes = base::base64_decode(args);
    if (!bytes) return corrupt("args are not base64");
    out.args = std::move(*bytes);
    TRY(const Json* const gas, member(json, "gas"));
    const auto units = gas->is_string() ? parse_u64(gas->string_value()) : gas->as_uint64();
    if (!units) return corrupt("gas is not a number");
    out.gas = Gas(*units);
    TRY(const std::string deposit_text, text_member(json, "deposit"));
    const auto deposit = YoctoNear::parse(deposit_text);
    if (!deposit) return corrupt("deposit is not a number");
    out.deposit = *deposit;
    return out;
}

// Null for data receipts.
Result<std::optional<ActionReceipt>> read_receipt(const Json& json) {
    const Json* const action = find_path(json, {"receipt", "Action"});
    if (action == nullptr) return std::optional<ActionReceipt>();
    TRY(const auto id, hash_member<ReceiptId>(json, "receipt_id"));
    TRY(auto predecessor, account_member(json, "predecessor_id"));
    TRY(auto receiver, account_member(json, "receiver_id"));
    ActionReceipt out{id, std::move(predecessor), std::move(receiver), false, 0, {}};
    if (const Json* const yield = action->find("is_promise_yield")) {
        out.is_promise_yield = yield->is_boolean() && yield->boolean_value();
    }
    TRY(const Json* const actions, list_member(*action, "actions"));
    out.action_count = actions->size();
    for (const Json& each : actions->items()) {
        const Json* const call = each.find("FunctionCall");
        if (call == nullptr) continue;
        TRY(auto read, read_call(*call));
        out.calls.push_back(std::move(read));
    }
    return std::optional<ActionReceipt>(std::move(out));
}

Error node_error(const Json& error) {
    const Json* const cause = find_path(error, {"cause", "name"});
    const Json* const name = error.find("name");
    std::string reason = "unknown";
    if (name != nullptr && name->is_string()) reason = name->string_value();
    if (cause != nullptr && cause->is_string()) reason = cause->string_value();
    if (reason == "UNKNOWN_TRANSACTION" || reason == "TIMEOUT_ERROR") {
        return Error::not_found(
            "the node does not know the transaction yet", "unknown_transaction");
    }
    constexpr std::size_t kReasonBytesMax = 64;
    return Error::unavailable(
        "the node did not answer for the transaction", reason.substr(0, kReasonBytesMax));
}

Result<TransactionStatus> read_result(const Json& result) {
    TRY(const Json* const transaction, member(result, "transaction"));
    TRY(const auto hash, hash_member<TransactionHash>(*transaction, "hash"));
    TRY(auto signer_id, account_member(*transaction, "signer_id"));
    TRY(auto receiver_id, account_member(*transaction, "receiver_id"));
    TRY(const Json* const nonce_member, member(*transaction, "nonce"));
    const auto nonce = nonce_member->as_uint64();
    if (!nonce) return corrupt("nonce is not a number");
    TRY(const Json* const outcome, member(result, "transaction_outcome"));
    TRY(auto transaction_outcome, read_outcome(*outcome));
    TransactionStatus out{
        hash,
        std::move(signer_id),
        std::move(receiver_id),
        *nonce,
        {},
        {},
        std::move(transaction_outcome),
        {},
        {}};
    if (const Json* const word = result.find("final_execution_status")) {
        if (word->is_string()) out.final_execution_status = word->string_value();
    }
    if (const Json* const status = result.find("status")) {
        TRY(out.status, read_status(*status));
    }
    TRY(const Json* const outcomes, list_member(result, "receipts_outcome"));
    for (const Json& each : outcomes->items()) {
        TRY(auto read, read_outcome(each));
        out.receipts_outcome.push_back(std::move(read));
    }
    const Json* const receipts = result.find("receipts");
    if (receipts != nullptr && receipts->is_array()) {
        for (const Json& each : receipts->items()) {
            TRY(auto read, read_receipt(each));
            if (read.has_value()) out.receipts.push_back(std::move(*read));
        }
    }
    return out;
}

}  // namespace

const ExecutionOutcome* TransactionStatus::find_outcome(const ReceiptId& id) const {
    const auto found = std::find_if(
        receipts_outcome.begin(), receipts_outcome.end(),
        [&id](const ExecutionOutcome& outcome) { return outcome.id == id; });
    return found == receipts_outcome.end() ? nullptr : &*found;
}

const ActionReceipt* TransactionStatus::find_receipt(const ReceiptId& id) const {
    const auto found = std::find_if(
        receipts.begin(), receipts.end(),
        [&id](const ActionReceipt& receipt) { return receipt.id == id; });
    return found == receipts.end() ? nullptr : &*found;
}

std::optional<ReceiptId> TransactionStatus::outer_receipt_id() const {
    if (transaction_outcome.receipt_ids.empty()) return std::nullopt;
    return transaction_outcome.receipt_ids.front();
}

const ExecutionOutcome* TransactionStatus::find_final_outcome(const ReceiptId& id) const {
    const ExecutionOutcome* outcome = find_outcome(id);
    for (std::size_t steps = 0; outcome != nullptr && steps <= receipts_outcome.size(); ++steps) {
        if (outcome->status.kind == ExecutionStatus::Kind::Pending) return nullptr;
        if (outcome->status.kind != ExecutionStatus::Kind::SuccessReceipt) return outcome;
        outcome = find_outcome(*outcome->status.receipt);
    }
    return nullptr;
}

Result<TransactionStatus> parse_transaction_status(const Json& answer) {
    if (!answer.is_object()) return corrupt("not an object");
    if (const Json* const error = answer.find("error")) {
        if (!error->is_null()) return node_error(*error);
    }
    const Json* const result = answer.find("result");
    return read_result(result != nullptr ? *result : answer);
}

}  // namespace adyton::near
