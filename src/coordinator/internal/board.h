#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/executor.h"
#include "base/task.h"
#include "coordinator/record.h"

namespace adyton::coordinator {

// Who waits for news of which workflow. Thread safe. Shared with timers, which may fire late.
class NewsBoard {
public:
    enum class News { Any, Ending };
    // A record as it ended, and as it is stored. Shared by all that waited for it; null: to be
    // read.
    using Ended = std::shared_ptr<const WorkflowRecord>;
    struct Told {
        bool changed = false;  // false: it took too long
        Ended ended;
    };
    // To be taken before one looks, so that nothing is missed in between.
    class Ticket {
    public:
        Ticket(std::shared_ptr<NewsBoard> board, std::string id, News wanted = News::Any);
        ~Ticket();
        Ticket(const Ticket&) = delete;
        Ticket& operator=(const Ticket&) = delete;
        // Ends with the next news since the ticket was taken, or after `timeout`. Once.
        Task<Ended> wait(base::Duration timeout);

    private:
        std::shared_ptr<NewsBoard> board_;
        std::string id_;
        base::Completion<Told> news_;
    };

    // Ending: a reader may find that the workflow is final, or under another's control. Any: it is
    // neither; those that wait for an ending are left alone.
    void changed(const std::string& id, News news = News::Ending, const Ended& ended = nullptr);

private:
    using Waiter = std::shared_ptr<base::Completion<Told>::State>;
    struct Waiting {
        Waiter waiter;
        News wanted;
    };
    bool remove(const std::string& id, const Waiter& waiter);

    std::mutex mutex_;
    std::unordered_multimap<std::string, Waiting> waiters_;
};

}  // namespace adyton::coordinator
