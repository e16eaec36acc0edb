#include "storage/postgres/postgres_connection.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "storage/internal/text_check.h"
#include "storage/postgres/postgres_text.h"

namespace adyton::storage::postgres {
namespace {

constexpr const char* kReadClock = "SELECT clock_timestamp()";

std::int64_t milliseconds(base::Duration duration) {
    return std::max<std::int64_t>(
        1, std::chrono::ceil<std::chrono::milliseconds>(duration).count());
}

// What libpq says about a failed connection: one line, without the password.
std::string connect_message(PGconn* handle) {
    std::string message = PQerrorMessage(handle);
    if (const auto end = message.find('\n'); end != std::string::npos) message.resize(end);
    const char* const pass = PQpass(handle);
    const std::string password = pass == nullptr ? "" : pass;
    if (password.empty()) return message;
    for (auto at = message.find(password); at != std::string::npos;
         at = message.find(password, at)) {
        message.replace(at, password.size(), "***");
        at += 3;
    }
    return message;
}

// The parameters of a connection: the URL's, and ours where the URL says nothing.
class Parameters {
public:
    // False: the URL is malformed.
    bool parse(const std::string& url) {
        char* error = nullptr;
        PQconninfoOption* const options = PQconninfoParse(url.c_str(), &error);
        PQfreemem(error);  // it may quote the password
        if (options == nullptr) return false;
        for (const PQconninfoOption* one = options; one->keyword != nullptr; ++one) {
            if (one->val != nullptr) set(one->keyword, one->val);
        }
        PQconninfoFree(options);
        return true;
    }
    void set(std::string_view keyword, std::string value) {
        entries_.emplace_back(keyword, std::move(value));
    }
    void set_default(std::string_view keyword, std::string value) {
        const bool given = std::any_of(entries_.begin(), entries_.end(), [&](const auto& entry) {
            return entry.first == keyword;
        });
        if (!given) set(keyword, std::move(value));
    }
    PGconn* connect() const {
        std::vector<const char*> keywords, values;
        for (const auto& [keyword, value] : entries_) {
            keywords.push_back(keyword.c_str());
            values.push_back(value.c_str());
        }
        keywords.push_back(nullptr);
        values.push_back(nullptr);
        return PQconnectdbParams(keywords.data(), values.data(), 0);
    }

private:
    std::vector<std::pair<std::string, std::string>> entries_;
};

Error constraint_error(std::string_view state, const pg_result* result) {
    // The name of the constraint, never the message: its detail holds values.
    const char* const field = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
    std::string message = "constraint violated";
    if (field != nullptr) message += ": " + std::string(field);
    if (state == "23505") return Error::conflict(std::move(message), "unique");
    if (state == "23503") return Error::conflict(std::move(message), "foreign_key");
    if (state == "23514") return Error::conflict(std::move(message), "check");
    return Error::conflict(std::move(message), "constraint");
}

}  // namespace

void Connection::ResultCloser::operator()(pg_result* result) const {
    PQclear(result);
}

Result<std::unique_ptr<Connection>> Connection::open(
    const ConnectionOptions& options, const base::Clock& clock) {
    std::unique_ptr<Connection> connection(new Connection(clock));
    TRY_VOID(connection->connect(options));
    TRY_VOID(connection->configure(options));
    return connection;
}

Connection::~Connection() {
    PQfinish(handle_);
}

Result<void> Connection::connect(const ConnectionOptions& options) {
    Parameters parameters;
    if (!parameters.parse(options.url)) {
        return Error::invalid_argument("the PostgreSQL URL is malformed");
    }
    // libpq counts whole seconds and takes 1 for 2.
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(options.connect_timeout).count();
    parameters.set_default("connect_timeout", std::to_string(std::max<std::int64_t>(2, seconds)));
    parameters.set_default("application_name", "adyton");
    // A peer that vanished is noticed although nothing says so.
    parameters.set_default("keepalives_idle", "30");
    parameters.set_default("keepalives_interval", "10");
    parameters.set_default("keepalives_count", "3");
    parameters.set_default(
        "tcp_user_timeout",
        std::to_string(milliseconds(options.statement_timeout + std::chrono::seconds(5))));
    parameters.set("client_encoding", "UTF8");
    handle_ = parameters.connect();
    if (handle_ == nullptr) return Error::unavailable("out of memory", "memory");
    if (PQstatus(handle_) != CONNECTION_OK) {
        return Error::unavailable(connect_message(handle_), "connection");
    }
    PQsetNoticeProcessor(
        handle_, [](void*, const char*) {}, nullptr);
    return {};
}

Result<void> Connection::configure(const ConnectionOptions& options) {
    const std::int64_t statement_ms = milliseconds(options.statement_timeout);
    const std::string settings = fmt::format(
        "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET bytea_output = 'hex';"
        "SET standard_conforming_strings = on; SET statement_timeout = {};"
        "SET lock_timeout = {}; SET idle_in_transaction_session_timeout = {};"
        "SET default_transaction_isolation = 'read committed';"
        "SELECT set_config('synchronous_commit', 'on', false)"
        " WHERE current_setting('synchronous_commit') IN ('off', 'local')",
        statement_ms, milliseconds(options.lock_timeout), 2 * statement_ms);
    const ResultHandle result(PQexec(handle_, settings.c_str()));
    if (PQresultStatus(result.get()) != PGRES_TUPLES_OK) {
        return Error::unavailable("the PostgreSQL server refuses our settings", "connection");
    }
    if (PQenterPipelineMode(handle_) != 1) return Error::internal("libpq refuses pipeline mode");
    return {};
}

void Connection::clear_damage() {
    if (damage_ != Damage::Lost) damage_ = Damage::None;
}

void Connection::defer_begin(const char* command) {
    server_clock_.reset();
    deferred_.push_back(command);
    deferred_.push_back(kReadClock);
}

bool Connection::take_back(const char* command) {
    if (deferred_.empty() || deferred_.back() != command) return false;
    deferred_.pop_back();
    return true;
}

Result<void> Connection::flush() {
    if (deferred_.empty()) return {};
    TRY_VOID(exchange(nullptr));
    return {};
}

Result<void> Connection::commit() {
    defer("COMMIT");
    TRY(const ResultHandle result, exchange(nullptr));
    // An aborted transaction answers a COMMIT with "ROLLBACK".
    if (std::strcmp(PQcmdStatus(result.get()), "COMMIT") == 0) return {};
    return Error::internal("the transaction had failed before its commit");
}

// False: the connection is lost. `preparing` tells that a PREPARE was sent too.
bool Connection::send_statement(const Statement& statement, std::string& name, bool& preparing) {
    const auto found = names_.find(statement.sql);
    preparing = found == names_.end();
    if (preparing) {
        name = fmt::format("s{}", next_name_++);
        const std::string text(statement.sql);
        if (PQsendPrepare(handle_, name.c_str(), text.c_str(), 0, nullptr) != 1) return false;
    } else {
        name = found->second;
    }
    std::vector<std::optional<std::string>> texts;
    std::vector<const char*> pointers;
    texts.reserve(statement.values.size());
    for (const Parameter& value : statement.values) texts.push_back(format_value(value));
    for (const auto& text : texts) pointers.push_back(text ? text->c_str() : nullptr);
    return PQsendQueryPrepared(
               handle_, name.c_str(), static_cast<int>(pointers.size()), pointers.data(), nullptr,
               nullptr, 0) == 1;
}

// The result of the next command of the pipeline; null when the connection is lost.
Connection::ResultHandle Connection::receive() {
    ResultHandle result(PQgetResult(handle_));
    if (!result || PQstatus(handle_) == CONNECTION_BAD) return nullptr;
    while (const ResultHandle rest{PQgetResult(handle_)}) {
        if (PQstatus(handle_) == CONNECTION_BAD) return nullptr;
    }
    return result;
}

bool Connection::receive_sync() {
    const ResultHandle result(PQgetResult(handle_));
    return result && PQresultStatus(result.get()) == PGRES_PIPELINE_SYNC;
}

Error Connection::lost() {
    damage_ = Damage::Lost;
    deferred_.clear();
    return Error::unavailable("the connection to the database is lost", "connection");
}

// One round trip: what is deferred, then the statement if there is one. The result of the last.
Result<Connection::ResultHandle> Connection::exchange(const Statement* statement) {
    if (damage_ == Damage::Lost) return lost();
    if (statement != nullptr && names_.size() >= kCachedStatementsMax) {
        names_.clear();
        deferred_.push_back("DEALLOCATE ALL");
    }
    const base::SteadyTime sent_at = clock_.steady_now();
    for (const char* command : deferred_) {
        if (PQsendQueryParams(handle_, command, 0, nullptr, nullptr, nullptr, nullptr, 0) != 1) {
            return lost();
        }
    }
    std::string name;
    bool preparing = false;
    if (statement != nullptr && !send_statement(*statement, name, preparing)) return lost();
    if (PQpipelineSync(handle_) != 1) return lost();

    std::optional<Error> error;
    ResultHandle last;
    const std::size_t steering = deferred_.size();
    const std::size_t total = steering + (preparing ? 1U : 0U) + (statement != nullptr ? 1U : 0U);
    for (std::size_t i = 0; i < total; ++i) {
        last = receive();
        if (!last) return lost();
        const ExecStatusType status = PQresultStatus(last.get());
        if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
            if (i < steering && deferred_[i] == kReadClock) {
                const auto clock = parse_timestamp(PQgetvalue(last.get(), 0, 0));
                if (!clock) return lost();
                server_clock_ = *clock;
                clock_read_at_ = sent_at;
            } else if (preparing && i == steering) {
                names_.emplace(std::string(statement->sql), name);
            }
        } else if (!error && status != PGRES_PIPELINE_ABORTED) {
            error = failure(last.get());
            // BEGIN, SAVEPOINT and RELEASE fail only when the state is not what we think.
            const bool commit = i < steering && std::strcmp(deferred_[i], "COMMIT") == 0;
            if (i < steering && !commit) return lost();
            if (damage_ == Damage::Lost) return lost();
        }
    }
    deferred_.clear();
    if (!receive_sync()) return lost();
    if (error) return std::move(*error);
    return last;
}

Result<Rows> Connection::query(std::string_view sql, std::span<const Parameter> values) {
    TRY_VOID(internal::check_texts(values));
    const Statement statement{sql, values};
    TRY(const ResultHandle result, exchange(&statement));
    const int columns = PQnfields(result.get());
    const int rows = PQntuples(result.get());
    std::vector<Value> cells;
    cells.reserve(static_cast<std::size_t>(columns) * static_cast<std::size_t>(rows));
    for (int row = 0; row < rows; ++row) {
        for (int column = 0; column < columns; ++column) {
            if (PQgetisnull(result.get(), row, column) != 0) {
                cells.emplace_back();
                continue;
            }
            const auto size = static_cast<std::size_t>(PQgetlength(result.get(), row, column));
            const std::string_view text(PQgetvalue(result.get(), row, column), size);
            TRY(Value value, parse_value(PQftype(result.get(), column), text));
            cells.push_back(std::move(value));
        }
    }
    return Rows(static_cast<std::size_t>(columns), std::move(cells));
}

Result<std::int64_t> Connection::execute(std::string_view sql, std::span<const Parameter> values) {
    TRY_VOID(internal::check_texts(values));
    const Statement statement{sql, values};
    TRY(const ResultHandle result, exchange(&statement));
    // "INSERT 0 3", "UPDATE 2"; a SELECT counts rows that it did not change.
    if (std::string_view(PQcmdStatus(result.get())).starts_with("SELECT")) return std::int64_t{0};
    const std::string_view count(PQcmdTuples(result.get()));
    std::int64_t changed = 0;
    std::from_chars(count.data(), count.data() + count.size(), changed);
    return changed;
}

Result<void> Connection::execute_script(std::string_view script) {
    TRY_VOID(flush());
    if (damage_ == Damage::Lost || PQexitPipelineMode(handle_) != 1) return lost();
    const std::string text(script);
    const ResultHandle result(PQexec(handle_, text.c_str()));
    if (!result || PQstatus(handle_) == CONNECTION_BAD) return lost();
    const ExecStatusType status = PQresultStatus(result.get());
    std::optional<Error> error;
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY) {
        error = failure(result.get());
    }
    if (damage_ == Damage::Lost || PQenterPipelineMode(handle_) != 1) return lost();
    if (error) return std::move(*error);
    return {};
}

Result<base::Timestamp> Connection::server_now() {
    if (!server_clock_) {
        TRY_VOID(flush());
    }
    if (!server_clock_) return Error::internal("no transaction is open");
    const base::Duration passed = clock_.steady_now() - clock_read_at_;
    return *server_clock_ + std::chrono::floor<std::chrono::microseconds>(passed);
}

Error Connection::failure(const pg_result* result) {
    const char* const field = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const std::string_view state = field == nullptr ? "" : field;
    const auto damage = [this](Damage worst) { damage_ = std::max(damage_, worst); };
    const std::string_view kind = state.substr(0, 2);
    if (kind == "23") return constraint_error(state, result);
    if (kind == "40" || state == "55P03") {
        damage(Damage::Retry);
        return Error::unavailable("the transaction lost against another one", "contention");
    }
    if (state == "57014") {
        return Error::unavailable("a database statement took too long", "timeout");
    }
    if (state == "08P01") return Error::internal("wrong number of values for an SQL statement");
    // Shutdown, lost peer, a prepared statement that is gone or (after a migration) out of date.
    const char* const source = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);
    const bool outdated =
        state == "0A000" && source != nullptr && std::strcmp(source, "RevalidateCachedQuery") == 0;
    if (state.empty() || kind == "57" || kind == "08" || state == "25P03" || state == "26000" ||
        outdated) {
        damage(Damage::Lost);
        return Error::unavailable("the connection to the database is lost", "connection");
    }
    if (state == "53100") return Error::unavailable("the database's disk is full", "disk_full");
    if (kind == "53" || kind == "58") {
        return Error::unavailable(
            fmt::format("the database is out of resources (SQLSTATE {})", state), "resources");
    }
    if (state == "25006") return Error::internal("a read unit may not write");
    if (kind == "22") {
        return Error::invalid_argument(
            fmt::format("the database refuses a value (SQLSTATE {})", state), "value");
    }
    if (state == "XX001" || state == "XX002") {
        return Error::corrupt_data("the database is damaged");
    }
    // Syntax and names: the message quotes statement text, which is ours.
    const char* const primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const bool plain = kind == "42" && primary != nullptr;
    return Error::internal(
        fmt::format("SQLSTATE {}{}{}", state, plain ? ": " : "", plain ? primary : ""));
}

}  // namespace adyton::storage::postgres
