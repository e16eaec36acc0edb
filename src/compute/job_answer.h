#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "compute/job_repository.h"
#include "compute/receipt.h"

namespace adyton::compute {

// What a caller is told of a job: the seed's members first (services.md 4.1), then ours.
struct JobAnswer {
    std::string job_id;
    JobPhase phase = JobPhase::Queued;
    std::string output;  // canonical JSON; empty: none
    std::optional<std::vector<std::string>> logs;
    std::uint32_t logs_dropped = 0;  // console entries past kLogEntriesMax
    std::string error;
    std::string error_code;  // a stable word; empty: none
    std::int64_t gas_used = 0;
    std::optional<std::uint64_t> metered_gas;
    std::optional<base::Timestamp> started_at;
    std::optional<base::Duration> duration;
    std::string encrypted_output;
    std::string output_hash;
    std::string signature;
    std::string sealed_output;            // base64
    std::vector<std::string> log_levels;  // levels_to_tell()
    std::vector<std::string> warnings;
    std::vector<std::string> isolation;
    std::uint32_t error_line = 0;  // of the script, from 1; 0: unknown
    std::uint32_t error_column = 0;
    base::Timestamp created_at;
    std::optional<base::Timestamp> finished_at;
    std::string receipt;  // SignedReceipt::to_json_text(); empty: none
    // The leak guard refused or redacted something. Not in the text.
    bool held_back = false;

    std::string to_json_text() const;
};

// The seed's service lines: "[2026-01-28T13:31:12Z] Starting execution".
inline constexpr std::string_view kCompletedLine = "Execution completed successfully";
std::string service_line(base::Timestamp at, std::string_view text);

// A console line as it is given out: other levels than log with their name in front.
std::string shown_line(const ConsoleLine& line);
// The level of each line, where a line of level log looks like one of another level; else none, and
// what stands in front of the lines tells.
std::vector<std::string> levels_to_tell(const std::vector<ConsoleLine>& console);
// The console in an answer's `logs` and `log_levels`. Null: the service's lines around it are not
// those of this receipt, or the levels do not fit the lines.
std::optional<std::vector<ConsoleLine>> console_of(
    std::vector<std::string> logs, const std::vector<std::string>& levels, const Receipt& receipt);

}  // namespace adyton::compute
