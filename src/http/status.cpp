#include "http/status.h"

namespace adyton::http {

std::string_view reason_phrase(Status status) {
    switch (status) {
        case Status::Continue:
            return "Continue";
        case Status::Ok:
            return "OK";
        case Status::Created:
            return "Created";
        case Status::Accepted:
            return "Accepted";
        case Status::NoContent:
            return "No Content";
        case Status::NotModified:
            return "Not Modified";
        case Status::BadRequest:
            return "Bad Request";
        case Status::Unauthorized:
            return "Unauthorized";
        case Status::Forbidden:
            return "Forbidden";
        case Status::NotFound:
            return "Not Found";
        case Status::MethodNotAllowed:
            return "Method Not Allowed";
        case Status::RequestTimeout:
            return "Request Timeout";
        case Status::Conflict:
            return "Conflict";
        case Status::ContentTooLarge:
            return "Content Too Large";
        case Status::UriTooLong:
            return "URI Too Long";
        case Status::UnsupportedMediaType:
            return "Unsupported Media Type";
        case Status::ExpectationFailed:
            return "Expectation Failed";
        case Status::UnprocessableContent:
            return "Unprocessable Content";
        case Status::Locked:
            return "Locked";
        case Status::TooManyRequests:
            return "Too Many Requests";
        case Status::HeaderFieldsTooLarge:
            return "Request Header Fields Too Large";
        case Status::InternalServerError:
            return "Internal Server Error";
        case Status::NotImplemented:
            return "Not Implemented";
        case Status::BadGateway:
            return "Bad Gateway";
        case Status::ServiceUnavailable:
            return "Service Unavailable";
        case Status::GatewayTimeout:
            return "Gateway Timeout";
        case Status::VersionNotSupported:
            return "HTTP Version Not Supported";
    }
    return {};
}

Status status_of(ErrorCode code) {
    switch (code) {
        case ErrorCode::InvalidArgument:
            return Status::BadRequest;
        case ErrorCode::Unauthenticated:
            return Status::Unauthorized;
        case ErrorCode::PermissionDenied:
            return Status::Forbidden;
        case ErrorCode::NotFound:
            return Status::NotFound;
        case ErrorCode::Conflict:
            return Status::Conflict;
        case ErrorCode::TooLarge:
            return Status::ContentTooLarge;
        case ErrorCode::Unprocessable:
            return Status::UnprocessableContent;
        case ErrorCode::ResourceExhausted:
            return Status::TooManyRequests;
        case ErrorCode::Unavailable:
            return Status::ServiceUnavailable;
        case ErrorCode::DeadlineExceeded:
            return Status::GatewayTimeout;
        case ErrorCode::OutcomeUnknown:
            return Status::GatewayTimeout;
        case ErrorCode::Frozen:
            return Status::Locked;
        case ErrorCode::CorruptData:
            return Status::InternalServerError;
        case ErrorCode::Internal:
            return Status::InternalServerError;
    }
    return Status::InternalServerError;
}

ErrorCode error_code_of(Status status) {
    switch (status) {
        case Status::BadRequest:
            return ErrorCode::InvalidArgument;
        case Status::Unauthorized:
            return ErrorCode::Unauthenticated;
        case Status::Forbidden:
            return ErrorCode::PermissionDenied;
        case Status::NotFound:
            return ErrorCode::NotFound;
        case Status::Conflict:
            return ErrorCode::Conflict;
        case Status::ContentTooLarge:
            return ErrorCode::TooLarge;
        case Status::UnprocessableContent:
            return ErrorCode::Unprocessable;
        case Status::Locked:
            return ErrorCode::Frozen;
        case Status::TooManyRequests:
            return ErrorCode::ResourceExhausted;
        case Status::RequestTimeout:
        case Status::BadGateway:
        case Status::ServiceUnavailable:
            return ErrorCode::Unavailable;
        case Status::GatewayTimeout:
            return ErrorCode::OutcomeUnknown;
        default:
            break;
    }
    const unsigned number = status_number(status);
    return number >= 400 && number < 500 ? ErrorCode::InvalidArgument : ErrorCode::Internal;
}

}  // namespace adyton::http
