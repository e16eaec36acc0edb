#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/task.h"
#include "coordinator/internal/core.h"
#include "coordinator/lane_state.h"
#include "workflow/step_runner.h"

namespace adyton::coordinator {

inline constexpr std::string_view kLanesRunKind = "coordinator.lanes";

// Steps of a run over several lanes, beside `policy` and `watch`.
namespace phase {
inline constexpr std::string_view kFunding = "funding";
inline constexpr std::string_view kDirectUser = "direct_user";
inline constexpr std::string_view kGateBatch = "gate_batch";
}  // namespace phase

// The run kind of workflows over several lanes. `core` must outlive the runner.
workflow::RunKind lanes_run_kind(CoordinatorService::Core& core);

// Drives them: segment by segment, each transaction by the same order as the gate's: what is to be
// signed is durable before the keystore is asked, the signed bytes before they are sent, and what
// was sent is resolved by its hash and only ever sent again byte for byte. On the runner's
// executor.
class Lanes {
public:
    explicit Lanes(CoordinatorService::Core& core) : core_(core) {}

    Task<StepResult> step(workflow::StepContext& context);
    Result<void> give_up(
        storage::Transaction& tx, const workflow::Run& run, const std::string& reason);

private:
    // One call of a step. `state` is what flight.state.lanes says, changed here first.
    struct Work {
        workflow::StepContext& context;
        Flight& flight;
        LanesState state;
        LaneSegment& segment() { return state.segments.at(state.current); }
    };

    // ----- lane_run.cpp -----
    Task<StepResult> policy_step(Work& work);
    Task<Result<std::optional<Ending>>> check_before_signing(Work& work, base::Json& decisions);
    Task<StepResult> segment_step(Work& work);
    Task<StepResult> watch_step(Work& work);
    Task<StepResult> prepare_step(Work& work);
    Task<StepResult> conclude_step(Work& work);
    // The segment is over: to the next one, or to the end.
    Task<StepResult> close_segment(Work& work, LaneSegment::Outcome outcome, std::string error);
    Task<StepResult> end(Work& work, WorkflowStatus status, std::string error);
    // Records `work.state` and what the record shows of it, in one unit with `also`.
    Task<Result<void>> keep(Work& work, std::string_view event, Change also = {});
    std::string_view word_of(const Work& work) const;

    // ----- lane_transactions.cpp -----
    Task<StepResult> sign_step(Work& work, std::size_t index);
    Task<StepResult> poll_step(Work& work, std::size_t index);
    // NotFound: it is no access key of the signer.
    Task<Result<void>> have_nonce(Work& work, std::size_t index);
    Task<Result<SentTransaction>> ask_signature(const Work& work, const LaneTransaction& tx);
    Task<void> send(Work& work, const SentTransaction& sent);
    Task<Result<bool>> read_outcome(const chain::NearTransaction& seen, LaneTransaction& tx);
    Task<StepResult> wait_on(Work& work, std::size_t index);

    // ----- lane_funding.cpp -----
    // What a segment will do; `failure`: why it cannot.
    struct Intended {
        std::optional<std::string> failure;
        bool skip = false;
        std::string note;
        std::vector<LaneTransaction> transactions;
        std::vector<std::string> balances;  // to be read before and after
        base::Json result;
    };
    enum class Look { Ahead, Now };  // Ahead: balances may still come from earlier steps
    Task<Result<Intended>> intend(Work& work, const LaneSegment& segment, Look look);
    Task<Result<Intended>> intend_wrap(Work& work, const LaneSegment& segment, Look look);
    Task<Result<Intended>> intend_storage(Work& work, const LaneSegment& segment);
    Task<Result<Intended>> intend_deposit(Work& work, const LaneSegment& segment, Look look);
    Task<Result<Intended>> intend_unwrap(Work& work, const LaneSegment& segment, Look look);
    Task<Result<Intended>> intend_withdraw(Work& work, const LaneSegment& segment, Look look);
    Task<Result<Intended>> intend_view(Work& work, const LaneSegment& segment, Look look);
    Task<Result<Intended>> intend_user_calls(Work& work, const LaneSegment& segment);
    // Adds the registration of `account` with a token where it is missing.
    Task<Result<void>> add_registration(
        Work& work, const std::string& token, const std::string& account, Intended& out);
    LaneTransaction own_call(const Work& work, const std::string& receiver, LaneCall call) const;
    struct Balances {
        base::Json amounts = base::Json::object();
        std::uint64_t height = 0;  // that all of them are at least of
    };
    Task<Result<Balances>> read_balances(Work& work, std::vector<std::string> names);
    // These are what a quorum tells of a block that knows what the steps before did. Unavailable:
    // the nodes lag, or differ. Unprocessable and NotFound: the contract's own answer.
    struct Seen {
        base::Json answer;
        std::uint64_t height = 0;
    };
    Task<Result<Seen>> look_at(
        const Work& work, std::string contract, std::string method, std::string args);
    struct Held {
        base::Amount amount;
        std::uint64_t height = 0;
    };
    Task<Result<Held>> amount_at(
        const Work& work, std::string contract, std::string method, std::string args);
    Task<Result<Held>> token_balance(const Work& work, std::string token, std::string account);
    Task<Result<Held>> intents_balance(const Work& work, std::string token, std::string account);
    Task<Result<Held>> native_balance(const Work& work, std::string account);
    Task<Result<Held>> count_of_receiver(const Work& work, std::string receiver);
    Task<Result<Held>> balance_named(Work& work, std::string name);

    // ----- lane_batch.cpp -----
    Task<StepResult> batch_step(Work& work);
    Task<StepResult> begin_batch(Work& work);

    CoordinatorService::Core& core_;
};

enum class BatchControl { Pause, Resume, Cancel };
// Does to the batch that a workflow has under way what is done to the workflow: in the same unit,
// so that neither is without the other. The batch's run where that changed it; nothing: there is no
// such batch, or it is not changed (a batch that is resumed at the gate cannot be cancelled, one
// that failed and is only followed is not paused).
Result<std::optional<workflow::Run>> control_batch(
    storage::Transaction& tx, const WorkflowRecord& whole, BatchControl control);

// The rows of the record that tell what became of each segment (lane_evidence.cpp).
void describe_lanes(const LanesState& state, WorkflowRecord& record);
// What a batch left in its own record, added to the workflow's.
void add_batch(const WorkflowRecord& batch, WorkflowRecord& record, GateState& state);
// "steps 0,1 were carried out"; empty: none was.
std::string carried_out(const LanesState& state);

}  // namespace adyton::coordinator
