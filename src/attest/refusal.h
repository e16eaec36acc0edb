#pragma once

#include <string>

#include "base/result.h"

// Why evidence is not believed. The words are the reasons of the errors, in the order in which they
// are looked for, and stable for programs.
namespace adyton::attest {

inline constexpr const char* kMalformed = "malformed";
inline constexpr const char* kUnsupported = "unsupported";
inline constexpr const char* kUntrusted = "untrusted";  // the chain does not reach a pinned root
inline constexpr const char* kBadSignature = "bad_signature";
inline constexpr const char* kRevoked = "revoked";
inline constexpr const char* kExpired = "expired_collateral";  // or not yet valid
inline constexpr const char* kTcbNotAccepted = "tcb_not_accepted";
inline constexpr const char* kMeasurementMismatch = "measurement_mismatch";
inline constexpr const char* kBindingMismatch = "binding_mismatch";
inline constexpr const char* kStale = "stale";

inline Error malformed(std::string message) {
    return Error::invalid_argument(std::move(message), kMalformed);
}
inline Error unsupported(std::string message) {
    return Error::unprocessable(std::move(message), kUnsupported);
}
inline Error refused(const char* reason, std::string message) {
    return Error::permission_denied(std::move(message), reason);
}

}  // namespace adyton::attest
