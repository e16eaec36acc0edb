#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/task.h"
#include "base/time.h"

namespace adyton::storage {

enum class Dialect { Sqlite, Postgres };

// A bound parameter or a column value. Booleans are INTEGER 0/1 in SQLite; timestamps are INTEGER
// microseconds since the Unix epoch in SQLite and TIMESTAMPTZ in PostgreSQL; byte strings are BLOB
// and BYTEA. UUID columns are read and bound as lower-case text.
using Value =
    std::variant<std::monostate, bool, std::int64_t, std::string, base::Bytes, base::Timestamp>;

// What is bound to a statement: a view of the caller's text or bytes, which must live until the
// call returns. Converts from everything that a Value converts from, and from views.
class Parameter {
public:
    using Content = std::variant<
        std::monostate, bool, std::int64_t, std::string_view, base::ByteView, base::Timestamp>;

    Parameter() = default;  // NULL
    Parameter(std::monostate) {}
    template <typename T>
    requires std::is_same_v<T, bool> Parameter(T flag) : content_(flag) {}
    // Integers that an int64 holds whole.
    template <typename T>
    requires(
        std::is_integral_v<T> && !std::is_same_v<T, bool> && !std::is_same_v<T, char> &&
        (std::is_signed_v<T> || sizeof(T) < sizeof(std::int64_t))) Parameter(T number)
        : content_(static_cast<std::int64_t>(number)) {}
    Parameter(std::string_view text) : content_(text) {}
    Parameter(const std::string& text) : content_(std::string_view(text)) {}
    Parameter(const char* text) : content_(std::string_view(text)) {}
    Parameter(base::ByteView bytes) : content_(bytes) {}
    Parameter(const base::Bytes& bytes) : content_(base::ByteView(bytes)) {}
    template <std::size_t N>
    Parameter(const std::array<std::uint8_t, N>& bytes) : content_(base::ByteView(bytes)) {}
    Parameter(base::Timestamp time) : content_(time) {}
    Parameter(const Value& value);

    const Content& content() const { return content_; }

private:
    Content content_;
};

// The answer of one query, held whole in memory.
class Rows {
public:
    Rows() = default;
    Rows(std::size_t columns, std::vector<Value> values)
        : columns_(columns), values_(std::move(values)) {}

    std::size_t size() const { return columns_ == 0 ? 0 : values_.size() / columns_; }
    bool empty() const { return size() == 0; }
    // Columns count from 0. CHECKs the indexes.
    const Value& at(std::size_t row, std::size_t column) const;
    bool is_null(std::size_t row, std::size_t column) const;
    // CorruptData when the column holds another type or NULL.
    Result<std::int64_t> integer(std::size_t row, std::size_t column) const;
    Result<std::string> text(std::size_t row, std::size_t column) const;
    // The same, moved out: the cell is empty then.
    Result<std::string> take_text(std::size_t row, std::size_t column);
    Result<base::Bytes> bytes(std::size_t row, std::size_t column) const;
    Result<bool> boolean(std::size_t row, std::size_t column) const;               // 0/1 also
    Result<base::Timestamp> timestamp(std::size_t row, std::size_t column) const;  // integer also
    Result<std::optional<std::string>> optional_text(std::size_t row, std::size_t column) const;
    Result<std::optional<base::Timestamp>> optional_timestamp(
        std::size_t row, std::size_t column) const;

private:
    std::size_t columns_ = 0;
    std::vector<Value> values_;
};

// SQL that differs between the two databases, by name.
enum class Fragment {
    ForUpdate,            // row lock; empty in SQLite (one writer)
    ForUpdateSkipLocked,  // row lock that passes over locked rows; empty in SQLite
};

// One open transaction (a savepoint of a shared one). Valid inside the unit of work that got it, on
// that thread. Statements are literals with $1, $2 ... and are cached prepared by their text, so
// build no text from data. After an error the unit must return it: its savepoint is rolled back.
class Transaction {
public:
    virtual ~Transaction() = default;

    // Errors: Conflict (constraint violated; reason "unique", "foreign_key", "check" or
    // "constraint"), InvalidArgument (a text that is not UTF-8 or holds a NUL, reason "text"; in
    // PostgreSQL also a value that its column cannot take, reason "value"), TooLarge, Unavailable
    // (connection lost, disk full, busy, serialization failure: the database retries the unit
    // itself where that is safe), CorruptData, Internal (bad SQL, wrong number of values). What
    // follows a failed statement answers its error again.
    virtual Result<Rows> query(std::string_view sql, std::initializer_list<Parameter> values) = 0;
    // Number of rows changed.
    virtual Result<std::int64_t> execute(
        std::string_view sql, std::initializer_list<Parameter> values) = 0;
    // Several statements separated by semicolons, without parameters: migrations and test set-up.
    virtual Result<void> execute_script(std::string_view script) = 0;

    virtual Dialect dialect() const = 0;
    std::string_view fragment(Fragment fragment) const;
    // The database's clock (decisions.md 18): the server's in PostgreSQL, the injected clock's in
    // SQLite. Fixed at the first call within one unit of work.
    virtual Result<base::Timestamp> now() = 0;
};

enum class Durability {
    Durable,  // the await ends when the commit is on disk
    // The await ends when the unit ran, before the commit: a crash or a failed commit just after
    // loses it. A unit that was answered so is never run a second time.
    Relaxed,
};

using UnitOfWork = std::function<Result<void>(Transaction&)>;

// A database shared by any number of coroutines. Thread safe.
//
// write() runs units of concurrent callers one after another inside one shared commit, each in a
// savepoint of its own: a unit that fails is undone alone; if the commit fails, every unit in it
// fails. A unit may run more than once (serialization failure, lost connection before commit), so
// it must have no effect but through its Transaction, and its captures must tolerate a second run.
class Database {
public:
    virtual ~Database() = default;

    virtual Dialect dialect() const = 0;

    // Unavailable when the queue is full or the database is away. OutcomeUnknown when the
    // connection broke during the commit: it may or may not have happened.
    virtual Task<Result<void>> write_unit(UnitOfWork unit, Durability durability) = 0;
    // A read-only snapshot; never waits for writers.
    virtual Task<Result<void>> read_unit(UnitOfWork unit) = 0;

    // Typed forms: `co_await database.write([&](Transaction& tx) -> Result<Account> {...})`.
    // The callable and what it captures by reference must live until the await ends; a coroutine
    // that awaits one of these must not be destroyed meanwhile (only a simulated crash does that,
    // and it drops the database's queue too).
    template <typename F>
    auto write(F unit, Durability durability = Durability::Durable)
        -> Task<std::invoke_result_t<F&, Transaction&>> {
        return run(*this, std::move(unit), durability, true);
    }
    template <typename F>
    auto read(F unit) -> Task<std::invoke_result_t<F&, Transaction&>> {
        return run(*this, std::move(unit), Durability::Durable, false);
    }

private:
    template <typename F>
    static auto run(Database& database, F unit, Durability durability, bool write)
        -> Task<std::invoke_result_t<F&, Transaction&>> {
        using Returned = std::invoke_result_t<F&, Transaction&>;
        if constexpr (std::is_void_v<typename Returned::value_type>) {
            UnitOfWork work = [&unit](Transaction& tx) -> Result<void> { return unit(tx); };
            Task<Result<void>> task = write ? database.write_unit(std::move(work), durability)
                                            : database.read_unit(std::move(work));
            co_return co_await std::move(task);
        } else {
            std::optional<typename Returned::value_type> value;
            UnitOfWork work = [&unit, &value](Transaction& tx) -> Result<void> {
                TRY(value, unit(tx));
                return {};
            };
            Task<Result<void>> task = write ? database.write_unit(std::move(work), durability)
                                            : database.read_unit(std::move(work));
            const Result<void> done = co_await std::move(task);
            if (!done) co_return done.error();
            co_return std::move(*value);
        }
    }
};

}  // namespace adyton::storage
