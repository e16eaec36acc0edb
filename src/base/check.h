#pragma once

// CHECK(condition): stops the process when our own reasoning is wrong, in release builds too. Never
// used on outside data: that is a Result. The message holds the expression, never a value.
namespace adyton::base {
[[noreturn]] void check_failed(const char* expression, const char* file, int line) noexcept;
}  // namespace adyton::base

#define CHECK(condition)                                                  \
    do {                                                                  \
        if (!(condition)) [[unlikely]] {                                  \
            ::adyton::base::check_failed(#condition, __FILE__, __LINE__); \
        }                                                                 \
    } while (false)
