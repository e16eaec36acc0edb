#include "http/internal/response_writer.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/check.h"

namespace adyton::http::internal {
namespace {

void append_number(std::string& out, std::uint64_t value, int base = 10) {
    std::array<char, 24> text{};
    const auto [end, failure] = std::to_chars(text.data(), text.data() + text.size(), value, base);
    CHECK(failure == std::errc());
    out.append(text.data(), end);
}

bool is_token(std::string_view name) {
    static constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
    return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               kOthers.find(c) != std::string_view::npos;
    });
}

// The server's own fields: a handler's would contradict them.
bool is_reserved(std::string_view name) {
    switch (name.size()) {
        case 4:
            return equal_ignoring_case(name, "Date");
        case 10:
            return equal_ignoring_case(name, "Connection") ||
                   equal_ignoring_case(name, "X-Trace-ID");
        case 14:
            return equal_ignoring_case(name, "Content-Length");
        case 17:
            return equal_ignoring_case(name, "Transfer-Encoding");
        default:
            return false;
    }
}

void append_status_line(std::string& out, Status status) {
    if (status == Status::Ok) {
        out.append("HTTP/1.1 200 OK\r\n");
        return;
    }
    out.append("HTTP/1.1 ");
    append_number(out, status_number(status));
    out.push_back(' ');
    out.append(reason_phrase(status)).append("\r\n");
}

}  // namespace

std::string_view DateText::at(base::Timestamp now) {
    static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const auto second = std::chrono::floor<std::chrono::seconds>(now);
    if (second == second_) return text_;
    second_ = second;
    const auto day = std::chrono::floor<std::chrono::days>(second);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss time(second - day);
    const auto two = [this](unsigned value, char after) {
        if (value < 10) text_.push_back('0');
        append_number(text_, value);
        text_.push_back(after);
    };
    text_ = kDays[std::chrono::weekday(day).c_encoding()];
    text_.append(", ");
    two(static_cast<unsigned>(date.day()), ' ');
    text_.append(kMonths[static_cast<unsigned>(date.month()) - 1]).push_back(' ');
    append_number(text_, static_cast<std::uint64_t>(std::max(static_cast<int>(date.year()), 0)));
    text_.push_back(' ');
    two(static_cast<unsigned>(time.hours().count()), ':');
    two(static_cast<unsigned>(time.minutes().count()), ':');
    two(static_cast<unsigned>(time.seconds().count()), ' ');
    text_.append("GMT");
    return text_;
}

bool forbids_body(Status status) {
    return status_number(status) < 200 || status == Status::NoContent ||
           status == Status::NotModified;
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
    if (!is_token(name)) return;
    out.append(name).append(": ");
    const std::size_t start = out.size();
    out.append(value);
    for (std::size_t i = start; i < out.size(); ++i) {
        const auto byte = static_cast<unsigned char>(out[i]);
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f) out[i] = ' ';
    }
    out.append("\r\n");
}

void append_head(std::string& out, const Response& response, const HeadContext& context) {
    append_status_line(out, response.status);
    out.append("Date: ").append(context.date).append("\r\n");
    for (std::size_t i = 0; i < response.headers.size(); ++i) {
        const Headers::Field field = response.headers.at(i);
        if (!is_reserved(field.name)) append_field(out, field.name, field.value);
    }
    out.append("X-Trace-ID: ").append(context.trace_id).append("\r\n");
    if (context.framing == BodyFraming::Chunked) {
        out.append("Transfer-Encoding: chunked\r\n");
    } else if (context.framing == BodyFraming::Length && !forbids_body(response.status)) {
        out.append("Content-Length: ");
        append_number(out, context.content_length);
        out.append("\r\n");
    }
    if (context.close) out.append("Connection: close\r\n");
    out.append("\r\n");
}

void append_chunk(std::string& out, std::string_view bytes) {
    CHECK(!bytes.empty());
    append_number(out, bytes.size(), 16);
    out.append("\r\n").append(bytes).append("\r\n");
}

}  // namespace adyton::http::internal
