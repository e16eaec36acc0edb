#include "compute/host/script_url.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <vector>

namespace adyton::compute::host {
namespace {

struct Special {
    std::string_view scheme;
    unsigned port;
};
constexpr std::array<Special, 5> kSpecial = {
    {{"http", 80}, {"https", 443}, {"ws", 80}, {"wss", 443}, {"ftp", 21}}};

const Special* special_of(std::string_view scheme) {
    const auto found = std::find_if(kSpecial.begin(), kSpecial.end(), [&](const Special& special) {
        return special.scheme == scheme;
    });
    return found == kSpecial.end() ? nullptr : &*found;
}

bool is_alpha(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_hex(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

std::string lowered(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), lower);
    return out;
}

// The percent-encode sets (URL Standard, 1.3), beside controls and bytes over 0x7E.
constexpr std::string_view kFragmentSet = " \"<>`";
constexpr std::string_view kQuerySet = " \"#<>'";
constexpr std::string_view kPathSet = " \"#<>?`{}^";
constexpr std::string_view kUserSet = " \"#<>?`{}/:;=@[\\]^|";

std::string encoded(std::string_view text, std::string_view set) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte > 0x20 && byte < 0x7F && set.find(c) == std::string_view::npos) {
            out.push_back(c);
        } else {
            out.append({'%', kHex[byte >> 4U], kHex[byte & 15U]});
        }
    }
    return out;
}

std::string decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size() && is_hex(text[i + 1]) && is_hex(text[i + 2])) {
            unsigned value = 0;
            std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16);
            out.push_back(static_cast<char>(value));
            i += 2;
        } else {
            out.push_back(text[i]);
        }
    }
    return out;
}

std::vector<std::string_view> split(std::string_view text, char at) {
    std::vector<std::string_view> out;
    for (;;) {
        const std::size_t end = text.find(at);
        out.push_back(text.substr(0, end));
        if (end == std::string_view::npos) return out;
        text.remove_prefix(end + 1);
    }
}

// One number of an IPv4 address: decimal, 0x hexadecimal or 0 octal; nothing when it is none.
std::optional<std::uint64_t> ipv4_number(std::string_view text) {
    if (text.empty()) return std::nullopt;
    int base = 10;
    if (text.size() >= 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        base = 16;
        text.remove_prefix(2);
    } else if (text.size() >= 2 && text[0] == '0') {
        base = 8;
        text.remove_prefix(1);
    }
    if (text.empty()) return 0;
    std::uint64_t value = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (read.ec != std::errc{} || read.ptr != text.data() + text.size()) return std::nullopt;
    return value;
}

// Whether the last label says that this must be an IPv4 address.
bool ends_in_number(std::string_view host) {
    auto parts = split(host, '.');
    if (parts.back().empty() && parts.size() > 1) parts.pop_back();
    const std::string_view last = parts.back();
    if (last.empty()) return false;
    if (std::all_of(last.begin(), last.end(), is_digit)) return true;
    return last.size() >= 2 && last[0] == '0' && (last[1] == 'x' || last[1] == 'X') &&
           std::all_of(last.begin() + 2, last.end(), is_hex);
}

Result<std::string> ipv4_of(std::string_view host) {
    const Error bad = Error::invalid_argument("Invalid URL: not an IPv4 address");
    auto parts = split(host, '.');
    if (parts.back().empty() && parts.size() > 1) parts.pop_back();
    if (parts.size() > 4) return bad;
    std::uint64_t address = 0;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const auto number = ipv4_number(parts[i]);
        if (!number) return bad;
        const bool last = i + 1 == parts.size();
        const std::uint64_t max = last ? (std::uint64_t{1} << (8 * (5 - parts.size()))) - 1 : 255;
        if (*number > max) return bad;
        address |= last ? *number : *number << (8 * (3 - i));
    }
    std::string out;
    for (int shift = 24; shift >= 0; shift -= 8) {
        out += std::to_string(address >> static_cast<unsigned>(shift) & 255U);
        if (shift > 0) out += '.';
    }
    return out;
}

Result<std::string> ipv6_of(std::string_view inside) {
    const std::string text(inside);
    in6_addr address{};
    if (::inet_pton(AF_INET6, text.c_str(), &address) != 1) {
        return Error::invalid_argument("Invalid URL: not an IPv6 address");
    }
    std::array<char, INET6_ADDRSTRLEN> out{};
    // inet_ntop compresses as RFC 5952 says, but for addresses it shows with dots.
    ::inet_ntop(AF_INET6, &address, out.data(), out.size());
    return "[" + std::string(out.data()) + "]";
}

Result<std::string> host_of(std::string_view text, bool special) {
    if (text.size() >= 2 && text.front() == '[' && text.back() == ']') {
        return ipv6_of(text.substr(1, text.size() - 2));
    }
    const std::string name = special ? lowered(decoded(text)) : std::string(text);
    constexpr std::string_view kForbidden = " #/:<>?@[\\]^|%";
    for (const char c : name) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte <= 0x20 || byte >= 0x7F || kForbidden.find(c) != std::string_view::npos) {
            return Error::invalid_argument("Invalid URL: the host has a forbidden character");
        }
    }
    if (special && name.empty()) return Error::invalid_argument("Invalid URL: no host");
    if (special && ends_in_number(name)) return ipv4_of(name);
    return name;
}

Result<void> set_authority(ScriptUrl& url, std::string_view authority) {
    const std::size_t at = authority.rfind('@');
    if (at != std::string_view::npos) {
        const std::string_view user = authority.substr(0, at);
        const std::size_t colon = user.find(':');
        url.username = encoded(user.substr(0, colon), kUserSet);
        if (colon != std::string_view::npos) {
            url.password = encoded(user.substr(colon + 1), kUserSet);
        }
        authority.remove_prefix(at + 1);
    }
    const std::size_t bracket = authority.rfind(']');
    const std::size_t colon = authority.rfind(':');
    std::string_view name = authority;
    if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
        const std::string_view port = authority.substr(colon + 1);
        name = authority.substr(0, colon);
        unsigned value = 0;
        const auto read = std::from_chars(port.data(), port.data() + port.size(), value);
        const bool number = read.ec == std::errc{} && read.ptr == port.data() + port.size();
        if (!port.empty() && (!number || value > 65'535)) {
            return Error::invalid_argument("Invalid URL: the port is not a number up to 65535");
        }
        const Special* const special = special_of(url.scheme);
        if (!port.empty() && (special == nullptr || special->port != value)) {
            url.port = std::to_string(value);
        }
    }
    TRY(url.host, host_of(name, url.special));
    url.has_host = true;
    return {};
}

// Appends the segments of `text` to `path`, with "." and ".." done.
void walk(std::vector<std::string>& path, std::string_view text, bool special) {
    std::string normal(text);
    if (special) std::replace(normal.begin(), normal.end(), '\\', '/');
    const auto segments = split(normal, '/');
    for (std::size_t i = 0; i < segments.size(); ++i) {
        const bool last = i + 1 == segments.size();
        std::string plain = lowered(segments[i]);
        for (std::size_t dot = plain.find("%2e"); dot != std::string::npos;
             dot = plain.find("%2e")) {
            plain.replace(dot, 3, ".");
        }
        if (plain == "..") {
            if (!path.empty()) path.pop_back();
            if (last) path.emplace_back();
        } else if (plain == ".") {
            if (last) path.emplace_back();
        } else {
            path.push_back(encoded(segments[i], kPathSet));
        }
    }
}

std::string joined(const std::vector<std::string>& path) {
    std::string out;
    for (const std::string& segment : path) out += "/" + segment;
    return out.empty() ? "/" : out;
}

std::string_view cleaned(std::string_view text, std::string& kept) {
    const auto control = [](char c) { return static_cast<unsigned char>(c) <= 0x20; };
    while (!text.empty() && control(text.front())) text.remove_prefix(1);
    while (!text.empty() && control(text.back())) text.remove_suffix(1);
    std::copy_if(text.begin(), text.end(), std::back_inserter(kept), [](char c) {
        return c != '\t' && c != '\n' && c != '\r';
    });
    return kept;
}

std::optional<std::string> scheme_of(std::string_view text) {
    if (text.empty() || !is_alpha(text[0])) return std::nullopt;
    const std::size_t end = text.find(':');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view name = text.substr(0, end);
    const bool good = std::all_of(name.begin(), name.end(), [](char c) {
        return is_alpha(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
    });
    return good ? std::optional<std::string>(lowered(name)) : std::nullopt;
}

// What is before '?' and '#' of a reference without a scheme, against its base.
Result<void> resolve(ScriptUrl& url, const ScriptUrl& base, std::string_view rest, bool no_query) {
    const auto slash = [&](std::size_t at) {
        return at < rest.size() && (rest[at] == '/' || (base.special && rest[at] == '\\'));
    };
    url.scheme = base.scheme;
    url.special = base.special;
    if (slash(0) && slash(1)) {
        rest.remove_prefix(2);
        const std::size_t end = rest.find_first_of(base.special ? "/\\" : "/");
        TRY_VOID(set_authority(url, rest.substr(0, end)));
        std::vector<std::string> path;
        if (end != std::string_view::npos) walk(path, rest.substr(end + 1), url.special);
        url.path = joined(path);
        return {};
    }
    url.username = base.username;
    url.password = base.password;
    url.host = base.host;
    url.port = base.port;
    url.has_host = base.has_host;
    if (rest.empty()) {
        url.path = base.path;
        if (no_query) url.query = base.query;
        return {};
    }
    std::vector<std::string> path;
    if (!slash(0)) {
        const auto segments = split(std::string_view(base.path).substr(1), '/');
        for (std::size_t i = 0; i + 1 < segments.size(); ++i) path.emplace_back(segments[i]);
    }
    walk(path, slash(0) ? rest.substr(1) : rest, url.special);
    url.path = joined(path);
    return {};
}

Result<void> parse_absolute(ScriptUrl& url, std::string_view rest) {
    url.special = special_of(url.scheme) != nullptr;
    const auto is_slash = [&](char c) { return c == '/' || (url.special && c == '\\'); };
    std::size_t slashes = 0;
    while (slashes < rest.size() && is_slash(rest[slashes])) ++slashes;
    if (!url.special && slashes < 2) {
        url.path = encoded(rest, "");
        return {};
    }
    rest.remove_prefix(url.special ? slashes : 2);
    const std::size_t end = rest.find_first_of(url.special ? "/\\" : "/");
    TRY_VOID(set_authority(url, rest.substr(0, end)));
    std::vector<std::string> path;
    if (end != std::string_view::npos) walk(path, rest.substr(end + 1), url.special);
    url.path = end == std::string_view::npos && !url.special ? "" : joined(path);
    return {};
}

}  // namespace

std::string ScriptUrl::href() const {
    std::string out = scheme + ":";
    if (has_host) {
        out += "//";
        if (!username.empty() || !password.empty()) {
            out += username + (password.empty() ? "" : ":" + password) + "@";
        }
        out += host + (port.empty() ? "" : ":" + port);
    }
    return out + path + query + fragment;
}

std::string ScriptUrl::origin() const {
    return special ? scheme + "://" + host + (port.empty() ? "" : ":" + port) : "null";
}

Result<ScriptUrl> parse_script_url(std::string_view text, const ScriptUrl* base) {
    std::string kept;
    std::string_view rest = cleaned(text, kept);
    ScriptUrl url;
    const std::size_t hash = rest.find('#');
    if (hash != std::string_view::npos) {
        if (hash + 1 < rest.size())
            url.fragment = "#" + encoded(rest.substr(hash + 1), kFragmentSet);
        rest = rest.substr(0, hash);
    }
    const std::size_t question = rest.find('?');
    if (question != std::string_view::npos) {
        if (question + 1 < rest.size())
            url.query = "?" + encoded(rest.substr(question + 1), kQuerySet);
        rest = rest.substr(0, question);
    }
    const auto scheme = scheme_of(rest);
    if (scheme) {
        url.scheme = *scheme;
        TRY_VOID(parse_absolute(url, rest.substr(scheme->size() + 1)));
        return url;
    }
    if (base == nullptr || base->path.empty() || base->path[0] != '/') {
        return Error::invalid_argument("Invalid URL");
    }
    TRY_VOID(resolve(url, *base, rest, question == std::string_view::npos));
    return url;
}

std::string form_encoded(std::string_view text) {
    constexpr std::string_view kSet = "!\"#$%&'()+,/:;<=>?@[\\]^`{|}~";
    std::string out;
    for (const std::string_view part : split(text, ' ')) {
        if (part.data() != text.data()) out.push_back('+');
        out += encoded(part, kSet);
    }
    return out;
}

std::string form_decoded(std::string_view text) {
    std::string spaced(text);
    std::replace(spaced.begin(), spaced.end(), '+', ' ');
    return decoded(spaced);
}

}  // namespace adyton::compute::host
