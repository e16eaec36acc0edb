#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "audit/checkpoint.h"
#include "coordinator/coordinator_service.h"
#include "coordinator/gate_facts.h"
#include "coordinator/gate_state.h"
#include "coordinator/internal/board.h"
#include "coordinator/internal/key_lanes.h"
#include "coordinator/planted_bugs.h"
#include "coordinator/record.h"
#include "coordinator/repository.h"
#include "coordinator/request.h"
#include "coordinator/webhook_outbox.h"
#include "near/gate.h"
#include "workflow/journal.h"
#include "workflow/periodic.h"
#include "workflow/step_runner.h"

namespace adyton::coordinator {

inline constexpr std::string_view kGateRunKind = "coordinator.gate";
inline constexpr std::string_view kDirectRunKind = "coordinator.direct_user";

using StepResult = Result<workflow::StepOutcome>;

// What is known of one transaction that was sent and not seen, in this process.
struct Sighting {
    bool sent = false;       // in this life
    bool refused = false;    // by the node that was asked last
    bool under_way = false;  // known, and not decided, at the last look
    base::SteadyTime sent_at{};
    std::uint64_t gone_since = 0;  // height at which it first looked dead; zero: not yet
};

// What a quorum of nodes says of a submit that they know.
struct SubmitNews {
    near::GateState kind = near::GateState::Pending;
    std::optional<near::IntentId> intent_id;  // Done
    std::uint64_t height = 0;                 // Done: of the block that the intent lives from
    std::string error;                        // Failed
    std::optional<near::TransactionStatus> status;
};

// What this process knows of a run that it drives; gone with the process.
struct Flight {
    Flight(std::int64_t its_fencing, WorkflowRecord its_record)
        : fencing(its_fencing), record(std::move(its_record)) {
        record.internal_state.clear();
    }
    void set_state(GateState its_state) {
        state = std::move(its_state);
        submit_sightings.resize(state.calls.size());
        submits.resize(state.calls.size());
        submits_final_at.resize(state.calls.size());
    }

    std::int64_t fencing = 0;
    WorkflowRecord record;  // its internal_state is empty: `state` is that
    GateState state;

    std::vector<Sighting> submit_sightings;  // of state.calls
    Sighting resume_sighting;
    std::vector<std::optional<near::TransactionStatus>> submits;
    std::optional<near::TransactionStatus> resume;
    // Heights that were final before each of them was read; zero: nobody asked.
    std::vector<std::uint64_t> submits_final_at;
    std::uint64_t resume_final_at = 0;
    base::SteadyTime phase_began{};
    std::string phase;
    bool too_late = false;  // the deadline of a payload is over, before all submits are decided
    bool gate_released = false;
    bool read_final = false;  // everything was read after it was final
    // It has its place since a moment ago: the keystore was not asked for a signature yet, neither
    // by this process nor by one before.
    bool nothing_signed = false;
    unsigned doubts = 0;    // times that all calls had succeeded and the evidence did not hold
    unsigned failures = 0;  // of asking the chain, in a row
    base::SteadyTime resumed_at{};
    std::optional<base::SteadyTime> resume_again_at;  // a foreign batch holds the gate
    // The gate asked for more than its last resume paid: the gate's words, and the block.
    std::string fee_refusal;
    std::uint64_t fee_refused_at = 0;
};

struct CoordinatorMetrics {
    service::Counter& accepted;
    service::Counter& replayed;
    service::Counter& succeeded;
    service::Counter& failed;
    service::Counter& resent;
    service::Counter& resigned;
    service::Counter& foreign_batches;
};

// A change of a workflow inside the unit of work that advances its run. May run twice: everything
// it changes is what it is given.
using Change = std::function<Result<void>(storage::Transaction&, WorkflowRecord&, GateState&)>;

// How a workflow ends.
struct Ending {
    WorkflowStatus status = WorkflowStatus::Failed;
    std::string error;
    base::Json evidence;  // null: as it is
};

struct CoordinatorService::Core {
    Core(CoordinatorParts its_parts, CoordinatorKeys its_keys, CoordinatorOptions its_options);

    CoordinatorParts parts;
    const CoordinatorOptions options;
    const CoordinatorKeys keys;
    const crypto::Ed25519KeyPair evidence_key;
    CoordinatorMetrics metrics;
    ChainFacts facts;
    std::vector<std::unique_ptr<KeyLane>> relayer_lanes;
    KeyLane approver_lane;
    audit::Checkpoints checkpoints;
    workflow::PeriodicRunner periodic;
    workflow::StepRunner runner;
    std::shared_ptr<NewsBoard> board;
    std::unique_ptr<WebhookOutbox> outbox;  // null: nobody is told
    std::atomic<bool> ready{false};

    struct Wallet {
        std::string account;
        std::string public_key;
    };
    std::mutex wallets_mutex;
    std::unordered_map<std::string, Wallet> wallets;

    // On the runner's executor:
    std::unordered_map<std::string, std::shared_ptr<Flight>> flights;  // shared with running steps
    // Gate to queued runs, by their positions in the database.
    struct Queued {
        std::string request_id;
        base::SteadyTime looked_at;
    };
    std::map<std::string, std::map<std::int64_t, Queued>> waiting;
    std::size_t next_relayer = 0;
    std::map<std::string, std::set<std::string>> ready_runs;  // gate to runs that wait for it
    std::vector<SentTransaction> early_submits;               // of a planted bug
    bool early_resume_done = false;
    // By public key, of keys that the keystore holds.
    std::map<std::string, std::unique_ptr<AsyncLock>> key_locks;

    // Milliseconds that a batch of a gate takes, as measured; guarded by `pace_mutex`.
    mutable std::mutex pace_mutex;
    std::map<std::string, double> pace_ms;
    // Gate to requests that chose it and are not in its queue yet, and when; guarded by
    // `pace_mutex`. Requests that come together would all choose the same gate.
    std::map<std::string, std::map<std::string, base::SteadyTime>> arriving;

    Result<void> open_outbox(WebhookSetup setup);
    void at(WorkflowPoint point, const std::string& id) const {
        if (parts.tests_or_null != nullptr) parts.tests_or_null->at(point, id);
    }
    bool bug(Bug bug) const {
        return parts.tests_or_null != nullptr && parts.tests_or_null->planted(bug);
    }

    // ----- requests (submit_request.cpp) -----
    struct Incoming {
        std::string wallet_id;
        std::string endpoint;
        std::string idempotency_key;
        base::Json body;
        PlannedRequest planned;
        std::optional<DirectUserRequest> direct_user;
    };
    // The record under the key, made now or before. Conflict "idempotency_conflict";
    // ResourceExhausted "rate_limited": the queue is too long.
    struct Kept {
        std::string request_id;
        bool created = false;
        bool running = false;  // made now, and its run was not begun yet
    };
    Task<Result<Kept>> keep_request(Incoming incoming);
    // What there is when it is final, or when `patience` is over.
    // `running`: Kept::running, which spares the first look.
    Task<Result<WorkflowRecord>> wait_for(
        std::string wallet_id, std::string request_id, base::Duration patience,
        bool running = false);
    Task<Result<std::string>> choose_gate(
        std::optional<std::string> wanted, std::string request_id = {});
    // It is in the queue, or will never be.
    void has_arrived(const std::string& gate_id, const std::string& request_id);
    double pace_of(const std::string& gate_id) const;  // milliseconds a batch
    void note_pace(const std::string& gate_id, base::Duration taken);

    // ----- runs (gate_run.cpp) -----
    Task<StepResult> gate_step(workflow::StepContext& context);
    Task<Result<std::shared_ptr<Flight>>> flight_of(const workflow::StepContext& context);
    // Records a change and the run's next step, in one unit; nothing: it stays at its step.
    // `earlier`: an event that comes before `event`; empty: none.
    Task<Result<void>> record_change(
        const workflow::StepContext& context, Flight& flight, std::optional<std::string> step,
        std::string event, Change change, std::string earlier = {});
    Task<Result<void>> save(
        const workflow::StepContext& context, Flight& flight, std::string_view step,
        std::string_view event, Change change);
    // The same without another step.
    Task<Result<void>> note(
        const workflow::StepContext& context, Flight& flight, std::string_view event,
        Change change);
    // Ends the run and the record.
    Task<Result<void>> finish(const workflow::StepContext& context, Flight& flight, Ending ending);
    // The record fails now; what may still happen at the gate is followed.
    Task<Result<workflow::StepOutcome>> fail(
        workflow::StepContext& context, Flight& flight, std::string error);
    // `state_or_null`: what record.internal_state says; null: it is to be read.
    Result<void> write_audit(
        storage::Transaction& tx, WorkflowRecord& record, const GateState* state_or_null,
        std::string_view kind);
    Result<void> give_up(
        storage::Transaction& tx, const workflow::Run& run, const std::string& reason);
    // Batches of a gate that are prepared, pending or running at once.
    std::int64_t places() const { return bug(kIgnoreLane) ? 1'000'000 : options.lane_ahead + 1; }
    void nudge_waiting(const std::string& gate_id);
    void nudge_ready(const std::string& gate_id);
    // True: it is one of the next.
    bool keep_waiting(
        const std::string& gate_id, const std::string& request_id, std::int64_t position);
    void stop_waiting(const std::string& gate_id, const std::string& request_id);
    // Of a run that is nobody's now.
    void forget(const std::string& request_id);
    // Between polls, longer while the chain does not answer.
    workflow::StepOutcome again_later(Flight& flight, bool chain_answered);

    // ----- gate_sign.cpp -----
    // As the keystore says it, now or since it was asked first.
    Task<Result<Wallet>> wallet_of(const std::string& wallet_id);
    Task<Result<Wallet>> ask_wallet(std::string wallet_id);
    // Where the gate cannot be read and the request named none, `state` gets another one.
    Task<Result<void>> check_gate(const WorkflowRecord& record, GateState& state);
    Task<StepResult> policy_step(workflow::StepContext& context, Flight& flight);
    Task<StepResult> queued_step(workflow::StepContext& context, Flight& flight);
    // True: its gate does not move, and the record says so; whatever it submitted there would die.
    Task<Result<bool>> held_back(workflow::StepContext& context, Flight& flight);
    Task<StepResult> wait_held_back(workflow::StepContext& context, Flight& flight);
    // What is to be signed, with deadlines and nonces of now.
    Task<Result<GateState>> prepare(GateState state);
    // Records it with a place at the gate. Conflict "no_place": there is none yet. `before`: what
    // puts it into the queue; empty: it is there.
    Task<Result<void>> place(
        workflow::StepContext& context, Flight& flight, GateState state, Change before);
    Task<Result<bool>> place_at_once(
        workflow::StepContext& context, Flight& flight, const GateState& state, Change before);
    Task<StepResult> nep413_step(workflow::StepContext& context, Flight& flight);
    Task<StepResult> delegate_step(workflow::StepContext& context, Flight& flight);
    // Ends what has signed payloads and no submits.
    Task<StepResult> end_unsubmitted(
        workflow::StepContext& context, Flight& flight, const GateState& state, Ending ending,
        base::Json simulations);
    Task<Result<std::optional<Ending>>> ask_policy(
        const WorkflowRecord& record, const GateState& state, base::Json& decisions);
    Task<Result<std::string>> sign_payload(
        const std::string& wallet_id, GateCall& call, const GateState& state);
    Task<Result<std::string>> sign_delegate(
        const std::string& wallet_id, GateCall& call, const GateState& state, std::uint64_t height);
    Task<Result<std::optional<std::string>>> simulate(
        const GateState& state, base::Json& simulations);

    // ----- gate_submit.cpp -----
    KeyLane& choose_relayer();
    KeyLane* find_relayer(const std::string& key_text);
    // Asks the chain for the lane's nonce if that is not known. Its lock is held.
    Task<Result<std::uint64_t>> know_nonce(KeyLane& lane);
    // Signs and stores the submits of these calls, and sends them. Unprocessable "late_deadline":
    // none of it was done, because no batch with these payloads can be carried out in time.
    Task<Result<void>> submit_calls(
        workflow::StepContext& context, Flight& flight, std::vector<std::size_t> which, Change also,
        std::string_view event);
    Task<void> send_submit(Flight& flight, std::size_t index);
    Task<chain::NearSendOutcome> send(const SentTransaction& sent);
    Task<StepResult> submit_step(workflow::StepContext& context, Flight& flight);
    struct Looked {
        bool answered = true;                // by nodes
        bool news = false;                   // in `flight.state`, to be recorded
        std::optional<std::string> too_old;  // the deadline that is over
    };
    Task<Result<Looked>> look_at_submits(workflow::StepContext& context, Flight& flight);
    // Looks at one submit that is not decided; true: there is news in `flight.state` to be
    // recorded.
    Task<Result<bool>> look_at_submit(
        workflow::StepContext& context, Flight& flight, std::size_t index);
    Task<Result<bool>> look_for_unseen_submit(
        workflow::StepContext& context, Flight& flight, std::size_t index);

    // ----- gate_sight.cpp -----
    // ChainFacts::find_agreed().
    Task<Result<std::optional<chain::NearTransaction>>> find_agreed(
        near::TransactionHash hash, near::AccountId sender, chain::NearStory story);
    // Nothing: a quorum does not know it.
    Task<Result<std::optional<SubmitNews>>> read_submit(
        const GateState& state, std::size_t index, std::string hash_text);
    static void take_news(Flight& flight, std::size_t index, SubmitNews news);
    // True: one that had been given up as dead was taken by the gate after all, and is the call's
    // submit now.
    Task<Result<bool>> adopt_dead_submit(Flight& flight, std::size_t index);
    // Dead: nobody knows it and its nonce is used by another, or its block hash is too old, at
    // every look for a while.
    Task<Result<bool>> is_dead(
        const SentTransaction& sent, near::AccountId signer, near::PublicKey key,
        Sighting& sighting);
    static bool gone_for_long(Sighting& sighting, std::uint64_t height);
    // Wherever its submit may still land, the gate refuses the delegate.
    static bool delegate_expired(const GateCall& call, std::uint64_t height);

    // ----- gate_resume.cpp -----
    Task<StepResult> resume_step(workflow::StepContext& context, Flight& flight);
    Task<StepResult> resume_poll_step(workflow::StepContext& context, Flight& flight);
    Task<StepResult> batch_started(
        workflow::StepContext& context, Flight& flight, near::TransactionStatus status,
        std::uint64_t batch_id);
    Task<StepResult> resume_told(
        workflow::StepContext& context, Flight& flight, near::TransactionStatus status);
    Task<StepResult> fee_refused(
        workflow::StepContext& context, Flight& flight, near::BlockHash block, std::string why);
    Task<Result<void>> drop_resume(
        workflow::StepContext& context, Flight& flight, std::string_view event);
    // `before`: what else is recorded in that unit, told as the event `earlier`; empty: nothing.
    Task<Result<void>> sign_resume(
        workflow::StepContext& context, Flight& flight, near::YoctoNear fee, Change before = {},
        std::string earlier = {});
    // Resumes a batch whose intents were just seen, in one unit with `seen`, which says so. False:
    // the gate is not free, or something has to be looked at first; nothing is recorded.
    Task<Result<bool>> resume_at_once(workflow::StepContext& context, Flight& flight, Change seen);
    // As far as this process knows.
    bool gate_is_free(const Flight& flight) const;
    // By another batch of this process.
    bool gate_is_held(const Flight& flight) const;
    Task<Result<bool>> too_late(const GateState& state);

    // ----- gate_watch.cpp -----
    Task<StepResult> dispatch_step(workflow::StepContext& context, Flight& flight);
    Task<Result<void>> leave_gate(workflow::StepContext& context, Flight& flight);
    void gate_left(Flight& flight);
    Task<StepResult> watch_step(workflow::StepContext& context, Flight& flight);
    Task<Result<void>> amend(workflow::StepContext& context, Flight& flight);
    // Reads those of which there may be news, and those that were read before `top` was final.
    // `known` is final now.
    struct Freshness {
        std::uint64_t top = 0;
        std::uint64_t known = 0;
        bool all = false;
    };
    Task<Result<void>> read_submits(Flight& flight, Freshness fresh);
    Task<Result<void>> read_resume(Flight& flight, Freshness fresh);
    static bool read_when_final(const Flight& flight, std::uint64_t top);
    Task<Result<void>> read_dispatch(Flight& flight, std::size_t index, std::uint64_t known);
    bool is_awaited(const Flight& flight) const;
    workflow::StepOutcome look_again(Flight& flight);
    Task<Result<near::BlockHeights>> heights_of(std::vector<near::GateDispatch> dispatches);
    Task<Result<std::uint64_t>> height_of_end(std::vector<near::GateDispatch> dispatches);
    Task<StepResult> settle_batch(
        workflow::StepContext& context, Flight& flight, std::uint64_t reached, bool told_early);
    Task<Result<Ending>> conclude(
        Flight& flight, const near::BatchEvidence& evidence, const near::BlockHeights& heights);
    Task<void> add_balances(const Flight& flight, std::uint64_t height, base::Json& out);
    Task<void> add_views(const Flight& flight, base::Json& out, std::string& error);

    // ----- direct_user.cpp -----
    // Held while a transaction of that key is made and sent, so that they go out in the order of
    // their nonces.
    AsyncLock& lock_of(const std::string& public_key);
    struct KeyNonces {
        std::uint64_t on_chain = 0;
        // Whether the one that was taken earlier can still be signed with: neither the chain has
        // seen it, nor has anybody taken one above it, which may be on its way.
        bool taken_is_free = false;
    };
    // `taken`: zero: none was. Nothing: it is no access key of the account.
    Task<Result<std::optional<KeyNonces>>> nonces_of(
        std::string account_id, std::string public_key, std::uint64_t taken);
    Task<StepResult> direct_step(workflow::StepContext& context);
    Task<StepResult> direct_sign_step(workflow::StepContext& context, Flight& flight);
    Task<StepResult> direct_end(
        workflow::StepContext& context, Flight& flight, WorkflowStatus status, std::string why);
    Task<StepResult> direct_refused(
        workflow::StepContext& context, Flight& flight, Error error, std::string_view operation);
    // Signs with a nonce that is durable before the keystore is asked; then stores the bytes and
    // sends them.
    Task<StepResult> direct_make(
        workflow::StepContext& context, Flight& flight, const DirectUserScope& scope,
        const api::PrepareFunctionCallKeyResponse& key);
    Task<Result<std::uint64_t>> direct_nonce(
        workflow::StepContext& context, Flight& flight, const DirectUserScope& scope,
        const std::string& public_key);
    Task<StepResult> direct_send_step(workflow::StepContext& context, Flight& flight);
    Task<StepResult> direct_unseen(workflow::StepContext& context, Flight& flight);
    Task<void> direct_send(Flight& flight);
    Task<Result<Ending>> direct_conclude(
        Flight& flight, const DirectUserScope& scope, const chain::NearTransaction& seen);
    struct KeyStatus {
        api::PrepareFunctionCallKeyResponse key;
        bool installed = false;
        std::optional<chain::NearAccessKey> access;
        std::vector<std::string> reasons;
    };
    // Errors with the reason "keystore_error" or "rpc_error", by who gave them.
    Task<Result<KeyStatus>> key_status(std::string wallet_id, DirectUserScope scope);
};

// What of the submits stands in the record itself.
void show_submits(WorkflowRecord& record, const GateState& state);

// Why no batch with these payloads can be carried out in time any more; nothing: it can.
std::optional<std::string> late_deadline(const GateState& state, const chain::NearBlock& block);
// Which payloads may still be used by whoever holds them, of a batch that ends at this step without
// a submit; empty: none is signed.
std::string live_payloads(const GateState& state, std::string_view step);

// Words for people of a call's place and what became of it.
std::string cut_text(std::string text, std::size_t bytes_max = 500);
inline constexpr std::size_t kErrorBytesMax = 1000;  // of a record's user_visible_error
// "REASON; REST", where the reason gives way: the rest says what may still happen.
std::string join_text(std::string reason, std::string_view rest);

// It waits no more.
void forget_held_back(WorkflowRecord& record);

// How a workflow ends that the keystore refuses something for good; `what`: the operation.
Ending ending_of(const Error& error, std::string_view what);

}  // namespace adyton::coordinator
