#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/executor.h"
#include "storage/database.h"

struct pg_conn;
struct pg_result;

namespace adyton::storage::postgres {

struct ConnectionOptions {
    std::string url;
    base::Duration connect_timeout{};
    base::Duration statement_timeout{};
    base::Duration lock_timeout{};
};

// One PostgreSQL connection with its prepared statements. Blocks; for one thread at a time.
//
// Commands that only steer the transaction are deferred: they travel ahead of the next statement in
// the same round trip (libpq's pipeline mode).
class Connection {
public:
    // What became of the transaction when a call failed.
    enum class Damage {
        None,   // the statement failed; rolling back to the savepoint mends it
        Retry,  // it lost against another transaction: roll back to the savepoint, try again later
        Lost,   // the connection is gone or of no more use: open another
    };

    // InvalidArgument: the URL is malformed. Unavailable: the server refuses or does not answer.
    // `clock` must outlive the connection.
    static Result<std::unique_ptr<Connection>> open(
        const ConnectionOptions& options, const base::Clock& clock);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // The texts are literals.
    void defer(const char* command) { deferred_.push_back(command); }
    // A BEGIN, which also reads the server's clock.
    void defer_begin(const char* command);
    // Takes the last deferred command back if it is this one and was not sent yet.
    bool take_back(const char* command);
    // Sends what is deferred.
    Result<void> flush();
    // Sends a COMMIT. With Damage::Lost nobody knows whether it happened; after another error it
    // did not.
    Result<void> commit();

    // Errors: see Transaction.
    Result<Rows> query(std::string_view sql, std::span<const Parameter> values);
    Result<std::int64_t> execute(std::string_view sql, std::span<const Parameter> values);
    Result<void> execute_script(std::string_view script);
    // The server's clock, read with BEGIN and carried on by ours: right within a round trip.
    Result<base::Timestamp> server_now();

    // The worst since the last clear_damage(); Lost stays.
    Damage damage() const { return damage_; }
    void clear_damage();

private:
    struct ResultCloser {
        void operator()(pg_result* result) const;
    };
    using ResultHandle = std::unique_ptr<pg_result, ResultCloser>;
    struct TextHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>{}(text);
        }
    };
    struct Statement {
        std::string_view sql;
        std::span<const Parameter> values;
    };

    explicit Connection(const base::Clock& clock) : clock_(clock) {}
    Result<void> connect(const ConnectionOptions& options);
    Result<void> configure(const ConnectionOptions& options);
    Result<ResultHandle> exchange(const Statement* statement);
    bool send_statement(const Statement& statement, std::string& name, bool& preparing);
    ResultHandle receive();
    bool receive_sync();
    Error failure(const pg_result* result);
    Error lost();

    static constexpr std::size_t kCachedStatementsMax = 512;

    const base::Clock& clock_;
    pg_conn* handle_ = nullptr;
    std::vector<const char*> deferred_;
    std::unordered_map<std::string, std::string, TextHash, std::equal_to<>> names_;
    std::uint64_t next_name_ = 1;
    Damage damage_ = Damage::None;
    std::optional<base::Timestamp> server_clock_;
    base::SteadyTime clock_read_at_{};
};

}  // namespace adyton::storage::postgres
