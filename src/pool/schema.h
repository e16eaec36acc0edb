#pragma once

#include <span>

#include "storage/migration.h"

// Tables of the account pool, migrations 30 to 39.
//
// pool_accounts and pool_account_balances keep the names and columns of the original service
// (services.md 5.2), so that its database can be taken over: in PostgreSQL the migration adopts
// tables that are there, repairs locks that lost their time (A1), gives every locker's accounts one
// allocation and keys balances by script hash too (C5).
//
// pool_stats and pool_token_stats hold what /pool-info shows. Triggers keep them exact whoever
// writes, in sixteen shards in PostgreSQL so that instances do not wait for each other. Sums of
// amounts are split at bit 32 (hi * 2^32 + lo), because 2^53 times a pool passes 64 bits.
//
// pool_meta holds the hash of the master public key (A18) and the rotation's bookkeeping (A31).
// pool_retired_accounts archives what the retire worker deletes: the id is the only way to derive
// the key again (A11).
namespace adyton::pool {

std::span<const storage::Migration> migrations();

}  // namespace adyton::pool
