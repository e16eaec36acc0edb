#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"

namespace adyton::apps {

// All of a file that a user names. NotFound: it cannot be read. TooLarge: more than `bytes_max`.
Result<std::string> read_file(const std::string& path, std::size_t bytes_max);

}  // namespace adyton::apps
