#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "policy/rule.h"

// One table of the limits that rules can carry: their names in text, where they live in RuleLimits
// and in Decision.
namespace adyton::policy::internal {

enum class LimitUnit { Count, Duration };

struct LimitField {
    std::string_view name;
    LimitUnit unit;
    std::optional<std::int64_t> RuleLimits::*count;       // null for durations
    std::optional<base::Duration> RuleLimits::*duration;  // null for counts
    std::optional<Bound> Decision::*bound;
};

inline constexpr std::array<LimitField, 8> kLimitFields = {{
    {"locked_accounts_max", LimitUnit::Count, &RuleLimits::locked_accounts_max, nullptr,
     &Decision::locked_accounts_max},
    {"request_count_max", LimitUnit::Count, &RuleLimits::request_count_max, nullptr,
     &Decision::request_count_max},
    {"lock_ttl_max", LimitUnit::Duration, nullptr, &RuleLimits::lock_ttl_max,
     &Decision::lock_ttl_max},
    {"batch_size_max", LimitUnit::Count, &RuleLimits::batch_size_max, nullptr,
     &Decision::batch_size_max},
    {"requests_per_minute", LimitUnit::Count, &RuleLimits::requests_per_minute, nullptr,
     &Decision::requests_per_minute},
    {"accounts_per_hour", LimitUnit::Count, &RuleLimits::accounts_per_hour, nullptr,
     &Decision::accounts_per_hour},
    {"signatures_per_minute", LimitUnit::Count, &RuleLimits::signatures_per_minute, nullptr,
     &Decision::signatures_per_minute},
    {"signatures_per_day", LimitUnit::Count, &RuleLimits::signatures_per_day, nullptr,
     &Decision::signatures_per_day},
}};

// Durations in nanoseconds.
inline std::optional<std::int64_t> get_limit(const RuleLimits& limits, const LimitField& field) {
    if (field.unit == LimitUnit::Count) return limits.*field.count;
    const auto& duration = limits.*field.duration;
    return duration ? std::optional<std::int64_t>(duration->count()) : std::nullopt;
}
inline void set_limit(RuleLimits& limits, const LimitField& field, std::int64_t number) {
    if (field.unit == LimitUnit::Count) {
        limits.*field.count = number;
    } else {
        limits.*field.duration = base::Duration(number);
    }
}

}  // namespace adyton::policy::internal
