#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/task.h"
#include "http/router.h"
#include "localchain/internal/fault_plan.h"
#include "localchain/internal/near_rpc_json.h"
#include "localchain/near_node.h"

namespace adyton::localchain::internal {

// A JSON-RPC error as a NEAR node words it.
struct NearRpcError {
    std::string name = "HANDLER_ERROR";
    std::string cause;
    base::Json info = base::Json::object();
    int code = -32000;
    std::string message = "Server error";
    base::Json data;
};

NearRpcError near_parse_error(std::string why);
NearRpcError near_handler_error(std::string cause, base::Json info, std::string data);
NearRpcError near_unknown_transaction(const near::TransactionHash& hash);
NearRpcError near_timeout();
NearRpcError near_invalid_transaction(base::Json error);

// A question about a transaction that may have to wait for its answer.
struct NearStatusQuery {
    near::TransactionHash hash{};
    WaitLevel level = WaitLevel::ExecutedOptimistic;
    bool with_receipts = false;
    std::uint32_t extra_lag = 0;  // of an ordered fault
};

using NearRpcOutcome = std::variant<base::Json, NearRpcText, NearRpcError, NearStatusQuery>;

}  // namespace adyton::localchain::internal

namespace adyton::localchain {

struct NearNode::Core {
    Core(NearChain& its_chain, base::Executor& its_executor, NearNodeOptions its_options);
    ~Core();

    // One call of a request body.
    struct Call {
        base::Json id;
        std::string method;
        base::Json params;
        std::optional<internal::NearRpcError> broken;  // not even a call
        std::optional<NearFaultRule> fault;

        bool struck_by(NearFault what) const { return fault.has_value() && fault->fault == what; }
    };

    // near_node.cpp
    std::vector<Call> read_body(std::string_view body, bool& batch);
    Call read_call(const base::Json& json);
    Task<http::Response> respond(std::string body);
    http::Response respond_now(std::string_view body);
    std::optional<http::Response> early_trouble(const std::vector<Call>& calls) const;
    internal::NearRpcOutcome run(const Call& call);
    // Nothing: not there yet.
    std::optional<internal::NearRpcOutcome> look(const internal::NearStatusQuery& query) const;
    internal::NearRpcOutcome give_up(const internal::NearStatusQuery& query) const;
    Task<internal::NearRpcOutcome> wait(internal::NearStatusQuery query);
    // Both give the whole answer.
    std::string answer_of(const Call& call, internal::NearRpcOutcome outcome);
    base::Json spoilt_answer(const Call& call, internal::NearRpcOutcome outcome);
    http::Response finish(
        const std::vector<Call>& calls, std::vector<std::string> answers, bool batch);
    void spoil(const Call& call, base::Json& result);
    void on_block();

    // near_rpc_methods.cpp
    using Method = internal::NearRpcOutcome (Core::*)(const Call& call);
    static const std::map<std::string_view, Method>& methods();
    internal::NearRpcOutcome block(const Call& call);
    internal::NearRpcOutcome chunk(const Call& call);
    internal::NearRpcOutcome query(const Call& call);
    internal::NearRpcOutcome gas_price(const Call& call);
    internal::NearRpcOutcome status(const Call& call);
    internal::NearRpcOutcome network_info(const Call& call);
    internal::NearRpcOutcome validators(const Call& call);
    internal::NearRpcOutcome health(const Call& call);
    internal::NearRpcOutcome protocol_config(const Call& call);
    internal::NearRpcOutcome broadcast_async(const Call& call);
    internal::NearRpcOutcome broadcast_commit(const Call& call);
    internal::NearRpcOutcome send_tx(const Call& call);
    internal::NearRpcOutcome tx(const Call& call);
    internal::NearRpcOutcome tx_status(const Call& call);
    internal::NearRpcOutcome receipt(const Call& call);
    internal::NearRpcOutcome faucet(const Call& call);
    internal::NearRpcOutcome fault(const Call& call);

    internal::NearRpcOutcome transaction_query(const Call& call, bool with_receipts);
    internal::NearRpcOutcome broadcast(
        const Call& call, const std::string& base64, internal::WaitLevel level);
    std::variant<const NearBlockRecord*, internal::NearRpcError> block_for(
        const base::Json& params, std::uint32_t extra_lag) const;
    internal::NearRpcOutcome view_account(const base::Json& params, const NearBlockRecord& at);
    internal::NearRpcOutcome view_access_key(
        const Call& call, const base::Json& params, const NearBlockRecord& at);
    internal::NearRpcOutcome view_access_key_list(
        const base::Json& params, const NearBlockRecord& at);
    internal::NearRpcOutcome call_function(const base::Json& params, const NearBlockRecord& at);

    std::uint32_t lag_of(const Call& call) const;
    internal::NodeView view(std::uint32_t extra_lag) const;

    NearChain& chain;
    base::Executor& executor;
    const NearNodeOptions options;
    http::Router router;
    internal::FaultPlan<NearFaultRule, kNearFaultCount> faults;
    std::uint32_t lag = 0;
    std::int64_t height_lie = 0;
    bool down = false;
    std::uint64_t call_count = 0;
    std::map<std::string, std::uint64_t, std::less<>> method_counts;
    // Those who wait for the next block. shared: the waiting coroutine and the block's observer
    // both hold them.
    std::vector<std::shared_ptr<base::Completion<bool>::State>> waiters;
    // shared: the chain's observer outlives the node
    std::shared_ptr<Core*> self;
};

}  // namespace adyton::localchain
