#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "coordinator/internal/core.h"

// From signed delegates to intents that wait at the gate. Bytes stand in the database before they
// are sent; others are signed for the same call only once these are known to be dead, and even then
// the gate takes a delegate once.
namespace adyton::coordinator {

using base::Json;
using workflow::StepContext;
using workflow::StepOutcome;

namespace {

// Nodes lag, and may for a while deny a transaction that landed: what is called dead has looked dead
// at every look for so many blocks (24 s). A node that hides one for longer costs a second fee and
// a wrong word in the record until the watch sees the gate; the gate takes no delegate twice.
constexpr std::uint64_t kDeadMarginBlocks = 40;
// After a delegate's height the gate refuses it; nodes may lag that far.
constexpr std::uint64_t kExpiryMarginBlocks = 10;
constexpr std::size_t kDeadSubmitsMax = 20;

base::Bytes bytes_of(std::string_view text) {
    const auto view = base::as_bytes(text);
    return {view.begin(), view.end()};
}

// What a look at one submit found.
struct SubmitNews {
    std::optional<std::uint64_t> intent_id;
    std::uint64_t height = 0;
    std::string error;
    bool over = false;
};

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

// The one with the least to do; among those the next in turn.
KeyLane& CoordinatorService::Core::choose_relayer() {
    std::size_t best = next_relayer % relayer_lanes.size();
    for (std::size_t i = 0; i < relayer_lanes.size(); ++i) {
        const std::size_t index = (next_relayer + i) % relayer_lanes.size();
        if (relayer_lanes[index]->lock.load() < relayer_lanes[best]->lock.load()) best = index;
    }
    next_relayer = best + 1;
    return *relayer_lanes[best];
}

KeyLane* CoordinatorService::Core::find_relayer(const std::string& key_text) {
    for (const auto& lane : relayer_lanes) {
        if (lane->key_text == key_text) return lane.get();
    }
    return nullptr;
}

Task<Result<std::uint64_t>> CoordinatorService::Core::know_nonce(KeyLane& lane) {
    if (lane.chain_nonce) co_return *lane.chain_nonce;
    auto asking = parts.chain.find_access_key(lane.account, lane.public_key);
    CO_TRY(const auto key, co_await std::move(asking));
    if (!key) {
        co_return Error::unavailable(
            fmt::format("{} is no access key of {}", lane.key_text, lane.account.text()),
            "key_not_installed");
    }
    lane.chain_nonce = key->nonce;
    co_return key->nonce;
}

Task<chain::NearSendOutcome> CoordinatorService::Core::send(const SentTransaction& sent) {
    const auto bytes = base::base64_decode(sent.base64);
    const auto hash = near::TransactionHash::parse(sent.hash);
    CHECK(bytes.has_value() && hash.has_value());  // our own, read back whole
    auto sending = parts.chain.broadcast(*bytes, *hash);
    co_return co_await std::move(sending);
}

Task<void> CoordinatorService::Core::send_submit(Flight& flight, std::size_t index) {
    const SentTransaction sent = *flight.state.calls[index].submit;
    at(WorkflowPoint::BeforeSubmit, flight.record.request_id);
    auto sending = send(sent);
    const auto outcome = co_await std::move(sending);
    at(WorkflowPoint::AfterSubmit, flight.record.request_id);
    Sighting& sighting = flight.submit_sightings[index];
    sighting.sent = outcome.kind != chain::NearSendOutcome::Kind::NotSent;
    sighting.sent_at = parts.executor.steady_now();
}

Task<Result<void>> CoordinatorService::Core::submit_calls(
    StepContext& context, Flight& flight, std::vector<std::size_t> which, Change also,
    std::string_view event) {
    KeyLane& lane = choose_relayer();
    auto taking = lane.lock.take();
    const AsyncLock::Held held = co_await std::move(taking);
    auto blocking = facts.final_block();
    CO_TRY(const auto block, co_await std::move(blocking));
    // A copy: another run may forget the lane's while this one waits.
    auto knowing = know_nonce(lane);
    CO_TRY(const std::uint64_t chain_nonce, co_await std::move(knowing));
    CO_TRY(const auto gate_id, near::AccountId::parse(flight.state.gate_id));
    if (!context.may_act()) co_return Error::conflict("another process drives the run", "run_lost");
    auto change = [&](storage::Transaction& tx, WorkflowRecord& record,
                      GateState& state) -> Result<void> {
        if (also) {
            TRY_VOID(also(tx, record, state));
        }
        TRY(std::uint64_t nonce,
            take_key_nonces(tx, lane.account.text(), lane.key_text, chain_nonce, which.size()));
        for (const std::size_t i : which) {
            GateCall& call = state.calls[i];
            if (call.submit) call.dead_submits.push_back(call.submit->hash);
            const std::string args =
                "{\"signed_delegate\":\"" + record.signed_nep366_delegates.at(i) + "\"}";
            call.submit = sign_call(
                lane, bug(kReuseKeyNonce) ? nonce : nonce++, block.hash, block.height,
                {gate_id, "submit_intent", bytes_of(args), options.submit_gas, {}});
        }
        record.submit_tx_hashes.clear();
        for (const GateCall& call : state.calls)
            record.submit_tx_hashes.push_back(call.submit->hash);
        return {};
    };
    if (bug(kSubmitBeforeDurable)) {
        // What a careless coordinator does: send, then store.
        auto early = [&](storage::Transaction& tx, WorkflowRecord& record,
                         GateState& state) -> Result<void> {
            TRY_VOID(change(tx, record, state));
            early_submits.clear();
            for (const std::size_t i : which) early_submits.push_back(*state.calls[i].submit);
            return Error::conflict("not yet", "early");
        };
        auto trying = save(context, flight, phase::kSubmit, event, early);
        const auto undone = co_await std::move(trying);
        for (std::size_t i = 0; i < early_submits.size(); ++i) {
            const SentTransaction sent = early_submits[i];
            auto sending = send(sent);
            co_await std::move(sending);
        }
    }
    auto saving = save(context, flight, phase::kSubmit, event, change);
    const auto saved = co_await std::move(saving);
    if (!saved) {
        lane.chain_nonce.reset();  // whatever was wrong, the chain knows better
        co_return saved.error();
    }
    at(WorkflowPoint::AfterSubmitBytes, flight.record.request_id);
    for (const std::size_t i : which) {
        flight.submit_sightings[i] = {};
        flight.submits[i].reset();
        auto sending = send_submit(flight, i);
        co_await std::move(sending);
    }
    co_return Result<void>();
}

Task<Result<bool>> CoordinatorService::Core::is_dead(
    const SentTransaction& sent, const KeyLane& lane, Sighting& sighting) {
    auto asking = parts.chain.find_access_key(lane.account, lane.public_key);
    CO_TRY(const auto key, co_await std::move(asking));
    auto blocking = parts.chain.final_block();
    CO_TRY(const auto block, co_await std::move(blocking));
    const bool consumed = !key || key->nonce >= sent.nonce;
    const bool expired =
        block.height > sent.signed_at_height + options.validity_blocks + kExpiryMarginBlocks;
    if (!consumed && !expired) {
        sighting.gone_since = 0;
        co_return false;
    }
    // The nonce first, then the transaction: whoever used it is in a block that is final by now.
    CO_TRY(const auto hash, near::TransactionHash::parse(sent.hash));
    auto finding = facts.find_transaction(hash, lane.account);
    CO_TRY(const auto found, co_await std::move(finding));
    if (found) {
        sighting.gone_since = 0;
        co_return false;
    }
    if (sighting.gone_since == 0) sighting.gone_since = block.height;
    co_return block.height >= sighting.gone_since + kDeadMarginBlocks;
}

// Looks at one submit that is not decided; true: there is news in `flight.state` to be recorded.
Task<Result<bool>> CoordinatorService::Core::look_at_submit(
    StepContext& context, Flight& flight, std::size_t index) {
    const SentTransaction sent = *flight.state.calls[index].submit;
    Sighting& sighting = flight.submit_sightings[index];
    KeyLane* const lane = find_relayer(sent.public_key);
    CO_TRY(const auto hash, near::TransactionHash::parse(sent.hash));
    auto finding = facts.find_transaction(hash, keys.relayer);
    CO_TRY(const auto found, co_await std::move(finding));
    CO_TRY(const auto gate_id, near::AccountId::parse(flight.state.gate_id));
    GateCall& call = flight.state.calls[index];
    if (found) {
        sighting.gone_since = 0;
        CO_TRY(auto status, near::parse_transaction_status(found->result));
        const auto submit = near::read_gate_submit(status, gate_id);
        if (submit.state == near::GateState::Pending) co_return false;
        if (submit.state == near::GateState::Failed) {
            call.submit_error = cut_text(submit.error);
            call.submit_over = true;
            co_return true;
        }
        if (!is_ours(*submit.event, call, flight.state)) {
            co_return Error::corrupt_data("the gate logged another intent than was signed");
        }
        const auto* const outcome = status.find_outcome(*submit.outer_receipt_id);
        CO_TRY(const auto height, [&]() -> Result<near::BlockHash> {
            if (outcome == nullptr) return Error::corrupt_data("a submit without its receipt");
            return outcome->block_hash;
        }());
        auto resolving = facts.height_of(height);
        CO_TRY(const std::uint64_t at_height, co_await std::move(resolving));
        flight.state.calls[index].intent_id = submit.intent_id;
        flight.state.calls[index].submit_height = at_height;
        flight.submits[index] = std::move(status);
        co_return true;
    }
    if (bug(kCallUnknownFailed)) {
        call.submit_error = "not seen";
        call.submit_over = true;
        co_return true;
    }
    auto blocking = facts.final_block();
    CO_TRY(const auto block, co_await std::move(blocking));
    if (block.height > call.max_block_height + kExpiryMarginBlocks) {
        // Where it may still land it does nothing: the gate refuses the delegate.
        if (sighting.gone_since == 0) sighting.gone_since = block.height;
        if (block.height < sighting.gone_since + kDeadMarginBlocks) co_return false;
        call.submit_error =
            fmt::format("in no block, and its delegate expired at {}", call.max_block_height);
        call.submit_over = true;
        co_return true;
    }
    if (flight.state.failed || flight.phase != phase::kSubmit) co_return false;  // only watched
    bool dead = bug(kResignSubmitAtOnce);
    if (lane != nullptr && !dead) {
        auto judging = is_dead(sent, *lane, sighting);
        CO_TRY(dead, co_await std::move(judging));
    }
    if (dead && call.dead_submits.size() < kDeadSubmitsMax && !context.run().cancel_requested) {
        if (lane != nullptr) lane->chain_nonce.reset();
        metrics.resigned.add();
        auto again = submit_calls(context, flight, {index}, {}, "submit_signed_anew");
        CO_TRY_VOID(co_await std::move(again));
        co_return false;
    }
    const base::Duration quiet =
        std::max<base::Duration>(options.poll_interval * 4, std::chrono::seconds(2));
    const bool silent = parts.executor.steady_now() - sighting.sent_at >= quiet;
    if (!dead && (!sighting.sent || silent) && context.may_act()) {
        metrics.resent.add();
        auto sending = send_submit(flight, index);
        co_await std::move(sending);
    }
    co_return false;
}

Task<StepResult> CoordinatorService::Core::submit_step(StepContext& context, Flight& flight) {
    bool answered = true;
    bool news = false;
    for (std::size_t i = 0; i < flight.state.calls.size(); ++i) {
        if (flight.state.calls[i].decided()) continue;
        auto looking = look_at_submit(context, flight, i);
        const auto looked = co_await std::move(looking);
        if (!looked && looked.error().reason() == "run_lost") co_return looked.error();
        if (looked) {
            news = news || *looked;
        } else {
            answered = false;
        }
    }
    const GateState state = flight.state;
    const auto& calls = state.calls;
    const bool decided =
        std::all_of(calls.begin(), calls.end(), [](const auto& call) { return call.decided(); });
    auto change = [&](storage::Transaction& tx, WorkflowRecord& record,
                      GateState& its_state) -> Result<void> {
        its_state = state;
        record.intent_ids = state.intent_ids();
        if (!decided) {
            record.phase = std::string(phase::kSubmitPoll);
            return {};
        }
        TRY(const base::Timestamp now, tx.now());
        return lane::set_ready(tx, record.request_id, now + std::chrono::minutes(5));
    };
    if (!decided) {
        if (news) {
            auto noting = note(context, flight, "intent_submitted", change);
            CO_TRY_VOID(co_await std::move(noting));
        }
        const bool late = parts.executor.steady_now() - flight.phase_began > options.poll_timeout;
        if (late) {
            const auto missing = std::find_if(
                calls.begin(), calls.end(), [](const auto& call) { return !call.decided(); });
            std::string text =
                "missing intent_submitted log for submit tx " + missing->submit->hash;
            auto failing = fail(context, flight, std::move(text));
            co_return co_await std::move(failing);
        }
        co_return again_later(flight, answered);
    }
    const auto over =
        std::find_if(calls.begin(), calls.end(), [](const auto& call) { return call.submit_over; });
    if (over != calls.end() && !bug(kResumeWithoutAll)) {
        std::string text =
            fmt::format("submit of call {} failed: {}", over - calls.begin(), over->submit_error);
        auto failing = fail(context, flight, std::move(text));
        co_return co_await std::move(failing);
    }
    auto saving = save(context, flight, phase::kResume, "intents_submitted", change);
    CO_TRY_VOID(co_await std::move(saving));
    at(WorkflowPoint::AfterIntentIds, flight.record.request_id);
    flight.failures = 0;
    co_return StepOutcome::again();
}

}  // namespace adyton::coordinator
