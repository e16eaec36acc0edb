#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace adyton::compute::host {

// The parts of a URL as the class URL of scripts has them (WHATWG URL Standard, for the schemes
// http, https, ws, wss and ftp; others keep their path as it is). Host names are lower-cased ASCII:
// names with other letters are refused rather than mapped, IPv4 addresses are brought to dotted
// form from every spelling, IPv6 ones to the form of RFC 5952.
struct ScriptUrl {
    std::string scheme;  // without the colon
    std::string username;
    std::string password;
    std::string host;
    std::string port;      // empty: the scheme's own
    std::string path;      // begins with '/' for those schemes
    std::string query;     // with '?', or empty
    std::string fragment;  // with '#', or empty
    bool special = false;
    bool has_host = false;

    std::string href() const;
    std::string origin() const;
};

// InvalidArgument: not a URL. `base` null: it must be absolute.
Result<ScriptUrl> parse_script_url(std::string_view text, const ScriptUrl* base);

// application/x-www-form-urlencoded (URL Standard, 5): space is '+'.
std::string form_encoded(std::string_view text);
std::string form_decoded(std::string_view text);

}  // namespace adyton::compute::host
