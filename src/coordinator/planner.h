#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

// Sorts the steps of a workflow into lanes before anything is asked, signed or sent (near.md 6.3).
// Pure: the same request gives the same plan.
namespace adyton::coordinator {

enum class Lane { GateProxy, FundingSetup, DirectUser, Reject };
enum class Route { GateProxy, FundingSetup, DirectUser };

// What the planner reads of a step; everything else is for those who carry it out.
struct WorkflowStep {
    std::optional<std::string> kind;
    std::string receiver_id;
    std::string method_name;
    std::string deposit = "0";
    bool has_near_intents = false;
    std::optional<std::string> predecessor_requirement;
    bool requires_user_predecessor = false;
    std::optional<Route> route;
    std::optional<std::string> gate_batch;
};

inline constexpr std::size_t kWorkflowStepsMax = 32;

// {"steps":[..]}, a list of 1 to 32 objects. InvalidArgument, "invalid workflow JSON: <why>":
// another shape, or a wrong type in a member that is read. null is absent for kind, near_intents,
// predecessor_requirement, route and gate_batch.
Result<std::vector<WorkflowStep>> parse_workflow(const base::Json& request);

// InvalidArgument, "wallet workflow must not include raw signing field <key> at <path>": a key that
// would hand over ready signatures or secrets, at any depth.
Result<void> check_no_signing_fields(const base::Json& request);

struct StepPlan {
    Lane lane = Lane::Reject;
    std::string receiver_id;
    std::string method_name;
    bool is_view = false;  // funding steps that only look
    std::string reason;    // of a rejection
};

struct Plan {
    bool accepted = false;
    std::vector<StepPlan> steps;
};

struct PlannerOptions {
    std::string intents_contract_id = "intents.near";
    std::string wrap_contract_id = "wrap.near";
    // funding.unwrap_near and funding.intents_withdraw, which the specification does not know.
    bool more_funding_kinds = false;
};

Plan plan_workflow(const std::vector<WorkflowStep>& steps, const PlannerOptions& options);
// {"accepted","steps":[{"lane","predecessor_model","ordering_model","receiver_id","method_name",
// "policy_type",["reason"]}]}
base::Json to_json(const Plan& plan);

// What a service does with a plan whose only executable lane is the gate's.
struct PlanOutcome {
    enum class Status { Executable, Rejected, RequiresFundingSetup, RequiresDirectUserSetup };

    Status status = Status::Rejected;
    std::string predecessor_model = "none";
    std::string ordering_model = "none";
    std::string error;  // of Rejected
};

inline constexpr std::size_t kGateCallsMax = 3;

// What is carried out beyond the specification; as it stands here: nothing.
struct LaneSwitches {
    bool funding = false;
    bool direct_user = false;
    std::size_t gate_calls_max = kGateCallsMax;  // in one batch
};

// More gate steps than make one batch are rejected: the fee that is configured covers no more. With
// other lanes on, each unbroken run of gate steps is a batch (near.md 8.5).
PlanOutcome outcome_of(const Plan& plan, const LaneSwitches& switches = {});
// Whether it has steps for other lanes than the gate's.
bool has_other_lanes(const Plan& plan);
// "executable", "rejected"...
std::string_view to_string(PlanOutcome::Status status);

}  // namespace adyton::coordinator
