#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/amount.h"
#include "base/result.h"
#include "neo/script_hash.h"
#include "pool/account_repository.h"
#include "storage/database.h"

// The SQL of balances on chain, as functions inside the caller's unit of work (as
// account_repository.h).
namespace adyton::pool {

// One tracked balance as the reconciliation looks at it.
struct TrackedBalance {
    BalanceKey key;
    std::string address;
    std::int64_t amount = 0;
    std::int64_t decimals = 8;
    std::int64_t drift_seen = 0;  // Drift::seen, or zero
};

// A tracked balance that is not what the chain says.
struct Drift {
    BalanceKey key;
    std::int64_t tracked = 0;
    base::Amount on_chain;
    std::uint32_t height = 0;  // of the last block that the reading knew
    std::int64_t seen = 0;     // readings in a row that said the same
};
// Readings in a row that it takes: deposits and landing transfers are between two of them.
inline constexpr std::int64_t kDriftReadings = 2;

// A retiring account that nobody holds.
struct RetiringAccount {
    KeyRecord key;
    std::string address;
    // Of the tokens that were ever tracked, or that a transfer of this pool brought.
    std::vector<std::string> script_hashes;
};

namespace chain_balances {

// Rows after `after` in the order of their keys, without those whose account has unfinished
// transfers or whose token has no contract.
Result<std::vector<TrackedBalance>> list_tracked(
    storage::Transaction& tx, const BalanceKey& after, std::int64_t limit);
// The row as it is now, if nothing of it moved since it was read: the amount is the same and the
// account has no unfinished transfer. Its account's row is locked until the unit commits.
Result<bool> is_unmoved(storage::Transaction& tx, const TrackedBalance& tracked);

Result<std::optional<Drift>> find_drift(storage::Transaction& tx, const BalanceKey& key);
Result<void> put_drift(storage::Transaction& tx, const Drift& drift);
// Whether there was one.
Result<bool> forget_drift(storage::Transaction& tx, const BalanceKey& key);
// Those that were seen often enough: how many, and the first of them by key.
Result<std::int64_t> count_drifts(storage::Transaction& tx);
Result<std::vector<Drift>> list_drifts(storage::Transaction& tx, std::int64_t limit);

// Retiring, not locked, not frozen, without unfinished transfers; by id from `after` on. Reads all
// transfers if there is one.
Result<std::vector<RetiringAccount>> list_retiring(
    storage::Transaction& tx, const std::string& after, std::int64_t limit);
// Archives and deletes one, if it is still so and nothing is tracked on it. False: it is not.
Result<bool> delete_retired(storage::Transaction& tx, const std::string& id);
// Locks one for a sweep. False: it is no longer free.
Result<bool> lock_retiring(
    storage::Transaction& tx, const Allocation& allocation, const std::string& id);

}  // namespace chain_balances
}  // namespace adyton::pool
