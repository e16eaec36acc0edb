#include "api/pool_client.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "crypto/uuid.h"
#include "http/status.h"
#include "http/url.h"

namespace adyton::api {
namespace {

using base::Json;

constexpr std::size_t kErrorTextBytesMax = 512;

template <typename T, Result<T> (*Parse)(const Json&)>
Result<T> parse_json_body(const std::string& body) {
    auto json = Json::parse(body);
    if (!json) return Error::corrupt_data("the server's answer is not JSON");
    return Parse(*json);
}

Result<Json> parse_object(const Json& body) {
    if (!body.is_object()) return Error::corrupt_data("the server's answer is not an object");
    return body;
}

Result<std::string> take_text(const std::string& body) {
    return body;
}

std::string text_member(const Json& object, std::string_view name) {
    const Json* const found = object.find(name);
    return found != nullptr && found->is_string() ? found->string_value() : std::string();
}

// Seconds only; the date form is not sent by our services and counts as absent.
std::optional<base::Duration> parse_retry_after(const http::Headers& headers) {
    const auto text = headers.find("Retry-After");
    if (!text.has_value()) return std::nullopt;
    unsigned seconds = 0;
    const auto [end, status] = std::from_chars(text->data(), text->data() + text->size(), seconds);
    if (status != std::errc() || end != text->data() + text->size()) return std::nullopt;
    return std::chrono::seconds(std::min(seconds, 86'400U));
}

// A refusal in the services' form, or from something in between that speaks another.
Error read_refusal(const http::Response& response, CallInfo& info) {
    const ErrorCode code = http::error_code_of(response.status);
    const auto json = Json::parse(response.body);
    if (!json || !json->is_object()) {
        return Error(code, "HTTP " + std::to_string(info.http_status) + " without a reason");
    }
    info.code = text_member(*json, "code");
    std::string reason;
    if (const Json* const details = json->find("details"); details != nullptr) {
        info.details = *details;
        reason = text_member(*details, "reason");
    }
    std::string message = text_member(*json, "message").substr(0, kErrorTextBytesMax);
    if (message.empty()) message = "HTTP " + std::to_string(info.http_status);
    return Error(code, std::move(message), std::move(reason));
}

bool is_success(http::Status status) {
    const unsigned number = http::status_number(status);
    return number >= 200 && number < 300;
}

// Every call of this client may be repeated (see the class); these errors may be gone next time.
bool may_pass(ErrorCode code) {
    return code == ErrorCode::Unavailable || code == ErrorCode::DeadlineExceeded ||
           code == ErrorCode::ResourceExhausted || code == ErrorCode::OutcomeUnknown;
}

// An earlier attempt may have acted, so "was never sent" is not true of the call as a whole.
Error outcome_of_all(Error last, bool may_have_acted, const CallInfo& info) {
    const bool unsent =
        last.code() == ErrorCode::Unavailable || last.code() == ErrorCode::DeadlineExceeded;
    if (last.code() != ErrorCode::OutcomeUnknown && !(may_have_acted && unsent)) return last;
    std::string message = last.message() + "; it may have taken effect";
    if (!info.idempotency_key.empty()) {
        message += ", repeat it with Idempotency-Key " + info.idempotency_key + " to learn";
    }
    return Error::outcome_unknown(std::move(message), last.reason());
}

void add_parameter(std::string& path, std::string_view name, std::string_view value) {
    if (value.empty()) return;
    path += path.find('?') == std::string::npos ? '?' : '&';
    path += name;
    path += '=';
    path += http::percent_encode(value);
}

}  // namespace

PoolClient::PoolClient(
    http::Transport& transport, base::Executor& executor, base::RandomSource& random,
    PoolClientOptions options)
    : transport_(transport), executor_(executor), random_(random), options_(std::move(options)) {
    while (!options_.base_url.empty() && options_.base_url.back() == '/') {
        options_.base_url.pop_back();
    }
}

CallInfo PoolClient::start(const Call& call) const {
    CallInfo info;
    info.trace_id =
        call.options.trace_id.empty() ? crypto::uuid_v4(random_) : call.options.trace_id;
    if (call.key == Key::Idempotency) {
        info.idempotency_key = call.options.idempotency_key.empty() ? crypto::uuid_v4(random_)
                                                                    : call.options.idempotency_key;
    }
    return info;
}

http::ClientRequest PoolClient::make_request(
    const Call& call, const CallInfo& info, base::Duration timeout) const {
    http::ClientRequest request;
    request.method = call.method;
    request.url = options_.base_url + call.path;
    request.headers.add("Accept", "application/json");
    request.headers.add("X-Trace-ID", info.trace_id);
    if (!options_.service_id.empty()) request.headers.add("X-Service-ID", options_.service_id);
    if (!info.idempotency_key.empty()) {
        request.headers.add("Idempotency-Key", info.idempotency_key);
    }
    if (call.method == "POST") request.headers.add("Content-Type", "application/json");
    request.body = call.body;
    request.timeout = timeout;
    return request;
}

base::Duration PoolClient::pause_before(unsigned attempt, const CallInfo& info) const {
    base::Duration pause = options_.pause_first;
    for (unsigned i = 1; i < attempt && pause < options_.pause_max; ++i) pause *= 2;
    pause = std::min(pause, options_.pause_max);
    std::array<std::uint8_t, 2> bytes{};
    random_.fill(bytes);
    const int share = bytes[0] * 256 + bytes[1];
    pause = pause / 2 + pause / 2 * share / 65'536;
    return std::max(pause, info.retry_after.value_or(base::Duration::zero()));
}

Task<Reply<std::string>> PoolClient::perform(Call call) {
    CallInfo info = start(call);
    const base::SteadyTime deadline = executor_.steady_now() + options_.total_timeout;
    bool may_have_acted = false;
    while (true) {
        ++info.attempts;
        const base::Duration left = deadline - executor_.steady_now();
        auto request = make_request(call, info, std::min(options_.attempt_timeout, left));
        Task<Result<http::Response>> sending = transport_.send(std::move(request));
        auto response = co_await std::move(sending);
        info.http_status = 0;
        info.retry_after.reset();
        std::optional<Error> error;
        if (response) {
            info.http_status = http::status_number(response->status);
            if (const auto trace = response->headers.find("X-Trace-ID")) info.trace_id = *trace;
            if (is_success(response->status)) {
                co_return Reply<std::string>{std::move(response->body), std::move(info)};
            }
            info.retry_after = parse_retry_after(response->headers);
            error = read_refusal(*response, info);
        } else {
            error = std::move(response).error();
        }
        may_have_acted |= error->code() == ErrorCode::OutcomeUnknown;
        const base::Duration pause = pause_before(info.attempts, info);
        const bool again = may_pass(error->code()) && info.attempts < options_.attempts_max &&
                           executor_.steady_now() + pause < deadline;
        if (!again) {
            Error last = outcome_of_all(std::move(*error), may_have_acted, info);
            co_return Reply<std::string>{std::move(last), std::move(info)};
        }
        Task<void> waiting = base::sleep_for(executor_, pause);
        co_await std::move(waiting);
    }
}

template <typename T>
Task<Reply<T>> PoolClient::exchange(Call call, Result<T> (*parse)(const std::string& body)) {
    Task<Reply<std::string>> performing = perform(std::move(call));
    Reply<std::string> reply = co_await std::move(performing);
    if (!reply) co_return Reply<T>{std::move(reply.result).error(), std::move(reply.call)};
    Result<T> parsed = parse(*reply.result);
    co_return Reply<T>{std::move(parsed), std::move(reply.call)};
}

Task<Reply<PoolInfoResponse>> PoolClient::pool_info(CallOptions options) {
    return exchange<PoolInfoResponse>(
        {"GET", "/pool-info", {}, Key::None, std::move(options)},
        parse_json_body<PoolInfoResponse, parse_pool_info_response>);
}

Task<Reply<MasterKeyResponse>> PoolClient::master_key(CallOptions options) {
    return exchange<MasterKeyResponse>(
        {"GET", "/master-key", {}, Key::None, std::move(options)},
        parse_json_body<MasterKeyResponse, parse_master_key_response>);
}

Task<Reply<AccountsResponse>> PoolClient::accounts(AccountsQuery query, CallOptions options) {
    std::string path = "/accounts";
    add_parameter(path, "service_id", query.service_id);
    add_parameter(path, "token", query.token);
    if (query.min_balance.has_value()) {
        add_parameter(path, "min_balance", std::to_string(*query.min_balance));
    }
    return exchange<AccountsResponse>(
        {"GET", std::move(path), {}, Key::None, std::move(options)},
        parse_json_body<AccountsResponse, parse_accounts_response>);
}

Task<Reply<AccountsResponse>> PoolClient::low_balance(LowBalanceQuery query, CallOptions options) {
    std::string path = "/accounts/low-balance";
    add_parameter(path, "token", query.token);
    add_parameter(path, "max_balance", std::to_string(query.max_balance));
    add_parameter(path, "limit", std::to_string(query.limit));
    return exchange<AccountsResponse>(
        {"GET", std::move(path), {}, Key::None, std::move(options)},
        parse_json_body<AccountsResponse, parse_accounts_response>);
}

Task<Reply<AllocationResponse>> PoolClient::request(AccountsRequest request, CallOptions options) {
    return exchange<AllocationResponse>(
        {"POST", "/request", to_json_text(request), Key::Idempotency, std::move(options)},
        parse_json_body<AllocationResponse, parse_allocation_response>);
}

Task<Reply<ReleaseResponse>> PoolClient::release(ReleaseRequest request, CallOptions options) {
    return exchange<ReleaseResponse>(
        {"POST", "/release", to_json_text(request), Key::Idempotency, std::move(options)},
        parse_json_body<ReleaseResponse, parse_release_response>);
}

Task<Reply<RenewResponse>> PoolClient::renew(RenewRequest request, CallOptions options) {
    return exchange<RenewResponse>(
        {"POST", "/renew", to_json_text(request), Key::None, std::move(options)},
        parse_json_body<RenewResponse, parse_renew_response>);
}

Task<Reply<SignResponse>> PoolClient::sign(SignRequest request, CallOptions options) {
    return exchange<SignResponse>(
        {"POST", "/sign", to_json_text(request), Key::None, std::move(options)},
        parse_json_body<SignResponse, parse_sign_response>);
}

Task<Reply<BatchSignResponse>> PoolClient::batch_sign(
    BatchSignRequest request, CallOptions options) {
    return exchange<BatchSignResponse>(
        {"POST", "/batch-sign", to_json_text(request), Key::None, std::move(options)},
        parse_json_body<BatchSignResponse, parse_batch_sign_response>);
}

Task<Reply<BalanceResponse>> PoolClient::balance(BalanceRequest request, CallOptions options) {
    return exchange<BalanceResponse>(
        {"POST", "/balance", to_json_text(request), Key::Idempotency, std::move(options)},
        parse_json_body<BalanceResponse, parse_balance_response>);
}

Task<Reply<TransferInfo>> PoolClient::transfer(TransferRequest request, CallOptions options) {
    return exchange<TransferInfo>(
        {"POST", "/transfer", to_json_text(request), Key::Idempotency, std::move(options)},
        parse_json_body<TransferInfo, parse_transfer_info>);
}

Task<Reply<TransferInfo>> PoolClient::transfer_status(
    std::string transfer_id, CallOptions options) {
    return exchange<TransferInfo>(
        {"GET",
         "/transfers/" + http::percent_encode(transfer_id),
         {},
         Key::None,
         std::move(options)},
        parse_json_body<TransferInfo, parse_transfer_info>);
}

Task<Reply<TransfersResponse>> PoolClient::transfers(TransfersQuery query, CallOptions options) {
    std::string path = "/transfers";
    add_parameter(path, "account_id", query.account_id);
    if (query.status) add_parameter(path, "status", std::string(to_string(*query.status)));
    add_parameter(path, "cursor", query.cursor);
    add_parameter(path, "limit", std::to_string(query.limit));
    return exchange<TransfersResponse>(
        {"GET", std::move(path), {}, Key::None, std::move(options)},
        parse_json_body<TransfersResponse, parse_transfers_response>);
}

Task<Reply<FreezeResponse>> PoolClient::freeze(FreezeRequest request, CallOptions options) {
    return exchange<FreezeResponse>(
        {"POST", "/freeze", to_json_text(request), Key::None, std::move(options)},
        parse_json_body<FreezeResponse, parse_freeze_response>);
}

Task<Reply<FreezeResponse>> PoolClient::unfreeze(FreezeRequest request, CallOptions options) {
    return exchange<FreezeResponse>(
        {"POST", "/unfreeze", to_json_text(request), Key::None, std::move(options)},
        parse_json_body<FreezeResponse, parse_freeze_response>);
}

Task<Reply<FreezesResponse>> PoolClient::freezes(CallOptions options) {
    return exchange<FreezesResponse>(
        {"GET", "/freezes", {}, Key::None, std::move(options)},
        parse_json_body<FreezesResponse, parse_freezes_response>);
}

Task<Reply<GrowResponse>> PoolClient::grow(GrowRequest request, CallOptions options) {
    return exchange<GrowResponse>(
        {"POST", "/grow", to_json_text(request), Key::None, std::move(options)},
        parse_json_body<GrowResponse, parse_grow_response>);
}

Task<Reply<AllocationsResponse>> PoolClient::allocations(CallOptions options) {
    return exchange<AllocationsResponse>(
        {"GET", "/allocations", {}, Key::None, std::move(options)},
        parse_json_body<AllocationsResponse, parse_allocations_response>);
}

Task<Reply<CheckpointResponse>> PoolClient::checkpoint(CallOptions options) {
    return exchange<CheckpointResponse>(
        {"POST", "/audit/checkpoint", "{}", Key::None, std::move(options)},
        parse_json_body<CheckpointResponse, parse_checkpoint_response>);
}

Task<Reply<Json>> PoolClient::info(CallOptions options) {
    return exchange<Json>(
        {"GET", "/info", {}, Key::None, std::move(options)}, parse_json_body<Json, parse_object>);
}

Task<Reply<std::string>> PoolClient::get_text(std::string path, CallOptions options) {
    return exchange<std::string>(
        {"GET", std::move(path), {}, Key::None, std::move(options)}, take_text);
}

}  // namespace adyton::api
