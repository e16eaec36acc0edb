#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/pool_types.h"
#include "api/transfer_types.h"
#include "base/executor.h"
#include "base/json.h"
#include "base/random.h"
#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "http/client.h"

namespace adyton::api {

struct PoolClientOptions {
    std::string base_url = "http://127.0.0.1:8085";
    // Sent as X-Service-ID when not empty. A strict server takes the identity from the certificate
    // and refuses a header that says something else.
    std::string service_id = {};
    // One attempt, from sending to the last byte of the answer.
    base::Duration attempt_timeout = std::chrono::seconds(30);
    // All attempts and the pauses between them.
    base::Duration total_timeout = std::chrono::seconds(90);
    unsigned attempts_max = 4;
    // Pauses double from the first to the longest, each drawn from its upper half; a server's
    // Retry-After lengthens them.
    base::Duration pause_first = std::chrono::milliseconds(100);
    base::Duration pause_max = std::chrono::seconds(5);
};

struct CallOptions {
    // Where a call takes one; empty: a fresh one, the same for all attempts of the call. Set it to
    // ask for the outcome of an earlier call that ended in OutcomeUnknown.
    std::string idempotency_key = {};
    std::string trace_id = {};  // empty: a fresh one
};

// What is known about a call besides its result.
struct CallInfo {
    std::string trace_id;         // to look for in the server's log
    std::string idempotency_key;  // empty when the call takes none
    unsigned attempts = 0;
    unsigned http_status = 0;  // of the last answer; 0 when none came
    std::string code;          // of a refusal: "HTTP_409"
    base::Json details;        // of a refusal: an object, or null
    std::optional<base::Duration> retry_after;
};

template <typename T>
struct Reply {
    Result<T> result;
    CallInfo call;

    explicit operator bool() const { return result.has_value(); }
    const T& operator*() const { return *result; }
    const T* operator->() const { return &*result; }
    const Error& error() const { return result.error(); }
};

// The account pool over HTTP: typed requests, answers and errors.
//
// Retries by itself whatever cannot do harm twice: a request that was never sent; 408, 429, 502 and
// 503; and an attempt of unknown outcome, because reads have no effect, signatures are
// deterministic (a repeat counts against rate limits and is audited again), /request, /release,
// /balance and /transfer carry an idempotency key, and the operators' calls set a state.
//
// Errors: the server's refusals by http::error_code_of with the server's message and details.reason
// as reason, and those of http::Transport. OutcomeUnknown: the call may or may not have taken
// effect; repeat it with the idempotency key of CallInfo to learn. CorruptData: the answer is not
// in the contract's form.
//
// Runs on Executor::current(); any number of calls at once on that executor.
class PoolClient {
public:
    // All three must outlive the client, and the client its unfinished calls. `executor` is where
    // calls are awaited; `random` makes trace ids, idempotency keys and the pauses' jitter.
    PoolClient(
        http::Transport& transport, base::Executor& executor, base::RandomSource& random,
        PoolClientOptions options);

    Task<Reply<PoolInfoResponse>> pool_info(CallOptions options = {});
    Task<Reply<MasterKeyResponse>> master_key(CallOptions options = {});
    Task<Reply<AccountsResponse>> accounts(AccountsQuery query, CallOptions options = {});
    Task<Reply<AccountsResponse>> low_balance(LowBalanceQuery query, CallOptions options = {});

    Task<Reply<AllocationResponse>> request(AccountsRequest request, CallOptions options = {});
    Task<Reply<ReleaseResponse>> release(ReleaseRequest request, CallOptions options = {});
    Task<Reply<RenewResponse>> renew(RenewRequest request, CallOptions options = {});
    Task<Reply<SignResponse>> sign(SignRequest request, CallOptions options = {});
    Task<Reply<BatchSignResponse>> batch_sign(BatchSignRequest request, CallOptions options = {});
    Task<Reply<BalanceResponse>> balance(BalanceRequest request, CallOptions options = {});

    // A repeat under the same idempotency key answers where the first transfer stands now.
    Task<Reply<TransferInfo>> transfer(TransferRequest request, CallOptions options = {});
    Task<Reply<TransferInfo>> transfer_status(std::string transfer_id, CallOptions options = {});
    Task<Reply<TransfersResponse>> transfers(TransfersQuery query, CallOptions options = {});

    Task<Reply<FreezeResponse>> freeze(FreezeRequest request, CallOptions options = {});
    Task<Reply<FreezeResponse>> unfreeze(FreezeRequest request, CallOptions options = {});
    Task<Reply<FreezesResponse>> freezes(CallOptions options = {});
    // Creates a bounded number of accounts a call; call again until `complete`.
    Task<Reply<GrowResponse>> grow(GrowRequest request, CallOptions options = {});
    Task<Reply<AllocationsResponse>> allocations(CallOptions options = {});
    Task<Reply<CheckpointResponse>> checkpoint(CallOptions options = {});

    // GET /info, as it came.
    Task<Reply<base::Json>> info(CallOptions options = {});
    // GET of a path with its query ("/audit/export?from=1"), the body as it came.
    Task<Reply<std::string>> get_text(std::string path, CallOptions options = {});

    const PoolClientOptions& options() const { return options_; }

private:
    enum class Key { None, Idempotency };
    struct Call {
        std::string method;
        std::string path;
        std::string body;
        Key key = Key::None;
        CallOptions options;
    };
    struct Attempt;

    template <typename T>
    Task<Reply<T>> exchange(Call call, Result<T> (*parse)(const std::string& body));
    Task<Reply<std::string>> perform(Call call);
    CallInfo start(const Call& call) const;
    http::ClientRequest make_request(
        const Call& call, const CallInfo& info, base::Duration timeout) const;
    base::Duration pause_before(unsigned attempt, const CallInfo& info) const;

    http::Transport& transport_;
    base::Executor& executor_;
    base::RandomSource& random_;
    PoolClientOptions options_;
};

}  // namespace adyton::api
