#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/json.h"
#include "base/json_filter.h"
#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "http/client.h"

namespace adyton::chain {

// The `error` member of a JSON-RPC answer: the endpoint understood the call and says no. Decide by
// code (Neo) or by name and cause (NEAR), never by the texts. Texts are the endpoint's own, cut to
// kRpcTextBytesMax and free of control characters; they are for people.
struct RpcError {
    std::int64_t code = 0;
    std::string name;   // NEAR: "HANDLER_ERROR"
    std::string cause;  // NEAR: the cause's name, "UNKNOWN_TRANSACTION"
    std::string message;
    std::string data;  // text as it stands, anything else as JSON; empty: none

    // "-511 Insufficient funds: ...", "HANDLER_ERROR UNKNOWN_ACCOUNT: ...".
    std::string to_string() const;
};
inline constexpr std::size_t kRpcTextBytesMax = 1024;

// What an endpoint answered: a result (any JSON, null too) or an error.
using RpcAnswer = std::variant<base::Json, RpcError>;

struct RpcOptions {
    base::Duration timeout = std::chrono::seconds(10);  // from sending to the last byte
    std::size_t response_bytes_max = 8 * 1024 * 1024;   // of one answer's body
    // Members of answers that nobody reads; shared by the endpoints of a chain. Null: none.
    std::shared_ptr<const base::JsonFilter> left_out = nullptr;
};

// Reads the body of an answer to call `id`. CorruptData: no JSON object, another id (null is taken
// only with -32700 and -32600), neither result nor error, or both.
Result<RpcAnswer> parse_rpc_answer(
    std::string_view body, std::uint64_t id, const base::JsonFilter* left_out_or_null = nullptr);

// One JSON-RPC 2.0 endpoint over HTTP POST. The body is read before the HTTP status is judged,
// because some nodes answer errors with 4xx (neo.md 5). No retries, no redirects.
//
// call() may be used on any executor, concurrently.
class JsonRpc {
public:
    // InvalidArgument: no http or https URL. `transport` must outlive the object and its calls.
    static Result<JsonRpc> create(http::Transport& transport, std::string url, RpcOptions options);
    JsonRpc(JsonRpc&& other) noexcept
        : transport_(other.transport_),
          url_(std::move(other.url_)),
          name_(std::move(other.name_)),
          options_(std::move(other.options_)) {}

    // "host:port": path and query may hold an access key, so they appear nowhere.
    const std::string& name() const { return name_; }

    // `params` is an array or an object. `timeout` zero: the options'. Errors, each naming the
    // endpoint, say whether the call may have taken effect:
    //   Unavailable, DeadlineExceeded, InvalidArgument, Unauthenticated   nothing was sent
    //   ResourceExhausted  HTTP 429 without a JSON-RPC body: the endpoint did nothing
    //   TooLarge           an answer came, larger than the limit: the call took its effect
    //   OutcomeUnknown     sent, and no complete answer came; or an HTTP error without JSON-RPC
    //   body CorruptData        an answer came that is no JSON-RPC, or for another call
    Task<Result<RpcAnswer>> call(
        std::string method, base::Json params, base::Duration timeout = base::Duration::zero());

private:
    JsonRpc(http::Transport& transport, std::string url, std::string name, RpcOptions options)
        : transport_(&transport), url_(std::move(url)), name_(std::move(name)), options_(options) {}

    http::Transport* transport_;
    std::string url_;
    std::string name_;
    RpcOptions options_;
    std::atomic<std::uint64_t> next_id_{1};
};

// Whether an error of JsonRpc::call() proves that the endpoint has done nothing.
bool nothing_was_sent(const Error& error);

}  // namespace adyton::chain
