#pragma once

#include <span>

#include "storage/migration.h"

namespace adyton::compute {

// Migrations 50 to 59: compute_meta, compute_instances, compute_users, compute_jobs,
// compute_job_logs, compute_secrets, compute_user_keys.
std::span<const storage::Migration> migrations();

}  // namespace adyton::compute
