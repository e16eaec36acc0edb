#include "compute/late_record.h"

#include <utility>

#include "base/check.h"
#include "compute/job_runner.h"

namespace adyton::compute {

std::shared_ptr<LateRecord> LateRecord::begin(
    ComputeContext& compute, SharedPlan plan, std::shared_ptr<LiveJob> live, base::Duration after) {
    std::shared_ptr<LateRecord> late(new LateRecord(compute, std::move(plan), std::move(live)));
    late->executor_ = base::Executor::current();
    CHECK(late->executor_ != nullptr);
    late->timer_ = late->executor_->post_after(after, [late] {
        if (late->state_ != State::Due) return;
        late->state_ = State::Writing;
        base::spawn(*late->executor_, write(late));
    });
    return late;
}

Task<void> LateRecord::write(std::shared_ptr<LateRecord> self) {
    auto admitting = admit(self->compute_, self->plan_, std::nullopt, {}, {});
    const auto admitted = co_await std::move(admitting);
    if (admitted) {
        self->state_ = State::Written;
        self->compute_.live.add(self->live_);
    } else {
        self->state_ = State::Refused;
        self->refusal_ = admitted.error();
        cancel_live(self->compute_, *self->live_);
    }
    if (self->waiter_ != nullptr) self->waiter_->set(true);
}

Task<Result<bool>> LateRecord::settle() {
    if (state_ == State::Due) {
        state_ = State::NotNeeded;
        executor_->cancel(timer_);
        co_return false;
    }
    if (state_ == State::Writing) {
        base::Completion<bool> written;
        waiter_ = written.completer();
        co_await written;
    }
    if (state_ == State::Refused) co_return *refusal_;
    co_return true;
}

}  // namespace adyton::compute
