#include "http/url.h"

#include <algorithm>
#include <charconv>

#include "base/bytes.h"

namespace adyton::http {
namespace {

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool is_alphanumeric(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_unreserved(char c) {
    return is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

// pchar of RFC 3986 without '%', plus '/'.
bool is_path_char(char c) {
    return is_unreserved(c) || std::string_view("/!$&'()*+,;=:@").find(c) != std::string_view::npos;
}

// What may stand in a query: pchar, '/', '?'. Browsers and Go clients also leave these four bare.
bool is_query_char(char c) {
    return is_path_char(c) || std::string_view("?[]|\"").find(c) != std::string_view::npos;
}

bool is_control(char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

bool is_dot_segment(std::string_view segment) {
    return segment == "." || segment == "..";
}

// The byte of the escape at text[at], or -1.
int escaped_byte(std::string_view text, std::size_t at) {
    if (at + 2 >= text.size()) return -1;
    const int high = hex_value(text[at + 1]);
    const int low = hex_value(text[at + 2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

bool is_valid_host(std::string_view host) {
    if (host.empty() || host.size() > 253) return false;
    return std::all_of(host.begin(), host.end(), [](char c) {
        return is_alphanumeric(c) || c == '-' || c == '.' || c == '_';
    });
}

bool is_valid_ipv6(std::string_view host) {
    if (host.size() < 2 || host.size() > 45) return false;
    return std::all_of(
        host.begin(), host.end(), [](char c) { return hex_value(c) >= 0 || c == ':' || c == '.'; });
}

Result<std::uint16_t> parse_port(std::string_view text) {
    unsigned value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure != std::errc() || end != text.data() + text.size() || value == 0 || value > 65535) {
        return Error::invalid_argument("URL: bad port");
    }
    return static_cast<std::uint16_t>(value);
}

Result<void> parse_authority(std::string_view text, Url& url) {
    std::string_view port;
    if (!text.empty() && text.front() == '[') {
        const std::size_t close = text.find(']');
        if (close == std::string_view::npos) return Error::invalid_argument("URL: bad host");
        url.host = std::string(text.substr(1, close - 1));
        if (!is_valid_ipv6(url.host)) return Error::invalid_argument("URL: bad host");
        port = text.substr(close + 1);
        if (!port.empty() && port.front() != ':') return Error::invalid_argument("URL: bad host");
    } else {
        const std::size_t colon = std::min(text.find(':'), text.size());
        url.host = std::string(text.substr(0, colon));
        if (!is_valid_host(url.host)) return Error::invalid_argument("URL: bad host");
        port = text.substr(colon);
    }
    for (char& c : url.host) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    }
    url.port = url.tls ? 443 : 80;
    if (!port.empty()) {
        TRY(url.port, parse_port(port.substr(1)));
    }
    return {};
}

}  // namespace

Result<Url> Url::parse(std::string_view text) {
    if (text.size() > kTextLengthMax) return Error::invalid_argument("URL: too long");
    Url url;
    const std::size_t colon = std::min(text.find("://"), text.size());
    const std::string_view scheme = text.substr(0, colon);
    if (equal_ignoring_case(scheme, "https")) {
        url.tls = true;
    } else if (!equal_ignoring_case(scheme, "http")) {
        return Error::invalid_argument("URL: not http or https");
    }
    if (colon == text.size()) return Error::invalid_argument("URL: no host");
    std::string_view rest = text.substr(colon + 3);
    const std::size_t end = std::min(rest.find_first_of("/?#"), rest.size());
    TRY_VOID(parse_authority(rest.substr(0, end), url));
    rest.remove_prefix(end);
    const auto allowed = [](char c) { return is_query_char(c) || c == '%'; };
    if (!std::all_of(rest.begin(), rest.end(), allowed)) {
        return Error::invalid_argument("URL: a character that must be encoded");
    }
    if (rest.empty() || rest.front() != '/') url.target = "/";
    url.target += rest;
    return url;
}

std::string Url::authority() const {
    const bool ipv6 = host.find(':') != std::string::npos;
    std::string text = ipv6 ? "[" + host + "]" : host;
    if (port != (tls ? 443 : 80)) text += ":" + std::to_string(port);
    return text;
}

std::string percent_encode(std::string_view text) {
    static constexpr char kDigits[] = "0123456789ABCDEF";
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        if (is_unreserved(c)) {
            out.push_back(c);
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out.push_back('%');
        out.push_back(kDigits[byte >> 4]);
        out.push_back(kDigits[byte & 15]);
    }
    return out;
}

Result<std::string> percent_decode(std::string_view text, PlusSign plus) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '%') {
            const int byte = escaped_byte(text, i);
            if (byte < 0) return Error::invalid_argument("bad percent-encoding");
            c = static_cast<char>(byte);
            i += 2;
        } else if (c == '+' && plus == PlusSign::Space) {
            c = ' ';
        }
        if (c == '\0') return Error::invalid_argument("NUL in a URL");
        out.push_back(c);
    }
    if (!base::is_valid_utf8(out)) return Error::invalid_argument("URL is not valid UTF-8");
    return out;
}

Result<void> parse_query(std::string_view text, std::size_t count_max, Parameters& out) {
    out.clear();
    for (const char c : text) {
        if (!is_query_char(c) && c != '%') {
            return Error::invalid_argument("query has a character that must be encoded");
        }
    }
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('&'), text.size());
        const std::string_view pair = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (pair.empty()) continue;
        if (out.size() >= count_max) return Error::too_large("too many query parameters");
        const std::size_t equals = std::min(pair.find('='), pair.size());
        TRY(std::string name, percent_decode(pair.substr(0, equals), PlusSign::Space));
        const std::string_view rest = pair.substr(std::min(equals + 1, pair.size()));
        TRY(std::string value, percent_decode(rest, PlusSign::Space));
        out.add(std::move(name), std::move(value));
    }
    return {};
}

Result<void> parse_path(std::string_view text, std::string& out) {
    if (text.empty() || text.front() != '/') {
        return Error::invalid_argument("path does not start with a slash");
    }
    out.clear();
    bool escaped = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '%') {
            const int byte = escaped_byte(text, i);
            if (byte < 0) return Error::invalid_argument("bad percent-encoding");
            c = static_cast<char>(byte);
            i += 2;
            escaped = true;
            if (c == '/' || c == '\\' || is_control(c)) {
                return Error::invalid_argument("path has a forbidden encoded character");
            }
        } else if (!is_path_char(c)) {
            return Error::invalid_argument("path has a character that must be encoded");
        }
        out.push_back(c);
    }
    for (std::size_t start = 1; start <= out.size();) {
        const std::size_t end = std::min(out.find('/', start), out.size());
        if (is_dot_segment(std::string_view(out).substr(start, end - start))) {
            return Error::invalid_argument("path has a dot segment");
        }
        start = end + 1;
    }
    if (escaped && !base::is_valid_utf8(out)) {
        return Error::invalid_argument("path is not valid UTF-8");
    }
    return {};
}

}  // namespace adyton::http
