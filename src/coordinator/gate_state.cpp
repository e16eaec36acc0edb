#include "coordinator/gate_state.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace adyton::coordinator {
namespace {

using base::Json;

// Reads members; the first that does not fit makes the whole state corrupt.
class Reader {
public:
    explicit Reader(const Json& json) : json_(json) { good_ = json.is_object(); }

    void text(std::string_view name, std::string& out) {
        if (const Json* const found = find(name)) {
            if (found->is_string()) {
                out = found->string_value();
            } else {
                good_ = false;
            }
        }
    }
    void optional_text(std::string_view name, std::optional<std::string>& out) {
        if (find(name) == nullptr) return;
        out.emplace();
        text(name, *out);
    }
    void number(std::string_view name, std::uint64_t& out) {
        if (const Json* const found = find(name)) {
            const auto value = found->as_uint64();
            if (value) {
                out = *value;
            } else {
                good_ = false;
            }
        }
    }
    void optional_number(std::string_view name, std::optional<std::uint64_t>& out) {
        if (find(name) == nullptr) return;
        out.emplace();
        number(name, *out);
    }
    void flag(std::string_view name, bool& out) {
        if (const Json* const found = find(name)) {
            if (found->is_boolean()) {
                out = found->boolean_value();
            } else {
                good_ = false;
            }
        }
    }
    void json(std::string_view name, Json& out) {
        if (const Json* const found = find(name)) out = *found;
    }
    void texts(std::string_view name, std::vector<std::string>& out) {
        const Json* const found = find(name);
        if (found == nullptr) return;
        if (!found->is_array()) {
            good_ = false;
            return;
        }
        for (const Json& item : found->items()) {
            if (!item.is_string()) {
                good_ = false;
                return;
            }
            out.push_back(item.string_value());
        }
    }
    void transaction(std::string_view name, std::optional<SentTransaction>& out) {
        const Json* const found = find(name);
        if (found == nullptr) return;
        Reader inner(*found);
        SentTransaction sent;
        inner.text("public_key", sent.public_key);
        inner.number("nonce", sent.nonce);
        inner.text("base64", sent.base64);
        inner.text("hash", sent.hash);
        inner.number("signed_at_height", sent.signed_at_height);
        good_ = good_ && inner.good_;
        out = std::move(sent);
    }
    bool good() const { return good_; }

private:
    // Absent and null are the same.
    const Json* find(std::string_view name) const {
        const Json* const found = json_.find(name);
        return found == nullptr || found->is_null() ? nullptr : found;
    }
    const Json& json_;
    bool good_ = true;
};

Json text(const std::string& value) {
    return Json::string(value);
}

Json texts(const std::vector<std::string>& items) {
    Json out = Json::array();
    for (const std::string& item : items) out.push_back(text(item));
    return out;
}

// Members that say nothing are left out: the state is written at every step.
void set_text(Json& out, const char* name, const std::string& value) {
    if (!value.empty()) out.set(name, text(value));
}
void set_number(Json& out, const char* name, std::uint64_t value) {
    if (value != 0) out.set(name, Json::unsigned_integer(value));
}
void set_json(Json& out, const char* name, const Json& value) {
    const bool empty =
        value.is_null() || ((value.is_array() || value.is_object()) && value.size() == 0);
    if (!empty) out.set(name, value);
}

// What became of it is known: it is never sent again, and its bytes are not kept.
enum class Sent { Open, Decided };

Json transaction_json(const SentTransaction& sent, Sent sight) {
    Json out = Json::object();
    out.set("public_key", text(sent.public_key));
    out.set("nonce", Json::unsigned_integer(sent.nonce));
    if (sight == Sent::Open) out.set("base64", text(sent.base64));
    out.set("hash", text(sent.hash));
    out.set("signed_at_height", Json::unsigned_integer(sent.signed_at_height));
    return out;
}

Json call_json(const GateCall& call) {
    Json out = Json::object();
    set_text(out, "receiver_id", call.receiver_id);
    set_text(out, "method_name", call.method_name);
    set_number(out, "gas", call.gas);
    set_text(out, "deposit", call.deposit);
    if (call.raw_args) out.set("raw_args", text(*call.raw_args));
    if (call.is_intents_call()) out.set("intents", call.intents);
    set_json(out, "counterparties", call.counterparties);
    if (call.own_deadline) out.set("own_deadline", text(*call.own_deadline));
    if (call.own_signer) out.set("own_signer", text(*call.own_signer));
    set_json(out, "actions", call.actions);
    set_text(out, "message", call.message);
    set_text(out, "nonce_base64", call.nonce_base64);
    set_text(out, "deadline", call.deadline);
    set_text(out, "intent_hash", call.intent_hash);
    set_text(out, "args_base64", call.args_base64);
    set_number(out, "delegate_nonce", call.delegate_nonce);
    set_number(out, "max_block_height", call.max_block_height);
    set_text(out, "delegate_hash", call.delegate_hash);
    if (call.submit) {
        const Sent sight = call.decided() ? Sent::Decided : Sent::Open;
        out.set("submit", transaction_json(*call.submit, sight));
    }
    if (!call.dead_submits.empty()) out.set("dead_submits", texts(call.dead_submits));
    if (call.intent_id) out.set("intent_id", Json::unsigned_integer(*call.intent_id));
    set_number(out, "submit_height", call.submit_height);
    set_text(out, "submit_error", call.submit_error);
    if (call.submit_over) out.set("submit_over", Json::boolean(true));
    return out;
}

bool read_call(const Json& json, GateCall& out) {
    Reader in(json);
    in.text("receiver_id", out.receiver_id);
    in.text("method_name", out.method_name);
    in.number("gas", out.gas);
    in.text("deposit", out.deposit);
    in.optional_text("raw_args", out.raw_args);
    in.json("intents", out.intents);
    in.json("counterparties", out.counterparties);
    in.optional_text("own_deadline", out.own_deadline);
    in.optional_text("own_signer", out.own_signer);
    in.json("actions", out.actions);
    in.text("message", out.message);
    in.text("nonce_base64", out.nonce_base64);
    in.text("deadline", out.deadline);
    in.text("intent_hash", out.intent_hash);
    in.text("args_base64", out.args_base64);
    in.number("delegate_nonce", out.delegate_nonce);
    in.number("max_block_height", out.max_block_height);
    in.text("delegate_hash", out.delegate_hash);
    in.transaction("submit", out.submit);
    in.texts("dead_submits", out.dead_submits);
    in.optional_number("intent_id", out.intent_id);
    in.number("submit_height", out.submit_height);
    in.text("submit_error", out.submit_error);
    in.flag("submit_over", out.submit_over);
    return in.good() && out.actions.is_array() && (out.intents.is_null() || out.intents.is_array());
}

}  // namespace

std::uint64_t GateState::first_submit_height() const {
    std::uint64_t first = 0;
    for (const GateCall& call : calls) {
        if (call.submit_height == 0) continue;
        if (first == 0 || call.submit_height < first) first = call.submit_height;
    }
    return first;
}

std::uint64_t GateState::last_submit_height() const {
    std::uint64_t last = 0;
    for (const GateCall& call : calls) last = std::max(last, call.submit_height);
    return last;
}

std::uint64_t GateState::last_max_block_height() const {
    std::uint64_t last = 0;
    for (const GateCall& call : calls) last = std::max(last, call.max_block_height);
    return last;
}

std::vector<std::string> GateState::intent_ids() const {
    std::vector<std::string> out;
    for (const GateCall& call : calls) {
        if (call.intent_id) out.push_back(std::to_string(*call.intent_id));
    }
    return out;
}

Json to_json(const GateState& state) {
    Json calls = Json::array();
    for (const GateCall& call : state.calls) calls.push_back(call_json(call));
    Json out = Json::object();
    out.set("gate_id", text(state.gate_id));
    set_text(out, "wallet_account", state.wallet_account);
    set_text(out, "wallet_key", state.wallet_key);
    set_text(out, "relayer_id", state.relayer_id);
    set_text(out, "approver_id", state.approver_id);
    out.set("calls", std::move(calls));
    if (state.resume) {
        const Sent sight = state.batch_id != 0 ? Sent::Decided : Sent::Open;
        out.set("resume", transaction_json(*state.resume, sight));
    }
    if (!state.dead_resumes.empty()) out.set("dead_resumes", texts(state.dead_resumes));
    set_number(out, "resumes", state.resumes);
    set_number(out, "batch_id", state.batch_id);
    set_text(out, "fee_yocto", state.fee_yocto);
    set_json(out, "view_checks", state.view_checks);
    set_json(out, "balances_before", state.balances_before);
    if (state.failed) out.set("failed", Json::boolean(true));
    set_json(out, "lanes", state.lanes);
    return out;
}

Result<GateState> parse_gate_state(const Json& json) {
    const Error corrupt = Error::corrupt_data("the state of a workflow does not read back");
    GateState out;
    Reader in(json);
    in.text("gate_id", out.gate_id);
    in.text("wallet_account", out.wallet_account);
    in.text("wallet_key", out.wallet_key);
    in.text("relayer_id", out.relayer_id);
    in.text("approver_id", out.approver_id);
    in.transaction("resume", out.resume);
    in.texts("dead_resumes", out.dead_resumes);
    in.number("resumes", out.resumes);
    in.number("batch_id", out.batch_id);
    in.text("fee_yocto", out.fee_yocto);
    in.json("view_checks", out.view_checks);
    in.json("balances_before", out.balances_before);
    in.flag("failed", out.failed);
    in.json("lanes", out.lanes);
    const Json* const calls = json.find("calls");
    if (!in.good() || calls == nullptr || !calls->is_array()) return corrupt;
    for (const Json& item : calls->items()) {
        GateCall call;
        if (!read_call(item, call)) return corrupt;
        out.calls.push_back(std::move(call));
    }
    return out;
}

}  // namespace adyton::coordinator
