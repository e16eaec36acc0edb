#pragma once

#include <optional>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "base/task.h"
#include "coordinator/internal/core.h"
#include "http/message.h"
#include "service/frame.h"

namespace adyton::coordinator {

using Answer = Task<Result<http::Response>>;

// Set by the caller's key or header, never by a body.
inline const std::string& wallet_of(const service::Call& call) {
    return call.caller().issuer;
}

// A record with its status and X-Request-Id (near.md 6.6).
http::Response record_answer(
    const WorkflowRecord& record, http::Status status, bool paused = false);
// {"error":code,"message":..} with this status.
http::Response error_answer(http::Status status, std::string_view code, std::string_view message);
// InvalidArgument "invalid_json"; TooLarge "payload_too_large".
Result<base::Json> read_body(const service::Call& call, std::size_t bytes_max);
Result<std::string> path_id(const service::Call& call);
Result<void> check_ready(const CoordinatorService::Core& core);

void add_workflow_routes(CoordinatorService::Core& core, service::ServiceFrame& frame);
void add_control_routes(CoordinatorService::Core& core, service::ServiceFrame& frame);
void add_direct_user_routes(CoordinatorService::Core& core, service::ServiceFrame& frame);
void add_preflight_route(CoordinatorService::Core& core, service::ServiceFrame& frame);
void add_webhook_routes(CoordinatorService::Core& core, service::ServiceFrame& frame);

}  // namespace adyton::coordinator
