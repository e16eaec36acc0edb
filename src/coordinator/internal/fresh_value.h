#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "base/task.h"

namespace adyton::coordinator {

// A value that is asked for again when it is too old; concurrent callers share one question. Thread
// safe; failures are not kept.
template <typename T>
class FreshValue {
public:
    using Fetch = std::function<Task<Result<T>>()>;

    // What `fetch` captures must outlive the call.
    static Task<Result<T>> get(
        FreshValue& self, const base::Clock& clock, base::Duration keep, Fetch fetch) {
        std::shared_ptr<State> state = self.state_;
        base::Completion<Result<T>> completion;
        bool wait = false;
        {
            const std::lock_guard lock(state->mutex);
            if (state->value && clock.steady_now() - state->value->first < keep) {
                co_return state->value->second;
            }
            wait = state->fetching;
            if (wait) {
                state->waiting.push_back(completion.completer());
            } else {
                state->fetching = true;
            }
        }
        if (wait) co_return co_await completion;
        const base::SteadyTime asked = clock.steady_now();
        Task<Result<T>> fetching = fetch();
        Result<T> value = co_await std::move(fetching);
        std::vector<Waiter> waiting;
        {
            const std::lock_guard lock(state->mutex);
            state->fetching = false;
            if (value) state->value = {asked, *value};
            waiting.swap(state->waiting);
        }
        for (const Waiter& waiter : waiting) waiter->set(value);
        co_return value;
    }
    void forget() {
        const std::lock_guard lock(state_->mutex);
        state_->value.reset();
    }

private:
    using Waiter = std::shared_ptr<typename base::Completion<Result<T>>::State>;
    struct State {
        std::mutex mutex;
        std::optional<std::pair<base::SteadyTime, T>> value;
        bool fetching = false;
        std::vector<Waiter> waiting;
    };
    std::shared_ptr<State> state_ = std::make_shared<State>();  // shared with calls under way
};

}  // namespace adyton::coordinator
