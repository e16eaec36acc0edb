#include "chain/neo_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "chain/internal/ask.h"
#include "chain/internal/neo_client_core.h"
#include "chain/internal/neo_requests.h"
#include "neo/transaction.h"

namespace adyton::chain {
namespace internal {
namespace {

constexpr std::uint32_t kBalancedLagMax = 2;  // blocks

Error wrong_network(neo::NetworkMagic found, neo::NetworkMagic wanted) {
    return Error::permission_denied(
        fmt::format(
            "the node is on network {}, configured is {}", static_cast<std::uint32_t>(found),
            static_cast<std::uint32_t>(wanted)),
        "wrong_network");
}

// One call of a probe. Trouble of any kind is Unavailable: a probe proves no lie by it.
template <typename T>
Task<Result<T>> probe_call(
    JsonRpc& rpc, std::string method, base::Json params, base::Duration timeout,
    Result<T> (*parse)(const base::Json&)) {
    Task<Result<RpcAnswer>> calling = rpc.call(method, std::move(params), timeout);
    const Result<RpcAnswer> answer = co_await std::move(calling);
    if (!answer) co_return Error::unavailable(answer.error().message());
    if (const auto* error = std::get_if<RpcError>(&*answer)) {
        co_return Error::unavailable(method + ": " + error->to_string());
    }
    Result<T> value = parse(std::get<base::Json>(*answer));
    if (!value) co_return Error::unavailable(method + ": " + value.error().message());
    co_return value;
}

enum class BlockThere { Yes, No, CannotTell };

// Whether the node shows the block. A node that does not know the method proves nothing.
Task<Result<BlockThere>> find_block(JsonRpc& rpc, base::Duration timeout, std::uint32_t index) {
    base::Json params = base::Json::array();
    params.push_back(base::Json::unsigned_integer(index));
    params.push_back(base::Json::boolean(true));
    Task<Result<RpcAnswer>> calling = rpc.call("getblockheader", std::move(params), timeout);
    const Result<RpcAnswer> answer = co_await std::move(calling);
    if (!answer) co_return Error::unavailable(answer.error().message());
    if (const auto* error = std::get_if<RpcError>(&*answer)) {
        if (error->code == -32601) co_return BlockThere::CannotTell;
        if (is_trouble(*error)) co_return Error::unavailable(error->to_string());
        co_return BlockThere::No;
    }
    const Result<BlockHeader> header = parse_block_header(std::get<base::Json>(*answer));
    if (!header) co_return Error::unavailable(header.error().message());
    co_return header->index == index ? BlockThere::Yes : BlockThere::No;
}

// The last block that the node has, near the one that it claims. CorruptData: it lies.
Task<Result<std::uint32_t>> proven_height(
    JsonRpc& rpc, base::Duration timeout, std::uint32_t claimed) {
    // Behind a load balancer the second question may meet a node that is a little behind.
    const std::uint32_t before = claimed - std::min(claimed, kBalancedLagMax);
    for (const std::uint32_t index : {claimed, before}) {
        Task<Result<BlockThere>> finding = find_block(rpc, timeout, index);
        CO_TRY(const BlockThere there, co_await std::move(finding));
        if (there == BlockThere::Yes) co_return index;
        if (there == BlockThere::CannotTell) co_return claimed;
    }
    co_return Error::corrupt_data(fmt::format("it claims block {} but does not have it", claimed));
}

}  // namespace

Task<Result<Probe>> probe_neo(JsonRpc& rpc, base::Duration timeout, neo::NetworkMagic magic) {
    Task<Result<NeoNetwork>> versioning =
        probe_call(rpc, "getversion", base::Json::array(), timeout, parse_neo_version);
    CO_TRY(const NeoNetwork network, co_await std::move(versioning));
    if (network.magic != magic) co_return wrong_network(network.magic, magic);
    Task<Result<std::uint32_t>> counting =
        probe_call(rpc, "getblockcount", base::Json::array(), timeout, parse_block_count);
    CO_TRY(const std::uint32_t count, co_await std::move(counting));
    Task<Result<std::uint32_t>> proving = proven_height(rpc, timeout, count - 1);
    Probe out;
    CO_TRY(out.height, co_await std::move(proving));
    out.network = std::to_string(static_cast<std::uint32_t>(network.magic));
    out.version = network.user_agent;
    co_return out;
}

}  // namespace internal

namespace {

using internal::ask_any;
using internal::Asked;

base::Json one_param(base::Json value) {
    base::Json out = base::Json::array();
    out.push_back(std::move(value));
    return out;
}

base::Json base64_param(base::ByteView bytes) {
    return one_param(base::Json::string(base::base64_encode(bytes)));
}

// What an endpoint says instead of answering a read.
Error refusal_of(const RpcError& error, std::string_view method) {
    std::string text = fmt::format("{}: {}", method, error.to_string());
    if (error.code == -32602) return Error::unprocessable(std::move(text), "chain_refused");
    return Error::unavailable(std::move(text), "chain_unavailable");
}

}  // namespace

std::string_view to_string(SendOutcome::Kind kind) {
    switch (kind) {
        case SendOutcome::Kind::Accepted:
            return "accepted";
        case SendOutcome::Kind::AlreadyKnown:
            return "already_known";
        case SendOutcome::Kind::Refused:
            return "refused";
        case SendOutcome::Kind::NotSent:
            return "not_sent";
        case SendOutcome::Kind::Unknown:
            return "unknown";
    }
    return "unknown";
}

std::string_view to_string(SendOutcome::Advice advice) {
    switch (advice) {
        case SendOutcome::Advice::None:
            return "none";
        case SendOutcome::Advice::Never:
            return "never";
        case SendOutcome::Advice::Later:
            return "later";
        case SendOutcome::Advice::FeeTooLow:
            return "fee_too_low";
        case SendOutcome::Advice::Expired:
            return "expired";
    }
    return "none";
}

Result<std::unique_ptr<NeoRpcClient>> NeoRpcClient::create(
    NeoClientOptions options, http::Transport& transport, base::Executor& executor,
    base::Logger& logger) {
    if (options.balances_per_script == 0 || options.balances_per_script > 400) {
        return Error::invalid_argument("balances_per_script is not between 1 and 400");
    }
    auto core = std::make_unique<Core>(std::move(options), executor, logger);
    const neo::NetworkMagic magic = core->options.magic;
    ProbeFunction probe = [magic](JsonRpc& rpc, base::Duration timeout) {
        return internal::probe_neo(rpc, timeout, magic);
    };
    TRY(core->endpoints,
        Endpoints::create(core->options.endpoints, std::move(probe), transport, executor, logger));
    return std::unique_ptr<NeoRpcClient>(new NeoRpcClient(std::move(core)));
}

NeoRpcClient::NeoRpcClient(std::unique_ptr<Core> core) : core_(std::move(core)) {}
NeoRpcClient::~NeoRpcClient() = default;

void NeoRpcClient::start() {
    core_->endpoints->start();
}
void NeoRpcClient::stop() {
    core_->endpoints->stop();
}

Task<void> NeoRpcClient::refresh() {
    Task<void> refreshing = core_->endpoints->refresh();
    co_await std::move(refreshing);
}

neo::NetworkMagic NeoRpcClient::magic() const {
    return core_->options.magic;
}

Task<Result<NeoNetwork>> NeoRpcClient::network() {
    {
        const std::lock_guard lock(core_->mutex);
        const base::SteadyTime now = core_->executor.steady_now();
        if (core_->network && now - core_->network->read_at < core_->options.network_cache) {
            co_return core_->network->value;
        }
    }
    Endpoints& endpoints = *core_->endpoints;
    for (std::size_t attempt = 0; attempt < endpoints.size(); ++attempt) {
        Task<Result<Asked<NeoNetwork>>> asking =
            ask_any<NeoNetwork>(endpoints, "getversion", base::Json::array(), parse_neo_version);
        CO_TRY(const Asked<NeoNetwork> asked, co_await std::move(asking));
        if (const RpcError* error = asked.error()) co_return refusal_of(*error, "getversion");
        const NeoNetwork& network = *asked.value();
        if (network.magic == core_->options.magic) {
            const std::lock_guard lock(core_->mutex);
            core_->network = {network, core_->executor.steady_now()};
            co_return network;
        }
        const Error error = internal::wrong_network(network.magic, core_->options.magic);
        endpoints.distrust(asked.index, error.message());
    }
    co_return Error::permission_denied(
        "the configured nodes are on another network", "wrong_network");
}

Task<Result<std::uint32_t>> NeoRpcClient::block_count() {
    Endpoints& endpoints = *core_->endpoints;
    Task<void> refreshing = endpoints.ensure_fresh();
    co_await std::move(refreshing);
    CO_TRY_VOID(endpoints.ranked(1));
    const auto seen = endpoints.last_seen();
    const EndpointsOptions& watched = core_->options.endpoints;
    const base::Duration age_max = watched.probe_period * 3 + watched.probe_timeout * 3;
    if (!seen || core_->executor.steady_now() - *seen > age_max) {
        co_return Error::unavailable("no node has told its height lately", "chain_unavailable");
    }
    co_return static_cast<std::uint32_t>(endpoints.height() + 1);
}

Task<Result<Invocation>> NeoRpcClient::invoke_script(
    base::Bytes script, std::vector<neo::Signer> signers) {
    base::Json params = base64_param(script);
    if (!signers.empty()) params.push_back(internal::signers_json(signers));
    Task<Result<Asked<Invocation>>> asking =
        ask_any<Invocation>(*core_->endpoints, "invokescript", std::move(params), parse_invocation);
    CO_TRY(Asked<Invocation> asked, co_await std::move(asking));
    if (const RpcError* error = asked.error()) co_return refusal_of(*error, "invokescript");
    co_return std::get<Invocation>(std::move(asked.answer));
}

Task<Result<std::int64_t>> NeoRpcClient::network_fee(const neo::Transaction& transaction) {
    // The form that nodes estimate from (neo.md 5.4).
    neo::Transaction form = transaction;
    for (neo::Witness& witness : form.witnesses) witness.invocation.clear();
    CO_TRY_VOID(neo::check(form));
    if (form.witnesses.empty()) {
        co_return Error::invalid_argument("the fee depends on the verification scripts");
    }
    base::Json params = base64_param(neo::serialize(form));
    Task<Result<Asked<std::int64_t>>> asking = ask_any<std::int64_t>(
        *core_->endpoints, "calculatenetworkfee", std::move(params), parse_network_fee);
    const Result<Asked<std::int64_t>> asked = co_await std::move(asking);
    std::int64_t fee = 0;
    if (asked && asked->value() != nullptr) {
        fee = *asked->value();
    } else {
        if (asked && asked->error()->code == -32602) {
            co_return refusal_of(*asked->error(), "calculatenetworkfee");
        }
        Task<Result<neo::FeePolicy>> reading = fee_policy();
        CO_TRY(const neo::FeePolicy policy, co_await std::move(reading));
        CO_TRY(fee, neo::network_fee(form, policy));
        // The factor has more decimals than nodes tell (neo.md 5.4): one unit of it on top.
        const auto margin = static_cast<std::int64_t>(form.witnesses.size()) * kFeeMargin;
        fee = std::min(fee, std::numeric_limits<std::int64_t>::max() - margin) + margin;
    }
    if (fee > core_->options.network_fee_max) {
        co_return Error::unprocessable(
            fmt::format(
                "the network fee of {} datoshi is above the maximum of {}", fee,
                core_->options.network_fee_max),
            "network_fee_too_high");
    }
    co_return fee;
}

Task<Result<neo::FeePolicy>> NeoRpcClient::fee_policy() {
    {
        const std::lock_guard lock(core_->mutex);
        const base::SteadyTime now = core_->executor.steady_now();
        if (core_->policy && now - core_->policy->read_at < core_->options.network_cache) {
            co_return core_->policy->value;
        }
    }
    base::Bytes script = internal::policy_script();
    Task<Result<Invocation>> invoking = invoke_script(std::move(script), {});
    CO_TRY(const Invocation invocation, co_await std::move(invoking));
    CO_TRY(const neo::FeePolicy policy, internal::read_policy(invocation));
    const std::lock_guard lock(core_->mutex);
    core_->policy = {policy, core_->executor.steady_now()};
    co_return policy;
}

Task<SendOutcome> NeoRpcClient::send(
    base::Bytes signed_transaction, neo::TransactionHash hash, unsigned attempt) {
    Endpoints& endpoints = *core_->endpoints;
    Task<void> refreshing = endpoints.ensure_fresh();
    co_await std::move(refreshing);
    SendOutcome out;
    out.kind = SendOutcome::Kind::NotSent;
    Result<std::vector<std::size_t>> indices = endpoints.ranked(1);
    if (!indices) {
        out.text = indices.error().message();
        co_return out;
    }
    const auto first = static_cast<std::ptrdiff_t>(attempt % indices->size());
    std::rotate(indices->begin(), indices->begin() + first, indices->end());
    const base::Json params = base64_param(signed_transaction);
    for (const std::size_t index : *indices) {
        Task<Result<RpcAnswer>> calling = endpoints.call(index, "sendrawtransaction", params);
        const Result<RpcAnswer> answer = co_await std::move(calling);
        out.endpoint = endpoints.name(index);
        if (answer) {
            const auto* error = std::get_if<RpcError>(&*answer);
            SendOutcome told = error != nullptr
                                   ? internal::outcome_of_refusal(*error)
                                   : internal::outcome_of_result(
                                         parse_sent_hash(std::get<base::Json>(*answer)), hash);
            told.endpoint = out.endpoint;
            co_return told;
        }
        out.text = answer.error().message();
        // Only what surely reached nobody is offered to the next one.
        if (!nothing_was_sent(answer.error())) {
            out.kind = SendOutcome::Kind::Unknown;
            co_return out;
        }
    }
    co_return out;
}

Task<Result<TransactionFate>> NeoRpcClient::fate(
    neo::TransactionHash hash, std::uint32_t valid_until_block) {
    return internal::find_fate(*core_, hash, valid_until_block);
}

Task<Result<base::Amount>> NeoRpcClient::balance(neo::ScriptHash token, neo::ScriptHash account) {
    return internal::read_balance(*core_, {token, account});
}

Task<std::vector<BalanceReading>> NeoRpcClient::balances(
    std::vector<BalanceQuery> queries, std::size_t sources) {
    return internal::read_balances(*core_, std::move(queries), sources);
}

Task<Result<std::string>> NeoRpcClient::token_symbol(neo::ScriptHash token) {
    return internal::read_symbol(*core_, token);
}

std::vector<EndpointStatus> NeoRpcClient::endpoints() const {
    return core_->endpoints->status();
}

}  // namespace adyton::chain
