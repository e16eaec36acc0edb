#pragma once

#include <optional>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "coordinator/lane_state.h"
#include "coordinator/options.h"
#include "coordinator/planner.h"

// The steps of a workflow as segments to be carried out, where lanes other than the gate's are
// switched on. Pure.
namespace adyton::coordinator {

inline constexpr std::uint64_t kFundingGas = 30'000'000'000'000;
inline constexpr std::uint64_t kDepositGas = 150'000'000'000'000;
inline constexpr std::uint64_t kWithdrawGas = 100'000'000'000'000;

struct LaneRequest {
    std::optional<std::string> reason;  // why it is not carried out; kept as a rejection
    LanesState state;
};

// `plan` is of `steps` and executable; `gate_calls` are its gate steps' calls in order.
// InvalidArgument: a step lacks what its kind needs (near.md 6.5), or has it in another form.
Result<LaneRequest> read_lane_steps(
    const base::Json& steps, const Plan& plan, std::vector<GateCall> gate_calls,
    const CoordinatorOptions& options);

}  // namespace adyton::coordinator
