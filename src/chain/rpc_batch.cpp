#include "chain/internal/rpc_batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace adyton::chain::internal {

Result<std::shared_ptr<RpcBatch>> RpcBatch::create(
    http::Transport& transport, std::string url, RpcOptions options, Carries carries) {
    TRY(JsonRpc alone, JsonRpc::create(transport, url, options));
    return std::shared_ptr<RpcBatch>(
        new RpcBatch(transport, std::move(url), options, carries, std::move(alone)));
}

Task<Result<RpcAnswer>> RpcBatch::call(
    std::shared_ptr<RpcBatch> batch, std::string method, base::Json params) {
    base::Completion<Result<RpcAnswer>> turn;
    bool first = false;
    {
        const std::lock_guard lock(batch->mutex_);
        first = batch->waiting_.empty();
        batch->waiting_.push_back({std::move(method), std::move(params), turn.completer()});
    }
    // Not at once: what woke this caller wakes others in the same round of the loop.
    if (first) base::Executor::current()->post([batch] { send_soon(batch); });
    Result<RpcAnswer> answer = co_await turn;
    co_return answer;
}

void RpcBatch::send_soon(const std::shared_ptr<RpcBatch>& batch) {
    Calls calls;
    bool more = false;
    {
        const std::lock_guard lock(batch->mutex_);
        const std::size_t count = std::min(batch->waiting_.size(), kCallsMax);
        const auto end = batch->waiting_.begin() + static_cast<std::ptrdiff_t>(count);
        calls.assign(
            std::make_move_iterator(batch->waiting_.begin()), std::make_move_iterator(end));
        batch->waiting_.erase(batch->waiting_.begin(), end);
        more = !batch->waiting_.empty();
    }
    base::Executor& executor = *base::Executor::current();
    if (more) executor.post([batch] { send_soon(batch); });
    if (calls.size() > 1 && !batch->refused_.load(std::memory_order_relaxed)) {
        base::spawn(executor, send_together(batch, std::move(calls)));
        return;
    }
    for (Call& call : calls) {
        base::spawn(executor, send_alone(batch, std::move(call), Before::Nothing));
    }
}

Task<void> RpcBatch::send_alone(std::shared_ptr<RpcBatch> batch, Call call, Before before) {
    Task<Result<RpcAnswer>> calling =
        batch->alone_.call(std::move(call.method), std::move(call.params));
    Result<RpcAnswer> answer = co_await std::move(calling);
    const bool sent = batch->carries_ == Carries::Sends && before == Before::Refused;
    if (!answer && sent && nothing_was_sent(answer.error())) {
        answer = Error::outcome_unknown(answer.error().message());
    }
    call.done->set(std::move(answer));
}

Task<void> RpcBatch::send_together(std::shared_ptr<RpcBatch> batch, Calls calls) {
    http::ClientRequest request;
    request.method = "POST";
    request.url = batch->url_;
    request.headers.add("Content-Type", "application/json");
    request.headers.add("Accept", "application/json");
    request.body = "[";
    for (std::size_t i = 0; i < calls.size(); ++i) {
        if (i > 0) request.body += ',';
        append_call(request.body, i + 1, calls[i].method, calls[i].params);
    }
    request.body += ']';
    request.timeout = batch->options_.timeout;
    Task<Result<http::Response>> sending = batch->transport_.send(std::move(request));
    const Result<http::Response> response = co_await std::move(sending);
    const Result<void> told = batch->tell(calls, response);
    if (told) co_return;
    if (told.error().reason() == "batch_refused") {
        batch->refused_.store(true, std::memory_order_relaxed);
        base::Executor& executor = *base::Executor::current();
        for (Call& call : calls) {
            base::spawn(executor, send_alone(batch, std::move(call), Before::Refused));
        }
        co_return;
    }
    const Error error = Error(told.error())
                            .with_context(fmt::format(
                                "{} calls together at {}", calls.size(), batch->alone_.name()));
    for (const Call& call : calls) call.done->set(error);
}

// Answers each call, or none: then the error is that of all, or "batch_refused".
Result<void> RpcBatch::tell(const Calls& calls, const Result<http::Response>& response) const {
    if (!response) return response.error();
    if (response->body.size() > options_.response_bytes_max) {
        return Error::too_large("the answer is larger than the limit");
    }
    Result<base::Json> parsed = parse_body(response->body, options_.left_out.get());
    const int status = static_cast<int>(response->status);
    if (!parsed || !parsed->is_array()) {
        if (status == 429) return Error::resource_exhausted("HTTP 429, too many requests");
        if ((parsed && parsed->is_object()) || (status >= 400 && status <= 499)) {
            // One error for all: it may be the batch that the endpoint does not like.
            return Error::unavailable("the endpoint takes no batches", "batch_refused");
        }
        if (status < 200 || status > 299) {
            return Error::outcome_unknown(fmt::format("HTTP {}", status));
        }
        return Error::corrupt_data("the answer is no JSON-RPC batch");
    }
    std::vector<base::Json*> by_id(calls.size(), nullptr);
    for (const base::Json& item : parsed->items()) {
        const base::Json* const id = item.is_object() ? item.find("id") : nullptr;
        const Result<std::uint64_t> number =
            id == nullptr ? Result<std::uint64_t>(Error::corrupt_data("no id")) : id->as_uint64();
        // Of `parsed`, which is ours and ends here.
        if (number && *number >= 1 && *number <= calls.size()) {
            by_id[*number - 1] = const_cast<base::Json*>(&item);
        }
    }
    for (std::size_t i = 0; i < calls.size(); ++i) {
        Result<RpcAnswer> answer = Error::corrupt_data("the answer lacks a call of the batch");
        if (by_id[i] != nullptr) answer = take_rpc_answer(*by_id[i], i + 1);
        if (!answer) {
            answer = Error(answer.error())
                         .with_context(fmt::format("{} at {}", calls[i].method, alone_.name()));
        }
        calls[i].done->set(std::move(answer));
    }
    return {};
}

}  // namespace adyton::chain::internal
