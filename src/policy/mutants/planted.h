#pragma once

// Only in the sources that make_mutants.cmake writes.
namespace adyton::policy::internal {

// Which mutant is alive in this process; 0: none.
int living_mutant();
inline bool planted(int number) {
    return living_mutant() == number;
}

}  // namespace adyton::policy::internal
