#include "chain/near_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "chain/internal/ask.h"
#include "chain/internal/near_client_core.h"

namespace adyton::chain {
namespace internal {
namespace {

// The node's chain and its last final block. Trouble of any kind is Unavailable: it proves no lie.
Task<Result<Probe>> probe_near(JsonRpc& rpc, base::Duration timeout, std::string chain_id) {
    Task<Result<RpcAnswer>> asking = rpc.call("status", base::Json::array(), timeout);
    const Result<RpcAnswer> status = co_await std::move(asking);
    if (!status) co_return Error::unavailable(status.error().message());
    if (const auto* error = std::get_if<RpcError>(&*status)) {
        co_return Error::unavailable("status: " + error->to_string());
    }
    const auto& said = std::get<base::Json>(*status);
    const Result<std::string> network = parse_near_chain_id(said);
    if (!network) co_return Error::unavailable("status: " + network.error().message());
    if (*network != chain_id) {
        co_return Error::permission_denied(
            fmt::format("the node is on {}, configured is {}", *network, chain_id),
            "wrong_network");
    }
    Task<Result<RpcAnswer>> blocking = rpc.call("block", final_params(), timeout);
    const Result<RpcAnswer> block = co_await std::move(blocking);
    if (!block) co_return Error::unavailable(block.error().message());
    if (const auto* error = std::get_if<RpcError>(&*block)) {
        co_return Error::unavailable("block: " + error->to_string());
    }
    const Result<NearBlock> header = parse_near_block(std::get<base::Json>(*block));
    if (!header) co_return Error::unavailable("block: " + header.error().message());
    Probe out;
    out.height = header->height;
    out.network = *network;
    if (const base::Json* version = said.find("version"); version != nullptr) {
        out.version = version->dump();
    }
    co_return out;
}

}  // namespace

base::Json final_params() {
    return base::Json::object().set("finality", base::Json::string("final"));
}

base::Json key_params(const near::AccountId& account, const near::PublicKey& key) {
    base::Json out = final_params();
    out.set("request_type", base::Json::string("view_access_key"));
    out.set("account_id", base::Json::string(account.text()));
    out.set("public_key", base::Json::string(key.to_string()));
    return out;
}

base::Json account_params(const near::AccountId& account) {
    base::Json out = final_params();
    out.set("request_type", base::Json::string("view_account"));
    out.set("account_id", base::Json::string(account.text()));
    return out;
}

base::Json view_params(
    const near::AccountId& contract, const std::string& method, base::ByteView arguments) {
    base::Json out = final_params();
    out.set("request_type", base::Json::string("call_function"));
    out.set("account_id", base::Json::string(contract.text()));
    out.set("method_name", base::Json::string(method));
    out.set("args_base64", base::Json::string(base::base64_encode(arguments)));
    return out;
}

Error near_trouble(std::string_view method, const RpcError& error) {
    return Error::unavailable(
        fmt::format("{}: {}", method, error.to_string()), "chain_unavailable");
}

}  // namespace internal

namespace {

using internal::ask_one;
using internal::Asked;
using internal::Found;

NearSendOutcome outcome_of(
    const RpcAnswer& answer, const near::TransactionHash& ours, std::string endpoint) {
    NearSendOutcome out;
    out.endpoint = std::move(endpoint);
    if (const auto* error = std::get_if<RpcError>(&answer)) {
        out.cause = error->cause;
        out.text = error->to_string();
        const bool invalid = error->cause == "INVALID_TRANSACTION";
        const bool unreadable = error->name == "REQUEST_VALIDATION_ERROR";
        if (invalid || unreadable) out.kind = NearSendOutcome::Kind::Refused;
        return out;
    }
    const auto sent = parse_near_sent_hash(std::get<base::Json>(answer));
    if (!sent) {
        out.text = "the endpoint's answer cannot be read: " + sent.error().message();
    } else if (*sent != ours) {
        out.text = "the endpoint names another hash: " + sent->to_string();
    } else {
        out.kind = NearSendOutcome::Kind::Accepted;
    }
    return out;
}

// What nobody reads of blocks and transactions: most of their bytes.
std::shared_ptr<const base::JsonFilter> unread() {
    static const auto kFilter = std::make_shared<const base::JsonFilter>(std::vector<std::string>{
        "chunks",
        "header.approvals",
        "header.epoch_id",
        "header.next_epoch_id",
        "header.prev_state_root",
        "header.chunk_receipts_root",
        "header.chunk_headers_root",
        "header.chunk_tx_root",
        "header.outcome_root",
        "header.challenges_root",
        "header.random_value",
        "header.validator_proposals",
        "header.chunk_mask",
        "header.gas_price",
        "header.rent_paid",
        "header.validator_reward",
        "header.total_supply",
        "header.challenges_result",
        "header.last_final_block",
        "header.last_ds_final_block",
        "header.next_bp_hash",
        "header.block_merkle_root",
        "header.signature",
        "header.timestamp_nanosec",
        "transaction.actions",
        "transaction.signature",
        "proof",
        "outcome.metadata",
        "outcome.gas_burnt",
        "outcome.tokens_burnt",
        "Action.signer_id",
        "Action.signer_public_key",
        "Action.gas_price",
        "Action.output_data_receivers",
        "Action.input_data_ids"});
    return kFilter;
}

}  // namespace

Result<std::unique_ptr<NearRpcClient>> NearRpcClient::create(
    NearClientOptions options, http::Transport& transport, base::Executor& executor,
    base::Logger& logger) {
    // Blocks come several a second, and are probed less often than that.
    options.endpoints.lag_max = std::max<std::uint64_t>(options.endpoints.lag_max, 30);
    options.endpoints.regression_max =
        std::max<std::uint64_t>(options.endpoints.regression_max, 10);
    options.endpoints.lead_max = std::max<std::uint64_t>(options.endpoints.lead_max, 300);
    if (options.endpoints.rpc.left_out == nullptr) options.endpoints.rpc.left_out = unread();
    auto core = std::make_unique<Core>(std::move(options));
    const std::string chain_id = core->options.chain_id;
    ProbeFunction probe = [chain_id](JsonRpc& rpc, base::Duration timeout) {
        return internal::probe_near(rpc, timeout, chain_id);
    };
    TRY(core->endpoints,
        Endpoints::create(core->options.endpoints, std::move(probe), transport, executor, logger));
    return std::unique_ptr<NearRpcClient>(new NearRpcClient(std::move(core)));
}

NearRpcClient::NearRpcClient(std::unique_ptr<Core> core) : core_(std::move(core)) {}
NearRpcClient::~NearRpcClient() = default;

void NearRpcClient::start() {
    core_->endpoints->start();
}
void NearRpcClient::stop() {
    core_->endpoints->stop();
}

Task<void> NearRpcClient::refresh() {
    Task<void> refreshing = core_->endpoints->refresh();
    co_await std::move(refreshing);
}

Task<Result<NearBlock>> NearRpcClient::final_block() {
    Task<Result<Asked<NearBlock>>> asking = internal::ask_any<NearBlock>(
        *core_->endpoints, "block", internal::final_params(), parse_near_block);
    CO_TRY(const Asked<NearBlock> asked, co_await std::move(asking));
    if (const RpcError* error = asked.error()) co_return internal::near_trouble("block", *error);
    co_return *asked.value();
}

Task<Result<std::optional<NearAccessKey>>> NearRpcClient::find_access_key(
    near::AccountId account, near::PublicKey key) {
    base::Json params = internal::key_params(account, key);
    Task<Result<Found<NearAccessKey>>> finding = internal::find_in_state<NearAccessKey>(
        *core_->endpoints, std::move(params), parse_near_access_key);
    CO_TRY(Found<NearAccessKey> found, co_await std::move(finding));
    co_return internal::take_found(std::move(found));
}

Task<Result<std::optional<NearAccount>>> NearRpcClient::find_account(near::AccountId account) {
    base::Json params = internal::account_params(account);
    Task<Result<Found<NearAccount>>> finding = internal::find_in_state<NearAccount>(
        *core_->endpoints, std::move(params), parse_near_account);
    CO_TRY(Found<NearAccount> found, co_await std::move(finding));
    co_return internal::take_found(std::move(found));
}

Task<Result<NearView>> NearRpcClient::call_function(
    near::AccountId contract, std::string method, base::Bytes arguments) {
    base::Json params = internal::view_params(contract, method, arguments);
    Task<Result<Found<NearView>>> finding =
        internal::find_in_state<NearView>(*core_->endpoints, std::move(params), parse_near_view);
    CO_TRY(Found<NearView> found, co_await std::move(finding));
    co_return internal::take_view(std::move(found));
}

Task<NearSendOutcome> NearRpcClient::broadcast(
    base::Bytes signed_transaction, near::TransactionHash hash) {
    Endpoints& endpoints = *core_->endpoints;
    Task<void> refreshing = endpoints.ensure_fresh();
    co_await std::move(refreshing);
    NearSendOutcome out;
    out.kind = NearSendOutcome::Kind::NotSent;
    const Result<std::vector<std::size_t>> indices = endpoints.ranked(1);
    if (!indices) {
        out.text = indices.error().message();
        co_return out;
    }
    base::Json params = base::Json::array();
    params.push_back(base::Json::string(base::base64_encode(signed_transaction)));
    for (const std::size_t index : *indices) {
        Task<Result<RpcAnswer>> calling = endpoints.call(index, "broadcast_tx_async", params);
        const Result<RpcAnswer> answer = co_await std::move(calling);
        out.endpoint = endpoints.name(index);
        if (answer) co_return outcome_of(*answer, hash, out.endpoint);
        out.text = answer.error().message();
        // Only what surely reached nobody is offered to the next one.
        if (!nothing_was_sent(answer.error())) {
            out.kind = NearSendOutcome::Kind::Unknown;
            co_return out;
        }
    }
    co_return out;
}

Task<Result<SignedFate>> NearRpcClient::payload_fate(NearPayloadRef payload) {
    return internal::find_payload_fate(*core_, std::move(payload));
}

Task<Result<SignedFate>> NearRpcClient::delegate_fate(NearDelegateRef delegate) {
    return internal::find_delegate_fate(*core_, std::move(delegate));
}

std::vector<EndpointStatus> NearRpcClient::endpoints() const {
    return core_->endpoints->status();
}

}  // namespace adyton::chain
