#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "base/check.h"
#include "base/json.h"
#include "base/test_vectors.h"

// For tests: the vectors of tests/vectors/neo, or of the directory ADYTON_VECTORS points to. An
// empty or missing file fails.
namespace adyton::neo {

inline base::Json read_vectors(const std::string& name) {
    return base::read_vectors("neo/" + name);
}

inline std::string text_of(const base::Json& object, std::string_view name) {
    const base::Json* const member = object.find(name);
    if (member == nullptr || !member->is_string()) {
        ADD_FAILURE() << "no text member " << name << " in " << object.dump();
        return {};
    }
    return member->string_value();
}

inline bool flag_of(const base::Json& object, std::string_view name) {
    const base::Json* const member = object.find(name);
    if (member == nullptr || !member->is_boolean()) {
        ADD_FAILURE() << "no boolean member " << name << " in " << object.dump();
        return false;
    }
    return member->boolean_value();
}

// Runs `check` on each item of a list; fails when there is none. Returns how many there were.
template <typename Check>
std::size_t for_each_case(const base::Json& document, std::string_view list, const Check& check) {
    const base::Json* const cases = document.find(list);
    if (cases == nullptr || !cases->is_array() || cases->size() == 0) {
        ADD_FAILURE() << "no cases in " << list;
        return 0;
    }
    for (const base::Json& each : cases->items()) {
        const base::Json* const name = each.find("name");
        SCOPED_TRACE(name != nullptr ? name->dump() : each.dump());
        check(each);
    }
    return cases->size();
}

inline std::uint64_t number_of(const base::Json& object, std::string_view name) {
    const base::Json* const member = object.find(name);
    const auto number =
        member == nullptr ? Result<std::uint64_t>(Error::not_found("member")) : member->as_uint64();
    if (!number) {
        ADD_FAILURE() << "no number member " << name << " in " << object.dump();
        return 0;
    }
    return *number;
}

}  // namespace adyton::neo
