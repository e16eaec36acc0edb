#include "pool/account_repository.h"

#include <algorithm>
#include <limits>
#include <unordered_map>

#include "base/json.h"
#include "base/json_array.h"
#include "neo/token.h"
#include "policy/freeze.h"
#include "policy/reservation.h"
#include "pool/chain_balances.h"

namespace adyton::pool {

TokenDefaults token_defaults(const std::string& token_type) {
    if (token_type == "GAS") return {std::string(neo::kGasScriptHashText), neo::kGasDecimals};
    if (token_type == "NEO") return {std::string(neo::kNeoScriptHashText), neo::kNeoDecimals};
    return {};
}

namespace accounts {
namespace {

using storage::Dialect;
using storage::Rows;
using storage::Transaction;
using storage::Value;

// Statements that name a set of ids exist once for each dialect; $1 is the array.
#define ADYTON_IDS_SQLITE "(SELECT value FROM json_each($1))"
#define ADYTON_IDS_POSTGRES \
    "(SELECT CAST(value AS uuid) FROM json_array_elements_text(CAST($1 AS json)))"

std::string_view by_dialect(
    const Transaction& tx, std::string_view sqlite, std::string_view postgres) {
    return tx.dialect() == Dialect::Sqlite ? sqlite : postgres;
}

Result<std::vector<std::string>> text_column(const Rows& rows, std::size_t column) {
    std::vector<std::string> out;
    out.reserve(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        TRY(auto text, rows.text(i, column));
        out.push_back(std::move(text));
    }
    return out;
}

Result<std::optional<neo::AccountFingerprint>> read_fingerprint(
    const Rows& rows, std::size_t row, std::size_t column) {
    if (rows.is_null(row, column)) return std::optional<neo::AccountFingerprint>();
    TRY(const auto bytes, rows.bytes(row, column));
    auto fingerprint = neo::AccountFingerprint::parse(bytes);
    if (!fingerprint) return Error::corrupt_data("a stored key fingerprint has the wrong length");
    return std::optional<neo::AccountFingerprint>(*fingerprint);
}

Result<std::string> text_or_empty(const Rows& rows, std::size_t row, std::size_t column) {
    TRY(auto text, rows.optional_text(row, column));
    return text ? *std::move(text) : std::string();
}

Result<std::string> take_text_or_empty(Rows& rows, std::size_t row, std::size_t column) {
    if (rows.is_null(row, column)) return std::string();
    return rows.take_text(row, column);
}

// Columns of a SigningRecord; $2 is the service.
#define ADYTON_SIGNING_COLUMNS                                                          \
    "a.id, CASE WHEN a.key_fingerprint IS NULL THEN a.address END, a.key_fingerprint, " \
    "a.encrypted_wif, a.locked_by, a.lock_id, a.lock_expires_at, "                      \
    "a.fencing, " ADYTON_FREEZE_SUBQUERY("$2", "CAST(a.id AS TEXT)")

// Moves the texts out of the row.
Result<SigningRecord> take_signing_record(Rows& rows, std::size_t row) {
    SigningRecord record;
    TRY(record.key.id, rows.take_text(row, 0));
    TRY(record.key.address, take_text_or_empty(rows, row, 1));
    TRY(record.key.fingerprint, read_fingerprint(rows, row, 2));
    TRY(record.key.encrypted_wif, rows.optional_text(row, 3));
    TRY(record.lock.locked_by, take_text_or_empty(rows, row, 4));
    TRY(record.lock.lock_id, take_text_or_empty(rows, row, 5));
    TRY(record.lock.expires_at, rows.optional_timestamp(row, 6));
    TRY(record.lock.fencing, rows.integer(row, 7));
    TRY(record.lock.frozen_scope, take_text_or_empty(rows, row, 8));
    return record;
}

#define ADYTON_INFO_COLUMNS                                                      \
    "a.id, a.address, a.created_at, a.last_used_at, a.tx_count, a.is_retiring, " \
    "a.locked_by, a.locked_at, a.lock_id, a.lock_expires_at, a.fencing"

Result<api::AccountInfo> read_info(const Rows& rows, std::size_t row) {
    api::AccountInfo account;
    TRY(account.id, rows.text(row, 0));
    TRY(account.address, rows.text(row, 1));
    TRY(account.created_at, rows.timestamp(row, 2));
    TRY(account.last_used_at, rows.timestamp(row, 3));
    TRY(account.tx_count, rows.integer(row, 4));
    TRY(account.is_retiring, rows.boolean(row, 5));
    TRY(account.locked_by, text_or_empty(rows, row, 6));
    TRY(account.locked_at, rows.optional_timestamp(row, 7));
    TRY(account.lock_id, text_or_empty(rows, row, 8));
    TRY(account.lock_expires_at, rows.optional_timestamp(row, 9));
    TRY(account.fencing, rows.integer(row, 10));
    return account;
}

Result<std::vector<api::AccountInfo>> read_infos(const Rows& rows) {
    std::vector<api::AccountInfo> out;
    out.reserve(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        TRY(auto account, read_info(rows, i));
        out.push_back(std::move(account));
    }
    return out;
}

// Which rows of one token type come first under the plain key: the usual contract's, else the
// smallest script hash. Rows arrive ordered by type and script hash.
bool is_primary(const TokenDefaults& defaults, const std::string& script_hash, bool first_of_type) {
    return defaults.script_hash.empty() ? first_of_type : script_hash == defaults.script_hash;
}

// Rows: account id, token type, script hash, amount, decimals, updated at, the drift's amount on
// chain and block, or nulls; ordered by the first three.
Result<void> attach_balances(const Rows& rows, std::vector<api::AccountInfo>& accounts) {
    std::unordered_map<std::string, std::size_t> places;
    for (std::size_t i = 0; i < accounts.size(); ++i) places.emplace(accounts[i].id, i);
    std::string previous;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        TRY(const auto id, rows.text(i, 0));
        api::TokenBalance balance;
        TRY(balance.token_type, rows.text(i, 1));
        TRY(balance.script_hash, rows.text(i, 2));
        TRY(balance.amount, rows.integer(i, 3));
        TRY(balance.decimals, rows.integer(i, 4));
        TRY(balance.updated_at, rows.optional_timestamp(i, 5));
        if (!rows.is_null(i, 6)) {
            balance.drift.emplace();
            TRY(balance.drift->on_chain, rows.text(i, 6));
            TRY(balance.drift->block_index, rows.integer(i, 7));
        }
        const std::string group = id + "/" + balance.token_type;
        const bool plain =
            is_primary(token_defaults(balance.token_type), balance.script_hash, group != previous);
        previous = group;
        const auto place = places.find(id);
        if (place == places.end()) continue;  // locked between two statements: not asked for
        std::string key = balance.token_type;
        if (!plain) key += ":" + balance.script_hash;
        accounts[place->second].balances.emplace_back(std::move(key), std::move(balance));
    }
    return {};
}

// A drift of an amount that was changed since says nothing. $2: kDriftReadings.
#define ADYTON_BALANCES_WITH_DRIFT                                                           \
    "SELECT b.account_id, b.token_type, b.script_hash, b.amount, b.decimals, b.updated_at, " \
    "d.on_chain, d.height FROM pool_account_balances AS b "                                  \
    "LEFT JOIN pool_balance_drifts AS d ON d.account_id = b.account_id "                     \
    "AND d.token_type = b.token_type AND d.script_hash = b.script_hash "                     \
    "AND d.seen >= $2 AND d.tracked = b.amount "

Result<std::vector<api::AccountInfo>> with_balances(
    Transaction& tx, std::vector<api::AccountInfo> accounts) {
    if (accounts.empty()) return accounts;
    std::vector<std::string> ids;
    ids.reserve(accounts.size());
    for (const auto& account : accounts) ids.push_back(account.id);
    TRY(const Rows rows,
        tx.query(
            by_dialect(
                tx,
                ADYTON_BALANCES_WITH_DRIFT "WHERE b.account_id IN " ADYTON_IDS_SQLITE
                                           " ORDER BY b.account_id, b.token_type, b.script_hash",
                ADYTON_BALANCES_WITH_DRIFT "WHERE b.account_id IN " ADYTON_IDS_POSTGRES
                                           " ORDER BY b.account_id, b.token_type COLLATE \"C\", "
                                           "b.script_hash COLLATE \"C\""),
            {base::json_array(ids), kDriftReadings}));
    TRY_VOID(attach_balances(rows, accounts));
    return accounts;
}

// The amount that the API shows under a plain token key, for filters: $1 token, $2 its usual
// script hash.
#define ADYTON_SHOWN_AMOUNT                                                                \
    "COALESCE((SELECT b.amount FROM pool_account_balances AS b "                           \
    "WHERE b.account_id = a.id AND b.token_type = $1 AND ($2 = '' OR b.script_hash = $2) " \
    "ORDER BY b.script_hash LIMIT 1), 0)"

#define ADYTON_UNLOCK "locked_by = NULL, locked_at = NULL, lock_id = NULL, lock_expires_at = NULL"

Result<Allocation> read_allocation(const Rows& rows, std::size_t row) {
    Allocation allocation;
    TRY(allocation.lock_id, rows.text(row, 0));
    TRY(allocation.service_id, rows.text(row, 1));
    TRY(allocation.purpose, rows.text(row, 2));
    TRY(allocation.created_at, rows.timestamp(row, 3));
    TRY(allocation.expires_at, rows.timestamp(row, 4));
    TRY(allocation.ttl_seconds, rows.integer(row, 5));
    TRY(allocation.released_at, rows.optional_timestamp(row, 6));
    return allocation;
}

// hi * 2^32 + lo, cut at the largest int64. Both parts are never negative as sums over all shards.
std::int64_t join_parts(std::int64_t hi, std::int64_t lo) {
    hi += lo >> 32;
    if (hi > std::numeric_limits<std::int64_t>::max() >> 32) {
        return std::numeric_limits<std::int64_t>::max();
    }
    return (hi << 32) + (lo & 0xffff'ffff);
}

Result<void> add_token_stats(const Rows& rows, api::PoolInfoResponse& info) {
    std::string previous;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        api::TokenStats stats;
        TRY(stats.token_type, rows.text(i, 0));
        TRY(stats.script_hash, rows.text(i, 1));
        std::int64_t parts[6] = {};
        for (std::size_t k = 0; k < 6; ++k) {
            TRY(parts[k], rows.integer(i, 2 + k));
        }
        stats.total_balance = join_parts(parts[0], parts[1]);
        stats.locked_balance = join_parts(parts[2], parts[3]);
        stats.available_balance = join_parts(parts[4], parts[5]);
        const bool plain = is_primary(
            token_defaults(stats.token_type), stats.script_hash, stats.token_type != previous);
        previous = stats.token_type;
        std::string key = stats.token_type;
        if (!plain) key += ":" + stats.script_hash;
        info.token_stats.emplace_back(std::move(key), std::move(stats));
    }
    for (const char* const type : {"GAS", "NEO"}) {
        const auto known = std::find_if(
            info.token_stats.begin(), info.token_stats.end(),
            [&](const auto& entry) { return entry.first == type; });
        if (known != info.token_stats.end()) continue;
        info.token_stats.emplace_back(
            type, api::TokenStats{type, token_defaults(type).script_hash, 0, 0, 0});
    }
    return {};
}

}  // namespace

Result<std::optional<SigningRecord>> find_for_signing(
    Transaction& tx, const std::string& id, const std::string& service) {
    TRY(Rows rows,
        tx.query(
            by_dialect(
                tx, "SELECT " ADYTON_SIGNING_COLUMNS " FROM pool_accounts AS a WHERE a.id = $1",
                "SELECT " ADYTON_SIGNING_COLUMNS
                " FROM pool_accounts AS a WHERE a.id = $1 FOR SHARE OF a"),
            {id, service}));
    if (rows.empty()) return std::optional<SigningRecord>();
    TRY(auto record, take_signing_record(rows, 0));
    return std::optional<SigningRecord>(std::move(record));
}

Result<std::optional<SigningRecord>> peek_for_signing(
    Transaction& tx, const std::string& id, const std::string& service) {
    TRY(Rows rows, tx.query(
                       "SELECT " ADYTON_SIGNING_COLUMNS " FROM pool_accounts AS a WHERE a.id = $1",
                       {id, service}));
    if (rows.empty()) return std::optional<SigningRecord>();
    TRY(auto record, take_signing_record(rows, 0));
    return std::optional<SigningRecord>(std::move(record));
}

Result<std::vector<SigningRecord>> find_all_for_signing(
    Transaction& tx, std::span<const std::string> ids, const std::string& service) {
    TRY(Rows rows, tx.query(
                       by_dialect(
                           tx,
                           "SELECT " ADYTON_SIGNING_COLUMNS
                           " FROM pool_accounts AS a WHERE a.id IN " ADYTON_IDS_SQLITE,
                           "SELECT " ADYTON_SIGNING_COLUMNS
                           " FROM pool_accounts AS a WHERE a.id IN " ADYTON_IDS_POSTGRES
                           " ORDER BY a.id FOR SHARE OF a"),
                       {base::json_array(ids), service}));
    std::vector<SigningRecord> records;
    records.reserve(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        TRY(auto record, take_signing_record(rows, i));
        records.push_back(std::move(record));
    }
    return records;
}

Result<std::optional<LockRecord>> find_lock(
    Transaction& tx, const std::string& id, const std::string& service) {
    TRY(Rows rows,
        tx.query(
            by_dialect(
                tx, "SELECT " ADYTON_SIGNING_COLUMNS " FROM pool_accounts AS a WHERE a.id = $1",
                "SELECT " ADYTON_SIGNING_COLUMNS
                " FROM pool_accounts AS a WHERE a.id = $1 FOR UPDATE OF a"),
            {id, service}));
    if (rows.empty()) return std::optional<LockRecord>();
    TRY(auto record, take_signing_record(rows, 0));
    return std::optional<LockRecord>(std::move(record.lock));
}

Result<std::vector<api::AccountInfo>> list_held(
    Transaction& tx, const std::string& service, const std::string& token,
    std::optional<std::int64_t> min_balance) {
    const bool filtered = !token.empty() && min_balance.has_value();
    TRY(const Rows rows,
        filtered ? tx.query(
                       "SELECT " ADYTON_INFO_COLUMNS
                       " FROM pool_accounts AS a WHERE a.locked_by = $3 AND a.lock_id IN "
                       "(SELECT l.lock_id FROM pool_allocations AS l "
                       "WHERE l.service_id = $3 AND l.released_at IS NULL) AND " ADYTON_SHOWN_AMOUNT
                       " >= $4 ORDER BY a.last_used_at, a.id",
                       {token, token_defaults(token).script_hash, service, *min_balance})
                 : tx.query(
                       "SELECT " ADYTON_INFO_COLUMNS
                       " FROM pool_accounts AS a WHERE a.locked_by = $1 AND a.lock_id IN "
                       "(SELECT l.lock_id FROM pool_allocations AS l "
                       "WHERE l.service_id = $1 AND l.released_at IS NULL) "
                       "ORDER BY a.last_used_at, a.id",
                       {service}));
    TRY(auto accounts, read_infos(rows));
    return with_balances(tx, std::move(accounts));
}

Result<std::vector<api::AccountInfo>> list_of_lock(Transaction& tx, const std::string& lock_id) {
    TRY(const Rows rows,
        tx.query(
            "SELECT " ADYTON_INFO_COLUMNS
            " FROM pool_accounts AS a WHERE a.lock_id = $1 ORDER BY a.last_used_at, a.id",
            {lock_id}));
    TRY(auto accounts, read_infos(rows));
    return with_balances(tx, std::move(accounts));
}

Result<std::vector<api::AccountInfo>> list_low_balance(
    Transaction& tx, const api::LowBalanceQuery& query) {
    TRY(const Rows rows,
        tx.query(
            "SELECT " ADYTON_INFO_COLUMNS
            " FROM pool_accounts AS a WHERE NOT a.is_retiring AND " ADYTON_SHOWN_AMOUNT
            " < $3 ORDER BY a.id LIMIT $4",
            {query.token, token_defaults(query.token).script_hash, query.max_balance,
             query.limit}));
    TRY(auto accounts, read_infos(rows));
    return with_balances(tx, std::move(accounts));
}

Result<PoolCounts> count(Transaction& tx) {
    TRY(const Rows rows, tx.query(
                             "SELECT CAST(SUM(active) AS BIGINT), CAST(SUM(locked) AS BIGINT), "
                             "CAST(SUM(retiring) AS BIGINT) FROM pool_stats",
                             {}));
    PoolCounts counts;
    TRY(counts.active, rows.integer(0, 0));
    TRY(counts.locked, rows.integer(0, 1));
    TRY(counts.retiring, rows.integer(0, 2));
    return counts;
}

Result<std::int64_t> count_held(Transaction& tx, const std::string& service) {
    TRY(const Rows rows, tx.query(
                             "SELECT COUNT(*) FROM pool_accounts AS a WHERE a.lock_id IN "
                             "(SELECT l.lock_id FROM pool_allocations AS l "
                             "WHERE l.service_id = $1 AND l.released_at IS NULL)",
                             {service}));
    return rows.integer(0, 0);
}

Result<api::PoolInfoResponse> pool_info(Transaction& tx) {
    api::PoolInfoResponse info;
    TRY(const PoolCounts counts, count(tx));
    info.total_accounts = counts.total();
    info.active_accounts = counts.active;
    info.locked_accounts = counts.locked;
    info.retiring_accounts = counts.retiring;
    TRY(const Rows rows,
        tx.query(
            by_dialect(
                tx,
                "SELECT token_type, script_hash, SUM(total_hi), SUM(total_lo), SUM(locked_hi), "
                "SUM(locked_lo), SUM(available_hi), SUM(available_lo) FROM pool_token_stats "
                "GROUP BY token_type, script_hash HAVING SUM(row_count) > 0 "
                "ORDER BY token_type, script_hash",
                "SELECT token_type, script_hash, SUM(total_hi), SUM(total_lo), SUM(locked_hi), "
                "SUM(locked_lo), SUM(available_hi), SUM(available_lo) FROM pool_token_stats "
                "GROUP BY token_type, script_hash HAVING SUM(row_count) > 0 "
                "ORDER BY token_type COLLATE \"C\", script_hash COLLATE \"C\""),
            {}));
    TRY_VOID(add_token_stats(rows, info));
    return info;
}

Result<std::int64_t> lock_free(Transaction& tx, const Allocation& allocation, std::int64_t count) {
    return tx.execute(
        by_dialect(
            tx,
            "WITH picked AS MATERIALIZED (SELECT a.id FROM pool_accounts AS a "
            "WHERE a.locked_by IS NULL AND NOT a.is_retiring AND a.unfinished_transfers = 0 "
            "AND NOT EXISTS (SELECT 1 FROM policy_freezes AS f WHERE f.scope = 'account' "
            "AND f.subject = a.id) ORDER BY a.last_used_at, a.id LIMIT $5) "
            "UPDATE pool_accounts SET locked_by = $1, locked_at = $2, lock_id = $3, "
            "lock_expires_at = $4, fencing = fencing + 1 WHERE id IN (SELECT id FROM picked)",
            "WITH picked AS MATERIALIZED (SELECT a.id FROM pool_accounts AS a "
            "WHERE a.locked_by IS NULL AND NOT a.is_retiring AND a.unfinished_transfers = 0 "
            "AND NOT EXISTS (SELECT 1 FROM policy_freezes AS f WHERE f.scope = 'account' "
            "AND f.subject = CAST(a.id AS text)) ORDER BY a.last_used_at, a.id LIMIT $5 "
            "FOR UPDATE OF a SKIP LOCKED) "
            "UPDATE pool_accounts SET locked_by = $1, locked_at = $2, lock_id = $3, "
            "lock_expires_at = $4, fencing = fencing + 1 WHERE id IN (SELECT id FROM picked)"),
        {allocation.service_id, allocation.created_at, allocation.lock_id, allocation.expires_at,
         count});
}

Result<void> insert_allocation(Transaction& tx, const Allocation& allocation) {
    TRY_VOID(tx.execute(
        "INSERT INTO pool_allocations "
        "(lock_id, service_id, purpose, created_at, expires_at, ttl_seconds) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        {allocation.lock_id, allocation.service_id, allocation.purpose, allocation.created_at,
         allocation.expires_at, allocation.ttl_seconds}));
    return {};
}

Result<std::optional<Allocation>> find_allocation(Transaction& tx, const std::string& lock_id) {
    TRY(const Rows rows,
        tx.query(
            by_dialect(
                tx,
                "SELECT lock_id, service_id, purpose, created_at, expires_at, ttl_seconds, "
                "released_at FROM pool_allocations WHERE lock_id = $1",
                "SELECT lock_id, service_id, purpose, created_at, expires_at, ttl_seconds, "
                "released_at FROM pool_allocations WHERE lock_id = $1 FOR UPDATE"),
            {lock_id}));
    if (rows.empty()) return std::optional<Allocation>();
    TRY(auto allocation, read_allocation(rows, 0));
    return std::optional<Allocation>(std::move(allocation));
}

Result<std::vector<api::AllocationInfo>> list_allocations(Transaction& tx, std::int64_t limit) {
    TRY(const Rows rows,
        tx.query(
            "SELECT l.lock_id, l.service_id, l.purpose, l.created_at, l.expires_at, "
            "l.ttl_seconds, (SELECT COUNT(*) FROM pool_accounts AS a WHERE a.lock_id = l.lock_id) "
            "FROM pool_allocations AS l WHERE l.released_at IS NULL "
            "ORDER BY l.expires_at, l.lock_id LIMIT $1",
            {limit}));
    std::vector<api::AllocationInfo> out;
    out.reserve(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        api::AllocationInfo info;
        TRY(info.lock_id, rows.text(i, 0));
        TRY(info.service_id, rows.text(i, 1));
        TRY(info.purpose, rows.text(i, 2));
        TRY(info.created_at, rows.timestamp(i, 3));
        TRY(info.expires_at, rows.timestamp(i, 4));
        TRY(info.ttl_seconds, rows.integer(i, 5));
        TRY(info.account_count, rows.integer(i, 6));
        out.push_back(std::move(info));
    }
    return out;
}

Result<std::vector<std::string>> release_lock(Transaction& tx, const std::string& lock_id) {
    TRY(const auto now, tx.now());
    TRY_VOID(tx.execute(
        "UPDATE pool_allocations SET released_at = $2 WHERE lock_id = $1 AND released_at IS NULL",
        {lock_id, now}));
    TRY(const Rows rows, tx.query(
                             "UPDATE pool_accounts SET " ADYTON_UNLOCK
                             ", last_used_at = $2 WHERE lock_id = $1 RETURNING id",
                             {lock_id, now}));
    return text_column(rows, 0);
}

Result<std::vector<std::string>> release_held(Transaction& tx, const std::string& service) {
    TRY(const auto now, tx.now());
    TRY(const Rows locks, tx.query(
                              "UPDATE pool_allocations SET released_at = $2 "
                              "WHERE service_id = $1 AND released_at IS NULL RETURNING lock_id",
                              {service, now}));
    TRY(const auto lock_ids, text_column(locks, 0));
    if (lock_ids.empty()) return std::vector<std::string>();
    TRY(const Rows rows,
        tx.query(
            by_dialect(
                tx,
                "UPDATE pool_accounts SET " ADYTON_UNLOCK
                ", last_used_at = $2 WHERE lock_id IN " ADYTON_IDS_SQLITE " RETURNING id",
                "UPDATE pool_accounts SET " ADYTON_UNLOCK
                ", last_used_at = $2 WHERE lock_id IN " ADYTON_IDS_POSTGRES " RETURNING id"),
            {base::json_array(lock_ids), now}));
    return text_column(rows, 0);
}

namespace {

// The locks of these accounts, each once. RETURNING shows a row after the update, when its lock is
// gone, so it is asked before; the rows are locked meanwhile.
Result<std::vector<std::string>> locks_of(
    Transaction& tx, const std::string& array, const std::string& service) {
    TRY(const Rows rows,
        tx.query(
            by_dialect(
                tx,
                "SELECT lock_id FROM pool_accounts WHERE id IN " ADYTON_IDS_SQLITE
                " AND locked_by = $2",
                "SELECT lock_id FROM pool_accounts WHERE id IN " ADYTON_IDS_POSTGRES
                " AND locked_by = $2 ORDER BY id FOR UPDATE"),
            {array, service}));
    TRY(auto locks, text_column(rows, 0));
    std::sort(locks.begin(), locks.end());
    locks.erase(std::unique(locks.begin(), locks.end()), locks.end());
    return locks;
}

Result<void> close_empty_allocations(
    Transaction& tx, std::span<const std::string> lock_ids, base::Timestamp now) {
    TRY_VOID(tx.execute(
        by_dialect(
            tx,
            "UPDATE pool_allocations SET released_at = $2 WHERE lock_id IN " ADYTON_IDS_SQLITE
            " AND released_at IS NULL AND NOT EXISTS (SELECT 1 FROM pool_accounts AS a "
            "WHERE a.lock_id = pool_allocations.lock_id)",
            "UPDATE pool_allocations SET released_at = $2 WHERE lock_id IN " ADYTON_IDS_POSTGRES
            " AND released_at IS NULL AND NOT EXISTS (SELECT 1 FROM pool_accounts AS a "
            "WHERE a.lock_id = pool_allocations.lock_id)"),
        {base::json_array(lock_ids), now}));
    return {};
}

}  // namespace

Result<std::vector<std::string>> release_ids(
    Transaction& tx, const std::string& service, std::span<const std::string> ids,
    const std::string& lock_id) {
    TRY(const auto now, tx.now());
    const std::string array = base::json_array(ids);
    TRY(auto lock_ids, locks_of(tx, array, service));
    if (!lock_id.empty()) {
        const bool held = std::find(lock_ids.begin(), lock_ids.end(), lock_id) != lock_ids.end();
        lock_ids.clear();
        if (held) lock_ids.push_back(lock_id);
    }
    if (lock_ids.empty()) return std::vector<std::string>();
    TRY(const Rows rows,
        tx.query(
            by_dialect(
                tx,
                "UPDATE pool_accounts SET " ADYTON_UNLOCK
                ", last_used_at = $2 WHERE id IN " ADYTON_IDS_SQLITE
                " AND locked_by = $3 AND lock_id IN (SELECT value FROM json_each($4)) "
                "RETURNING id",
                "UPDATE pool_accounts SET " ADYTON_UNLOCK
                ", last_used_at = $2 WHERE id IN " ADYTON_IDS_POSTGRES
                " AND locked_by = $3 AND lock_id IN (SELECT CAST(value AS uuid) "
                "FROM json_array_elements_text(CAST($4 AS json))) RETURNING id"),
            {array, now, service, base::json_array(lock_ids)}));
    TRY_VOID(close_empty_allocations(tx, lock_ids, now));
    return text_column(rows, 0);
}

Result<std::int64_t> extend_lock(
    Transaction& tx, const std::string& lock_id, base::Timestamp expires_at,
    std::int64_t ttl_seconds) {
    TRY_VOID(tx.execute(
        "UPDATE pool_allocations SET expires_at = $2, ttl_seconds = $3 WHERE lock_id = $1",
        {lock_id, expires_at, ttl_seconds}));
    return tx.execute(
        "UPDATE pool_accounts SET lock_expires_at = $2 WHERE lock_id = $1", {lock_id, expires_at});
}

Result<std::vector<ExpiredAllocation>> free_expired(Transaction& tx, std::int64_t limit) {
    TRY(const auto now, tx.now());
    TRY(const Rows rows,
        tx.query(
            by_dialect(
                tx,
                "SELECT lock_id, service_id, purpose, created_at, expires_at, ttl_seconds, "
                "released_at FROM pool_allocations WHERE released_at IS NULL "
                "AND expires_at <= $1 ORDER BY expires_at LIMIT $2",
                "SELECT lock_id, service_id, purpose, created_at, expires_at, ttl_seconds, "
                "released_at FROM pool_allocations WHERE released_at IS NULL "
                "AND expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED"),
            {now, limit}));
    std::vector<ExpiredAllocation> freed;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        ExpiredAllocation expired;
        TRY(expired.allocation, read_allocation(rows, i));
        TRY(expired.account_ids, release_lock(tx, expired.allocation.lock_id));
        freed.push_back(std::move(expired));
    }
    return freed;
}

Result<std::int64_t> remove_closed_allocations(
    Transaction& tx, base::Timestamp before, std::int64_t limit) {
    return tx.execute(
        "DELETE FROM pool_allocations WHERE lock_id IN (SELECT lock_id FROM pool_allocations "
        "WHERE released_at IS NOT NULL AND released_at < $1 ORDER BY released_at LIMIT $2)",
        {before, limit});
}

Result<void> serialize_creation(Transaction& tx) {
    return policy::serialize(tx, "pool", "accounts");
}

namespace {

Result<void> insert_sqlite(
    Transaction& tx, std::span<const NewAccount> accounts, base::Timestamp now) {
    for (const NewAccount& account : accounts) {
        const auto& print = account.fingerprint.bytes;
        TRY_VOID(tx.execute(
            "INSERT INTO pool_accounts (id, address, created_at, last_used_at, key_fingerprint) "
            "VALUES ($1, $2, $3, $3, $4)",
            {account.id, account.address, now, base::Bytes(print.begin(), print.end())}));
        TRY_VOID(tx.execute(
            "INSERT INTO pool_account_balances "
            "(account_id, token_type, script_hash, amount, decimals, updated_at) VALUES "
            "($1, 'GAS', $2, 0, 8, $4), ($1, 'NEO', $3, 0, 0, $4)",
            {account.id, std::string(neo::kGasScriptHashText), std::string(neo::kNeoScriptHashText),
             now}));
    }
    return {};
}

// Two statements, however many accounts: each round trip and each trigger counts.
Result<void> insert_postgres(
    Transaction& tx, std::span<const NewAccount> accounts, base::Timestamp now) {
    std::string array;
    base::JsonWriter writer(array);
    writer.begin_array();
    for (const NewAccount& account : accounts) {
        writer.begin_object();
        writer.member("id", std::string_view(account.id));
        writer.member("address", std::string_view(account.address));
        writer.member("print", std::string_view(base::hex_encode(account.fingerprint.bytes)));
        writer.end_object();
    }
    writer.end_array();
    TRY_VOID(tx.execute(
        "INSERT INTO pool_accounts (id, address, created_at, last_used_at, key_fingerprint) "
        "SELECT n.id, n.address, $2, $2, decode(n.print, 'hex') "
        "FROM json_to_recordset(CAST($1 AS json)) AS n(id uuid, address text, print text)",
        {array, now}));
    TRY_VOID(tx.execute(
        "INSERT INTO pool_account_balances "
        "(account_id, token_type, script_hash, amount, decimals, updated_at) "
        "SELECT n.id, t.token_type, t.script_hash, 0, t.decimals, $2 "
        "FROM json_to_recordset(CAST($1 AS json)) AS n(id uuid), "
        "(VALUES ('GAS', CAST($3 AS text), 8), ('NEO', CAST($4 AS text), 0)) "
        "AS t(token_type, script_hash, decimals)",
        {array, now, std::string(neo::kGasScriptHashText), std::string(neo::kNeoScriptHashText)}));
    return {};
}

// What the rotation lets go; $1 created before, $2 GAS limit, $3 the GAS contract. Any other token
// that is not zero keeps the account (A9).
#define ADYTON_ROTATABLE                                                                  \
    "a.locked_by IS NULL AND NOT a.is_retiring AND a.created_at < $1 "                    \
    "AND a.unfinished_transfers = 0 "                                                     \
    "AND NOT EXISTS (SELECT 1 FROM policy_freezes AS f WHERE f.scope = 'account' "        \
    "AND f.subject = CAST(a.id AS TEXT)) "                                                \
    "AND NOT EXISTS (SELECT 1 FROM pool_account_balances AS b WHERE b.account_id = a.id " \
    "AND b.amount > 0 AND NOT (b.token_type = 'GAS' AND b.script_hash = $3 AND b.amount < $2))"

}  // namespace

Result<void> insert(Transaction& tx, std::span<const NewAccount> accounts) {
    if (accounts.empty()) return {};
    TRY(const auto now, tx.now());
    return tx.dialect() == Dialect::Sqlite ? insert_sqlite(tx, accounts, now)
                                           : insert_postgres(tx, accounts, now);
}

Result<std::vector<std::string>> find_rotatable(
    Transaction& tx, const RotationRule& rule, std::int64_t limit) {
    TRY(const Rows rows,
        tx.query(
            "SELECT a.id FROM pool_accounts AS a WHERE " ADYTON_ROTATABLE
            " ORDER BY a.last_used_at, a.id LIMIT $4",
            {rule.created_before, rule.gas_max, std::string(neo::kGasScriptHashText), limit}));
    return text_column(rows, 0);
}

Result<std::vector<std::string>> retire(
    Transaction& tx, const RotationRule& rule, std::span<const std::string> ids) {
    TRY(const Rows rows,
        tx.query(
            by_dialect(
                tx,
                "UPDATE pool_accounts AS a SET is_retiring = true WHERE " ADYTON_ROTATABLE
                " AND a.id IN (SELECT value FROM json_each($4)) RETURNING id",
                "UPDATE pool_accounts AS a SET is_retiring = true WHERE " ADYTON_ROTATABLE
                " AND a.id IN (SELECT CAST(value AS uuid) "
                "FROM json_array_elements_text(CAST($4 AS json))) RETURNING id"),
            {rule.created_before, rule.gas_max, std::string(neo::kGasScriptHashText),
             base::json_array(ids)}));
    return text_column(rows, 0);
}

Result<std::optional<BalanceRow>> find_balance(
    Transaction& tx, const BalanceKey& key, bool any_contract) {
    TRY(const Rows rows,
        any_contract ? tx.query(
                           "SELECT script_hash, amount, decimals FROM pool_account_balances "
                           "WHERE account_id = $1 AND token_type = $2 ORDER BY script_hash LIMIT 1",
                           {key.account_id, key.token_type})
                     : tx.query(
                           "SELECT script_hash, amount, decimals FROM pool_account_balances "
                           "WHERE account_id = $1 AND token_type = $2 AND script_hash = $3",
                           {key.account_id, key.token_type, key.script_hash}));
    if (rows.empty()) return std::optional<BalanceRow>();
    BalanceRow row;
    TRY(row.script_hash, rows.text(0, 0));
    TRY(row.amount, rows.integer(0, 1));
    TRY(row.decimals, rows.integer(0, 2));
    return std::optional<BalanceRow>(std::move(row));
}

Result<void> write_balance(
    Transaction& tx, const BalanceKey& key, std::int64_t amount, std::int64_t decimals) {
    TRY(const auto now, tx.now());
    TRY_VOID(tx.execute(
        "INSERT INTO pool_account_balances "
        "(account_id, token_type, script_hash, amount, decimals, updated_at) "
        "VALUES ($1, $2, $3, $4, $5, $6) "
        "ON CONFLICT (account_id, token_type, script_hash) "
        "DO UPDATE SET amount = excluded.amount, updated_at = excluded.updated_at",
        {key.account_id, key.token_type, key.script_hash, amount, decimals, now}));
    return {};
}

Result<std::int64_t> count_use(Transaction& tx, const std::string& id) {
    TRY(const auto now, tx.now());
    TRY(const Rows rows,
        tx.query(
            "UPDATE pool_accounts SET tx_count = tx_count + 1, last_used_at = $2 WHERE id = $1 "
            "RETURNING tx_count",
            {id, now}));
    return rows.integer(0, 0);
}

Result<std::vector<KeyRecord>> find_unverified(
    Transaction& tx, const std::string& after, std::int64_t limit) {
    TRY(const Rows rows, tx.query(
                             "SELECT id, address, encrypted_wif FROM pool_accounts "
                             "WHERE key_fingerprint IS NULL AND id > $1 ORDER BY id LIMIT $2",
                             {after, limit}));
    std::vector<KeyRecord> records;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        KeyRecord record;
        TRY(record.id, rows.text(i, 0));
        TRY(record.address, rows.text(i, 1));
        TRY(record.encrypted_wif, rows.optional_text(i, 2));
        records.push_back(std::move(record));
    }
    return records;
}

Result<void> set_fingerprint(
    Transaction& tx, const KeyRecord& key, const neo::AccountFingerprint& fingerprint) {
    TRY_VOID(tx.execute(
        "UPDATE pool_accounts SET key_fingerprint = $3 "
        "WHERE id = $1 AND address = $2 AND key_fingerprint IS NULL",
        {key.id, key.address, base::Bytes(fingerprint.bytes.begin(), fingerprint.bytes.end())}));
    return {};
}

Result<std::optional<std::string>> find_meta(Transaction& tx, const std::string& key) {
    TRY(const Rows rows, tx.query("SELECT value FROM pool_meta WHERE key = $1", {key}));
    if (rows.empty()) return std::optional<std::string>();
    TRY(auto value, rows.text(0, 0));
    return std::optional<std::string>(std::move(value));
}

Result<void> write_meta(Transaction& tx, const std::string& key, const std::string& value) {
    TRY_VOID(tx.execute(
        "INSERT INTO pool_meta (key, value) VALUES ($1, $2) "
        "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        {key, value}));
    return {};
}

}  // namespace accounts
}  // namespace adyton::pool
