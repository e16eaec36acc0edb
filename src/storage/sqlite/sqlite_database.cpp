#include "storage/sqlite/sqlite_database.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "storage/internal/unit_guard.h"
#include "storage/internal/unit_queue.h"
#include "storage/sqlite/sqlite_connection.h"

namespace adyton::storage {
namespace {

using internal::Batch;
using internal::RequestPtr;
using internal::UnitQueue;
using internal::UnitRequest;
using sqlite::Access;
using sqlite::Connection;
using sqlite::Synchronous;
using Command = Connection::Command;
using Damage = Connection::Damage;

constexpr std::size_t kReadBatch = 16;
// Each row written touches a page of every index: the writer's working set is the largest.
constexpr std::int64_t kWriterCaches = 4;
constexpr unsigned kCarefulBatches = 16;
constexpr auto kSyncDelay = std::chrono::milliseconds(50);

class SqliteTransaction final : public Transaction {
public:
    SqliteTransaction(Connection& connection, const base::Clock& clock)
        : connection_(connection), clock_(clock) {}

    Result<Rows> query(std::string_view sql, std::initializer_list<Parameter> values) override {
        if (first_error_.get()) return *first_error_.get();
        return first_error_.note(connection_.query(sql, values));
    }
    Result<std::int64_t> execute(
        std::string_view sql, std::initializer_list<Parameter> values) override {
        if (first_error_.get()) return *first_error_.get();
        return first_error_.note(connection_.execute(sql, values));
    }
    Result<void> execute_script(std::string_view script) override {
        if (first_error_.get()) return *first_error_.get();
        return first_error_.note(connection_.execute_script(script));
    }
    Dialect dialect() const override { return Dialect::Sqlite; }
    Result<base::Timestamp> now() override {
        if (!now_) now_ = clock_.now();
        return *now_;
    }

    Result<void> conclude(Result<void> returned) const {
        return first_error_.conclude(std::move(returned));
    }

private:
    Connection& connection_;
    const base::Clock& clock_;
    std::optional<base::Timestamp> now_;
    internal::FirstError first_error_;
};

// Makes the directory of `path` and the file with our modes; SQLite gives the log the file's mode.
Result<void> create_private_file(const std::string& path) {
    const std::filesystem::path directory = std::filesystem::path(path).parent_path();
    std::filesystem::path made;
    for (const auto& part : directory) {
        made /= part;
        if (::mkdir(made.c_str(), 0700) != 0 && errno != EEXIST) {
            const std::string why = std::system_category().message(errno);
            return Error::unavailable("cannot create " + made.string() + ": " + why, "disk");
        }
    }
    // Only to create it: closing a descriptor of an existing database would drop the locks that
    // SQLite holds on it elsewhere in this process.
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0 && errno == EEXIST) return {};
    if (file < 0) {
        const std::string why = std::system_category().message(errno);
        return Error::unavailable("cannot open " + path + ": " + why, "disk");
    }
    ::close(file);
    return {};
}

class SqliteDatabase final : public Database {
public:
    SqliteDatabase(SqliteOptions options, base::Executor& executor, base::Logger& logger)
        : options_(std::move(options)),
          executor_(executor),
          logger_(logger),
          readers_(options_.readers),
          jobs_(std::make_shared<internal::JobGate>()) {
        writes_ = std::make_shared<UnitQueue>(
            executor, UnitQueue::Limits{1, options_.queue_limit, options_.batch_limit},
            [this](std::size_t, Batch batch) { write(std::move(batch)); });
        reads_ = std::make_shared<UnitQueue>(
            executor, UnitQueue::Limits{options_.readers, options_.queue_limit, kReadBatch},
            [this](std::size_t lane, Batch batch) { read(lane, std::move(batch)); });
    }
    ~SqliteDatabase() override {
        writes_->close();
        reads_->close();
        jobs_->close();
    }
    SqliteDatabase(const SqliteDatabase&) = delete;
    SqliteDatabase& operator=(const SqliteDatabase&) = delete;

    Result<void> open() {
        TRY(writer_, connect(Access::Write));
        // A process that was killed may have left commits behind that are not on disk yet.
        return writer_->sync_log();
    }

    Dialect dialect() const override { return Dialect::Sqlite; }
    Task<Result<void>> write_unit(UnitOfWork unit, Durability durability) override {
        return writes_->submit(std::move(unit), durability);
    }
    Task<Result<void>> read_unit(UnitOfWork unit) override {
        return reads_->submit(std::move(unit), Durability::Durable);
    }

private:
    Result<std::unique_ptr<Connection>> connect(Access access) const {
        const std::int64_t cache_kib =
            access == Access::Write ? kWriterCaches * options_.cache_kib : options_.cache_kib;
        return Connection::open(
            {options_.path, options_.vfs, options_.busy_timeout, cache_kib}, access);
    }

    void write(Batch batch) {
        // A sync of the log that failed elsewhere: see prepare_log().
        if (checkpoint_failed_.exchange(false) && unsynced_) log_suspect_ = true;
        const bool sync_due = drop_sync_requests(batch);
        if (!batch.empty()) write_units(std::move(batch));
        if (sync_due) sync_relaxed();
    }

    void write_units(Batch batch) {
        Result<void> committed = commit_batch(batch);
        if (!committed && committed.error().code() == ErrorCode::Conflict && batch.size() > 1) {
            // A deferred constraint speaks at the commit and does not say whose row it was.
            for (RequestPtr& request : batch) write_units(Batch{std::move(request)});
            return;
        }
        if (!committed) {
            for (const RequestPtr& request : batch) void_result(*request, committed.error());
        }
        // A commit of nothing says nothing of the disk.
        if (!committed || wrote_) note_health(committed);
        writes_->answer(batch);
        if (committed) checkpoint_if_due();
    }

    // Runs and commits the batch. The relaxed units are answered and leave it before the commit.
    // A failure means that all of it is undone and that every result is void, those of units that
    // failed by themselves too: they may have seen a neighbour that is now gone.
    Result<void> commit_batch(Batch& batch) {
        if (!writer_) {
            TRY(writer_, connect(Access::Write));
        }
        Connection& connection = *writer_;
        connection.clear_damage();
        wrote_ = false;
        TRY_VOID(guard(prepare_log(connection)));
        const bool durable = std::any_of(batch.begin(), batch.end(), [](const RequestPtr& request) {
            return request->durability == Durability::Durable;
        });
        TRY_VOID(
            guard(connection.set_synchronous(durable ? Synchronous::Full : Synchronous::Normal)));
        TRY_VOID(guard(run_units(connection, batch)));
        answer_relaxed(batch);
        const std::uint64_t log_writes = connection.log_writes();
        Result<void> committed;
        if (connection.in_transaction()) committed = connection.run(Command::Commit);
        wrote_ = connection.log_writes() > log_writes;
        if (wrote_) {
            stray_commit_ = false;
            note_unsynced(!durable);
        }
        if (!committed && connection.damage() == Damage::Suspect) {
            stray_commit_ = true;
            if (unsynced_) log_suspect_ = true;
            committed = Error::outcome_unknown("the disk failed during a commit", "disk");
        }
        return guard(std::move(committed));
    }

    Result<void> prepare_log(Connection& connection) {
        TRY_VOID(clear_suspicion(connection));
        if (!finish_checkpoint_.exchange(false)) return {};
        // Nobody writes now, so this moves all that readers allow and the log starts anew.
        if (!connection.checkpoint()) log_suspect_ = unsynced_;
        connection.clear_damage();
        return clear_suspicion(connection);
    }

    // A sync failed behind relaxed commits that count. Linux does not write their pages again, and
    // a later sync says nothing of it: nothing durable may follow them in the log, and nothing of
    // it may go into the database file, where it would stand beside what the log has lost. So the
    // log is written again as it stands.
    Result<void> clear_suspicion(Connection& connection) {
        if (!log_suspect_) return {};
        TRY_VOID(connection.rewrite_log());
        log_suspect_ = unsynced_ = false;
        return {};
    }

    // Runs all units inside one transaction. A savepoint around each unit lets one be undone alone,
    // at a price for all; units that fail after they wrote are rare. So the first try goes without,
    // and only a batch in which that happened runs again in savepoints, and a few after it.
    Result<void> run_units(Connection& connection, const Batch& batch) {
        TRY_VOID(connection.run(Command::BeginImmediate));
        if (careful_batches_ == 0) {
            TRY(const bool clean, run_bare(connection, batch));
            if (clean) return {};
            TRY_VOID(connection.run(Command::Rollback));
            if (batch.size() == 1) return {};  // nothing is left to commit
            careful_batches_ = kCarefulBatches;
            TRY_VOID(connection.run(Command::BeginImmediate));
        }
        --careful_batches_;
        for (const RequestPtr& request : batch) {
            TRY_VOID(connection.run(Command::Savepoint));
            TRY_VOID(run_unit(connection, *request));
            if (!request->result) {
                TRY_VOID(connection.run(Command::RollbackTo));
            }
            TRY_VOID(connection.run(Command::Release));
        }
        return {};
    }

    // False: a unit failed after it wrote, and the rest did not run.
    Result<bool> run_bare(Connection& connection, const Batch& batch) {
        for (const RequestPtr& request : batch) {
            connection.clear_writes();
            TRY_VOID(run_unit(connection, *request));
            if (!request->result && connection.wrote()) return false;
        }
        return true;
    }

    // A failure is the whole batch's.
    Result<void> run_unit(Connection& connection, UnitRequest& request) const {
        SqliteTransaction transaction(connection, executor_);
        request.result = transaction.conclude(request.unit(transaction));
        if (connection.damage() != Damage::None) {
            // Whatever the unit made of it.
            if (!request.result && request.result.error().code() == ErrorCode::Unavailable) {
                return request.result;
            }
            return Error::unavailable("the database failed", "disk");
        }
        if (!connection.in_transaction()) {
            return Error::internal("a unit of work ended the transaction");
        }
        return {};
    }

    // Relaxed commits are in the log file, where a killed process does not take them along, and on
    // disk a little later, when the machine fails.
    void note_unsynced(bool unsynced) {
        unsynced_ = unsynced;
        if (!unsynced || sync_asked_) return;
        sync_asked_ = true;
        executor_.post_after(kSyncDelay, [queue = std::weak_ptr<UnitQueue>(writes_)] {
            if (const auto writes = queue.lock()) writes->submit_detached({});
        });
    }

    // Whether there was one: a request without a unit asks for relaxed commits to be synced.
    bool drop_sync_requests(Batch& batch) {
        const auto begin = std::remove_if(
            batch.begin(), batch.end(), [](const RequestPtr& request) { return !request->unit; });
        const bool any = begin != batch.end();
        batch.erase(begin, batch.end());
        return any;
    }

    void sync_relaxed() {
        sync_asked_ = false;
        if (!unsynced_ || log_suspect_ || !writer_) return;
        writer_->clear_damage();
        const Result<void> synced = writer_->sync_log();
        if (synced) {
            unsynced_ = false;
        } else {
            log_suspect_ = true;
        }
        note_health(synced);
    }

    void answer_relaxed(Batch& batch) {
        const auto durable = std::stable_partition(
            batch.begin(), batch.end(),
            [](const RequestPtr& request) { return request->durability == Durability::Relaxed; });
        if (durable == batch.begin()) return;
        writes_->answer({batch.begin(), durable});
        batch.erase(batch.begin(), durable);
    }

    // A unit that had failed by itself left nothing behind, whatever became of the commit.
    static void void_result(UnitRequest& request, const Error& error) {
        const bool nothing = !request.result && error.code() == ErrorCode::OutcomeUnknown;
        request.result = nothing ? Error::unavailable("the disk failed", "disk") : error;
    }

    // Cleans the writer up when `result` is a failure of the whole batch, and passes it on.
    Result<void> guard(Result<void> result) {
        if (result) return result;
        if (writer_->in_transaction()) static_cast<void>(writer_->run(Command::Rollback));
        const bool suspect = writer_->damage() == Damage::Suspect && !stray_commit_;
        if (suspect || writer_->in_transaction()) {
            if (unsynced_) log_suspect_ = true;  // closing may try a sync, and tells nobody
            writer_.reset();
        }
        return result;
    }

    void read(std::size_t lane, Batch batch) {
        std::unique_ptr<Connection>& reader = readers_[lane];
        for (const RequestPtr& request : batch) {
            request->result = read_one(reader, request->unit);
            if (reader && reader->damage() == Damage::Suspect) reader.reset();
        }
        reads_->answer(batch);
    }

    Result<void> read_one(std::unique_ptr<Connection>& reader, const UnitOfWork& unit) {
        if (!reader) {
            TRY(reader, connect(Access::Read));
        }
        reader->clear_damage();
        TRY_VOID(reader->run(Command::Begin));
        SqliteTransaction transaction(*reader, executor_);
        Result<void> result = transaction.conclude(unit(transaction));
        if (reader->in_transaction()) static_cast<void>(reader->run(Command::Rollback));
        return result;
    }

    // Says once that the disk fails, and once that it works again.
    void note_health(const Result<void>& committed) {
        if (options_.disk_full && !committed && committed.error().reason() == "disk_full") {
            options_.disk_full->store(true);
        }
        const bool healthy = committed || committed.error().code() == ErrorCode::Conflict;
        if (healthy == healthy_) return;
        healthy_ = healthy;
        if (healthy) {
            logger_.info("database writes work again");
        } else {
            logger_.error("database writes fail", {{"error", committed.error().message()}});
        }
    }

    // The log is moved into the database file beside the writer, not in its way. What was
    // written meanwhile is left to the writer, between two batches, so that the log can start anew.
    void checkpoint_if_due() {
        const int pages = writer_->wal_pages();
        if (pages < checkpointed_pages_) checkpointed_pages_ = 0;  // the log started anew
        if (pages - checkpointed_pages_ < options_.checkpoint_pages) return;
        if (checkpointing_.exchange(true)) return;
        checkpointed_pages_ = pages;
        executor_.post_blocking([this, gate = jobs_] {
            if (!gate->enter()) return;
            checkpoint();
            gate->leave();
        });
    }

    void checkpoint() {
        if (log_suspect_) {
            checkpointing_.store(false);
            return;
        }
        if (!checkpointer_) {
            auto opened = connect(Access::Write);
            if (opened) checkpointer_ = std::move(*opened);
        }
        if (checkpointer_) {
            const auto done = checkpointer_->checkpoint();
            if (!done) {
                logger_.warning("database checkpoint failed", {{"error", done.error().message()}});
                checkpointer_.reset();
                checkpoint_failed_.store(true);
            } else {
                // Also when all was moved that this connection saw: the writer has gone on
                // meanwhile, and under load the log would never start anew.
                finish_checkpoint_.store(true);
            }
        }
        checkpointing_.store(false);
    }

    const SqliteOptions options_;
    base::Executor& executor_;
    base::Logger& logger_;

    // Only the one running batch touches these.
    std::unique_ptr<Connection> writer_;
    // The end of the log may hold a commit whose sync failed. This connection knows that it does
    // not count and writes over it. A new one could find it and build on pages that Linux, after a
    // failed sync, never writes again.
    bool stray_commit_ = false;
    bool unsynced_ = false;    // relaxed commits stand in the log and may not be on disk
    bool sync_asked_ = false;  // a request to sync them is on its way
    std::atomic<bool> log_suspect_ = false;  // a sync that covers them failed
    unsigned careful_batches_ = 0;
    int checkpointed_pages_ = 0;
    bool wrote_ = false;  // the latest batch reached the log
    bool healthy_ = true;

    std::vector<std::unique_ptr<Connection>> readers_;  // each for its lane

    std::unique_ptr<Connection> checkpointer_;  // for the one running checkpoint
    std::atomic<bool> checkpointing_ = false;
    std::atomic<bool> finish_checkpoint_ = false;
    // It may have been its sync of the log, which then told the error that the next one does not.
    std::atomic<bool> checkpoint_failed_ = false;

    // Shared with jobs that may start after this object is gone.
    std::shared_ptr<internal::JobGate> jobs_;
    std::shared_ptr<UnitQueue> writes_;
    std::shared_ptr<UnitQueue> reads_;
};

}  // namespace

Result<std::unique_ptr<Database>> create_sqlite_database(
    SqliteOptions options, base::Executor& executor, base::Logger& logger) {
    if (options.path.empty()) return Error::invalid_argument("a SQLite database needs a path");
    if (options.readers == 0 || options.queue_limit == 0 || options.batch_limit == 0 ||
        options.checkpoint_pages <= 0) {
        return Error::invalid_argument("database limits must be at least 1");
    }
    if (options.vfs.empty()) {
        TRY_VOID(create_private_file(options.path));
    }
    auto database = std::make_unique<SqliteDatabase>(std::move(options), executor, logger);
    TRY_VOID(database->open());
    return std::unique_ptr<Database>(std::move(database));
}

}  // namespace adyton::storage
