#pragma once

#include <string_view>

namespace adyton::compute::host {

// The classes of the library, as thin as they can be: work is done by host functions.
extern const std::string_view kLibraryPrelude;

}  // namespace adyton::compute::host
