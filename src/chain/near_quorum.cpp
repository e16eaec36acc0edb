#include <algorithm>
#include <functional>
#include <utility>

#include "chain/internal/ask.h"
#include "chain/internal/near_client_core.h"
#include "chain/internal/votes.h"

// What a quorum of endpoints must tell alike, because money depends on it.

namespace adyton::chain {

using internal::ask_one;
using internal::Asked;
using internal::disagreement;
using internal::too_few;
using internal::Votes;

namespace {

// Blocks by which honest nodes may differ; beyond it more of them are asked.
constexpr std::uint64_t kHeightSpread = 10;
// One endpoint so far ahead of two or more others is not believed.
constexpr std::uint64_t kLeadMax = 30;

// `heights` in falling order, at least `quorum` of them.
NearHeights judge(const std::vector<std::uint64_t>& heights, std::size_t quorum) {
    NearHeights out;
    out.reached = heights.at(quorum - 1);
    out.newest = heights.front();
    if (heights.size() > 2 && heights[0] > heights[1] + kLeadMax) out.newest = heights[1];
    out.newest = std::max(out.newest, out.reached);
    return out;
}

base::Json status_params(const near::TransactionHash& hash, const near::AccountId& sender) {
    base::Json params = base::Json::object();
    params.set("tx_hash", base::Json::string(hash.to_string()));
    params.set("sender_account_id", base::Json::string(sender.text()));
    params.set("wait_until", base::Json::string("NONE"));
    return params;
}

}  // namespace

Task<Result<NearHeights>> NearRpcClient::final_heights() {
    Endpoints& endpoints = *core_->endpoints;
    Task<void> refreshing = endpoints.ensure_fresh();
    co_await std::move(refreshing);
    const std::size_t quorum = endpoints.quorum();
    CO_TRY(const std::vector<std::size_t> indices, endpoints.ranked(quorum));
    std::vector<std::uint64_t> heights;
    std::string failures;
    for (const std::size_t index : indices) {
        const bool enough = heights.size() >= quorum;
        if (enough && heights.front() - heights.back() <= kHeightSpread) break;
        Task<Result<Asked<NearBlock>>> asking = ask_one<NearBlock>(
            endpoints, index, "block", internal::final_params(), parse_near_block);
        const Result<Asked<NearBlock>> asked = co_await std::move(asking);
        if (asked && asked->value() != nullptr) {
            heights.push_back(asked->value()->height);
            std::sort(heights.begin(), heights.end(), std::greater<>());
        } else {
            failures += "; " + (asked ? asked->error()->to_string() : asked.error().message());
        }
    }
    if (heights.size() < quorum) co_return too_few("block", heights.size(), quorum, failures);
    co_return judge(heights, quorum);
}

Task<Result<NearBlock>> NearRpcClient::find_block(near::BlockHash hash) {
    Endpoints& endpoints = *core_->endpoints;
    Task<void> refreshing = endpoints.ensure_fresh();
    co_await std::move(refreshing);
    CO_TRY(const std::vector<std::size_t> indices, endpoints.ranked(1));
    const base::Json params =
        base::Json::object().set("block_id", base::Json::string(hash.to_string()));
    Votes<NearBlock> votes;
    std::size_t unknown = 0;
    std::size_t collected = 0;
    std::string failures;
    for (const std::size_t index : indices) {
        base::Json asked_params = params;
        Task<Result<Asked<NearBlock>>> asking = ask_one<NearBlock>(
            endpoints, index, "block", std::move(asked_params), parse_near_block);
        const Result<Asked<NearBlock>> asked = co_await std::move(asking);
        if (!asked) {
            failures += "; " + asked.error().message();
        } else if (const NearBlock* const block = asked->value()) {
            if (block->hash != hash) {
                endpoints.distrust(index, "it gave another block than was asked for");
                continue;
            }
            auto& choice = votes.add(std::to_string(block->height), *block);
            // What was before it counts if all of them say it.
            if (choice.value.previous != block->previous) choice.value.previous.reset();
            if (choice.votes >= endpoints.quorum()) co_return choice.value;
        } else if (asked->error()->cause == "UNKNOWN_BLOCK") {
            ++unknown;
        } else if (asked->error()->cause == "GARBAGE_COLLECTED_BLOCK") {
            ++collected;
        } else {
            failures += "; " + asked->error()->to_string();
        }
    }
    if (votes.choices.size() > 1) co_return disagreement("block", votes.choices.size());
    const bool all_others_forgot = collected > 0 && unknown == 0 && failures.empty();
    if (votes.most > 0 && all_others_forgot) {
        NearBlock told = votes.choices.begin()->second.value;
        told.previous.reset();  // the others may know that one
        co_return told;
    }
    if (votes.most == 0 && unknown + collected >= endpoints.quorum()) {
        co_return Error::not_found("no node knows the block", "unknown_block");
    }
    co_return too_few("block", votes.most + unknown, endpoints.quorum(), failures);
}

Task<Result<std::optional<NearTransaction>>> NearRpcClient::find_transaction(
    near::TransactionHash hash, near::AccountId sender) {
    Endpoints& endpoints = *core_->endpoints;
    Task<void> refreshing = endpoints.ensure_fresh();
    co_await std::move(refreshing);
    CO_TRY(const std::vector<std::size_t> indices, endpoints.ranked(endpoints.quorum()));
    const base::Json params = status_params(hash, sender);
    std::size_t unknown = 0;
    std::string failures;
    for (const std::size_t index : indices) {
        Task<Result<Asked<NearTransaction>>> asking = ask_one<NearTransaction>(
            endpoints, index, "EXPERIMENTAL_tx_status", params, parse_near_transaction);
        Result<Asked<NearTransaction>> asked = co_await std::move(asking);
        if (!asked) {
            failures += "; " + asked.error().message();
        } else if (const RpcError* error = asked->error(); error == nullptr) {
            co_return std::optional<NearTransaction>(
                std::get<NearTransaction>(std::move(asked->answer)));
        } else if (is_unknown_near_transaction(*error)) {
            if (++unknown >= endpoints.quorum()) co_return std::optional<NearTransaction>();
        } else {
            failures += "; " + error->to_string();
        }
    }
    co_return too_few("EXPERIMENTAL_tx_status", unknown, endpoints.quorum(), failures);
}

Task<Result<std::optional<NearTransaction>>> NearRpcClient::find_agreed_transaction(
    near::TransactionHash hash, near::AccountId sender, NearStory story) {
    Endpoints& endpoints = *core_->endpoints;
    Task<void> refreshing = endpoints.ensure_fresh();
    co_await std::move(refreshing);
    const std::size_t quorum = endpoints.quorum();
    CO_TRY(const std::vector<std::size_t> indices, endpoints.ranked(quorum));
    const base::Json params = status_params(hash, sender);
    Votes<NearTransaction> votes;
    std::optional<NearTransaction> undecided;
    std::size_t unknown = 0;
    std::string failures;
    for (std::size_t i = 0; i < indices.size(); ++i) {
        Task<Result<Asked<NearTransaction>>> asking = ask_one<NearTransaction>(
            endpoints, indices[i], "EXPERIMENTAL_tx_status", params, parse_near_transaction);
        Result<Asked<NearTransaction>> asked = co_await std::move(asking);
        if (!asked) {
            failures += "; " + asked.error().message();
        } else if (auto* const seen = std::get_if<NearTransaction>(&asked->answer)) {
            const Result<std::string> told = story(*seen);
            if (!told) {
                failures += "; " + told.error().message();
            } else if (told->empty()) {
                undecided = std::move(*seen);
            } else {
                auto& choice = votes.add(*told, std::move(*seen));
                if (choice.votes >= quorum) co_return std::optional(std::move(choice.value));
            }
        } else if (is_unknown_near_transaction(*asked->error())) {
            ++unknown;
        } else {
            failures += "; " + asked->error()->to_string();
        }
        // Nothing that the others can say would decide it: they need not be asked.
        const std::size_t left = indices.size() - i - 1;
        if (undecided && votes.most + left < quorum) break;
    }
    if (votes.choices.size() > 1) {
        co_return disagreement("EXPERIMENTAL_tx_status", votes.choices.size());
    }
    if (undecided) co_return std::move(undecided);
    if (votes.most == 0 && unknown >= quorum) co_return std::optional<NearTransaction>();
    co_return too_few("EXPERIMENTAL_tx_status", votes.most + unknown, quorum, failures);
}

}  // namespace adyton::chain
