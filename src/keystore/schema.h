#pragma once

#include <span>

#include "storage/migration.h"

namespace adyton::keystore {

// Migrations 40 to 49: keystore_meta, keystore_wallets, keystore_signatures.
std::span<const storage::Migration> migrations();

}  // namespace adyton::keystore
