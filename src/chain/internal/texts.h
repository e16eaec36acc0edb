#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace adyton::chain::internal {

// An endpoint's text, fit for logs and answers: control characters become spaces, and what is
// longer than `bytes_max` is cut between two characters.
std::string presentable(std::string_view text, std::size_t bytes_max);

}  // namespace adyton::chain::internal
