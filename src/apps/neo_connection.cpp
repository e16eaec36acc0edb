#include "apps/neo_connection.h"

#include <utility>

#include "apps/chain_connection.h"
#include "service/settings.h"

namespace adyton::apps {

namespace settings = service::settings;

NeoConnection::NeoConnection(base::EventLoop& loop, http::ClientOptions options)
    : transport_(loop, std::move(options)) {}

Result<std::unique_ptr<NeoConnection>> NeoConnection::open(
    const service::Config& config, base::EventLoop& loop, base::Logger& logger) {
    const service::TextList& urls = config.get(settings::kNeoRpcUrls);
    if (urls.empty()) return std::unique_ptr<NeoConnection>();
    const std::int64_t magic = config.get(settings::kNeoNetwork);
    if (magic == 0) {
        return Error::invalid_argument(
            "neo.rpc_urls needs neo.network: 860833102 for the main network, 894710606 for the "
            "test network");
    }
    chain::NeoClientOptions options;
    options.magic = neo::NetworkMagic{static_cast<std::uint32_t>(magic)};
    options.network_fee_max = config.get(settings::kNeoNetworkFeeMax);
    options.endpoints = endpoint_options(
        urls, config.get(settings::kNeoRpcQuorum), config.get(settings::kNeoRpcTimeout));
    options.endpoints.probe_period = config.get(settings::kNeoProbePeriod);
    TRY(auto connecting, node_transport(options.endpoints));
    std::unique_ptr<NeoConnection> out(new NeoConnection(loop, std::move(connecting)));
    auto client = chain::NeoRpcClient::create(std::move(options), out->transport_, loop, logger);
    if (!client) return std::move(client).error().with_context("neo.rpc_urls");
    out->client_ = *std::move(client);
    return out;
}

base::Json NeoConnection::info() const {
    base::Json nodes = base::Json::array();
    for (const chain::EndpointStatus& status : client_->endpoints()) {
        base::Json node = base::Json::object();
        node.set("name", base::Json::string(status.name));
        node.set("usable", base::Json::boolean(status.usable));
        if (!status.reason.empty()) node.set("reason", base::Json::string(status.reason));
        node.set("height", base::Json::unsigned_integer(status.height));
        node.set("lag", base::Json::unsigned_integer(status.lag));
        node.set("version", base::Json::string(status.version));
        node.set("calls", base::Json::unsigned_integer(status.calls));
        node.set("failures", base::Json::unsigned_integer(status.failures));
        nodes.push_back(std::move(node));
    }
    base::Json out = base::Json::object();
    out.set("network", base::Json::unsigned_integer(static_cast<std::uint32_t>(client_->magic())));
    out.set("nodes", std::move(nodes));
    return out;
}

}  // namespace adyton::apps
