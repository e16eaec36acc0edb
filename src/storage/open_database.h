#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include "base/executor.h"
#include "base/log.h"
#include "storage/database.h"

namespace adyton::storage {

// The database that DATABASE_URL names (decisions.md 19): "sqlite:PATH", where a relative path
// starts in `directory`, or "postgres://..." and "postgresql://...". Empty: adyton.db in
// `directory`. See create_sqlite_database and create_postgres_database for lifetimes and errors.
// `disk_full`, if not null, is set by each commit that finds the disk full and never cleared; it
// must outlive the database. InvalidArgument: another scheme, no path.
Result<std::unique_ptr<Database>> open_database(
    std::string_view url, std::string_view directory, base::Executor& executor,
    base::Logger& logger, std::atomic<bool>* disk_full = nullptr);

// The URL as it may be shown: without passwords, in doubt without more. Text of another form than
// open_database takes is not shown at all.
std::string redact_url(std::string_view url);

}  // namespace adyton::storage
