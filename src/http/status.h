#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace adyton::http {

// Status codes we send or act on (RFC 9110, 15). Any three-digit code of a peer fits.
enum class Status : std::uint16_t {
    Continue = 100,
    Ok = 200,
    Created = 201,
    Accepted = 202,
    NoContent = 204,
    NotModified = 304,
    BadRequest = 400,
    Unauthorized = 401,
    Forbidden = 403,
    NotFound = 404,
    MethodNotAllowed = 405,
    RequestTimeout = 408,
    Conflict = 409,
    ContentTooLarge = 413,
    UriTooLong = 414,
    UnsupportedMediaType = 415,
    ExpectationFailed = 417,
    UnprocessableContent = 422,
    Locked = 423,
    TooManyRequests = 429,
    HeaderFieldsTooLarge = 431,
    InternalServerError = 500,
    NotImplemented = 501,
    BadGateway = 502,
    ServiceUnavailable = 503,
    GatewayTimeout = 504,
    VersionNotSupported = 505,
};

constexpr unsigned status_number(Status status) {
    return static_cast<unsigned>(status);
}

// "Not Found"; empty for a code not listed above.
std::string_view reason_phrase(Status status);

// The one table from our errors to statuses (decisions.md 4).
Status status_of(ErrorCode code);

// The table backwards, for clients: what a refusal of that status means to the caller. 2xx is a
// bug. 408, 502 and 503: Unavailable; 504: OutcomeUnknown; other 4xx: InvalidArgument; other:
// Internal.
ErrorCode error_code_of(Status status);

}  // namespace adyton::http
