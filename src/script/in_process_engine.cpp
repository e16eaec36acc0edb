#include "script/in_process_engine.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "base/check.h"
#include "script/internal/log_relay.h"
#include "script/internal/machine.h"
#include "script/internal/memory_slot.h"

namespace adyton::script {

using internal::BootImage;
using internal::LogRelay;
using internal::Machine;
using internal::MemorySlot;
using internal::Stop;

namespace {

// What a run may take over its time before it is interrupted in native work that does not poll.
constexpr base::Duration kGrace = std::chrono::milliseconds(20);
constexpr base::Duration kInterruptEvery = std::chrono::milliseconds(5);

struct Seat {
    std::unique_ptr<MemorySlot> slot;
    std::unique_ptr<Machine> machine;
};

// The two sides of a running job: the thread inside the engine, and the caller's executor, where
// the broker lives. The thread may wait; the executor never does.
class Session final : public internal::RunHooks, public std::enable_shared_from_this<Session> {
public:
    Session(base::Executor& home, const Job& job)
        : home_(home), host_(job.host), logs_(std::make_shared<LogRelay>(home, job.on_log)) {}

    // On the engine's thread.
    void log(const LogEntry& entry) override { logs_->add(entry); }
    bool send(HostRequest request) override {
        {
            const std::lock_guard lock(mutex_);
            if (closed_) return false;
            replies_.emplace_back();
        }
        home_.post([self = shared_from_this(), request = std::move(request)]() mutable {
            base::spawn(self->home_, ask(self, std::move(request)));
        });
        return true;
    }
    bool receive(HostReply& reply) override {
        std::unique_lock lock(mutex_);
        arrived_.wait(lock, [this] {
            return closed_ || over_ || cancelled() ||
                   (!replies_.empty() && replies_.front().has_value());
        });
        if (closed_ || over_ || cancelled() || replies_.empty()) return false;
        reply = std::move(*replies_.front());
        replies_.pop_front();
        ++taken_;
        return true;
    }
    bool cancelled() override { return cancelled_.load(std::memory_order_relaxed); }

    // On the engine's thread, around the run.
    void enter(Machine& machine) {
        const std::lock_guard lock(mutex_);
        machine_ = &machine;
        thread_ = ::pthread_self();
    }
    void leave() {
        const std::lock_guard lock(mutex_);
        machine_ = nullptr;
    }

    // On any thread.
    void cancel() {
        cancelled_.store(true, std::memory_order_relaxed);
        const std::lock_guard lock(mutex_);
        arrived_.notify_all();
        interrupt(Stop::Cancelled);
    }
    // Ends the run wherever it is; again and again, because host code is not interrupted.
    void watch(base::Duration after) {
        const std::lock_guard lock(mutex_);
        timer_ = home_.post_after(after, [weak = weak_from_this()] {
            const auto self = weak.lock();
            if (!self) return;
            {
                const std::lock_guard inner(self->mutex_);
                if (self->closed_) return;
                self->over_ = true;
                self->arrived_.notify_all();
                self->interrupt(self->cancelled() ? Stop::Cancelled : Stop::Deadline);
            }
            self->watch(kInterruptEvery);
        });
    }
    // On the executor, when the run is over.
    void close() {
        logs_->close();
        const std::lock_guard lock(mutex_);
        closed_ = true;
        home_.cancel(timer_);
    }

private:
    static Task<void> ask(std::shared_ptr<Session> self, HostRequest request) {
        const std::uint32_t sequence = request.sequence;
        {
            const std::lock_guard lock(self->mutex_);
            if (self->closed_) co_return;
        }
        HostReply reply = co_await self->host_(std::move(request));
        const std::lock_guard lock(self->mutex_);
        if (self->closed_ || sequence < self->taken_) co_return;
        self->replies_[sequence - self->taken_] = std::move(reply);
        self->arrived_.notify_all();
    }

    // With the lock held: so the thread is still inside the run.
    void interrupt(Stop stop) {
        if (machine_ == nullptr) return;
        machine_->request_stop(stop);
        internal::interrupt_thread(thread_);
    }

    base::Executor& home_;
    const HostPort host_;
    Machine* machine_ = nullptr;
    pthread_t thread_{};
    base::Executor::TimerId timer_ = 0;
    const std::shared_ptr<LogRelay> logs_;  // shared with entries on their way
    std::atomic<bool> cancelled_{false};
    std::mutex mutex_;
    std::condition_variable arrived_;
    std::deque<std::optional<HostReply>> replies_;  // by sequence, from taken_
    std::uint32_t taken_ = 0;
    bool over_ = false;  // its time has passed
    bool closed_ = false;
};

Result<RunResult> run_in_seat(
    const Seat& seat, const std::shared_ptr<const BootImage>& image, const Job& job,
    const std::vector<Secret>& secrets, Session& session) {
    internal::Work work;
    work.source = job.source;
    work.language = job.language;
    work.entry_point = job.entry_point;
    work.input_json = job.input_json;
    for (const Secret& secret : secrets) {
        work.secrets.emplace_back(secret.name, secret.value.expose_text());
    }
    work.limits = job.limits;
    work.start_time = job.start_time;
    work.random_seed = job.random_seed;
    work.has_host = static_cast<bool>(job.host);
    session.enter(*seat.machine);
    Result<RunResult> result = seat.machine->run(image, work, session);
    session.leave();
    seat.machine->clean();
    return result;
}

}  // namespace

Layers guards_of_build() {
    Layers out;
#if defined(ADYTON_SCRIPT_MASKED)
    out.add(Layer::MaskedMemory);
#else
    out.add(Layer::GuardPages);
#endif
    out.add(Layer::StackBound);
    return out;
}

class InProcessEngine::Impl : public std::enable_shared_from_this<Impl> {
public:
    Impl(base::Executor& executor, Options options) : executor_(executor), options_(options) {}

    Result<void> start() {
        TRY(auto seat, make_seat());
        TRY(image_, seat.machine->boot(options_.library));
        idle_.push_back(std::move(seat));
        made_ = 1;
        return {};
    }

    static Task<Result<RunResult>> run(std::shared_ptr<Impl> self, Job job) {
        base::Executor* const home = base::Executor::current();
        CHECK(home != nullptr);
        if (job.strict) {
            co_return Error::invalid_argument(
                "a strict job needs a process of its own, and scripts run in threads here");
        }
        const auto session = std::make_shared<Session>(*home, job);
        CO_TRY_VOID(self->enlist(job.id, session));
        Result<Seat> seat = co_await take_seat(self);
        if (!seat) {
            self->strike(job.id);
            co_return seat.error();
        }
        const std::string id = job.id;
        session->watch(job.limits.time + kGrace);
        auto run = [self, seat = std::move(*seat), job = std::move(job),
                    session]() mutable -> Result<RunResult> {
            std::vector<Secret> secrets;
            Result<RunResult> result = Error{ErrorCode::Internal, "not run"};
            Result<std::vector<Secret>> given = std::vector<Secret>{};
            if (job.secrets) given = job.secrets();
            if (!given) {
                result = given.error();
            } else {
                secrets = std::move(*given);
                result = run_in_seat(seat, self->image_, job, secrets, *session);
            }
            self->give_seat(std::move(seat));
            return result;
        };
        Result<RunResult> result = co_await base::run_blocking(self->executor_, std::move(run));
        session->close();
        self->strike(id);
        if (result) result->layers = guards_of_build();
        co_return result;
    }

    bool cancel(std::string_view id) {
        const std::lock_guard lock(mutex_);
        const auto found = sessions_.find(id);
        if (found == sessions_.end()) return false;
        found->second->cancel();
        return true;
    }

    std::size_t capacity() const { return options_.slots; }

private:
    Result<Seat> make_seat() {
        Seat seat;
        TRY(seat.slot, MemorySlot::create());
        seat.machine = std::make_unique<Machine>(*seat.slot, executor_);
        return seat;
    }

    Result<void> enlist(const std::string& id, const std::shared_ptr<Session>& session) {
        const std::lock_guard lock(mutex_);
        if (!sessions_.emplace(id, session).second) {
            return Error::conflict("a job of this id is running");
        }
        return {};
    }
    void strike(const std::string& id) {
        const std::lock_guard lock(mutex_);
        sessions_.erase(id);
    }

    static Task<Result<Seat>> take_seat(std::shared_ptr<Impl> self) {
        base::Completion<bool> turn;
        {
            const std::lock_guard lock(self->mutex_);
            if (!self->idle_.empty()) {
                Seat seat = std::move(self->idle_.back());
                self->idle_.pop_back();
                co_return seat;
            }
            if (self->made_ < self->options_.slots) {
                auto made = self->make_seat();
                if (made && self->boot(*made)) {
                    ++self->made_;
                    co_return std::move(*made);
                }
            }
            self->waiting_.push_back(turn.completer());
        }
        co_await turn;
        const std::lock_guard lock(self->mutex_);
        CHECK(!self->handed_.empty());
        Seat seat = std::move(self->handed_.front());
        self->handed_.pop_front();
        co_return seat;
    }

    // Makes the instance; its memory then comes from the image of the first.
    bool boot(const Seat& seat) { return seat.slot->instantiate() == internal::Stop::None; }

    void give_seat(Seat seat) {
        const std::lock_guard lock(mutex_);
        if (waiting_.empty()) {
            idle_.push_back(std::move(seat));
            return;
        }
        handed_.push_back(std::move(seat));
        waiting_.front()->set(true);
        waiting_.pop_front();
    }

    base::Executor& executor_;
    const Options options_;
    std::shared_ptr<const BootImage> image_;
    std::mutex mutex_;
    std::vector<Seat> idle_;
    std::deque<Seat> handed_;
    std::deque<std::shared_ptr<base::Completion<bool>::State>> waiting_;
    std::map<std::string, std::shared_ptr<Session>, std::less<>> sessions_;
    std::size_t made_ = 0;
};

Result<std::unique_ptr<InProcessEngine>> InProcessEngine::create(
    base::Executor& executor, Options options) {
    if (options.slots == 0) options.slots = 1;
    auto impl = std::make_shared<Impl>(executor, options);
    TRY_VOID(impl->start());
    return std::unique_ptr<InProcessEngine>(new InProcessEngine(std::move(impl)));
}

InProcessEngine::InProcessEngine(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
InProcessEngine::~InProcessEngine() = default;

Task<Result<RunResult>> InProcessEngine::run(Job job) {
    return Impl::run(impl_, std::move(job));
}
bool InProcessEngine::cancel(std::string_view job_id) {
    return impl_->cancel(job_id);
}
std::size_t InProcessEngine::capacity() const {
    return impl_->capacity();
}
Layers InProcessEngine::layers() const {
    return guards_of_build();
}

}  // namespace adyton::script
