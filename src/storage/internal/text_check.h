#pragma once

#include <span>
#include <string_view>

#include "storage/database.h"

namespace adyton::storage::internal {

// What both databases can store as text: UTF-8 without NUL. PostgreSQL refuses the rest; SQLite
// would take it, and an export to PostgreSQL would fail later.
bool is_storable_text(std::string_view text);

// InvalidArgument (reason "text") when a text among the values is not storable.
Result<void> check_texts(std::span<const Parameter> values);

}  // namespace adyton::storage::internal
