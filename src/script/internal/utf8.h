#pragma once

#include <string>

#include "base/bytes.h"

namespace adyton::script::internal {

// Appends `bytes` as well-formed UTF-8: each maximal broken part (a lone surrogate of the engine
// included) becomes one U+FFFD, as the WHATWG decoder does for most, and one for a surrogate. With
// `cut`, a sequence that the end has cut is left out instead.
void append_utf8(std::string& out, base::ByteView bytes, bool cut);

}  // namespace adyton::script::internal
