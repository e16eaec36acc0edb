#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/task.h"
#include "chain/endpoints.h"
#include "chain/json_rpc.h"

namespace adyton::chain::internal {

// An endpoint in trouble of its own: another one may do better.
bool is_trouble(const RpcError& error);

// A result of the wanted shape, or what the endpoint says instead.
template <typename T>
struct Asked {
    std::size_t index = 0;
    std::variant<T, RpcError> answer;

    const T* value() const { return std::get_if<T>(&answer); }
    const RpcError* error() const { return std::get_if<RpcError>(&answer); }
};

// Asks one endpoint. `Parse` takes the answer's JSON, or a reference to it, and gives Result<T>.
// CorruptData: an answer of another shape; errors of JsonRpc::call().
template <typename T, typename Parse>
Task<Result<Asked<T>>> ask_one(
    Endpoints& endpoints, std::size_t index, std::string method, base::Json params, Parse* parse) {
    Task<Result<RpcAnswer>> calling = endpoints.call(index, method, std::move(params));
    Result<RpcAnswer> answer = co_await std::move(calling);
    if (!answer) co_return std::move(answer).error();
    if (auto* error = std::get_if<RpcError>(&*answer)) {
        co_return Asked<T>{index, std::variant<T, RpcError>(std::move(*error))};
    }
    Result<T> value = parse(std::get<base::Json>(*std::move(answer)));
    if (!value) {
        const std::string context = fmt::format("{} at {}", method, endpoints.name(index));
        co_return std::move(value).error().with_context(context);
    }
    co_return Asked<T>{index, std::variant<T, RpcError>(*std::move(value))};
}

// For reads: asks the endpoints by rank, one after the other, until one gives a result or an error
// that is the call's own fault. Unavailable: none answered. The last error of trouble, or the last
// malformed answer, when there was nothing better.
template <typename T>
Task<Result<Asked<T>>> ask_any(
    Endpoints& endpoints, std::string method, base::Json params,
    Result<T> (*parse)(const base::Json&)) {
    Task<void> refreshing = endpoints.ensure_fresh();
    co_await std::move(refreshing);
    CO_TRY(const std::vector<std::size_t> indices, endpoints.ranked(1));
    std::optional<Result<Asked<T>>> last;
    for (const std::size_t index : indices) {
        Task<Result<Asked<T>>> asking = ask_one<T>(endpoints, index, method, params, parse);
        Result<Asked<T>> asked = co_await std::move(asking);
        if (asked && (asked->error() == nullptr || !is_trouble(*asked->error()))) co_return asked;
        last = std::move(asked);
    }
    if (*last || last->error().code() == ErrorCode::CorruptData) co_return *std::move(last);
    co_return Error::unavailable(
        "no chain endpoint answers: " + last->error().message(), "chain_unavailable");
}

}  // namespace adyton::chain::internal
