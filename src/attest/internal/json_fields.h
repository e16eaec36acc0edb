#pragma once

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/json.h"

// How the module's documents (policy, claims, bundle) read their JSON. Each says in its own words
// what is wrong, so these only find.
namespace adyton::attest::internal {

// The first member that is not known, or null. CHECKs that it is an object.
inline const std::string* unknown_member(
    const base::Json& object, std::initializer_list<std::string_view> known) {
    for (const auto& [name, value] : object.members()) {
        if (std::find(known.begin(), known.end(), name) == known.end()) return &name;
    }
    return nullptr;
}

// The text of this member; null when it is absent or no text.
inline const std::string* text_member(const base::Json& object, std::string_view name) {
    const base::Json* const value = object.find(name);
    return value != nullptr && value->is_string() ? &value->string_value() : nullptr;
}

}  // namespace adyton::attest::internal
