#include "base/log.h"

#include <spdlog/details/file_helper.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <mutex>

#include "base/json.h"
#include "base/time.h"

namespace adyton::base {
namespace {

// Buffers lines in stdio and lets warnings through at once. The timer that flushes quiet logs is
// the time of the next line: spdlog's own periodic flusher would be a thread we do not control.
class BufferedSink final : public spdlog::sinks::base_sink<std::mutex> {
public:
    BufferedSink(std::FILE* file, bool owned) : file_(file), owned_(owned) {}
    ~BufferedSink() override {
        std::fflush(file_);
        if (owned_) std::fclose(file_);
    }
    BufferedSink(const BufferedSink&) = delete;
    BufferedSink& operator=(const BufferedSink&) = delete;

protected:
    void sink_it_(const spdlog::details::log_msg& message) override {
        pending_.append(message.payload.data(), message.payload.size());
        pending_ += '\n';
        const bool due = message.time - last_flush_ >= std::chrono::milliseconds(200);
        if (message.level >= spdlog::level::warn || due || pending_.size() >= kPendingMax) {
            last_flush_ = message.time;
            flush_();
        }
    }
    void flush_() override {
        std::fwrite(pending_.data(), 1, pending_.size(), file_);
        std::fflush(file_);
        pending_.clear();
    }

private:
    static constexpr std::size_t kPendingMax = 64 * 1024;
    std::FILE* file_;
    bool owned_;
    std::string pending_;
    spdlog::log_clock::time_point last_flush_{};
};

spdlog::level::level_enum to_spdlog(LogLevel level) {
    switch (level) {
        case LogLevel::Debug:
            return spdlog::level::debug;
        case LogLevel::Info:
            return spdlog::level::info;
        case LogLevel::Warning:
            return spdlog::level::warn;
        case LogLevel::Error:
            return spdlog::level::err;
    }
    return spdlog::level::err;
}

std::string_view level_name(LogLevel level) {
    switch (level) {
        case LogLevel::Debug:
            return "debug";
        case LogLevel::Info:
            return "info";
        case LogLevel::Warning:
            return "warning";
        case LogLevel::Error:
            return "error";
    }
    return "error";
}

class SpdlogLogger final : public Logger {
public:
    SpdlogLogger(spdlog::sink_ptr sink, LogLevel level) : logger_("adyton", std::move(sink)) {
        logger_.set_level(to_spdlog(level));
    }

    bool enabled(LogLevel level) const override { return logger_.should_log(to_spdlog(level)); }
    void flush() override { logger_.flush(); }
    void write(
        LogLevel level, std::string_view message, std::initializer_list<LogField> fields) override {
        thread_local std::string line;
        line.clear();
        const auto now = spdlog::log_clock::now();
        JsonWriter writer(line);
        writer.begin_object();
        writer.member(
            "time",
            std::string_view(to_rfc3339(std::chrono::floor<std::chrono::microseconds>(now))));
        writer.member("level", level_name(level)).member("message", message);
        for (const LogField& field : fields) append(writer, field);
        writer.end_object();
        logger_.log(now, spdlog::source_loc{}, to_spdlog(level), line);
    }

private:
    static void append(JsonWriter& writer, const LogField& field) {
        writer.key(field.name);
        if (const auto* number = std::get_if<double>(&field.value)) {
            writer.raw(Json::real(*number).dump());
        } else if (const auto* text = std::get_if<std::string_view>(&field.value)) {
            writer.value(*text);
        } else if (const auto* integer = std::get_if<std::int64_t>(&field.value)) {
            writer.value(*integer);
        } else if (const auto* natural = std::get_if<std::uint64_t>(&field.value)) {
            writer.value(*natural);
        } else {
            writer.value(std::get<bool>(field.value));
        }
    }

    spdlog::logger logger_;
};

class NullLogger final : public Logger {
public:
    bool enabled(LogLevel) const override { return false; }
    void write(LogLevel, std::string_view, std::initializer_list<LogField>) override {}
    void flush() override {}
};

}  // namespace

Result<LogLevel> parse_log_level(std::string_view text) {
    if (text == "debug") return LogLevel::Debug;
    if (text == "info") return LogLevel::Info;
    if (text == "warning" || text == "warn") return LogLevel::Warning;
    if (text == "error") return LogLevel::Error;
    return Error::invalid_argument("log level must be debug, info, warning or error");
}

Result<std::unique_ptr<Logger>> create_logger(const LogOptions& options) {
    std::FILE* file = stderr;
    if (!options.path.empty()) {
        file = std::fopen(options.path.c_str(), "ae");
        if (file == nullptr) return Error::unavailable("cannot open log file " + options.path);
    }
    auto sink = std::make_shared<BufferedSink>(file, !options.path.empty());
    return std::unique_ptr<Logger>(std::make_unique<SpdlogLogger>(std::move(sink), options.level));
}

Logger& null_logger() {
    static NullLogger logger;
    return logger;
}

}  // namespace adyton::base
