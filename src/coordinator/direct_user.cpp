#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "coordinator/internal/core.h"
#include "coordinator/internal/refusals.h"
#include "coordinator/internal/stories.h"
#include "near/transaction.h"

// The direct-user counter proof (near.md 6.12): one transaction of a user's scoped key, made once,
// with the count before and after. Its nonce is durable before it is signed, and its bytes before
// they are sent.
namespace adyton::coordinator {

using base::Json;
using workflow::StepContext;
using workflow::StepOutcome;

namespace {

constexpr base::Duration kWatchLook = std::chrono::seconds(15);

Json text(std::string_view value) {
    return Json::string(std::string(value));
}

DirectUserScope scope_of(const Json& json) {
    DirectUserScope out;
    out.user_id = json.find("user_id")->string_value();
    out.registry_id = json.find("registry_id")->string_value();
    out.receiver_id = json.find("receiver_id")->string_value();
    for (const Json& name : json.find("method_names")->items()) {
        out.method_names.push_back(name.string_value());
    }
    return out;
}

// What is wrong with the key for this scope; empty: nothing.
std::vector<std::string> reasons_against(
    const std::optional<chain::NearAccessKey>& key, const DirectUserScope& scope) {
    std::vector<std::string> out;
    if (!key) return {"access key not found"};
    if (!key->function_call) return {"key is FullAccess"};
    const auto& permission = *key->function_call;
    if (permission.receiver_id != scope.receiver_id) out.emplace_back("receiver mismatch");
    auto wanted = scope.method_names;
    auto there = permission.method_names;
    std::sort(wanted.begin(), wanted.end());
    std::sort(there.begin(), there.end());
    if (wanted != there) out.emplace_back("method mismatch");
    if (!permission.allowance) out.emplace_back("allowance is unlimited");
    if (permission.allowance && permission.allowance->is_zero()) {
        out.emplace_back("allowance is used up");
    }
    return out;
}

// The one call that was asked for, signed by the user's scoped key, and nothing else.
Result<void> check_signed(
    const api::SignedTransactionResponse& answer, const DirectUserScope& scope,
    const SentTransaction& asked, std::uint64_t gas) {
    const Error wrong =
        Error::corrupt_data("the keystore signed another transaction than was asked");
    const auto parsed = near::parse_signed_transaction_base64(answer.signed_tx_base64);
    if (!parsed || !near::verify(*parsed)) return wrong;
    const near::Transaction& tx = parsed->transaction;
    const bool fits = tx.signer_id.text() == scope.user_id &&
                      tx.receiver_id.text() == scope.receiver_id &&
                      tx.public_key.to_string() == asked.public_key && tx.nonce == asked.nonce &&
                      tx.actions.size() == 1 && near::hash(tx).to_string() == answer.tx_hash;
    if (!fits) return wrong;
    const auto* const call = std::get_if<near::FunctionCall>(&tx.actions.front());
    if (call == nullptr || call->method_name != scope.method_names.front() ||
        !call->deposit.is_zero() || call->gas != near::Gas(gas)) {
        return wrong;
    }
    return {};
}

Json count_of(const Result<Json>& view) {
    return view && view->is_number() ? *view : Json();
}

}  // namespace

Task<Result<CoordinatorService::Core::KeyStatus>> CoordinatorService::Core::key_status(
    std::string wallet_id, DirectUserScope scope) {
    api::PrepareFunctionCallKeyRequest request;
    request.wallet_id = std::move(wallet_id);
    request.user_id = scope.user_id;
    request.registry_id = scope.registry_id;
    request.receiver_id = scope.receiver_id;
    request.method_names = scope.method_names;
    auto preparing = parts.keystore.prepare_function_call_key(std::move(request));
    KeyStatus out;
    auto prepared = co_await std::move(preparing);
    if (!prepared) {
        co_return Error(prepared.error().code(), prepared.error().message(), "keystore_error");
    }
    out.key = *std::move(prepared);
    CO_TRY(const auto user, near::AccountId::parse(scope.user_id));
    CO_TRY(const auto key, near::PublicKey::parse(out.key.public_key));
    auto finding = parts.chain.find_agreed_access_key(user, key);
    auto found = co_await std::move(finding);
    if (!found) co_return Error(found.error().code(), found.error().message(), "rpc_error");
    out.access = *std::move(found);
    out.reasons = reasons_against(out.access, scope);
    out.installed = out.reasons.empty();
    co_return out;
}

Task<StepResult> CoordinatorService::Core::direct_step(StepContext& context) {
    auto loading = flight_of(context);
    CO_TRY(const std::shared_ptr<Flight> flight, co_await std::move(loading));
    if (!context.may_act()) co_return StepOutcome::again(options.poll_interval);
    if (const std::string step = context.run().step; flight->phase != step) {
        flight->phase = step;
        flight->phase_began = parts.executor.steady_now();
        flight->submit_sightings.assign(1, {});
    }
    auto doing = context.run().step == phase::kPolicy ? direct_sign_step(context, *flight)
                                                      : direct_send_step(context, *flight);
    StepResult outcome = co_await std::move(doing);
    const bool sent = context.run().step != phase::kPolicy;
    if (!outcome || outcome->kind == StepOutcome::Kind::Ended) {
        flights.erase(flight->record.request_id);
    }
    if (!outcome && sent && outcome.error().reason() != "run_lost") {
        co_return StepOutcome::again(options.poll_interval * 4);
    }
    co_return outcome;
}

Task<StepResult> CoordinatorService::Core::direct_sign_step(StepContext& context, Flight& flight) {
    const DirectUserScope scope = scope_of(flight.record.direct_user_scope);
    const std::string method = scope.method_names.front();
    if (context.run().cancel_requested) {
        // With a nonce taken, the keystore may have signed; what is not stored is never sent.
        const char* const what = flight.state.resume ? "sent" : "signed";
        auto ending = direct_end(
            context, flight, WorkflowStatus::Failed,
            fmt::format("cancelled before anything was {}", what));
        co_return co_await std::move(ending);
    }
    api::CheckPolicyRequest question;
    question.wallet_id = flight.record.wallet_id;
    question.action = Json::object()
                          .set("type", text("direct_user"))
                          .set("receiver_id", text(scope.receiver_id))
                          .set("method_name", text(method))
                          .set("to", text(scope.receiver_id))
                          .set("deposit", text("0"))
                          .set("amount", text("0"));
    auto asking = parts.keystore.check_policy(std::move(question));
    const auto answered = co_await std::move(asking);
    if (!answered) {
        auto refusing = direct_refused(context, flight, answered.error(), "check-policy");
        co_return co_await std::move(refusing);
    }
    const api::CheckPolicyResponse& answer = *answered;
    const bool needs = answer.requires_approval.value_or(false);
    const bool allowed = answer.allowed && !answer.frozen && !needs;
    flight.record.policy_decisions = Json::array();
    flight.record.policy_decisions.push_back(Json::object()
                                                 .set("call_index", Json::integer(0))
                                                 .set("type", text("direct_user"))
                                                 .set("allowed", Json::boolean(allowed))
                                                 .set("rule", text(answer.rule)));
    if (!allowed) {
        std::string why = answer.frozen ? "wallet_frozen" : answer.reason.value_or("not allowed");
        if (answer.allowed && needs) {
            why = fmt::format("requires {} approvals", answer.required_approvals.value_or(1));
        }
        auto ending = direct_end(context, flight, WorkflowStatus::PolicyDenied, std::move(why));
        co_return co_await std::move(ending);
    }
    auto looking = key_status(flight.record.wallet_id, scope);
    const auto status = co_await std::move(looking);
    if (!status && status.error().reason() == "keystore_error") {
        auto refusing =
            direct_refused(context, flight, status.error(), "prepare-function-call-key");
        co_return co_await std::move(refusing);
    }
    CO_TRY_VOID(status);
    if (!status->installed) {
        auto ending = direct_end(
            context, flight, WorkflowStatus::RequiresDirectUserSetup,
            "the user's key is not installed: " + status->reasons.front());
        co_return co_await std::move(ending);
    }
    auto making = direct_make(context, flight, scope, status->key);
    co_return co_await std::move(making);
}

Task<StepResult> CoordinatorService::Core::direct_end(
    StepContext& context, Flight& flight, WorkflowStatus status, std::string why) {
    Ending ending{status, std::move(why), {}};
    auto finishing = finish(context, flight, std::move(ending));
    CO_TRY_VOID(co_await std::move(finishing));
    co_return StepOutcome::ended();
}

// What the keystore will refuse again ends it; anything else is tried again.
Task<StepResult> CoordinatorService::Core::direct_refused(
    StepContext& context, Flight& flight, Error error, std::string_view operation) {
    if (!is_final_refusal(error)) co_return error;
    Ending ending = ending_of(error, operation);
    auto finishing = direct_end(context, flight, ending.status, std::move(ending.error));
    co_return co_await std::move(finishing);
}

AsyncLock& CoordinatorService::Core::lock_of(const std::string& public_key) {
    constexpr std::size_t kLocksMax = 10'000;
    if (key_locks.size() >= kLocksMax) {
        std::erase_if(key_locks, [](const auto& one) { return one.second->load() == 0; });
    }
    auto& lock = key_locks[public_key];
    if (lock == nullptr) lock = std::make_unique<AsyncLock>();
    return *lock;
}

Task<Result<std::optional<CoordinatorService::Core::KeyNonces>>>
CoordinatorService::Core::nonces_of(
    std::string account_id, std::string public_key, std::uint64_t taken) {
    CO_TRY(const auto account, near::AccountId::parse(account_id));
    CO_TRY(const auto key, near::PublicKey::parse(public_key));
    auto asking = parts.chain.find_agreed_access_key(account, key);
    CO_TRY(const auto access, co_await std::move(asking));
    if (!access) co_return std::optional<KeyNonces>();
    KeyNonces out{access->nonce, false};
    if (taken <= access->nonce) co_return std::optional(out);
    auto unit = [&](storage::Transaction& tx) {
        return last_key_nonce(tx, account_id, public_key);
    };
    auto read = parts.database.read(unit);
    CO_TRY(const std::uint64_t last, co_await std::move(read));
    out.taken_is_free = last == taken;
    co_return std::optional(out);
}

// One that was taken before a crash is as good while it is free: what was not stored was not sent,
// and the same question gives the same bytes.
Task<Result<std::uint64_t>> CoordinatorService::Core::direct_nonce(
    StepContext& context, Flight& flight, const DirectUserScope& scope,
    const std::string& public_key) {
    const auto& earlier = flight.state.resume;
    const std::uint64_t taken = earlier && earlier->public_key == public_key ? earlier->nonce : 0;
    auto looking = nonces_of(scope.user_id, public_key, taken);
    CO_TRY(const auto nonces, co_await std::move(looking));
    if (!nonces) co_return Error::unavailable("the user's key is gone");
    if (nonces->taken_is_free) co_return taken;
    auto change = [&](storage::Transaction& tx, WorkflowRecord&, GateState& state) -> Result<void> {
        SentTransaction next;
        next.public_key = public_key;
        TRY(next.nonce, take_key_nonces(tx, scope.user_id, public_key, nonces->on_chain, 1));
        state.resume = std::move(next);
        return {};
    };
    auto taking = note(context, flight, "nonce_taken", change);
    CO_TRY_VOID(co_await std::move(taking));
    co_return flight.state.resume->nonce;
}

Task<StepResult> CoordinatorService::Core::direct_make(
    StepContext& context, Flight& flight, const DirectUserScope& scope,
    const api::PrepareFunctionCallKeyResponse& key) {
    auto waiting_for_turn = lock_of(key.public_key).take();
    const AsyncLock::Held held = co_await std::move(waiting_for_turn);
    auto taking = direct_nonce(context, flight, scope, key.public_key);
    CO_TRY(const std::uint64_t nonce, co_await std::move(taking));
    CO_TRY(const auto receiver, near::AccountId::parse(scope.receiver_id));
    auto counting = facts.agreed_view(receiver, "get_count", "{}");
    const auto before = co_await std::move(counting);
    auto counting_blocks = facts.final_heights();
    CO_TRY(const auto heights, co_await std::move(counting_blocks));
    if (!context.may_act()) co_return Error::conflict("another process drives the run", "run_lost");
    const std::string method = scope.method_names.front();
    const std::uint64_t gas = flight.record.direct_user_scope.find("gas")->as_uint64().value();
    api::SignScopedCallsRequest request;
    request.wallet_id = flight.record.wallet_id;
    request.user_id = scope.user_id;
    request.registry_id = scope.registry_id;
    request.receiver_id = scope.receiver_id;
    request.method_names = scope.method_names;
    request.override_nonce = nonce;
    api::FunctionCallAction action;
    action.method_name = method;
    action.args.args_json = "{}";
    action.gas = gas;
    action.deposit = "0";
    request.actions.push_back(std::move(action));
    auto signing = parts.keystore.sign_scoped_calls(std::move(request));
    const auto answer = co_await std::move(signing);
    if (!answer) {
        auto refusing =
            direct_refused(context, flight, answer.error(), "sign-scoped-function-calls");
        co_return co_await std::move(refusing);
    }
    const api::SignedTransactionResponse& made = *answer;
    const SentTransaction sent{
        key.public_key, nonce, made.signed_tx_base64, made.tx_hash, heights.newest};
    CO_TRY_VOID(check_signed(made, scope, sent, gas));
    auto change = [&](storage::Transaction& tx, WorkflowRecord& record,
                      GateState& state) -> Result<void> {
        // Whoever cancelled meanwhile was told that it is not sent.
        TRY(const auto run, workflow::find_run(tx, record.request_id));
        if (run && run->cancel_requested) return Error::conflict("it was cancelled", "cancelled");
        record.status = WorkflowStatus::Processing;
        record.direct_signed_txs = {made.signed_tx_base64};
        Json evidence = Json::object();
        evidence.set("public_key", text(key.public_key));
        evidence.set("key_label", text(key.key_label));
        evidence.set("tx_hash", text(made.tx_hash));
        evidence.set("signer_id", text(scope.user_id));
        evidence.set("receiver_id", text(scope.receiver_id));
        evidence.set("method_name", text(method));
        evidence.set("nonce", Json::unsigned_integer(nonce));
        evidence.set("before_count", count_of(before));
        record.direct_user_evidence = std::move(evidence);
        state.resume = sent;
        return {};
    };
    auto saving = save(context, flight, phase::kSubmit, "transaction_signed", change);
    const auto saved = co_await std::move(saving);
    if (!saved && saved.error().reason() == "cancelled") co_return StepOutcome::again();
    CO_TRY_VOID(saved);
    at(WorkflowPoint::AfterSubmitBytes, flight.record.request_id);
    flight.phase = phase::kSubmit;
    flight.phase_began = parts.executor.steady_now();
    flight.submit_sightings.assign(1, {});
    auto sending = direct_send(flight);
    co_await std::move(sending);
    co_return StepOutcome::again(options.poll_interval / 2);
}

Task<void> CoordinatorService::Core::direct_send(Flight& flight) {
    const SentTransaction sent = *flight.state.resume;
    at(WorkflowPoint::BeforeSubmit, flight.record.request_id);
    auto sending = send(sent);
    const auto outcome = co_await std::move(sending);
    at(WorkflowPoint::AfterSubmit, flight.record.request_id);
    Sighting& sighting = flight.submit_sightings.front();
    sighting.sent = outcome.kind != chain::NearSendOutcome::Kind::NotSent;
    sighting.refused = outcome.kind == chain::NearSendOutcome::Kind::Refused;
    sighting.sent_at = parts.executor.steady_now();
}

Task<StepResult> CoordinatorService::Core::direct_send_step(StepContext& context, Flight& flight) {
    const DirectUserScope scope = scope_of(flight.record.direct_user_scope);
    CO_TRY(const auto user, near::AccountId::parse(scope.user_id));
    CO_TRY(const auto hash, near::TransactionHash::parse(flight.state.resume->hash));
    auto finding = find_agreed(hash, user, ending_story());
    const auto found = co_await std::move(finding);
    if (!found) co_return again_later(flight, false);
    if (!*found) {
        auto waiting_on = direct_unseen(context, flight);
        co_return co_await std::move(waiting_on);
    }
    flight.submit_sightings.front().gone_since = 0;
    const chain::NearTransaction& seen = **found;
    const bool over = seen.status == chain::NearTransaction::Status::Success ||
                      seen.status == chain::NearTransaction::Status::Failure;
    if (!over || (!seen.execution_status.empty() && seen.execution_status != "FINAL")) {
        co_return again_later(flight, true);
    }
    auto concluding = direct_conclude(flight, scope, seen);
    CO_TRY(Ending ending, co_await std::move(concluding));
    if (flight.state.failed) {  // the record has ended, and stays so
        const bool good = ending.status == WorkflowStatus::Succeeded;
        const std::string how = good ? "yet it landed and succeeded" : "it landed: " + ending.error;
        ending.status = WorkflowStatus::Failed;
        ending.error = flight.record.user_visible_error + "; " + how;
    }
    auto finishing = finish(context, flight, std::move(ending));
    CO_TRY_VOID(co_await std::move(finishing));
    co_return StepOutcome::ended();
}

// Nobody knows it yet: the same bytes again, for a while. Then the record says so, and what may
// still happen is followed without sending.
Task<StepResult> CoordinatorService::Core::direct_unseen(StepContext& context, Flight& flight) {
    const SentTransaction sent = *flight.state.resume;
    const DirectUserScope scope = scope_of(flight.record.direct_user_scope);
    CO_TRY(const auto user, near::AccountId::parse(scope.user_id));
    CO_TRY(const auto key, near::PublicKey::parse(sent.public_key));
    Sighting& sighting = flight.submit_sightings.front();
    auto judging = is_dead(sent, user, key, sighting);
    const auto dead = co_await std::move(judging);
    if (!dead) co_return again_later(flight, false);
    if (*dead) {
        std::string why = "the transaction is dead: another one used its nonce, or it is too old";
        if (flight.state.failed) why = flight.record.user_visible_error + "; it never took effect";
        Ending ending{WorkflowStatus::Failed, std::move(why), {}};
        auto finishing = finish(context, flight, std::move(ending));
        CO_TRY_VOID(co_await std::move(finishing));
        co_return StepOutcome::ended();
    }
    if (flight.state.failed) co_return StepOutcome::again(kWatchLook);
    const base::SteadyTime now = parts.executor.steady_now();
    const bool cancelled = context.run().cancel_requested;
    if (cancelled || now - flight.phase_began > options.poll_timeout) {
        const char* how = sighting.refused ? "is refused by the nodes" : "is not seen";
        if (cancelled) how = "was cancelled after it was signed";
        const std::string why = fmt::format(
            "transaction {} {}; it may still land until block {}", sent.hash, how,
            sent.signed_at_height + options.validity_blocks);
        auto change = [&](storage::Transaction& tx, WorkflowRecord& record,
                          GateState& state) -> Result<void> {
            state.failed = true;
            record.status = WorkflowStatus::Failed;
            record.final_status = "failed";
            record.user_visible_error = why;
            return write_audit(tx, record, &state, "coordinator.workflow_failed");
        };
        auto saving = save(context, flight, phase::kWatch, "failed", change);
        CO_TRY_VOID(co_await std::move(saving));
        co_return StepOutcome::again(kWatchLook);
    }
    const base::Duration quiet =
        std::max<base::Duration>(options.poll_interval * 4, std::chrono::seconds(2));
    const bool silent = now - sighting.sent_at >= quiet;
    if ((!sighting.sent || silent) && context.may_act()) {
        metrics.resent.add();
        auto sending = direct_send(flight);
        co_await std::move(sending);
    }
    co_return again_later(flight, true);
}

Task<Result<Ending>> CoordinatorService::Core::direct_conclude(
    Flight& flight, const DirectUserScope& scope, const chain::NearTransaction& seen) {
    CO_TRY(const auto status, near::parse_transaction_status(seen.result));
    const auto outer = status.outer_receipt_id();
    const auto* const outcome = outer ? status.find_outcome(*outer) : nullptr;
    const auto* const last = outer ? status.find_final_outcome(*outer) : nullptr;
    Json evidence = flight.record.direct_user_evidence;
    bool good = seen.status == chain::NearTransaction::Status::Success && last != nullptr &&
                last->status.kind == near::ExecutionStatus::Kind::SuccessValue;
    std::string why = good ? std::string() : "the call failed";
    if (last != nullptr && last->status.kind == near::ExecutionStatus::Kind::Failure) {
        why = "the call failed: " + cut_text(last->status.error);
    }
    std::uint64_t height = 0;
    if (outcome != nullptr) {
        auto resolving = facts.height_of(outcome->block_hash);
        CO_TRY(height, co_await std::move(resolving));
        evidence.set("block_hash", text(outcome->block_hash.to_string()));
        evidence.set("block_height", Json::unsigned_integer(height));
    }
    Json after;
    CO_TRY(const auto receiver, near::AccountId::parse(scope.receiver_id));
    for (int look = 0; look < 5 && after.is_null(); ++look) {
        auto calling = parts.chain.call_agreed_function(receiver, "get_count", {'{', '}'});
        const auto view = co_await std::move(calling);
        if (view && view->block_height >= height) {
            const auto json = Json::parse(base::as_text(view->result));
            if (json && json->is_number()) after = *json;
            break;
        }
        auto pause = base::sleep_for(parts.executor, options.poll_interval);
        co_await std::move(pause);
    }
    const Json* const before = evidence.find("before_count");
    const auto from = before != nullptr ? before->as_int64() : Json().as_int64();
    const auto to = after.as_int64();
    evidence.set("after_count", after);
    evidence.set("count_delta_ok", Json::boolean(from && to && *to == *from + 1));
    if (good && from && to && *to < *from + 1) {
        good = false;
        why = "the call succeeded, and the count did not rise";
    }
    evidence.set("receipt_status", text(good ? "success" : "failure"));
    evidence.set("predecessor_model", text("user"));
    evidence.set("final_status", text(good ? "success" : "failed"));
    flight.record.direct_user_evidence = std::move(evidence);
    co_return Ending{good ? WorkflowStatus::Succeeded : WorkflowStatus::Failed, why, {}};
}

}  // namespace adyton::coordinator
