#include "coordinator/evidence.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "coordinator/request.h"
#include "crypto/hkdf.h"

namespace adyton::coordinator {
namespace {

using base::Bytes;
using base::Json;

constexpr std::size_t kCallsMax = 64;

void put_u32(Bytes& out, std::size_t number) {
    for (int shift = 24; shift >= 0; shift -= 8) {
        out.push_back(static_cast<std::uint8_t>(number >> static_cast<unsigned>(shift)));
    }
}

void put(Bytes& out, base::ByteView bytes) {
    put_u32(out, bytes.size());
    out.insert(out.end(), bytes.begin(), bytes.end());
}

Bytes list_of(const std::vector<std::string>& texts) {
    Bytes out;
    put_u32(out, texts.size());
    for (const std::string& text : texts) put(out, base::as_bytes(text));
    return out;
}

template <typename T, typename F>
Bytes list_of(const std::vector<T>& items, F texts_of) {
    Bytes out;
    put_u32(out, items.size());
    for (const T& item : items) put(out, list_of(texts_of(item)));
    return out;
}

using Texts = std::vector<std::string>;

Texts texts_of(const EvidencePlanStep& step) {
    return {step.lane, step.receiver_id, step.method_name, step.reason};
}
Texts texts_of(const EvidenceDecision& decision) {
    return {decision.call_index, decision.type, decision.allowed, decision.rule};
}
Texts texts_of(const EvidenceCall& call) {
    return {call.receiver_id,   call.method_name,    call.gas,
            call.deposit,       call.args_sha256,    call.intent_hash,
            call.delegate_hash, call.submit_tx_hash, call.intent_id};
}
Texts texts_of(const EvidenceDispatch& dispatch) {
    return {dispatch.intent_id,   dispatch.receipt_id,   dispatch.receiver_id,
            dispatch.method_name, dispatch.block_height, dispatch.target_block_height,
            dispatch.status};
}
Texts texts_of(const std::pair<std::string, std::string>& pair) {
    return {pair.first, pair.second};
}

void add_facts(crypto::Transcript& out, const EvidenceStatement& s) {
    const auto list = [](const auto& items) {
        return list_of(items, [](const auto& item) { return texts_of(item); });
    };
    out.add(1, s.request_id).add(2, s.wallet_id).add(3, s.endpoint).add(4, s.idempotency_key);
    out.add(5, s.body_sha256).add(6, s.created_at).add(7, s.gate_id).add(8, s.wallet_account);
    out.add(9, s.relayer_id).add(10, s.approver_id);
    out.add(11, list(s.plan)).add(12, list(s.policy_decisions)).add(13, list(s.calls));
    out.add(14, s.resume_tx_hash).add(15, s.batch_id).add(16, list(s.dispatches));
    out.add(17, list(s.balance_deltas)).add(18, s.direct_user_evidence).add(19, s.status);
    out.add(20, s.final_status).add(21, s.user_visible_error);
}

Bytes signed_bytes(const EvidenceBundle& bundle) {
    crypto::Transcript out("workflow");
    add_facts(out, bundle.statement);
    out.add_u64(22, static_cast<std::uint64_t>(bundle.audit.chain));
    out.add_u64(23, static_cast<std::uint64_t>(bundle.audit.sequence));
    out.add(24, bundle.audit.hash.view());
    out.add(25, bundle.public_key.bytes);
    if (!bundle.statement.lane_evidence.empty()) out.add(26, bundle.statement.lane_evidence);
    const auto bytes = out.bytes();
    return {bytes.begin(), bytes.end()};
}

// ----- from a record ----------------------------------------------------------------------------

// A text, a number's or a flag's text; empty for null and absent.
std::string text_of(const Json& json, std::string_view name) {
    const Json* const found = json.find(name);
    if (found == nullptr || found->is_null()) return {};
    if (found->is_string()) return found->string_value();
    if (found->is_number()) return found->number_text();
    if (found->is_boolean()) return found->boolean_value() ? "true" : "false";
    return {};
}

template <typename F>
void for_each_item(const Json& json, std::string_view name, F use) {
    const Json* const found = json.find(name);
    if (found == nullptr || !found->is_array()) return;
    for (const Json& item : found->items()) use(item);
}

std::vector<EvidenceCall> calls_of(const GateState& state) {
    std::vector<EvidenceCall> out;
    for (const GateCall& call : state.calls) {
        EvidenceCall row;
        row.receiver_id = call.receiver_id;
        row.method_name = call.method_name;
        row.gas = std::to_string(call.gas);
        row.deposit = call.deposit;
        if (!call.delegate_hash.empty()) {
            const auto args = base::base64_decode(call.args_base64);
            if (args) row.args_sha256 = crypto::sha256(*args).to_hex();
        }
        row.intent_hash = call.intent_hash;
        row.delegate_hash = call.delegate_hash;
        if (call.submit) row.submit_tx_hash = call.submit->hash;
        if (call.intent_id) row.intent_id = std::to_string(*call.intent_id);
        out.push_back(std::move(row));
    }
    return out;
}

std::vector<EvidenceDispatch> dispatches_of(const Json& evidence) {
    std::vector<EvidenceDispatch> out;
    for_each_item(evidence, "dispatch_receipts", [&](const Json& row) {
        out.push_back(
            {text_of(row, "intent_id"), text_of(row, "receipt_id"), text_of(row, "receiver_id"),
             text_of(row, "method_name"), text_of(row, "block_height"),
             text_of(row, "target_block_height"), text_of(row, "status")});
    });
    return out;
}

}  // namespace

EvidenceStatement statement_of(const WorkflowRecord& record) {
    const auto state = parse_gate_state(record.internal_state);
    return statement_of(record, state ? *state : GateState{});
}

EvidenceStatement statement_of(const WorkflowRecord& record, const GateState& state) {
    EvidenceStatement out;
    out.request_id = record.request_id;
    out.wallet_id = record.wallet_id;
    out.endpoint = record.endpoint;
    out.idempotency_key = record.idempotency_key;
    out.body_sha256 = record.body_hash.to_hex();
    out.created_at = base::to_rfc3339(record.created_at);
    for_each_item(record.plan, "steps", [&](const Json& step) {
        out.plan.push_back(
            {text_of(step, "lane"), text_of(step, "receiver_id"), text_of(step, "method_name"),
             text_of(step, "reason")});
    });
    if (record.policy_decisions.is_array()) {
        for (const Json& decision : record.policy_decisions.items()) {
            out.policy_decisions.push_back(
                {text_of(decision, "call_index"), text_of(decision, "type"),
                 text_of(decision, "allowed"), text_of(decision, "rule")});
        }
    }
    out.gate_id = state.gate_id;
    out.wallet_account = state.wallet_account;
    out.relayer_id = state.relayer_id;
    out.approver_id = state.approver_id;
    out.calls = calls_of(state);
    if (state.batch_id != 0) out.batch_id = std::to_string(state.batch_id);
    out.resume_tx_hash = record.resume_tx_hash.value_or("");
    out.dispatches = dispatches_of(record.dispatch_evidence);
    if (const Json* const deltas = record.dispatch_evidence.find("balance_deltas")) {
        if (deltas->is_object()) {
            for (const auto& [token, delta] : deltas->members()) {
                out.balance_deltas.emplace_back(
                    token, delta.is_string() ? delta.string_value() : "");
            }
        }
    }
    if (!record.direct_user_evidence.is_null()) {
        out.direct_user_evidence = canonical_json(record.direct_user_evidence);
    }
    if (const Json* const segments = record.dispatch_evidence.find("segments")) {
        const Json lanes = Json::object()
                               .set("segments", *segments)
                               .set("funding_evidence", record.funding_evidence);
        out.lane_evidence = canonical_json(lanes);
    }
    out.status = std::string(to_string(record.status));
    out.final_status = record.final_status.value_or("");
    out.user_visible_error = record.user_visible_error;
    return out;
}

crypto::Sha256Digest facts_digest(const EvidenceStatement& statement) {
    crypto::Transcript out("workflow-facts");
    add_facts(out, statement);
    if (!statement.lane_evidence.empty()) out.add(26, statement.lane_evidence);
    return out.sha256();
}

crypto::Ed25519KeyPair derive_evidence_key(const crypto::Ed25519KeyPair& approver) {
    crypto::SecretBytes<crypto::Ed25519KeyPair::kSeedSize> seed;
    crypto::hkdf_sha256(
        approver.expose_seed(), base::as_bytes("adyton/workflow-evidence/v1"),
        base::as_bytes("ed25519"), seed.expose_mutable());
    return crypto::Ed25519KeyPair(std::move(seed));
}

EvidenceBundle sign_evidence(
    EvidenceStatement statement, audit::AuditRecord audit, const crypto::Ed25519KeyPair& key) {
    EvidenceBundle out{std::move(statement), std::move(audit), key.public_key(), {}};
    out.signature = key.sign(signed_bytes(out));
    return out;
}

// ----- JSON -------------------------------------------------------------------------------------

namespace {

Json text(const std::string& value) {
    return Json::string(value);
}

template <typename T>
struct Names;
template <>
struct Names<EvidencePlanStep> {
    static constexpr std::array<const char*, 4> kNames = {
        "lane", "receiver_id", "method_name", "reason"};
};
template <>
struct Names<EvidenceDecision> {
    static constexpr std::array<const char*, 4> kNames = {"call_index", "type", "allowed", "rule"};
};
template <>
struct Names<EvidenceCall> {
    static constexpr std::array<const char*, 9> kNames = {
        "receiver_id",   "method_name",    "gas",      "deposit", "args_sha256", "intent_hash",
        "delegate_hash", "submit_tx_hash", "intent_id"};
};
template <>
struct Names<EvidenceDispatch> {
    static constexpr std::array<const char*, 7> kNames = {
        "intent_id",    "receipt_id",          "receiver_id", "method_name",
        "block_height", "target_block_height", "status"};
};

void assign(const Texts& t, EvidencePlanStep& out) {
    out = {t[0], t[1], t[2], t[3]};
}
void assign(const Texts& t, EvidenceDecision& out) {
    out = {t[0], t[1], t[2], t[3]};
}
void assign(const Texts& t, EvidenceCall& out) {
    out = {t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8]};
}
void assign(const Texts& t, EvidenceDispatch& out) {
    out = {t[0], t[1], t[2], t[3], t[4], t[5], t[6]};
}

template <typename T>
Json rows_json(const std::vector<T>& items) {
    Json out = Json::array();
    for (const T& item : items) {
        const Texts texts = texts_of(item);
        Json row = Json::object();
        for (std::size_t i = 0; i < texts.size(); ++i) row.set(Names<T>::kNames[i], text(texts[i]));
        out.push_back(std::move(row));
    }
    return out;
}

Error bad(std::string_view what) {
    return Error::invalid_argument("not workflow evidence: " + std::string(what));
}

// Exactly these members, all texts.
Result<Texts> read_texts(const Json& json, const char* const* names, std::size_t count) {
    if (!json.is_object() || json.size() != count) return bad("a row has other members");
    Texts out;
    for (std::size_t i = 0; i < count; ++i) {
        const Json* const member = json.find(names[i]);
        if (member == nullptr || !member->is_string()) return bad(names[i]);
        out.push_back(member->string_value());
    }
    return out;
}

template <typename T>
Result<std::vector<T>> read_rows(const Json& json, const char* name) {
    const Json* const rows = json.find(name);
    if (rows == nullptr || !rows->is_array() || rows->size() > 1000) return bad(name);
    std::vector<T> out;
    for (const Json& row : rows->items()) {
        TRY(const Texts texts, read_texts(row, Names<T>::kNames.data(), Names<T>::kNames.size()));
        T item;
        assign(texts, item);
        out.push_back(std::move(item));
    }
    return out;
}

struct TextMember {
    const char* name;
    std::string EvidenceStatement::*member;
};
constexpr std::array<TextMember, 16> kTextMembers = {{
    {"request_id", &EvidenceStatement::request_id},
    {"wallet_id", &EvidenceStatement::wallet_id},
    {"endpoint", &EvidenceStatement::endpoint},
    {"idempotency_key", &EvidenceStatement::idempotency_key},
    {"body_sha256", &EvidenceStatement::body_sha256},
    {"created_at", &EvidenceStatement::created_at},
    {"gate_id", &EvidenceStatement::gate_id},
    {"wallet_account", &EvidenceStatement::wallet_account},
    {"relayer_id", &EvidenceStatement::relayer_id},
    {"approver_id", &EvidenceStatement::approver_id},
    {"resume_tx_hash", &EvidenceStatement::resume_tx_hash},
    {"batch_id", &EvidenceStatement::batch_id},
    {"direct_user_evidence", &EvidenceStatement::direct_user_evidence},
    {"status", &EvidenceStatement::status},
    {"final_status", &EvidenceStatement::final_status},
    {"user_visible_error", &EvidenceStatement::user_visible_error},
}};
constexpr std::size_t kListMembers = 5;
constexpr const char* kLaneEvidence = "lane_evidence";

Json statement_json(const EvidenceStatement& statement) {
    Json out = Json::object();
    for (const TextMember& one : kTextMembers) out.set(one.name, text(statement.*one.member));
    out.set("plan", rows_json(statement.plan));
    out.set("policy_decisions", rows_json(statement.policy_decisions));
    out.set("calls", rows_json(statement.calls));
    out.set("dispatches", rows_json(statement.dispatches));
    Json deltas = Json::object();
    for (const auto& [token, delta] : statement.balance_deltas) deltas.set(token, text(delta));
    out.set("balance_deltas", std::move(deltas));
    if (!statement.lane_evidence.empty()) out.set(kLaneEvidence, text(statement.lane_evidence));
    return out;
}

Result<EvidenceStatement> parse_statement(const Json& json) {
    EvidenceStatement out;
    const Json* const lanes = json.find(kLaneEvidence);
    const std::size_t more = lanes == nullptr ? 0 : 1;
    if (!json.is_object() || json.size() != kTextMembers.size() + kListMembers + more) {
        return bad("the statement has other members");
    }
    if (lanes != nullptr) {
        if (!lanes->is_string() || lanes->string_value().empty()) return bad(kLaneEvidence);
        out.lane_evidence = lanes->string_value();
    }
    for (const TextMember& one : kTextMembers) {
        const Json* const found = json.find(one.name);
        if (found == nullptr || !found->is_string()) return bad(one.name);
        out.*one.member = found->string_value();
    }
    TRY(out.plan, read_rows<EvidencePlanStep>(json, "plan"));
    TRY(out.policy_decisions, read_rows<EvidenceDecision>(json, "policy_decisions"));
    TRY(out.calls, read_rows<EvidenceCall>(json, "calls"));
    TRY(out.dispatches, read_rows<EvidenceDispatch>(json, "dispatches"));
    const Json* const deltas = json.find("balance_deltas");
    if (deltas == nullptr || !deltas->is_object()) return bad("balance_deltas");
    for (const auto& [token, delta] : deltas->members()) {
        if (!delta.is_string()) return bad("balance_deltas");
        out.balance_deltas.emplace_back(token, delta.string_value());
    }
    return out;
}

Json audit_json(const audit::AuditRecord& record) {
    Json out = Json::object();
    out.set("chain", Json::integer(record.chain));
    out.set("sequence", Json::integer(record.sequence));
    out.set("recorded_at", text(base::to_rfc3339(record.recorded_at)));
    out.set("kind", text(record.kind));
    out.set("actor", text(record.actor));
    out.set("body", text(record.body));
    out.set("previous_hash", text(record.previous_hash.to_hex()));
    out.set("hash", text(record.hash.to_hex()));
    return out;
}

Result<crypto::Sha256Digest> read_digest(const std::string& hex) {
    TRY(const Bytes bytes, base::hex_decode(hex));
    return crypto::Sha256Digest::parse(bytes);
}

Result<audit::AuditRecord> parse_audit(const Json& json) {
    static constexpr std::array<const char*, 6> kTexts = {"recorded_at", "kind",          "actor",
                                                          "body",        "previous_hash", "hash"};
    if (!json.is_object() || json.size() != kTexts.size() + 2) return bad("audit");
    audit::AuditRecord out;
    Texts texts;
    for (const char* const name : kTexts) {
        const Json* const found = json.find(name);
        if (found == nullptr || !found->is_string()) return bad(name);
        texts.push_back(found->string_value());
    }
    const Json* const chain = json.find("chain");
    const Json* const sequence = json.find("sequence");
    if (chain == nullptr || sequence == nullptr) return bad("audit");
    TRY(out.chain, chain->as_int64());
    TRY(out.sequence, sequence->as_int64());
    if (out.chain < 0 || out.sequence < 0) return bad("audit");
    TRY(out.recorded_at, base::parse_rfc3339(texts[0]));
    out.kind = texts[1];
    out.actor = texts[2];
    out.body = texts[3];
    TRY(out.previous_hash, read_digest(texts[4]));
    TRY(out.hash, read_digest(texts[5]));
    return out;
}

}  // namespace

Json to_json(const EvidenceBundle& bundle) {
    Json out = Json::object();
    out.set("format", Json::string(std::string(kEvidenceFormat)));
    out.set("statement", statement_json(bundle.statement));
    out.set("audit", audit_json(bundle.audit));
    out.set("public_key", text(bundle.public_key.to_hex()));
    out.set("signature", text(base::hex_encode(bundle.signature.bytes)));
    return out;
}

Result<EvidenceBundle> parse_evidence(const Json& json) {
    if (!json.is_object() || json.size() != 5) return bad("other members than those of the format");
    const Json* const format = json.find("format");
    const Json* const statement = json.find("statement");
    const Json* const audit = json.find("audit");
    const Json* const key = json.find("public_key");
    const Json* const signature = json.find("signature");
    if (format == nullptr || !format->is_string() || format->string_value() != kEvidenceFormat) {
        return bad("the format is not " + std::string(kEvidenceFormat));
    }
    const bool there = statement != nullptr && audit != nullptr && key != nullptr &&
                       key->is_string() && signature != nullptr && signature->is_string();
    if (!there) return bad("a member is missing");
    TRY(auto its_statement, parse_statement(*statement));
    TRY(auto its_audit, parse_audit(*audit));
    TRY(const Bytes key_bytes, base::hex_decode(key->string_value()));
    TRY(const Bytes signature_bytes, base::hex_decode(signature->string_value()));
    TRY(const auto public_key, crypto::Ed25519PublicKey::parse(key_bytes));
    TRY(const auto its_signature, crypto::Ed25519Signature::parse(signature_bytes));
    return EvidenceBundle{
        std::move(its_statement), std::move(its_audit), public_key, its_signature};
}

// ----- checking ---------------------------------------------------------------------------------

namespace {

std::size_t gate_steps_of(const EvidenceStatement& s) {
    return static_cast<std::size_t>(std::count_if(
        s.plan.begin(), s.plan.end(), [](const auto& step) { return step.lane == "gate_proxy"; }));
}

// Every step of the plan belongs to one segment, in order, and each segment is done.
void check_lanes(const EvidenceStatement& s, std::vector<std::string>& problems) {
    const auto lanes = Json::parse(s.lane_evidence, Json::Limits{128});
    if (!lanes || !lanes->is_object()) return problems.push_back("lane_evidence is no JSON object");
    std::size_t next = 0;
    bool fits = true;
    for_each_item(*lanes, "segments", [&](const Json& row) {
        const auto first = near::parse_u64(text_of(row, "first_step"));
        const auto steps = near::parse_u64(text_of(row, "steps"));
        const std::string lane = text_of(row, "lane");
        fits = fits && first && steps && *first == next && *steps > 0 &&
               *steps <= s.plan.size() - next;
        if (!fits) return;
        for (std::size_t i = 0; i < *steps; ++i) {
            if (s.plan[next + i].lane != lane) problems.push_back("a step ran in another lane");
        }
        next += *steps;
        const std::string status = text_of(row, "status");
        if (status != "success" && status != "skipped") {
            problems.push_back(fmt::format("the segment from step {} is {}", *first, status));
        }
    });
    if (!fits || next != s.plan.size())
        problems.push_back("the segments are not those of the plan");
    if (s.calls.size() != gate_steps_of(s)) {
        problems.push_back("as many calls as gate steps are needed");
    }
}

// Heights rise, ids are those of the calls in their order, every call succeeded.
void check_success(const EvidenceStatement& s, std::vector<std::string>& problems) {
    const auto problem = [&](std::string text_of_problem) {
        problems.push_back(std::move(text_of_problem));
    };
    if (s.endpoint == "direct_user_function_call") return;
    if (!s.lane_evidence.empty()) {
        check_lanes(s, problems);
        if (s.calls.empty()) return;
    }
    if (s.calls.empty() || s.calls.size() > kCallsMax) return problem("a success without calls");
    if (s.dispatches.size() != s.calls.size()) {
        return problem("as many dispatches as calls are needed");
    }
    if (s.resume_tx_hash.empty()) problem("a success without a resume");
    std::set<std::string> ids;
    std::uint64_t before = 0;
    for (std::size_t i = 0; i < s.calls.size(); ++i) {
        const EvidenceCall& call = s.calls[i];
        const EvidenceDispatch& dispatch = s.dispatches[i];
        if (call.intent_id.empty() || call.intent_id != dispatch.intent_id) {
            problem(fmt::format("dispatch {} is of another intent than call {}", i, i));
        }
        if (!ids.insert(call.intent_id).second) problem("two calls have one intent id");
        if (dispatch.status != "success") problem(fmt::format("call {} did not succeed", i));
        if (dispatch.receiver_id != call.receiver_id || dispatch.method_name != call.method_name) {
            problem(fmt::format("call {} reached another method than was signed", i));
        }
        const auto height = near::parse_u64(dispatch.block_height);
        if (!height || *height <= before) {
            problem(fmt::format("call {} was dispatched no later than the one before", i));
        } else {
            before = *height;
        }
        if (call.submit_tx_hash.empty() || call.delegate_hash.empty()) {
            problem(fmt::format("call {} was never submitted", i));
        }
    }
}

void check_statement(const EvidenceStatement& s, std::vector<std::string>& problems) {
    if (s.status == "succeeded") {
        if (s.final_status != "success") problems.push_back("status and final_status disagree");
        check_success(s, problems);
    } else if (s.final_status == "success") {
        problems.push_back("status and final_status disagree");
    }
    const bool signed_any = std::any_of(s.calls.begin(), s.calls.end(), [](const auto& call) {
        return !call.intent_hash.empty() || !call.delegate_hash.empty();
    });
    const bool denied = std::any_of(
        s.policy_decisions.begin(), s.policy_decisions.end(),
        [](const auto& decision) { return decision.allowed != "true"; });
    if (signed_any && denied)
        problems.push_back("something was signed although a policy denied it");
    if (signed_any && s.policy_decisions.empty()) {
        problems.push_back("something was signed without a policy's decision");
    }
}

void check_audit(const EvidenceBundle& bundle, EvidenceReport& report) {
    if (audit::record_hash(bundle.audit) != bundle.audit.hash) {
        report.problems.push_back("the audit record's hash is not that of its fields");
        return;
    }
    const auto body = Json::parse(bundle.audit.body);
    const std::string digest = facts_digest(bundle.statement).to_hex();
    const bool named = body && body->is_object() && text_of(*body, "facts_sha256") == digest &&
                       text_of(*body, "request_id") == bundle.statement.request_id;
    if (!named) {
        report.problems.push_back("the audit record is not about this statement");
        return;
    }
    report.facts.push_back(fmt::format(
        "audit chain {} record {} names it, hash {}", bundle.audit.chain, bundle.audit.sequence,
        bundle.audit.hash.to_hex()));
}

}  // namespace

EvidenceReport check_evidence(
    const EvidenceBundle& bundle, const std::optional<crypto::Ed25519PublicKey>& trusted) {
    EvidenceReport out;
    const EvidenceStatement& s = bundle.statement;
    const Bytes bytes = signed_bytes(bundle);
    if (trusted && !(*trusted == bundle.public_key)) {
        out.problems.push_back("signed by another key than the one that is trusted");
    }
    if (crypto::verify(bundle.public_key, bytes, bundle.signature)) {
        out.facts.push_back("signed by " + bundle.public_key.to_hex());
    } else {
        out.problems.push_back("the signature does not hold");
    }
    check_audit(bundle, out);
    check_statement(s, out.problems);
    out.facts.push_back(
        fmt::format("workflow {} of wallet {}: {}", s.request_id, s.wallet_id, s.status));
    for (std::size_t i = 0; i < s.dispatches.size(); ++i) {
        const EvidenceDispatch& dispatch = s.dispatches[i];
        out.facts.push_back(fmt::format(
            "call {}: {}.{} intent {} {}{}", i, dispatch.receiver_id, dispatch.method_name,
            dispatch.intent_id.empty() ? "-" : dispatch.intent_id, dispatch.status,
            dispatch.block_height.empty() ? "" : " at block " + dispatch.block_height));
    }
    return out;
}

}  // namespace adyton::coordinator
