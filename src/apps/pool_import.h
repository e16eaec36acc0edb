#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/audit_log.h"
#include "base/random.h"
#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "pool/signer.h"
#include "storage/database.h"

namespace adyton::apps {

// Rows of the original service's tables (services.md 5.2), as PostgreSQL's row_to_json or Supabase
// write them.
struct ImportedBalance {
    std::string account_id;
    std::string token_type;
    std::string script_hash;
    std::int64_t amount = 0;
    std::int64_t decimals = 8;
};
struct ImportedAccount {
    std::string id;  // canonical
    std::string address;
    base::Timestamp created_at;
    base::Timestamp last_used_at;
    std::int64_t tx_count = 0;
    bool is_retiring = false;
    std::optional<std::string> encrypted_wif;
    std::string locked_by;  // empty: free
};

// A JSON array of rows, or one row a line. Columns that are not needed are passed over.
// InvalidArgument names the row, counted from 1: not JSON, a column missing or of another type, an
// id that is no UUID (any case; the stored one is lower), twice the same id.
Result<std::vector<ImportedAccount>> parse_account_rows(std::string_view text);
Result<std::vector<ImportedBalance>> parse_balance_rows(std::string_view text);

struct ImportReport {
    std::int64_t accounts = 0;         // in the files
    std::int64_t imported = 0;         // now; the others were there already
    std::int64_t balances = 0;         // imported now
    std::int64_t verified = 0;         // keys proven to be the accounts' by this run
    std::vector<std::string> foreign;  // ids whose address this master key does not give
};

// Takes accounts over. All references must outlive the task.
struct Import {
    storage::Database& database;
    audit::AuditLog& audit;
    const pool::Signer& signer;
    base::RandomSource& random;
    base::Duration lock_ttl;  // of locks that are taken over, from now
    std::function<void(std::string_view what, std::uint64_t done, std::uint64_t total)> progress;
};

// First proves each row's key against its address; if one fails nothing is written and `foreign`
// lists them. Then inserts in portions, each one unit of work with its audit record. Accounts that
// are there already stay as they are, so that an interrupted import is simply run again. Locks
// become one allocation for each locker.
Task<Result<ImportReport>> import_accounts(
    Import import, std::vector<ImportedAccount> accounts, std::vector<ImportedBalance> balances);

// Proves the keys of accounts in the database that nobody has proven yet: those of tables taken
// over in place.
Task<Result<ImportReport>> verify_adopted(Import import);

}  // namespace adyton::apps
