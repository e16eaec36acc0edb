#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "coordinator/internal/core.h"
#include "coordinator/internal/refusals.h"
#include "near/compact_json.h"
#include "near/delegate.h"
#include "near/intents.h"
#include "near/nonce.h"

// From an accepted request to signed delegates: the policy, the queue, the signatures.
namespace adyton::coordinator {

using base::Json;
using workflow::StepContext;
using workflow::StepOutcome;

namespace {

// Signed delegates of a batch must outlive signing and submitting.
constexpr std::uint64_t kSubmitHeadroomBlocks = 5;
// A batch is submitted, resumed and dispatched before its calls run: no sooner than this.
constexpr auto kDeadlineHeadroom = std::chrono::microseconds(std::chrono::seconds(3));
constexpr base::Duration kNonceMargin = std::chrono::seconds(60);
constexpr base::Duration kPlaceLife = std::chrono::minutes(6);
constexpr base::Duration kQueueLook = std::chrono::seconds(10);

constexpr const char* kHeldBack = "held_back";

std::string text_member(const Json& json, std::string_view name) {
    const Json* const found = json.find(name);
    return found != nullptr && found->is_string() ? found->string_value() : std::string();
}

std::optional<GateStandstill> standstill_of(const Json& evidence) {
    const Json* const held = evidence.find(kHeldBack);
    const Json* const since = held == nullptr ? nullptr : held->find("since_block");
    if (since == nullptr) return std::nullopt;
    const auto block = since->as_uint64();
    if (!block) return std::nullopt;
    return GateStandstill{text_member(*held, "intent_id"), *block};
}

// `list`: what the request calls them.
std::optional<Ending> check_signers(const GateState& state, std::string_view list) {
    for (std::size_t i = 0; i < state.calls.size(); ++i) {
        const auto& signer = state.calls[i].own_signer;
        if (!signer || *signer == state.wallet_account) continue;
        return Ending{
            WorkflowStatus::Rejected,
            fmt::format("{}[{}].near_intents.signer_id is not the wallet's account", list, i),
            {}};
    }
    return std::nullopt;
}

// Tokens inside the intents contract that the calls move.
std::vector<std::string> tokens_of(const GateState& state) {
    std::set<std::string> tokens;
    for (const GateCall& call : state.calls) {
        if (!call.is_intents_call()) continue;
        for (const Json& action : call.actions.items()) {
            for (const char* const name : {"token", "token_out"}) {
                const std::string token = text_member(action, name);
                if (token.find(':') != std::string::npos) tokens.insert(token);
            }
        }
    }
    return {tokens.begin(), tokens.end()};
}

base::Timestamp time_of(const chain::NearBlock& block) {
    return base::Timestamp(std::chrono::microseconds(block.timestamp_ns / 1000));
}

near::MessageNonce new_nonce(
    const std::optional<near::IntentsSalt>& salt, base::Timestamp deadline,
    base::RandomSource& random) {
    if (salt) {
        const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(kNonceMargin);
        return near::VersionedNonce::create(*salt, deadline + micros, random).encode();
    }
    near::MessageNonce nonce;
    random.fill(nonce.bytes);
    return nonce;
}

}  // namespace

void forget_held_back(WorkflowRecord& record) {
    if (record.dispatch_evidence.find(kHeldBack) == nullptr) return;
    Json rest = Json::object();
    for (const auto& [name, value] : record.dispatch_evidence.members()) {
        if (name != kHeldBack) rest.set(name, value);
    }
    record.dispatch_evidence = std::move(rest);
}

Ending ending_of(const Error& error, std::string_view what) {
    const bool denied = is_denial(error);
    return {
        denied ? WorkflowStatus::PolicyDenied : WorkflowStatus::Failed,
        denied ? error.message() : fmt::format("keystore {}: {}", what, error.message()),
        {}};
}

std::optional<std::string> late_deadline(const GateState& state, const chain::NearBlock& block) {
    for (const GateCall& call : state.calls) {
        if (call.deadline.empty()) continue;
        const auto deadline = base::parse_rfc3339(call.deadline);
        if (deadline && *deadline > time_of(block) + kDeadlineHeadroom) continue;
        return fmt::format("the intents deadline {} is over or too near", call.deadline);
    }
    return std::nullopt;
}

Task<Result<CoordinatorService::Core::Wallet>> CoordinatorService::Core::wallet_of(
    const std::string& wallet_id) {
    {
        const std::lock_guard lock(wallets_mutex);
        const auto known = wallets.find(wallet_id);
        if (known != wallets.end()) co_return known->second;
    }
    auto asking = ask_wallet(wallet_id);
    CO_TRY(const Wallet wallet, co_await std::move(asking));
    constexpr std::size_t kWalletsMax = 100'000;
    const std::lock_guard lock(wallets_mutex);
    if (wallets.size() >= kWalletsMax) wallets.clear();
    wallets[wallet_id] = wallet;
    co_return wallet;
}

Task<Result<CoordinatorService::Core::Wallet>> CoordinatorService::Core::ask_wallet(
    std::string wallet_id) {
    api::DeriveAddressRequest request;
    request.wallet_id = std::move(wallet_id);
    request.chain = "near";
    auto asking = parts.keystore.derive_address(std::move(request));
    CO_TRY(const auto answer, co_await std::move(asking));
    // The one field with hex in it: the account is the key (near.md 0, finding 8).
    CO_TRY(const auto account, near::AccountId::parse(answer.address));
    const auto key = account.implicit_key();
    if (!key)
        co_return Error::corrupt_data("the keystore gave an address that is no implicit account");
    if (answer.public_key != "ed25519:" + answer.address) {
        co_return Error::corrupt_data("the keystore's address and public key differ");
    }
    co_return Wallet{account.text(), near::PublicKey(*key).to_string()};
}

// Every action of every call, before the first signature: those that are alike are one question. A
// denial ends the workflow.
Task<Result<std::optional<Ending>>> CoordinatorService::Core::ask_policy(
    const WorkflowRecord& record, const GateState& state, Json& decisions) {
    std::map<std::string, api::CheckPolicyResponse> answers;  // action to what was said of it
    for (std::size_t i = 0; i < state.calls.size(); ++i) {
        const std::vector<Json>& actions = state.calls[i].actions.items();
        for (const Json& action : actions) {
            const auto [known, fresh] = answers.try_emplace(action.dump());
            if (fresh) {
                api::CheckPolicyRequest request;
                request.wallet_id = record.wallet_id;
                request.action = action;
                auto asking = parts.keystore.check_policy(std::move(request));
                CO_TRY(known->second, co_await std::move(asking));
            }
            const api::CheckPolicyResponse& answer = known->second;
            const bool needs = answer.requires_approval.value_or(false) && !bug(kIgnoreApproval);
            const bool allowed = (answer.allowed && !answer.frozen && !needs) || bug(kIgnoreDenial);
            Json decision = Json::object();
            decision.set("call_index", Json::unsigned_integer(i));
            decision.set("type", Json::string(text_member(action, "type")));
            decision.set("allowed", Json::boolean(allowed));
            decision.set("rule", Json::string(answer.rule));
            decisions.push_back(std::move(decision));
            if (allowed) continue;
            std::string why = answer.reason.value_or("the policy does not allow it");
            if (answer.frozen) why = "wallet_frozen";
            if (answer.allowed && !answer.frozen && needs) {
                why = fmt::format("requires {} approvals", answer.required_approvals.value_or(1));
            }
            co_return std::optional<Ending>(
                Ending{WorkflowStatus::PolicyDenied, cut_text(std::move(why)), {}});
        }
    }
    co_return std::optional<Ending>();
}

Task<Result<void>> CoordinatorService::Core::check_gate(
    const WorkflowRecord& record, GateState& state) {
    bool may_move = record.endpoint != kBatchEndpoint && options.gates.size() > 1;
    for (;;) {
        CO_TRY(const auto gate_id, near::AccountId::parse(state.gate_id));
        Result<void> checked;
        const bool known = facts.is_unreadable(gate_id);
        if (!known || !may_move) {
            auto checking = facts.check_gate(gate_id, state.calls.size());
            checked = co_await std::move(checking);
            const bool unreadable = !checked && facts.is_unreadable(gate_id);
            if (unreadable && !known) {
                parts.logger.warning(
                    "a gate cannot be read",
                    {{"gate_id", state.gate_id}, {"error", checked.error().message()}});
            }
            if (!unreadable || !may_move) co_return checked;
        }
        // Once: nodes that are away would be waited for at every gate.
        may_move = false;
        auto choosing = choose_gate(std::nullopt, record.request_id);
        const auto other = co_await std::move(choosing);
        const bool moves = other && *other != state.gate_id;
        if (!moves && !checked) co_return checked;
        if (!moves) continue;
        has_arrived(state.gate_id, record.request_id);
        state.gate_id = *other;
    }
}

Task<StepResult> CoordinatorService::Core::policy_step(StepContext& context, Flight& flight) {
    at(WorkflowPoint::BeforePolicy, flight.record.request_id);
    GateState state = flight.state;
    std::optional<Ending> ending;
    auto asking_wallet = wallet_of(flight.record.wallet_id);
    const auto wallet = co_await std::move(asking_wallet);
    if (!wallet && !is_final_refusal(wallet.error())) co_return wallet.error();
    if (!wallet) ending = ending_of(wallet.error(), "derive-address");
    Json decisions = Json::array();
    if (!ending) {
        state.wallet_account = wallet->account;
        state.wallet_key = wallet->public_key;
        state.relayer_id = keys.relayer.text();
        state.approver_id = keys.approver.text();
        ending = check_signers(state, flight.record.endpoint == kBatchEndpoint ? "calls" : "steps");
    }
    if (!ending && !bug(kSignBeforePolicy)) {
        auto asking = ask_policy(flight.record, state, decisions);
        auto denied = co_await std::move(asking);
        if (!denied && !is_final_refusal(denied.error())) co_return denied.error();
        ending = denied ? *std::move(denied) : ending_of(denied.error(), "check-policy");
    }
    if (!ending) {
        auto checking = check_gate(flight.record, state);
        const auto checked = co_await std::move(checking);
        if (!checked && checked.error().reason() != "gate_drift") co_return checked.error();
        if (!checked) ending = Ending{WorkflowStatus::Failed, checked.error().message(), {}};
    }
    flight.record.policy_decisions = decisions;
    if (ending) {
        has_arrived(state.gate_id, flight.record.request_id);
        auto finishing = finish(context, flight, *std::move(ending));
        CO_TRY_VOID(co_await std::move(finishing));
        co_return StepOutcome::ended();
    }
    const auto enter = [&state](storage::Transaction& tx, WorkflowRecord& record) {
        record.status = WorkflowStatus::Processing;
        return lane::enter(
            tx, state.gate_id, record.request_id, static_cast<std::int64_t>(state.calls.size()));
    };
    auto before = [&](storage::Transaction& tx, WorkflowRecord& record, GateState&) {
        return enter(tx, record);
    };
    auto trying = place_at_once(context, flight, state, before);
    CO_TRY(const bool placed, co_await std::move(trying));
    if (placed) {
        has_arrived(state.gate_id, flight.record.request_id);
        at(WorkflowPoint::AfterPolicy, flight.record.request_id);
        co_return StepOutcome::again();
    }
    lane::Turn turn;
    auto change = [&](storage::Transaction& tx, WorkflowRecord& record,
                      GateState& its_state) -> Result<void> {
        its_state = state;
        TRY_VOID(enter(tx, record));
        TRY(turn, lane::turn_of(tx, record.request_id, places()));
        return {};
    };
    auto saving = save(context, flight, phase::kQueued, "policy_allowed", change);
    CO_TRY_VOID(co_await std::move(saving));
    keep_waiting(state.gate_id, flight.record.request_id, turn.position);
    has_arrived(state.gate_id, flight.record.request_id);
    at(WorkflowPoint::AfterPolicy, flight.record.request_id);
    co_return StepOutcome::again();
}

// Where nobody waits: in and through the queue in one unit, if there is room and the gate moves.
Task<Result<bool>> CoordinatorService::Core::place_at_once(
    StepContext& context, Flight& flight, const GateState& state, Change before) {
    if (!waiting[state.gate_id].empty()) co_return false;
    CO_TRY(const auto gate_id, near::AccountId::parse(state.gate_id));
    auto looking = facts.standstill(gate_id);
    const auto standstill = co_await std::move(looking);
    if (!standstill || *standstill) co_return false;
    auto preparing = prepare(state);
    auto prepared = co_await std::move(preparing);
    if (!prepared) co_return false;
    auto placing = place(context, flight, *std::move(prepared), std::move(before));
    const auto placed = co_await std::move(placing);
    if (!placed && placed.error().reason() == "no_place") co_return false;
    CO_TRY_VOID(placed);
    co_return true;
}

// Waits for its place in the gate's queue; then decides what is to be signed, so that signatures
// are no older than they must be.
Task<StepResult> CoordinatorService::Core::queued_step(StepContext& context, Flight& flight) {
    const std::string id = flight.record.request_id;
    auto unit = [&](storage::Transaction& tx) { return lane::turn_of(tx, id, places()); };
    auto looking = parts.database.read(unit);
    CO_TRY(const lane::Turn turn, co_await std::move(looking));
    // The database alone says whose turn it is; how often it is asked is decided by what this
    // process knows of the queue. Sooner when a place is free: nudge_waiting().
    const bool soon = keep_waiting(flight.state.gate_id, id, turn.position);
    if (!turn.now) co_return StepOutcome::again(soon ? options.poll_interval : kQueueLook);
    const bool told = standstill_of(flight.record.dispatch_evidence).has_value();
    auto holding = held_back(context, flight);
    const auto held = co_await std::move(holding);
    // Whoever waits for hours does not fail of a node that is away now and then.
    const bool chain_away = !held && held.error().reason() != "run_lost";
    if (!held && !(told && chain_away)) co_return held.error();
    if (!held || *held) {
        auto waiting_on = wait_held_back(context, flight);
        co_return co_await std::move(waiting_on);
    }
    auto preparing = prepare(flight.state);
    CO_TRY(GateState state, co_await std::move(preparing));
    auto placing = place(context, flight, std::move(state), {});
    const auto placed = co_await std::move(placing);
    if (!placed && placed.error().reason() == "no_place") {
        co_return StepOutcome::again(options.poll_interval);
    }
    CO_TRY_VOID(placed);
    stop_waiting(flight.state.gate_id, id);
    co_return StepOutcome::again();
}

Task<Result<bool>> CoordinatorService::Core::held_back(StepContext& context, Flight& flight) {
    CO_TRY(const auto gate_id, near::AccountId::parse(flight.state.gate_id));
    const auto told = standstill_of(flight.record.dispatch_evidence);
    if (told) facts.recall(gate_id, *told);
    auto looking = facts.standstill(gate_id);
    CO_TRY(const auto standstill, co_await std::move(looking));
    if (!standstill) co_return false;
    if (told && told->intent_id == standstill->intent_id) co_return true;
    auto change = [&](storage::Transaction&, WorkflowRecord& record, GateState&) {
        record.dispatch_evidence.set(
            kHeldBack, Json::object()
                           .set("reason", Json::string(standstill_text(gate_id, *standstill)))
                           .set("since_block", Json::unsigned_integer(standstill->since_block))
                           .set("intent_id", Json::string(standstill->intent_id)));
        return Result<void>();
    };
    auto noting = note(context, flight, kHeldBack, change);
    CO_TRY_VOID(co_await std::move(noting));
    co_return true;
}

// As long as the deadlines that the request brought allow; others are set when it has its place.
Task<StepResult> CoordinatorService::Core::wait_held_back(StepContext& context, Flight& flight) {
    GateState asked = flight.state;
    for (GateCall& call : asked.calls) call.deadline = call.own_deadline.value_or("");
    auto blocking = facts.final_block();
    const auto block = co_await std::move(blocking);
    if (!block) co_return again_later(flight, false);
    const auto late = late_deadline(asked, *block);
    if (!late) co_return again_later(flight, true);
    Ending ending{WorkflowStatus::Failed, *late + "; nothing was signed", {}};
    if (const auto why = standstill_of(flight.record.dispatch_evidence)) {
        CO_TRY(const auto gate_id, near::AccountId::parse(flight.state.gate_id));
        ending.error += "; " + standstill_text(gate_id, *why);
    }
    auto finishing = finish(context, flight, std::move(ending));
    CO_TRY_VOID(co_await std::move(finishing));
    co_return StepOutcome::ended();
}

Task<Result<GateState>> CoordinatorService::Core::prepare(GateState state) {
    auto blocking = facts.final_block();
    CO_TRY(const auto block, co_await std::move(blocking));
    auto salting = facts.salt();
    CO_TRY(const auto salt, co_await std::move(salting));
    const std::vector<std::string> tokens = tokens_of(state);
    Json balances = Json::object();
    if (!tokens.empty()) {
        auto asking = facts.intents_balances(state.wallet_account, tokens);
        if (const auto before = co_await std::move(asking)) {
            for (const auto& [token, amount] : before->amounts) {
                balances.set(token, Json::string(amount.to_string()));
            }
        }
    }
    const base::Timestamp chain_now = time_of(block);
    const auto life =
        std::chrono::duration_cast<std::chrono::microseconds>(options.intents_deadline);
    CO_TRY(const auto account, near::AccountId::parse(state.wallet_account));
    for (GateCall& call : state.calls) {
        if (!call.is_intents_call()) continue;
        base::Timestamp deadline = chain_now + life;
        call.deadline = near::deadline_text(deadline);
        if (call.own_deadline) {
            CO_TRY(deadline, base::parse_rfc3339(*call.own_deadline));
            call.deadline = *call.own_deadline;
        }
        call.message = near::intents_message_text(account, call.deadline, call.intents);
        call.nonce_base64 = new_nonce(salt, deadline, parts.random).to_base64();
    }
    state.balances_before = std::move(balances);
    co_return state;
}

Task<Result<void>> CoordinatorService::Core::place(
    StepContext& context, Flight& flight, GateState state, Change before) {
    auto change = [&](storage::Transaction& tx, WorkflowRecord& record,
                      GateState& its_state) -> Result<void> {
        if (before) {
            TRY_VOID(before(tx, record, its_state));
        }
        TRY(const base::Timestamp now, tx.now());
        const auto until = now + std::chrono::duration_cast<std::chrono::microseconds>(kPlaceLife);
        TRY(const bool placed, lane::take_place(tx, record.request_id, places(), until));
        if (!placed) return Error::conflict("no place in the gate's queue yet", "no_place");
        its_state = state;
        TRY(std::uint64_t nonce, take_delegate_nonces(tx, record.wallet_id, state.calls.size()));
        for (GateCall& call : its_state.calls) call.delegate_nonce = nonce++;
        record.proxy_predecessor = true;
        forget_held_back(record);
        return {};
    };
    auto saving = record_change(
        context, flight, std::string(phase::kNep413), "placed", change,
        before ? "policy_allowed" : "");
    CO_TRY_VOID(co_await std::move(saving));
    flight.nothing_signed = true;
    co_return Result<void>();
}

// The MultiPayload as text; what goes into the call is set in `call`.
Task<Result<std::string>> CoordinatorService::Core::sign_payload(
    const std::string& wallet_id, GateCall& call, const GateState& state) {
    api::SignNep413Request request;
    request.wallet_id = wallet_id;
    request.chain = "near";
    request.message = call.message;
    request.nonce_base64 = call.nonce_base64;
    request.recipient = options.intents_contract.text();
    auto signing = parts.keystore.sign_nep413(std::move(request));
    CO_TRY(const auto answer, co_await std::move(signing));
    const Error wrong = Error::corrupt_data("the keystore signed something else than was asked");
    const auto key = near::PublicKey::parse(answer.public_key);
    const auto signature = near::Signature::parse(answer.signature_base58);
    CO_TRY(const auto nonce, near::MessageNonce::parse_base64(call.nonce_base64));
    if (!key || !signature || key->to_string() != state.wallet_key) co_return wrong;
    const near::SignedMessage message{
        {call.message, nonce, options.intents_contract.text(), std::nullopt}, *key, *signature};
    if (!near::verify(message)) co_return wrong;
    call.intent_hash = near::hash(message.payload).to_string();
    std::vector<near::MultiPayload> payloads = {near::MultiPayload::of(message)};
    if (call.counterparties.is_array()) {
        const std::vector<Json>& theirs = call.counterparties.items();
        for (const Json& payload : theirs) {
            CO_TRY(auto parsed, near::parse_multi_payload(payload));
            payloads.push_back(std::move(parsed));
        }
    }
    call.args_base64 = base::base64_encode(base::as_bytes(near::execute_intents_args(payloads)));
    co_return near::compact_json(near::to_json(message));
}

Task<StepResult> CoordinatorService::Core::nep413_step(StepContext& context, Flight& flight) {
    const std::string id = flight.record.request_id;
    GateState state = flight.state;
    auto looking = facts.final_block();
    CO_TRY(const auto first_block, co_await std::move(looking));
    // An earlier try, perhaps of another process, may have got some signed.
    const bool first_try = std::exchange(flight.nothing_signed, false);
    if (const auto late = late_deadline(state, first_block)) {
        const std::string live = first_try ? std::string() : live_payloads(state, phase::kNep413);
        const std::string why = *late + "; nothing was submitted";
        Ending ending{WorkflowStatus::Failed, join_text(why, live), {}};
        auto finishing = finish(context, flight, std::move(ending));
        CO_TRY_VOID(co_await std::move(finishing));
        co_return StepOutcome::ended();
    }
    std::vector<std::string> payloads;
    for (GateCall& call : state.calls) {
        if (!call.is_intents_call()) {
            call.args_base64 = call.raw_args.value_or("");
            continue;
        }
        if (bug(kNewPayloadOnRetry)) {
            call.nonce_base64 =
                new_nonce(std::nullopt, parts.executor.now(), parts.random).to_base64();
        }
        at(WorkflowPoint::BeforeSignPayload, id);
        auto signing = sign_payload(flight.record.wallet_id, call, state);
        auto payload = co_await std::move(signing);
        at(WorkflowPoint::AfterSignPayload, id);
        if (!payload && !is_final_refusal(payload.error())) co_return payload.error();
        if (!payload) {
            Ending ending = ending_of(payload.error(), "sign-nep413");
            const auto how_far = first_try ? phase::kDelegate : phase::kNep413;
            ending.error = join_text(std::move(ending.error), live_payloads(state, how_far));
            auto finishing = finish(context, flight, std::move(ending));
            CO_TRY_VOID(co_await std::move(finishing));
            co_return StepOutcome::ended();
        }
        payloads.push_back(*std::move(payload));
    }
    auto blocking = facts.final_block();
    CO_TRY(const auto block, co_await std::move(blocking));
    for (GateCall& call : state.calls) {
        call.max_block_height = block.height + options.delegate_validity_blocks;
    }
    auto change = [&](storage::Transaction&, WorkflowRecord& record,
                      GateState& its_state) -> Result<void> {
        its_state = state;
        record.signed_nep413_payloads = payloads;
        Json hashes = Json::array();
        for (const GateCall& call : state.calls) {
            hashes.push_back(call.intent_hash.empty() ? Json() : Json::string(call.intent_hash));
        }
        record.dispatch_evidence.set("intent_hashes", std::move(hashes));
        record.dispatch_evidence.set("gate_id", Json::string(state.gate_id));
        return {};
    };
    auto saving = save(context, flight, phase::kDelegate, "payloads_signed", change);
    CO_TRY_VOID(co_await std::move(saving));
    co_return StepOutcome::again();
}

Task<Result<std::string>> CoordinatorService::Core::sign_delegate(
    const std::string& wallet_id, GateCall& call, const GateState& state, std::uint64_t height) {
    CO_TRY(const auto sender, near::AccountId::parse(state.wallet_account));
    CO_TRY(const auto receiver, near::AccountId::parse(call.receiver_id));
    CO_TRY(const auto key, near::PublicKey::parse(state.wallet_key));
    CO_TRY(const auto args, base::base64_decode(call.args_base64));
    CO_TRY(const auto deposit, near::YoctoNear::parse(call.deposit));
    near::DelegateAction wanted{
        sender,
        receiver,
        {near::FunctionCall{call.method_name, args, near::Gas(call.gas), deposit}},
        call.delegate_nonce,
        call.max_block_height,
        key};
    api::SignDelegateRequest request;
    request.wallet_id = wallet_id;
    request.sender_id = state.wallet_account;
    request.receiver_id = call.receiver_id;
    request.method_name = call.method_name;
    if (call.is_intents_call()) {
        request.args.args_json = std::string(base::as_text(args));
    } else if (!args.empty()) {
        request.args.args_base64 = call.args_base64;
    }
    request.gas = call.gas;
    request.deposit = call.deposit;
    request.nonce = call.delegate_nonce;
    request.max_block_height = call.max_block_height;
    request.current_block_height = height;
    auto signing = parts.keystore.sign_delegate(std::move(request));
    CO_TRY(const auto answer, co_await std::move(signing));
    const auto made = near::parse_signed_delegate_base64(answer.signed_delegate_base64);
    const Error wrong = Error::corrupt_data("the keystore signed another delegate than was asked");
    if (!made || !(made->delegate_action == wanted)) co_return wrong;
    const auto checked = near::check_gate_rules(*made, {options.submit_gas, height});
    if (!checked) co_return near::verify(*made) ? checked.error() : wrong;
    call.delegate_hash = near::hash(made->delegate_action).to_string();
    co_return answer.signed_delegate_base64;
}

// A dry run of each call that is one to the intents contract. What fails, in words.
Task<Result<std::optional<std::string>>> CoordinatorService::Core::simulate(
    const GateState& state, Json& simulations) {
    for (std::size_t i = 0; i < state.calls.size(); ++i) {
        const GateCall& call = state.calls[i];
        if (!call.is_intents_call()) continue;
        CO_TRY(const auto args, base::base64_decode(call.args_base64));
        auto asking = facts.view(
            options.intents_contract, "simulate_intents", std::string(base::as_text(args)));
        const auto answer = co_await std::move(asking);
        const bool failed = !answer && answer.error().code() == ErrorCode::Unprocessable;
        if (!answer && !failed && answer.error().code() != ErrorCode::CorruptData) {
            co_return answer.error();
        }
        Json row = Json::object();
        row.set("call_index", Json::unsigned_integer(i));
        row.set("ok", Json::boolean(!failed));
        row.set("error", failed ? Json::string(cut_text(answer.error().message())) : Json());
        simulations.push_back(std::move(row));
        // Later calls may need what earlier ones bring.
        if (failed && i == 0) {
            co_return std::optional<std::string>(
                "simulation of call 0 failed: " + answer.error().message());
        }
    }
    co_return std::optional<std::string>();
}

Task<StepResult> CoordinatorService::Core::delegate_step(StepContext& context, Flight& flight) {
    const std::string id = flight.record.request_id;
    auto blocking = facts.final_block();
    CO_TRY(const auto block, co_await std::move(blocking));
    GateState state = flight.state;
    std::optional<Ending> ending;
    if (block.height + kSubmitHeadroomBlocks > state.last_max_block_height()) {
        ending = Ending{
            WorkflowStatus::Failed, "the delegates expired before they could be submitted", {}};
    }
    if (const auto late = late_deadline(state, block); late && !ending) {
        ending = Ending{WorkflowStatus::Failed, *late + "; nothing was submitted", {}};
    }
    Json simulations = Json::array();
    if (!ending && options.simulate_intents) {
        auto simulating = simulate(state, simulations);
        CO_TRY(auto failure, co_await std::move(simulating));
        if (failure) ending = Ending{WorkflowStatus::Failed, cut_text(*std::move(failure)), {}};
    }
    std::vector<std::string> delegates;
    for (std::size_t i = 0; !ending && i < state.calls.size(); ++i) {
        if (bug(kNewNonceOnRetry)) {
            state.calls[i].delegate_nonce =
                static_cast<std::uint64_t>(parts.executor.now().time_since_epoch().count()) + i + 7;
        }
        at(WorkflowPoint::BeforeSignDelegate, id);
        auto signing = sign_delegate(flight.record.wallet_id, state.calls[i], state, block.height);
        auto delegate = co_await std::move(signing);
        at(WorkflowPoint::AfterSignDelegate, id);
        if (!delegate && !is_final_refusal(delegate.error())) co_return delegate.error();
        if (!delegate) {
            ending = ending_of(delegate.error(), "sign-nep366-delegate");
        } else {
            delegates.push_back(*std::move(delegate));
        }
    }
    if (ending) {
        auto finishing =
            end_unsubmitted(context, flight, state, *std::move(ending), std::move(simulations));
        co_return co_await std::move(finishing);
    }
    std::vector<std::size_t> all;
    for (std::size_t i = 0; i < state.calls.size(); ++i) all.push_back(i);
    auto change = [&](storage::Transaction&, WorkflowRecord& record,
                      GateState& its_state) -> Result<void> {
        its_state = state;
        record.signed_nep366_delegates = delegates;
        if (simulations.size() > 0) record.dispatch_evidence.set("simulations", simulations);
        return {};
    };
    auto submitting = submit_calls(context, flight, std::move(all), change, "delegates_signed");
    const auto submitted = co_await std::move(submitting);
    if (!submitted && submitted.error().reason() == "late_deadline") {
        Ending late{
            WorkflowStatus::Failed, submitted.error().message() + "; nothing was submitted", {}};
        auto finishing =
            end_unsubmitted(context, flight, state, std::move(late), std::move(simulations));
        co_return co_await std::move(finishing);
    }
    CO_TRY_VOID(submitted);
    co_return StepOutcome::again(options.poll_interval / 2);
}

Task<StepResult> CoordinatorService::Core::end_unsubmitted(
    StepContext& context, Flight& flight, const GateState& state, Ending ending, Json simulations) {
    ending.error = join_text(std::move(ending.error), live_payloads(state, phase::kDelegate));
    if (simulations.size() > 0) {
        ending.evidence = flight.record.dispatch_evidence;
        ending.evidence.set("simulations", std::move(simulations));
    }
    auto finishing = finish(context, flight, std::move(ending));
    CO_TRY_VOID(co_await std::move(finishing));
    co_return StepOutcome::ended();
}

}  // namespace adyton::coordinator
