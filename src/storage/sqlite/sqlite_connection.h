#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "storage/database.h"
#include "storage/sqlite/gathering_vfs.h"

struct sqlite3;
struct sqlite3_file;
struct sqlite3_stmt;

namespace adyton::storage::sqlite {

enum class Access {
    Write,
    Read,  // refuses to change anything
};

enum class Synchronous {
    Full,    // a commit is on disk when it returns
    Normal,  // it is in the log file, and on disk by the next one that is Full, or sync_log()
};

struct ConnectionOptions {
    std::string path;
    std::string vfs;  // empty: the system's
    base::Duration busy_timeout{};
    std::int64_t cache_kib = 0;
};

// One SQLite connection with its prepared statements. For one thread at a time.
class Connection {
public:
    enum class Command { Begin, BeginImmediate, Commit, Rollback, Savepoint, Release, RollbackTo };
    static constexpr std::size_t kCommands = 7;

    // What became of the transaction when a call failed.
    enum class Damage {
        None,     // only that statement was undone
        Lost,     // disk full, busy, out of memory: roll the transaction back
        Suspect,  // I/O error: also open the connection anew
    };

    // Unavailable: the file cannot be opened, is locked, or the disk fails. CorruptData: it is not
    // a database. Internal: the file cannot be put into WAL mode.
    static Result<std::unique_ptr<Connection>> open(
        const ConnectionOptions& options, Access access);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    Result<void> run(Command command);
    // Errors: see Transaction.
    Result<Rows> query(std::string_view sql, std::span<const Parameter> values);
    Result<std::int64_t> execute(std::string_view sql, std::span<const Parameter> values);
    Result<void> execute_script(std::string_view script);

    // The worst since the last clear_damage().
    Damage damage() const { return damage_; }
    void clear_damage() { damage_ = Damage::None; }
    bool in_transaction() const;
    // Whether a statement that may write ran since clear_writes(), failed ones too.
    bool wrote() const { return wrote_; }
    void clear_writes() { wrote_ = false; }

    // Whether a commit waits for the disk. Only between transactions.
    Result<void> set_synchronous(Synchronous synchronous);

    // Pages in the write-ahead log after the last commit of this connection.
    int wal_pages() const { return wal_pages_; }
    // Commits of this connection that wrote to the log.
    std::uint64_t log_writes() const { return log_writes_; }
    struct Checkpoint {
        int pages;  // in the log
        int moved;  // of these, now in the database file
    };
    // Moves what it can from the log into the database file without waiting for anyone.
    Result<Checkpoint> checkpoint();
    // Puts the log on disk as it stands.
    Result<void> sync_log();
    // The same after a sync that failed, which leaves pages behind that Linux takes for written:
    // writes every byte of the log once more before.
    Result<void> rewrite_log();
    std::size_t cached_statements() const { return cache_.size(); }

private:
    struct StatementCloser {
        void operator()(sqlite3_stmt* statement) const;
    };
    struct Statement {
        std::unique_ptr<sqlite3_stmt, StatementCloser> handle;
        std::vector<std::uint32_t> values;  // parameter i takes values[i]
        std::size_t values_needed = 0;
        bool writes = false;
    };
    struct TextHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>{}(text);
        }
    };

    Connection() = default;
    Result<void> configure(const ConnectionOptions& options, Access access);
    Result<Statement> prepare(std::string_view sql);
    void forget_statements();
    Result<const Statement*> find_statement(std::string_view sql);
    Result<sqlite3_stmt*> bind(std::string_view sql, std::span<const Parameter> values);
    // Null: there is none.
    Result<sqlite3_file*> open_log();
    Error failure(int code);

    static constexpr std::size_t kCachedStatementsMax = 512;

    std::unique_ptr<GatheringVfs> vfs_;  // of a connection that writes
    sqlite3* handle_ = nullptr;
    std::array<Statement, kCommands> commands_;
    std::unordered_map<std::string, Statement, TextHash, std::equal_to<>> cache_;
    // Entries of the cache by the address of the text that asked for them.
    struct Recent {
        const std::pair<const std::string, Statement>* cached = nullptr;
    };
    std::array<Recent, 64> recent_{};
    Damage damage_ = Damage::None;
    int wal_pages_ = 0;
    std::uint64_t log_writes_ = 0;
    bool read_only_ = false;
    bool wrote_ = false;
    Synchronous synchronous_ = Synchronous::Full;
};

}  // namespace adyton::storage::sqlite
