#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/executor.h"
#include "base/log.h"
#include "storage/database.h"

namespace adyton::storage {

struct SqliteOptions {
    std::string path;
    std::string vfs;  // name of a registered SQLite VFS; empty: the system's disk
    base::Duration busy_timeout = std::chrono::seconds(5);  // for locks of other processes
    std::int64_t cache_kib = 16 * 1024;  // of a reader, at most; the writer four times
    std::size_t readers = 2;             // connections for reads, at least 1
    std::size_t queue_limit = 4096;      // units waiting, writes and reads each
    std::size_t batch_limit = 256;       // units in one commit
    int checkpoint_pages = 2000;         // of the log, before it is moved
    // See open_database().
    std::atomic<bool>* disk_full = nullptr;
};

// A database in one SQLite file in WAL mode with full syncs: an answered durable unit survives a
// loss of power. The file (mode 0600) and its directories (0700) are created when missing.
//
// One connection writes. While a batch of units commits, the next one gathers; all of it runs as
// blocking jobs of `executor`. Reads run on connections of their own and see the last commit. What
// a COMMIT that fails with an I/O error leaves behind only recovery decides, so it answers
// OutcomeUnknown; a full disk answers Unavailable ("disk_full"). After errors the database
// heals by itself once the disk works again.
//
// now() is the executor's clock. The executor and the logger must outlive the database, and so must
// each executor that awaits it. The destructor waits for the running batch; units that still wait
// are never answered.
//
// Unavailable: the file cannot be opened. CorruptData: it is not a database.
Result<std::unique_ptr<Database>> create_sqlite_database(
    SqliteOptions options, base::Executor& executor, base::Logger& logger);

}  // namespace adyton::storage
