#include "base/executor.h"

#include "base/task.h"

namespace adyton::base {
namespace {
thread_local Executor* current_executor = nullptr;
}  // namespace

Executor::Executor() : detached_tasks_(std::make_unique<DetachedTasks>()) {}
Executor::~Executor() = default;

Executor* Executor::current() {
    return current_executor;
}

Executor::CurrentScope::CurrentScope(Executor* executor) : previous_(current_executor) {
    current_executor = executor;
}
Executor::CurrentScope::~CurrentScope() {
    current_executor = previous_;
}

}  // namespace adyton::base
