#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.h"

namespace adyton::base {

using Duration = std::chrono::nanoseconds;
// Civil time in UTC, microseconds: what both databases can hold.
using Timestamp = std::chrono::sys_time<std::chrono::microseconds>;
// Monotonic time for timers and latencies; means nothing outside the process.
using SteadyTime = std::chrono::time_point<std::chrono::steady_clock, Duration>;

// RFC 3339 in UTC with `Z`, fraction up to microseconds with trailing zeros dropped:
// "2026-01-28T13:31:12.1234Z". Years 0001 to 9999.
std::string to_rfc3339(Timestamp time);
// The same cut to whole seconds.
std::string to_rfc3339_seconds(Timestamp time);
// Accepts any offset and 1 to 9 fraction digits (cut to microseconds). InvalidArgument otherwise.
Result<Timestamp> parse_rfc3339(std::string_view text);

// Go's duration text: "24h0m0s", "1m0s", "12.345678ms", "0s".
std::string to_go_duration(Duration duration);
// Go's input form: "24h", "1h30m", "1.5s", "300ms", "-5s", "0". InvalidArgument: unknown unit,
// empty text, overflow of 64-bit nanoseconds.
Result<Duration> parse_go_duration(std::string_view text);

}  // namespace adyton::base
