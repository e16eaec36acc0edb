#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "near/account_id.h"
#include "near/amounts.h"
#include "near/hash.h"

// What a node says about a transaction (`EXPERIMENTAL_tx_status`, `tx`; near.md 7.1), as facts.
namespace adyton::near {

struct ExecutionStatus {
    enum class Kind {
        Pending,         // not executed yet: a plain word, or none of the others
        SuccessValue,    // `value` is what the receipt returned
        SuccessReceipt,  // it goes on in `receipt`
        Failure,         // `error` in words, at most 1000 bytes; from outside
    };
    Kind kind = Kind::Pending;
    base::Bytes value = {};
    std::optional<ReceiptId> receipt = {};
    std::string error = {};
};

// One executed receipt, or the transaction itself (whose id is its hash).
struct ExecutionOutcome {
    ReceiptId id;
    BlockHash block_hash;
    AccountId executor_id;
    std::vector<std::string> logs;
    std::vector<ReceiptId> receipt_ids;  // what it made, in order
    ExecutionStatus status;
};

struct ReceiptCall {
    std::string method_name;
    base::Bytes args;
    Gas gas;
    YoctoNear deposit;
};

// A receipt with actions; data receipts are left out.
struct ActionReceipt {
    ReceiptId id;
    AccountId predecessor_id;  // "system" for refunds
    AccountId receiver_id;
    bool is_promise_yield = false;
    std::size_t action_count = 0;
    std::vector<ReceiptCall> calls;  // its FunctionCalls
};

struct TransactionStatus {
    TransactionHash hash;
    AccountId signer_id;
    AccountId receiver_id;
    std::uint64_t nonce = 0;
    std::string final_execution_status;  // "NONE", "INCLUDED_FINAL", "FINAL"...
    ExecutionStatus status;
    ExecutionOutcome transaction_outcome;
    std::vector<ExecutionOutcome> receipts_outcome;  // in no promised order
    std::vector<ActionReceipt> receipts;             // absent with the plain `tx` method

    // Null when the node has not said yet.
    const ExecutionOutcome* find_outcome(const ReceiptId& id) const;
    const ActionReceipt* find_receipt(const ReceiptId& id) const;
    // The receipt that the transaction became, by its id, never by its place in the list.
    std::optional<ReceiptId> outer_receipt_id() const;
    // Follows SuccessReceipt from one receipt to the one that has a value or failed. Null: not
    // there yet, or a circle.
    const ExecutionOutcome* find_final_outcome(const ReceiptId& id) const;
};

// A whole JSON-RPC answer or its bare result. NotFound with reason "unknown_transaction": the node
// has not seen it, or it did not finish in time (which proves no absence). Unavailable: another
// error of the node, its cause as the reason. CorruptData: not an answer of this method.
Result<TransactionStatus> parse_transaction_status(const base::Json& answer);

}  // namespace adyton::near
