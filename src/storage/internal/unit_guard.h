#pragma once

#include <optional>

#include "storage/database.h"

namespace adyton::storage::internal {

// Keeps the rule that a unit of work ends with its first failed statement, in both databases: what
// follows the failure answers it again, and a unit that swallows it fails with it all the same.
class FirstError {
public:
    const std::optional<Error>& get() const { return error_; }

    template <typename T>
    Result<T> note(Result<T> result) {
        if (!result) error_ = result.error();
        return result;
    }

    Result<void> conclude(Result<void> returned) const {
        if (returned && error_) return *error_;
        return returned;
    }

private:
    std::optional<Error> error_;
};

}  // namespace adyton::storage::internal
