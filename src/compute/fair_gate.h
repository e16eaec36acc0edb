#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"

namespace adyton::compute {

// Who may use an executor next: as many jobs at once as there are executors, never more than
// `user_max` of one user, and among those that wait one of each user before a second of any. A user
// gets another executor only while more are free than that user has, so none can keep all of them
// (of more than one): a user alone half, rounded up; two a third each, and so on.
// Thread safe.
class FairGate {
    struct State;

public:
    // A place in the line, then the right to run; given up when destroyed.
    class Ticket {
    public:
        Ticket() = default;
        Ticket(Ticket&& other) noexcept;
        Ticket& operator=(Ticket&& other) noexcept;
        Ticket(const Ticket&) = delete;
        Ticket& operator=(const Ticket&) = delete;
        ~Ticket() { leave(); }

    private:
        friend class FairGate;
        void leave();
        std::shared_ptr<State> state_;  // the gate may be gone before a dropped coroutine
        std::string user_;
        bool running_ = false;
        bool from_queue_ = false;  // until its turn
    };

    FairGate(std::size_t running_max, std::size_t waiting_max, std::size_t user_max);

    // ResourceExhausted, reason "busy": too many wait already. Does not wait itself.
    Result<Ticket> enter(const std::string& user);
    // Also ResourceExhausted, reason "user_jobs": the user has `user_max` tickets already.
    Result<Ticket> enter_within_limit(const std::string& user);
    // For the next one of a user's queued jobs, whichever that is when its turn comes; until then
    // it counts for no limit. Null: the user has such a ticket already, or end_queue() was called.
    std::optional<Ticket> enter_from_queue(const std::string& user);
    // No turn comes any more for those tickets.
    void end_queue();
    // True when the ticket's turn has come; a ticket that has had its turn keeps it. False: it was
    // for a queued job, and end_queue() was called, or who waits under this name was withdrawn.
    Task<bool> wait_turn(Ticket& ticket, std::string name = {});
    // No turn comes any more for what waits in this user's line under the name, if it does.
    void withdraw(const std::string& user, const std::string& name);
    // Whether a ticket that this user took now would have its turn at once.
    bool has_room(const std::string& user) const;
    std::size_t running() const;
    // In the line; not those that have a ticket and have not asked for their turn.
    std::size_t waiting() const;

private:
    using Completer = std::shared_ptr<typename base::Completion<bool>::State>;
    struct State {
        mutable std::mutex mutex;
        std::size_t running_max = 1;
        std::size_t waiting_max = 0;
        std::size_t user_max = 1;
        std::size_t running = 0;
        std::size_t entered = 0;  // have a ticket and do not run yet; none from the queue
        std::size_t lined = 0;    // of those, in the line
        bool queue_ended = false;
        struct User {
            std::size_t tickets = 0;
            std::size_t from_queue = 0;  // of those: at most one
            std::size_t running = 0;
        };
        struct Waiting {
            Completer turn;
            bool from_queue = false;
            std::string name;
        };
        using Lines = std::map<std::string, std::deque<Waiting>>;
        std::map<std::string, User> users;  // with a ticket
        Lines lines;
        std::deque<std::string> turns;  // users with a line, the next one first

        // Whether a user who has `own` executors may have one more when so many are in use.
        bool may_begin(std::size_t own, std::size_t in_use) const;
        Result<Ticket> admit(const std::shared_ptr<State>& self, const std::string& user);
        Ticket place(const std::shared_ptr<State>& self, const std::string& user, bool from_queue);
        void begin(Ticket& ticket);
        Completer take_next();
        // Takes those out of a line that `gone` is true of, and the line when nobody is left.
        std::vector<Completer> take_out(
            Lines::iterator line, const std::function<bool(const Waiting&)>& gone);
    };
    std::shared_ptr<State> state_;
};

}  // namespace adyton::compute
