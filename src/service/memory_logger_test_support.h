#pragma once

#include <mutex>
#include <string>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/log.h"

namespace adyton::service {

// Keeps lines, for tests.
class MemoryLogger final : public base::Logger {
public:
    bool enabled(base::LogLevel) const override { return true; }
    void flush() override {}
    void write(
        base::LogLevel level, std::string_view message,
        std::initializer_list<base::LogField> fields) override {
        base::Json line = base::Json::object();
        line.set("level", base::Json::integer(static_cast<int>(level)));
        line.set("message", base::Json::string(std::string(message)));
        for (const base::LogField& field : fields) {
            line.set(std::string(field.name), value_of(field));
        }
        const std::lock_guard lock(mutex_);
        lines_.push_back(std::move(line));
    }

    // Lines with that message.
    std::vector<base::Json> lines(std::string_view message) const {
        const std::lock_guard lock(mutex_);
        std::vector<base::Json> out;
        for (const base::Json& line : lines_) {
            if (line.find("message")->string_value() == message) out.push_back(line);
        }
        return out;
    }
    std::string text() const {
        const std::lock_guard lock(mutex_);
        std::string out;
        for (const base::Json& line : lines_) out += line.dump() + "\n";
        return out;
    }

private:
    static base::Json value_of(const base::LogField& field) {
        using base::Json;
        if (const auto* text = std::get_if<std::string_view>(&field.value)) {
            return Json::string(std::string(*text));
        }
        if (const auto* number = std::get_if<std::int64_t>(&field.value)) {
            return Json::integer(*number);
        }
        if (const auto* natural = std::get_if<std::uint64_t>(&field.value)) {
            return Json::unsigned_integer(*natural);
        }
        if (const auto* real = std::get_if<double>(&field.value)) return Json::real(*real);
        return Json::boolean(std::get<bool>(field.value));
    }

    mutable std::mutex mutex_;
    std::vector<base::Json> lines_;
};

}  // namespace adyton::service
