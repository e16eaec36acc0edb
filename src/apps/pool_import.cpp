#include "apps/pool_import.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "base/json.h"
#include "crypto/uuid.h"
#include "neo/token.h"
#include "pool/account_repository.h"

namespace adyton::apps {
namespace {

using base::Json;
using storage::Transaction;

constexpr std::size_t kPortion = 500;
constexpr std::string_view kFirstUuid = "00000000-0000-0000-0000-000000000000";

// One row of an export, with its number for messages.
class Row {
public:
    Row(const Json& json, std::size_t number) : json_(json), number_(number) {}

    Error wrong(std::string_view column, std::string_view what) const {
        return Error::invalid_argument(fmt::format("row {}: {} {}", number_, column, what));
    }
    // Null when absent or null.
    const Json* find(std::string_view column) const {
        const Json* const found = json_.find(column);
        return found == nullptr || found->is_null() ? nullptr : found;
    }
    Result<std::string> text(std::string_view column) const {
        const Json* const found = find(column);
        if (found == nullptr || !found->is_string()) return wrong(column, "is missing or no text");
        return found->string_value();
    }
    Result<std::string> text_or(std::string_view column, std::string fallback) const {
        if (find(column) == nullptr) return fallback;
        return text(column);
    }
    Result<std::int64_t> integer_or(std::string_view column, std::int64_t fallback) const {
        const Json* const found = find(column);
        if (found == nullptr) return fallback;
        const auto number = found->as_int64();
        if (!number) return wrong(column, "is no integer");
        return *number;
    }
    Result<base::Timestamp> time(std::string_view column) const {
        TRY(std::string value, text(column));
        // PostgreSQL writes no zone for "timestamp" columns; the original kept UTC in them.
        if (value.size() > 10 && value.find_first_of("Z+-", 11) == std::string::npos) value += 'Z';
        const auto time = base::parse_rfc3339(value);
        if (!time) return wrong(column, "is no time");
        return *time;
    }
    Result<std::string> uuid(std::string_view column) const {
        TRY(const std::string value, text(column));
        auto id = crypto::canonical_uuid(value);
        if (!id) return wrong(column, "is no UUID");
        return id;
    }

private:
    const Json& json_;
    std::size_t number_;
};

Result<Json> parse_row(std::string_view line, std::size_t number) {
    auto json = Json::parse(line);
    if (!json || !json->is_object()) {
        return Error::invalid_argument(fmt::format("row {}: not a JSON object", number));
    }
    return json;
}

Result<std::vector<Json>> parse_rows(std::string_view text) {
    const std::size_t start = text.find_first_not_of(" \t\r\n");
    std::vector<Json> rows;
    if (start == std::string_view::npos) return rows;
    if (text[start] == '[') {
        auto json = Json::parse(text);
        if (!json) return Error::invalid_argument("the file is not a JSON array");
        return json->items();
    }
    for (std::size_t at = start; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        const std::string_view line = text.substr(at, end - at);
        at = end + 1;
        if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
        TRY(auto row, parse_row(line, rows.size() + 1));
        rows.push_back(std::move(row));
    }
    return rows;
}

Result<ImportedAccount> parse_account(const Row& row) {
    ImportedAccount account;
    TRY(account.id, row.uuid("id"));
    TRY(account.address, row.text("address"));
    TRY(account.created_at, row.time("created_at"));
    account.last_used_at = account.created_at;
    if (row.find("last_used_at") != nullptr) {
        TRY(account.last_used_at, row.time("last_used_at"));
    }
    TRY(account.tx_count, row.integer_or("tx_count", 0));
    if (account.tx_count < 0) return row.wrong("tx_count", "is negative");
    if (const Json* const retiring = row.find("is_retiring"); retiring != nullptr) {
        if (!retiring->is_boolean()) return row.wrong("is_retiring", "is neither true nor false");
        account.is_retiring = retiring->boolean_value();
    }
    TRY(const std::string wif, row.text_or("encrypted_wif", {}));
    if (!wif.empty()) account.encrypted_wif = wif;
    TRY(account.locked_by, row.text_or("locked_by", {}));
    return account;
}

Result<ImportedBalance> parse_balance(const Row& row) {
    ImportedBalance balance;
    TRY(balance.account_id, row.uuid("account_id"));
    TRY(balance.token_type, row.text("token_type"));
    TRY(balance.script_hash, row.text_or("script_hash", {}));
    TRY(balance.amount, row.integer_or("amount", 0));
    if (balance.amount < 0) return row.wrong("amount", "is negative");
    TRY(balance.decimals, row.integer_or("decimals", 8));
    return balance;
}

pool::KeyRecord key_record(const ImportedAccount& account) {
    pool::KeyRecord record;
    record.id = account.id;
    record.address = account.address;
    record.encrypted_wif = account.encrypted_wif;
    return record;
}

using Fingerprints = std::vector<neo::AccountFingerprint>;
using Locks = std::map<std::string, std::string>;  // locker to lock id

// What one unit of work imports; borrowed.
struct Portion {
    std::span<const ImportedAccount> accounts;
    std::span<const neo::AccountFingerprint> fingerprints;
    const std::multimap<std::string, const ImportedBalance*>& balances;
    const Locks& locks;
    base::Duration lock_ttl;
};

struct PortionCounts {
    std::int64_t accounts = 0;
    std::int64_t balances = 0;
};

Result<void> insert_allocations(Transaction& tx, const Portion& portion) {
    TRY(const base::Timestamp now, tx.now());
    const auto ttl = std::chrono::duration_cast<std::chrono::seconds>(portion.lock_ttl);
    std::set<std::string> lockers;
    for (const ImportedAccount& account : portion.accounts) {
        if (!account.locked_by.empty()) lockers.insert(account.locked_by);
    }
    for (const std::string& locker : lockers) {
        TRY_VOID(tx.execute(
            "INSERT INTO pool_allocations "
            "(lock_id, service_id, purpose, created_at, expires_at, ttl_seconds) "
            "VALUES ($1, $2, 'imported', $3, $4, $5) ON CONFLICT (lock_id) DO NOTHING",
            {portion.locks.at(locker), locker, now, base::Timestamp(now + ttl), ttl.count()}));
    }
    return {};
}

Result<bool> insert_account(
    Transaction& tx, const ImportedAccount& account, const neo::AccountFingerprint& fingerprint,
    const Portion& portion) {
    TRY(const base::Timestamp now, tx.now());
    storage::Value locked_by;
    storage::Value locked_at;
    storage::Value lock_id;
    storage::Value expires_at;
    if (!account.locked_by.empty()) {
        locked_by = account.locked_by;
        locked_at = now;
        lock_id = portion.locks.at(account.locked_by);
        expires_at = base::Timestamp(
            now + std::chrono::duration_cast<std::chrono::seconds>(portion.lock_ttl));
    }
    storage::Value wif;
    if (account.encrypted_wif.has_value()) wif = *account.encrypted_wif;
    TRY(const std::int64_t rows,
        tx.execute(
            "INSERT INTO pool_accounts (id, address, created_at, last_used_at, tx_count, "
            "is_retiring, encrypted_wif, key_fingerprint, locked_by, locked_at, lock_id, "
            "lock_expires_at, fencing) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) "
            "ON CONFLICT (id) DO NOTHING",
            {account.id, account.address, account.created_at, account.last_used_at,
             account.tx_count, account.is_retiring, wif,
             base::Bytes(fingerprint.bytes.begin(), fingerprint.bytes.end()), locked_by, locked_at,
             lock_id, expires_at, std::int64_t{account.locked_by.empty() ? 0 : 1}}));
    return rows == 1;
}

Result<std::int64_t> insert_balances(
    Transaction& tx, const ImportedAccount& account, const Portion& portion) {
    TRY(const base::Timestamp now, tx.now());
    std::int64_t count = 0;
    const auto [begin, end] = portion.balances.equal_range(account.id);
    for (auto at = begin; at != end; ++at) {
        const ImportedBalance& balance = *at->second;
        const std::string script_hash = balance.script_hash.empty()
                                            ? pool::token_defaults(balance.token_type).script_hash
                                            : balance.script_hash;
        TRY_VOID(tx.execute(
            "INSERT INTO pool_account_balances "
            "(account_id, token_type, script_hash, amount, decimals, updated_at) "
            "VALUES ($1, $2, $3, $4, $5, $6)",
            {account.id, balance.token_type, script_hash, balance.amount, balance.decimals, now}));
        ++count;
    }
    return count;
}

Result<PortionCounts> insert_portion(
    Transaction& tx, audit::AuditLog& audit, const Portion& portion) {
    PortionCounts counts;
    TRY_VOID(pool::accounts::serialize_creation(tx));
    TRY_VOID(insert_allocations(tx, portion));
    Json ids = Json::array();
    for (std::size_t i = 0; i < portion.accounts.size(); ++i) {
        const ImportedAccount& account = portion.accounts[i];
        TRY(const bool inserted, insert_account(tx, account, portion.fingerprints[i], portion));
        if (!inserted) continue;
        TRY(const std::int64_t balances, insert_balances(tx, account, portion));
        ++counts.accounts;
        counts.balances += balances;
        ids.push_back(Json::string(account.id));
    }
    if (counts.accounts == 0) return counts;
    const std::string body = Json::object().set("accounts", std::move(ids)).dump();
    TRY_VOID(audit.append(tx, {"pool.import", "system:import", body}));
    return counts;
}

// Where it may take long: a third of a millisecond an account would be much, it is a tenth.
struct Proof {
    Fingerprints fingerprints;
    std::vector<std::string> foreign;
};

Proof prove_portion(const pool::Signer& signer, std::span<const ImportedAccount> accounts) {
    Proof proof;
    for (const ImportedAccount& account : accounts) {
        const auto print = signer.verify_address(key_record(account));
        if (!print) proof.foreign.push_back(account.id);
        proof.fingerprints.push_back(print ? *print : neo::AccountFingerprint{});
    }
    return proof;
}

Task<Proof> prove(const Import& import, const std::vector<ImportedAccount>& accounts) {
    Proof all;
    for (std::size_t at = 0; at < accounts.size(); at += kPortion) {
        const auto portion =
            std::span(accounts).subspan(at, std::min(kPortion, accounts.size() - at));
        const pool::Signer& signer = import.signer;
        auto work = [&signer, portion] { return prove_portion(signer, portion); };
        auto blocking = base::run_blocking(*base::Executor::current(), std::move(work));
        Proof part = co_await std::move(blocking);
        all.fingerprints.insert(
            all.fingerprints.end(), part.fingerprints.begin(), part.fingerprints.end());
        all.foreign.insert(all.foreign.end(), part.foreign.begin(), part.foreign.end());
        import.progress("keys proven", at + portion.size(), accounts.size());
    }
    co_return all;
}

}  // namespace

Result<std::vector<ImportedAccount>> parse_account_rows(std::string_view text) {
    TRY(const auto rows, parse_rows(text));
    std::vector<ImportedAccount> accounts;
    std::set<std::string> ids;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const Row row(rows[i], i + 1);
        TRY(auto account, parse_account(row));
        if (!ids.insert(account.id).second) return row.wrong("id", "stands twice");
        accounts.push_back(std::move(account));
    }
    return accounts;
}

Result<std::vector<ImportedBalance>> parse_balance_rows(std::string_view text) {
    TRY(const auto rows, parse_rows(text));
    std::vector<ImportedBalance> balances;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        TRY(auto balance, parse_balance(Row(rows[i], i + 1)));
        balances.push_back(std::move(balance));
    }
    return balances;
}

Task<Result<ImportReport>> import_accounts(
    Import import, std::vector<ImportedAccount> accounts, std::vector<ImportedBalance> balances) {
    ImportReport report;
    report.accounts = static_cast<std::int64_t>(accounts.size());
    Task<Proof> proving = prove(import, accounts);
    Proof proof = co_await std::move(proving);
    if (!proof.foreign.empty()) {
        report.foreign = std::move(proof.foreign);
        co_return report;
    }
    report.verified = report.accounts;
    std::multimap<std::string, const ImportedBalance*> by_account;
    for (const ImportedBalance& balance : balances)
        by_account.emplace(balance.account_id, &balance);
    Locks locks;
    for (const ImportedAccount& account : accounts) {
        if (account.locked_by.empty() || locks.contains(account.locked_by)) continue;
        locks.emplace(account.locked_by, crypto::uuid_v4(import.random));
    }
    for (std::size_t at = 0; at < accounts.size(); at += kPortion) {
        const std::size_t size = std::min(kPortion, accounts.size() - at);
        const Portion portion{
            std::span(accounts).subspan(at, size), std::span(proof.fingerprints).subspan(at, size),
            by_account, locks, import.lock_ttl};
        auto unit = [&](Transaction& tx) { return insert_portion(tx, import.audit, portion); };
        auto write = import.database.write(std::move(unit));
        CO_TRY(const PortionCounts counts, co_await std::move(write));
        report.imported += counts.accounts;
        report.balances += counts.balances;
        import.progress("accounts imported", at + size, accounts.size());
    }
    co_return report;
}

Task<Result<ImportReport>> verify_adopted(Import import) {
    ImportReport report;
    std::string after(kFirstUuid);
    while (true) {
        auto look = [&](Transaction& tx) {
            return pool::accounts::find_unverified(tx, after, static_cast<std::int64_t>(kPortion));
        };
        auto read = import.database.read(std::move(look));
        CO_TRY(const std::vector<pool::KeyRecord> keys, co_await std::move(read));
        if (keys.empty()) break;
        after = keys.back().id;
        auto unit = [&](Transaction& tx) -> Result<std::vector<std::string>> {
            std::vector<std::string> foreign;
            for (const pool::KeyRecord& key : keys) {
                const auto print = import.signer.verify_address(key);
                if (!print) {
                    foreign.push_back(key.id);
                    continue;
                }
                TRY_VOID(pool::accounts::set_fingerprint(tx, key, *print));
            }
            return foreign;
        };
        auto write = import.database.write(std::move(unit));
        CO_TRY(const std::vector<std::string> foreign, co_await std::move(write));
        report.accounts += static_cast<std::int64_t>(keys.size());
        report.verified += static_cast<std::int64_t>(keys.size() - foreign.size());
        report.foreign.insert(report.foreign.end(), foreign.begin(), foreign.end());
        import.progress(
            "keys proven", static_cast<std::uint64_t>(report.accounts),
            static_cast<std::uint64_t>(report.accounts));
    }
    co_return report;
}

}  // namespace adyton::apps
