#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "http/router.h"
#include "localchain/internal/fault_plan.h"
#include "localchain/neo_chain.h"
#include "localchain/neo_rpc.h"

namespace adyton::localchain::internal {

// A JSON-RPC error as the node words it.
struct RpcFailure {
    int code = 0;
    std::string data;  // may be empty: then the member is left out
};
// The JSON of `result`, or why not.
using RpcOutcome = std::variant<std::string, RpcFailure>;

// The fixed text of a code.
std::string_view rpc_message(int code, NodeFlavour flavour);

inline RpcFailure invalid_params(std::string data) {
    return {-32602, std::move(data)};
}

}  // namespace adyton::localchain::internal

namespace adyton::localchain {

struct NeoNode::Core {
    Core(NeoChain& its_chain, base::Executor& its_executor, NodeOptions its_options);

    // One call of a request body.
    struct Call {
        std::string id = "null";  // JSON
        std::string method;
        const base::Json* params = nullptr;          // an array or object; null: none
        std::optional<internal::RpcFailure> broken;  // not even a call
        std::optional<FaultRule> fault;
    };
    // What goes back, and how late.
    struct Reply {
        http::Response response;
        base::Duration delay = base::Duration::zero();
    };

    Reply reply(std::string_view body);
    Reply reply_to_calls(std::vector<Call>& calls, bool batch);
    Call read_call(const base::Json& json);
    void write_answer(
        const Call& call, const internal::RpcOutcome& outcome, std::string& out) const;
    http::Status status_of(int code) const;
    internal::RpcOutcome run(const Call& call);

    // rpc_queries.cpp, and rpc_methods.cpp for what runs or sends something
    using Method = internal::RpcOutcome (Core::*)(const base::Json& params);
    static const std::map<std::string_view, Method>& methods();
    internal::RpcOutcome get_version(const base::Json& params);
    internal::RpcOutcome get_block_count(const base::Json& params);
    internal::RpcOutcome get_best_block_hash(const base::Json& params);
    internal::RpcOutcome get_block_hash(const base::Json& params);
    internal::RpcOutcome get_block(const base::Json& params);
    internal::RpcOutcome get_block_header(const base::Json& params);
    internal::RpcOutcome block_or_header(const base::Json& params, bool with_transactions);
    void write_block(
        const Block& block, std::size_t size_bytes, bool with_transactions, std::string& out) const;
    internal::RpcOutcome invoke_script(const base::Json& params);
    internal::RpcOutcome invoke_function(const base::Json& params);
    internal::RpcOutcome calculate_network_fee(const base::Json& params);
    internal::RpcOutcome send_raw_transaction(const base::Json& params);
    internal::RpcOutcome get_raw_transaction(const base::Json& params);
    internal::RpcOutcome get_transaction_height(const base::Json& params);
    internal::RpcOutcome get_application_log(const base::Json& params);
    internal::RpcOutcome get_nep17_balances(const base::Json& params);
    internal::RpcOutcome get_raw_mempool(const base::Json& params);
    internal::RpcOutcome validate_address(const base::Json& params);
    internal::RpcOutcome faucet(const base::Json& params);
    internal::RpcOutcome fault(const base::Json& params);

    internal::RpcOutcome invoke(
        base::ByteView script, const std::vector<neo::Signer>& signers) const;
    // What the node knows to be in a block.
    const ConfirmedTransaction* find_confirmed(const neo::TransactionHash& hash) const;
    std::uint32_t height() const;

    NeoChain& chain;
    base::Executor& executor;
    const NodeOptions options;
    http::Router router;
    internal::FaultPlan<FaultRule, kNodeFaultCount> faults;
    std::uint32_t lag = 0;
    std::int64_t height_lie = 0;
    bool down = false;
    bool swallowing = false;  // the call at hand is struck by NodeFault::Swallow
    std::uint64_t call_count = 0;
    std::map<std::string, std::uint64_t, std::less<>> method_counts;  // of known methods
};

}  // namespace adyton::localchain
