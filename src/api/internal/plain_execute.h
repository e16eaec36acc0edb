#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "api/compute_types.h"

namespace adyton::api::internal {

// How many bytes the JSON value at the start of `text` takes if it is canonical as compute writes
// it: no white space, the names of objects in strictly ascending order of their bytes, strings
// without anything that is escaped, plain decimal numbers. 0: it is not, or nested over 16 deep.
// Whatever is taken, base::Json::parse() takes too, if `text` is UTF-8.
std::size_t canonical_size(std::string_view text);

// The frequent form of POST /execute, read without building a document: script, input (canonical),
// entry_point, timeout, app_id and script_name. Nothing: the body is of another form, which the
// general reader takes or refuses.
std::optional<ExecuteRequest> read_plain_execute(std::string_view body);

}  // namespace adyton::api::internal
