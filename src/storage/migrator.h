#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/task.h"
#include "storage/database.h"
#include "storage/migration.h"

namespace adyton::storage {

// What ran is recorded in the table schema_migrations(number, name, applied_at).

// Brings the schema up to the last of `migrations`, one transaction each, and gives the numbers of
// those that this call ran. Several processes may do it at once: each migration runs once (an
// advisory lock in PostgreSQL, the write lock in SQLite).
// Errors: InvalidArgument (numbers not ascending from 1, or a name missing), Conflict (reason
// "schema_newer": the database knows migrations that this program does not; "schema_mismatch": a
// number was recorded under another name), or what the failing migration answered; those before it
// stay.
Task<Result<std::vector<int>>> migrate(Database& database, std::span<const Migration> migrations);

enum class SchemaState { Current, Older, Newer };

struct SchemaCheck {
    SchemaState state;
    int recorded;         // highest number in the database; 0 when there is none
    int expected;         // highest number that this program knows
    std::string message;  // for people: what is wrong and what to do; empty when Current
};

// Compares without changing anything. Errors as above, but for "schema_newer", which is a state.
Task<Result<SchemaCheck>> check_schema(Database& database, std::span<const Migration> migrations);

}  // namespace adyton::storage
