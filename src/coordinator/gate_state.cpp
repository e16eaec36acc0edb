#include "coordinator/gate_state.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"

namespace adyton::coordinator {
namespace {

using base::Json;
using base::JsonWriter;

// Requests nest up to 64 deep, and stand some levels below.
constexpr Json::Limits kLimits{128};

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

// Members that say nothing are left out: the state is written at every step.
class Writer {
public:
    explicit Writer(std::string& out) : out_(out) {}

    JsonWriter& raw() { return out_; }
    void text(const char* name, const std::string& value) {
        if (!value.empty()) out_.member(name, std::string_view(value));
    }
    void optional_text(const char* name, const std::optional<std::string>& value) {
        if (value) out_.member(name, std::string_view(*value));
    }
    void number(const char* name, std::uint64_t value) {
        if (value != 0) out_.member(name, value);
    }
    void json(const char* name, const Json& value) {
        const bool empty =
            value.is_null() || ((value.is_array() || value.is_object()) && value.size() == 0);
        if (!empty) out_.key(name).raw(value.dump());
    }
    void flag(const char* name, bool value) {
        if (value) out_.member(name, true);
    }
    void texts(const char* name, const std::vector<std::string>& items) {
        if (items.empty()) return;
        out_.key(name).begin_array();
        for (const std::string& item : items) out_.value(std::string_view(item));
        out_.end_array();
    }
    // `decided`: what became of it is known. It is never sent again, and its bytes are not kept.
    void transaction(const char* name, const SentTransaction& sent, bool decided) {
        out_.key(name).begin_object();
        out_.member("public_key", std::string_view(sent.public_key));
        out_.member("nonce", sent.nonce);
        if (!decided) out_.member("base64", std::string_view(sent.base64));
        out_.member("hash", std::string_view(sent.hash));
        out_.member("signed_at_height", sent.signed_at_height).end_object();
    }

private:
    JsonWriter out_;
};

void write_call(Writer& out, const GateCall& call) {
    out.raw().begin_object();
    out.text("receiver_id", call.receiver_id);
    out.text("method_name", call.method_name);
    out.number("gas", call.gas);
    out.text("deposit", call.deposit);
    out.optional_text("raw_args", call.raw_args);
    if (call.is_intents_call()) out.raw().key("intents").raw(call.intents.dump());
    out.json("counterparties", call.counterparties);
    out.optional_text("own_deadline", call.own_deadline);
    out.optional_text("own_signer", call.own_signer);
    out.json("actions", call.actions);
    out.text("message", call.message);
    out.text("nonce_base64", call.nonce_base64);
    out.text("deadline", call.deadline);
    out.text("intent_hash", call.intent_hash);
    out.text("args_base64", call.args_base64);
    out.number("delegate_nonce", call.delegate_nonce);
    out.number("max_block_height", call.max_block_height);
    out.text("delegate_hash", call.delegate_hash);
    if (call.submit) out.transaction("submit", *call.submit, call.decided());
    out.texts("dead_submits", call.dead_submits);
    if (call.intent_id) out.raw().member("intent_id", *call.intent_id);
    out.number("submit_height", call.submit_height);
    out.text("submit_error", call.submit_error);
    out.flag("submit_over", call.submit_over);
    out.raw().end_object();
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

std::string to_text(const GateState& state) {
    std::string text;
    Writer out(text);
    out.raw().begin_object().member("gate_id", std::string_view(state.gate_id));
    out.text("wallet_account", state.wallet_account);
    out.text("wallet_key", state.wallet_key);
    out.text("relayer_id", state.relayer_id);
    out.text("approver_id", state.approver_id);
    out.raw().key("calls").begin_array();
    for (const GateCall& call : state.calls) write_call(out, call);
    out.raw().end_array();
    if (state.resume) out.transaction("resume", *state.resume, state.batch_id != 0);
    out.texts("dead_resumes", state.dead_resumes);
    out.number("resumes", state.resumes);
    out.number("batch_id", state.batch_id);
    out.text("fee_yocto", state.fee_yocto);
    out.json("view_checks", state.view_checks);
    out.json("balances_before", state.balances_before);
    out.flag("failed", state.failed);
    out.json("lanes", state.lanes);
    out.raw().end_object();
    return text;
}

Json to_json(const GateState& state) {
    auto json = Json::parse(to_text(state), kLimits);
    CHECK(json.has_value());  // we wrote it
    return *std::move(json);
}

Result<GateState> parse_gate_state(std::string_view text) {
    const auto json = Json::parse(text, kLimits);
    if (!json) return Error::corrupt_data("the state of a workflow is no JSON");
    return parse_gate_state(*json);
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
