#include "pool/chain_balances.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/json_array.h"
#include "neo/address.h"

namespace adyton::pool::chain_balances {
namespace {

using storage::Dialect;
using storage::Rows;
using storage::Transaction;

std::string_view by_dialect(
    const Transaction& tx, std::string_view sqlite, std::string_view postgres) {
    return tx.dialect() == Dialect::Sqlite ? sqlite : postgres;
}

Result<std::optional<neo::AccountFingerprint>> read_fingerprint(
    const Rows& rows, std::size_t row, std::size_t column) {
    std::optional<neo::AccountFingerprint> out;
    if (rows.is_null(row, column)) return out;
    TRY(const base::Bytes bytes, rows.bytes(row, column));
    out.emplace();
    if (bytes.size() != out->bytes.size()) {
        return Error::corrupt_data("an account's key fingerprint has another length");
    }
    std::copy(bytes.begin(), bytes.end(), out->bytes.begin());
    return out;
}

Result<Drift> read_drift(const Rows& rows, std::size_t row) {
    Drift out;
    TRY(out.key.account_id, rows.text(row, 0));
    TRY(out.key.token_type, rows.text(row, 1));
    TRY(out.key.script_hash, rows.text(row, 2));
    TRY(out.tracked, rows.integer(row, 3));
    TRY(const std::string amount, rows.text(row, 4));
    TRY(out.on_chain, base::Amount::parse(amount));
    TRY(const std::int64_t height, rows.integer(row, 5));
    out.height = static_cast<std::uint32_t>(height);
    TRY(out.seen, rows.integer(row, 6));
    return out;
}

// An account has no tracked balance of what another one of the pool sent it.
Result<void> add_received_tokens(Transaction& tx, std::vector<RetiringAccount>& accounts) {
    std::vector<std::string> hashes;
    std::map<std::string, RetiringAccount*> by_hash;
    for (RetiringAccount& account : accounts) {
        const auto address = neo::Address::parse(account.address);
        if (!address) continue;  // of no chain
        hashes.push_back(address->script_hash().to_string());
        by_hash.emplace(hashes.back(), &account);
    }
    if (by_hash.empty()) return {};
    TRY(const Rows rows,
        tx.query(
            by_dialect(
                tx,
                "SELECT DISTINCT to_hash, token FROM pool_transfers WHERE status = 'confirmed' "
                "AND to_hash IN (SELECT value FROM json_each($1))",
                "SELECT DISTINCT to_hash, token FROM pool_transfers WHERE status = 'confirmed' "
                "AND to_hash IN (SELECT value FROM json_array_elements_text(CAST($1 AS json)))"),
            {base::json_array(hashes)}));
    for (std::size_t i = 0; i < rows.size(); ++i) {
        TRY(const std::string hash, rows.text(i, 0));
        TRY(auto token, rows.text(i, 1));
        by_hash.at(hash)->script_hashes.push_back(std::move(token));
    }
    return {};
}

// What lets a retiring account go: nobody holds it, nothing of it is under way, it is not frozen.
#define ADYTON_FREE_RETIRING_SQLITE                                                \
    "a.is_retiring AND a.locked_by IS NULL AND a.unfinished_transfers = 0 "        \
    "AND NOT EXISTS (SELECT 1 FROM policy_freezes AS f WHERE f.scope = 'account' " \
    "AND f.subject = a.id)"
#define ADYTON_FREE_RETIRING_POSTGRES                                              \
    "a.is_retiring AND a.locked_by IS NULL AND a.unfinished_transfers = 0 "        \
    "AND NOT EXISTS (SELECT 1 FROM policy_freezes AS f WHERE f.scope = 'account' " \
    "AND f.subject = CAST(a.id AS text))"

}  // namespace

Result<std::vector<TrackedBalance>> list_tracked(
    Transaction& tx, const BalanceKey& after, std::int64_t limit) {
    TRY(const Rows rows,
        tx.query(
            by_dialect(
                tx,
                "SELECT b.account_id, b.token_type, b.script_hash, a.address, b.amount, "
                "b.decimals, "
                "COALESCE(d.seen, 0) FROM pool_account_balances AS b "
                "JOIN pool_accounts AS a ON a.id = b.account_id "
                "LEFT JOIN pool_balance_drifts AS d ON d.account_id = b.account_id "
                "AND d.token_type = b.token_type AND d.script_hash = b.script_hash "
                "WHERE (b.account_id, b.token_type, b.script_hash) > ($1, $2, $3) "
                "AND a.unfinished_transfers = 0 AND b.script_hash <> '' "
                "ORDER BY b.account_id, b.token_type, b.script_hash LIMIT $4",
                "SELECT b.account_id, b.token_type, b.script_hash, a.address, b.amount, "
                "b.decimals, "
                "COALESCE(d.seen, 0) FROM pool_account_balances AS b "
                "JOIN pool_accounts AS a ON a.id = b.account_id "
                "LEFT JOIN pool_balance_drifts AS d ON d.account_id = b.account_id "
                "AND d.token_type = b.token_type AND d.script_hash = b.script_hash "
                "WHERE (b.account_id, b.token_type, b.script_hash) > (CAST($1 AS uuid), $2, $3) "
                "AND a.unfinished_transfers = 0 AND b.script_hash <> '' "
                "ORDER BY b.account_id, b.token_type, b.script_hash LIMIT $4"),
            {after.account_id, after.token_type, after.script_hash, limit}));
    std::vector<TrackedBalance> out;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        TrackedBalance one;
        TRY(one.key.account_id, rows.text(i, 0));
        TRY(one.key.token_type, rows.text(i, 1));
        TRY(one.key.script_hash, rows.text(i, 2));
        TRY(one.address, rows.text(i, 3));
        TRY(one.amount, rows.integer(i, 4));
        TRY(one.decimals, rows.integer(i, 5));
        TRY(one.drift_seen, rows.integer(i, 6));
        out.push_back(std::move(one));
    }
    return out;
}

Result<bool> is_unmoved(Transaction& tx, const TrackedBalance& tracked) {
    TRY(const Rows rows,
        tx.query(
            by_dialect(
                tx, "SELECT unfinished_transfers FROM pool_accounts WHERE id = $1",
                "SELECT unfinished_transfers FROM pool_accounts WHERE id = $1 FOR UPDATE"),
            {tracked.key.account_id}));
    if (rows.empty()) return false;
    TRY(const std::int64_t unfinished, rows.integer(0, 0));
    if (unfinished != 0) return false;
    TRY(const auto now, accounts::find_balance(tx, tracked.key, false));
    return now && now->amount == tracked.amount;
}

Result<std::optional<Drift>> find_drift(Transaction& tx, const BalanceKey& key) {
    TRY(const Rows rows,
        tx.query(
            "SELECT account_id, token_type, script_hash, tracked, on_chain, height, seen "
            "FROM pool_balance_drifts "
            "WHERE account_id = $1 AND token_type = $2 AND script_hash = $3",
            {key.account_id, key.token_type, key.script_hash}));
    if (rows.empty()) return std::optional<Drift>();
    TRY(Drift out, read_drift(rows, 0));
    return std::optional<Drift>(std::move(out));
}

Result<std::vector<Drift>> list_drifts(Transaction& tx, std::int64_t limit) {
    TRY(const Rows rows,
        tx.query(
            "SELECT account_id, token_type, script_hash, tracked, on_chain, height, seen "
            "FROM pool_balance_drifts WHERE seen >= $1 "
            "ORDER BY account_id, token_type, script_hash LIMIT $2",
            {kDriftReadings, limit}));
    std::vector<Drift> out;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        TRY(Drift one, read_drift(rows, i));
        out.push_back(std::move(one));
    }
    return out;
}

Result<void> put_drift(Transaction& tx, const Drift& drift) {
    TRY(const auto now, tx.now());
    TRY_VOID(tx.execute(
        "INSERT INTO pool_balance_drifts "
        "(account_id, token_type, script_hash, tracked, on_chain, height, seen, checked_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) "
        "ON CONFLICT (account_id, token_type, script_hash) DO UPDATE SET "
        "tracked = excluded.tracked, on_chain = excluded.on_chain, height = excluded.height, "
        "seen = excluded.seen, checked_at = excluded.checked_at",
        {drift.key.account_id, drift.key.token_type, drift.key.script_hash, drift.tracked,
         drift.on_chain.to_string(), std::int64_t{drift.height}, drift.seen, now}));
    return {};
}

Result<bool> forget_drift(Transaction& tx, const BalanceKey& key) {
    TRY(const std::int64_t gone,
        tx.execute(
            "DELETE FROM pool_balance_drifts "
            "WHERE account_id = $1 AND token_type = $2 AND script_hash = $3",
            {key.account_id, key.token_type, key.script_hash}));
    return gone > 0;
}

Result<std::int64_t> count_drifts(Transaction& tx) {
    TRY(const Rows rows,
        tx.query("SELECT COUNT(*) FROM pool_balance_drifts WHERE seen >= $1", {kDriftReadings}));
    return rows.integer(0, 0);
}

Result<std::vector<RetiringAccount>> list_retiring(
    Transaction& tx, const std::string& after, std::int64_t limit) {
    TRY(const Rows rows,
        tx.query(
            by_dialect(
                tx,
                "SELECT a.id, a.address, a.key_fingerprint, a.encrypted_wif "
                "FROM pool_accounts AS a WHERE a.id > $1 AND " ADYTON_FREE_RETIRING_SQLITE
                " ORDER BY a.id LIMIT $2",
                "SELECT a.id, a.address, a.key_fingerprint, a.encrypted_wif "
                "FROM pool_accounts AS a WHERE a.id > CAST($1 AS uuid) "
                "AND " ADYTON_FREE_RETIRING_POSTGRES " ORDER BY a.id LIMIT $2"),
            {after, limit}));
    std::vector<RetiringAccount> out;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        RetiringAccount one;
        TRY(one.key.id, rows.text(i, 0));
        TRY(one.address, rows.text(i, 1));
        one.key.address = one.address;
        TRY(one.key.fingerprint, read_fingerprint(rows, i, 2));
        TRY(one.key.encrypted_wif, rows.optional_text(i, 3));
        TRY(const Rows tokens, tx.query(
                                   "SELECT DISTINCT script_hash FROM pool_account_balances "
                                   "WHERE account_id = $1 AND script_hash <> '' "
                                   "ORDER BY script_hash",
                                   {one.key.id}));
        for (std::size_t k = 0; k < tokens.size(); ++k) {
            TRY(auto hash, tokens.text(k, 0));
            one.script_hashes.push_back(std::move(hash));
        }
        out.push_back(std::move(one));
    }
    TRY_VOID(add_received_tokens(tx, out));
    return out;
}

Result<bool> delete_retired(Transaction& tx, const std::string& id) {
    TRY(const auto now, tx.now());
    TRY(const std::int64_t archived,
        tx.execute(
            by_dialect(
                tx,
                "INSERT INTO pool_retired_accounts SELECT a.id, a.address, a.created_at, "
                "a.last_used_at, $2, a.tx_count, a.encrypted_wif, a.key_fingerprint "
                "FROM pool_accounts AS a WHERE a.id = $1 AND " ADYTON_FREE_RETIRING_SQLITE
                " AND NOT EXISTS (SELECT 1 FROM pool_account_balances AS b "
                "WHERE b.account_id = a.id AND b.amount > 0)",
                "INSERT INTO pool_retired_accounts SELECT a.id, a.address, a.created_at, "
                "a.last_used_at, $2, a.tx_count, a.encrypted_wif, a.key_fingerprint "
                "FROM pool_accounts AS a WHERE a.id = $1 AND " ADYTON_FREE_RETIRING_POSTGRES
                " AND NOT EXISTS (SELECT 1 FROM pool_account_balances AS b "
                "WHERE b.account_id = a.id AND b.amount > 0) FOR UPDATE OF a"),
            {id, now}));
    if (archived == 0) return false;
    TRY_VOID(tx.execute("DELETE FROM pool_balance_drifts WHERE account_id = $1", {id}));
    TRY_VOID(tx.execute("DELETE FROM pool_accounts WHERE id = $1", {id}));
    return true;
}

Result<bool> lock_retiring(Transaction& tx, const Allocation& allocation, const std::string& id) {
    TRY(const std::int64_t locked,
        tx.execute(
            by_dialect(
                tx,
                "UPDATE pool_accounts AS a SET locked_by = $1, locked_at = $2, lock_id = $3, "
                "lock_expires_at = $4, fencing = fencing + 1 WHERE a.id = $5 "
                "AND " ADYTON_FREE_RETIRING_SQLITE,
                "UPDATE pool_accounts AS a SET locked_by = $1, locked_at = $2, lock_id = $3, "
                "lock_expires_at = $4, fencing = fencing + 1 WHERE a.id = $5 "
                "AND " ADYTON_FREE_RETIRING_POSTGRES),
            {allocation.service_id, allocation.created_at, allocation.lock_id,
             allocation.expires_at, id}));
    if (locked == 0) return false;
    TRY_VOID(accounts::insert_allocation(tx, allocation));
    return true;
}

}  // namespace adyton::pool::chain_balances
