#include "keystore/signing.h"

#include <limits>
#include <optional>
#include <utility>

#include "keystore/approvals.h"
#include "keystore/records.h"
#include "keystore/wallet_id.h"
#include "policy/reservation.h"

namespace adyton::keystore {
namespace {

using records::SignatureRecord;
using records::SignatureState;

// One order on its way through its unit of work. What the unit finds out for later stands in
// `decided`, `payload` and the refusal's parts; a unit may run twice and sets them anew.
struct Work {
    const KeystoreContext& keystore;
    const SigningCall& call;
    const Order& order;
    const Prepared& prepared;
    std::optional<AccessKeyView> view;  // of transactions
    std::string subject;
    crypto::Sha256Digest request;
    crypto::Sha256Digest operation;  // what approvers agree to

    SignatureRecord record;  // as it stands after the unit
    bool replayed = false;
    std::optional<PendingApproval> pending;
};

Error frozen(const policy::StoredPolicy& stored) {
    std::string text = "wallet_frozen";
    if (!stored.freeze_reason.empty()) text += ": " + stored.freeze_reason;
    return Error::permission_denied(std::move(text), "wallet_frozen");
}

Error refused(const policy::Refusal& refusal) {
    const Error error = refusal.to_error();
    return Error::permission_denied(error.message(), "policy_limit");
}

bool is_refusal(const Error& error) {
    return error.reason().starts_with("policy_") || error.reason() == "wallet_frozen" ||
           error.reason().starts_with("approval_");
}

// What became of the transaction that this request got before, as the chain showed it just now.
enum class Earlier {
    Usable,    // it may still land: the same bytes again
    Consumed,  // its nonce is used: this is another transaction
    Dead,      // it can never land
};
Earlier judge(const Work& work, const SignatureRecord& earlier) {
    if (!work.order.is_transaction()) return Earlier::Usable;
    if (earlier.state == SignatureState::GivenBack) return Earlier::Dead;
    const auto nonce = near::parse_u64(earlier.nonce);
    const bool consumed = !nonce || *nonce <= work.view->nonce;
    if (consumed) {
        // Whoever names the transaction means that one, landed or not.
        const bool named = work.order.override_nonce || !work.call.idempotency_key.empty();
        return named ? Earlier::Usable : Earlier::Consumed;
    }
    const bool expired = earlier.valid_until &&
                         static_cast<std::int64_t>(work.view->block_height) > *earlier.valid_until;
    return expired ? Earlier::Dead : Earlier::Usable;
}

// The transaction is dead for certain: a final block past its end shows its nonce unused.
Result<void> bury(storage::Transaction& tx, const SignatureRecord& earlier) {
    if (earlier.state != SignatureState::Open) return {};
    if (earlier.reservation_id) {
        TRY_VOID(policy::give_back_reservation(tx, *earlier.reservation_id));
    }
    return records::set_state(tx, earlier, SignatureState::GivenBack);
}

// Payloads that were not signed here are remembered as charged.
Result<void> remember_carried(
    storage::Transaction& tx, const Work& work, const std::vector<const CarriedPayload*>& fresh,
    base::Timestamp now) {
    for (const CarriedPayload* const carried : fresh) {
        SignatureRecord record;
        record.request_digest = carried->hash.digest;
        record.wallet_id = work.order.wallet_id;
        record.operation = "carried";
        record.key_version = work.order.key_version;
        record.payload_hash = carried->hash.digest;
        record.state = SignatureState::Done;
        TRY_VOID(records::insert(tx, record, now));
    }
    return {};
}

Result<policy::Verdict> decide(
    storage::Transaction& tx, Work& work, const policy::StoredPolicy& stored,
    const policy::ActionFacts& facts, base::Timestamp now) {
    const policy::ValuePolicy& rules = policy_for(stored, work.keystore.options);
    policy::Verdict verdict = policy::evaluate(rules, {facts, work.subject, now});
    if (verdict.denied()) {
        if (stored.policy == nullptr) {
            verdict.message = "no policy is stored for the wallet: " + verdict.message;
        }
        return Error::permission_denied(verdict.message, verdict.reason);
    }
    if (verdict.outcome == policy::Verdict::Outcome::NeedsApproval) {
        work.operation = policy::operation_digest(work.subject, facts, work.request);
        const ApprovalNeed need{
            work.subject, work.operation, verdict.approvals_required, work.record.generation};
        TRY(work.pending,
            use_approval(tx, work.keystore, rules.approval, need, work.order.approval_info, facts));
        if (work.pending) return approval_missing(*work.pending, verdict);
    }
    return verdict;
}

// Whether there is something to reserve, and under which id: in the order of time, so that
// neighbours are written to one page, and with half of the request's digest, which nobody can make
// two requests share.
void name_reservation(Work& work, const std::vector<policy::Charge>& charges, base::Timestamp now) {
    if (charges.empty()) {
        work.record.state = SignatureState::Done;
        return;
    }
    work.record.state = SignatureState::Open;
    work.record.reservation_id = "keystore:" + std::to_string(now.time_since_epoch().count()) +
                                 ":" + work.request.to_hex().substr(0, crypto::Sha256Digest::kSize);
}

Result<void> reserve(
    storage::Transaction& tx, const Work& work, const std::vector<policy::Charge>& charges) {
    if (!work.record.reservation_id) return {};
    const auto refusal = policy::reserve(tx, *work.record.reservation_id, charges);
    if (!refusal) {
        const Error& error = refusal.error();
        if (error.code() != ErrorCode::Unprocessable) return error;
        return Error::permission_denied(error.message(), "policy_overflow");
    }
    if (*refusal) return refused(**refusal);
    return {};
}

Result<void> append_audit(
    storage::Transaction& tx, const Work& work, const policy::Verdict& verdict) {
    return record(
        tx, work.keystore, "keystore.sign", work.call.caller.actor, [&](base::JsonWriter& out) {
            const SignatureRecord& made = work.record;
            out.member("wallet_id", std::string_view(made.wallet_id));
            out.member("operation", std::string_view(made.operation));
            out.member("key_version", std::int64_t{made.key_version});
            out.member("request", std::string_view(made.request_digest.to_hex()));
            out.member("payload_hash", std::string_view(made.payload_hash.to_hex()));
            out.member("facts", std::string_view(policy::digest_of(work.prepared.facts).to_hex()));
            out.member("rule", std::string_view(verdict.rule));
            if (made.reservation_id) out.member("reserved", true);
            out.member("trace_id", std::string_view(work.call.caller.trace_id));
        });
}

// The unit of work.
Result<void> decide_and_record(storage::Transaction& tx, Work& work) {
    work.record = {};
    work.replayed = false;
    work.pending.reset();
    TRY(const base::Timestamp now, tx.now());
    TRY(const policy::StoredPolicy stored, work.keystore.policies.load_to_sign(tx, work.subject));
    if (stored.frozen) return frozen(stored);
    TRY(auto known, records::load(tx, work.order.wallet_id, work.request));
    if (work.order.key_version > known.key_version ||
        (work.order.wants_current && work.order.key_version != known.key_version)) {
        return Error::conflict("the wallet's key version changed", "key_version_changed");
    }
    if (known.latest) {
        const Earlier earlier = judge(work, *known.latest);
        if (earlier == Earlier::Usable) {
            work.record = *std::move(known.latest);
            work.replayed = true;
            return {};
        }
        if (earlier == Earlier::Dead) {
            TRY_VOID(bury(tx, *known.latest));
        }
        work.record.generation = known.latest->generation + 1;
    }
    std::vector<const CarriedPayload*> fresh;
    policy::ActionFacts extended;
    if (!work.prepared.carried.empty()) {
        TRY(extended, with_fresh_payloads(tx, work.prepared.facts, work.prepared.carried, fresh));
    }
    const policy::ActionFacts& facts =
        work.prepared.carried.empty() ? work.prepared.facts : extended;
    TRY(const policy::Verdict verdict, decide(tx, work, stored, facts, now));
    name_reservation(work, verdict.charges, now);
    work.record.request_digest = work.request;
    work.record.wallet_id = work.order.wallet_id;
    work.record.operation = std::string(to_string(work.order.operation));
    work.record.key_version = work.order.key_version;
    work.record.payload_hash = work.prepared.digest;
    work.record.payload = work.prepared.payload;
    work.record.nonce = work.prepared.nonce;
    work.record.valid_until = work.prepared.valid_until;
    TRY(const bool inserted, records::insert(tx, work.record, now));
    // Another instance was quicker with the same request: its record stands, and its reservation
    // must not be taken for somebody else's.
    if (!inserted) return Error::unavailable("the request is being signed elsewhere", "busy");
    TRY_VOID(reserve(tx, work, verdict.charges));
    TRY_VOID(remember_carried(tx, work, fresh, now));
    return append_audit(tx, work, verdict);
}

// Until it is on disk. Where another instance signs the same request at the same moment, its record
// is there at the next look.
Task<Result<void>> decide_durably(Work& work) {
    constexpr int kLooks = 5;
    for (int look = 1;; ++look) {
        auto unit = [&work](storage::Transaction& tx) { return decide_and_record(tx, work); };
        auto write = work.keystore.database.write(unit, work.keystore.options.sign_durability);
        auto done = co_await std::move(write);
        if (done || done.error().reason() != "busy" || look == kLooks) co_return done;
    }
}

// The refusal in the audit log, and the approval that would lift it.
Task<Error> record_refusal(const Work& work, Error error) {
    if (!is_refusal(error)) co_return error;
    work.keystore.metrics.refusals.add();
    auto unit = [&](storage::Transaction& tx) -> Result<void> {
        if (work.pending) {
            TRY_VOID(open_pending(tx, work.keystore, *work.pending));
        }
        return record(
            tx, work.keystore, "keystore.refused", work.call.caller.actor,
            [&](base::JsonWriter& out) {
                out.member("wallet_id", std::string_view(work.order.wallet_id));
                out.member("operation", to_string(work.order.operation));
                out.member("reason", std::string_view(error.reason()));
                out.member("message", std::string_view(error.message()));
                out.member("payload_hash", std::string_view(work.prepared.digest.to_hex()));
                out.member("trace_id", std::string_view(work.call.caller.trace_id));
            });
    };
    auto write = work.keystore.database.write(std::move(unit));
    const auto recorded = co_await std::move(write);
    if (!recorded) {
        work.keystore.logger.error(
            "a refusal could not be recorded",
            {{"trace_id", work.call.caller.trace_id}, {"cause", recorded.error().message()}});
    }
    co_return Error::permission_denied(error.message(), error.reason());
}

std::string_view chain_failure(Operation operation) {
    switch (operation) {
        case Operation::UserScopedCalls:
            return "Failed to query scoped direct-user access key: ";
        case Operation::UserProof:
        case Operation::UserCalls:
            return "Failed to query direct-user access key: ";
        default:
            return "Failed to query access key: ";
    }
}

// The last height that it can be used at, where that is its end (DelegatesUse).
std::optional<std::int64_t> end_of(const near::DelegateAction& delegate, DelegatesUse use) {
    constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (use != DelegatesUse::NativeOnly || delegate.max_block_height > kMax) return std::nullopt;
    return static_cast<std::int64_t>(delegate.max_block_height);
}

Task<Result<AccessKeyView>> query_access_key(const KeystoreContext& keystore, const Order& order) {
    if (keystore.chain_or_null == nullptr) {
        co_return Error::internal("NEAR client not configured", "chain_query");
    }
    near::AccountId account = order.account();
    near::PublicKey key(order.public_key);
    auto asking = keystore.chain_or_null->access_key(std::move(account), std::move(key));
    auto view = co_await std::move(asking);
    if (view) co_return view;
    co_return Error::internal(
        std::string(chain_failure(order.operation)) + view.error().message(), "chain_query");
}

}  // namespace

Task<Result<Signed>> sign(
    const KeystoreContext& keystore, const SigningCall& call, const Order& asked) {
    std::optional<AccessKeyView> view;
    std::optional<Order> bound;
    if (asked.is_transaction()) {
        auto asking = query_access_key(keystore, asked);
        CO_TRY(view, co_await std::move(asking));
        CO_TRY(bound, with_chain(asked, *view));
    }
    const Order& order = bound ? *bound : asked;
    CO_TRY(Prepared prepared, prepare(order, keystore.options.network));
    if (view) {
        prepared.valid_until = static_cast<std::int64_t>(
            view->block_height + keystore.options.transaction_validity_blocks +
            keystore.options.validity_margin_blocks);
    }
    if (const auto* const delegate = std::get_if<near::DelegateAction>(&order.content)) {
        prepared.valid_until = end_of(*delegate, keystore.options.delegates_use);
    }
    Work work{keystore, call, order, prepared, view, subject_of(order.wallet_id),
              {},       {},   {},    false,    {}};
    work.request = request_digest(order, prepared, call.idempotency_key);
    auto deciding = decide_durably(work);
    const auto done = co_await std::move(deciding);
    if (!done) {
        auto recording = record_refusal(work, done.error());
        co_return co_await std::move(recording);
    }
    (work.replayed ? keystore.metrics.replays : keystore.metrics.signatures).add();
    Signed out;
    out.replayed = work.replayed;
    out.digest = work.record.payload_hash;
    out.payload = std::move(work.record.payload);
    // Whatever a row says, only the hash of its own payload is signed.
    if (!is_recorded_for(order, prepared, out.payload, out.digest)) {
        co_return Error::corrupt_data("a recorded payload does not have its hash");
    }
    CO_TRY(out.signature, keystore.keys.sign(order.key, out.digest));
    co_return out;
}

Result<api::SignNep413Response> nep413_answer(const Order& order, const Signed& made) {
    return api::SignNep413Response{
        near::Signature(made.signature).to_string(), near::PublicKey(order.public_key).to_string()};
}

Result<api::SignDelegateResponse> delegate_answer(const Order& order, const Signed& made) {
    const auto& action = std::get<near::DelegateAction>(order.content);
    return api::SignDelegateResponse{
        near::signed_delegate_base64(made.payload, near::Signature(made.signature)),
        near::DelegateHash{made.digest}.to_string(),
        action.sender_id.text(),
        action.public_key.to_string(),
        action.nonce,
        action.max_block_height};
}

Result<api::SignedTransactionResponse> transaction_answer(const Order& order, const Signed& made) {
    auto transaction = near::parse_transaction(made.payload);
    if (!transaction) return Error::corrupt_data("a recorded transaction does not parse");
    api::SignedTransactionResponse out;
    out.tx_hash = near::TransactionHash{made.digest}.to_string();
    out.signer_id = transaction->signer_id.text();
    out.public_key = transaction->public_key.to_string();
    out.key_label = order.key_label;
    out.nonce = transaction->nonce;
    out.signed_tx_base64 = near::to_base64(
        near::SignedTransaction{*std::move(transaction), near::Signature(made.signature)});
    return out;
}

}  // namespace adyton::keystore
