#pragma once

#include <string_view>

namespace adyton::storage {

// One numbered step of the schema. Numbers are unique across the whole program and never reused; a
// released migration never changes. Each text is a script of statements separated by semicolons and
// runs in one transaction together with the record that it ran.
struct Migration {
    int number;             // 1, 2, 3 ... in the order of running
    std::string_view name;  // lower snake case, for people
    std::string_view sqlite;
    std::string_view postgres;
};

}  // namespace adyton::storage
