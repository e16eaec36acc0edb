#include "coordinator/internal/board.h"

#include <utility>
#include <vector>

namespace adyton::coordinator {

NewsBoard::Ticket::Ticket(std::shared_ptr<NewsBoard> board, std::string id, News wanted)
    : board_(std::move(board)), id_(std::move(id)) {
    const std::lock_guard lock(board_->mutex_);
    board_->waiters_.emplace(id_, Waiting{news_.completer(), wanted});
}

NewsBoard::Ticket::~Ticket() {
    board_->remove(id_, news_.completer());
}

Task<NewsBoard::Ended> NewsBoard::Ticket::wait(base::Duration timeout) {
    base::Executor& executor = *base::Executor::current();
    const auto timer =
        executor.post_after(timeout, [board = board_, id = id_, waiter = news_.completer()] {
            // Whoever takes it from the board sets it.
            if (board->remove(id, waiter)) waiter->set(Told{});
        });
    const Told told = co_await news_;
    if (told.changed) executor.cancel(timer);
    co_return told.ended;
}

void NewsBoard::changed(const std::string& id, News news, const Ended& ended) {
    std::vector<Waiter> woken;
    {
        const std::lock_guard lock(mutex_);
        const auto [first, last] = waiters_.equal_range(id);
        for (auto found = first; found != last;) {
            if (news == News::Any && found->second.wanted == News::Ending) {
                ++found;
            } else {
                woken.push_back(std::move(found->second.waiter));
                found = waiters_.erase(found);
            }
        }
    }
    for (const Waiter& waiter : woken) waiter->set(Told{true, ended});
}

bool NewsBoard::remove(const std::string& id, const Waiter& waiter) {
    const std::lock_guard lock(mutex_);
    const auto [first, last] = waiters_.equal_range(id);
    for (auto found = first; found != last; ++found) {
        if (found->second.waiter != waiter) continue;
        waiters_.erase(found);
        return true;
    }
    return false;
}

}  // namespace adyton::coordinator
