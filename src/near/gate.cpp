#include "near/gate.h"

#include <fmt/format.h>

#include <algorithm>

namespace adyton::near {
namespace {

using base::Json;

constexpr std::string_view kTracePrefix = "trace:";
constexpr std::string_view kEventPrefix = "EVENT_JSON:";
constexpr std::size_t kLogBytesMax = 16 * 1024;  // the chain's own limit for a log line

std::optional<std::uint64_t> number(const Json& json, std::string_view name) {
    const Json* const member = json.find(name);
    if (member == nullptr) return std::nullopt;
    const auto value =
        member->is_string() ? parse_u64(member->string_value()) : member->as_uint64();
    return value ? std::optional<std::uint64_t>(*value) : std::nullopt;
}

std::optional<std::string> text(const Json& json, std::string_view name) {
    const Json* const member = json.find(name);
    if (member == nullptr || !member->is_string()) return std::nullopt;
    return member->string_value();
}

GateEvent event_of(std::string name, const Json& data) {
    GateEvent out;
    out.name = std::move(name);
    out.id = number(data, "id");
    if (!out.id.has_value()) out.id = number(data, "intent_id");
    out.sender = text(data, "sender");
    out.receiver = text(data, "receiver");
    out.method = text(data, "method");
    out.nonce = number(data, "nonce");
    out.batch_id = number(data, "batch_id");
    out.n = number(data, "n");
    out.first_id = number(data, "first_id");
    out.seq = number(data, "seq");
    out.next_id = number(data, "next_id");
    out.next_seq = number(data, "next_seq");
    out.tail_remaining = number(data, "tail_remaining");
    if (const auto amount = text(data, "amount")) {
        const auto yocto = YoctoNear::parse(*amount);
        if (yocto) out.amount = *yocto;
    }
    out.reason = text(data, "reason");
    return out;
}

// `data` is an object, or a list whose first item counts; absent is empty.
Json first_data(const Json& event) {
    const Json* const data = event.find("data");
    if (data == nullptr) return Json::object();
    if (data->is_array()) return data->size() == 0 ? Json::object() : data->items().front();
    return *data;
}

const GateEvent* find_event(const std::vector<GateEvent>& events, std::string_view name) {
    const auto found = std::find_if(events.begin(), events.end(), [name](const GateEvent& event) {
        return event.name == name;
    });
    return found == events.end() ? nullptr : &*found;
}

const GateEvent* find_event(
    const std::vector<GateEvent>& events, std::string_view name, IntentId id) {
    const auto found = std::find_if(
        events.begin(), events.end(),
        [name, id](const GateEvent& event) { return event.name == name && event.id == id; });
    return found == events.end() ? nullptr : &*found;
}

struct Outer {
    GateState state = GateState::Pending;
    const ExecutionOutcome* outcome = nullptr;  // Done
    std::string error;
};

// The fate of the receipt that the transaction became; Done means it ran without failing.
Outer outer_outcome(const TransactionStatus& status) {
    if (status.transaction_outcome.status.kind == ExecutionStatus::Kind::Failure) {
        return {GateState::Failed, nullptr, status.transaction_outcome.status.error};
    }
    const auto id = status.outer_receipt_id();
    const ExecutionOutcome* const outcome = id.has_value() ? status.find_outcome(*id) : nullptr;
    if (outcome == nullptr || outcome->status.kind == ExecutionStatus::Kind::Pending) return {};
    if (outcome->status.kind == ExecutionStatus::Kind::Failure) {
        return {GateState::Failed, nullptr, outcome->status.error};
    }
    return {GateState::Done, outcome, {}};
}

void read_target(const TransactionStatus& status, GateDispatch& out) {
    const ReceiptId& id = *out.target_receipt_id;
    if (const ActionReceipt* const receipt = status.find_receipt(id)) {
        out.predecessor_id = receipt->predecessor_id;
        out.receiver_id = receipt->receiver_id;
        if (receipt->action_count == 1 && receipt->calls.size() == 1) {
            out.call = receipt->calls.front();
        }
    }
    if (const ExecutionOutcome* const outcome = status.find_outcome(id)) {
        out.target_block_hash = outcome->block_hash;
        out.target_logs = outcome->logs;
    }
    const ExecutionOutcome* const last = status.find_final_outcome(id);
    if (last == nullptr) return;
    const bool failed = last->status.kind == ExecutionStatus::Kind::Failure;
    out.target = failed ? GateDispatch::Target::Failed : GateDispatch::Target::Succeeded;
    out.target_error = last->status.error;
}

// A callback that ran out of gas or panicked dispatched nothing, whatever it logged before.
std::optional<std::string> callback_failure(
    const TransactionStatus& status, const AccountId& gate_id) {
    for (const ActionReceipt& receipt : status.receipts) {
        if (!receipt.is_promise_yield || receipt.receiver_id != gate_id) continue;
        const ExecutionOutcome* const outcome = status.find_outcome(receipt.id);
        if (outcome != nullptr && outcome->status.kind == ExecutionStatus::Kind::Failure) {
            return outcome->status.error;
        }
    }
    return std::nullopt;
}

// Collects what near.md 4.9 asks for.
class BatchChecker {
public:
    BatchChecker(const GateBatch& batch, const AccountId& gate_id, BatchEvidence& evidence)
        : batch_(batch), gate_id_(gate_id), evidence_(evidence) {}

    void check_submits() {
        for (std::size_t i = 0; i < batch_.submits.size(); ++i) {
            const auto submit = read_gate_submit(batch_.submits[i], gate_id_);
            if (submit.state == GateState::Failed) problem(i, "submit failed: " + submit.error);
            if (submit.state != GateState::Done) {
                ids_.push_back(std::nullopt);
                continue;
            }
            if (std::find(ids_.begin(), ids_.end(), submit.intent_id) != ids_.end()) {
                problem(i, "two submits have one intent id");
            }
            ids_.push_back(submit.intent_id);
            check_submit_event(i, *submit.event);
        }
    }

    void check_resume() {
        const auto resume = read_gate_resume(batch_.resume, gate_id_);
        if (resume.state == GateState::Failed) {
            evidence_.problems.push_back("resume failed: " + resume.error);
        }
        if (resume.state != GateState::Done) return;
        if (resume.n != ids_.size()) {
            evidence_.problems.push_back("batch_started names another number of intents");
        }
        if (!ids_.empty() && ids_.front() != resume.first_id) {
            evidence_.problems.push_back("batch_started names another first intent");
        }
    }

    void check_dispatches(const BlockHeights& heights) {
        for (std::size_t i = 0; i < ids_.size(); ++i) {
            GateDispatch dispatch;
            if (ids_[i].has_value()) {
                auto read = read_gate_dispatch(batch_.submits[i], gate_id_, *ids_[i]);
                if (read) {
                    dispatch = std::move(*read);
                } else {
                    problem(i, read.error().message());
                }
            }
            check_dispatch(i, dispatch);
            std::optional<std::uint64_t> height;
            if (dispatch.gate_block_hash.has_value()) {
                const auto found = heights.find(*dispatch.gate_block_hash);
                if (found != heights.end()) height = found->second;
            }
            evidence_.heights.push_back(height);
            evidence_.dispatches.push_back(std::move(dispatch));
        }
    }

    void check_whole() {
        const auto& all = evidence_.dispatches;
        const bool all_dispatched = std::all_of(
            all.begin(), all.end(),
            [](const GateDispatch& one) { return one.target != GateDispatch::Target::Pending; });
        evidence_.complete =
            !all.empty() && std::all_of(all.begin(), all.end(), [](const GateDispatch& one) {
                return one.target != GateDispatch::Target::Pending ||
                       one.state == GateDispatch::State::NotDispatched;
            });
        evidence_.all_succeeded =
            evidence_.complete && std::all_of(all.begin(), all.end(), [](const GateDispatch& one) {
                return one.target == GateDispatch::Target::Succeeded;
            });
        for (std::size_t i = 1; i < evidence_.heights.size(); ++i) {
            const auto& before = evidence_.heights[i - 1];
            const auto& after = evidence_.heights[i];
            if (before.has_value() && after.has_value() && *before >= *after) {
                problem(i, "dispatched no later than the call before it");
            }
        }
        if (evidence_.complete && all_dispatched) check_chain();
    }

private:
    void problem(std::size_t call, std::string_view what) {
        evidence_.problems.push_back(fmt::format("call {}: {}", call, what));
    }

    // Whether the call's expectation exists; a batch may be read without.
    const ExpectedCall* expected(std::size_t call) const {
        return call < batch_.calls.size() ? &batch_.calls[call] : nullptr;
    }

    void check_submit_event(std::size_t i, const GateEvent& event) {
        const ExpectedCall* const call = expected(i);
        if (call == nullptr) return;
        if (event.receiver.has_value() && *event.receiver != call->receiver_id.text()) {
            problem(i, "the gate took another receiver");
        }
        if (event.method.has_value() && *event.method != call->method_name) {
            problem(i, "the gate took another method");
        }
    }

    void check_dispatch(std::size_t i, const GateDispatch& dispatch) {
        if (dispatch.state == GateDispatch::State::NotDispatched) {
            problem(i, "not dispatched: " + dispatch.reason);
        }
        if (dispatch.state != GateDispatch::State::Dispatched) return;
        if (dispatch.seq.has_value() && *dispatch.seq != i) {
            problem(i, "dispatched at another place of the batch");
        }
        if (dispatch.predecessor_id.has_value() && *dispatch.predecessor_id != gate_id_) {
            problem(i, "the target's predecessor is not the gate");
        }
        const ExpectedCall* const call = expected(i);
        if (call == nullptr || !dispatch.receiver_id.has_value()) return;
        if (*dispatch.receiver_id != call->receiver_id || !dispatch.call.has_value() ||
            dispatch.call->method_name != call->method_name || dispatch.call->args != call->args) {
            problem(i, "the target received another call than was signed");
        }
        if (call->intent_hash.has_value() && dispatch.target == GateDispatch::Target::Succeeded &&
            !logs_show_intent(dispatch.target_logs, *call->intent_hash)) {
            problem(i, "the intents contract does not say that it executed the intent");
        }
    }

    // n - 1 continuations, each naming the next intent, the tail shrinking to nothing.
    void check_chain() {
        std::vector<GateEvent> continued;
        for (const TransactionStatus& submit : batch_.submits) {
            for (const ExecutionOutcome& outcome : submit.receipts_outcome) {
                for (GateEvent& event : gate_events(outcome, gate_id_)) {
                    if (event.name == "chain_continued") continued.push_back(std::move(event));
                }
            }
        }
        if (continued.size() + 1 != ids_.size()) {
            evidence_.problems.push_back("the chain was not continued once between two calls");
            return;
        }
        for (std::size_t i = 1; i < ids_.size(); ++i) {
            const auto next =
                std::find_if(continued.begin(), continued.end(), [this, i](const GateEvent& event) {
                    return event.next_id.has_value() ? event.next_id == ids_[i]
                                                     : event.id == ids_[i];
                });
            if (next == continued.end()) {
                problem(i, "no continuation names this intent");
            } else if (
                next->tail_remaining.has_value() && *next->tail_remaining != ids_.size() - 1 - i) {
                problem(i, "the gate's tail is not what remains of the batch");
            }
        }
    }

    const GateBatch& batch_;
    const AccountId& gate_id_;
    BatchEvidence& evidence_;
    std::vector<std::optional<IntentId>> ids_;
};

}  // namespace

std::optional<GateEvent> parse_gate_log(std::string_view line) {
    if (line.size() > kLogBytesMax) return std::nullopt;
    const bool is_trace = line.starts_with(kTracePrefix);
    if (!is_trace && !line.starts_with(kEventPrefix)) return std::nullopt;
    line.remove_prefix(is_trace ? kTracePrefix.size() : kEventPrefix.size());
    const auto json = Json::parse(line);
    if (!json || !json->is_object()) return std::nullopt;
    if (is_trace) {
        auto name = text(*json, "ev");
        if (!name.has_value()) return std::nullopt;
        return event_of(std::move(*name), *json);
    }
    auto name = text(*json, "event");
    if (!name.has_value() || text(*json, "standard") != "sequential") return std::nullopt;
    return event_of(std::move(*name), first_data(*json));
}

std::vector<GateEvent> gate_events(const ExecutionOutcome& outcome, const AccountId& gate_id) {
    std::vector<GateEvent> out;
    if (outcome.executor_id != gate_id) return out;
    if (outcome.status.kind == ExecutionStatus::Kind::Failure) return out;
    for (const std::string& line : outcome.logs) {
        if (auto event = parse_gate_log(line)) out.push_back(std::move(*event));
    }
    return out;
}

GateSubmit read_gate_submit(const TransactionStatus& status, const AccountId& gate_id) {
    GateSubmit out;
    out.outer_receipt_id = status.outer_receipt_id();
    const Outer outer = outer_outcome(status);
    out.state = outer.state;
    out.error = outer.error;
    if (outer.state != GateState::Done) return out;
    const auto events = gate_events(*outer.outcome, gate_id);
    const GateEvent* const event = find_event(events, "intent_submitted");
    if (event == nullptr || !event->id.has_value()) {
        out.state = GateState::Failed;
        out.error = "the gate's receipt names no submitted intent";
        return out;
    }
    out.intent_id = *event->id;
    out.event = *event;
    return out;
}

GateResume read_gate_resume(const TransactionStatus& status, const AccountId& gate_id) {
    GateResume out;
    const Outer outer = outer_outcome(status);
    out.state = outer.state;
    out.error = outer.error;
    if (outer.state != GateState::Done) return out;
    const auto events = gate_events(*outer.outcome, gate_id);
    const GateEvent* const started = find_event(events, "batch_started");
    if (started == nullptr || !started->batch_id.has_value()) {
        out.state = GateState::Failed;
        out.error = "the gate's receipt names no started batch";
        return out;
    }
    out.batch_id = *started->batch_id;
    out.n = started->n.value_or(0);
    out.first_id = started->first_id.value_or(started->id.value_or(0));
    if (const GateEvent* const fee = find_event(events, "fee_charged")) out.fee = fee->amount;
    return out;
}

Result<GateDispatch> read_gate_dispatch(
    const TransactionStatus& status, const AccountId& gate_id, IntentId intent_id) {
    GateDispatch out;
    out.intent_id = intent_id;
    for (const ExecutionOutcome& outcome : status.receipts_outcome) {
        const auto events = gate_events(outcome, gate_id);
        if (const GateEvent* const error = find_event(events, "intent_resolved_err", intent_id)) {
            out.state = GateDispatch::State::NotDispatched;
            out.reason = error->reason.value_or("unknown");
            return out;
        }
        const GateEvent* const dispatched = find_event(events, "intent_dispatched", intent_id);
        if (dispatched == nullptr) continue;
        if (outcome.receipt_ids.empty()) {
            return Error::corrupt_data("the gate dispatched an intent and made no receipt");
        }
        out.state = GateDispatch::State::Dispatched;
        out.seq = dispatched->seq;
        out.gate_receipt_id = outcome.id;
        out.gate_block_hash = outcome.block_hash;
        out.target_receipt_id = outcome.receipt_ids.front();
        read_target(status, out);
        return out;
    }
    if (const auto failure = callback_failure(status, gate_id)) {
        out.state = GateDispatch::State::NotDispatched;
        out.reason = "the gate's callback failed: " + *failure;
    }
    return out;
}

BatchEvidence read_gate_batch(
    const GateBatch& batch, const AccountId& gate_id, const BlockHeights& heights) {
    BatchEvidence out;
    BatchChecker checker(batch, gate_id, out);
    checker.check_submits();
    checker.check_resume();
    checker.check_dispatches(heights);
    checker.check_whole();
    return out;
}

bool logs_show_intent(const std::vector<std::string>& logs, const MessageHash& intent_hash) {
    const std::string wanted = intent_hash.to_string();
    for (const std::string& line : logs) {
        if (!std::string_view(line).starts_with(kEventPrefix)) continue;
        const auto json = Json::parse(std::string_view(line).substr(kEventPrefix.size()));
        if (!json || text(*json, "standard") != "dip4" ||
            text(*json, "event") != "intents_executed") {
            continue;
        }
        const Json* const data = json->find("data");
        if (data == nullptr || !data->is_array()) continue;
        for (const Json& item : data->items()) {
            if (text(item, "intent_hash") == wanted) return true;
        }
    }
    return false;
}

}  // namespace adyton::near
