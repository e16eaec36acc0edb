#include "storage/postgres/postgres_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

namespace adyton::storage::postgres {
namespace {

// OIDs of pg_type that never change.
constexpr std::uint32_t kBool = 16, kBytea = 17, kInt8 = 20, kInt2 = 21, kInt4 = 23, kFloat4 = 700,
                        kFloat8 = 701, kTimestamp = 1114, kTimestampTz = 1184, kNumeric = 1700;

constexpr std::int64_t kDaySeconds = 86'400;
constexpr std::int64_t kMicros = 1'000'000;

// std::chrono's years end at 32767, PostgreSQL's at 294276: so our own civil calendar, proleptic
// Gregorian. It counts in eras of 400 years that start on 1 March, so that leap days come last.
struct Date {
    std::int64_t year;
    std::int64_t month;
    std::int64_t day;
};

constexpr std::int64_t kEraDays = 146'097;
constexpr std::int64_t kEpochFromMarchZero = 719'468;  // 0000-03-01 to 1970-01-01

std::int64_t days_from_date(const Date& date) {
    const std::int64_t year = date.year - (date.month <= 2 ? 1 : 0);
    const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
    const std::int64_t of_era = year - era * 400;
    const std::int64_t month = (date.month + 9) % 12;  // March is 0
    const std::int64_t of_year = (153 * month + 2) / 5 + date.day - 1;
    const std::int64_t day = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    return era * kEraDays + day - kEpochFromMarchZero;
}

Date date_from_days(std::int64_t days) {
    days += kEpochFromMarchZero;
    const std::int64_t era = (days >= 0 ? days : days - (kEraDays - 1)) / kEraDays;
    const std::int64_t day = days - era * kEraDays;
    const std::int64_t of_era = (day - day / 1460 + day / 36'524 - day / 146'096) / 365;
    const std::int64_t of_year = day - (365 * of_era + of_era / 4 - of_era / 100);
    const std::int64_t month = (5 * of_year + 2) / 153;
    Date date{};
    date.day = of_year - (153 * month + 2) / 5 + 1;
    date.month = month < 10 ? month + 3 : month - 9;
    date.year = era * 400 + of_era + (date.month <= 2 ? 1 : 0);
    return date;
}

Error malformed(std::string_view what) {
    return Error::corrupt_data("the database answered a malformed " + std::string(what));
}

// Takes digits off the front of a text.
class Scanner {
public:
    explicit Scanner(std::string_view text) : text_(text) {}

    bool take(char expected) {
        if (text_.empty() || text_[0] != expected) return false;
        text_.remove_prefix(1);
        return true;
    }
    bool take(std::string_view expected) {
        if (!text_.starts_with(expected)) return false;
        text_.remove_prefix(expected.size());
        return true;
    }
    // Between `least` and `most` digits; negative when there are fewer or more.
    std::int64_t number(std::size_t least, std::size_t most) {
        std::size_t count = 0;
        std::int64_t value = 0;
        while (count < text_.size() && text_[count] >= '0' && text_[count] <= '9') {
            if (count == most) return -1;
            value = value * 10 + (text_[count] - '0');
            ++count;
        }
        if (count < least) return -1;
        text_.remove_prefix(count);
        digits_ = count;
        return value;
    }
    std::size_t digits() const { return digits_; }
    bool empty() const { return text_.empty(); }

private:
    std::string_view text_;
    std::size_t digits_ = 0;
};

bool within(std::int64_t value, std::int64_t low, std::int64_t high) {
    return value >= low && value <= high;
}

// ".123456": microseconds; 0 when there is no fraction, negative when it is malformed.
std::int64_t scan_fraction(Scanner& scanner) {
    if (!scanner.take('.')) return 0;
    std::int64_t fraction = scanner.number(1, 6);
    if (fraction < 0) return -1;
    for (std::size_t i = scanner.digits(); i < 6; ++i) fraction *= 10;
    return fraction;
}

// "+05:30", "+00", "-03:30:15": seconds east of UTC; 0 without an offset.
std::optional<std::int64_t> scan_offset(Scanner& scanner) {
    std::int64_t sign = 1;
    if (scanner.take('-')) {
        sign = -1;
    } else if (!scanner.take('+')) {
        return 0;
    }
    std::int64_t seconds = 0;
    std::int64_t unit = 3600;
    for (int part = 0; part < 3; ++part, unit /= 60) {
        if (part > 0 && !scanner.take(':')) break;
        const std::int64_t value = scanner.number(2, 2);
        if (!within(value, 0, part == 0 ? 15 : 59)) return std::nullopt;
        seconds += value * unit;
    }
    return sign * seconds;
}

template <typename T>
bool parse_integer(std::string_view text, T& value) {
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    return error == std::errc() && stop == end;
}

}  // namespace

std::string format_timestamp(base::Timestamp time) {
    const std::int64_t micros = time.time_since_epoch().count();
    std::int64_t seconds = micros / kMicros;
    std::int64_t fraction = micros % kMicros;
    if (fraction < 0) {
        fraction += kMicros;
        --seconds;
    }
    std::int64_t days = seconds / kDaySeconds;
    std::int64_t of_day = seconds % kDaySeconds;
    if (of_day < 0) {
        of_day += kDaySeconds;
        --days;
    }
    const Date date = date_from_days(days);
    const bool before_christ = date.year <= 0;  // there is no year 0
    return fmt::format(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}+00{}", before_christ ? 1 - date.year : date.year,
        date.month, date.day, of_day / 3600, of_day / 60 % 60, of_day % 60, fraction,
        before_christ ? " BC" : "");
}

Result<base::Timestamp> parse_timestamp(std::string_view text) {
    Scanner scanner(text);
    Date date{};
    date.year = scanner.number(4, 6);
    const bool dash = scanner.take('-');
    date.month = scanner.number(2, 2);
    const bool second_dash = scanner.take('-');
    date.day = scanner.number(2, 2);
    const bool blank = scanner.take(' ');
    const std::int64_t hour = scanner.number(2, 2);
    const bool colon = scanner.take(':');
    const std::int64_t minute = scanner.number(2, 2);
    const bool second_colon = scanner.take(':');
    const std::int64_t second = scanner.number(2, 2);
    const std::int64_t fraction = scan_fraction(scanner);
    const auto offset = scan_offset(scanner);
    const bool before_christ = scanner.take(" BC");
    const bool shaped =
        dash && second_dash && blank && colon && second_colon && offset && scanner.empty();
    if (!shaped || date.year < 1 || !within(date.month, 1, 12) || !within(date.day, 1, 31) ||
        !within(hour, 0, 23) || !within(minute, 0, 59) || !within(second, 0, 59) || fraction < 0) {
        return malformed("time");
    }
    if (before_christ) date.year = 1 - date.year;
    const std::int64_t days = days_from_date(date);
    const Date again = date_from_days(days);
    if (again.day != date.day || again.month != date.month)
        return malformed("time");  // 30 February
    const std::int64_t seconds = days * kDaySeconds + hour * 3600 + minute * 60 + second - *offset;
    constexpr std::int64_t kLimit = std::numeric_limits<std::int64_t>::max() / kMicros - 1;
    if (!within(seconds, -kLimit, kLimit)) return malformed("time");
    return base::Timestamp(std::chrono::microseconds(seconds * kMicros + fraction));
}

std::string format_bytes(base::ByteView bytes) {
    return "\\x" + base::hex_encode(bytes);
}

Result<base::Bytes> parse_bytes(std::string_view text) {
    if (!text.starts_with("\\x")) return malformed("byte string");
    auto bytes = base::hex_decode(text.substr(2));
    if (!bytes) return malformed("byte string");
    return std::move(*bytes);
}

std::optional<std::string> format_value(const Parameter& value) {
    const Parameter::Content& content = value.content();
    switch (content.index()) {
        case 0:
            return std::nullopt;
        case 1:
            return std::get<bool>(content) ? "t" : "f";
        case 2:
            return fmt::format_int(std::get<std::int64_t>(content)).str();
        case 3:
            return std::string(std::get<std::string_view>(content));
        case 4:
            return format_bytes(std::get<base::ByteView>(content));
        default:
            return format_timestamp(std::get<base::Timestamp>(content));
    }
}

Result<Value> parse_value(std::uint32_t type, std::string_view text) {
    std::int64_t number = 0;
    switch (type) {
        case kBool:
            if (text != "t" && text != "f") return malformed("boolean");
            return Value(std::in_place_type<bool>, text == "t");
        case kInt2:
        case kInt4:
        case kInt8:
            if (!parse_integer(text, number)) return malformed("integer");
            return Value(number);
        case kNumeric:  // sum() of bigint, for one
            if (parse_integer(text, number)) return Value(number);
            return Value(std::string(text));
        case kBytea: {
            TRY(base::Bytes bytes, parse_bytes(text));
            return Value(std::move(bytes));
        }
        case kTimestamp:
        case kTimestampTz: {
            TRY(const base::Timestamp time, parse_timestamp(text));
            return Value(time);
        }
        case kFloat4:
        case kFloat8:
            return Error::corrupt_data("the database answers a floating point number");
        default:
            return Value(std::string(text));
    }
}

}  // namespace adyton::storage::postgres
