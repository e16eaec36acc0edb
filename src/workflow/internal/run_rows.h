#pragma once

#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "storage/database.h"
#include "workflow/journal.h"

namespace adyton::workflow {

#define ADYTON_RUN_COLUMNS                                                                \
    "id, kind, subject, state, step, payload, reason, attempts, attempts_max, deadline, " \
    "next_attempt_at, cancel_requested, driver, fencing, events, created_at, updated_at"

// Rows of ADYTON_RUN_COLUMNS.
Result<Run> read_run(const storage::Rows& rows, std::size_t row);
Result<std::vector<Run>> read_runs(const storage::Rows& rows);
// Those of the runs that still exist, in any order.
Result<std::vector<Run>> find_runs(storage::Transaction& tx, const std::vector<std::string>& ids);
// Whether the lease of a driver runs. An empty name is nobody's.
Result<bool> is_alive(storage::Transaction& tx, const std::string& driver, base::Timestamp now);

}  // namespace adyton::workflow
