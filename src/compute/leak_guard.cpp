#include "compute/leak_guard.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <utility>

namespace adyton::compute {
namespace {

using base::Json;
using script::SensitiveBytes;

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// No: a text that was cut at its end.
enum class Whole : bool { No, Yes };

SensitiveBytes hex_of(base::ByteView value) {
    SensitiveBytes out;
    constexpr std::string_view kDigits = "0123456789abcdef";
    for (const std::uint8_t byte : value) {
        const std::array<char, 2> digits = {kDigits[byte >> 4], kDigits[byte & 15]};
        out.append(std::string_view(digits.data(), digits.size()));
    }
    return out;
}

// The characters of base64 that depend on the value alone when it stands `skipped` bytes behind a
// multiple of three.
SensitiveBytes base64_of(base::ByteView value, std::size_t skipped) {
    const std::size_t bits = value.size() * 8;
    const std::size_t offset = skipped * 8;
    SensitiveBytes out;
    const auto bit = [&](std::size_t at) -> unsigned {
        return (value[at / 8] >> (7 - at % 8)) & 1u;
    };
    for (std::size_t first = (offset + 5) / 6 * 6; first + 6 <= offset + bits; first += 6) {
        unsigned six = 0;
        for (std::size_t i = 0; i < 6; ++i) six = six * 2 + bit(first - offset + i);
        out.append(kAlphabet.substr(six, 1));
    }
    return out;
}

SensitiveBytes reversed(base::ByteView value) {
    SensitiveBytes out;
    for (std::size_t i = value.size(); i > 0; --i) out.append(value.subspan(i - 1, 1));
    return out;
}

// Reversed by characters of UTF-8, as a script does it.
SensitiveBytes reversed_characters(std::string_view value) {
    SensitiveBytes out;
    std::size_t end = value.size();
    while (end > 0) {
        std::size_t begin = end - 1;
        while (begin > 0 && (static_cast<unsigned char>(value[begin]) & 0xc0) == 0x80) --begin;
        out.append(value.substr(begin, end - begin));
        end = begin;
    }
    return out;
}

// Whether a text that was cut ends with the beginning of a form.
bool ends_in(std::string_view stump, std::string_view form) {
    const std::size_t half = std::max((form.size() + 1) / 2, LeakGuard::kGuardedBytesMin);
    const std::size_t most = std::min(stump.size(), form.size());
    for (std::size_t n = std::min(half, LeakGuard::kStumpBytes); n <= most; ++n) {
        if (form[n - 1] == stump.back() && stump.ends_with(form.substr(0, n))) return true;
    }
    return false;
}

bool holds(std::string_view text, Whole whole, const std::vector<SensitiveBytes>& forms) {
    return std::any_of(forms.begin(), forms.end(), [text, whole](const SensitiveBytes& form) {
        if (form.size() < LeakGuard::kGuardedBytesMin) return false;
        if (whole == Whole::No) return ends_in(text, form.expose_text());
        return text.find(form.expose_text()) != std::string_view::npos;
    });
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return out;
}

std::string standard_alphabet(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c == '-') c = '+';
        if (c == '_') c = '/';
    }
    return out;
}

std::optional<unsigned> hex_digit(char c) {
    if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
    if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A') + 10;
    return std::nullopt;
}

// What decodes is decoded, '+' stays; everything else stays as it is. An escape that a cut left
// incomplete is dropped, here and below: the beginning of a form would not be at the end with it.
std::string percent_decoded(std::string_view text, Whole whole) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size()) {
            const auto high = hex_digit(text[i + 1]);
            const auto low = hex_digit(text[i + 2]);
            if (high && low) {
                out += static_cast<char>(*high * 16 + *low);
                i += 2;
                continue;
            }
        } else if (text[i] == '%' && whole == Whole::No) {
            break;
        }
        out += text[i];
    }
    return out;
}

// The four digits of a \u escape.
std::optional<unsigned> code_unit(std::string_view digits) {
    unsigned out = 0;
    for (const char c : digits) {
        const auto digit = hex_digit(c);
        if (!digit) return std::nullopt;
        out = out * 16 + *digit;
    }
    return out;
}

void append_character(std::string& out, unsigned code) {
    const auto add = [&out](unsigned byte) { out += static_cast<char>(byte); };
    if (code < 0x80) return add(code);
    if (code < 0x800) {
        add(0xc0 | code >> 6);
    } else {
        if (code < 0x10000) {
            add(0xe0 | code >> 12);
        } else {
            add(0xf0 | code >> 18);
            add(0x80 | (code >> 12 & 0x3f));
        }
        add(0x80 | (code >> 6 & 0x3f));
    }
    add(0x80 | (code & 0x3f));
}

// The character of the \u escape at the start of `text`, which may be a pair; sets `size` to what
// it takes. Nothing: there is none.
std::optional<unsigned> escaped_character(std::string_view text, std::size_t& size) {
    if (text.size() < 6 || text[1] != 'u') return std::nullopt;
    const auto code = code_unit(text.substr(2, 4));
    size = 6;
    if (!code || *code < 0xd800 || *code >= 0xdc00) return code;
    if (text.size() < 12) return std::nullopt;
    if (text.substr(6, 2) != "\\u") return code;
    const auto low = code_unit(text.substr(8, 4));
    if (!low || *low < 0xdc00 || *low >= 0xe000) return code;
    size = 12;
    return 0x10000 + ((*code - 0xd800) << 10 | (*low - 0xdc00));
}

// The text without one level of JSON's escapes.
std::string json_unescaped(std::string_view text, Whole whole) {
    constexpr std::string_view kEscapes = "bfnrt\"\\/";
    constexpr std::string_view kMeanings = "\b\f\n\r\t\"\\/";
    constexpr std::size_t kEscapeBytesMax = 12;
    std::string out;
    while (!text.empty()) {
        std::size_t size = 1;
        const std::size_t simple =
            text[0] == '\\' && text.size() > 1 ? kEscapes.find(text[1]) : std::string_view::npos;
        if (text[0] != '\\') {
            out += text[0];
        } else if (simple != std::string_view::npos) {
            out += kMeanings[simple];
            size = 2;
        } else if (const auto code = escaped_character(text, size)) {
            append_character(out, *code);
        } else if (whole == Whole::No && text.size() < kEscapeBytesMax) {
            break;
        } else {
            out += text[0];
            size = 1;
        }
        text.remove_prefix(size);
    }
    return out;
}

// A text in each way in which a reader may take it.
std::vector<std::string> readings(std::string_view text, Whole whole) {
    std::vector<std::string> out;
    const auto add = [&out, whole](std::string one) {
        out.push_back(std::move(one));
        for (int level = 0; level < LeakGuard::kJsonLevelsMax; ++level) {
            if (out.back().find('\\') == std::string::npos) break;
            out.push_back(json_unescaped(out.back(), whole));
        }
    };
    add(std::string(text));
    if (text.find('%') != std::string_view::npos) add(percent_decoded(text, whole));
    return out;
}

// One reading, as each kind of form is searched in it.
struct Searched {
    explicit Searched(std::string text, Whole complete)
        : plain(std::move(text)),
          lowered(lower(plain)),
          standard(standard_alphabet(plain)),
          whole(complete) {}
    std::string plain;
    std::string lowered;
    std::string standard;
    Whole whole;
};

}  // namespace

LeakGuard::LeakGuard(std::vector<Guarded> secrets) {
    for (Guarded& secret : secrets) {
        if (secret.value.size() < kGuardedBytesMin) continue;
        const base::ByteView value = secret.value.expose();
        Forms forms;
        forms.name = std::move(secret.name);
        forms.exportable = secret.exportable;
        forms.redact = secret.redact;
        forms.hex.push_back(hex_of(value));
        for (std::size_t skipped = 0; skipped < 3; ++skipped) {
            forms.base64.push_back(base64_of(value, skipped));
        }
        forms.plain.push_back(reversed(value));
        forms.plain.push_back(reversed_characters(secret.value.expose_text()));
        forms.plain.push_back(std::move(secret.value));
        forms_.push_back(std::move(forms));
    }
}

std::vector<std::string> LeakGuard::search(std::string_view text, Stumps stumps) {
    std::vector<std::string> names;
    if (forms_.empty() || text.size() < kGuardedBytesMin) return names;
    std::vector<Searched> all;
    const auto add = [&all](std::string_view part, Whole whole) {
        for (std::string& one : readings(part, whole)) {
            if (!one.empty()) all.emplace_back(std::move(one), whole);
        }
    };
    add(text, Whole::Yes);
    for (const std::string_view stump : stumps) add(stump, Whole::No);
    for (const Forms& forms : forms_) {
        const bool held = std::any_of(all.begin(), all.end(), [&forms](const Searched& one) {
            return holds(one.plain, one.whole, forms.plain) ||
                   holds(one.lowered, one.whole, forms.hex) ||
                   holds(one.standard, one.whole, forms.base64);
        });
        if (!held) continue;
        names.push_back(forms.name);
        found_.insert(forms.name);
        held_back_ = held_back_ || !forms.exportable;
        if (!forms.exportable && !forms.redact && refused_.empty()) refused_ = forms.name;
    }
    return names;
}

const LeakGuard::Forms* LeakGuard::first_unexportable(std::string_view text, Stumps stumps) {
    const std::vector<std::string> names = search(text, stumps);
    for (const Forms& forms : forms_) {
        if (forms.exportable) continue;
        if (std::find(names.begin(), names.end(), forms.name) != names.end()) return &forms;
    }
    return nullptr;
}

std::string LeakGuard::clean(std::string_view text, Stumps stumps) {
    const Forms* const held = first_unexportable(text, stumps);
    return held == nullptr ? std::string(text) : "[redacted:" + held->name + "]";
}

bool LeakGuard::scan_text(std::string_view text) {
    return first_unexportable(text) != nullptr;
}

// Depth is bounded by the parser.
bool LeakGuard::scan(const Json& value) {
    if (forms_.empty()) return false;
    bool found = false;
    switch (value.type()) {
        case Json::Type::Null:
        case Json::Type::Boolean:
            return false;
        case Json::Type::Number:
            return scan_text(value.number_text());
        case Json::Type::String:
            return scan_text(value.string_value());
        case Json::Type::Array:
            for (const Json& item : value.items()) found = scan(item) || found;
            return found;
        case Json::Type::Object:
            break;
    }
    for (const Json::Member& member : value.members()) {
        const Forms* const held = first_unexportable(member.first);
        if (held != nullptr && refused_.empty()) refused_ = held->name;
        found = held != nullptr || found;
        found = scan(member.second) || found;
    }
    return found;
}

}  // namespace adyton::compute
