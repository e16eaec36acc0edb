#pragma once

#include <cstdint>

#include "base/result.h"
#include "base/time.h"
#include "chain/endpoints.h"
#include "http/client.h"
#include "service/config.h"

// What connections to nodes have in common, whatever the chain (neo_connection.h,
// near_connection.h).
namespace adyton::apps {

// The endpoints that the settings name.
chain::EndpointsOptions endpoint_options(
    const service::TextList& urls, std::int64_t quorum, base::Duration timeout);

// How they are reached: bounded answers, and TLS 1.2 too, because public nodes stand behind older
// balancers. Errors of TlsContext::create_client().
Result<http::ClientOptions> node_transport(const chain::EndpointsOptions& endpoints);

}  // namespace adyton::apps
