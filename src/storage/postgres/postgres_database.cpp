#include "storage/postgres/postgres_database.h"

#include <algorithm>
#include <mutex>

#include "base/random.h"
#include "storage/internal/unit_guard.h"
#include "storage/internal/unit_queue.h"
#include "storage/open_database.h"
#include "storage/postgres/postgres_connection.h"

namespace adyton::storage {
namespace {

using internal::Batch;
using internal::RequestPtr;
using internal::UnitQueue;
using internal::UnitRequest;
using postgres::Connection;
using Damage = Connection::Damage;

constexpr std::size_t kReadBatch = 16;
constexpr unsigned kAttemptsMax = 6;
constexpr base::Duration kRetryBase = std::chrono::milliseconds(4);
constexpr base::Duration kBackoffMin = std::chrono::milliseconds(100);
constexpr base::Duration kBackoffMax = std::chrono::seconds(5);

// Compared by address, so each text is written once.
constexpr const char* kBegin = "BEGIN";
constexpr const char* kBeginRead = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
constexpr const char* kLockLong = "SET LOCAL lock_timeout = 0";  // statement_timeout holds
constexpr const char* kSavepoint = "SAVEPOINT unit";
constexpr const char* kRelease = "RELEASE unit";
constexpr const char* kRollbackTo = "ROLLBACK TO unit";
constexpr const char* kRollback = "ROLLBACK";

class PostgresTransaction final : public Transaction {
public:
    explicit PostgresTransaction(Connection& connection) : connection_(connection) {}

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
    Dialect dialect() const override { return Dialect::Postgres; }
    Result<base::Timestamp> now() override {
        if (first_error_.get()) return *first_error_.get();
        if (!now_) {
            TRY(now_, first_error_.note(connection_.server_now()));
        }
        return *now_;
    }

    Result<void> conclude(Result<void> returned) const {
        return first_error_.conclude(std::move(returned));
    }

private:
    Connection& connection_;
    std::optional<base::Timestamp> now_;
    internal::FirstError first_error_;
};

// When to try the server again; shared by all lanes, so that one finds out for all. Thread safe.
class Availability {
public:
    // Unavailable while it is too early to try again.
    Result<void> may_try(base::SteadyTime now) const {
        const std::scoped_lock lock(mutex_);
        if (now >= next_try_) return {};
        return *error_;
    }
    // True when the server was there before.
    bool failed(base::SteadyTime now, const Error& error) {
        const std::scoped_lock lock(mutex_);
        const bool first = !error_.has_value();
        error_ = error;
        backoff_ = first ? kBackoffMin : std::min(2 * backoff_, kBackoffMax);
        next_try_ = now + backoff_;
        return first;
    }
    // True when the server was away before.
    bool succeeded() {
        const std::scoped_lock lock(mutex_);
        const bool away = error_.has_value();
        error_.reset();
        next_try_ = {};
        return away;
    }

private:
    mutable std::mutex mutex_;
    std::optional<Error> error_;
    base::Duration backoff_{};
    base::SteadyTime next_try_{};
};

class PostgresDatabase final : public Database {
public:
    PostgresDatabase(PostgresOptions options, base::Executor& executor, base::Logger& logger)
        : options_(std::move(options)),
          shown_url_(redact_url(options_.url)),
          executor_(executor),
          logger_(logger),
          writers_(options_.writers),
          readers_(options_.readers),
          jitter_(static_cast<std::uint64_t>(executor.steady_now().time_since_epoch().count())) {
        writes_ = std::make_shared<UnitQueue>(
            executor,
            UnitQueue::Limits{options_.writers, options_.queue_limit, options_.batch_limit},
            [this](std::size_t lane, Batch batch) { write(writers_[lane], std::move(batch)); });
        reads_ = std::make_shared<UnitQueue>(
            executor, UnitQueue::Limits{options_.readers, options_.queue_limit, kReadBatch},
            [this](std::size_t lane, Batch batch) { read(readers_[lane], std::move(batch)); });
    }
    ~PostgresDatabase() override {
        writes_->close();
        reads_->close();
    }
    PostgresDatabase(const PostgresDatabase&) = delete;
    PostgresDatabase& operator=(const PostgresDatabase&) = delete;

    Result<void> open() { return ensure(writers_.front()); }

    Dialect dialect() const override { return Dialect::Postgres; }
    Task<Result<void>> write_unit(UnitOfWork unit, Durability durability) override {
        return writes_->submit(std::move(unit), durability);
    }
    Task<Result<void>> read_unit(UnitOfWork unit) override {
        return reads_->submit(std::move(unit), Durability::Durable);
    }

private:
    using Lane = std::unique_ptr<Connection>;

    Result<void> ensure(Lane& lane) {
        if (lane && lane->damage() != Damage::Lost) return {};
        lane.reset();
        TRY_VOID(availability_.may_try(executor_.steady_now()));
        auto opened = Connection::open(
            {options_.url, options_.connect_timeout, options_.statement_timeout,
             options_.lock_timeout},
            executor_);
        if (!opened) {
            Error error = std::move(opened.error()).with_context("database " + shown_url_);
            if (availability_.failed(executor_.steady_now(), error)) {
                logger_.error("database is away", {{"error", error.message()}});
            }
            return error;
        }
        if (availability_.succeeded()) {
            logger_.info("database is back", {{"database", shown_url_}});
        }
        lane = std::move(*opened);
        return {};
    }

    // One pass over a batch: a transaction.
    struct Pass {
        enum class End {
            Committed,  // what ran is answered
            Refused,    // the commit was refused: nothing happened
            Lost,       // the connection broke before the commit: nothing happened
            Unknown,    // it broke during the commit
        };
        Batch ran;                   // without the relaxed units that are answered
        Batch again;                 // lost against another transaction: to be tried alone
        std::optional<Error> error;  // why the commit was refused
    };

    void write(Lane& lane, Batch batch) {
        const bool alone = batch.size() == 1 && batch.front()->attempts > 0;
        unsigned losses = 0;
        while (!batch.empty()) {
            if (Result<void> ready = ensure(lane); !ready) return fail(batch, ready.error());
            lane->clear_damage();
            Pass pass;
            switch (run_pass(*lane, batch, pass, alone)) {
                case Pass::End::Committed:
                    writes_->answer(pass.ran);
                    break;
                case Pass::End::Refused:
                    refused(pass);
                    break;
                case Pass::End::Unknown:
                    for (const RequestPtr& request : pass.ran) unknown(*request);
                    writes_->answer(pass.ran);
                    break;
                case Pass::End::Lost: {
                    // At once on a new connection; after another loss alone, should one of them
                    // be what breaks it.
                    Batch& next = losses++ == 0 ? batch : pass.again;
                    next.insert(next.begin(), pass.ran.begin(), pass.ran.end());
                    break;
                }
            }
            for (RequestPtr& request : pass.again) retry(std::move(request));
        }
    }

    // Moves the requests that it runs out of `batch`: all, or those up to the first contention.
    Pass::End run_pass(Connection& connection, Batch& batch, Pass& pass, bool alone) {
        connection.defer_begin(kBegin);
        if (alone) connection.defer(kLockLong);
        std::size_t taken = 0;
        bool go_on = true;
        while (taken < batch.size() && go_on) {
            RequestPtr request = std::move(batch[taken++]);
            request->result = run_unit(connection, request->unit);
            note_disk(request->result);
            const Damage damage = connection.damage();
            go_on = damage == Damage::None;
            (damage == Damage::Retry ? pass.again : pass.ran).push_back(std::move(request));
        }
        batch.erase(batch.begin(), batch.begin() + static_cast<std::ptrdiff_t>(taken));
        if (connection.damage() == Damage::Lost) return Pass::End::Lost;
        connection.clear_damage();
        if (!answer_relaxed(connection, pass.ran)) return Pass::End::Lost;
        const Result<void> committed = connection.commit();
        note_disk(committed);
        if (committed) return Pass::End::Committed;
        if (connection.damage() == Damage::Lost) return Pass::End::Unknown;
        pass.error = committed.error();
        return Pass::End::Refused;
    }

    void note_disk(const Result<void>& result) const {
        if (options_.disk_full && !result && result.error().reason() == "disk_full") {
            options_.disk_full->store(true);
        }
    }

    static Result<void> run_unit(Connection& connection, const UnitOfWork& unit) {
        connection.defer(kSavepoint);
        PostgresTransaction transaction(connection);
        Result<void> result = transaction.conclude(unit(transaction));
        if (connection.damage() == Damage::Lost) return result;
        if (connection.take_back(kSavepoint)) return result;  // it asked the database nothing
        if (!result) connection.defer(kRollbackTo);
        connection.defer(kRelease);
        return result;
    }

    // Answers the relaxed units and takes them out. False: the connection is lost, none is
    // answered.
    bool answer_relaxed(Connection& connection, Batch& batch) {
        const auto durable = std::stable_partition(
            batch.begin(), batch.end(),
            [](const RequestPtr& request) { return request->durability == Durability::Relaxed; });
        if (durable == batch.begin()) return true;
        // What is deferred has to work before anybody is told anything.
        if (!connection.flush()) return false;
        writes_->answer({batch.begin(), durable});
        batch.erase(batch.begin(), durable);
        return true;
    }

    // A deferred constraint or a serialization failure of one of them.
    void refused(Pass& pass) {
        for (RequestPtr& request : pass.ran) {
            const bool own = pass.ran.size() == 1 && pass.error->code() == ErrorCode::Conflict;
            request->result = *pass.error;
            if (own) {
                writes_->answer({&request, 1});
            } else {
                retry(std::move(request));
            }
        }
    }

    // A unit that had failed by itself left nothing behind, whatever became of the commit.
    static void unknown(UnitRequest& request) {
        if (request.result) {
            request.result = Error::outcome_unknown(
                "the connection to the database broke during a commit", "connection");
        } else {
            request.result =
                Error::unavailable("the connection to the database is lost", "connection");
        }
    }

    void fail(const Batch& batch, const Error& error) {
        for (const RequestPtr& request : batch) request->result = error;
        writes_->answer(batch);
    }

    void retry(RequestPtr request) {
        if (++request->attempts >= kAttemptsMax) {
            if (request->result)
                request->result = Error::unavailable("tried too often", "contention");
            writes_->answer({&request, 1});
            return;
        }
        const base::Duration span = kRetryBase * (1U << request->attempts);
        writes_->retry_alone(std::move(request), span / 2 + jitter(span));
    }

    base::Duration jitter(base::Duration span) {
        const std::scoped_lock lock(jitter_mutex_);
        return base::Duration(
            jitter_.below(static_cast<std::uint64_t>(std::max<std::int64_t>(1, span.count()))));
    }

    void read(Lane& lane, const Batch& batch) {
        for (const RequestPtr& request : batch) {
            request->result = read_one(lane, request->unit);
            if (lane && lane->damage() != Damage::None) {
                // An idle connection may have died long ago; a standby may cancel a query.
                request->result = read_one(lane, request->unit);
            }
        }
        if (lane) static_cast<void>(lane->flush());  // end the last transaction
        reads_->answer(batch);
    }

    Result<void> read_one(Lane& lane, const UnitOfWork& unit) {
        TRY_VOID(ensure(lane));
        lane->clear_damage();
        lane->defer_begin(kBeginRead);
        PostgresTransaction transaction(*lane);
        Result<void> result = transaction.conclude(unit(transaction));
        lane->defer(kRollback);
        return result;
    }

    const PostgresOptions options_;
    const std::string shown_url_;
    base::Executor& executor_;
    base::Logger& logger_;
    Availability availability_;

    // Each touched by the running batch of its lane only.
    std::vector<Lane> writers_;
    std::vector<Lane> readers_;

    std::mutex jitter_mutex_;
    base::SeededRandom jitter_;

    // Shared with jobs that may start after this object is gone.
    std::shared_ptr<UnitQueue> writes_;
    std::shared_ptr<UnitQueue> reads_;
};

}  // namespace

Result<std::unique_ptr<Database>> create_postgres_database(
    PostgresOptions options, base::Executor& executor, base::Logger& logger) {
    if (options.writers == 0 || options.readers == 0 || options.queue_limit == 0 ||
        options.batch_limit == 0) {
        return Error::invalid_argument("database limits must be at least 1");
    }
    auto database = std::make_unique<PostgresDatabase>(std::move(options), executor, logger);
    TRY_VOID(database->open());
    return std::unique_ptr<Database>(std::move(database));
}

}  // namespace adyton::storage
