#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "chain/internal/ask.h"
#include "chain/internal/neo_client_core.h"
#include "chain/internal/neo_requests.h"

// What tokens call themselves.

namespace adyton::chain {

bool is_token_symbol(std::string_view text) {
    return !text.empty() && text.size() <= kSymbolBytesMax &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

namespace internal {
namespace {

// One endpoint's answer. Unprocessable is an answer as well; other errors are none.
Task<Result<std::string>> ask_symbol(
    Endpoints& endpoints, std::size_t index, neo::ScriptHash token) {
    base::Json params = base::Json::array();
    params.push_back(base::Json::string(base::base64_encode(symbol_script(token))));
    Task<Result<Asked<Invocation>>> asking =
        ask_one<Invocation>(endpoints, index, "invokescript", std::move(params), parse_invocation);
    CO_TRY(const Asked<Invocation> asked, co_await std::move(asking));
    if (const RpcError* error = asked.error()) {
        co_return Error::unavailable(
            fmt::format("invokescript at {}: {}", endpoints.name(index), error->to_string()));
    }
    co_return read_symbol(*asked.value());
}

bool same_answer(const Result<std::string>& a, const Result<std::string>& b) {
    if (a.has_value() != b.has_value()) return false;
    return !a || *a == *b;
}

}  // namespace

Task<Result<std::string>> read_symbol(NeoRpcClient::Core& core, neo::ScriptHash token) {
    Endpoints& endpoints = *core.endpoints;
    Task<void> refreshing = endpoints.ensure_fresh();
    co_await std::move(refreshing);
    const std::size_t quorum = endpoints.quorum();
    CO_TRY(const std::vector<std::size_t> indices, endpoints.ranked(quorum));
    std::optional<Result<std::string>> agreed;
    std::size_t answers = 0;
    std::string failures;
    for (const std::size_t index : indices) {
        Task<Result<std::string>> asking = ask_symbol(endpoints, index, token);
        Result<std::string> answer = co_await std::move(asking);
        if (!answer && answer.error().code() != ErrorCode::Unprocessable) {
            failures += "; " + answer.error().message();
            continue;
        }
        if (agreed && !same_answer(*agreed, answer)) {
            co_return Error::unavailable(
                "nodes give different symbols for " + token.to_string(), "chain_unavailable");
        }
        if (!agreed) agreed = std::move(answer);
        if (++answers == quorum) co_return *std::move(agreed);
    }
    co_return Error::unavailable(
        fmt::format("{} of {} nodes told the symbol{}", answers, quorum, failures),
        "chain_unavailable");
}

}  // namespace internal
}  // namespace adyton::chain
