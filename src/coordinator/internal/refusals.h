#pragma once

#include "base/result.h"

// What the keystore's errors mean for a workflow, in every lane. Pure.
namespace adyton::coordinator {

// Its policy, or a freeze, says no.
inline bool is_denial(const Error& error) {
    return error.code() == ErrorCode::PermissionDenied || error.code() == ErrorCode::Frozen;
}

// A refusal that will be the same when asked again; that another process took the run over says
// nothing of the request.
inline bool is_final_refusal(const Error& error) {
    switch (error.code()) {
        case ErrorCode::InvalidArgument:
        case ErrorCode::PermissionDenied:
        case ErrorCode::NotFound:
        case ErrorCode::Conflict:
        case ErrorCode::TooLarge:
        case ErrorCode::Unprocessable:
        case ErrorCode::Frozen:
            return error.reason() != "run_lost";
        default:
            return false;
    }
}

}  // namespace adyton::coordinator
