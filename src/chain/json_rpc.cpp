#include "chain/json_rpc.h"

#include <fmt/format.h>

#include <utility>

#include "base/cut_text.h"
#include "chain/internal/rpc_batch.h"
#include "chain/internal/texts.h"
#include "http/url.h"

namespace adyton::chain {
namespace internal {

std::string presentable(std::string_view text, std::size_t bytes_max) {
    std::string out(base::cut_text(text, bytes_max));
    for (char& c : out) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f) c = ' ';
    }
    return out;
}

}  // namespace internal

void internal::append_call(
    std::string& out, std::uint64_t id, const std::string& method, const base::Json& params) {
    out += R"({"jsonrpc":"2.0","id":)";
    out += std::to_string(id);
    out += R"(,"method":)";
    base::Json::string(method).dump_to(out);
    out += R"(,"params":)";
    params.dump_to(out);
    out += '}';
}

namespace {

constexpr std::int64_t kParseError = -32700;
constexpr std::int64_t kInvalidRequest = -32600;

// A member for people: text as it is, anything else as JSON, nothing when it is absent or null.
std::string text_of(const base::Json& object, std::string_view name) {
    const base::Json* member = object.find(name);
    if (member == nullptr || member->is_null()) return {};
    if (member->is_string()) return internal::presentable(member->string_value(), kRpcTextBytesMax);
    return internal::presentable(member->dump(), kRpcTextBytesMax);
}

Result<RpcError> parse_error(const base::Json& error) {
    if (!error.is_object()) return Error::corrupt_data("the error is no object");
    RpcError out;
    const base::Json* code = error.find("code");
    if (code == nullptr) return Error::corrupt_data("the error has no code");
    const Result<std::int64_t> number = code->as_int64();
    if (!number) return Error::corrupt_data("the error's code is no integer");
    out.code = *number;
    out.name = text_of(error, "name");
    if (const base::Json* cause = error.find("cause")) out.cause = text_of(*cause, "name");
    out.message = text_of(error, "message");
    out.data = text_of(error, "data");
    return out;
}

Result<void> check_id(const base::Json& answer, std::uint64_t id, const RpcError* error) {
    const base::Json* member = answer.find("id");
    if (member == nullptr) return Error::corrupt_data("the answer has no id");
    if (member->is_null() && error != nullptr &&
        (error->code == kParseError || error->code == kInvalidRequest)) {
        return {};  // the endpoint could not read the id
    }
    const Result<std::uint64_t> number = member->as_uint64();
    if (!number || *number != id) return Error::corrupt_data("the answer is for another call");
    return {};
}

}  // namespace

std::string RpcError::to_string() const {
    std::string out = name.empty() ? std::to_string(code) : name;
    if (!cause.empty()) out += " " + cause;
    if (!message.empty()) out += " " + message;
    // The C# node repeats the data in the message.
    if (!data.empty() && message.find(data) == std::string::npos) out += ": " + data;
    return out;
}

namespace {

// The result or the error of an answer to call `id`.
using Told = std::variant<const base::Json*, RpcError>;

Result<Told> find_told(const base::Json& answer, std::uint64_t id) {
    if (!answer.is_object()) return Error::corrupt_data("the answer is no JSON-RPC object");
    const base::Json* result = answer.find("result");
    const base::Json* error = answer.find("error");
    // Some servers write both, the one that does not apply as null.
    if (error != nullptr && error->is_null() && result != nullptr) error = nullptr;
    if (error != nullptr && result != nullptr && result->is_null()) result = nullptr;
    if ((result == nullptr) == (error == nullptr)) {
        return Error::corrupt_data("the answer has neither result nor error, or both");
    }
    if (error != nullptr) {
        TRY(RpcError out, parse_error(*error));
        TRY_VOID(check_id(answer, id, &out));
        return Told(std::move(out));
    }
    TRY_VOID(check_id(answer, id, nullptr));
    return Told(result);
}

}  // namespace

Result<RpcAnswer> parse_rpc_answer(
    std::string_view body, std::uint64_t id, const base::JsonFilter* left_out_or_null) {
    Result<base::Json> parsed = internal::parse_body(body, left_out_or_null);
    if (!parsed) return Error::corrupt_data("the answer is no JSON");
    return internal::take_rpc_answer(*parsed, id);
}

Result<base::Json> internal::parse_body(
    std::string_view body, const base::JsonFilter* left_out_or_null) {
    if (left_out_or_null == nullptr) return base::Json::parse(body);
    return base::parse_json(body, *left_out_or_null);
}

Result<RpcAnswer> internal::take_rpc_answer(base::Json& answer, std::uint64_t id) {
    TRY(Told told, find_told(answer, id));
    if (auto* const error = std::get_if<RpcError>(&told)) return RpcAnswer(std::move(*error));
    // Of `answer`, which the caller gives away: results are long.
    return RpcAnswer(std::move(const_cast<base::Json&>(*std::get<const base::Json*>(told))));
}

Result<JsonRpc> JsonRpc::create(http::Transport& transport, std::string url, RpcOptions options) {
    const Result<http::Url> parsed = http::Url::parse(url);
    if (!parsed) return Error::invalid_argument("an endpoint is no http or https URL");
    std::string name = fmt::format(
        fmt::runtime(parsed->host.find(':') == std::string::npos ? "{}:{}" : "[{}]:{}"),
        parsed->host, parsed->port);
    return JsonRpc(transport, std::move(url), std::move(name), options);
}

Task<Result<RpcAnswer>> JsonRpc::call(
    std::string method, base::Json params, base::Duration timeout) {
    const std::uint64_t id = next_id_.fetch_add(1, std::memory_order_relaxed);
    http::ClientRequest request;
    request.method = "POST";
    request.url = url_;
    request.headers.add("Content-Type", "application/json");
    request.headers.add("Accept", "application/json");
    internal::append_call(request.body, id, method, params);
    request.timeout = timeout > base::Duration::zero() ? timeout : options_.timeout;
    const std::string context = fmt::format("{} at {}", method, name_);

    Task<Result<http::Response>> sending = transport_->send(std::move(request));
    Result<http::Response> response = co_await std::move(sending);
    if (!response) co_return std::move(response).error().with_context(context);
    if (response->body.size() > options_.response_bytes_max) {
        co_return Error::too_large("the answer is larger than the limit").with_context(context);
    }
    Result<RpcAnswer> answer = parse_rpc_answer(response->body, id, options_.left_out.get());
    if (answer) co_return answer;
    const int status = static_cast<int>(response->status);
    if (status == 429) {
        co_return Error::resource_exhausted("HTTP 429, too many requests").with_context(context);
    }
    if (status < 200 || status > 299) {
        co_return Error::outcome_unknown(fmt::format("HTTP {}", status)).with_context(context);
    }
    co_return std::move(answer).error().with_context(context);
}

bool nothing_was_sent(const Error& error) {
    switch (error.code()) {
        case ErrorCode::InvalidArgument:
        case ErrorCode::Unavailable:
        case ErrorCode::DeadlineExceeded:
        case ErrorCode::Unauthenticated:
        case ErrorCode::ResourceExhausted:
            return true;
        default:
            return false;
    }
}

}  // namespace adyton::chain
