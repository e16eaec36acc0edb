#include "apps/console.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>
#include <utility>

#include "base/check.h"

namespace adyton::apps {
namespace {

std::size_t width(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
    }));
}

void append_row(
    std::string& out, const std::vector<std::string>& cells, const std::vector<std::size_t>& widths,
    const std::vector<Table::Column>& columns) {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) {
        const std::string padding(widths[i] - width(cells[i]), ' ');
        const bool right = columns[i].align == Table::Align::Right;
        if (i > 0) line += "  ";
        line += right ? padding + cells[i] : cells[i] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line;
    out += '\n';
}

}  // namespace

void Table::add(std::vector<std::string> cells) {
    CHECK(cells.size() == columns_.size());
    for (std::string& cell : cells) cell = printable(cell);
    rows_.push_back(std::move(cells));
}

std::string Table::to_string() const {
    std::vector<std::size_t> widths;
    std::vector<std::string> headings;
    for (const Column& column : columns_) {
        widths.push_back(width(column.heading));
        headings.push_back(column.heading);
    }
    for (const auto& row : rows_) {
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
    }
    std::string out;
    append_row(out, headings, widths, columns_);
    for (const auto& row : rows_) append_row(out, row, widths, columns_);
    return out;
}

void Console::print(std::string_view line) {
    out_ << line << '\n';
}

void Console::print_json(const base::Json& json) {
    out_ << json.dump_pretty() << '\n';
}

void Console::print_table(const Table& table) {
    out_ << table.to_string();
}

void Console::note(std::string_view line) {
    end_progress();
    err_ << line << '\n' << std::flush;
}

void Console::warning(std::string_view line) {
    note(fmt::format("warning: {}", line));
}

void Console::error(std::string_view line) {
    note(fmt::format("error: {}", line));
}

void Console::fail(const Error& error, bool as_json) {
    if (as_json) {
        base::Json body = base::Json::object();
        body.set("code", base::Json::string(std::string(base::to_string(error.code()))));
        body.set("message", base::Json::string(error.message()));
        if (!error.reason().empty()) body.set("reason", base::Json::string(error.reason()));
        note(base::Json::object().set("error", std::move(body)).dump());
        return;
    }
    // Configuration problems come one a line.
    std::string_view rest = error.message();
    bool first = true;
    do {
        const std::size_t end = rest.find('\n');
        std::string line = printable(rest.substr(0, end));
        rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
        if (rest.empty() && !error.reason().empty()) line += fmt::format(" ({})", error.reason());
        note(fmt::format("{}{}", first ? "error: " : "       ", line));
        first = false;
    } while (!rest.empty());
}

void Console::progress(std::string_view what, std::uint64_t done, std::uint64_t total) {
    const std::uint64_t share = total == 0 ? 100 : std::min<std::uint64_t>(done * 100 / total, 100);
    std::string line =
        fmt::format("{} {} of {} ({} %)", what, grouped(done), grouped(total), share);
    if (line == progress_shown_) return;
    if (err_kind_ == Kind::Terminal) {
        err_ << "\r\x1b[K" << line << std::flush;
        progress_shown_ = std::move(line);
    } else if (progress_shown_.empty() || share / 10 != tenth_shown_) {
        err_ << line << '\n' << std::flush;
        progress_shown_ = std::move(line);
        tenth_shown_ = share / 10;
    }
}

void Console::end_progress() {
    if (progress_shown_.empty()) return;
    if (err_kind_ == Kind::Terminal) err_ << '\n' << std::flush;
    progress_shown_.clear();
}

void Console::flush() {
    end_progress();
    out_ << std::flush;
}

std::string printable(std::string_view text) {
    std::string out(text);
    for (std::size_t i = 0; i < out.size(); ++i) {
        const auto byte = static_cast<unsigned char>(out[i]);
        if (byte < 0x20 || byte == 0x7F) out[i] = '?';
        // C1 controls in UTF-8: C2 80 to C2 9F.
        if (byte == 0xC2 && i + 1 < out.size()) {
            const auto next = static_cast<unsigned char>(out[i + 1]);
            if (next >= 0x80 && next <= 0x9F) out.replace(i, 2, "?");
        }
    }
    return out;
}

std::string counted(std::uint64_t count, std::string_view singular) {
    return fmt::format("{} {}{}", grouped(count), singular, count == 1 ? "" : "s");
}

std::string grouped(std::uint64_t number) {
    std::string digits = std::to_string(number);
    for (std::size_t at = digits.size(); at > 3;) {
        at -= 3;
        digits.insert(at, ",");
    }
    return digits;
}

}  // namespace adyton::apps
