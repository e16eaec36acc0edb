#include "storage/sqlite/sqlite_connection.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <charconv>

#include "storage/internal/text_check.h"
#include "storage/sqlite/page_cache.h"

namespace adyton::storage::sqlite {
namespace {

constexpr std::array<std::string_view, Connection::kCommands> kCommandTexts = {
    "BEGIN",          "BEGIN IMMEDIATE", "COMMIT",          "ROLLBACK",
    "SAVEPOINT unit", "RELEASE unit",    "ROLLBACK TO unit"};

constexpr std::int64_t kWalBytesKept = 64 * 1024 * 1024;

int bind_value(sqlite3_stmt* statement, int at, const Parameter& value) {
    // Static: the values outlive the run of the statement, and each run binds all anew.
    const Parameter::Content& content = value.content();
    switch (content.index()) {
        case 0:
            return sqlite3_bind_null(statement, at);
        case 1:
            return sqlite3_bind_int64(statement, at, std::get<bool>(content) ? 1 : 0);
        case 2:
            return sqlite3_bind_int64(statement, at, std::get<std::int64_t>(content));
        case 3: {
            const auto text = std::get<std::string_view>(content);
            // A null pointer would bind NULL.
            const char* const data = text.empty() ? "" : text.data();
            return sqlite3_bind_text64(
                statement, at, data, text.size(), SQLITE_STATIC, SQLITE_UTF8);
        }
        case 4: {
            const auto bytes = std::get<base::ByteView>(content);
            if (bytes.empty()) return sqlite3_bind_zeroblob(statement, at, 0);
            return sqlite3_bind_blob64(statement, at, bytes.data(), bytes.size(), SQLITE_STATIC);
        }
        default:
            return sqlite3_bind_int64(
                statement, at, std::get<base::Timestamp>(content).time_since_epoch().count());
    }
}

// CorruptData for a type that Value has not: floating point.
Result<void> append_column(sqlite3_stmt* statement, int column, std::vector<Value>& out) {
    switch (sqlite3_column_type(statement, column)) {
        case SQLITE_NULL:
            out.emplace_back();
            return {};
        case SQLITE_INTEGER:
            out.emplace_back(
                std::in_place_type<std::int64_t>, sqlite3_column_int64(statement, column));
            return {};
        case SQLITE_TEXT: {
            const auto* data =
                reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
            const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, column));
            out.emplace_back(std::in_place_type<std::string>, data, size);
            return {};
        }
        case SQLITE_BLOB: {
            const auto* data =
                static_cast<const std::uint8_t*>(sqlite3_column_blob(statement, column));
            const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, column));
            out.emplace_back(std::in_place_type<base::Bytes>, data, data + size);
            return {};
        }
        default:
            return Error::corrupt_data("the database answers a floating point number");
    }
}

Error constraint_error(int extended, const char* message) {
    // The message names tables and columns, no values.
    switch (extended) {
        case SQLITE_CONSTRAINT_UNIQUE:
        case SQLITE_CONSTRAINT_PRIMARYKEY:
        case SQLITE_CONSTRAINT_ROWID:
            return Error::conflict(message, "unique");
        case SQLITE_CONSTRAINT_FOREIGNKEY:
            return Error::conflict(message, "foreign_key");
        case SQLITE_CONSTRAINT_CHECK:
            return Error::conflict(message, "check");
        default:
            return Error::conflict(message, "constraint");
    }
}

// Resets the statement however its run ends, so that no read lock stays behind.
class Reset {
public:
    explicit Reset(sqlite3_stmt* statement) : statement_(statement) {}
    ~Reset() { sqlite3_reset(statement_); }
    Reset(const Reset&) = delete;
    Reset& operator=(const Reset&) = delete;

private:
    sqlite3_stmt* statement_;
};

}  // namespace

void Connection::StatementCloser::operator()(sqlite3_stmt* statement) const {
    sqlite3_finalize(statement);
}

Result<std::unique_ptr<Connection>> Connection::open(
    const ConnectionOptions& options, Access access) {
    // Global accounting of memory costs a lock on each allocation. Refused when SQLite already
    // runs.
    static const int configured = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    static_cast<void>(configured);
    install_page_cache();

    std::unique_ptr<Connection> connection(new Connection());
    constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                           SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_PRIVATECACHE;
    std::string vfs_name = options.vfs;
    if (access == Access::Write) {
        TRY(connection->vfs_, GatheringVfs::create(options.vfs));
        vfs_name = connection->vfs_->name();
    }
    const char* const vfs = vfs_name.empty() ? nullptr : vfs_name.c_str();
    const int code = sqlite3_open_v2(options.path.c_str(), &connection->handle_, kFlags, vfs);
    if (connection->handle_ == nullptr) return Error::unavailable("out of memory", "memory");
    if (code != SQLITE_OK) return connection->failure(code).with_context("open database");
    Result<void> ready = connection->configure(options, access);
    if (!ready) return std::move(ready.error()).with_context("open database");
    connection->clear_damage();
    return connection;
}

Result<void> Connection::configure(const ConnectionOptions& options, Access access) {
    const auto busy_ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(options.busy_timeout).count();
    sqlite3_busy_timeout(handle_, static_cast<int>(busy_ms));
    // Double quotes are for names, as in PostgreSQL.
    sqlite3_db_config(handle_, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
    sqlite3_db_config(handle_, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
    TRY(const Rows mode, query("PRAGMA journal_mode = WAL", {}));
    if (mode.size() != 1 || mode.text(0, 0).value() != "wal") {
        return Error::internal("the file system does not allow a write-ahead log");
    }
    TRY_VOID(execute_script(fmt::format(
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;"
        "PRAGMA trusted_schema = OFF; PRAGMA cache_size = -{}; PRAGMA journal_size_limit = {};",
        options.cache_kib, kWalBytesKept)));
    if (access == Access::Read) {
        TRY_VOID(execute_script("PRAGMA query_only = ON"));
        read_only_ = true;
    }
    // The database object decides when to move the log (see SqliteDatabase). This replaces the
    // automatic one, which uses the same hook.
    sqlite3_wal_hook(
        handle_,
        [](void* self, sqlite3*, const char*, int pages) {
            static_cast<Connection*>(self)->wal_pages_ = pages;
            ++static_cast<Connection*>(self)->log_writes_;
            return SQLITE_OK;
        },
        this);
    forget_statements();
    for (std::size_t i = 0; i < kCommands; ++i) {
        TRY(commands_[i], prepare(kCommandTexts[i]));
    }
    return {};
}

Connection::~Connection() {
    forget_statements();
    commands_ = {};
    sqlite3_close_v2(handle_);
}

bool Connection::in_transaction() const {
    return sqlite3_get_autocommit(handle_) == 0;
}

Result<void> Connection::run(Command command) {
    sqlite3_stmt* const statement = commands_[static_cast<std::size_t>(command)].handle.get();
    const int code = sqlite3_step(statement);
    Result<void> result;
    if (code != SQLITE_DONE) {
        result = failure(code);
        // A commit that a deferred constraint refuses leaves a sound transaction behind.
        if (command != Command::Commit) damage_ = std::max(damage_, Damage::Lost);
    }
    sqlite3_reset(statement);
    return result;
}

Result<Connection::Statement> Connection::prepare(std::string_view sql) {
    Statement statement;
    sqlite3_stmt* handle = nullptr;
    const char* tail = nullptr;
    const int code = sqlite3_prepare_v3(
        handle_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &handle,
        &tail);
    statement.handle.reset(handle);
    if (code != SQLITE_OK) return failure(code);
    const auto rest = sql.substr(static_cast<std::size_t>(tail - sql.data()));
    if (handle == nullptr || rest.find_first_not_of(" \n\t;") != std::string_view::npos) {
        return Error::internal("not one SQL statement");
    }
    // SQLite numbers named parameters by first appearance, so "$2 ... $1" needs a map.
    const int count = sqlite3_bind_parameter_count(handle);
    std::vector<bool> used;
    for (int i = 1; i <= count; ++i) {
        const char* const text = sqlite3_bind_parameter_name(handle, i);
        const std::string_view name = text == nullptr ? "" : text;
        std::uint32_t number = 0;
        const bool dollar = name.size() >= 2 && name[0] == '$';
        const char* const end = name.data() + name.size();
        if (!dollar || std::from_chars(name.data() + 1, end, number).ptr != end || number == 0) {
            return Error::internal("SQL parameters are written $1, $2 ...");
        }
        statement.values.push_back(number - 1);
        if (used.size() < number) used.resize(number, false);
        used[number - 1] = true;
    }
    for (const bool one : used) {
        if (!one) return Error::internal("an SQL parameter number is missing");
    }
    statement.values_needed = used.size();
    statement.writes = sqlite3_stmt_readonly(handle) == 0;
    return statement;
}

// The short cuts point into the cache: both go together.
void Connection::forget_statements() {
    recent_.fill({});
    cache_.clear();
}

Result<const Connection::Statement*> Connection::find_statement(std::string_view sql) {
    // Statements are literals: the same text nearly always stands at the same address, and
    // comparing is quicker than hashing it.
    Recent& recent = recent_[(reinterpret_cast<std::uintptr_t>(sql.data()) >> 4U) % recent_.size()];
    if (recent.cached != nullptr && recent.cached->first == sql) return &recent.cached->second;
    auto found = cache_.find(sql);
    if (found == cache_.end()) {
        TRY(Statement prepared, prepare(sql));
        if (cache_.size() >= kCachedStatementsMax) forget_statements();
        found = cache_.emplace(std::string(sql), std::move(prepared)).first;
    }
    recent.cached = &*found;
    return &found->second;
}

Result<sqlite3_stmt*> Connection::bind(std::string_view sql, std::span<const Parameter> values) {
    TRY(const Statement* const found, find_statement(sql));
    const Statement& statement = *found;
    wrote_ |= statement.writes;
    if (values.size() != statement.values_needed) {
        return Error::internal("wrong number of values for an SQL statement");
    }
    TRY_VOID(internal::check_texts(values));
    for (std::size_t i = 0; i < statement.values.size(); ++i) {
        const int code = bind_value(
            statement.handle.get(), static_cast<int>(i) + 1, values[statement.values[i]]);
        if (code != SQLITE_OK) return failure(code);
    }
    return statement.handle.get();
}

Result<Rows> Connection::query(std::string_view sql, std::span<const Parameter> values) {
    TRY(sqlite3_stmt* const statement, bind(sql, values));
    const Reset reset(statement);
    const int columns = sqlite3_column_count(statement);
    std::vector<Value> cells;
    int code = SQLITE_ROW;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        if (cells.empty()) cells.reserve(static_cast<std::size_t>(columns));
        for (int i = 0; i < columns; ++i) {
            TRY_VOID(append_column(statement, i, cells));
        }
    }
    if (code != SQLITE_DONE) return failure(code);
    return Rows(static_cast<std::size_t>(columns), std::move(cells));
}

Result<std::int64_t> Connection::execute(std::string_view sql, std::span<const Parameter> values) {
    TRY(sqlite3_stmt* const statement, bind(sql, values));
    const Reset reset(statement);
    const std::int64_t before = sqlite3_total_changes64(handle_);
    int code = SQLITE_ROW;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
    }
    if (code != SQLITE_DONE) return failure(code);
    // sqlite3_changes() keeps the count of an earlier statement when this one changes no rows by
    // its nature (CREATE TABLE).
    if (sqlite3_total_changes64(handle_) == before) return std::int64_t{0};
    return std::int64_t{sqlite3_changes64(handle_)};
}

Result<void> Connection::execute_script(std::string_view script) {
    wrote_ = true;
    while (!script.empty()) {
        sqlite3_stmt* handle = nullptr;
        const char* tail = nullptr;
        const int code = sqlite3_prepare_v2(
            handle_, script.data(), static_cast<int>(script.size()), &handle, &tail);
        const std::unique_ptr<sqlite3_stmt, StatementCloser> statement(handle);
        if (code != SQLITE_OK) return failure(code);
        script.remove_prefix(static_cast<std::size_t>(tail - script.data()));
        if (handle == nullptr) continue;  // blanks and comments
        if (sqlite3_bind_parameter_count(handle) != 0) {
            return Error::internal("an SQL script has no parameters");
        }
        int step = SQLITE_ROW;
        while ((step = sqlite3_step(handle)) == SQLITE_ROW) {
        }
        if (step != SQLITE_DONE) return failure(step);
    }
    return {};
}

Result<Connection::Checkpoint> Connection::checkpoint() {
    Checkpoint result{0, 0};
    const int code = sqlite3_wal_checkpoint_v2(
        handle_, "main", SQLITE_CHECKPOINT_PASSIVE, &result.pages, &result.moved);
    if (code != SQLITE_OK) return failure(code);
    return result;
}

Result<void> Connection::set_synchronous(Synchronous synchronous) {
    if (synchronous == synchronous_) return {};
    TRY_VOID(execute_script(
        synchronous == Synchronous::Full ? "PRAGMA synchronous = FULL"
                                         : "PRAGMA synchronous = NORMAL"));
    synchronous_ = synchronous;
    return {};
}

Result<sqlite3_file*> Connection::open_log() {
    // A read makes sure that the log is open, also where the connection is new.
    TRY_VOID(query("SELECT count(*) FROM sqlite_schema", {}));
    sqlite3_file* log = nullptr;
    const int code = sqlite3_file_control(handle_, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
    if (code != SQLITE_OK) return failure(code);
    if (log == nullptr || log->pMethods == nullptr) return static_cast<sqlite3_file*>(nullptr);
    return log;
}

Result<void> Connection::sync_log() {
    TRY(sqlite3_file* const log, open_log());
    if (log == nullptr) return {};
    const int code = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
    if (code != SQLITE_OK) return failure(code);
    return {};
}

Result<void> Connection::rewrite_log() {
    TRY(sqlite3_file* const log, open_log());
    if (log == nullptr) return {};
    sqlite3_int64 size = 0;
    int code = log->pMethods->xFileSize(log, &size);
    base::Bytes part(64 * 1024);
    for (sqlite3_int64 at = 0; code == SQLITE_OK && at < size;) {
        const auto left = size - at;
        const int bytes = static_cast<int>(std::min<sqlite3_int64>(left, std::ssize(part)));
        code = log->pMethods->xRead(log, part.data(), bytes, at);
        if (code == SQLITE_OK) code = log->pMethods->xWrite(log, part.data(), bytes, at);
        at += bytes;
    }
    if (code == SQLITE_OK) code = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
    if (code != SQLITE_OK) return failure(code);
    return {};
}

Error Connection::failure(int code) {
    const int extended = sqlite3_extended_errcode(handle_);
    const char* const message = sqlite3_errmsg(handle_);
    const auto damage = [this](Damage worst) { damage_ = std::max(damage_, worst); };
    switch (code & 0xff) {
        case SQLITE_CONSTRAINT:
            return constraint_error(extended, message);
        case SQLITE_FULL:
            damage(Damage::Lost);
            return Error::unavailable("the disk is full", "disk_full");
        case SQLITE_NOMEM:
            damage(Damage::Lost);
            return Error::unavailable("out of memory", "memory");
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            damage(Damage::Lost);
            return Error::unavailable("the database is busy", "busy");
        case SQLITE_IOERR:
        case SQLITE_CANTOPEN:
        case SQLITE_PROTOCOL:
            damage(Damage::Suspect);
            return Error::unavailable(fmt::format("disk error {}", extended), "disk");
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            return Error::corrupt_data("the database file is damaged");
        case SQLITE_READONLY:
            if (read_only_) return Error::internal("a read unit may not write");
            damage(Damage::Suspect);
            return Error::unavailable("the database file is read-only", "read_only");
        case SQLITE_TOOBIG:
            return Error::too_large("a value is too long for the database");
        default:
            // Bad SQL: the message quotes statement text, which is ours.
            return Error::internal(fmt::format("SQL: {}", message));
    }
}

}  // namespace adyton::storage::sqlite
