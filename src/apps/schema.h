#pragma once

#include <vector>

#include "storage/migration.h"

namespace adyton::apps {

// The whole program's migrations in the order of their numbers. CHECKs that none is there twice.
std::vector<storage::Migration> all_migrations();

}  // namespace adyton::apps
