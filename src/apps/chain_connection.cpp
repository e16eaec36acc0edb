#include "apps/chain_connection.h"

#include <algorithm>
#include <utility>

#include "http/tls.h"

namespace adyton::apps {

chain::EndpointsOptions endpoint_options(
    const service::TextList& urls, std::int64_t quorum, base::Duration timeout) {
    chain::EndpointsOptions options;
    options.urls = urls;
    options.quorum = static_cast<std::size_t>(quorum);
    options.rpc.timeout = timeout;
    options.probe_timeout = std::min(options.probe_timeout, timeout);
    return options;
}

Result<http::ClientOptions> node_transport(const chain::EndpointsOptions& endpoints) {
    http::ClientOptions options;
    options.response_bytes_max = endpoints.rpc.response_bytes_max;
    http::ClientTlsOptions tls;
    tls.minimum_version = http::TlsVersion::Tls12;
    TRY(options.tls, http::TlsContext::create_client(tls));
    return options;
}

}  // namespace adyton::apps
