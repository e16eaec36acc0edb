#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/task.h"
#include "chain/json_rpc.h"

namespace adyton::chain::internal {

// parse_rpc_answer() of JSON that is parsed already.
Result<RpcAnswer> read_rpc_answer(const base::Json& answer, std::uint64_t id);
// One call as JSON-RPC 2.0 writes it.
void append_call(
    std::string& out, std::uint64_t id, const std::string& method, const base::Json& params);

// Reads that callers ask of one endpoint at the same moment go to it in one HTTP request, as a
// batch of JSON-RPC 2.0 (neo.md 5: both kinds of Neo nodes take them). Each call has its own answer
// or error; what befalls the request befalls all in it, so only reads go this way. A read that has
// no company goes alone, and so do all once the endpoint has refused a batch.
//
// Thread safe. Shared with the requests under way.
class RpcBatch {
public:
    static constexpr std::size_t kCallsMax = 32;

    // Errors of JsonRpc::create(). `transport` must outlive the object.
    static Result<std::shared_ptr<RpcBatch>> create(
        http::Transport& transport, std::string url, RpcOptions options);

    // Errors of JsonRpc::call(). On the current executor.
    static Task<Result<RpcAnswer>> read(
        std::shared_ptr<RpcBatch> batch, std::string method, base::Json params);

private:
    struct Call {
        std::string method;
        base::Json params;
        std::shared_ptr<base::Completion<Result<RpcAnswer>>::State> done;
    };
    using Calls = std::vector<Call>;

    RpcBatch(http::Transport& transport, std::string url, RpcOptions options, JsonRpc alone)
        : transport_(transport),
          url_(std::move(url)),
          options_(options),
          alone_(std::move(alone)) {}

    static void send_soon(const std::shared_ptr<RpcBatch>& batch);
    static Task<void> send_alone(std::shared_ptr<RpcBatch> batch, Call call);
    static Task<void> send_together(std::shared_ptr<RpcBatch> batch, Calls calls);
    Result<void> tell(const Calls& calls, const Result<http::Response>& response) const;

    http::Transport& transport_;
    const std::string url_;
    const RpcOptions options_;
    JsonRpc alone_;
    std::atomic<bool> refused_{false};

    std::mutex mutex_;
    Calls waiting_;  // a request for them is about to be made
};

}  // namespace adyton::chain::internal
