#include <thread>

#include "base/event_loop.h"
#include "service/host.h"

namespace adyton::service {

Runtime::Runtime(unsigned loops, unsigned workers)
    : workers_(std::make_unique<base::WorkerThreads>(workers)) {
    const unsigned count = loops == 0 ? base::usable_cores() : loops;
    for (unsigned i = 0; i < count; ++i) {
        loops_.push_back(std::make_unique<base::EventLoop>(*workers_));
    }
}

// The loops go first: work that still runs on a worker posts to them no more once it is waited for.
Runtime::~Runtime() {
    workers_.reset();
    loops_.clear();
}

std::vector<base::EventLoop*> Runtime::loops() {
    std::vector<base::EventLoop*> out;
    for (const auto& loop : loops_) out.push_back(loop.get());
    return out;
}

void Runtime::run() {
    // lint-allow(thread): the one place where the process gets the threads of its event loops
    std::vector<std::thread> others;
    for (std::size_t i = 1; i < loops_.size(); ++i) {
        others.emplace_back([loop = loops_[i].get()] { loop->run(); });
    }
    loops_.front()->run();
    // lint-allow(thread): joined here
    for (std::thread& other : others) other.join();
}

void Runtime::stop() {
    // From the back, so that run() returns with every loop told.
    for (auto loop = loops_.rbegin(); loop != loops_.rend(); ++loop) (*loop)->stop();
}

}  // namespace adyton::service
