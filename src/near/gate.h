#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "near/transaction_status.h"

// The sequential gate contract seen from outside: what its logs and receipts prove
// (near.md 4.4, 4.8 and 4.9). Only receipts that the gate's own account executed, and that did not
// fail, count: other contracts can write the same lines, and a failed receipt keeps its logs.
namespace adyton::near {

using IntentId = std::uint64_t;

// One line of the gate's log, in either form: `trace:{"ev":..}` or `EVENT_JSON:{"standard":
// "sequential",..}`. A member is set when the line has it with the right type.
struct GateEvent {
    std::string name;            // "intent_submitted"...
    std::optional<IntentId> id;  // `id` or `intent_id`
    std::optional<std::string> sender;
    std::optional<std::string> receiver;
    std::optional<std::string> method;
    std::optional<std::uint64_t> nonce;
    std::optional<std::uint64_t> batch_id;
    std::optional<std::uint64_t> n;
    std::optional<IntentId> first_id;
    std::optional<std::uint64_t> seq;
    std::optional<IntentId> next_id;
    std::optional<std::uint64_t> next_seq;
    std::optional<std::uint64_t> tail_remaining;
    std::optional<YoctoNear> amount;
    std::optional<std::string> reason;
};

// Null for a line that is none of the gate's.
std::optional<GateEvent> parse_gate_log(std::string_view line);
// The events of one outcome; none when another account executed it or it failed.
std::vector<GateEvent> gate_events(const ExecutionOutcome& outcome, const AccountId& gate_id);

enum class GateState { Pending, Done, Failed };

// Failed: `error` says why, in the contract's words where there are any.
struct GateSubmit {
    GateState state = GateState::Pending;
    IntentId intent_id = 0;                     // Done
    std::optional<ReceiptId> outer_receipt_id;  // once the transaction is included
    std::optional<GateEvent> event;             // Done: to compare with what was signed
    std::string error;
};
GateSubmit read_gate_submit(const TransactionStatus& status, const AccountId& gate_id);

struct GateResume {
    GateState state = GateState::Pending;
    std::uint64_t batch_id = 0;
    std::uint64_t n = 0;
    IntentId first_id = 0;
    std::optional<YoctoNear> fee;
    std::string error;
};
GateResume read_gate_resume(const TransactionStatus& status, const AccountId& gate_id);

// What became of one intent, read from its submit transaction.
struct GateDispatch {
    enum class State { Pending, Dispatched, NotDispatched };
    enum class Target { Pending, Succeeded, Failed };

    State state = State::Pending;
    IntentId intent_id = 0;
    std::string reason;  // NotDispatched: "timeout", "rejected", or why the callback failed

    // Dispatched:
    std::optional<std::uint64_t> seq;
    std::optional<ReceiptId> gate_receipt_id;  // the callback that logged it
    std::optional<BlockHash> gate_block_hash;  // its block: the dispatch height
    std::optional<ReceiptId> target_receipt_id;
    std::optional<AccountId> predecessor_id;  // of the target: must be the gate
    std::optional<AccountId> receiver_id;
    std::optional<ReceiptCall> call;  // as the target received it
    Target target = Target::Pending;
    std::optional<BlockHash> target_block_hash;
    std::vector<std::string> target_logs;
    std::string target_error;
};
// CorruptData: the gate says it dispatched, and made no receipt.
Result<GateDispatch> read_gate_dispatch(
    const TransactionStatus& status, const AccountId& gate_id, IntentId intent_id);

using BlockHeights = std::map<BlockHash, std::uint64_t>;

// What was signed for one call, to hold against what happened.
struct ExpectedCall {
    AccountId receiver_id;
    std::string method_name;
    base::Bytes args;
    std::optional<MessageHash> intent_hash;  // the intents contract must say it executed this
};

// A whole batch, everything in call order.
struct GateBatch {
    std::vector<TransactionStatus> submits;
    TransactionStatus resume;
    std::vector<ExpectedCall> calls;
};

struct BatchEvidence {
    std::vector<GateDispatch> dispatches;  // in call order
    // Heights of the dispatches, where their blocks are known.
    std::vector<std::optional<std::uint64_t>> heights;
    bool complete = false;  // every target has succeeded or failed, or was never called
    bool all_succeeded = false;
    // What near.md 4.9 asks for and the chain does not show; empty when all is as it must be. While
    // the batch is not complete, only what can no longer be mended.
    std::vector<std::string> problems;
};
BatchEvidence read_gate_batch(
    const GateBatch& batch, const AccountId& gate_id, const BlockHeights& heights);

// Whether the logs of an intents contract say that this intent was executed (dip4, near.md 3.2).
bool logs_show_intent(const std::vector<std::string>& logs, const MessageHash& intent_hash);

}  // namespace adyton::near
