#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace adyton::base {

// Texts as a JSON array: one parameter of a statement, which both databases turn into rows.
template <typename Texts>
std::string json_array(const Texts& texts) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_array();
    for (const auto& text : texts) writer.value(std::string_view(text));
    writer.end_array();
    return out;
}

}  // namespace adyton::base
