#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace adyton::base {

void check_failed(const char* expression, const char* file, int line) noexcept {
    std::fprintf(stderr, "adyton: internal check failed: %s (%s:%d)\n", expression, file, line);
    std::fflush(stderr);
    std::abort();
}

}  // namespace adyton::base
