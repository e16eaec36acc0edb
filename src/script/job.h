#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "script/layers.h"
#include "script/limits.h"
#include "script/sensitive_bytes.h"

namespace adyton::script {

// `secrets[name]` of the script. The value must be UTF-8.
struct Secret {
    std::string name;
    SensitiveBytes value;
};
// Gives the secrets when the job starts: called at most once, on a thread of the engine's choice,
// by a plain function that copies them on and wipes them. An error ends the run with it (no
// RunResult).
using SecretSource = std::function<Result<std::vector<Secret>>()>;

// What a script asks of the world outside, through the broker. `fetch` is the only kind today:
//   {"url":"...","method":"GET","headers":{"name":"value",...},"body":"..."|null,
//    "body_base64":"..."|absent}
struct HostRequest {
    std::uint32_t sequence = 0;  // 0, 1, 2... within the job
    std::string kind;            // "fetch"; at most 16 bytes
    std::string json;            // well-formed JSON of the script's making; at most kHostBytesMax
};
// fetch: {"status":200,"headers":{...},"body":"text"} or "body_base64" for what is not UTF-8.
struct HostReply {
    bool ok = true;
    // ok: the JSON above. Otherwise the message of the TypeError that the promise rejects with.
    std::string json;
};
inline constexpr std::size_t kHostBytesMax = 2'097'152;
// Runs on the executor of who called run(). A call may still be waiting for its peer when run() has
// returned (a cancelled job): what it uses is its own to keep.
using HostPort = std::function<Task<HostReply>(HostRequest)>;

// TypeScript loses its types inside the same sandbox before it runs (docs/script-api.md).
enum class Language : std::uint8_t { JavaScript, TypeScript };
std::string_view to_string(Language language);  // "javascript", "typescript"

enum class LogLevel : std::uint8_t { Log, Info, Warn, Error };
std::string_view to_string(LogLevel level);  // "log", "info", "warn", "error"

struct LogEntry {
    LogLevel level = LogLevel::Log;
    std::string text;  // UTF-8; at most kLogEntryBytesMax and the truncation mark
    bool operator==(const LogEntry&) const = default;
};

// The same source, input, secrets, start_time, random_seed, replies and limits give the same
// output, logs and gas on every machine: Math.random and crypto.randomBytes come from the seed, the
// clock of the script starts at start_time and advances with the gas used (1 ms per kGasPerMs).
struct Job {
    std::string id;    // of the caller's choosing, unique among running jobs; for cancel()
    std::string user;  // an executor serves one user at a time
    std::string source;
    Language language = Language::JavaScript;
    std::string entry_point = "main";
    std::string input_json = "{}";
    SecretSource secrets;  // may be empty
    Limits limits;
    base::Timestamp start_time{};
    // 32 bytes of the CSPRNG, never used twice (but for a replay).
    std::array<std::uint8_t, 32> random_seed{};
    // A process of its own, made for this job and killed after it.
    bool strict = false;
    // Called on the executor of who called run(), for each console entry as it is made; may be
    // empty.
    std::function<void(const LogEntry&)> on_log;
    // Empty: the script has no `fetch`.
    HostPort host;
};
inline constexpr std::uint64_t kGasPerMs = 50'000;

enum class Status : std::uint8_t {
    Completed,
    Failed,        // the script threw, has no entry point, or its value is no JSON
    TimedOut,      // limits.time has passed
    OutOfMemory,   // it failed after memory was refused to it
    GasExhausted,  // limits.gas has been used
    Cancelled,     // cancel()
    Trapped,       // the engine itself went wrong and was stopped by its sandbox
    ExecutorLost,  // the process ended or spoke nonsense
};
std::string_view to_string(Status status);  // "completed", "timed_out", ...

// Where a failure happened; the seed has its own words for each (seed_error_text).
enum class Stage : std::uint8_t { Input, Script, EntryPoint, Execution, Output };

struct ScriptError {
    Stage stage = Stage::Execution;
    std::string name;          // "TypeError"; empty when no Error object was thrown
    std::string message;       // at most kErrorMessageBytesMax
    std::uint32_t line = 0;    // of the submitted source, from 1; 0 unknown
    std::uint32_t column = 0;  // from 1; 0 unknown
    bool operator==(const ScriptError&) const = default;
};

struct RunResult {
    Status status = Status::Failed;
    // Completed only: compact JSON as JSON.stringify wrote it, always an object (a value of another
    // kind is wrapped: {"result":value}); empty when the script gave undefined or null.
    std::string output_json;
    std::vector<LogEntry> logs;        // kept on failure too
    std::uint32_t logs_dropped = 0;    // entries past kLogEntriesMax
    std::optional<ScriptError> error;  // for each status but Completed
    // Also of failures. Of a job whose process was killed: as far as it was seen, up to one poll
    // less than it used, so it is not the same on every machine.
    std::uint64_t metered_gas = 0;
    std::size_t memory_bytes_peak = 0;  // linear memory, grown in steps of 64 KiB
    base::Duration wall_time{};
    Layers layers;  // what really stood around this job
};

// What runs scripts, for receipts: name, version and the SHA-256 of the module that the build took.
std::string_view engine_name();         // "quickjs-ng 0.17.0 d4c9..."
std::string_view type_stripper_name();  // "sucrase 3.35.1 49da..."

// `error` in the seed's words: "script error: ...", "entry point 'x' is not a function",
// "execution error: ...", "output is not JSON serializable: ...". Empty for Completed.
std::string seed_error_text(const Job& job, const RunResult& result);

}  // namespace adyton::script
