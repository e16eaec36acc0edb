#include "compute/fair_gate.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "base/check.h"

namespace adyton::compute {

FairGate::Ticket::Ticket(Ticket&& other) noexcept
    : state_(std::move(other.state_)),
      user_(std::move(other.user_)),
      running_(std::exchange(other.running_, false)),
      from_queue_(std::exchange(other.from_queue_, false)) {}

FairGate::Ticket& FairGate::Ticket::operator=(Ticket&& other) noexcept {
    if (this != &other) {
        leave();
        state_ = std::move(other.state_);
        user_ = std::move(other.user_);
        running_ = std::exchange(other.running_, false);
        from_queue_ = std::exchange(other.from_queue_, false);
    }
    return *this;
}

void FairGate::Ticket::leave() {
    const std::shared_ptr<State> state = std::exchange(state_, nullptr);
    if (state == nullptr) return;
    std::vector<Completer> begun;
    {
        const std::lock_guard lock(state->mutex);
        const auto user = state->users.find(user_);
        if (running_) {
            --user->second.running;
            --state->running;
        } else if (from_queue_) {
            --user->second.from_queue;
        } else {
            --state->entered;
        }
        if (--user->second.tickets == 0) state->users.erase(user);
        if (!running_) return;
        // Two may have waited for this: who may have one more now, and the next of this user.
        while (Completer next = state->take_next()) begun.push_back(std::move(next));
    }
    for (const Completer& turn : begun) turn->set(true);
}

bool FairGate::State::may_begin(std::size_t own, std::size_t in_use) const {
    return own < user_max && own + in_use < running_max;
}

// The first of the first user in line who may have another job run; null: nobody.
FairGate::Completer FairGate::State::take_next() {
    if (running >= running_max) return nullptr;
    for (auto turn = turns.begin(); turn != turns.end(); ++turn) {
        User& user = users[*turn];
        if (!may_begin(user.running, running)) continue;
        ++user.running;
        ++running;
        const auto line = lines.find(*turn);
        Completer next = std::move(line->second.front().turn);
        if (!line->second.front().from_queue) --lined;
        line->second.pop_front();
        std::string name = std::move(*turn);
        turns.erase(turn);
        if (line->second.empty()) {
            lines.erase(line);
        } else {
            turns.push_back(std::move(name));
        }
        return next;
    }
    return nullptr;
}

Result<FairGate::Ticket> FairGate::State::admit(
    const std::shared_ptr<State>& self, const std::string& user) {
    if (running + entered >= running_max + waiting_max) {
        return Error::resource_exhausted("the service is busy; try again", "busy");
    }
    return place(self, user, false);
}

FairGate::Ticket FairGate::State::place(
    const std::shared_ptr<State>& self, const std::string& user, bool from_queue) {
    User& holder = users[user];
    ++holder.tickets;
    ++(from_queue ? holder.from_queue : entered);
    Ticket ticket;
    ticket.state_ = self;
    ticket.user_ = user;
    ticket.from_queue_ = from_queue;
    return ticket;
}

// The ticket has the right to run.
void FairGate::State::begin(Ticket& ticket) {
    --(ticket.from_queue_ ? users[ticket.user_].from_queue : entered);
    ticket.from_queue_ = false;
    ticket.running_ = true;
}

FairGate::FairGate(std::size_t running_max, std::size_t waiting_max, std::size_t user_max)
    : state_(std::make_shared<State>()) {
    CHECK(running_max > 0 && user_max > 0);
    state_->running_max = running_max;
    state_->waiting_max = waiting_max;
    state_->user_max = user_max;
}

Result<FairGate::Ticket> FairGate::enter(const std::string& user) {
    const std::lock_guard lock(state_->mutex);
    return state_->admit(state_, user);
}

Result<FairGate::Ticket> FairGate::enter_within_limit(const std::string& user) {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->users.find(user);
    const auto held = [](const State::User& its) { return its.tickets - its.from_queue; };
    if (found != state_->users.end() && held(found->second) >= state_->user_max) {
        return Error::resource_exhausted("too many jobs of this user", "user_jobs");
    }
    return state_->admit(state_, user);
}

std::optional<FairGate::Ticket> FairGate::enter_from_queue(const std::string& user) {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->users.find(user);
    const bool there = found != state_->users.end() && found->second.from_queue > 0;
    if (there || state_->queue_ended) return std::nullopt;
    return state_->place(state_, user, true);
}

std::vector<FairGate::Completer> FairGate::State::take_out(
    Lines::iterator line, const std::function<bool(const Waiting&)>& gone) {
    std::vector<Completer> out;
    std::erase_if(line->second, [&](Waiting& waiting) {
        if (!gone(waiting)) return false;
        if (!waiting.from_queue) --lined;
        out.push_back(std::move(waiting.turn));
        return true;
    });
    if (line->second.empty()) {
        std::erase(turns, line->first);
        lines.erase(line);
    }
    return out;
}

void FairGate::end_queue() {
    std::vector<Completer> ended;
    {
        const std::lock_guard lock(state_->mutex);
        state_->queue_ended = true;
        for (auto line = state_->lines.begin(); line != state_->lines.end();) {
            const auto here = line++;
            auto gone = state_->take_out(
                here, [](const State::Waiting& waiting) { return waiting.from_queue; });
            std::move(gone.begin(), gone.end(), std::back_inserter(ended));
        }
    }
    for (const Completer& turn : ended) turn->set(false);
}

void FairGate::withdraw(const std::string& user, const std::string& name) {
    std::vector<Completer> ended;
    {
        const std::lock_guard lock(state_->mutex);
        const auto line = state_->lines.find(user);
        if (line == state_->lines.end()) return;
        ended = state_->take_out(
            line, [&](const State::Waiting& waiting) { return waiting.name == name; });
    }
    for (const Completer& turn : ended) turn->set(false);
}

Task<bool> FairGate::wait_turn(Ticket& ticket, std::string name) {
    CHECK(ticket.state_ != nullptr);
    if (ticket.running_) co_return true;
    base::Completion<bool> turn;
    {
        const std::lock_guard lock(state_->mutex);
        State::User& user = state_->users[ticket.user_];
        if (ticket.from_queue_ && state_->queue_ended) co_return false;
        if (state_->may_begin(user.running, state_->running)) {
            ++user.running;
            ++state_->running;
            state_->begin(ticket);
            co_return true;
        }
        auto& line = state_->lines[ticket.user_];
        if (line.empty()) state_->turns.push_back(ticket.user_);
        line.push_back({turn.completer(), ticket.from_queue_, std::move(name)});
        if (!ticket.from_queue_) ++state_->lined;
    }
    const bool has_turn = co_await turn;
    const std::lock_guard lock(state_->mutex);
    if (has_turn) state_->begin(ticket);
    co_return has_turn;
}

// Those with a ticket who are not in the line have their turn before.
bool FairGate::has_room(const std::string& user) const {
    const std::lock_guard lock(state_->mutex);
    if (state_->lines.contains(user)) return false;
    const auto found = state_->users.find(user);
    const std::size_t held = found == state_->users.end() ? 0 : found->second.tickets;
    return state_->may_begin(held, state_->running + state_->entered - state_->lined);
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
