#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "chain/internal/ask.h"
#include "chain/near_client.h"

namespace adyton::chain {

struct NearRpcClient::Core {
    explicit Core(NearClientOptions given) : options(std::move(given)) {}

    const NearClientOptions options;
    std::unique_ptr<Endpoints> endpoints;
};

}  // namespace adyton::chain

namespace adyton::chain::internal {

base::Json final_params();
base::Json key_params(const near::AccountId& account, const near::PublicKey& key);
base::Json account_params(const near::AccountId& account);
base::Json view_params(
    const near::AccountId& contract, const std::string& method, base::ByteView arguments);
Error near_trouble(std::string_view method, const RpcError& error);

// What `query` found: the value, or that there is none, or that the contract panicked.
template <typename T>
struct Found {
    std::optional<T> value;
    std::optional<std::string> panic;

    bool missing() const { return !value && !panic; }
};

// The value, or that there is none. Unavailable: a panic, where no contract runs.
template <typename T>
Result<std::optional<T>> take_found(Found<T> found) {
    if (found.panic) return Error::unavailable("query: " + *found.panic, "chain_unavailable");
    return std::move(found.value);
}
// Unprocessable, reason "contract_panicked". NotFound: no such contract.
inline Result<NearView> take_view(Found<NearView> found) {
    if (found.panic) return Error::unprocessable(*std::move(found.panic), "contract_panicked");
    if (!found.value) return Error::not_found("there is no such contract on chain");
    return *std::move(found.value);
}

// `query` at one endpoint, with its flat errors understood (near.md 7.2).
template <typename T>
Task<Result<Found<T>>> query_one(
    Endpoints& endpoints, std::size_t index, base::Json params,
    Result<T> (*parse)(const base::Json&)) {
    Task<Result<RpcAnswer>> calling = endpoints.call(index, "query", std::move(params));
    const Result<RpcAnswer> answer = co_await std::move(calling);
    if (!answer) co_return answer.error();
    Found<T> out;
    if (const auto* error = std::get_if<RpcError>(&*answer)) {
        if (is_missing(*error)) co_return out;
        if (error->cause == "CONTRACT_EXECUTION_ERROR") {
            out.panic = error->to_string();
            co_return out;
        }
        co_return near_trouble("query", *error);
    }
    const auto& result = std::get<base::Json>(*answer);
    if (auto flat = flat_error(result)) {
        if (!is_missing(*flat)) out.panic = *std::move(flat);
        co_return out;
    }
    Result<T> value = parse(result);
    if (!value) co_return std::move(value).error().with_context("query");
    out.value = *std::move(value);
    co_return out;
}

// The first value or panic of the endpoints by rank; absence when a quorum says so and nobody
// answers otherwise. Unavailable: neither.
template <typename T>
Task<Result<Found<T>>> find_in_state(
    Endpoints& endpoints, base::Json params, Result<T> (*parse)(const base::Json&)) {
    Task<void> refreshing = endpoints.ensure_fresh();
    co_await std::move(refreshing);
    CO_TRY(const std::vector<std::size_t> indices, endpoints.ranked(1));
    std::size_t missing = 0;
    std::string failures;
    for (const std::size_t index : indices) {
        Task<Result<Found<T>>> asking = query_one<T>(endpoints, index, params, parse);
        Result<Found<T>> found = co_await std::move(asking);
        if (!found) {
            failures += "; " + found.error().message();
            continue;
        }
        if (!found->missing()) co_return found;
        if (++missing >= endpoints.quorum()) co_return found;
    }
    co_return Error::unavailable(
        fmt::format("{} of {} nodes told{}", missing, endpoints.quorum(), failures),
        "chain_unavailable");
}

Task<Result<SignedFate>> find_payload_fate(NearRpcClient::Core& core, NearPayloadRef payload);
Task<Result<SignedFate>> find_delegate_fate(NearRpcClient::Core& core, NearDelegateRef delegate);

}  // namespace adyton::chain::internal
