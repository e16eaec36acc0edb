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

// The body of a response, without RpcOptions::left_out.
Result<base::Json> parse_body(std::string_view body, const base::JsonFilter* left_out_or_null);
// parse_rpc_answer() of JSON that is parsed already, and moved out of if it is a result.
Result<RpcAnswer> take_rpc_answer(base::Json& answer, std::uint64_t id);
// One call as JSON-RPC 2.0 writes it.
void append_call(
    std::string& out, std::uint64_t id, const std::string& method, const base::Json& params);

// Calls that are made of one endpoint at the same moment go to it in one HTTP request, as a batch
// of JSON-RPC 2.0 (neo.md 5: both kinds of Neo nodes take them). Each call has its own answer or
// error; what befalls the request befalls all in it, so reads and sends go by different objects. A
// call that has no company goes alone, and so do all once the endpoint has refused a batch.
//
// Thread safe. Shared with the requests under way.
class RpcBatch {
public:
    static constexpr std::size_t kCallsMax = 32;

    // Sends may be repeated as they stand (a signed transaction takes effect once), but an error
    // after which nothing was sent must not hide that the first time it was.
    enum class Carries { Reads, Sends };

    // Errors of JsonRpc::create(). `transport` must outlive the object.
    static Result<std::shared_ptr<RpcBatch>> create(
        http::Transport& transport, std::string url, RpcOptions options, Carries carries);

    // Errors of JsonRpc::call(). On the current executor.
    static Task<Result<RpcAnswer>> call(
        std::shared_ptr<RpcBatch> batch, std::string method, base::Json params);

private:
    struct Call {
        std::string method;
        base::Json params;
        std::shared_ptr<base::Completion<Result<RpcAnswer>>::State> done;
    };
    using Calls = std::vector<Call>;

    RpcBatch(
        http::Transport& transport, std::string url, RpcOptions options, Carries carries,
        JsonRpc alone)
        : transport_(transport),
          url_(std::move(url)),
          options_(options),
          carries_(carries),
          alone_(std::move(alone)) {}

    static void send_soon(const std::shared_ptr<RpcBatch>& batch);
    enum class Before { Nothing, Refused };
    static Task<void> send_alone(std::shared_ptr<RpcBatch> batch, Call call, Before before);
    static Task<void> send_together(std::shared_ptr<RpcBatch> batch, Calls calls);
    Result<void> tell(const Calls& calls, const Result<http::Response>& response) const;

    http::Transport& transport_;
    const std::string url_;
    const RpcOptions options_;
    const Carries carries_;
    JsonRpc alone_;
    std::atomic<bool> refused_{false};

    std::mutex mutex_;
    Calls waiting_;  // a request for them is about to be made
};

}  // namespace adyton::chain::internal
