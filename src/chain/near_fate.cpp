#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "chain/internal/near_client_core.h"

// Whether what was signed can still take effect. At each endpoint the end is seen first and the
// nonce asked for after it: what is unused then stays unused.

namespace adyton::chain::internal {
namespace {

Task<Result<NearBlock>> final_block_at(Endpoints& endpoints, std::size_t index) {
    Task<Result<Asked<NearBlock>>> asking =
        ask_one<NearBlock>(endpoints, index, "block", final_params(), parse_near_block);
    CO_TRY(const Asked<NearBlock> asked, co_await std::move(asking));
    if (const RpcError* error = asked.error()) co_return near_trouble("block", *error);
    co_return *asked.value();
}

// The nonce was asked for at an older block than the end was seen in: another node answered.
Error behind() {
    return Error::unavailable("the node fell back behind its own block");
}

Task<Result<NearBlock>> block_by_hash(
    Endpoints& endpoints, std::size_t index, near::BlockHash hash) {
    base::Json params = base::Json::object().set("block_id", base::Json::string(hash.to_string()));
    Task<Result<Asked<NearBlock>>> asking =
        ask_one<NearBlock>(endpoints, index, "block", std::move(params), parse_near_block);
    CO_TRY(const Asked<NearBlock> asked, co_await std::move(asking));
    if (const RpcError* error = asked.error()) co_return near_trouble("block", *error);
    if (asked.value()->hash != hash) co_return Error::corrupt_data("the node shows another block");
    co_return *asked.value();
}

// Nonces with a deadline of their own, of any version.
bool can_be_forgotten(const near::MessageNonce& nonce) {
    static constexpr std::array<std::uint8_t, 4> kMark = {0x56, 0x28, 0xf6, 0xc6};
    return std::equal(kMark.begin(), kMark.end(), nonce.bytes.begin());
}

// Whether the contract surely still knew at that block which nonces were used.
bool is_remembered(const near::MessageNonce& nonce, const NearBlock& block) {
    const auto versioned = near::VersionedNonce::find_in(nonce);
    return versioned && versioned->deadline_ns > 0 &&
           block.timestamp_ns <= static_cast<std::uint64_t>(versioned->deadline_ns);
}

bool is_past(const NearBlock& block, const NearPayloadRef& payload, base::Duration margin) {
    const base::Duration deadline = payload.deadline.time_since_epoch();
    constexpr auto kMax = static_cast<std::uint64_t>(base::Duration::max().count());
    const base::Duration at{static_cast<std::int64_t>(std::min(block.timestamp_ns, kMax))};
    return at - margin > deadline;
}

// true or false as the contract's JSON says it.
Result<bool> read_flag(const NearView& view) {
    const std::string_view text = base::as_text(view.result);
    if (text == "true") return true;
    if (text == "false") return false;
    return Error::corrupt_data("the contract does not answer true or false");
}

base::Bytes nonce_arguments(const NearPayloadRef& payload) {
    base::Json arguments = base::Json::object();
    arguments.set("account_id", base::Json::string(payload.signer.text()));
    arguments.set("nonce", base::Json::string(payload.nonce.to_base64()));
    const std::string text = arguments.dump();
    const base::ByteView bytes = base::as_bytes(text);
    return {bytes.begin(), bytes.end()};
}

Task<Result<SignedFate>> payload_fate_at(
    Endpoints& endpoints, std::size_t index, NearPayloadRef payload, base::Duration margin) {
    Task<Result<NearBlock>> asking_block = final_block_at(endpoints, index);
    CO_TRY(const NearBlock block, co_await std::move(asking_block));
    base::Json params = view_params(payload.contract, "is_nonce_used", nonce_arguments(payload));
    Task<Result<Found<NearView>>> viewing =
        query_one<NearView>(endpoints, index, std::move(params), parse_near_view);
    CO_TRY(const Found<NearView> found, co_await std::move(viewing));
    // No contract, or one that refuses the question: that proves nothing about the nonce.
    if (!found.value) {
        co_return Error::unavailable(
            "the intents contract does not answer" +
            (found.panic ? ": " + *found.panic : std::string()));
    }
    CO_TRY(const bool used, read_flag(*found.value));
    if (used) co_return SignedFate::Consumed;
    if (!is_past(block, payload, margin)) co_return SignedFate::Open;
    if (found.value->block_height < block.height) co_return behind();
    if (!can_be_forgotten(payload.nonce)) co_return SignedFate::Dead;
    Task<Result<NearBlock>> dating = block_by_hash(endpoints, index, found.value->block_hash);
    CO_TRY(const NearBlock viewed, co_await std::move(dating));
    co_return is_remembered(payload.nonce, viewed) ? SignedFate::Dead : SignedFate::Consumed;
}

Task<Result<SignedFate>> delegate_fate_at(
    Endpoints& endpoints, std::size_t index, NearDelegateRef delegate, std::uint64_t margin) {
    Task<Result<NearBlock>> asking_block = final_block_at(endpoints, index);
    CO_TRY(const NearBlock block, co_await std::move(asking_block));
    base::Json params = key_params(delegate.signer, delegate.key);
    Task<Result<Found<NearAccessKey>>> viewing =
        query_one<NearAccessKey>(endpoints, index, std::move(params), parse_near_access_key);
    CO_TRY(const Found<NearAccessKey> found, co_await std::move(viewing));
    if (found.panic) co_return Error::unavailable("query: " + *found.panic);
    const bool over = block.height >= margin && block.height - margin > delegate.max_block_height;
    // A key that is gone tells nothing of what it was used for before.
    if (!found.value) co_return over ? SignedFate::Consumed : SignedFate::Open;
    if (found.value->nonce >= delegate.nonce) co_return SignedFate::Consumed;
    if (!over) co_return SignedFate::Open;
    if (found.value->block_height < block.height) co_return behind();
    co_return SignedFate::Dead;
}

// Consumed from one is believed; Dead needs a quorum; one that says Open settles it, because a
// chain does not take an end back.
template <typename Ref, typename Margin>
Task<Result<SignedFate>> agree(
    Endpoints& endpoints, Ref ref, Margin margin,
    Task<Result<SignedFate>> (*ask)(Endpoints&, std::size_t, Ref, Margin)) {
    Task<void> refreshing = endpoints.ensure_fresh();
    co_await std::move(refreshing);
    CO_TRY(const std::vector<std::size_t> indices, endpoints.ranked(endpoints.quorum()));
    std::size_t dead = 0;
    std::string failures;
    for (const std::size_t index : indices) {
        Task<Result<SignedFate>> asking = ask(endpoints, index, ref, margin);
        const Result<SignedFate> fate = co_await std::move(asking);
        if (!fate) {
            failures += fmt::format("; {}: {}", endpoints.name(index), fate.error().message());
            continue;
        }
        if (*fate != SignedFate::Dead) co_return *fate;
        if (++dead >= endpoints.quorum()) co_return SignedFate::Dead;
    }
    co_return Error::unavailable(
        fmt::format("{} of {} nodes told{}", dead, endpoints.quorum(), failures),
        "chain_unavailable");
}

}  // namespace

Task<Result<SignedFate>> find_payload_fate(NearRpcClient::Core& core, NearPayloadRef payload) {
    return agree<NearPayloadRef, base::Duration>(
        *core.endpoints, std::move(payload), core.options.deadline_margin, &payload_fate_at);
}

Task<Result<SignedFate>> find_delegate_fate(NearRpcClient::Core& core, NearDelegateRef delegate) {
    return agree<NearDelegateRef, std::uint64_t>(
        *core.endpoints, std::move(delegate), core.options.expiry_margin, &delegate_fate_at);
}

}  // namespace adyton::chain::internal
