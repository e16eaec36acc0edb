#include <fmt/format.h>

#include <utility>

#include "chain/internal/near_client_core.h"
#include "chain/internal/votes.h"

// State that money depends on: accounts, keys and views as a quorum of endpoints tells them. Honest
// endpoints are at different final blocks, so all of them are asked about one.
namespace adyton::chain {

using internal::Found;

namespace {

// What two answers about one block must have in common.
std::string essence(const NearAccessKey& key) {
    if (!key.function_call) return fmt::format("full {}", key.nonce);
    const auto& permission = *key.function_call;
    std::string out = fmt::format(
        "call {} {} {}", key.nonce, permission.receiver_id,
        permission.allowance ? permission.allowance->to_string() : "-");
    for (const std::string& method : permission.method_names) out += " " + method;
    return out;
}

std::string essence(const NearAccount& account) {
    return fmt::format(
        "{} {} {} {}", account.amount.to_string(), account.locked.to_string(),
        account.code_hash.to_string(), account.storage_bytes);
}

std::string essence(const NearView& view) {
    return base::base64_encode(view.result);
}

template <typename T>
std::string story_of(const Found<T>& found) {
    if (found.panic) return "panic: " + *found.panic;
    return found.value ? "value: " + essence(*found.value) : std::string("missing");
}

// The same question about one block.
base::Json at_height(const base::Json& params, std::uint64_t height) {
    base::Json out = base::Json::object();
    for (const auto& [name, value] : params.members()) {
        if (name != "finality") out.set(name, value);
    }
    out.set("block_id", base::Json::unsigned_integer(height));
    return out;
}

template <typename T>
Task<Result<Found<T>>> agree_on_state(
    NearRpcClient& client, Endpoints& endpoints, base::Json params,
    Result<T> (*parse)(const base::Json&)) {
    const std::size_t quorum = endpoints.quorum();
    if (quorum == 1) {
        auto finding = internal::find_in_state<T>(endpoints, std::move(params), parse);
        co_return co_await std::move(finding);
    }
    auto counting = client.final_heights();
    CO_TRY(const NearHeights heights, co_await std::move(counting));
    CO_TRY(const std::vector<std::size_t> indices, endpoints.ranked(quorum));
    const base::Json pinned = at_height(params, heights.reached);
    internal::Votes<Found<T>> votes;
    std::string failures;
    for (const std::size_t index : indices) {
        base::Json copy = pinned;
        auto asking = internal::query_one<T>(endpoints, index, std::move(copy), parse);
        Result<Found<T>> found = co_await std::move(asking);
        if (!found) {
            failures += "; " + found.error().message();
        } else if (found->value && found->value->block_height != heights.reached) {
            failures += "; an answer of another block than was asked for";
        } else {
            const std::string story = story_of(*found);
            auto& choice = votes.add(story, *std::move(found));
            if (choice.votes >= quorum) co_return std::move(choice.value);
        }
    }
    if (votes.choices.size() > 1) {
        co_return internal::disagreement("query", votes.choices.size());
    }
    co_return internal::too_few("query", votes.most, quorum, failures);
}

}  // namespace

Task<Result<std::optional<NearAccessKey>>> NearRpcClient::find_agreed_access_key(
    near::AccountId account, near::PublicKey key) {
    base::Json params = internal::key_params(account, key);
    Task<Result<Found<NearAccessKey>>> finding = agree_on_state<NearAccessKey>(
        *this, *core_->endpoints, std::move(params), parse_near_access_key);
    CO_TRY(Found<NearAccessKey> found, co_await std::move(finding));
    co_return internal::take_found(std::move(found));
}

Task<Result<std::optional<NearAccount>>> NearRpcClient::find_agreed_account(
    near::AccountId account) {
    base::Json params = internal::account_params(account);
    Task<Result<Found<NearAccount>>> finding = agree_on_state<NearAccount>(
        *this, *core_->endpoints, std::move(params), parse_near_account);
    CO_TRY(Found<NearAccount> found, co_await std::move(finding));
    co_return internal::take_found(std::move(found));
}

Task<Result<NearView>> NearRpcClient::call_agreed_function(
    near::AccountId contract, std::string method, base::Bytes arguments) {
    base::Json params = internal::view_params(contract, method, arguments);
    Task<Result<Found<NearView>>> finding =
        agree_on_state<NearView>(*this, *core_->endpoints, std::move(params), parse_near_view);
    CO_TRY(Found<NearView> found, co_await std::move(finding));
    co_return internal::take_view(std::move(found));
}

}  // namespace adyton::chain
