#include "pool/signing.h"

#include <algorithm>
#include <vector>

#include "crypto/uuid.h"
#include "http/status.h"
#include "pool/lock_check.h"

namespace adyton::pool {
namespace {

LockClaim claim_of(const CallContext& call, const api::SignItem& item) {
    return {call.service, item.lock_id, item.fencing};
}

// Counts signatures against the limits of the rules. One statement each, none without limits.
Result<void> count_signatures(
    storage::Transaction& tx, const policy::Decision& decision, CallContext& call,
    std::int64_t signatures) {
    if (!decision.signatures_per_minute && !decision.signatures_per_day) return {};
    const std::string subject = "service:" + call.service;
    std::vector<policy::Consumption> items;
    const auto add = [&](const std::optional<policy::Bound>& bound, const char* metric,
                         base::Duration window) {
        if (!bound) return;
        items.push_back(
            {{subject, metric, window, policy::Amount(static_cast<std::uint64_t>(bound->max)),
              std::string(bound->rule)},
             signatures});
    };
    add(decision.signatures_per_minute, "signatures", std::chrono::minutes(1));
    add(decision.signatures_per_day, "signatures_day", std::chrono::hours(24));
    TRY(const auto refusal, policy::consume_all(tx, items));
    if (refusal) return refused_by(*refusal, call);
    return {};
}

void write_signed_item(
    base::JsonWriter& out, const SigningRecord& record, const crypto::Sha256Digest& digest) {
    out.member("account_id", std::string_view(record.key.id));
    out.key("digest").hex(digest.bytes);
    out.member("lock_id", std::string_view(record.lock.lock_id));
    out.member("fencing", record.lock.fencing);
}

// What an account's own trouble looks like in the log; callers see only that something failed.
void note_key_mismatch(const PoolContext& pool, const CallContext& call, const Error& error) {
    if (error.reason() != "key_mismatch") return;
    pool.metrics.key_mismatches.add();
    pool.logger.error(
        "a key is not its account's; nothing was signed",
        {{"cause", error.message()}, {"trace_id", call.trace_id}});
}

// ----- batches ----------------------------------------------------------------------------------

struct BatchItem {
    std::string id;  // canonical; empty when the text names no account
    crypto::Sha256Digest digest;
    std::optional<Error> refusal;
    const SigningRecord* record = nullptr;
};

struct Batch {
    std::vector<api::SignItem> requests;
    std::vector<BatchItem> items;
    std::vector<std::string> ids;        // each once
    std::vector<SigningRecord> records;  // ordered by id
    const policy::Decision* decision = nullptr;
};

BatchItem prepare_item(const api::SignItem& request) {
    BatchItem item;
    const auto digest = api::signing_digest(request);
    if (!digest) {
        item.refusal = digest.error();
        return item;
    }
    item.digest = *digest;
    auto id = crypto::canonical_uuid(request.account_id);
    if (id) {
        item.id = *std::move(id);
    } else {
        item.refusal = unknown_account();
    }
    return item;
}

Batch prepare_batch(std::vector<api::SignItem> requests) {
    Batch batch;
    batch.requests = std::move(requests);
    batch.items.reserve(batch.requests.size());
    for (const auto& request : batch.requests) {
        batch.items.push_back(prepare_item(request));
        if (!batch.items.back().id.empty()) batch.ids.push_back(batch.items.back().id);
    }
    std::sort(batch.ids.begin(), batch.ids.end());
    batch.ids.erase(std::unique(batch.ids.begin(), batch.ids.end()), batch.ids.end());
    return batch;
}

void judge_item(
    const Batch& batch, const CallContext& call, const api::SignItem& request, BatchItem& item,
    base::Timestamp now) {
    const auto found = std::lower_bound(
        batch.records.begin(), batch.records.end(), item.id,
        [](const SigningRecord& record, const std::string& id) { return record.key.id < id; });
    if (found == batch.records.end() || found->key.id != item.id) {
        item.refusal = unknown_account();
        return;
    }
    auto checked = check_lock(found->lock, claim_of(call, request), now);
    if (checked) {
        item.record = &*found;
    } else {
        item.refusal = std::move(checked).error();
    }
}

Result<void> record_batch(
    storage::Transaction& tx, const PoolContext& pool, const CallContext& call,
    const Batch& batch) {
    return record(tx, pool, "pool.batch_sign", call.service, [&](base::JsonWriter& out) {
        out.key("signatures").begin_array();
        for (std::size_t i = 0; i < batch.items.size(); ++i) {
            const BatchItem& item = batch.items[i];
            if (item.record == nullptr) continue;
            out.begin_object().member("index", static_cast<std::int64_t>(i));
            write_signed_item(out, *item.record, item.digest);
            out.end_object();
        }
        out.end_array();
        out.member("requests", static_cast<std::int64_t>(batch.items.size()));
        out.member("rule", batch.decision->rule);
        out.member("trace_id", std::string_view(call.trace_id));
    });
}

Result<void> authorize_batch(
    storage::Transaction& tx, const PoolContext& pool, CallContext& call, Batch& batch) {
    TRY(batch.records, accounts::find_all_for_signing(tx, batch.ids, call.service));
    std::sort(
        batch.records.begin(), batch.records.end(),
        [](const SigningRecord& a, const SigningRecord& b) { return a.key.id < b.key.id; });
    TRY(const auto now, tx.now());
    std::int64_t granted = 0;
    for (std::size_t i = 0; i < batch.items.size(); ++i) {
        BatchItem& item = batch.items[i];
        if (item.id.empty()) continue;
        item.refusal.reset();  // the unit may run twice
        item.record = nullptr;
        judge_item(batch, call, batch.requests[i], item, now);
        if (item.record != nullptr) ++granted;
    }
    if (granted == 0) return {};
    TRY_VOID(count_signatures(tx, *batch.decision, call, granted));
    return record_batch(tx, pool, call, batch);
}

api::BatchSignError public_error(const Error& error) {
    const auto status = http::status_number(http::status_of(error.code()));
    const bool ours = error.code() == ErrorCode::Internal || error.code() == ErrorCode::CorruptData;
    return {
        "HTTP_" + std::to_string(status), ours ? "failed to sign transaction" : error.message(),
        error.reason()};
}

std::string assemble(
    const PoolContext& pool, const CallContext& call, Batch& batch,
    const std::vector<SigningJob>& jobs) {
    api::BatchSignWriter response(batch.items.size());
    for (std::size_t i = 0; i < batch.items.size(); ++i) {
        const BatchItem& item = batch.items[i];
        if (jobs[i].outcome && *jobs[i].outcome) {
            const AccountSignature& made = **jobs[i].outcome;
            response.add_signature(item.id, made.signature.bytes, made.public_key.bytes());
            pool.metrics.signatures.add();
            continue;
        }
        const Error error =
            jobs[i].outcome ? jobs[i].outcome->error() : item.refusal.value_or(unknown_account());
        note_key_mismatch(pool, call, error);
        const std::string& named = batch.requests[i].account_id;
        response.add_error(item.id.empty() ? named : item.id, public_error(error));
    }
    return std::move(response).finish();
}

}  // namespace

Task<Result<std::string>> sign(
    const PoolContext& pool, CallContext& call, const api::SignItem& item) {
    CO_TRY(const auto digest, api::signing_digest(item));
    CO_TRY_VOID(pool.policy.check_sign(call.service, 1));
    const auto id = crypto::canonical_uuid(item.account_id);
    if (!id) co_return unknown_account();
    const auto& decision = pool.policy.decide(call.service, policy::Operation::SignDigest);

    std::optional<SigningRecord> granted;
    const auto unit = [&](storage::Transaction& tx) -> Result<void> {
        TRY(granted, accounts::find_for_signing(tx, *id, call.service));
        if (!granted) return unknown_account();
        TRY(const auto now, tx.now());
        TRY_VOID(check_lock(granted->lock, claim_of(call, item), now));
        TRY_VOID(count_signatures(tx, decision, call, 1));
        return record(tx, pool, "pool.sign", call.service, [&](base::JsonWriter& out) {
            write_signed_item(out, *granted, digest);
            out.member("rule", decision.rule);
            out.member("trace_id", std::string_view(call.trace_id));
        });
    };
    auto write = pool.database.write_unit(
        [&unit](storage::Transaction& tx) { return unit(tx); }, pool.options.sign_durability);
    CO_TRY_VOID(co_await std::move(write));

    auto made = pool.signer.sign(granted->key, digest);
    if (!made) {
        note_key_mismatch(pool, call, made.error());
        co_return std::move(made).error();
    }
    pool.metrics.signatures.add();
    co_return api::signed_text(granted->key.id, made->signature.bytes, made->public_key.bytes());
}

Task<Result<std::string>> batch_sign(
    const PoolContext& pool, CallContext& call, api::BatchSignRequest request) {
    const auto wanted = static_cast<std::int64_t>(request.requests.size());
    CO_TRY_VOID(pool.policy.check_sign(call.service, wanted));
    Batch batch = prepare_batch(std::move(request.requests));
    batch.decision = &pool.policy.decide(call.service, policy::Operation::SignDigest);
    std::vector<SigningJob> jobs(batch.items.size());
    if (!batch.ids.empty()) {
        auto unit = [&](storage::Transaction& tx) {
            return authorize_batch(tx, pool, call, batch);
        };
        auto write = pool.database.write(std::move(unit), pool.options.sign_durability);
        CO_TRY_VOID(co_await std::move(write));
        for (std::size_t i = 0; i < jobs.size(); ++i) {
            if (batch.items[i].record == nullptr) continue;
            jobs[i].key = &batch.items[i].record->key;
            jobs[i].digest = batch.items[i].digest;
        }
        auto work = sign_all(pool.signer, jobs);
        co_await std::move(work);
    }
    co_return assemble(pool, call, batch, jobs);
}

}  // namespace adyton::pool
