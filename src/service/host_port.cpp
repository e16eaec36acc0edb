#include <algorithm>
#include <charconv>

#include "service/config.h"

namespace adyton::service {
namespace {

Error malformed() {
    return Error::invalid_argument(
        "wants HOST:PORT, for example 127.0.0.1:8085, [::1]:8085 or 0.0.0.0:8085");
}

bool is_host_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
}

bool is_v6_character(char c) {
    return (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || (c >= '0' && c <= '9') || c == ':' ||
           c == '.' || c == '%';
}

}  // namespace

std::string HostPort::to_string() const {
    const bool v6 = host.find(':') != std::string::npos;
    return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<HostPort> parse_host_port(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0) return malformed();
    std::string_view host = text.substr(0, colon);
    const std::string_view port = text.substr(colon + 1);
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);
    if (!std::all_of(host.begin(), host.end(), bracketed ? is_v6_character : is_host_character) ||
        (bracketed && host.find(':') == std::string_view::npos)) {
        return malformed();
    }
    HostPort out;
    out.host = std::string(host);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
    if (error != std::errc() || end != port.data() + port.size() || port.empty()) {
        return malformed();
    }
    return out;
}

bool is_loopback(const HostPort& address) {
    if (address.host == "localhost" || address.host == "::1") return true;
    // a whole literal of four parts, not the name 127.example
    const std::string& host = address.host;
    return host.starts_with("127.") && std::count(host.begin(), host.end(), '.') == 3 &&
           std::all_of(
               host.begin(), host.end(), [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
}

}  // namespace adyton::service
