#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "audit/audit_log.h"
#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/digest.h"
#include "policy/approver.h"
#include "policy/value_policy.h"
#include "storage/database.h"

// m of n approvers agree to one operation before it is signed. What they agree to is in the bytes
// they sign, so nothing of it can be exchanged afterwards.
namespace adyton::policy {

// The operation: SHA-256 of the transcript "policy-operation" with the tags 1 subject, 2 digest of
// the facts (32), 3 SHA-256 of the bytes that are to be signed, or of the canonical request where
// the bytes are not fixed yet (32).
crypto::Sha256Digest operation_digest(
    std::string_view subject, const ActionFacts& facts, const crypto::Sha256Digest& payload);

enum class ApprovalDecision : std::uint8_t { Approve, Reject };
std::string_view to_string(ApprovalDecision decision);  // "approve", "reject"

// What an approver signs: SHA-256 of the transcript "approval" with the tags 1 request id,
// 2 subject, 3 operation (32), 4 expires_at (microseconds since 1970, u64be), 5 approver id,
// 6 decision as text. Golden file: tests/golden/policy/approval.txt.
struct ApprovalStatement {
    std::string request_id;
    std::string subject;
    crypto::Sha256Digest operation;
    base::Timestamp expires_at;
    std::string approver_id;
    ApprovalDecision decision = ApprovalDecision::Approve;

    crypto::Sha256Digest digest() const;
};

enum class ApprovalState : std::uint8_t {
    Open,
    Approved,  // the quorum is there, not used yet
    Rejected,  // too many said no for the quorum to be reached
    Consumed,  // the operation was signed
    Expired,   // by the clock; never stored
};
std::string_view to_string(ApprovalState state);

struct ApprovalVote {
    std::string approver_id;
    ApprovalDecision decision = ApprovalDecision::Approve;
    std::string key;  // it was verified with, ApproverKey's text
    base::Bytes signature;
    base::Timestamp created_at;
};

struct ApprovalRequest {
    std::string id;  // chosen by the caller: a UUID, or an idempotency key; 1 to 128 characters
    std::string subject;
    crypto::Sha256Digest operation;
    std::int64_t required = 0;
    std::string summary;  // what it is, JSON for people: the facts, say; at most 64 KiB
    ApprovalState state = ApprovalState::Open;
    base::Timestamp created_at;
    base::Timestamp expires_at;
    std::vector<ApprovalVote> votes;  // oldest first

    // What the approver is to sign.
    ApprovalStatement statement(const std::string& approver_id, ApprovalDecision decision) const;
};
base::Json to_json(const ApprovalRequest& request);

struct NewApproval {
    std::string id;
    std::string subject;
    crypto::Sha256Digest operation;
    std::int64_t required = 1;
    base::Duration expires_after = std::chrono::hours(24);  // whole microseconds, up to 30 days
    std::string summary;
};

// All run in the caller's unit of work and append their audit record ("policy.approval.*").

// Opens a request; the same id, subject and operation again gives what stands (votes kept), even
// if it is expired or consumed. Conflict, reason "approval_reused": the id stands for another
// operation. InvalidArgument: a field outside its form.
Result<ApprovalRequest> open_approval(
    storage::Transaction& tx, audit::AuditLog& audit, const NewApproval& request);

// Counts a vote of an approver whom `terms` (of the policy as it stands now) name. NotFound: no
// such request. Conflict: "approval_duplicate" (this approver voted), "approval_closed" (rejected
// or consumed), "approval_expired". PermissionDenied: "approval_unknown_approver" (not named, or
// without a key), "approval_signature".
struct SignedVote {
    std::string request_id;
    std::string approver_id;
    ApprovalDecision decision = ApprovalDecision::Approve;
    base::Bytes signature;
};
Result<ApprovalRequest> add_vote(
    storage::Transaction& tx, audit::AuditLog& audit, const ApprovalTerms& terms,
    const SignedVote& vote);

// Uses the approval up, in the unit that reserves and records the signature: it happens exactly
// once with it. Counts again, under the terms as they stand now: votes of approvers who are gone or
// have another key do not count, and every signature is verified anew. `required` is the verdict's.
// NotFound; PermissionDenied, reason "policy_approval" (too few votes; the message says how many),
// "approval_operation" (another operation or subject); Conflict "approval_consumed",
// "approval_expired", "approval_closed" (rejected).
struct ApprovalUse {
    std::string request_id;
    std::string subject;
    crypto::Sha256Digest operation;
    std::int64_t required = 1;
};
Result<void> consume_approval(
    storage::Transaction& tx, audit::AuditLog& audit, const ApprovalTerms& terms,
    const ApprovalUse& use);

// NotFound.
Result<ApprovalRequest> find_approval(storage::Transaction& tx, const std::string& id);
// Of the subject (empty: of all), newest first, at most `count`; votes not loaded.
Result<std::vector<ApprovalRequest>> list_approvals(
    storage::Transaction& tx, const std::string& subject, std::int64_t count);

}  // namespace adyton::policy
