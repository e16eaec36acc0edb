#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"

namespace adyton::attest {

// A file with a value of a user: a secret, but none of ours, and of any size up to `bytes_max`
// (read_secret_file takes what fits into the secret arena). The same is asked of its owner and
// mode, and errors are the same. The caller wipes the text.
Result<std::string> read_value_file(const std::string& path, std::size_t bytes_max);

}  // namespace adyton::attest
