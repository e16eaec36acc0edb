#pragma once

#include <string_view>

namespace adyton::sim {

// Of a planted bug of the coordinator (coordinator/planted_bugs.h): "resign_submit_at_once". Empty
// for a number that is none.
std::string_view bug_name(int bug);

}  // namespace adyton::sim
