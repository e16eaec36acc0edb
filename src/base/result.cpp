#include "base/result.h"

namespace adyton::base {

std::string_view to_string(ErrorCode code) {
    switch (code) {
        case ErrorCode::InvalidArgument:
            return "invalid_argument";
        case ErrorCode::Unauthenticated:
            return "unauthenticated";
        case ErrorCode::PermissionDenied:
            return "permission_denied";
        case ErrorCode::NotFound:
            return "not_found";
        case ErrorCode::Conflict:
            return "conflict";
        case ErrorCode::TooLarge:
            return "too_large";
        case ErrorCode::Unprocessable:
            return "unprocessable";
        case ErrorCode::ResourceExhausted:
            return "resource_exhausted";
        case ErrorCode::Unavailable:
            return "unavailable";
        case ErrorCode::DeadlineExceeded:
            return "deadline_exceeded";
        case ErrorCode::OutcomeUnknown:
            return "outcome_unknown";
        case ErrorCode::Frozen:
            return "frozen";
        case ErrorCode::CorruptData:
            return "corrupt_data";
        case ErrorCode::Internal:
            return "internal";
    }
    return "internal";
}

}  // namespace adyton::base
