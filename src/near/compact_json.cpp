#include "near/compact_json.h"

#include <cstdint>
#include <cstring>

namespace adyton::near {
namespace {

using base::Json;

// Eight bytes that stand as they are: none is below 0x20, the quote or the backslash. Says no to
// some that do.
bool are_plain(const char* bytes) {
    constexpr std::uint64_t kOnes = 0x0101010101010101U;
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, sizeof word);
    const std::uint64_t quote = word ^ (kOnes * '"');
    const std::uint64_t slash = word ^ (kOnes * '\\');
    const std::uint64_t bad = (word - kOnes * 0x20U) | (quote - kOnes) | (slash - kOnes) | word;
    return (bad & (kOnes * 0x80U)) == 0;
}

void append_string(std::string& out, const std::string& text) {
    constexpr std::string_view kHex = "0123456789abcdef";
    out += '"';
    std::size_t plain = 0;  // from here on nothing is escaped
    for (std::size_t i = 0; i < text.size(); ++i) {
        while (text.size() - i >= 8 && are_plain(&text[i])) i += 8;
        if (i == text.size()) break;
        const char c = text[i];
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && c != '"' && c != '\\') continue;
        out.append(text, plain, i - plain);
        plain = i + 1;
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (c == '\b') {
            out += "\\b";
        } else if (c == '\t') {
            out += "\\t";
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '\f') {
            out += "\\f";
        } else if (c == '\r') {
            out += "\\r";
        } else {
            out += "\\u00";
            out += kHex[byte >> 4U];
            out += kHex[byte & 0xfU];
        }
    }
    out.append(text, plain);
    out += '"';
}

// As deep as the document: the parser's limit bounds what came from outside.
void append(std::string& out, const Json& json) {
    switch (json.type()) {
        case Json::Type::Null:
            out += "null";
            break;
        case Json::Type::Boolean:
            out += json.boolean_value() ? "true" : "false";
            break;
        case Json::Type::Number:
            out += json.number_text();
            break;
        case Json::Type::String:
            append_string(out, json.string_value());
            break;
        case Json::Type::Array: {
            out += '[';
            bool first = true;
            for (const Json& item : json.items()) {
                if (!first) out += ',';
                first = false;
                append(out, item);
            }
            out += ']';
            break;
        }
        case Json::Type::Object: {
            out += '{';
            bool first = true;
            for (const auto& [name, member] : json.members()) {
                if (!first) out += ',';
                first = false;
                append_string(out, name);
                out += ':';
                append(out, member);
            }
            out += '}';
            break;
        }
    }
}

}  // namespace

std::string compact_json(const Json& json) {
    std::string out;
    append(out, json);
    return out;
}

}  // namespace adyton::near
