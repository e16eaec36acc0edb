#include "pool/signing.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "crypto/uuid.h"
#include "http/status.h"
#include "pool/clear_signing.h"
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

std::string explanation_of(const ClearItem& item) {
    return neo::to_json(item.explanation).dump();
}

// ----- transactions -----------------------------------------------------------------------------

// One transaction for one account, on its way through the unit of work.
struct ClearPart {
    ClearItem item;
    std::optional<ClearGrant> grant;
};

// Null: granted, and counted. What is refused is refused to this signature; the error is the
// unit's.
Result<std::optional<Error>> grant_transaction(
    storage::Transaction& tx, const PoolContext& pool, CallContext& call, ClearPart& part,
    const KeyRecord& key, base::Timestamp now) {
    part.grant.reset();  // the unit may run twice
    auto grant = judge_clear_item(pool, call, part.item, key, now);
    if (!grant) return std::optional<Error>(std::move(grant).error());
    TRY(auto refusal, charge_clear_item(tx, call, part.item, *grant, key.id));
    if (!refusal) part.grant = *std::move(grant);
    return refusal;
}

Result<SigningRecord> authorize_transaction(
    storage::Transaction& tx, const PoolContext& pool, CallContext& call, const api::SignItem& item,
    const std::string& id, ClearPart& part) {
    TRY(auto found, accounts::find_for_signing(tx, id, call.service));
    if (!found) return unknown_account();
    TRY(const auto now, tx.now());
    TRY_VOID(check_lock(found->lock, claim_of(call, item), now));
    TRY(auto refusal, grant_transaction(tx, pool, call, part, found->key, now));
    if (refusal) return *std::move(refusal);
    const auto& decision = pool.policy.decide(call.service, policy::Operation::SignTransaction);
    TRY_VOID(count_signatures(tx, decision, call, 1));
    TRY_VOID(record(tx, pool, "pool.sign_transaction", call.service, [&](base::JsonWriter& out) {
        write_signed_item(out, *found, part.item.digest);
        write_clear_members(out, part.item, *part.grant);
        out.member("trace_id", std::string_view(call.trace_id));
    }));
    return *std::move(found);
}

Task<Result<std::string>> sign_transaction(
    const PoolContext& pool, CallContext& call, const api::SignItem& item) {
    CO_TRY(auto clear, read_clear_item(pool, item));
    ClearPart part{std::move(clear), {}};
    const auto id = crypto::canonical_uuid(item.account_id);
    if (!id) co_return unknown_account();
    auto unit = [&](storage::Transaction& tx) {
        return authorize_transaction(tx, pool, call, item, *id, part);
    };
    // Caps must hold through a crash, so what is charged is on disk before the signature leaves.
    auto write = pool.database.write(std::move(unit), storage::Durability::Durable);
    CO_TRY(const SigningRecord granted, co_await std::move(write));
    auto made = pool.signer.sign(granted.key, part.item.digest);
    if (!made) {
        note_key_mismatch(pool, call, made.error());
        co_return std::move(made).error();
    }
    pool.metrics.signatures.add();
    const std::string hash = part.item.explanation.hash.to_string();
    const std::string explanation = explanation_of(part.item);
    co_return api::signed_text(
        granted.key.id, made->signature.bytes, made->public_key.bytes(), {hash, explanation});
}

// ----- batches ----------------------------------------------------------------------------------

struct BatchItem {
    std::string id;  // canonical; empty when the text names no account
    crypto::Sha256Digest digest;
    std::optional<Error> refusal;
    const SigningRecord* record = nullptr;
    std::unique_ptr<ClearPart> clear;  // null: a bare digest
};

struct Batch {
    std::vector<api::SignItem> requests;
    std::vector<BatchItem> items;
    std::vector<std::string> ids;        // each once
    std::vector<SigningRecord> records;  // ordered by id
    bool any_digest = false;
    bool any_transaction = false;
};

// Reads what is to be signed.
Result<void> prepare_payload(
    const PoolContext& pool, const api::SignItem& request, BatchItem& item) {
    if (!asks_for_transaction(request)) {
        TRY(item.digest, api::signing_digest(request));
        return {};
    }
    TRY(auto clear, read_clear_item(pool, request));
    item.digest = clear.digest;
    item.clear = std::make_unique<ClearPart>(ClearPart{std::move(clear), {}});
    return {};
}

BatchItem prepare_item(const PoolContext& pool, const api::SignItem& request) {
    BatchItem item;
    auto read = prepare_payload(pool, request, item);
    if (!read) {
        item.refusal = std::move(read).error();
        return item;
    }
    auto id = crypto::canonical_uuid(request.account_id);
    if (id) {
        item.id = *std::move(id);
    } else {
        item.refusal = unknown_account();
    }
    return item;
}

Batch prepare_batch(const PoolContext& pool, std::vector<api::SignItem> requests) {
    Batch batch;
    batch.requests = std::move(requests);
    batch.items.reserve(batch.requests.size());
    for (const auto& request : batch.requests) {
        batch.items.push_back(prepare_item(pool, request));
        (asks_for_transaction(request) ? batch.any_transaction : batch.any_digest) = true;
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

// Names listed of each transaction: a record has room for a megabyte.
std::size_t listed_in(const Batch& batch) {
    if (batch.items.size() <= 100) return kClearListedMax;
    return batch.items.size() <= 1000 ? 1 : 0;
}

bool is_refused_by_policy(const BatchItem& item) {
    return item.clear && item.refusal && item.refusal->reason().starts_with("policy_");
}

void write_refused_items(base::JsonWriter& out, const Batch& batch) {
    constexpr std::size_t kMessageMax = 200;
    out.key("refused").begin_array();
    for (std::size_t i = 0; i < batch.items.size(); ++i) {
        const BatchItem& item = batch.items[i];
        if (!is_refused_by_policy(item)) continue;
        out.begin_object().member("index", static_cast<std::int64_t>(i));
        out.member("account_id", std::string_view(item.id));
        out.member("tx_hash", std::string_view(item.clear->item.explanation.hash.to_string()));
        out.member("reason", std::string_view(item.refusal->reason()));
        out.member("message", std::string_view(item.refusal->message()).substr(0, kMessageMax));
        out.end_object();
    }
    out.end_array();
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
            if (item.clear) {
                write_clear_members(out, item.clear->item, *item.clear->grant, listed_in(batch));
            }
            out.end_object();
        }
        out.end_array();
        if (batch.any_transaction) write_refused_items(out, batch);
        out.member("requests", static_cast<std::int64_t>(batch.items.size()));
        if (batch.any_digest) {
            out.member(
                "rule", pool.policy.decide(call.service, policy::Operation::SignDigest).rule);
        }
        out.member("trace_id", std::string_view(call.trace_id));
    });
}

struct Granted {
    std::int64_t digests = 0;
    std::int64_t transactions = 0;
};

Result<Granted> judge_batch(
    storage::Transaction& tx, const PoolContext& pool, CallContext& call, Batch& batch) {
    TRY(const auto now, tx.now());
    Granted granted;
    for (std::size_t i = 0; i < batch.items.size(); ++i) {
        BatchItem& item = batch.items[i];
        if (item.id.empty()) continue;
        item.refusal.reset();  // the unit may run twice
        item.record = nullptr;
        judge_item(batch, call, batch.requests[i], item, now);
        if (item.record == nullptr) continue;
        if (!item.clear) {
            ++granted.digests;
            continue;
        }
        TRY(item.refusal, grant_transaction(tx, pool, call, *item.clear, item.record->key, now));
        if (item.refusal) {
            item.record = nullptr;
        } else {
            ++granted.transactions;
        }
    }
    return granted;
}

Result<void> authorize_batch(
    storage::Transaction& tx, const PoolContext& pool, CallContext& call, Batch& batch) {
    TRY(batch.records, accounts::find_all_for_signing(tx, batch.ids, call.service));
    std::sort(
        batch.records.begin(), batch.records.end(),
        [](const SigningRecord& a, const SigningRecord& b) { return a.key.id < b.key.id; });
    TRY(const Granted granted, judge_batch(tx, pool, call, batch));
    const auto count = [&](policy::Operation operation, std::int64_t signatures) -> Result<void> {
        if (signatures == 0) return {};
        return count_signatures(tx, pool.policy.decide(call.service, operation), call, signatures);
    };
    TRY_VOID(count(policy::Operation::SignDigest, granted.digests));
    TRY_VOID(count(policy::Operation::SignTransaction, granted.transactions));
    const bool refused = std::any_of(batch.items.begin(), batch.items.end(), is_refused_by_policy);
    if (granted.digests + granted.transactions == 0 && !refused) return {};
    return record_batch(tx, pool, call, batch);
}

// What the rules say of a batch of that size, whatever is in it. Each transaction is judged later.
Result<void> check_batch(const PoolContext& pool, const CallContext& call, const Batch& batch) {
    const auto wanted = static_cast<std::int64_t>(batch.items.size());
    if (batch.any_digest || !batch.any_transaction) {
        TRY_VOID(pool.policy.check_sign(call.service, wanted));
    }
    if (!batch.any_transaction) return {};
    const auto& bound =
        pool.policy.decide(call.service, policy::Operation::SignTransaction).batch_size_max;
    if (!bound || wanted <= bound->max) return {};
    return Error::permission_denied(
        "rule \"" + std::string(bound->rule) + "\" allows " + std::to_string(bound->max) +
            " signatures in one batch",
        "policy_batch_size");
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
            std::string hash;
            std::string explanation;
            if (item.clear) {
                hash = item.clear->item.explanation.hash.to_string();
                explanation = explanation_of(item.clear->item);
            }
            response.add_signature(
                item.id, made.signature.bytes, made.public_key.bytes(), {hash, explanation});
            pool.metrics.signatures.add();
            continue;
        }
        const Error error =
            jobs[i].outcome ? jobs[i].outcome->error() : item.refusal.value_or(unknown_account());
        note_key_mismatch(pool, call, error);
        if (is_refused_by_policy(item)) pool.metrics.policy_refusals.add();
        const std::string& named = batch.requests[i].account_id;
        response.add_error(item.id.empty() ? named : item.id, public_error(error));
    }
    return std::move(response).finish();
}

}  // namespace

Task<Result<std::string>> sign(
    const PoolContext& pool, CallContext& call, const api::SignItem& item) {
    if (asks_for_transaction(item)) {
        auto clear = sign_transaction(pool, call, item);
        co_return co_await std::move(clear);
    }
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
    Batch batch = prepare_batch(pool, std::move(request.requests));
    CO_TRY_VOID(check_batch(pool, call, batch));
    std::vector<SigningJob> jobs(batch.items.size());
    if (!batch.ids.empty()) {
        auto unit = [&](storage::Transaction& tx) {
            return authorize_batch(tx, pool, call, batch);
        };
        const auto durability =
            batch.any_transaction ? storage::Durability::Durable : pool.options.sign_durability;
        auto write = pool.database.write(std::move(unit), durability);
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
