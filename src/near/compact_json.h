#pragma once

#include <string>

#include "base/json.h"

namespace adyton::near {

// JSON without white space and with the fewest escapes: only '"', '\' and control characters, UTF-8
// raw, numbers as written; the text that JSON.stringify and serde_json give. (base::Json::dump()
// escapes '<', '>' and '&' as well, which changes the bytes that are signed.)
std::string compact_json(const base::Json& json);

}  // namespace adyton::near
