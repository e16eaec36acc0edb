#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "api/keystore_types.h"
#include "base/result.h"
#include "base/task.h"
#include "http/message.h"
#include "keystore/internal/service_parts.h"
#include "keystore/token_auth.h"
#include "service/frame.h"

namespace adyton::keystore {

using Answer = Task<Result<http::Response>>;

inline CallerContext caller_of(const service::Call& call) {
    return {actor_of(call.caller()), call.request.trace_id};
}

// Unauthenticated: the keystore is not ready (near.md 5).
Result<void> check_ready(const KeystoreService::Parts& parts);
// PermissionDenied: the token is a coordinator's.
Result<void> check_operator(const service::Call& call);

// The wallet's version from the database, remembered.
Task<Result<std::uint32_t>> read_version(KeystoreService::Parts& parts, std::string wallet_id);

// The answer to a failure whose text is for the caller although its status is 500; other errors are
// given back as they are.
Result<http::Response> failed(const Error& error);

}  // namespace adyton::keystore
