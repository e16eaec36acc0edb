#pragma once

#include <memory>
#include <optional>

#include "base/executor.h"
#include "base/result.h"
#include "base/task.h"
#include "compute/job_runner.h"

namespace adyton::compute {

// The record, as running, of a job that began without one: made some time after its beginning,
// unless the job is over before. Until then nobody but the waiting caller knows of the job, so
// there is nothing that a restart could lose. Everything happens on the executor that began it.
class LateRecord : public std::enable_shared_from_this<LateRecord> {
public:
    // From now on. `live` is announced once the record stands; where that is refused, the job is
    // cancelled.
    static std::shared_ptr<LateRecord> begin(
        ComputeContext& compute, SharedPlan plan, std::shared_ptr<LiveJob> live,
        base::Duration after);

    // Once, when the job is over. False: there is no record, and none will be made. True: there is
    // one. Errors: why it was refused, those of admit().
    Task<Result<bool>> settle();

private:
    enum class State { Due, Writing, Written, Refused, NotNeeded };

    LateRecord(ComputeContext& compute, SharedPlan plan, std::shared_ptr<LiveJob> live)
        : compute_(compute), plan_(std::move(plan)), live_(std::move(live)) {}
    static Task<void> write(std::shared_ptr<LateRecord> self);

    ComputeContext& compute_;
    const SharedPlan plan_;
    const std::shared_ptr<LiveJob> live_;
    State state_ = State::Due;
    base::Executor* executor_ = nullptr;
    base::Executor::TimerId timer_ = 0;
    std::optional<Error> refusal_;
    std::shared_ptr<typename base::Completion<bool>::State> waiter_;
};

}  // namespace adyton::compute
