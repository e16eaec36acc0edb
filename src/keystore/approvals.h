#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "api/keystore_types.h"
#include "base/result.h"
#include "crypto/digest.h"
#include "keystore/context.h"
#include "policy/approval.h"
#include "policy/policy_store.h"
#include "policy/value_policy.h"
#include "storage/database.h"

namespace adyton::keystore {

// The rules that hold for a wallet: its policy, or what options say without one.
const policy::ValuePolicy& policy_for(
    const policy::StoredPolicy& stored, const KeystoreOptions& options);

struct ApprovalNeed {
    std::string subject;
    crypto::Sha256Digest operation;
    std::int64_t required = 0;
    std::int64_t generation = 0;  // of a request that makes several transactions, each approved
};

// An approval that is open or still to be opened.
struct PendingApproval {
    policy::NewApproval request;
    std::int64_t given = 0;
};

// Uses the quorum up, or says what is missing. `info` (near.md 5.2) can only add demands: its hash
// must be the operation's, and whom it names must have signed.
// PermissionDenied: "approval_operation", "approval_rejected".
Result<std::optional<PendingApproval>> use_approval(
    storage::Transaction& tx, const KeystoreContext& keystore, const policy::ApprovalTerms& terms,
    const ApprovalNeed& need, const std::optional<api::ApprovalInfo>& info,
    const policy::ActionFacts& facts);

// Stands as "requires N approvals" in front of the caller.
Error approval_missing(const PendingApproval& pending, const policy::Verdict& verdict);

// Opens the request, in a unit of its own after the refusal.
Result<void> open_pending(
    storage::Transaction& tx, const KeystoreContext& keystore, const PendingApproval& pending);

}  // namespace adyton::keystore
