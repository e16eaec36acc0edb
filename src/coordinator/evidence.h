#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/audit_log.h"
#include "base/json.h"
#include "base/result.h"
#include "coordinator/gate_state.h"
#include "coordinator/record.h"
#include "crypto/digest.h"
#include "crypto/ed25519.h"
#include "crypto/transcript.h"

// What a workflow was and what became of it, as a statement that the coordinator signs and that
// anybody can check without it (docs/coordinator.md, "Evidence").
namespace adyton::coordinator {

struct EvidenceCall {
    std::string receiver_id;
    std::string method_name;
    std::string gas;
    std::string deposit;
    std::string args_sha256;  // hex
    std::string intent_hash;  // empty: no call with a payload of the wallet
    std::string delegate_hash;
    std::string submit_tx_hash;
    std::string intent_id;
    bool operator==(const EvidenceCall&) const = default;
};

struct EvidenceDispatch {
    std::string intent_id;
    std::string receipt_id;
    std::string receiver_id;
    std::string method_name;
    std::string block_height;         // of the dispatch; empty: none
    std::string target_block_height;  // empty: none
    std::string status;               // success, failure, pending, not_dispatched
    bool operator==(const EvidenceDispatch&) const = default;
};

struct EvidenceDecision {
    std::string call_index;
    std::string type;
    std::string allowed;  // "true", "false"
    std::string rule;
    bool operator==(const EvidenceDecision&) const = default;
};

struct EvidencePlanStep {
    std::string lane;
    std::string receiver_id;
    std::string method_name;
    std::string reason;
    bool operator==(const EvidencePlanStep&) const = default;
};

// Everything that is signed. Texts are those of the record; empty means null.
struct EvidenceStatement {
    std::string request_id;
    std::string wallet_id;
    std::string endpoint;
    std::string idempotency_key;
    std::string body_sha256;  // hex
    std::string created_at;   // RFC 3339
    std::string gate_id;
    std::string wallet_account;
    std::string relayer_id;
    std::string approver_id;
    std::vector<EvidencePlanStep> plan;
    std::vector<EvidenceDecision> policy_decisions;
    std::vector<EvidenceCall> calls;
    std::string resume_tx_hash;
    std::string batch_id;
    std::vector<EvidenceDispatch> dispatches;
    std::vector<std::pair<std::string, std::string>> balance_deltas;
    std::string direct_user_evidence;  // canonical JSON; empty: none
    std::string status;
    std::string final_status;
    std::string user_visible_error;
    // Of a workflow over several lanes: canonical JSON of the record's "segments" and
    // "funding_evidence". Empty, and left out of JSON and transcript: the gate's lane alone.
    std::string lane_evidence;
    bool operator==(const EvidenceStatement&) const = default;
};

EvidenceStatement statement_of(const WorkflowRecord& record);
// The same; `state` is what record.internal_state says.
EvidenceStatement statement_of(const WorkflowRecord& record, const GateState& state);

// SHA-256 of the transcript "workflow-facts" with the statement's fields under the tags 1 to 21 in
// the order above, and lane_evidence under 26 where there is one. A list is u32be count, then for
// each item u32be length and bytes, where an item of several texts is the same list again. This is
// what the audit log keeps.
crypto::Sha256Digest facts_digest(const EvidenceStatement& statement);

// A statement with its place in the audit log, signed over the transcript "workflow": the same
// fields, then 22 audit chain (u64be), 23 audit sequence (u64be), 24 hash of the audit record (32),
// 25 public key (32), and 26 lane_evidence where there is one.
struct EvidenceBundle {
    EvidenceStatement statement;
    audit::AuditRecord audit;
    crypto::Ed25519PublicKey public_key;
    crypto::Ed25519Signature signature;
};

// The key that signs evidence and checkpoints: HKDF-SHA256 of the approver's seed with the salt
// "adyton/workflow-evidence/v1" and the info "ed25519".
crypto::Ed25519KeyPair derive_evidence_key(const crypto::Ed25519KeyPair& approver);

EvidenceBundle sign_evidence(
    EvidenceStatement statement, audit::AuditRecord audit, const crypto::Ed25519KeyPair& key);

inline constexpr std::string_view kEvidenceFormat = "adyton/workflow/v1";
base::Json to_json(const EvidenceBundle& bundle);
// InvalidArgument: not a bundle of this format; unknown members too.
Result<EvidenceBundle> parse_evidence(const base::Json& json);

// What a checker says, one fact a line; `problems` empty means that all holds.
struct EvidenceReport {
    std::vector<std::string> facts;
    std::vector<std::string> problems;
};
// Offline: the signature (by `trusted`, if given), the audit record and that it names this
// statement, and that the statement agrees with itself: order, ids, heights, outcome.
EvidenceReport check_evidence(
    const EvidenceBundle& bundle, const std::optional<crypto::Ed25519PublicKey>& trusted);

}  // namespace adyton::coordinator
