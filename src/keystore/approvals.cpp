#include "keystore/approvals.h"

#include <algorithm>

namespace adyton::keystore {
namespace {

// An operation whose approval ran out may be asked for again, under the next id.
constexpr int kAttemptsMax = 16;
constexpr std::size_t kSummaryBytesMax = 60 * 1024;

std::string id_of(const ApprovalNeed& need, int attempt) {
    std::string id = need.operation.to_hex();
    if (need.generation > 0) id += "." + std::to_string(need.generation);
    if (attempt > 0) id += "-" + std::to_string(attempt);
    return id;
}

std::int64_t approving(const policy::ApprovalRequest& request) {
    return std::count_if(
        request.votes.begin(), request.votes.end(), [](const policy::ApprovalVote& vote) {
            return vote.decision == policy::ApprovalDecision::Approve;
        });
}

Result<void> check_info(const api::ApprovalInfo& info, const ApprovalNeed& need) {
    if (info.request_hash.empty() || info.request_hash == need.operation.to_hex()) return {};
    return Error::permission_denied(
        "approval_info.request_hash is not this operation's: that is " + need.operation.to_hex(),
        "approval_operation");
}

// Whoever the caller says approved must have signed.
bool all_signed(const api::ApprovalInfo& info, const policy::ApprovalRequest& request) {
    return std::all_of(
        info.approver_ids.begin(), info.approver_ids.end(), [&](const std::string& id) {
            return std::any_of(
                request.votes.begin(), request.votes.end(), [&](const policy::ApprovalVote& vote) {
                    return vote.approver_id == id &&
                           vote.decision == policy::ApprovalDecision::Approve;
                });
        });
}

PendingApproval pending_of(
    const ApprovalNeed& need, const policy::ApprovalTerms& terms, const policy::ActionFacts& facts,
    std::string id) {
    PendingApproval out;
    out.request.id = std::move(id);
    out.request.subject = need.subject;
    out.request.operation = need.operation;
    out.request.required = need.required;
    out.request.expires_after = terms.expires_after;
    out.request.summary = policy::to_json(facts).dump();
    if (out.request.summary.size() > kSummaryBytesMax) {
        out.request.summary = "{\"facts_digest\":\"" + policy::digest_of(facts).to_hex() + "\"}";
    }
    return out;
}

}  // namespace

const policy::ValuePolicy& policy_for(
    const policy::StoredPolicy& stored, const KeystoreOptions& options) {
    static const policy::ValuePolicy kDeny = policy::ValuePolicy::deny_all();
    static const policy::ValuePolicy kAllow = policy::ValuePolicy::allow_all();
    if (stored.policy != nullptr) return *stored.policy;
    return options.without_policy == WithoutPolicy::Allow ? kAllow : kDeny;
}

Result<std::optional<PendingApproval>> use_approval(
    storage::Transaction& tx, const KeystoreContext& keystore, const policy::ApprovalTerms& terms,
    const ApprovalNeed& need, const std::optional<api::ApprovalInfo>& info,
    const policy::ActionFacts& facts) {
    if (info) {
        TRY_VOID(check_info(*info, need));
    }
    for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
        std::string id = id_of(need, attempt);
        const auto found = policy::find_approval(tx, id);
        if (!found) {
            if (found.error().code() != ErrorCode::NotFound) return found.error();
            return std::optional(pending_of(need, terms, facts, std::move(id)));
        }
        if (found->state == policy::ApprovalState::Expired ||
            found->state == policy::ApprovalState::Consumed) {
            continue;
        }
        if (found->state == policy::ApprovalState::Rejected) {
            return Error::permission_denied("the approvers rejected it", "approval_rejected");
        }
        if (info && !all_signed(*info, *found)) {
            return Error::permission_denied(
                "an approver that approval_info names has not signed", "approval_unsigned");
        }
        const policy::ApprovalUse use{id, need.subject, need.operation, need.required};
        const auto used = policy::consume_approval(tx, keystore.audit, terms, use);
        if (used) return std::optional<PendingApproval>();
        if (used.error().reason() != "policy_approval") return used.error();
        PendingApproval pending = pending_of(need, terms, facts, std::move(id));
        pending.given = approving(*found);
        return std::optional(std::move(pending));
    }
    return Error::permission_denied(
        "the operation's approvals ran out too often", "approval_exhausted");
}

Error approval_missing(const PendingApproval& pending, const policy::Verdict& verdict) {
    const std::int64_t required = pending.request.required;
    return Error::permission_denied(
        "requires " + std::to_string(required) + (required == 1 ? " approval" : " approvals") +
            ", " + std::to_string(pending.given) + " given (rule \"" + verdict.rule +
            "\"): approval request " + pending.request.id,
        "policy_approval");
}

Result<void> open_pending(
    storage::Transaction& tx, const KeystoreContext& keystore, const PendingApproval& pending) {
    TRY_VOID(policy::open_approval(tx, keystore.audit, pending.request));
    return {};
}

}  // namespace adyton::keystore
