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

bool holds(std::string_view text, const std::vector<SensitiveBytes>& needles) {
    return std::any_of(needles.begin(), needles.end(), [text](const SensitiveBytes& needle) {
        return needle.size() >= LeakGuard::kGuardedBytesMin &&
               text.find(needle.expose_text()) != std::string_view::npos;
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

// What decodes is decoded, '+' stays; everything else stays as it is.
std::string percent_decoded(std::string_view text) {
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
        }
        out += text[i];
    }
    return out;
}

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

std::vector<std::string> LeakGuard::search(std::string_view text) {
    std::vector<std::string> names;
    if (forms_.empty() || text.size() < kGuardedBytesMin) return names;
    const std::string lowered = lower(text);
    const std::string standard = standard_alphabet(text);
    const std::string decoded =
        text.find('%') == std::string_view::npos ? std::string() : percent_decoded(text);
    for (const Forms& forms : forms_) {
        if (holds(text, forms.plain) || holds(decoded, forms.plain) || holds(lowered, forms.hex) ||
            holds(standard, forms.base64)) {
            names.push_back(forms.name);
            found_.insert(forms.name);
            if (!forms.exportable && !forms.redact && refused_.empty()) refused_ = forms.name;
        }
    }
    return names;
}

const LeakGuard::Forms* LeakGuard::first_unexportable(std::string_view text) {
    const std::vector<std::string> names = search(text);
    for (const Forms& forms : forms_) {
        if (forms.exportable) continue;
        if (std::find(names.begin(), names.end(), forms.name) != names.end()) return &forms;
    }
    return nullptr;
}

std::string LeakGuard::clean(std::string_view text) {
    const Forms* const held = first_unexportable(text);
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
