#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "coordinator/internal/core.h"
#include "coordinator/internal/stories.h"
#include "near/compact_json.h"

// What became of a batch, read from the gate's own receipts in the submit transactions (near.md
// 4.8), until nothing can change any more.
namespace adyton::coordinator {

using base::Json;
using near::GateDispatch;
using workflow::StepContext;
using workflow::StepOutcome;

namespace {

constexpr int kLooksWhenAwaited = 3;
constexpr int kBalanceLooks = 5;
constexpr unsigned kDoubtsMax = 3;
constexpr unsigned kWatchDoublings = 3;  // of the poll interval

Json text(std::string_view value) {
    return Json::string(std::string(value));
}

std::string_view word_of(const GateDispatch& dispatch) {
    if (dispatch.state == GateDispatch::State::NotDispatched) return "not_dispatched";
    if (dispatch.target == GateDispatch::Target::Succeeded) return "success";
    if (dispatch.target == GateDispatch::Target::Failed) return "failure";
    return "pending";
}

// The gate's lines about this intent, then the target's.
std::vector<std::string> logs_of(
    const std::optional<near::TransactionStatus>& status, const near::AccountId& gate_id,
    const GateDispatch& dispatch) {
    std::vector<std::string> out;
    if (status) {
        for (const near::ExecutionOutcome& outcome : status->receipts_outcome) {
            if (outcome.executor_id != gate_id) continue;
            out.insert(out.end(), outcome.logs.begin(), outcome.logs.end());
        }
    }
    out.insert(out.end(), dispatch.target_logs.begin(), dispatch.target_logs.end());
    return out;
}

Json optional_height(
    const std::optional<near::BlockHash>& hash, const near::BlockHeights& heights) {
    if (!hash) return Json();
    const auto found = heights.find(*hash);
    return found == heights.end() ? Json() : Json::unsigned_integer(found->second);
}

// One row of dispatch_receipts (near.md 6.9).
Json receipt_row(
    const GateCall& call, const GateDispatch& dispatch,
    const std::optional<near::TransactionStatus>& status, const near::AccountId& gate_id,
    const near::BlockHeights& heights) {
    Json row = Json::object();
    row.set("intent_id", call.intent_id ? text(std::to_string(*call.intent_id)) : Json());
    row.set(
        "receipt_id",
        dispatch.target_receipt_id ? text(dispatch.target_receipt_id->to_string()) : Json());
    row.set("receiver_id", text(call.receiver_id));
    row.set("method_name", text(call.method_name));
    row.set("block_height", optional_height(dispatch.gate_block_hash, heights));
    row.set("status", text(word_of(dispatch)));
    Json logs = Json::array();
    const std::vector<std::string> lines = logs_of(status, gate_id, dispatch);
    for (const std::string& line : lines) logs.push_back(text(line));
    row.set("logs", std::move(logs));
    row.set("target_block_height", optional_height(dispatch.target_block_hash, heights));
    row.set(
        "predecessor_id", dispatch.predecessor_id ? text(dispatch.predecessor_id->text()) : Json());
    row.set("seq", dispatch.seq ? Json::unsigned_integer(*dispatch.seq) : Json());
    const std::string why = dispatch.state == GateDispatch::State::NotDispatched
                                ? dispatch.reason
                                : dispatch.target_error;
    row.set("error", why.empty() ? Json() : text(cut_text(why)));
    return row;
}

std::string list_of(const std::vector<std::size_t>& indices) {
    std::string out;
    for (const std::size_t i : indices) out += fmt::format("{}{}", out.empty() ? "" : ",", i);
    return out;
}

// "call 1 failed on intents.near: ..; calls 0,2 succeeded"
std::string failure_text(const GateState& state, const std::vector<GateDispatch>& dispatches) {
    std::string out;
    std::vector<std::size_t> good;
    std::vector<std::size_t> missing;
    for (std::size_t i = 0; i < dispatches.size(); ++i) {
        const GateDispatch& dispatch = dispatches[i];
        if (dispatch.target == GateDispatch::Target::Succeeded) {
            good.push_back(i);
        } else if (dispatch.target == GateDispatch::Target::Failed) {
            out += fmt::format(
                "{}call {} failed on {}: {}", out.empty() ? "" : "; ", i,
                state.calls[i].receiver_id, cut_text(dispatch.target_error, 200));
        } else {
            missing.push_back(i);
            out += fmt::format(
                "{}call {} was not dispatched: {}", out.empty() ? "" : "; ", i,
                dispatch.reason.empty() ? "no trace of it" : cut_text(dispatch.reason, 200));
        }
    }
    if (good.size() == 1) out += fmt::format("; call {} succeeded", good.front());
    if (good.size() > 1) out += "; calls " + list_of(good) + " succeeded";
    if (good.empty() && !out.empty()) out += "; no call succeeded";
    return out;
}

// What became of each that was live when the record failed: a row of live_until, and its outcome.
Json late_outcomes(
    const Json& live, const GateState& state, const std::vector<GateDispatch>& dispatches) {
    Json out = Json::array();
    for (const Json& item : live.items()) {
        const Json* const place = item.find("call_index");
        const auto index = place == nullptr ? Json().as_uint64() : place->as_uint64();
        if (!index || *index >= dispatches.size()) continue;
        const GateDispatch& dispatch = dispatches[*index];
        const GateCall& call = state.calls[*index];
        Json row = item;
        if (call.intent_id) row.set("intent_id", text(std::to_string(*call.intent_id)));
        row.set("outcome", text(call.intent_id ? word_of(dispatch) : "never_taken"));
        if (!dispatch.reason.empty()) row.set("reason", text(cut_text(dispatch.reason, 200)));
        out.push_back(std::move(row));
    }
    return out;
}

// "since then: submit HASH was taken as intent 4 (not_dispatched)", of those that were unknown.
std::string late_text(const Json& late) {
    std::string out;
    for (const Json& row : late.items()) {
        const Json* const hash = row.find("submit_tx_hash");
        if (hash == nullptr) continue;
        const Json* const id = row.find("intent_id");
        out += out.empty() ? "since then: " : ", ";
        out += "submit " + hash->string_value();
        out += id == nullptr ? std::string(" was not taken by the gate")
                             : fmt::format(
                                   " was taken as intent {} ({})", id->string_value(),
                                   row.find("outcome")->string_value());
    }
    return out;
}

// What the submits tell, in call order. Every one of them is known.
Result<std::vector<GateDispatch>> dispatches_of(
    const Flight& flight, const near::AccountId& gate_id) {
    std::vector<GateDispatch> out;
    for (std::size_t i = 0; i < flight.state.calls.size(); ++i) {
        const auto& intent_id = flight.state.calls[i].intent_id;
        if (!intent_id) return Error::unavailable("an intent is not known");
        TRY(auto dispatch, near::read_gate_dispatch(*flight.submits[i], gate_id, *intent_id));
        out.push_back(std::move(dispatch));
    }
    return out;
}

bool all_over(const std::vector<GateDispatch>& dispatches) {
    return std::all_of(dispatches.begin(), dispatches.end(), is_over);
}

Result<near::ExpectedCall> expected_of(const GateCall& call) {
    TRY(auto receiver, near::AccountId::parse(call.receiver_id));
    TRY(auto args, base::base64_decode(call.args_base64));
    near::ExpectedCall out{std::move(receiver), call.method_name, std::move(args), {}};
    if (!call.intent_hash.empty()) {
        TRY(out.intent_hash, near::MessageHash::parse(call.intent_hash));
    }
    return out;
}

// Every submit is known.
Result<near::GateBatch> batch_of(const Flight& flight) {
    near::GateBatch out{{}, *flight.submits.front(), {}};
    for (std::size_t i = 0; i < flight.state.calls.size(); ++i) {
        TRY(auto expected, expected_of(flight.state.calls[i]));
        out.calls.push_back(std::move(expected));
        out.submits.push_back(*flight.submits[i]);
    }
    if (flight.resume) out.resume = *flight.resume;
    return out;
}

std::string delta_text(base::Amount before, base::Amount after) {
    if (after >= before) return after.minus(before)->to_string();
    return "-" + before.minus(after)->to_string();
}

}  // namespace

// Reads what became of one call, as it is told now.
Task<Result<void>> CoordinatorService::Core::read_dispatch(
    Flight& flight, std::size_t index, std::uint64_t known) {
    CO_TRY(const auto gate_id, near::AccountId::parse(flight.state.gate_id));
    const GateCall& call = flight.state.calls[index];
    const near::IntentId intent_id = *call.intent_id;
    CO_TRY(const auto hash, near::TransactionHash::parse(call.submit->hash));
    auto finding = find_agreed(hash, keys.relayer, dispatch_story(gate_id, intent_id));
    CO_TRY(const auto found, co_await std::move(finding));
    if (!found) co_return Error::unavailable("a submit that was seen is not known now");
    CO_TRY(auto status, found->facts());
    const auto now = near::read_gate_dispatch(status, gate_id, intent_id);
    flight.submits[index] = std::move(status);
    // What is not over is what one node tells.
    flight.submits_final_at[index] = now && is_over(*now) ? known : 0;
    co_return Result<void>();
}

// While a call is not dispatched, none after it can be.
Task<Result<void>> CoordinatorService::Core::read_submits(Flight& flight, Freshness fresh) {
    CO_TRY(const auto gate_id, near::AccountId::parse(flight.state.gate_id));
    bool reached = true;
    for (std::size_t i = 0; i < flight.state.calls.size(); ++i) {
        const GateCall& call = flight.state.calls[i];
        if (!call.intent_id || !call.submit) continue;
        const near::IntentId intent_id = *call.intent_id;
        const bool stale = fresh.all || flight.submits_final_at[i] < fresh.top;
        if (!stale && flight.submits[i]) {
            const auto known = near::read_gate_dispatch(*flight.submits[i], gate_id, intent_id);
            if (!reached || (known && is_over(*known))) continue;
        }
        auto reading = read_dispatch(flight, i, fresh.known);
        CO_TRY_VOID(co_await std::move(reading));
        const auto now = near::read_gate_dispatch(*flight.submits[i], gate_id, intent_id);
        reached = !now || now->state != GateDispatch::State::Pending;
    }
    co_return Result<void>();
}

// Of every block that these name. A block that nobody knows is left out.
Task<Result<near::BlockHeights>> CoordinatorService::Core::heights_of(
    std::vector<GateDispatch> dispatches) {
    near::BlockHeights out;
    // A target's block tells the height of the one before it, which is mostly the dispatch's.
    for (const GateDispatch& dispatch : dispatches) {
        for (const auto& hash : {dispatch.target_block_hash, dispatch.gate_block_hash}) {
            if (!hash || out.count(*hash) != 0) continue;
            auto resolving = facts.height_of(*hash);
            const auto height = co_await std::move(resolving);
            if (!height && height.error().code() != ErrorCode::NotFound) co_return height.error();
            if (height) out[*hash] = *height;
        }
    }
    co_return out;
}

Task<void> CoordinatorService::Core::add_balances(
    const Flight& flight, std::uint64_t height, Json& out) {
    const Json& before = flight.state.balances_before;
    if (!before.is_object() || before.size() == 0) co_return;
    std::vector<std::string> tokens;
    for (const auto& [token, amount] : before.members()) tokens.push_back(token);
    for (int look = 0; look < kBalanceLooks; ++look) {
        auto asking = facts.intents_balances(flight.state.wallet_account, tokens);
        const auto after = co_await std::move(asking);
        if (after && after->block_height >= height) {
            for (const auto& [token, amount] : before.members()) {
                const auto was = near::parse_u128(amount.string_value());
                if (!was) continue;
                out.set(token + ":intents", text(delta_text(*was, after->amounts.at(token))));
            }
            co_return;
        }
        auto pause = base::sleep_for(parts.executor, options.poll_interval);
        co_await std::move(pause);
    }
}

// post_batch_view_checks: a mismatch is told, and is no failure.
Task<void> CoordinatorService::Core::add_views(
    const Flight& flight, Json& out, std::string& error) {
    const std::vector<Json>& checks = flight.state.view_checks.items();
    for (std::size_t i = 0; i < checks.size(); ++i) {
        const Json& check = checks[i];
        Json row = Json::object();
        row.set("contract_id", *check.find("contract_id"));
        row.set("method_name", *check.find("method_name"));
        const Json* const args = check.find("args");
        const auto contract = near::AccountId::parse(check.find("contract_id")->string_value());
        CHECK(contract.has_value());  // checked when the request came
        auto asking = facts.view(
            *contract, check.find("method_name")->string_value(),
            args == nullptr ? std::string("{}") : near::compact_json(*args));
        const auto answer = co_await std::move(asking);
        row.set("result", answer ? *answer : Json());
        row.set("error", answer ? Json() : text(cut_text(answer.error().message())));
        const Json* const wanted = check.find("equals");
        const bool equal =
            answer && (wanted == nullptr || canonical_json(*wanted) == canonical_json(*answer));
        row.set("ok", Json::boolean(equal));
        if (!equal && error.empty()) error = fmt::format("post_batch_view_checks[{}] failed", i);
        out.push_back(std::move(row));
    }
}

Task<Result<Ending>> CoordinatorService::Core::conclude(
    Flight& flight, const near::BatchEvidence& evidence, const near::BlockHeights& heights) {
    CO_TRY(const auto gate_id, near::AccountId::parse(flight.state.gate_id));
    const GateState& state = flight.state;
    Ending out;
    out.evidence = flight.record.dispatch_evidence;
    Json receipts = Json::array();
    Json dispatch_heights = Json::array();
    Json target_heights = Json::array();
    std::uint64_t last = 0;
    for (std::size_t i = 0; i < evidence.dispatches.size(); ++i) {
        const GateDispatch& dispatch = evidence.dispatches[i];
        receipts.push_back(
            receipt_row(state.calls[i], dispatch, flight.submits[i], gate_id, heights));
        if (dispatch.state == GateDispatch::State::Dispatched) {
            dispatch_heights.push_back(optional_height(dispatch.gate_block_hash, heights));
            target_heights.push_back(optional_height(dispatch.target_block_hash, heights));
        }
        for (const auto& hash : {dispatch.gate_block_hash, dispatch.target_block_hash}) {
            const auto found = hash ? heights.find(*hash) : heights.end();
            if (found != heights.end()) last = std::max(last, found->second);
        }
    }
    Json problems = Json::array();
    for (const std::string& problem : evidence.problems) problems.push_back(text(problem));
    Json deltas = Json::object();
    auto balancing = add_balances(flight, last, deltas);
    co_await std::move(balancing);
    Json views = Json::array();
    std::string view_error;
    auto viewing = add_views(flight, views, view_error);
    co_await std::move(viewing);
    const bool good =
        (evidence.all_succeeded || bug(kIgnoreTargetFailure)) && evidence.problems.empty();
    out.status = good ? WorkflowStatus::Succeeded : WorkflowStatus::Failed;
    out.error = view_error;
    if (!good) {
        out.error = failure_text(state, evidence.dispatches);
        const bool all = evidence.all_succeeded && !evidence.problems.empty();
        if (all)
            out.error = "the evidence does not hold: " + evidence.problems.front() +
                        "; all calls succeeded";
    }
    if (bug(kEvidenceInArrivalOrder) && receipts.size() > 1) {
        Json turned = Json::array();
        for (std::size_t i = receipts.size(); i > 0; --i) turned.push_back(receipts.items()[i - 1]);
        receipts = std::move(turned);
    }
    out.evidence.set("dispatch_receipts", std::move(receipts));
    out.evidence.set("dispatch_block_heights", std::move(dispatch_heights));
    out.evidence.set("target_block_heights", std::move(target_heights));
    out.evidence.set("balance_deltas", std::move(deltas));
    if (problems.size() > 0) out.evidence.set("problems", std::move(problems));
    if (views.size() > 0) out.evidence.set("post_batch_view_results", std::move(views));
    co_return out;
}

// The resume that started the batch: the one last signed, or an earlier one that was given up.
Task<Result<void>> CoordinatorService::Core::read_resume(Flight& flight, Freshness fresh) {
    CO_TRY(const auto gate_id, near::AccountId::parse(flight.state.gate_id));
    if (flight.resume && flight.resume_final_at >= fresh.top) co_return Result<void>();
    std::vector<std::string> hashes;
    if (flight.state.resume) hashes.push_back(flight.state.resume->hash);
    for (const std::string& hash : flight.state.dead_resumes) hashes.push_back(hash);
    for (const std::string& text_of_hash : hashes) {
        CO_TRY(const auto hash, near::TransactionHash::parse(text_of_hash));
        auto finding = find_agreed(hash, keys.approver, resume_story(gate_id));
        CO_TRY(const auto found, co_await std::move(finding));
        if (!found) continue;
        CO_TRY(auto status, found->facts());
        if (near::read_gate_resume(status, gate_id).state != near::GateState::Done) continue;
        flight.resume = std::move(status);
        flight.resume_final_at = fresh.known;
        co_return Result<void>();
    }
    co_return Result<void>();
}

bool CoordinatorService::Core::read_when_final(const Flight& flight, std::uint64_t top) {
    const bool submits = std::all_of(
        flight.submits_final_at.begin(), flight.submits_final_at.end(),
        [top](std::uint64_t height) { return height >= top; });
    return submits && flight.resume && flight.resume_final_at >= top;
}

// The last call of the batch was dispatched: the gate is free for the next one.
Task<Result<void>> CoordinatorService::Core::leave_gate(StepContext& context, Flight& flight) {
    auto change = [](storage::Transaction& tx, WorkflowRecord& record, GateState&) {
        record.phase = std::string(phase::kEvidence);
        return lane::leave(tx, record.request_id);
    };
    auto noting = note(context, flight, "last_dispatched", change);
    CO_TRY_VOID(co_await std::move(noting));
    gate_left(flight);
    co_return Result<void>();
}

void CoordinatorService::Core::gate_left(Flight& flight) {
    flight.gate_released = true;
    if (flight.resumed_at != base::SteadyTime{}) {
        note_pace(flight.state.gate_id, parts.executor.steady_now() - flight.resumed_at);
    }
    nudge_waiting(flight.state.gate_id);
    nudge_ready(flight.state.gate_id);
}

// Whether another batch of ours waits for the gate.
bool CoordinatorService::Core::is_awaited(const Flight& flight) const {
    const auto next = ready_runs.find(flight.state.gate_id);
    return next != ready_runs.end() && !next->second.empty() && !flight.gate_released;
}

StepOutcome CoordinatorService::Core::look_again(Flight& flight) {
    if (!is_awaited(flight)) return again_later(flight, true);
    // The gate stands idle until its batch is seen to have ended: looked at more often when another
    // batch is ready.
    flight.failures = 0;
    return StepOutcome::again(options.poll_interval / kLooksWhenAwaited);
}

// A batch is not over before its last call is, which alone decides when the gate is free: the
// others are read when what became of the last one is final.
Task<StepResult> CoordinatorService::Core::dispatch_step(StepContext& context, Flight& flight) {
    CO_TRY(const auto gate_id, near::AccountId::parse(flight.state.gate_id));
    std::uint64_t reached = 0;  // what is final; not asked while the gate is awaited
    if (!is_awaited(flight)) {
        auto counting = facts.final_heights();
        const auto known = co_await std::move(counting);
        if (!known) co_return again_later(flight, false);
        reached = known->reached;
    }
    const std::size_t end = flight.state.calls.size() - 1;
    const auto read_last = [&]() -> std::optional<GateDispatch> {
        const auto& id = flight.state.calls[end].intent_id;
        if (!id || !flight.submits[end]) return std::nullopt;
        auto dispatch = near::read_gate_dispatch(*flight.submits[end], gate_id, *id);
        return dispatch ? std::optional(*std::move(dispatch)) : std::nullopt;
    };
    std::optional<GateDispatch> last = read_last();
    const GateCall& last_call = flight.state.calls[end];
    if ((!last || !is_over(*last)) && last_call.intent_id && last_call.submit) {
        auto reading = read_dispatch(flight, end, reached);
        const auto read = co_await std::move(reading);
        if (!read) co_return again_later(flight, false);
        last = read_last();
    }
    if (!last) co_return again_later(flight, false);
    if (last->state != GateDispatch::State::Pending && !flight.gate_released) {
        auto leaving = leave_gate(context, flight);
        CO_TRY_VOID(co_await std::move(leaving));
    }
    const bool told_early = bug(kSucceedOnDispatch) && last->state != GateDispatch::State::Pending;
    if (!is_over(*last) && !told_early) co_return look_again(flight);
    auto ending = height_of_end({*last});
    const auto ended_at = co_await std::move(ending);
    if (!ended_at) co_return again_later(flight, false);
    if (reached < *ended_at && !told_early) co_return again_later(flight, true);
    const Freshness fresh{*ended_at, reached, false};
    auto reading = read_submits(flight, fresh);
    const auto read = co_await std::move(reading);
    auto resuming = read_resume(flight, fresh);
    const auto resumed = co_await std::move(resuming);
    if (!read || !resumed) co_return again_later(flight, false);
    const bool whole = std::all_of(
        flight.submits.begin(), flight.submits.end(),
        [](const auto& one) { return one.has_value(); });
    if (!whole) co_return again_later(flight, false);
    auto settling = settle_batch(context, flight, reached, told_early);
    co_return co_await std::move(settling);
}

// The highest block that these name.
Task<Result<std::uint64_t>> CoordinatorService::Core::height_of_end(
    std::vector<GateDispatch> dispatches) {
    auto resolving = heights_of(std::move(dispatches));
    CO_TRY(const auto heights, co_await std::move(resolving));
    std::uint64_t top = 0;
    for (const auto& [hash, height] : heights) top = std::max(top, height);
    co_return top;
}

// Ends a batch when all that became of it is final and was read then. `reached` is final now.
Task<StepResult> CoordinatorService::Core::settle_batch(
    StepContext& context, Flight& flight, std::uint64_t reached, bool told_early) {
    CO_TRY(const auto gate_id, near::AccountId::parse(flight.state.gate_id));
    const auto dispatches = dispatches_of(flight, gate_id);
    if (!dispatches) co_return again_later(flight, true);
    const bool over = all_over(*dispatches);
    if (!over && !told_early) co_return look_again(flight);
    auto resolving = heights_of(*dispatches);
    const auto heights = co_await std::move(resolving);
    if (!heights) co_return again_later(flight, false);
    std::uint64_t top = 0;
    for (const auto& [hash, height] : *heights) top = std::max(top, height);
    if (reached < top && !told_early) co_return again_later(flight, true);
    if (!flight.read_final) {
        // Money depends on it: whatever was read before it was final is read once more, as a quorum
        // tells it.
        if (!read_when_final(flight, top)) {
            const Freshness then{top, reached, false};
            auto rereading = read_submits(flight, then);
            const auto reread = co_await std::move(rereading);
            auto again = read_resume(flight, then);
            const auto resume_again = co_await std::move(again);
            if (!reread || !resume_again) co_return again_later(flight, false);
            const auto final_ones = dispatches_of(flight, gate_id);
            // One node may have told more than the others know, or another story.
            flight.read_final = final_ones && all_over(*final_ones);
            if (!flight.read_final) co_return again_later(flight, true);
            auto anew = dispatch_step(context, flight);
            co_return co_await std::move(anew);
        }
        flight.read_final = over;
        if (!flight.read_final) co_return again_later(flight, true);
    }
    CO_TRY(const near::GateBatch batch, batch_of(flight));
    near::BatchEvidence evidence = near::read_gate_batch(batch, gate_id, *heights);
    if (!flight.resume) {
        evidence.problems.push_back("no resume of ours is known to have started the batch");
    }
    if (evidence.all_succeeded && !evidence.problems.empty() && flight.doubts < kDoubtsMax) {
        // A node that is behind for a moment tells less than happened: all is read once more.
        ++flight.doubts;
        flight.read_final = false;
        flight.submits_final_at.assign(flight.submits_final_at.size(), 0);
        flight.resume_final_at = 0;
        co_return again_later(flight, true);
    }
    if (told_early) evidence.all_succeeded = true;
    auto concluding = conclude(flight, evidence, *heights);
    CO_TRY(Ending ending, co_await std::move(concluding));
    auto finishing = finish(context, flight, std::move(ending));
    CO_TRY_VOID(co_await std::move(finishing));
    co_return StepOutcome::ended();
}

// The record is failed; its intents and submits are followed until each is over.
Task<StepResult> CoordinatorService::Core::watch_step(StepContext& context, Flight& flight) {
    bool over = true;
    bool news = false;
    for (std::size_t i = 0; i < flight.state.calls.size(); ++i) {
        if (flight.state.calls[i].decided() || !flight.state.calls[i].submit) continue;
        auto looking = look_at_submit(context, flight, i);
        const auto looked = co_await std::move(looking);
        if (!looked && looked.error().reason() == "run_lost") co_return looked.error();
        news = news || (looked && *looked);
        over = over && flight.state.calls[i].decided();
    }
    if (news) {
        auto amending = amend(context, flight);
        CO_TRY_VOID(co_await std::move(amending));
    }
    auto reading = read_submits(flight, {0, 0, true});
    const auto read = co_await std::move(reading);
    if (!read) co_return again_later(flight, false);
    CO_TRY(const auto gate_id, near::AccountId::parse(flight.state.gate_id));
    near::BatchEvidence evidence;
    for (std::size_t i = 0; i < flight.state.calls.size(); ++i) {
        const GateCall& call = flight.state.calls[i];
        GateDispatch dispatch;
        if (call.intent_id) {
            CO_TRY(
                dispatch, near::read_gate_dispatch(*flight.submits[i], gate_id, *call.intent_id));
            over = over && is_over(dispatch);
        } else {
            dispatch.state = GateDispatch::State::NotDispatched;
            dispatch.reason = call.submit_error.empty() ? "not submitted" : call.submit_error;
        }
        evidence.dispatches.push_back(std::move(dispatch));
    }
    if (!over) {
        // Nobody waits for it: a look now and then is enough.
        flight.failures = kWatchDoublings - 1;
        co_return again_later(flight, false);
    }
    auto resolving = heights_of(evidence.dispatches);
    const auto heights = co_await std::move(resolving);
    if (!heights) co_return again_later(flight, false);
    auto concluding = conclude(flight, evidence, *heights);
    CO_TRY(Ending ending, co_await std::move(concluding));
    const bool moved = std::any_of(
        evidence.dispatches.begin(), evidence.dispatches.end(), [](const GateDispatch& dispatch) {
            return dispatch.state == GateDispatch::State::Dispatched;
        });
    ending.status = WorkflowStatus::Failed;
    std::string since;
    if (const Json* const live = flight.record.dispatch_evidence.find("live_until")) {
        Json late = late_outcomes(*live, flight.state, evidence.dispatches);
        since = late_text(late);
        ending.evidence.set("late_outcomes", std::move(late));
    }
    if (moved) {
        since += since.empty() ? "yet " : "; yet ";
        since += failure_text(flight.state, evidence.dispatches);
    }
    ending.error = join_text(flight.record.user_visible_error, since);
    ending.evidence.set("live_until", Json::array());
    auto finishing = finish(context, flight, std::move(ending));
    CO_TRY_VOID(co_await std::move(finishing));
    co_return StepOutcome::ended();
}

// What the gate took after the record had failed stands in the record at once, and in the audit log
// beside what was said before.
Task<Result<void>> CoordinatorService::Core::amend(StepContext& context, Flight& flight) {
    const GateState state = flight.state;
    auto change = [&](storage::Transaction& tx, WorkflowRecord& record,
                      GateState& its_state) -> Result<void> {
        its_state = state;
        if (!bug(kForgetLateOutcome)) show_submits(record, state);
        return write_audit(tx, record, &state, "coordinator.workflow_amended");
    };
    auto noting = note(context, flight, "late_outcome", change);
    co_return co_await std::move(noting);
}

}  // namespace adyton::coordinator
