#include "storage/migrator.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace adyton::storage {
namespace {

// Any number that nobody else uses for an advisory lock: "adyton" in ASCII.
constexpr std::int64_t kAdvisoryLock = 0x616479746F6E;

using Recorded = std::map<std::int64_t, std::string>;

Result<void> validate(std::span<const Migration> migrations) {
    int previous = 0;
    for (const Migration& migration : migrations) {
        if (migration.number <= previous) {
            return Error::invalid_argument(
                fmt::format("migration {} is not in ascending order", migration.number));
        }
        if (migration.name.empty() || migration.sqlite.empty() || migration.postgres.empty()) {
            return Error::invalid_argument(
                fmt::format("migration {} lacks a name or a script", migration.number));
        }
        previous = migration.number;
    }
    return {};
}

Result<bool> has_table(Transaction& tx) {
    if (tx.dialect() == Dialect::Sqlite) {
        TRY(const Rows rows,
            tx.query(
                "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'",
                {}));
        return !rows.empty();
    }
    TRY(const Rows rows, tx.query("SELECT to_regclass('schema_migrations') IS NOT NULL", {}));
    return rows.boolean(0, 0);
}

Result<Recorded> read_recorded(Transaction& tx) {
    Recorded recorded;
    TRY(const bool exists, has_table(tx));
    if (!exists) return recorded;
    TRY(const Rows rows, tx.query("SELECT number, name FROM schema_migrations", {}));
    for (std::size_t i = 0; i < rows.size(); ++i) {
        TRY(const std::int64_t number, rows.integer(i, 0));
        TRY(std::string name, rows.text(i, 1));
        recorded.emplace(number, std::move(name));
    }
    return recorded;
}

// Conflict when a number stands for another migration than ours.
Result<void> compare_names(const Recorded& recorded, std::span<const Migration> migrations) {
    for (const Migration& migration : migrations) {
        const auto found = recorded.find(migration.number);
        if (found != recorded.end() && found->second != migration.name) {
            return Error::conflict(
                fmt::format(
                    "schema migration {} is recorded under another name than \"{}\": this is the "
                    "database of another program or of a changed build",
                    migration.number, migration.name),
                "schema_mismatch");
        }
    }
    return {};
}

SchemaCheck compare(const Recorded& recorded, std::span<const Migration> migrations) {
    SchemaCheck check{SchemaState::Current, 0, 0, {}};
    if (!migrations.empty()) check.expected = migrations.back().number;
    if (!recorded.empty()) check.recorded = static_cast<int>(recorded.rbegin()->first);
    std::size_t known = 0;
    for (const Migration& migration : migrations) known += recorded.count(migration.number);
    if (known < recorded.size()) {
        check.state = SchemaState::Newer;
        check.message = fmt::format(
            "the database schema is newer than this program (it has migration {}, this program "
            "knows up to {}): run the newer program",
            check.recorded, check.expected);
    } else if (known < migrations.size()) {
        check.state = SchemaState::Older;
        check.message = fmt::format(
            "the database schema is older than this program ({} of {} migrations ran): run "
            "`adyton migrate`",
            known, migrations.size());
    }
    return check;
}

Result<void> create_table(Transaction& tx) {
    return tx.execute_script(
        tx.dialect() == Dialect::Sqlite
            ? "CREATE TABLE IF NOT EXISTS schema_migrations (number INTEGER PRIMARY KEY, "
              "name TEXT NOT NULL, applied_at INTEGER NOT NULL)"
            : "CREATE TABLE IF NOT EXISTS schema_migrations (number integer PRIMARY KEY, "
              "name text NOT NULL, applied_at timestamptz NOT NULL)");
}

// Runs the first migration that is missing; its number, or 0 when there is none.
Result<int> run_next(Transaction& tx, std::span<const Migration> migrations) {
    if (tx.dialect() == Dialect::Postgres) {
        // Until the end of this transaction; a long migration is no runaway statement.
        TRY_VOID(tx.execute_script("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0"));
        TRY_VOID(tx.query("SELECT pg_advisory_xact_lock($1)", {kAdvisoryLock}));
    }
    TRY_VOID(create_table(tx));
    TRY(const Recorded recorded, read_recorded(tx));
    TRY_VOID(compare_names(recorded, migrations));
    SchemaCheck check = compare(recorded, migrations);
    if (check.state == SchemaState::Newer) {
        return Error::conflict(std::move(check.message), "schema_newer");
    }
    for (const Migration& migration : migrations) {
        if (recorded.contains(migration.number)) continue;
        Result<void> ran = tx.execute_script(
            tx.dialect() == Dialect::Sqlite ? migration.sqlite : migration.postgres);
        if (!ran) {
            return std::move(ran.error())
                .with_context(fmt::format("migration {} ({})", migration.number, migration.name));
        }
        TRY(const base::Timestamp now, tx.now());
        TRY_VOID(tx.execute(
            "INSERT INTO schema_migrations (number, name, applied_at) VALUES ($1, $2, $3)",
            {std::int64_t{migration.number}, std::string(migration.name), now}));
        return migration.number;
    }
    return 0;
}

}  // namespace

Task<Result<std::vector<int>>> migrate(Database& database, std::span<const Migration> migrations) {
    CO_TRY_VOID(validate(migrations));
    std::vector<int> ran;
    // One more round than there are migrations, to see that nothing is left.
    for (std::size_t round = 0; round <= migrations.size(); ++round) {
        auto unit = [migrations](Transaction& tx) { return run_next(tx, migrations); };
        auto next = database.write(unit);
        CO_TRY(const int number, co_await std::move(next));
        if (number == 0) co_return ran;
        ran.push_back(number);
    }
    co_return ran;
}

Task<Result<SchemaCheck>> check_schema(Database& database, std::span<const Migration> migrations) {
    CO_TRY_VOID(validate(migrations));
    auto unit = [migrations](Transaction& tx) -> Result<SchemaCheck> {
        TRY(const Recorded recorded, read_recorded(tx));
        TRY_VOID(compare_names(recorded, migrations));
        return compare(recorded, migrations);
    };
    auto check = database.read(unit);
    co_return co_await std::move(check);
}

}  // namespace adyton::storage
