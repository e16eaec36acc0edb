#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/message.h"

namespace adyton::http {

// An absolute http or https URL (RFC 3986), without user information and fragment.
struct Url {
    static constexpr std::size_t kTextLengthMax = 16 * 1024;

    bool tls = false;
    std::string host;  // lower case; IPv6 without brackets
    std::uint16_t port = 0;
    std::string target;  // "/path?query", percent-encoded as given; "/" when the URL has no path

    // InvalidArgument: another scheme, user information, a fragment, a host or port that is none,
    // a character that must be encoded.
    static Result<Url> parse(std::string_view text);
    // "host:port", with brackets round IPv6; the port only when it is not the scheme's own.
    std::string authority() const;
};

// Everything but unreserved characters as %XX, upper case: safe as a path segment or query value.
std::string percent_encode(std::string_view text);

// Decodes %XX strictly. InvalidArgument: a bad escape, NUL, invalid UTF-8 in the result.
// `plus_is_space` as in query strings.
enum class PlusSign { Literal, Space };
Result<std::string> percent_decode(std::string_view text, PlusSign plus);

// "a=1&b=&c": pairs split at '&' and the first '='; empty pairs are skipped. InvalidArgument as
// percent_decode; TooLarge: over `count_max` pairs.
Result<void> parse_query(std::string_view text, std::size_t count_max, Parameters& out);

// Decodes the path of a request target. InvalidArgument: does not start with '/', an encoded slash
// or backslash, NUL or another control character, a dot segment, a bad escape, invalid UTF-8, a
// character that must be encoded.
Result<void> parse_path(std::string_view text, std::string& out);

}  // namespace adyton::http
