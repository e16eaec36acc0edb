#include "keystore/prune.h"

#include <chrono>

#include "keystore/records.h"
#include "policy/reservation.h"

namespace adyton::keystore {
namespace {

using records::SignatureState;

constexpr std::int64_t kAtOnce = 500;

Result<void> forget(storage::Transaction& tx, const records::Prunable& record) {
    if (record.state == SignatureState::Open && record.reservation_id) {
        const auto committed = policy::commit_reservation(tx, *record.reservation_id);
        if (!committed && committed.error().code() != ErrorCode::NotFound) return committed;
    }
    return records::remove(tx, record);
}

// One unit of work; how many went.
Result<std::int64_t> prune_some(
    storage::Transaction& tx, const KeystoreContext& keystore, workflow::JobContext& job) {
    TRY_VOID(job.check(tx));
    TRY(const base::Timestamp now, tx.now());
    const base::Timestamp before = now - std::chrono::duration_cast<std::chrono::microseconds>(
                                             keystore.options.signatures_keep);
    TRY(const auto old, records::list_prunable(tx, before, kAtOnce));
    for (const records::Prunable& record : old) {
        TRY_VOID(forget(tx, record));
    }
    TRY_VOID(policy::remove_decided_reservations(tx, before, kAtOnce));
    return static_cast<std::int64_t>(old.size());
}

}  // namespace

Task<Result<std::int64_t>> prune(const KeystoreContext& keystore, workflow::JobContext& job) {
    std::int64_t total = 0;
    while (!job.should_stop()) {
        auto unit = [&](storage::Transaction& tx) { return prune_some(tx, keystore, job); };
        auto write = keystore.database.write(unit);
        CO_TRY(const std::int64_t gone, co_await std::move(write));
        keystore.metrics.pruned.add(static_cast<std::uint64_t>(gone));
        total += gone;
        if (gone < kAtOnce) break;
    }
    co_return total;
}

}  // namespace adyton::keystore
