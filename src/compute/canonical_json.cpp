#include "compute/canonical_json.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace adyton::compute {
namespace {

using base::Json;

// The code unit of "\uXXXX" at `at`; nothing when there is none.
std::optional<std::uint32_t> escaped_unit(std::string_view text, std::size_t at) {
    if (at + 6 > text.size() || text[at] != '\\' || text[at + 1] != 'u') return std::nullopt;
    std::uint32_t unit = 0;
    for (std::size_t i = at + 2; i < at + 6; ++i) {
        const char c = text[i];
        std::uint32_t digit = 0;
        if (c >= '0' && c <= '9') {
            digit = static_cast<std::uint32_t>(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            digit = static_cast<std::uint32_t>(c - 'a') + 10;
        } else if (c >= 'A' && c <= 'F') {
            digit = static_cast<std::uint32_t>(c - 'A') + 10;
        } else {
            return std::nullopt;
        }
        unit = unit * 16 + digit;
    }
    return unit;
}

bool is_high(std::uint32_t unit) {
    return unit >= 0xd800 && unit < 0xdc00;
}
bool is_low(std::uint32_t unit) {
    return unit >= 0xdc00 && unit < 0xe000;
}

// JSON.stringify writes lone surrogates as escapes, and so does nothing else that is not in a pair.
std::string replace_lone_surrogates(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size();) {
        if (text[i] != '\\') {
            out += text[i++];
            continue;
        }
        const auto unit = escaped_unit(text, i);
        if (!unit) {
            out += text.substr(i, 2);  // another escape: its second byte starts none
            i += 2;
            continue;
        }
        const auto next = escaped_unit(text, i + 6);
        if (is_high(*unit) && next && is_low(*next)) {
            out += text.substr(i, 12);
            i += 12;
        } else if (is_high(*unit) || is_low(*unit)) {
            out += "\xef\xbf\xbd";
            i += 6;
        } else {
            out += text.substr(i, 6);
            i += 6;
        }
    }
    return out;
}

void write_scalar(base::JsonWriter& out, const Json& value, const CleanText* clean) {
    const bool number = value.is_number();
    const std::string& text = number ? value.number_text() : value.string_value();
    if (clean == nullptr) {
        if (number) {
            out.raw(text);
        } else {
            out.value(std::string_view(text));
        }
        return;
    }
    const std::string cleaned = (*clean)(text);
    if (number && cleaned == text) {
        out.raw(text);
    } else {
        out.value(std::string_view(cleaned));
    }
}

// Depth is bounded by the parser.
void write_sorted(base::JsonWriter& out, const Json& value, const CleanText* clean) {
    switch (value.type()) {
        case Json::Type::Null:
            out.null();
            return;
        case Json::Type::Boolean:
            out.value(value.boolean_value());
            return;
        case Json::Type::Number:
        case Json::Type::String:
            write_scalar(out, value, clean);
            return;
        case Json::Type::Array:
            out.begin_array();
            for (const Json& item : value.items()) write_sorted(out, item, clean);
            out.end_array();
            return;
        case Json::Type::Object:
            break;
    }
    std::vector<const Json::Member*> members;
    members.reserve(value.size());
    for (const Json::Member& member : value.members()) members.push_back(&member);
    std::sort(members.begin(), members.end(), [](const Json::Member* a, const Json::Member* b) {
        return a->first < b->first;
    });
    out.begin_object();
    for (const Json::Member* const member : members) {
        out.key(member->first);
        write_sorted(out, member->second, clean);
    }
    out.end_object();
}

}  // namespace

Result<Json> parse_script_json(std::string_view text) {
    Json::Limits limits;
    limits.depth_max = kOutputDepthMax;
    if (text.find("\\u") == std::string_view::npos) return Json::parse(text, limits);
    return Json::parse(replace_lone_surrogates(text), limits);
}

std::string canonical_text(const Json& value) {
    std::string text;
    base::JsonWriter out(text);
    write_sorted(out, value, nullptr);
    return text;
}

std::string canonical_text(const Json& value, const CleanText& clean) {
    std::string text;
    base::JsonWriter out(text);
    write_sorted(out, value, &clean);
    return text;
}

}  // namespace adyton::compute
