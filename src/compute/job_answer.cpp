#include "compute/job_answer.h"

#include <array>

#include "base/json.h"

namespace adyton::compute {
namespace {

using base::JsonWriter;

constexpr std::array<std::string_view, 3> kNamedLevels = {"info", "warn", "error"};

bool starts_with_level(std::string_view line, std::string_view level) {
    return line.starts_with(level) && line.substr(level.size()).starts_with(": ");
}

// What stands in front of a line, or log.
std::string_view level_in_front(std::string_view line) {
    for (const std::string_view level : kNamedLevels) {
        if (starts_with_level(line, level)) return level;
    }
    return "log";
}

// "Loaded secret: KEY", where the key is the name, with or without its owner.
bool loads(const std::string& line, const Receipt::Secret& secret, base::Timestamp at) {
    const std::string loaded = service_line(at, "Loaded secret: ");
    return line == loaded + secret.name || line == loaded + secret.owner + "/" + secret.name;
}

void write_text(JsonWriter& out, std::string_view name, std::string_view text) {
    if (!text.empty()) out.member(name, text);
}

void write_texts(JsonWriter& out, std::string_view name, const std::vector<std::string>& texts) {
    out.key(name).begin_array();
    for (const std::string& text : texts) out.value(std::string_view(text));
    out.end_array();
}

void write_ours(JsonWriter& out, const JobAnswer& answer) {
    out.member("phase", to_string(answer.phase));
    write_text(out, "error_code", answer.error_code);
    if (answer.error_line > 0) {
        out.member("error_line", static_cast<std::uint64_t>(answer.error_line));
        out.member("error_column", static_cast<std::uint64_t>(answer.error_column));
    }
    if (answer.logs_dropped > 0) {
        out.member("logs_dropped", static_cast<std::uint64_t>(answer.logs_dropped));
    }
    if (answer.metered_gas) out.member("metered_gas", *answer.metered_gas);
    if (!answer.log_levels.empty()) write_texts(out, "log_levels", answer.log_levels);
    if (!answer.warnings.empty()) write_texts(out, "warnings", answer.warnings);
    if (!answer.isolation.empty()) write_texts(out, "isolation", answer.isolation);
    write_text(out, "sealed_output", answer.sealed_output);
    out.member("created_at", std::string_view(base::to_rfc3339(answer.created_at)));
    if (answer.finished_at) {
        out.member("finished_at", std::string_view(base::to_rfc3339(*answer.finished_at)));
    }
    if (!answer.receipt.empty()) out.key("receipt").raw(answer.receipt);
}

}  // namespace

std::string JobAnswer::to_json_text() const {
    std::string text;
    JsonWriter out(text);
    out.begin_object();
    out.member("job_id", std::string_view(job_id)).member("status", status_word(phase));
    if (!output.empty()) out.key("output").raw(output);
    if (logs && !logs->empty()) write_texts(out, "logs", *logs);
    write_text(out, "error", error);
    out.member("gas_used", gas_used);
    // The seed's member is always there; a job that has not started shows when it was accepted.
    out.member("started_at", std::string_view(base::to_rfc3339(started_at.value_or(created_at))));
    if (duration) out.member("duration", std::string_view(base::to_go_duration(*duration)));
    write_text(out, "encrypted_output", encrypted_output);
    write_text(out, "output_hash", output_hash);
    write_text(out, "signature", signature);
    write_ours(out, *this);
    out.end_object();
    return text;
}

std::string service_line(base::Timestamp at, std::string_view text) {
    std::string line = "[" + base::to_rfc3339_seconds(at) + "] ";
    line += text;
    return line;
}

std::string shown_line(const ConsoleLine& line) {
    return line.first == "log" ? line.second : line.first + ": " + line.second;
}

std::vector<std::string> levels_to_tell(const std::vector<ConsoleLine>& console) {
    bool needed = false;
    std::vector<std::string> levels;
    for (const ConsoleLine& line : console) {
        needed = needed || level_in_front(shown_line(line)) != line.first;
        levels.push_back(line.first);
    }
    return needed ? levels : std::vector<std::string>();
}

std::optional<std::vector<ConsoleLine>> console_of(
    std::vector<std::string> logs, const std::vector<std::string>& levels, const Receipt& receipt) {
    const bool completed = receipt.status == to_string(JobPhase::Completed);
    const std::size_t before = 2 + receipt.secrets.size();
    if (logs.size() < before + (completed ? 1 : 0)) return std::nullopt;
    const base::Timestamp start = receipt.started_at;
    bool ours = logs[0] == service_line(start, "Starting execution") &&
                logs[1] == service_line(start, "Entry point: " + receipt.entry_point);
    for (std::size_t i = 2; i < before; ++i) {
        ours = ours && loads(logs[i], receipt.secrets[i - 2], start);
    }
    if (completed) {
        const std::string last = service_line(receipt.finished_at, kCompletedLine);
        ours = ours && logs.back() == last;
        logs.pop_back();
    }
    if (!ours || (!levels.empty() && levels.size() != logs.size() - before)) return std::nullopt;
    std::vector<ConsoleLine> out;
    for (std::size_t i = before; i < logs.size(); ++i) {
        std::string& line = logs[i];
        const std::string level(levels.empty() ? level_in_front(line) : levels[i - before]);
        if (level != "log") {
            if (!starts_with_level(line, level)) return std::nullopt;
            line.erase(0, level.size() + 2);
        }
        out.emplace_back(level, std::move(line));
    }
    return out;
}

}  // namespace adyton::compute
