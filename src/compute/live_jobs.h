#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/task.h"
#include "base/time.h"

namespace adyton::compute {

// A job of this process that is not over yet, as seen by those who watch it. Thread safe.
class LiveJob {
public:
    LiveJob(std::string job_id, std::string user)
        : job_id_(std::move(job_id)), user_(std::move(user)) {}

    const std::string& job_id() const { return job_id_; }
    const std::string& user() const { return user_; }

    void add_line(std::string line);
    // Its turn has come.
    void begin();
    bool begun() const;
    // The rest of the lines, then the end.
    void end(std::string answer);
    // True: it was asked for now.
    bool ask_cancel();
    bool cancel_asked() const;

    // Lines from `after` on (0: all), and the answer once it is over.
    struct View {
        std::vector<std::string> lines;
        std::size_t next = 0;  // the number of lines so far
        std::optional<std::string> answer;
    };
    View view(std::size_t after) const;
    // Lines that have not been stored yet, for a job that began before `before`; they count as
    // stored then. The first has the number `first`, from 1.
    std::vector<std::string> take_unstored(std::size_t& first);

    // Until there are more lines than `seen`, the end, or the time is over. On Executor::current().
    Task<void> wait_change(std::size_t seen, base::Duration at_most);
    Task<void> wait_end(base::Duration at_most);
    // How many wait so now.
    std::size_t watchers() const;

private:
    struct Waiter;
    Task<void> wait(std::optional<std::size_t> seen, base::Duration at_most);
    void wake();

    const std::string job_id_;
    const std::string user_;
    mutable std::mutex mutex_;
    std::vector<std::string> lines_;
    std::size_t stored_ = 0;
    std::optional<std::string> answer_;
    bool begun_ = false;
    bool cancel_asked_ = false;
    std::vector<std::shared_ptr<Waiter>> waiters_;  // shared with timers
};

// The jobs of this process that run or wait for an executor. Thread safe.
class LiveJobs {
public:
    std::shared_ptr<LiveJob> add(const std::string& job_id, const std::string& user);
    void add(std::shared_ptr<LiveJob> job);
    // Before a record says that a job runs here; add() or forget() follows.
    void expect(const std::string& job_id);
    void forget(const std::string& job_id);
    // Jobs that are here or expected.
    std::set<std::string> known() const;
    // Null: it is not here.
    std::shared_ptr<LiveJob> find(const std::string& job_id) const;
    void remove(const std::string& job_id);
    std::vector<std::shared_ptr<LiveJob>> all() const;
    std::size_t size() const;

private:
    mutable std::mutex mutex_;
    std::map<std::string, std::shared_ptr<LiveJob>> jobs_;  // shared with those who watch
    std::multiset<std::string> expected_;
};

}  // namespace adyton::compute
