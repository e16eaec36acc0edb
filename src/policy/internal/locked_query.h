#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "storage/database.h"

namespace adyton::policy::internal {

// A query with the database's own words for a lock behind it, or none. Without a lock the statement
// is the literal itself, which the database finds again quickest.
inline Result<storage::Rows> query_locked(
    storage::Transaction& tx, std::string_view sql, std::string_view lock,
    std::initializer_list<storage::Parameter> values) {
    if (lock.empty()) return tx.query(sql, values);
    return tx.query(std::string(sql) + std::string(lock), values);
}

}  // namespace adyton::policy::internal
