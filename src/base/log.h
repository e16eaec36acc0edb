#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"

namespace adyton::base {

enum class LogLevel { Debug, Info, Warning, Error };

// "debug", "info", "warning" (also "warn"), "error". InvalidArgument otherwise.
Result<LogLevel> parse_log_level(std::string_view text);

// One named value of a log line. Views must live for the call.
struct LogField {
    std::string_view name;
    std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool> value;

    LogField(std::string_view field, std::string_view text) : name(field), value(text) {}
    LogField(std::string_view field, const char* text)
        : name(field), value(std::string_view(text)) {}
    LogField(std::string_view field, const std::string& text)
        : name(field), value(std::string_view(text)) {}
    template <typename T>
    requires std::is_arithmetic_v<T> LogField(std::string_view field, T number) : name(field) {
        if constexpr (std::is_same_v<T, bool>) {
            value = number;
        } else if constexpr (std::is_floating_point_v<T>) {
            value = static_cast<double>(number);
        } else if constexpr (std::is_signed_v<T>) {
            value = static_cast<std::int64_t>(number);
        } else {
            value = static_cast<std::uint64_t>(number);
        }
    }
};

// Structured log lines: one JSON object a line with "time" (RFC 3339, UTC), "level", "message" and
// the fields. No secret and no raw input ever goes in. Thread safe.
class Logger {
public:
    virtual ~Logger() = default;
    virtual bool enabled(LogLevel level) const = 0;
    virtual void write(
        LogLevel level, std::string_view message, std::initializer_list<LogField> fields) = 0;
    // Lines are buffered for up to a second; warnings and errors flush at once.
    virtual void flush() = 0;

    void debug(std::string_view message, std::initializer_list<LogField> fields = {}) {
        if (enabled(LogLevel::Debug)) write(LogLevel::Debug, message, fields);
    }
    void info(std::string_view message, std::initializer_list<LogField> fields = {}) {
        if (enabled(LogLevel::Info)) write(LogLevel::Info, message, fields);
    }
    void warning(std::string_view message, std::initializer_list<LogField> fields = {}) {
        if (enabled(LogLevel::Warning)) write(LogLevel::Warning, message, fields);
    }
    void error(std::string_view message, std::initializer_list<LogField> fields = {}) {
        if (enabled(LogLevel::Error)) write(LogLevel::Error, message, fields);
    }
};

struct LogOptions {
    LogLevel level = LogLevel::Info;
    std::string path;  // empty: standard error
};

// Unavailable: the file cannot be opened.
Result<std::unique_ptr<Logger>> create_logger(const LogOptions& options);
// Drops everything: tests and tools.
Logger& null_logger();

}  // namespace adyton::base
