#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "chain/internal/ask.h"
#include "chain/internal/neo_client_core.h"

// What has become of a transaction (neo.md 6.2), asked of several endpoints.

namespace adyton::chain::internal {
namespace {

// What one endpoint says.
struct View {
    std::size_t index = 0;
    std::uint32_t height = 0;  // that it surely had before it was asked for the transaction
    // It has shown this block beyond the expiry height first.
    std::optional<BlockHeader> beyond;
    std::optional<ApplicationLog> log;
    std::uint32_t block_index = 0;  // of `log`
};

base::Json hash_param(const neo::TransactionHash& hash) {
    base::Json out = base::Json::array();
    out.push_back(base::Json::string(hash.to_string()));
    return out;
}

// One call whose "I know no such thing" is an answer: nothing then. Anything else that is no result
// is an error.
template <typename T, typename Unknown>
Task<Result<std::optional<T>>> find(
    Endpoints& endpoints, std::size_t index, std::string method, base::Json params,
    Result<T> (*parse)(const base::Json&), Unknown is_unknown) {
    Task<Result<Asked<T>>> asking = ask_one<T>(endpoints, index, method, std::move(params), parse);
    CO_TRY(Asked<T> asked, co_await std::move(asking));
    if (const RpcError* error = asked.error()) {
        if (is_unknown(*error)) co_return std::optional<T>();
        co_return Error::unavailable(
            fmt::format("{} at {}: {}", method, endpoints.name(index), error->to_string()));
    }
    co_return std::optional<T>(std::get<T>(std::move(asked.answer)));
}

// -101 and -109 are neo-go's and the C# node's, -100 older ones'.
bool is_unknown_block(const RpcError& error) {
    return error.code == -101 || error.code == -109 || error.code == -100;
}

// The block `index` if the endpoint has come so far.
Task<Result<std::optional<BlockHeader>>> block_at(
    Endpoints& endpoints, std::size_t endpoint, std::uint32_t index) {
    base::Json params = base::Json::array();
    params.push_back(base::Json::unsigned_integer(index));
    params.push_back(base::Json::boolean(true));
    Task<Result<std::optional<BlockHeader>>> finding = find<BlockHeader>(
        endpoints, endpoint, "getblockheader", std::move(params), parse_block_header,
        is_unknown_block);
    CO_TRY(const auto header, co_await std::move(finding));
    if (header && header->index != index) {
        endpoints.distrust(endpoint, fmt::format("it shows another block than {}", index));
        co_return Error::corrupt_data("the endpoint shows another block than asked for");
    }
    co_return header;
}

// Fills in where an executed transaction stands.
Task<Result<void>> place(Endpoints& endpoints, const neo::TransactionHash& hash, View& view) {
    if (view.log->hash != hash) {
        endpoints.distrust(view.index, "it shows the log of another transaction");
        co_return Error::corrupt_data("the endpoint shows the log of another transaction");
    }
    Task<Result<std::optional<std::uint32_t>>> finding = find<std::uint32_t>(
        endpoints, view.index, "gettransactionheight", hash_param(hash), parse_transaction_height,
        is_unknown_transaction);
    CO_TRY(const auto height, co_await std::move(finding));
    if (!height) {
        co_return Error::unavailable("the endpoint has a log of a transaction it does not know");
    }
    view.block_index = *height;
    view.height = std::max(view.height, *height);
    co_return Result<void>();
}

// An expiry rests on the log's absence, so make sure that it is no missing plugin's or pruned one.
Task<Result<void>> confirm_absence(
    Endpoints& endpoints, const neo::TransactionHash& hash, std::size_t index) {
    base::Json params = hash_param(hash);
    params.push_back(base::Json::boolean(true));
    Task<Result<std::optional<TransactionPlace>>> finding = find<TransactionPlace>(
        endpoints, index, "getrawtransaction", std::move(params), parse_transaction_place,
        is_unknown_transaction);
    CO_TRY(const auto found, co_await std::move(finding));
    // Pooled beyond its height: the node will drop it.
    if (!found || !found->confirmed) co_return Result<void>();
    co_return Error::unavailable("the endpoint has the transaction but not its log");
}

// `beyond`: the block to be shown first, if expiry can be near; the order of questions matters.
Task<Result<View>> ask_fate(
    Endpoints& endpoints, std::size_t index, neo::TransactionHash hash,
    std::optional<std::uint32_t> beyond) {
    View view;
    view.index = index;
    view.height = static_cast<std::uint32_t>(endpoints.height_of(index));
    if (beyond) {
        Task<Result<std::optional<BlockHeader>>> finding = block_at(endpoints, index, *beyond);
        CO_TRY(view.beyond, co_await std::move(finding));
        if (view.beyond) view.height = std::max(view.height, *beyond);
    }
    Task<Result<std::optional<ApplicationLog>>> finding = find<ApplicationLog>(
        endpoints, index, "getapplicationlog", hash_param(hash), parse_application_log,
        is_unknown_transaction);
    CO_TRY(view.log, co_await std::move(finding));
    if (view.log) {
        Task<Result<void>> placing = place(endpoints, hash, view);
        CO_TRY_VOID(co_await std::move(placing));
    } else if (view.beyond) {
        Task<Result<void>> confirming = confirm_absence(endpoints, hash, index);
        CO_TRY_VOID(co_await std::move(confirming));
    }
    co_return view;
}

std::vector<Nep17Event> transfers_of(const ApplicationLog& log) {
    std::vector<Nep17Event> out;
    if (log.state != VmState::Halt) return out;
    for (const Notification& notification : log.notifications) {
        if (auto event = as_nep17_transfer(notification)) out.push_back(*std::move(event));
    }
    return out;
}

bool same_execution(const View& a, const View& b) {
    return a.block_index == b.block_index && a.log->state == b.log->state &&
           a.log->gas_consumed == b.log->gas_consumed &&
           transfers_of(*a.log) == transfers_of(*b.log);
}

Error disagreement(NeoRpcClient::Core& core, const neo::TransactionHash& hash, const char* about) {
    core.logger.error(
        "chain endpoints contradict each other", {{"tx_hash", hash.to_string()}, {"about", about}});
    return Error::unavailable(
        fmt::format("the nodes contradict each other about {}", about), "chain_disagreement");
}

TransactionFate executed_fate(const View& view) {
    TransactionFate out;
    out.kind = TransactionFate::Kind::Executed;
    out.height = view.height;
    out.state = view.log->state;
    out.exception = view.log->exception;
    out.block_index = view.block_index;
    out.gas_consumed = view.log->gas_consumed;
    if (out.state == VmState::Halt) out.notifications = view.log->notifications;
    return out;
}

// What enough views amount to.
Result<TransactionFate> conclude(
    NeoRpcClient::Core& core, const neo::TransactionHash& hash, const std::vector<View>& views) {
    const std::size_t quorum = core.endpoints->quorum();
    const View* executed = nullptr;
    const View* expired = nullptr;
    std::size_t executions = 0;
    std::size_t expiries = 0;
    std::uint32_t height = views.front().height;
    for (const View& view : views) {
        height = std::min(height, view.height);
        if (view.log) {
            ++executions;
            if (executed == nullptr) executed = &view;
            if (!same_execution(*executed, view)) return disagreement(core, hash, "an execution");
        } else if (view.beyond) {
            ++expiries;
            if (expired == nullptr) expired = &view;
            if (expired->beyond->hash != view.beyond->hash) {
                return disagreement(core, hash, "a block");
            }
        }
    }
    if (executed != nullptr && expired != nullptr) {
        return disagreement(core, hash, "whether a transaction was executed");
    }
    if (executions >= quorum) return executed_fate(*executed);
    TransactionFate out;
    out.height = height;
    if (expiries >= quorum && expiries == views.size()) out.kind = TransactionFate::Kind::Expired;
    return out;
}

// Whether more endpoints could change what the views amount to.
bool is_settled(const std::vector<View>& views, std::size_t quorum) {
    const auto count = [&views](auto holds) {
        return static_cast<std::size_t>(std::count_if(views.begin(), views.end(), holds));
    };
    const std::size_t executions = count([](const View& view) { return view.log.has_value(); });
    if (executions > 0) return executions >= quorum;
    return views.size() >= quorum;
}

}  // namespace

Task<Result<TransactionFate>> find_fate(
    NeoRpcClient::Core& core, neo::TransactionHash hash, std::uint32_t valid_until_block) {
    Endpoints& endpoints = *core.endpoints;
    const std::size_t quorum = endpoints.quorum();
    Task<void> refreshing = endpoints.ensure_fresh();
    co_await std::move(refreshing);
    CO_TRY(const std::vector<std::size_t> indices, endpoints.ranked(quorum));
    const std::uint64_t target = std::uint64_t{valid_until_block} + core.options.expiry_margin;
    std::optional<std::uint32_t> beyond;
    if (endpoints.height() >= target && target <= std::numeric_limits<std::uint32_t>::max()) {
        beyond = static_cast<std::uint32_t>(target);
    }
    std::vector<View> views;
    std::string failures;
    for (const std::size_t index : indices) {
        Task<Result<View>> asking = ask_fate(endpoints, index, hash, beyond);
        Result<View> view = co_await std::move(asking);
        if (!view) {
            failures += "; " + view.error().message();
            continue;
        }
        views.push_back(*std::move(view));
        if (is_settled(views, quorum)) break;
    }
    if (views.size() < quorum) {
        co_return Error::unavailable(
            fmt::format("{} of {} nodes told the fate{}", views.size(), quorum, failures),
            "chain_unavailable");
    }
    co_return conclude(core, hash, views);
}

}  // namespace adyton::chain::internal
