#include "base/time.h"

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <limits>

namespace adyton::base {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::microseconds;

void append_digits(std::string& out, std::uint64_t value, std::size_t width) {
    std::array<char, 20> text{};
    for (std::size_t i = width; i > 0; --i) {
        text[i - 1] = static_cast<char>('0' + value % 10);
        value /= 10;
    }
    out.append(text.data(), width);
}

// Written by hand: every log line and answer has a time, and formatting one costs a microsecond.
std::string date_and_time(Timestamp time) {
    const auto day = floor<days>(time);
    const std::chrono::year_month_day date{day};
    const auto second =
        static_cast<std::uint64_t>((floor<std::chrono::seconds>(time) - day).count());
    const int year = static_cast<int>(date.year());
    std::string out;
    out.reserve(sizeof("2026-01-28T13:31:12.123456Z"));
    if (year < 0) out += '-';
    append_digits(out, static_cast<std::uint64_t>(year < 0 ? -year : year), year > 9999 ? 5 : 4);
    out += '-';
    append_digits(out, static_cast<unsigned>(date.month()), 2);
    out += '-';
    append_digits(out, static_cast<unsigned>(date.day()), 2);
    out += 'T';
    append_digits(out, second / 3600, 2);
    out += ':';
    append_digits(out, second / 60 % 60, 2);
    out += ':';
    append_digits(out, second % 60, 2);
    return out;
}

// Reads exactly `width` digits at `at`; negative when there is something else.
int digits(std::string_view text, std::size_t at, std::size_t width) {
    if (at + width > text.size()) return -1;
    int value = 0;
    for (std::size_t i = at; i < at + width; ++i) {
        if (text[i] < '0' || text[i] > '9') return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

// Wide enough for any sum below before it is range checked.
__extension__ using Int128 = __int128;

Error bad_time() {
    return Error::invalid_argument("time is not in RFC 3339 form");
}

struct Unit {
    std::string_view name;
    std::int64_t nanoseconds;
};
// "m" stands after "ms": the longer name is tried first.
constexpr std::array<Unit, 8> kUnits{{
    {"ns", 1},
    {"us", 1'000},
    {"\u00b5s", 1'000},
    {"\u03bcs", 1'000},
    {"ms", 1'000'000},
    {"s", 1'000'000'000},
    {"m", 60'000'000'000},
    {"h", 3'600'000'000'000},
}};

// "1.500" -> "1.5", "2.000" -> "2".
std::string trim_fraction(std::string text) {
    if (text.find('.') == std::string::npos) return text;
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
    return text;
}

}  // namespace

std::string to_rfc3339_seconds(Timestamp time) {
    return date_and_time(time) + "Z";
}

std::string to_rfc3339(Timestamp time) {
    const auto fraction = (time - floor<std::chrono::seconds>(time)).count();
    if (fraction == 0) return to_rfc3339_seconds(time);
    std::string out = date_and_time(time);
    out += '.';
    append_digits(out, static_cast<std::uint64_t>(fraction), 6);
    out.erase(out.find_last_not_of('0') + 1);
    out += 'Z';
    return out;
}

Result<Timestamp> parse_rfc3339(std::string_view text) {
    const int year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
    const int hour = digits(text, 11, 2), minute = digits(text, 14, 2);
    const int second = digits(text, 17, 2);
    if (text.size() < 20 || year < 0 || month < 0 || day < 0 || hour < 0 || minute < 0 ||
        second < 0 || text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') ||
        text[13] != ':' || text[16] != ':' || hour > 23 || minute > 59 || second > 59) {
        return bad_time();
    }
    const std::chrono::year_month_day date{
        std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
        std::chrono::day(static_cast<unsigned>(day))};
    if (!date.ok()) return bad_time();
    std::size_t at = 19;
    std::int64_t fraction = 0;
    if (text[at] == '.') {
        std::size_t count = 0;
        for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, ++count) {
            if (count < 6) fraction = fraction * 10 + (text[at] - '0');
        }
        if (count == 0 || count > 9) return bad_time();
        for (; count < 6; ++count) fraction *= 10;
    }
    std::chrono::minutes offset{0};
    if (at + 1 == text.size() && (text[at] == 'Z' || text[at] == 'z')) {
        offset = std::chrono::minutes(0);
    } else if (at + 6 == text.size() && (text[at] == '+' || text[at] == '-')) {
        const int hours = digits(text, at + 1, 2), minutes = digits(text, at + 4, 2);
        if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59 || text[at + 3] != ':') {
            return bad_time();
        }
        offset = std::chrono::minutes(hours * 60 + minutes) * (text[at] == '+' ? 1 : -1);
    } else {
        return bad_time();
    }
    return Timestamp(std::chrono::sys_days(date)) + std::chrono::hours(hour) +
           std::chrono::minutes(minute) + std::chrono::seconds(second) + microseconds(fraction) -
           offset;
}

std::string to_go_duration(Duration duration) {
    const std::int64_t count = duration.count();
    if (count == 0) return "0s";
    const bool negative = count < 0;
    const std::uint64_t ns =
        negative ? 0 - static_cast<std::uint64_t>(count) : static_cast<std::uint64_t>(count);
    std::string text;
    if (ns < 1'000) {
        text = fmt::format("{}ns", ns);
    } else if (ns < 1'000'000) {
        text = trim_fraction(fmt::format("{}.{:03}", ns / 1'000, ns % 1'000)) + "\u00b5s";
    } else if (ns < 1'000'000'000) {
        text = trim_fraction(fmt::format("{}.{:06}", ns / 1'000'000, ns % 1'000'000)) + "ms";
    } else {
        const std::uint64_t seconds = ns / 1'000'000'000;
        if (seconds >= 3600) text += fmt::format("{}h", seconds / 3600);
        if (seconds >= 60) text += fmt::format("{}m", seconds / 60 % 60);
        text += trim_fraction(fmt::format("{}.{:09}", seconds % 60, ns % 1'000'000'000)) + "s";
    }
    return negative ? "-" + text : text;
}

Result<Duration> parse_go_duration(std::string_view text) {
    const Error bad = Error::invalid_argument("not a duration such as 24h, 1h30m or 300ms");
    bool negative = false;
    if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
        negative = text[0] == '-';
        text.remove_prefix(1);
    }
    if (text == "0") return Duration::zero();
    if (text.empty()) return bad;
    constexpr Int128 kMax = std::numeric_limits<std::int64_t>::max();
    Int128 total = 0;
    while (!text.empty()) {
        Int128 whole = 0, fraction = 0, scale = 1;
        bool any = false;
        std::size_t at = 0;
        for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, any = true) {
            whole = whole * 10 + (text[at] - '0');
            if (whole > kMax) return bad;
        }
        if (at < text.size() && text[at] == '.') {
            for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, any = true) {
                if (scale < 1'000'000'000'000'000'000) {
                    fraction = fraction * 10 + (text[at] - '0');
                    scale *= 10;
                }
            }
        }
        if (!any) return bad;
        text.remove_prefix(at);
        const Unit* unit = nullptr;
        for (const Unit& candidate : kUnits) {
            if (text.starts_with(candidate.name)) {
                unit = &candidate;
                break;
            }
        }
        if (unit == nullptr) return bad;
        text.remove_prefix(unit->name.size());
        total += whole * unit->nanoseconds + fraction * unit->nanoseconds / scale;
        if (total > kMax) return bad;
    }
    const auto count = static_cast<std::int64_t>(total);
    return Duration(negative ? -count : count);
}

}  // namespace adyton::base
