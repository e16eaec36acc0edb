#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>

#include "base/executor.h"
#include "base/log.h"
#include "storage/database.h"

namespace adyton::storage {

struct PostgresOptions {
    std::string url;  // postgres://... as libpq takes it; may hold the password
    // One is best where units share hot rows, as they do through the audit chain: two batches that
    // wait for each other's rows cost more than they win.
    std::size_t writers = 1;
    std::size_t readers = 2;
    std::size_t queue_limit = 4096;  // units waiting, writes and reads each
    std::size_t batch_limit = 128;   // units in one commit
    base::Duration connect_timeout = std::chrono::seconds(5);
    base::Duration statement_timeout = std::chrono::seconds(30);
    // How long a unit of a batch waits for a row lock, before it leaves the batch and tries alone,
    // where it waits up to statement_timeout. It bounds how long neighbours wait with it.
    base::Duration lock_timeout = std::chrono::milliseconds(100);
    std::atomic<bool>* disk_full = nullptr;  // see open_database()
};

// A database on a PostgreSQL server (14 or newer), shared with other processes. Not through a
// pooler in transaction mode: sessions keep settings and prepared statements.
//
// Units share a READ COMMITTED transaction, each in a savepoint. A unit that loses a deadlock or
// waits too long for a lock is undone, its neighbours commit at once, and it is tried again alone
// (bounded, with jitter; Unavailable, reason "contention", in the end). A connection lost before
// the commit: all of the batch runs again on another. Lost during the commit: OutcomeUnknown. While
// the server is away units fail at once with Unavailable (reason "connection"), and it is tried
// again in growing intervals.
//
// Executor, logger, lifetimes and destructor: as for SQLite (sqlite_database.h). now() is the
// server's clock, right within one round trip.
//
// InvalidArgument: malformed URL. Unavailable: the server does not answer or refuses; the message
// shows the URL without its password.
Result<std::unique_ptr<Database>> create_postgres_database(
    PostgresOptions options, base::Executor& executor, base::Logger& logger);

}  // namespace adyton::storage
