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

constexpr std::size_t kDeadSubmitsMax = 20;

base::Bytes bytes_of(std::string_view text) {
    const auto view = base::as_bytes(text);
    return {view.begin(), view.end()};
}

}  // namespace

void show_submits(WorkflowRecord& record, const GateState& state) {
    record.submit_tx_hashes.clear();
    for (const GateCall& call : state.calls) {
        if (call.submit) record.submit_tx_hashes.push_back(call.submit->hash);
    }
    record.intent_ids = state.intent_ids();
}

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
    auto asking = parts.chain.find_agreed_access_key(lane.account, lane.public_key);
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
    // A copy: another run may forget the lane's while this one waits.
    auto knowing = know_nonce(lane);
    CO_TRY(const std::uint64_t chain_nonce, co_await std::move(knowing));
    auto counting = facts.final_heights();
    CO_TRY(const auto heights, co_await std::move(counting));
    // The last to be asked: its time decides whether a deadline passed in all this waiting.
    auto blocking = facts.final_block();
    CO_TRY(const auto block, co_await std::move(blocking));
    if (auto late = late_deadline(flight.state, block)) {
        co_return Error::unprocessable(*std::move(late), "late_deadline");
    }
    const std::uint64_t signed_at = std::max(block.height, heights.reached);
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
                lane, bug(kReuseKeyNonce) ? nonce : nonce++, block.hash, signed_at,
                {gate_id, "submit_intent", bytes_of(args), options.submit_gas, {}});
        }
        show_submits(record, state);
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

Task<Result<bool>> CoordinatorService::Core::look_at_submit(
    StepContext& context, Flight& flight, std::size_t index) {
    const std::string hash = flight.state.calls[index].submit->hash;
    auto reading = read_submit(flight.state, index, hash);
    CO_TRY(auto news, co_await std::move(reading));
    if (!news) {
        flight.submit_sightings[index].under_way = false;
        auto looking = look_for_unseen_submit(context, flight, index);
        co_return co_await std::move(looking);
    }
    flight.submit_sightings[index].gone_since = 0;
    flight.submit_sightings[index].under_way = news->kind == near::GateState::Pending;
    if (news->kind == near::GateState::Pending) co_return false;
    if (news->kind == near::GateState::Done) {
        take_news(flight, index, *std::move(news));
        co_return true;
    }
    auto adopting = adopt_dead_submit(flight, index);
    CO_TRY(const bool adopted, co_await std::move(adopting));
    if (!adopted) {
        flight.state.calls[index].submit_error = news->error;
        flight.state.calls[index].submit_over = true;
    }
    co_return true;
}

Task<Result<bool>> CoordinatorService::Core::look_for_unseen_submit(
    StepContext& context, Flight& flight, std::size_t index) {
    GateCall& call = flight.state.calls[index];
    const SentTransaction sent = *call.submit;
    Sighting& sighting = flight.submit_sightings[index];
    KeyLane* const lane = find_relayer(sent.public_key);
    if (bug(kCallUnknownFailed)) {
        call.submit_error = "not seen";
        call.submit_over = true;
        co_return true;
    }
    auto counting = facts.final_heights();
    CO_TRY(const auto heights, co_await std::move(counting));
    if (delegate_expired(call, heights.reached)) {
        if (!gone_for_long(sighting, heights.reached)) co_return false;
        auto adopting = adopt_dead_submit(flight, index);
        CO_TRY(const bool adopted, co_await std::move(adopting));
        if (adopted) co_return true;
        GateCall& late = flight.state.calls[index];
        late.submit_error =
            fmt::format("in no block, and its delegate expired at {}", late.max_block_height);
        late.submit_over = true;
        co_return true;
    }
    const bool watched = flight.state.failed || flight.phase != phase::kSubmit;
    if (watched || flight.too_late) co_return false;  // nothing is signed or sent for it
    bool dead = bug(kResignSubmitAtOnce);
    if (lane != nullptr && !dead) {
        auto judging = is_dead(sent, lane->account, lane->public_key, sighting);
        CO_TRY(dead, co_await std::move(judging));
    }
    if (dead && !bug(kResignSubmitAtOnce)) {
        // Nodes that deny the transaction may still tell what the gate took.
        CO_TRY(const auto gate_id, near::AccountId::parse(flight.state.gate_id));
        auto asking =
            facts.holds_delegate(gate_id, flight.state.wallet_account, call.delegate_nonce);
        CO_TRY(const bool held, co_await std::move(asking));
        if (held) sighting.gone_since = 0;
        if (held) co_return false;
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

Task<Result<CoordinatorService::Core::Looked>> CoordinatorService::Core::look_at_submits(
    StepContext& context, Flight& flight) {
    Looked out;
    auto blocking = facts.final_block();
    const auto block = co_await std::move(blocking);
    if (block) out.too_old = late_deadline(flight.state, *block);
    flight.too_late = out.too_old.has_value();
    for (std::size_t i = 0; i < flight.state.calls.size(); ++i) {
        if (flight.state.calls[i].decided()) continue;
        auto looking = look_at_submit(context, flight, i);
        const auto looked = co_await std::move(looking);
        if (!looked && looked.error().reason() == "run_lost") co_return looked.error();
        if (looked) {
            out.news = out.news || *looked;
        } else {
            out.answered = false;
        }
        // Those after it were sent after it: they are asked for when this one is decided.
        if (looked && flight.submit_sightings[i].under_way) break;
    }
    co_return out;
}

Task<StepResult> CoordinatorService::Core::submit_step(StepContext& context, Flight& flight) {
    auto looking = look_at_submits(context, flight);
    CO_TRY(const Looked looked, co_await std::move(looking));
    const GateState state = flight.state;
    const auto& calls = state.calls;
    const bool decided =
        std::all_of(calls.begin(), calls.end(), [](const auto& call) { return call.decided(); });
    auto change = [&](storage::Transaction& tx, WorkflowRecord& record,
                      GateState& its_state) -> Result<void> {
        its_state = state;
        show_submits(record, state);
        if (!decided) {
            record.phase = std::string(phase::kSubmitPoll);
            return {};
        }
        TRY(const base::Timestamp now, tx.now());
        return lane::set_ready(tx, record.request_id, now + std::chrono::minutes(5));
    };
    if (!decided) {
        if (looked.news) {
            auto noting = note(context, flight, "intent_submitted", change);
            CO_TRY_VOID(co_await std::move(noting));
        }
        if (looked.too_old) {
            auto failing = fail(context, flight, *looked.too_old);
            co_return co_await std::move(failing);
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
        co_return again_later(flight, looked.answered);
    }
    const auto over =
        std::find_if(calls.begin(), calls.end(), [](const auto& call) { return call.submit_over; });
    if (over != calls.end() && !bug(kResumeWithoutAll)) {
        std::string text =
            fmt::format("submit of call {} failed: {}", over - calls.begin(), over->submit_error);
        auto failing = fail(context, flight, std::move(text));
        co_return co_await std::move(failing);
    }
    flight.failures = 0;
    auto resuming = resume_at_once(context, flight, change);
    CO_TRY(const bool resumed, co_await std::move(resuming));
    if (resumed) co_return StepOutcome::again(options.poll_interval / 2);
    auto saving = save(context, flight, phase::kResume, "intents_submitted", change);
    CO_TRY_VOID(co_await std::move(saving));
    at(WorkflowPoint::AfterIntentIds, flight.record.request_id);
    co_return StepOutcome::again();
}

}  // namespace adyton::coordinator
