#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/time.h"

namespace adyton::script {

// The seed's limits (services.md 4.4). Sizes are bytes of UTF-8.
inline constexpr std::size_t kSourceBytesMax = 102'400;
inline constexpr std::size_t kInputBytesMax = 1'048'576;
inline constexpr std::size_t kOutputBytesMax = 1'048'576;
inline constexpr std::size_t kSecretsMax = 10;
inline constexpr std::size_t kSecretBytesMax = 65'536;
inline constexpr std::size_t kSecretNameBytesMax = 257;  // "OWNER/NAME", each at most 128
inline constexpr std::size_t kLogEntriesMax = 100;
inline constexpr std::size_t kLogEntryBytesMax = 4'096;  // then kLogCutMark is appended
inline constexpr std::string_view kLogCutMark = "...(truncated)";
inline constexpr std::size_t kEntryPointBytesMax = 128;
inline constexpr std::size_t kErrorMessageBytesMax = 4'096;
inline constexpr std::size_t kErrorNameTextBytesMax = 128;
// A text that was cut is up to this much shorter than its limit: no character is cut in two.
inline constexpr std::size_t kCutBytesMax = 3;

// What one job may use.
struct Limits {
    // From the moment an executor starts the job; time in the broker counts, time in the queue does
    // not. 1 ms to 120 s.
    base::Duration time = std::chrono::seconds(30);
    // Linear memory of the engine: its own 1.3 MB, the script, the input and all that they make.
    // 4 MiB to kMemoryBytesMax, rounded down to 64 KiB.
    std::size_t memory_bytes = std::size_t{64} << 20;
    // Metered gas (docs/script-api.md); 0 means no cap.
    std::uint64_t gas = 0;
    // Calls to the broker.
    std::uint32_t host_requests = 16;
};
inline constexpr std::size_t kMemoryBytesMin = std::size_t{4} << 20;
inline constexpr std::size_t kMemoryBytesMax = std::size_t{64} << 20;
inline constexpr base::Duration kTimeMax = std::chrono::seconds(120);

}  // namespace adyton::script
