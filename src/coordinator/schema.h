#pragma once

#include <span>

#include "storage/migration.h"

namespace adyton::coordinator {

// Migrations 60 to 69: wallet_workflow_records, the queues of gates, nonces.
std::span<const storage::Migration> migrations();

}  // namespace adyton::coordinator
