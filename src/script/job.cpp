#include "script/job.h"

#include <fmt/format.h>

namespace adyton::script {
namespace {

// "TypeError: x is not a function (line 3, column 11)"
std::string error_text(const ScriptError& error) {
    std::string out;
    if (!error.name.empty()) out = error.name;
    if (!error.message.empty()) out += (out.empty() ? "" : ": ") + error.message;
    if (out.empty()) out = "uncaught exception";
    if (error.line > 0) out += fmt::format(" (line {}, column {})", error.line, error.column);
    return out;
}

std::string_view prefix_of(Stage stage) {
    switch (stage) {
        case Stage::Input:  // only of limits that end a job at once
        case Stage::Script:
            return "script error: ";
        case Stage::EntryPoint:
        case Stage::Execution:
            break;
        case Stage::Output:
            return "output is not JSON serializable: ";
    }
    return "execution error: ";
}

std::string seconds_text(base::Duration time) {
    return fmt::format("{} s", std::chrono::duration<double>(time).count());
}

}  // namespace

std::string_view to_string(Language language) {
    return language == Language::TypeScript ? "typescript" : "javascript";
}

std::string_view engine_name() {
    return ADYTON_ENGINE_NAME;
}
std::string_view type_stripper_name() {
    return ADYTON_STRIPPER_NAME;
}

std::string_view to_string(LogLevel level) {
    switch (level) {
        case LogLevel::Log:
            return "log";
        case LogLevel::Info:
            return "info";
        case LogLevel::Warn:
            return "warn";
        case LogLevel::Error:
            return "error";
    }
    return "unknown";
}

std::string_view to_string(Status status) {
    switch (status) {
        case Status::Completed:
            return "completed";
        case Status::Failed:
            return "failed";
        case Status::TimedOut:
            return "timed_out";
        case Status::OutOfMemory:
            return "out_of_memory";
        case Status::GasExhausted:
            return "gas_exhausted";
        case Status::Cancelled:
            return "cancelled";
        case Status::Trapped:
            return "trapped";
        case Status::ExecutorLost:
            return "executor_lost";
    }
    return "unknown";
}

std::string seed_error_text(const Job& job, const RunResult& result) {
    if (result.status == Status::Completed) return {};
    const ScriptError error = result.error.value_or(ScriptError{});
    const std::string prefix(prefix_of(error.stage));
    switch (result.status) {
        case Status::TimedOut:
            return prefix + "execution timeout at " + seconds_text(job.limits.time);
        case Status::OutOfMemory:
            return prefix + fmt::format("out of memory (limit {} bytes)", job.limits.memory_bytes);
        case Status::GasExhausted:
            return prefix + fmt::format("gas exhausted (limit {})", job.limits.gas);
        case Status::Cancelled:
            return "execution error: cancelled";
        case Status::Trapped:
            return "execution error: the engine was stopped by its sandbox";
        case Status::ExecutorLost:
            return "execution error: the executor was lost";
        case Status::Completed:
        case Status::Failed:
            break;
    }
    if (error.stage == Stage::EntryPoint) {
        return fmt::format("entry point '{}' is not a function", job.entry_point);
    }
    if (error.stage == Stage::Output && error.name.empty()) return error.message;
    return prefix + error_text(error);
}

}  // namespace adyton::script
