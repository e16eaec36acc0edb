#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/digest.h"
#include "http/status.h"

namespace adyton::coordinator {

enum class WorkflowStatus {
    Planned,
    Processing,
    Succeeded,  // this and all below are final for the caller
    Failed,
    Rejected,
    RequiresFundingSetup,
    RequiresDirectUserSetup,
    PolicyDenied,
};
std::string_view to_string(WorkflowStatus status);  // "requires_funding_setup"
Result<WorkflowStatus> parse_workflow_status(std::string_view text);
constexpr bool is_final(WorkflowStatus status) {
    return status != WorkflowStatus::Planned && status != WorkflowStatus::Processing;
}
// What POST answers with a record of this status (near.md 6.6).
http::Status http_status_of(WorkflowStatus status);

// Steps of the gate lane, as the record's `phase` and the journal's step show them.
namespace phase {
inline constexpr std::string_view kPolicy = "policy";
inline constexpr std::string_view kQueued = "queued";
inline constexpr std::string_view kNep413 = "nep413";
inline constexpr std::string_view kDelegate = "delegate";
inline constexpr std::string_view kSubmit = "submit";
inline constexpr std::string_view kSubmitPoll = "submit_poll";
inline constexpr std::string_view kResume = "resume";
inline constexpr std::string_view kResumePoll = "resume_poll";
inline constexpr std::string_view kDispatchPoll = "dispatch_poll";
inline constexpr std::string_view kEvidence = "evidence";
// The record is failed already; what may still happen at the gate is followed to its end.
inline constexpr std::string_view kWatch = "watch";
inline constexpr std::string_view kDone = "done";
}  // namespace phase

inline constexpr std::string_view kWorkflowEndpoint = "workflow";
inline constexpr std::string_view kBatchEndpoint = "sequential_batch";
inline constexpr std::string_view kDirectUserEndpoint = "direct_user_function_call";
// A batch of a workflow over several lanes (internal/lanes.h).
inline constexpr std::string_view kSegmentEndpoint = "workflow_segment";

// A request as it is kept, and everything that is known of what became of it (near.md 6.9). Json
// members are what the record shows, in its form.
struct WorkflowRecord {
    std::string request_id;
    std::string wallet_id;
    std::string idempotency_key;
    std::string endpoint{kWorkflowEndpoint};
    crypto::Sha256Digest body_hash{};

    base::Json original_request;  // as it came
    base::Json workflow;          // {"steps":[..]}
    base::Json plan;

    bool proxy_predecessor = false;
    std::string predecessor_model = "none";
    std::string ordering_model = "none";
    WorkflowStatus status = WorkflowStatus::Planned;
    std::string phase;
    std::optional<std::string> final_status;

    // Bearer instruments until they expire: never logged.
    std::vector<std::string> signed_nep413_payloads;
    std::vector<std::string> signed_nep366_delegates;
    std::vector<std::string> direct_signed_txs;
    std::vector<std::string> submit_tx_hashes;
    std::vector<std::string> intent_ids;
    std::optional<std::string> resume_tx_hash;
    // {"dispatch_receipts","dispatch_block_heights","target_block_heights","resume_receipt_id",
    // "intent_hashes","balance_deltas","simulations","post_batch_view_results","problems"...}
    base::Json dispatch_evidence = base::Json::object();
    base::Json direct_user_scope;     // null: none
    base::Json direct_user_evidence;  // null: none
    base::Json funding_evidence = base::Json::array();
    base::Json policy_decisions = base::Json::array();
    std::string user_visible_error;  // empty: null

    std::string internal_state;  // JSON: what the lane must remember; never shown

    // Where the audit log says how it ended; zero before.
    std::int64_t audit_chain = 0;
    std::int64_t audit_sequence = 0;
    base::Timestamp created_at;
    base::Timestamp updated_at;
};

// Fields in the order of near.md 6.9, then ours. Never a top-level `error` or `message`.
base::Json to_json(const WorkflowRecord& record);

}  // namespace adyton::coordinator
