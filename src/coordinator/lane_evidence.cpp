#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "coordinator/internal/lanes.h"
#include "crypto/digest.h"

// What the record shows of a workflow over several lanes (near.md 6.9 and 8.1).
namespace adyton::coordinator {

using base::Amount;
using base::Json;

namespace {

Json text(std::string_view value) {
    return Json::string(std::string(value));
}
Json text_or_null(const std::string& value) {
    return value.empty() ? Json() : text(value);
}
Json height_or_null(std::uint64_t height) {
    return height == 0 ? Json() : Json::unsigned_integer(height);
}

struct Signed {
    bool negative = false;
    Amount amount;
};

Signed parse_signed(std::string_view digits) {
    const bool negative = digits.starts_with('-');
    const auto amount = near::parse_u128(digits.substr(negative ? 1 : 0));
    return {negative, amount ? *amount : Amount()};
}

std::string difference(const Amount& from, const Amount& to) {
    if (to >= from) return to.minus(from)->to_string();
    return "-" + from.minus(to)->to_string();
}

std::string sum_of(const std::string& a, const std::string& b) {
    const Signed one = parse_signed(a);
    const Signed other = parse_signed(b);
    if (one.negative == other.negative) {
        const auto sum = one.amount.plus(other.amount);
        return (one.negative ? "-" : "") + sum.value_or(Amount()).to_string();
    }
    return one.negative ? difference(one.amount, other.amount)
                        : difference(other.amount, one.amount);
}

Json deltas_of(const LaneSegment& segment) {
    Json out = Json::object();
    for (const auto& [name, before] : segment.before.members()) {
        const Json* const after = segment.after.find(name);
        if (after == nullptr || !after->is_string() || !before.is_string()) continue;
        const auto from = near::parse_u128(before.string_value());
        const auto to = near::parse_u128(after->string_value());
        if (from && to) out.set(name, text(difference(*from, *to)));
    }
    return out;
}

std::string_view word_of(const LaneSegment& segment, bool current) {
    if (segment.outcome != LaneSegment::Outcome::Open) return to_string(segment.outcome);
    const bool begun = segment.prepared || !segment.child_id.empty();
    return current && begun ? "pending" : "not_begun";
}

Json hashes_of(const LaneSegment& segment) {
    Json out = Json::array();
    for (const LaneTransaction& tx : segment.transactions) {
        if (tx.sent) out.push_back(text(tx.sent->hash));
    }
    return out;
}

// What each of them does, so that it can be compared with the chain: one call.
Json own_calls_of(const LaneSegment& segment) {
    Json out = Json::array();
    for (const LaneTransaction& tx : segment.transactions) {
        if (!tx.sent) continue;
        const LaneCall& call = tx.calls.front();
        out.push_back(
            Json::object()
                .set("tx_hash", text(tx.sent->hash))
                .set("receiver_id", text(tx.receiver_id))
                .set("method_name", text(call.method_name))
                .set("args_sha256", text(crypto::sha256(base::as_bytes(call.args)).to_hex()))
                .set("gas", text(std::to_string(call.gas)))
                .set("deposit", text(call.deposit)));
    }
    return out;
}

const LaneTransaction* last_sent(const LaneSegment& segment) {
    const LaneTransaction* out = nullptr;
    for (const LaneTransaction& tx : segment.transactions) {
        if (tx.sent) out = &tx;
    }
    return out;
}

// Whether the balance that the step is about moved by its amount and no more; null: not said.
Json delta_ok(const LaneSegment& segment, const Json& deltas) {
    const Json* const amount = segment.params.find("amount");
    if (amount == nullptr || segment.outcome != LaneSegment::Outcome::Succeeded) return Json();
    std::string name;
    std::string wanted = amount->string_value();
    for (const auto& [key, delta] : deltas.members()) {
        const bool inside = key.ends_with(":intents");
        const bool about_intents =
            segment.kind == "funding.intents_deposit" || segment.kind == "funding.intents_withdraw";
        if (key != "native" && inside == about_intents) name = key;
    }
    const bool falls =
        segment.kind == "funding.unwrap_near" || segment.kind == "funding.intents_withdraw";
    const Json* const delta = deltas.find(name);
    if (delta == nullptr) return Json();
    return Json::boolean(delta->string_value() == (falls ? "-" + wanted : wanted));
}

Json funding_row(const LaneSegment& segment, bool current) {
    const LaneTransaction* const tx = last_sent(segment);
    Json deltas = deltas_of(segment);
    Json out = Json::object();
    out.set("step", Json::unsigned_integer(segment.first_step));
    out.set("kind", text(segment.kind)).set("status", text(word_of(segment, current)));
    out.set("tx_hash", tx == nullptr ? Json() : text(tx->sent->hash));
    out.set("signer_id", tx == nullptr ? Json() : text(tx->signer_id));
    out.set("before", segment.before).set("after", segment.after);
    const Json fits = delta_ok(segment, deltas);
    out.set("deltas", std::move(deltas));
    out.set("block_height", tx == nullptr ? Json() : height_or_null(tx->block_height));
    out.set("error", text_or_null(segment.error));
    out.set("tx_hashes", hashes_of(segment)).set("delta_ok", fits);
    out.set("transactions", own_calls_of(segment));
    if (!segment.note.empty()) out.set("note", text(segment.note));
    if (!segment.result.is_null()) out.set("result", segment.result);
    return out;
}

Json count_of(const Json& amounts) {
    const Json* const found = amounts.find("get_count");
    const auto number = near::parse_u64(found == nullptr ? "" : found->string_value());
    return number ? Json::unsigned_integer(*number) : Json();
}

Json direct_row(const LaneSegment& segment, bool current) {
    const LaneTransaction* const tx = last_sent(segment);
    const Json* const label = segment.result.find("key_label");
    Json out = Json::object();
    out.set("step", Json::unsigned_integer(segment.first_step));
    for (const char* const name : {"user_id", "registry_id", "receiver_id"}) {
        const Json* const found = segment.params.find(name);
        out.set(name, found == nullptr ? Json() : *found);
    }
    out.set("method_name", text(segment.calls.front().method_name));
    out.set("public_key", tx == nullptr ? Json() : text(tx->public_key));
    out.set("key_label", label == nullptr ? Json() : *label);
    out.set("tx_hash", tx == nullptr ? Json() : text(tx->sent->hash));
    out.set("signer_id", tx == nullptr ? Json() : text(tx->signer_id));
    out.set("nonce", tx == nullptr ? Json() : height_or_null(tx->nonce));
    const Json before = count_of(segment.before);
    const Json after = count_of(segment.after);
    if (!before.is_null()) {
        const auto from = before.as_uint64();
        const auto to = after.as_uint64();
        out.set("before_count", before).set("after_count", after);
        out.set("count_delta_ok", Json::boolean(from && to && *to == *from + segment.calls.size()));
    }
    out.set("block_height", tx == nullptr ? Json() : height_or_null(tx->block_height));
    out.set("block_hash", tx == nullptr ? Json() : text_or_null(tx->block_hash));
    const bool over = tx != nullptr && tx->over;
    out.set("receipt_status", over ? text(tx->succeeded ? "success" : "failure") : Json());
    out.set("predecessor_model", text("user")).set("error", text_or_null(segment.error));
    out.set("final_status", text(word_of(segment, current)));
    return out;
}

Json segment_row(const LaneSegment& segment, bool current) {
    Json out = Json::object();
    const bool gate = segment.lane == Lane::GateProxy;
    const bool user = segment.lane == Lane::DirectUser;
    out.set("first_step", Json::unsigned_integer(segment.first_step));
    out.set("steps", Json::unsigned_integer(segment.steps));
    out.set("lane", text(gate ? "gate_proxy" : user ? "direct_user" : "funding_setup"));
    out.set("status", text(word_of(segment, current)));
    if (gate) {
        out.set("request_id", text_or_null(segment.child_id)).set("result", segment.result);
    } else {
        out.set("tx_hashes", hashes_of(segment));
    }
    out.set("error", text_or_null(segment.error));
    return out;
}

// Of the lane that runs now, or ran last.
void set_models(const LanesState& state, WorkflowRecord& record) {
    const std::size_t at = std::min(state.current, state.segments.size() - 1);
    const LaneSegment& segment = state.segments[at];
    if (segment.lane == Lane::GateProxy) {
        record.predecessor_model = "gate";
        record.ordering_model = "gate_chained";
        record.proxy_predecessor = record.proxy_predecessor || !segment.child_id.empty();
    } else if (segment.lane == Lane::DirectUser) {
        record.predecessor_model = "user";
        record.ordering_model = "single_tx_atomic";
    } else {
        const bool views = segment.kind == "view" || segment.kind == "funding.balance_check";
        record.predecessor_model = views ? "view" : "wallet";
        record.ordering_model = "normal_tx_or_view";
    }
}

Json& member(Json& object, const char* name, Json otherwise) {
    if (object.find(name) == nullptr) object.set(name, std::move(otherwise));
    return object;
}

void append_list(Json& to, const Json& from, const char* name) {
    const Json* const more = from.find(name);
    if (more == nullptr || !more->is_array()) return;
    Json list = *member(to, name, Json::array()).find(name);
    for (const Json& item : more->items()) list.push_back(item);
    to.set(name, std::move(list));
}

}  // namespace

void describe_lanes(const LanesState& state, WorkflowRecord& record) {
    Json funding = Json::array();
    Json direct = Json::array();
    Json segments = Json::array();
    for (std::size_t i = 0; i < state.segments.size(); ++i) {
        const LaneSegment& segment = state.segments[i];
        const bool current = i == state.current;
        segments.push_back(segment_row(segment, current));
        if (segment.lane == Lane::FundingSetup) funding.push_back(funding_row(segment, current));
        if (segment.lane == Lane::DirectUser) direct.push_back(direct_row(segment, current));
    }
    record.funding_evidence = std::move(funding);
    if (direct.size() > 0) record.direct_user_evidence = std::move(direct);
    record.dispatch_evidence.set("segments", std::move(segments));
    set_models(state, record);
}

void add_batch(const WorkflowRecord& batch, WorkflowRecord& record, GateState& state) {
    const auto append = [](auto& to, const auto& from) {
        to.insert(to.end(), from.begin(), from.end());
    };
    append(record.signed_nep413_payloads, batch.signed_nep413_payloads);
    append(record.signed_nep366_delegates, batch.signed_nep366_delegates);
    append(record.submit_tx_hashes, batch.submit_tx_hashes);
    append(record.intent_ids, batch.intent_ids);
    record.resume_tx_hash = batch.resume_tx_hash;
    record.proxy_predecessor = true;
    Json& evidence = record.dispatch_evidence;
    const Json& more = batch.dispatch_evidence;
    for (const char* const name :
         {"dispatch_receipts", "dispatch_block_heights", "target_block_heights", "intent_hashes",
          "simulations", "problems"}) {
        append_list(evidence, more, name);
    }
    for (const char* const name : {"resume_receipt_id", "gate_id"}) {
        if (const Json* const found = more.find(name)) evidence.set(name, *found);
    }
    if (const Json* const deltas = more.find("balance_deltas"); deltas != nullptr) {
        Json sums = *member(evidence, "balance_deltas", Json::object()).find("balance_deltas");
        for (const auto& [name, delta] : deltas->members()) {
            const Json* const known = sums.find(name);
            sums.set(
                name, known == nullptr ? delta
                                       : text(sum_of(known->string_value(), delta.string_value())));
        }
        evidence.set("balance_deltas", std::move(sums));
    }
    if (const auto its = parse_gate_state(batch.internal_state)) {
        append(state.calls, its->calls);
        state.gate_id = its->gate_id;
        state.relayer_id = its->relayer_id;
        state.approver_id = its->approver_id;
        state.batch_id = its->batch_id;
    }
}

std::string carried_out(const LanesState& state) {
    std::string steps;
    std::size_t count = 0;
    for (const LaneSegment& segment : state.segments) {
        if (segment.outcome != LaneSegment::Outcome::Succeeded) continue;
        for (std::size_t i = 0; i < segment.steps; ++i) {
            steps += fmt::format("{}{}", count == 0 ? "" : ",", segment.first_step + i);
            ++count;
        }
    }
    if (count == 0) return {};
    if (count == 1) return fmt::format("step {} was carried out", steps);
    return fmt::format("steps {} were carried out", steps);
}

}  // namespace adyton::coordinator
