#include "compute/fair_gate.h"

#include <utility>

#include "base/check.h"

namespace adyton::compute {

FairGate::Ticket::Ticket(Ticket&& other) noexcept
    : state_(std::move(other.state_)),
      user_(std::move(other.user_)),
      running_(std::exchange(other.running_, false)) {}

FairGate::Ticket& FairGate::Ticket::operator=(Ticket&& other) noexcept {
    if (this != &other) {
        leave();
        state_ = std::move(other.state_);
        user_ = std::move(other.user_);
        running_ = std::exchange(other.running_, false);
    }
    return *this;
}

void FairGate::Ticket::leave() {
    const std::shared_ptr<State> state = std::exchange(state_, nullptr);
    if (state == nullptr) return;
    Completer next;
    {
        const std::lock_guard lock(state->mutex);
        if (!running_) {
            --state->entered;
            return;
        }
        if (state->turns.empty()) {
            --state->running;
            return;
        }
        // The right to run goes on to the first of the user whose turn it is.
        std::string user = std::move(state->turns.front());
        state->turns.pop_front();
        auto& line = state->lines[user];
        next = std::move(line.front());
        line.pop_front();
        if (line.empty()) {
            state->lines.erase(user);
        } else {
            state->turns.push_back(std::move(user));
        }
    }
    next->set(true);
}

FairGate::FairGate(std::size_t running_max, std::size_t waiting_max)
    : state_(std::make_shared<State>()) {
    CHECK(running_max > 0);
    state_->running_max = running_max;
    state_->waiting_max = waiting_max;
}

Result<FairGate::Ticket> FairGate::enter(const std::string& user) {
    const std::lock_guard lock(state_->mutex);
    const std::size_t room = state_->running_max + state_->waiting_max;
    if (state_->running + state_->entered >= room) {
        return Error::resource_exhausted("the service is busy; try again", "busy");
    }
    ++state_->entered;
    Ticket ticket;
    ticket.state_ = state_;
    ticket.user_ = user;
    return ticket;
}

Task<void> FairGate::wait_turn(Ticket& ticket) {
    CHECK(ticket.state_ != nullptr && !ticket.running_);
    base::Completion<bool> turn;
    bool wait = true;
    {
        const std::lock_guard lock(state_->mutex);
        if (state_->running < state_->running_max) {
            ++state_->running;
            --state_->entered;
            ticket.running_ = true;
            wait = false;
        } else {
            auto& line = state_->lines[ticket.user_];
            if (line.empty()) state_->turns.push_back(ticket.user_);
            line.push_back(turn.completer());
        }
    }
    if (!wait) co_return;
    co_await turn;
    const std::lock_guard lock(state_->mutex);
    --state_->entered;
    ticket.running_ = true;
}

bool FairGate::has_room() const {
    const std::lock_guard lock(state_->mutex);
    return state_->running + state_->entered < state_->running_max;
}

std::size_t FairGate::running() const {
    const std::lock_guard lock(state_->mutex);
    return state_->running;
}

std::size_t FairGate::waiting() const {
    const std::lock_guard lock(state_->mutex);
    std::size_t count = 0;
    for (const auto& [user, line] : state_->lines) count += line.size();
    return count;
}

}  // namespace adyton::compute
