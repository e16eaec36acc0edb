#include "policy/approval.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/bytes.h"
#include "crypto/transcript.h"

namespace adyton::policy {
namespace {

constexpr std::size_t kIdBytesMax = 128;
constexpr std::size_t kSubjectBytesMax = 256;
constexpr std::size_t kSummaryBytesMax = std::size_t{64} * 1024;
constexpr std::int64_t kRequiredMax = 100;
constexpr base::Duration kLifetimeMax = std::chrono::hours(24 * 30);

constexpr std::array<std::pair<ApprovalState, std::string_view>, 5> kStates = {{
    {ApprovalState::Open, "open"},
    {ApprovalState::Approved, "approved"},
    {ApprovalState::Rejected, "rejected"},
    {ApprovalState::Consumed, "consumed"},
    {ApprovalState::Expired, "expired"},
}};

bool is_text(std::string_view text, std::size_t bytes_max) {
    return !text.empty() && text.size() <= bytes_max && base::is_valid_utf8(text) &&
           std::none_of(text.begin(), text.end(), [](char c) {
               return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
           });
}

std::int64_t to_micros(base::Timestamp time) {
    return time.time_since_epoch().count();
}
base::Timestamp from_micros(std::int64_t micros) {
    return base::Timestamp(std::chrono::microseconds(micros));
}

Result<void> check_form(const NewApproval& request) {
    const bool good =
        is_text(request.id, kIdBytesMax) && is_text(request.subject, kSubjectBytesMax) &&
        request.required >= 1 && request.required <= kRequiredMax &&
        request.expires_after > base::Duration::zero() && request.expires_after <= kLifetimeMax &&
        request.expires_after % std::chrono::microseconds(1) == base::Duration::zero() &&
        request.summary.size() <= kSummaryBytesMax && base::is_valid_utf8(request.summary);
    if (!good) return Error::invalid_argument("the request for approval is malformed");
    return {};
}

constexpr std::string_view kColumns =
    "SELECT id, subject, operation, required, summary, state, created_us, expires_us "
    "FROM policy_approvals ";

Result<ApprovalRequest> read_request(
    const storage::Rows& rows, std::size_t row, base::Timestamp now) {
    ApprovalRequest out;
    TRY(out.id, rows.text(row, 0));
    TRY(out.subject, rows.text(row, 1));
    TRY(const base::Bytes operation, rows.bytes(row, 2));
    TRY(out.operation, crypto::Sha256Digest::parse(operation));
    TRY(out.required, rows.integer(row, 3));
    TRY(out.summary, rows.text(row, 4));
    TRY(const std::string state, rows.text(row, 5));
    TRY(const std::int64_t created, rows.integer(row, 6));
    TRY(const std::int64_t expires, rows.integer(row, 7));
    out.created_at = from_micros(created);
    out.expires_at = from_micros(expires);
    const auto known = std::find_if(
        kStates.begin(), kStates.end(), [&](const auto& entry) { return entry.second == state; });
    if (known == kStates.end()) return Error::corrupt_data("an approval has an unknown state");
    out.state = known->first;
    const bool undecided = out.state == ApprovalState::Open || out.state == ApprovalState::Approved;
    if (undecided && now >= out.expires_at) out.state = ApprovalState::Expired;
    return out;
}

Result<std::vector<ApprovalVote>> read_votes(storage::Transaction& tx, const std::string& id) {
    TRY(const storage::Rows rows,
        tx.query(
            "SELECT approver_id, decision, approver_key, signature, created_us "
            "FROM policy_approval_votes WHERE request_id = $1 ORDER BY created_us, approver_id",
            {id}));
    std::vector<ApprovalVote> out;
    out.reserve(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        ApprovalVote vote;
        TRY(vote.approver_id, rows.text(i, 0));
        TRY(const std::string decision, rows.text(i, 1));
        vote.decision =
            decision == "approve" ? ApprovalDecision::Approve : ApprovalDecision::Reject;
        TRY(vote.key, rows.text(i, 2));
        TRY(vote.signature, rows.bytes(i, 3));
        TRY(const std::int64_t created, rows.integer(i, 4));
        vote.created_at = from_micros(created);
        out.push_back(std::move(vote));
    }
    return out;
}

Result<ApprovalRequest> read_one(
    storage::Transaction& tx, const std::string& id, std::string_view lock) {
    TRY(const base::Timestamp now, tx.now());
    const std::string sql = std::string(kColumns) + "WHERE id = $1" + std::string(lock);
    TRY(const storage::Rows rows, tx.query(sql, {id}));
    if (rows.empty()) return Error::not_found("no such request for approval");
    TRY(ApprovalRequest request, read_request(rows, 0, now));
    TRY(request.votes, read_votes(tx, id));
    return request;
}

Result<ApprovalRequest> lock_one(storage::Transaction& tx, const std::string& id) {
    return read_one(tx, id, tx.fragment(storage::Fragment::ForUpdate));
}

Result<void> write_state(storage::Transaction& tx, const std::string& id, ApprovalState state) {
    TRY_VOID(tx.execute(
        "UPDATE policy_approvals SET state = $2 WHERE id = $1",
        {id, std::string(to_string(state))}));
    return {};
}

Result<void> record(
    storage::Transaction& tx, audit::AuditLog& audit, std::string_view kind, std::string_view actor,
    const ApprovalRequest& request, std::string_view decision) {
    std::string body;
    base::JsonWriter writer(body);
    writer.begin_object()
        .member("approval_id", std::string_view(request.id))
        .member("subject", std::string_view(request.subject))
        .member("operation", std::string_view(request.operation.to_hex()))
        .member("required", request.required)
        .member("state", to_string(request.state));
    if (!decision.empty()) writer.member("decision", decision);
    writer.end_object();
    TRY_VOID(audit.append(tx, {kind, actor, body}));
    return {};
}

const Approver* find_approver(const ApprovalTerms& terms, std::string_view id) {
    const auto found = std::find_if(
        terms.approvers.begin(), terms.approvers.end(),
        [id](const Approver& item) { return item.id == id; });
    return found == terms.approvers.end() || !found->key ? nullptr : &*found;
}

// Votes that count under these terms, of one decision.
std::int64_t count_votes(
    const ApprovalRequest& request, const ApprovalTerms& terms, ApprovalDecision decision) {
    return std::count_if(request.votes.begin(), request.votes.end(), [&](const ApprovalVote& vote) {
        const Approver* const approver = find_approver(terms, vote.approver_id);
        return vote.decision == decision && approver != nullptr &&
               approver->key->verify(
                   request.statement(vote.approver_id, vote.decision).digest(), vote.signature);
    });
}

std::int64_t approver_count(const ApprovalTerms& terms) {
    return std::count_if(
        terms.approvers.begin(), terms.approvers.end(),
        [](const Approver& approver) { return approver.key.has_value(); });
}

// Whether the request can still be voted on or used.
Result<void> check_open(const ApprovalRequest& request) {
    switch (request.state) {
        case ApprovalState::Open:
        case ApprovalState::Approved:
            return {};
        case ApprovalState::Expired:
            return Error::conflict("the request for approval expired", "approval_expired");
        case ApprovalState::Consumed:
            return Error::conflict("the approval was used", "approval_consumed");
        case ApprovalState::Rejected:
            return Error::conflict("the request was rejected", "approval_closed");
    }
    return Error::internal("unknown state of an approval");
}

}  // namespace

crypto::Sha256Digest operation_digest(
    std::string_view subject, const ActionFacts& facts, const crypto::Sha256Digest& payload) {
    crypto::Transcript transcript("policy-operation");
    transcript.add(1, subject).add(2, digest_of(facts).view()).add(3, payload.view());
    return transcript.sha256();
}

std::string_view to_string(ApprovalDecision decision) {
    return decision == ApprovalDecision::Approve ? "approve" : "reject";
}

std::string_view to_string(ApprovalState state) {
    return kStates[static_cast<std::size_t>(state)].second;
}

crypto::Sha256Digest ApprovalStatement::digest() const {
    crypto::Transcript transcript("approval");
    transcript.add(1, request_id).add(2, subject).add(3, operation.view());
    transcript.add_u64(4, static_cast<std::uint64_t>(to_micros(expires_at)));
    transcript.add(5, approver_id).add(6, to_string(decision));
    return transcript.sha256();
}

ApprovalStatement ApprovalRequest::statement(
    const std::string& approver_id, ApprovalDecision decision) const {
    return {id, subject, operation, expires_at, approver_id, decision};
}

base::Json to_json(const ApprovalRequest& request) {
    using base::Json;
    Json votes = Json::array();
    for (const ApprovalVote& vote : request.votes) {
        votes.push_back(Json::object()
                            .set("approver_id", Json::string(vote.approver_id))
                            .set("decision", Json::string(std::string(to_string(vote.decision))))
                            .set("key", Json::string(vote.key))
                            .set("signature", Json::string(base::base64_encode(vote.signature)))
                            .set("created_at", Json::string(base::to_rfc3339(vote.created_at))));
    }
    Json out = Json::object();
    out.set("id", Json::string(request.id));
    out.set("subject", Json::string(request.subject));
    out.set("operation", Json::string(request.operation.to_hex()));
    out.set("required", Json::integer(request.required));
    out.set("state", Json::string(std::string(to_string(request.state))));
    out.set("created_at", Json::string(base::to_rfc3339(request.created_at)));
    out.set("expires_at", Json::string(base::to_rfc3339(request.expires_at)));
    const auto summary = base::Json::parse(request.summary);
    out.set("summary", summary ? *summary : Json::string(request.summary));
    out.set("votes", std::move(votes));
    return out;
}

Result<ApprovalRequest> open_approval(
    storage::Transaction& tx, audit::AuditLog& audit, const NewApproval& request) {
    TRY_VOID(check_form(request));
    TRY(const base::Timestamp now, tx.now());
    const auto expires =
        now + std::chrono::duration_cast<std::chrono::microseconds>(request.expires_after);
    TRY(const std::int64_t inserted,
        tx.execute(
            "INSERT INTO policy_approvals "
            "(id, subject, operation, required, summary, state, created_us, expires_us) "
            "VALUES ($1, $2, $3, $4, $5, 'open', $6, $7) ON CONFLICT DO NOTHING",
            {request.id, request.subject,
             base::Bytes(request.operation.bytes.begin(), request.operation.bytes.end()),
             request.required, request.summary, to_micros(now), to_micros(expires)}));
    TRY(ApprovalRequest out, lock_one(tx, request.id));
    if (inserted == 1) {
        TRY_VOID(record(tx, audit, "policy.approval.open", out.subject, out, ""));
        return out;
    }
    if (out.subject != request.subject || out.operation != request.operation) {
        return Error::conflict("the id stands for another operation", "approval_reused");
    }
    return out;
}

Result<ApprovalRequest> add_vote(
    storage::Transaction& tx, audit::AuditLog& audit, const ApprovalTerms& terms,
    const SignedVote& vote) {
    TRY(ApprovalRequest request, lock_one(tx, vote.request_id));
    const Approver* const approver = find_approver(terms, vote.approver_id);
    if (approver == nullptr) {
        return Error::permission_denied(
            "the policy names no approver of that id with a key", "approval_unknown_approver");
    }
    const ApprovalStatement statement = request.statement(vote.approver_id, vote.decision);
    if (!approver->key->verify(statement.digest(), vote.signature)) {
        return Error::permission_denied(
            "the signature is not the approver's over this request", "approval_signature");
    }
    const auto open = check_open(request);
    if (!open && request.state == ApprovalState::Consumed) {
        return Error::conflict("the approval was used", "approval_closed");
    }
    TRY_VOID(open);
    const bool voted = std::any_of(
        request.votes.begin(), request.votes.end(),
        [&](const ApprovalVote& old) { return old.approver_id == vote.approver_id; });
    if (voted) return Error::conflict("this approver voted already", "approval_duplicate");
    TRY(const base::Timestamp now, tx.now());
    request.votes.push_back(
        {vote.approver_id, vote.decision, approver->key->to_string(), vote.signature, now});
    TRY_VOID(tx.execute(
        "INSERT INTO policy_approval_votes "
        "(request_id, approver_id, decision, approver_key, signature, created_us) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        {request.id, vote.approver_id, std::string(to_string(vote.decision)),
         approver->key->to_string(), vote.signature, to_micros(now)}));
    const std::int64_t approvals = count_votes(request, terms, ApprovalDecision::Approve);
    const std::int64_t rejections = count_votes(request, terms, ApprovalDecision::Reject);
    ApprovalState state = ApprovalState::Open;
    if (approvals >= request.required) state = ApprovalState::Approved;
    if (approver_count(terms) - rejections < request.required) state = ApprovalState::Rejected;
    TRY_VOID(write_state(tx, request.id, state));
    request.state = state;
    TRY_VOID(record(
        tx, audit, "policy.approval.vote", vote.approver_id, request, to_string(vote.decision)));
    return request;
}

Result<void> consume_approval(
    storage::Transaction& tx, audit::AuditLog& audit, const ApprovalTerms& terms,
    const ApprovalUse& use) {
    TRY(ApprovalRequest request, lock_one(tx, use.request_id));
    if (request.subject != use.subject || request.operation != use.operation) {
        return Error::permission_denied(
            "the approval is for another operation", "approval_operation");
    }
    TRY_VOID(check_open(request));
    const std::int64_t approvals = count_votes(request, terms, ApprovalDecision::Approve);
    const std::int64_t required = std::max(use.required, request.required);
    if (approvals < required) {
        return Error::permission_denied(
            "requires " + std::to_string(required) + " approvals, has " + std::to_string(approvals),
            "policy_approval");
    }
    TRY_VOID(write_state(tx, request.id, ApprovalState::Consumed));
    request.state = ApprovalState::Consumed;
    return record(tx, audit, "policy.approval.use", use.subject, request, "");
}

Result<ApprovalRequest> find_approval(storage::Transaction& tx, const std::string& id) {
    return read_one(tx, id, "");
}

Result<std::vector<ApprovalRequest>> list_approvals(
    storage::Transaction& tx, const std::string& subject, std::int64_t count) {
    TRY(const base::Timestamp now, tx.now());
    static const std::string kSql =
        std::string(kColumns) +
        "WHERE $1 = '' OR subject = $1 ORDER BY created_us DESC, id LIMIT $2";
    TRY(const storage::Rows rows, tx.query(kSql, {subject, count}));
    std::vector<ApprovalRequest> out;
    out.reserve(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        TRY(ApprovalRequest request, read_request(rows, i, now));
        out.push_back(std::move(request));
    }
    return out;
}

}  // namespace adyton::policy
