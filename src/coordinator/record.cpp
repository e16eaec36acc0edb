#include "coordinator/record.h"

#include <array>
#include <utility>

namespace adyton::coordinator {
namespace {

using base::Json;

constexpr std::array<std::pair<WorkflowStatus, std::string_view>, 8> kStatuses = {{
    {WorkflowStatus::Planned, "planned"},
    {WorkflowStatus::Processing, "processing"},
    {WorkflowStatus::Succeeded, "succeeded"},
    {WorkflowStatus::Failed, "failed"},
    {WorkflowStatus::Rejected, "rejected"},
    {WorkflowStatus::RequiresFundingSetup, "requires_funding_setup"},
    {WorkflowStatus::RequiresDirectUserSetup, "requires_direct_user_setup"},
    {WorkflowStatus::PolicyDenied, "policy_denied"},
}};

Json text(std::string_view value) {
    return Json::string(std::string(value));
}

Json list(const std::vector<std::string>& items) {
    Json out = Json::array();
    for (const std::string& item : items) out.push_back(text(item));
    return out;
}

Json optional_text(const std::optional<std::string>& value) {
    return value ? text(*value) : Json();
}

Json member_or(const Json& object, std::string_view name, Json otherwise) {
    const Json* const found = object.find(name);
    return found == nullptr ? otherwise : *found;
}

// What lies inside the evidence, in the record's own words and order.
void set_evidence(Json& out, const Json& evidence) {
    out.set("dispatch_receipts", member_or(evidence, "dispatch_receipts", Json::array()));
    out.set("dispatch_block_heights", member_or(evidence, "dispatch_block_heights", Json::array()));
    out.set("balance_deltas", member_or(evidence, "balance_deltas", Json::object()));
}

void set_more_evidence(Json& out, const Json& evidence) {
    out.set("target_block_heights", member_or(evidence, "target_block_heights", Json::array()));
    out.set("resume_receipt_id", member_or(evidence, "resume_receipt_id", Json()));
    out.set("intent_hashes", member_or(evidence, "intent_hashes", Json::array()));
    for (const std::string_view name :
         {"held_back", "simulations", "post_batch_view_results", "problems", "live_until",
          "late_outcomes", "gate_id", "segments"}) {
        if (const Json* const found = evidence.find(name)) out.set(std::string(name), *found);
    }
}

}  // namespace

std::string_view to_string(WorkflowStatus status) {
    for (const auto& [known, word] : kStatuses) {
        if (known == status) return word;
    }
    return "failed";
}

Result<WorkflowStatus> parse_workflow_status(std::string_view word) {
    for (const auto& [status, known] : kStatuses) {
        if (known == word) return status;
    }
    return Error::invalid_argument("not the status of a workflow");
}

http::Status http_status_of(WorkflowStatus status) {
    switch (status) {
        case WorkflowStatus::Succeeded:
        case WorkflowStatus::Planned:
            return http::Status::Ok;
        case WorkflowStatus::Processing:
            return http::Status::Accepted;
        case WorkflowStatus::RequiresFundingSetup:
        case WorkflowStatus::RequiresDirectUserSetup:
            return http::Status::Conflict;
        case WorkflowStatus::Failed:
        case WorkflowStatus::Rejected:
        case WorkflowStatus::PolicyDenied:
            break;
    }
    return http::Status::BadRequest;
}

Json to_json(const WorkflowRecord& record) {
    Json out = Json::object();
    out.set("request_id", text(record.request_id));
    out.set("endpoint", text(record.endpoint));
    out.set("idempotency_key", text(record.idempotency_key));
    out.set("original_request_json", record.original_request);
    out.set("workflow_json", record.workflow);
    out.set("plan_json", record.plan);
    out.set("persisted_before_signing", Json::boolean(true));
    out.set("proxy_predecessor", Json::boolean(record.proxy_predecessor));
    out.set("predecessor_model", text(record.predecessor_model));
    out.set("ordering_model", text(record.ordering_model));
    out.set("status", text(to_string(record.status)));
    out.set("signed_nep413_payloads", list(record.signed_nep413_payloads));
    out.set("signed_nep366_delegates", list(record.signed_nep366_delegates));
    out.set("submit_tx_hashes", list(record.submit_tx_hashes));
    out.set("intent_ids", list(record.intent_ids));
    out.set("resume_tx_hash", optional_text(record.resume_tx_hash));
    set_evidence(out, record.dispatch_evidence);
    out.set(
        "user_visible_error",
        record.user_visible_error.empty() ? Json() : text(record.user_visible_error));
    out.set("wallet_id", text(record.wallet_id));
    out.set("phase", text(record.phase));
    out.set("final_status", optional_text(record.final_status));
    set_more_evidence(out, record.dispatch_evidence);
    out.set("direct_signed_txs", list(record.direct_signed_txs));
    out.set("direct_user_scope", record.direct_user_scope);
    out.set("direct_user_evidence", record.direct_user_evidence);
    out.set("funding_evidence", record.funding_evidence);
    out.set("policy_decisions", record.policy_decisions);
    out.set("created_at", text(base::to_rfc3339(record.created_at)));
    out.set("updated_at", text(base::to_rfc3339(record.updated_at)));
    return out;
}

}  // namespace adyton::coordinator
