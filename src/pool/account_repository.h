#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "api/pool_types.h"
#include "base/result.h"
#include "base/time.h"
#include "neo/account_key.h"
#include "storage/database.h"

// All SQL of the pool, as functions inside the caller's unit of work. Ids and lock ids are
// canonical (crypto/uuid.h): callers see to that. Each function gives the errors of
// storage::Transaction and CorruptData for rows that do not read back.
namespace adyton::pool {

// A new account before it stands in the database.
struct NewAccount {
    std::string id;
    std::string address;
    neo::AccountFingerprint fingerprint;
};

// What /sign needs to know of an account.
struct KeyRecord {
    std::string id;
    std::string address;  // empty when there is a fingerprint: nobody needs it then
    std::optional<neo::AccountFingerprint> fingerprint;  // none yet on rows that were taken over
    std::optional<std::string> encrypted_wif;
};

struct LockRecord {
    std::string locked_by;  // empty: free
    std::string lock_id;
    std::optional<base::Timestamp> expires_at;
    std::int64_t fencing = 0;
    std::string frozen_scope;  // empty: not frozen
};

struct SigningRecord {
    KeyRecord key;
    LockRecord lock;
};

struct Allocation {
    std::string lock_id;
    std::string service_id;
    std::string purpose;
    base::Timestamp created_at;
    base::Timestamp expires_at;
    std::int64_t ttl_seconds = 0;
    std::optional<base::Timestamp> released_at;
};

struct PoolCounts {
    std::int64_t active = 0;
    std::int64_t locked = 0;
    std::int64_t retiring = 0;
    std::int64_t total() const { return active + locked + retiring; }
};

struct BalanceKey {
    std::string account_id;
    std::string token_type;
    std::string script_hash;
};

struct BalanceRow {
    std::string script_hash;
    std::int64_t amount = 0;
    std::int64_t decimals = 8;
};

struct ExpiredAllocation {
    Allocation allocation;
    std::vector<std::string> account_ids;  // freed
};

// The usual script hash and decimals of a token type: GAS and NEO have theirs, others none and 8.
struct TokenDefaults {
    std::string script_hash;
    std::int64_t decimals = 8;
};
TokenDefaults token_defaults(const std::string& token_type);

namespace accounts {

// --- reading ---

Result<std::optional<SigningRecord>> find_for_signing(
    storage::Transaction& tx, const std::string& id, const std::string& service);
// The same without a lock on the row: for a read unit, before the unit that decides.
Result<std::optional<SigningRecord>> peek_for_signing(
    storage::Transaction& tx, const std::string& id, const std::string& service);
// In any order; ids that do not exist are missing.
Result<std::vector<SigningRecord>> find_all_for_signing(
    storage::Transaction& tx, std::span<const std::string> ids, const std::string& service);
// The lock of one account, its row locked until the unit commits.
Result<std::optional<LockRecord>> find_lock(
    storage::Transaction& tx, const std::string& id, const std::string& service);

// With balances, ordered by last use. Without a token, `min_balance` does not count.
Result<std::vector<api::AccountInfo>> list_held(
    storage::Transaction& tx, const std::string& service, const std::string& token,
    std::optional<std::int64_t> min_balance);
Result<std::vector<api::AccountInfo>> list_of_lock(
    storage::Transaction& tx, const std::string& lock_id);
Result<std::vector<api::AccountInfo>> list_low_balance(
    storage::Transaction& tx, const api::LowBalanceQuery& query);

Result<PoolCounts> count(storage::Transaction& tx);
Result<std::int64_t> count_held(storage::Transaction& tx, const std::string& service);
Result<api::PoolInfoResponse> pool_info(storage::Transaction& tx);

// --- locks ---

// Locks the `count` free accounts that were not used for longest, or fewer if there are not so
// many; passes over frozen ones. One statement (A4).
Result<std::int64_t> lock_free(
    storage::Transaction& tx, const Allocation& allocation, std::int64_t count);
Result<void> insert_allocation(storage::Transaction& tx, const Allocation& allocation);
// The row is locked until the unit commits.
Result<std::optional<Allocation>> find_allocation(
    storage::Transaction& tx, const std::string& lock_id);
Result<std::vector<api::AllocationInfo>> list_allocations(
    storage::Transaction& tx, std::int64_t limit);

// Each gives the ids of the accounts it freed and closes allocations that became empty.
Result<std::vector<std::string>> release_lock(storage::Transaction& tx, const std::string& lock_id);
Result<std::vector<std::string>> release_held(storage::Transaction& tx, const std::string& service);
// Of these, the ones that the service holds; with a lock id, under that lock.
Result<std::vector<std::string>> release_ids(
    storage::Transaction& tx, const std::string& service, std::span<const std::string> ids,
    const std::string& lock_id);

// Moves the end of a lock; how many accounts it holds.
Result<std::int64_t> extend_lock(
    storage::Transaction& tx, const std::string& lock_id, base::Timestamp expires_at,
    std::int64_t ttl_seconds);

// Frees up to `limit` allocations whose time is over.
Result<std::vector<ExpiredAllocation>> free_expired(storage::Transaction& tx, std::int64_t limit);
// Forgets allocations closed before `before`; how many went.
Result<std::int64_t> remove_closed_allocations(
    storage::Transaction& tx, base::Timestamp before, std::int64_t limit);

// --- creation and retirement ---

// Nobody else creates accounts until this unit of work commits: count() then stays true.
Result<void> serialize_creation(storage::Transaction& tx);
// With balance rows GAS = 0 and NEO = 0. Conflict "unique": an id or address exists already.
Result<void> insert(storage::Transaction& tx, std::span<const NewAccount> accounts);

struct RotationRule {
    base::Timestamp created_before;
    std::int64_t gas_max = 0;  // exclusive
};
// Free accounts that the rule lets go, the longest unused first. Reads only.
Result<std::vector<std::string>> find_rotatable(
    storage::Transaction& tx, const RotationRule& rule, std::int64_t limit);
// Marks those of the ids that the rule still lets go (A9); their ids.
Result<std::vector<std::string>> retire(
    storage::Transaction& tx, const RotationRule& rule, std::span<const std::string> ids);

// --- balances ---

// The row of a token; without a script hash the one of the token's usual contract, else the first.
Result<std::optional<BalanceRow>> find_balance(
    storage::Transaction& tx, const BalanceKey& key, bool any_contract);
Result<void> write_balance(
    storage::Transaction& tx, const BalanceKey& key, std::int64_t amount, std::int64_t decimals);
// tx_count + 1 and last_used_at now; the new count.
Result<std::int64_t> count_use(storage::Transaction& tx, const std::string& id);

// --- keys ---

// Rows without a fingerprint, by id, from `after` on.
Result<std::vector<KeyRecord>> find_unverified(
    storage::Transaction& tx, const std::string& after, std::int64_t limit);
// Does nothing when the address is another than the one checked.
Result<void> set_fingerprint(
    storage::Transaction& tx, const KeyRecord& key, const neo::AccountFingerprint& fingerprint);

// --- pool_meta ---

Result<std::optional<std::string>> find_meta(storage::Transaction& tx, const std::string& key);
Result<void> write_meta(storage::Transaction& tx, const std::string& key, const std::string& value);

}  // namespace accounts
}  // namespace adyton::pool
