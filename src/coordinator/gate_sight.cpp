#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "coordinator/internal/core.h"
#include "coordinator/internal/stories.h"

// What nodes say of transactions that were sent: one word of one node moves nothing that money
// depends on.
namespace adyton::coordinator {

using near::GateDispatch;

namespace {

// Nodes lag, and may for a while deny a transaction that landed: what is called dead has looked
// dead at every look for so many blocks (24 s). Before another submit is signed, the gate is looked
// at, too; the gate itself takes no delegate twice.
constexpr std::uint64_t kDeadMarginBlocks = 40;
// After a height nothing new may land; nodes may lag that far.
constexpr std::uint64_t kExpiryMarginBlocks = 10;
constexpr std::string_view kBusy = "a chained batch is already in flight";
constexpr std::string_view kShortFee = "insufficient fee: required ";

template <typename Id>
std::string text_or_none(const std::optional<Id>& id) {
    return id ? id->to_string() : std::string("-");
}

std::string block_of(const near::TransactionStatus& status, const near::ReceiptId& id) {
    const auto* const outcome = status.find_outcome(id);
    return outcome == nullptr ? std::string("-") : outcome->block_hash.to_string();
}

bool same(const std::optional<std::string>& said, const std::string& meant) {
    return !said || *said == meant;
}

// Whether the gate's line is about what was signed.
bool is_ours(const near::GateEvent& event, const GateCall& call, const GateState& state) {
    return same(event.sender, state.wallet_account) && same(event.receiver, call.receiver_id) &&
           same(event.method, call.method_name) &&
           (!event.nonce || *event.nonce == call.delegate_nonce);
}

}  // namespace

bool is_over(const GateDispatch& dispatch) {
    return dispatch.state == GateDispatch::State::NotDispatched ||
           dispatch.target != GateDispatch::Target::Pending;
}

bool says_gate_is_busy(const near::GateResume& resume) {
    return resume.error.find(kBusy) != std::string::npos;
}

bool says_fee_is_short(const near::GateResume& resume) {
    return resume.error.find(kShortFee) != std::string::npos;
}

chain::NearStory submit_story(near::AccountId gate_id) {
    return
        [gate_id = std::move(gate_id)](const chain::NearTransaction& seen) -> Result<std::string> {
            if (!seen.facts()) return seen.facts().error();
            const near::TransactionStatus& status = *seen.facts();
            const auto submit = near::read_gate_submit(status, gate_id);
            if (submit.state == near::GateState::Pending) return std::string();
            if (submit.state == near::GateState::Failed) return std::string("failed");
            const near::GateEvent& event = *submit.event;
            return fmt::format(
                "taken as {} in {}: {} {} {} {}", submit.intent_id,
                block_of(status, *submit.outer_receipt_id), event.sender.value_or("-"),
                event.receiver.value_or("-"), event.method.value_or("-"), event.nonce.value_or(0));
        };
}

chain::NearStory resume_story(near::AccountId gate_id) {
    return
        [gate_id = std::move(gate_id)](const chain::NearTransaction& seen) -> Result<std::string> {
            if (!seen.facts()) return seen.facts().error();
            const near::TransactionStatus& status = *seen.facts();
            const auto resume = near::read_gate_resume(status, gate_id);
            if (resume.state == near::GateState::Pending) return std::string();
            if (resume.state == near::GateState::Failed) {
                if (says_fee_is_short(resume)) return std::string("short fee");
                return std::string(says_gate_is_busy(resume) ? "busy" : "failed");
            }
            return fmt::format(
                "batch {} of {} from {} in {}", resume.batch_id, resume.n, resume.first_id,
                text_or_none(status.outer_receipt_id()));
        };
}

namespace {

// "1 1", of each line that says how the batch goes on: intent and what is left of the tail.
std::string continuations(const near::TransactionStatus& status, const near::AccountId& gate_id) {
    std::string out;
    for (const near::ExecutionOutcome& outcome : status.receipts_outcome) {
        for (const near::GateEvent& event : near::gate_events(outcome, gate_id)) {
            if (event.name != "chain_continued") continue;
            out += fmt::format(
                "{} {};", event.next_id.value_or(event.id.value_or(0)),
                event.tail_remaining.value_or(0));
        }
    }
    return out;
}

}  // namespace

chain::NearStory dispatch_story(near::AccountId gate_id, near::IntentId intent_id) {
    return [gate_id = std::move(gate_id),
            intent_id](const chain::NearTransaction& seen) -> Result<std::string> {
        if (!seen.facts()) return seen.facts().error();
        const near::TransactionStatus& status = *seen.facts();
        TRY(const GateDispatch dispatch, near::read_gate_dispatch(status, gate_id, intent_id));
        if (!is_over(dispatch)) return std::string();
        return fmt::format(
            "{} {} seq {} by {} in {}, {} of {} to {} in {}, then {}: {}",
            static_cast<int>(dispatch.state), static_cast<int>(dispatch.target),
            dispatch.seq.value_or(0), text_or_none(dispatch.gate_receipt_id),
            text_or_none(dispatch.gate_block_hash), text_or_none(dispatch.target_receipt_id),
            dispatch.predecessor_id ? dispatch.predecessor_id->text() : "-",
            dispatch.receiver_id ? dispatch.receiver_id->text() : "-",
            text_or_none(dispatch.target_block_hash), continuations(status, gate_id),
            fmt::join(dispatch.target_logs, "\n"));
    };
}

chain::NearStory ending_story() {
    return [](const chain::NearTransaction& seen) -> Result<std::string> {
        const bool good = seen.status == chain::NearTransaction::Status::Success;
        const bool over = good || seen.status == chain::NearTransaction::Status::Failure;
        if (!over || (!seen.execution_status.empty() && seen.execution_status != "FINAL")) {
            return std::string();
        }
        if (!seen.facts()) return seen.facts().error();
        const near::TransactionStatus& status = *seen.facts();
        const auto outer = status.outer_receipt_id();
        if (!outer) return Error::corrupt_data("a final transaction without a receipt");
        const auto* const last = status.find_final_outcome(*outer);
        const int end = last == nullptr ? -1 : static_cast<int>(last->status.kind);
        return fmt::format(
            "{} {} in {} ends {}", good, outer->to_string(), block_of(status, *outer), end);
    };
}

Task<Result<std::optional<chain::NearTransaction>>> CoordinatorService::Core::find_agreed(
    near::TransactionHash hash, near::AccountId sender, chain::NearStory story) {
    if (bug(kBelieveAnyNode)) return facts.find_transaction(hash, std::move(sender));
    return facts.find_agreed(hash, std::move(sender), std::move(story));
}

Task<Result<std::optional<SubmitNews>>> CoordinatorService::Core::read_submit(
    const GateState& state, std::size_t index, std::string hash_text) {
    CO_TRY(const auto hash, near::TransactionHash::parse(hash_text));
    CO_TRY(const auto gate_id, near::AccountId::parse(state.gate_id));
    auto finding = find_agreed(hash, keys.relayer, submit_story(gate_id));
    CO_TRY(const auto found, co_await std::move(finding));
    if (!found) co_return std::optional<SubmitNews>();
    CO_TRY(auto status, found->facts());
    const auto submit = near::read_gate_submit(status, gate_id);
    SubmitNews news;
    news.kind = submit.state;
    news.error = cut_text(submit.error);
    if (submit.state == near::GateState::Done) {
        if (!is_ours(*submit.event, state.calls[index], state)) {
            co_return Error::corrupt_data("the gate logged another intent than was signed");
        }
        const auto* const outcome = status.find_outcome(*submit.outer_receipt_id);
        if (outcome == nullptr) co_return Error::corrupt_data("a submit without its receipt");
        auto resolving = facts.height_of(outcome->block_hash);
        CO_TRY(news.height, co_await std::move(resolving));
        news.intent_id = submit.intent_id;
    }
    news.status = std::move(status);
    co_return std::optional(std::move(news));
}

void CoordinatorService::Core::take_news(Flight& flight, std::size_t index, SubmitNews news) {
    GateCall& call = flight.state.calls[index];
    call.intent_id = news.intent_id;
    call.submit_height = news.height;
    flight.submits[index] = std::move(news.status);
}

Task<Result<bool>> CoordinatorService::Core::adopt_dead_submit(Flight& flight, std::size_t index) {
    const std::vector<std::string> hashes = flight.state.calls[index].dead_submits;
    for (const std::string& hash : hashes) {
        auto reading = read_submit(flight.state, index, hash);
        CO_TRY(auto news, co_await std::move(reading));
        if (!news || news->kind == near::GateState::Failed) continue;
        if (news->kind == near::GateState::Pending) {
            co_return Error::unavailable("a submit that was given up has landed and is under way");
        }
        parts.logger.warning(
            "a submit that nodes had denied was taken by the gate",
            {{"request_id", flight.record.request_id}, {"tx_hash", hash}});
        GateCall& call = flight.state.calls[index];
        SentTransaction landed;
        landed.hash = hash;
        call.submit = std::move(landed);
        take_news(flight, index, *std::move(news));
        co_return true;
    }
    co_return false;
}

Task<Result<bool>> CoordinatorService::Core::is_dead(
    const SentTransaction& sent, near::AccountId signer, near::PublicKey key, Sighting& sighting) {
    auto asking = parts.chain.find_agreed_access_key(signer, key);
    CO_TRY(const auto access, co_await std::move(asking));
    auto counting = parts.chain.final_heights();
    CO_TRY(const auto heights, co_await std::move(counting));
    const bool consumed = !access || access->nonce >= sent.nonce;
    const bool expired =
        heights.reached > sent.signed_at_height + options.validity_blocks + kExpiryMarginBlocks;
    if (!consumed && !expired) {
        sighting.gone_since = 0;
        co_return false;
    }
    // The nonce first, then the transaction: whoever used it is in a block that is final by now.
    CO_TRY(const auto hash, near::TransactionHash::parse(sent.hash));
    auto finding = facts.find_transaction(hash, std::move(signer));
    CO_TRY(const auto found, co_await std::move(finding));
    if (found) {
        sighting.gone_since = 0;
        co_return false;
    }
    co_return gone_for_long(sighting, heights.reached);
}

bool CoordinatorService::Core::gone_for_long(Sighting& sighting, std::uint64_t height) {
    if (sighting.gone_since == 0) sighting.gone_since = height;
    return height >= sighting.gone_since + kDeadMarginBlocks;
}

bool CoordinatorService::Core::delegate_expired(const GateCall& call, std::uint64_t height) {
    return height > call.max_block_height + kExpiryMarginBlocks;
}

}  // namespace adyton::coordinator
