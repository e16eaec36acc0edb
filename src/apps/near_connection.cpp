#include "apps/near_connection.h"

#include <chrono>
#include <utility>

#include "apps/chain_connection.h"
#include "service/settings.h"

namespace adyton::apps {
namespace {

namespace settings = service::settings;

class ClientView final : public keystore::ChainView {
public:
    explicit ClientView(chain::NearClient& client) : client_(client) {}

    Task<Result<keystore::AccessKeyView>> access_key(
        near::AccountId account, near::PublicKey key) override {
        auto asking = client_.find_access_key(std::move(account), key);
        CO_TRY(const auto found, co_await std::move(asking));
        if (!found) co_return Error::not_found("the access key does not exist");
        keystore::AccessKeyView view;
        view.nonce = found->nonce;
        view.full_access = !found->function_call.has_value();
        view.block_hash = found->block_hash;
        view.block_height = found->block_height;
        co_return view;
    }

    Task<Result<keystore::FinalBlock>> final_block() override {
        auto asking = client_.final_block();
        CO_TRY(const auto block, co_await std::move(asking));
        const auto micros = std::chrono::microseconds(block.timestamp_ns / 1000);
        co_return keystore::FinalBlock{block.height, base::Timestamp(micros)};
    }

    Task<Result<keystore::PayloadFate>> payload_fate(
        near::AccountId contract, near::AccountId signer, near::MessageNonce nonce,
        base::Timestamp deadline) override {
        chain::NearPayloadRef payload{std::move(contract), std::move(signer), nonce, deadline};
        auto asking = client_.payload_fate(std::move(payload));
        CO_TRY(const auto fate, co_await std::move(asking));
        co_return fate_of(fate);
    }

    Task<Result<keystore::PayloadFate>> delegate_fate(
        near::AccountId signer, near::PublicKey key, std::uint64_t nonce,
        std::uint64_t max_block_height) override {
        chain::NearDelegateRef delegate{std::move(signer), key, nonce, max_block_height};
        auto asking = client_.delegate_fate(std::move(delegate));
        CO_TRY(const auto fate, co_await std::move(asking));
        co_return fate_of(fate);
    }

private:
    static keystore::PayloadFate fate_of(chain::SignedFate fate) {
        switch (fate) {
            case chain::SignedFate::Open:
                return keystore::PayloadFate::Open;
            case chain::SignedFate::Consumed:
                return keystore::PayloadFate::Consumed;
            case chain::SignedFate::Dead:
                return keystore::PayloadFate::Dead;
        }
        return keystore::PayloadFate::Open;
    }

    chain::NearClient& client_;
};

}  // namespace

std::unique_ptr<keystore::ChainView> keystore_chain_view(chain::NearClient& client) {
    return std::make_unique<ClientView>(client);
}

NearConnection::NearConnection(base::EventLoop& loop, http::ClientOptions options)
    : transport_(loop, std::move(options)) {}
NearConnection::~NearConnection() = default;

Result<std::unique_ptr<NearConnection>> NearConnection::open(
    const service::Config& config, base::EventLoop& loop, base::Logger& logger) {
    return open(
        config, loop, logger, config.get(settings::kNearRpcUrls),
        config.get(settings::kNearRpcQuorum), "near.rpc_urls");
}

Result<std::unique_ptr<NearConnection>> NearConnection::open_archive(
    const service::Config& config, base::EventLoop& loop, base::Logger& logger) {
    service::TextList urls;
    const std::string& url = config.get(settings::kCoordinatorArchiveUrl);
    if (!url.empty()) urls.push_back(url);
    return open(config, loop, logger, urls, 0, "NEAR_ARCHIVAL_RPC_URL");
}

Result<std::unique_ptr<NearConnection>> NearConnection::open(
    const service::Config& config, base::EventLoop& loop, base::Logger& logger,
    const service::TextList& urls, std::int64_t quorum, std::string_view setting) {
    if (urls.empty()) return std::unique_ptr<NearConnection>();
    chain::NearClientOptions options;
    options.chain_id = config.get(settings::kNearNetwork);
    options.endpoints = endpoint_options(urls, quorum, config.get(settings::kNearRpcTimeout));
    TRY(auto connecting, node_transport(options.endpoints));
    std::unique_ptr<NearConnection> out(new NearConnection(loop, std::move(connecting)));
    auto client = chain::NearRpcClient::create(std::move(options), out->transport_, loop, logger);
    if (!client) return std::move(client).error().with_context(setting);
    out->client_ = *std::move(client);
    out->view_ = keystore_chain_view(*out->client_);
    return out;
}

}  // namespace adyton::apps
