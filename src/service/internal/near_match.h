#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace adyton::service::internal {

// Insertions, deletions, replacements and swaps of neighbours from one text to the other.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The candidate that was probably meant: within a third of its length and at most 3 edits away, or
// with the same last part after a dot. Empty when none is near.
std::string near_match(std::string_view text, const std::vector<std::string>& candidates);

}  // namespace adyton::service::internal
