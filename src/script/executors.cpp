#include "script/executors.h"

#include <poll.h>
#include <sys/epoll.h>

#include <atomic>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <utility>

#include "base/check.h"
#include "script/internal/executor_process.h"
#include "script/internal/log_relay.h"

namespace adyton::script {

using internal::ExecutorProcess;
using internal::Frame;
using internal::FrameType;
using internal::LogRelay;
using internal::ZygoteProcess;

namespace {

constexpr base::Duration kForkRetry = std::chrono::milliseconds(100);
constexpr int kFirstExecutorMs = 15'000;

struct Executor;

// A job from run() to its end. Everything but `home` and the completion belongs to the loop.
struct Running {
    Job job;
    base::Executor* home = nullptr;
    std::shared_ptr<LogRelay> logs;  // shared with entries on their way
    std::shared_ptr<base::Completion<Result<RunResult>>::State> done;
    Executor* executor = nullptr;  // null while it waits
    base::Executor::TimerId timer = 0;
    base::SteadyTime started{};
    std::uint32_t requests = 0;                  // from the script
    std::map<std::uint32_t, HostReply> replies;  // that came before an earlier one
    std::uint32_t next_reply = 0;
    std::vector<LogEntry> seen;      // for a job whose process is killed
    std::atomic<bool> ended{false};  // read by the broker's side
};

struct Executor {
    std::unique_ptr<ExecutorProcess> process;
    Layers layers;
    bool ready = false;  // its Hello has come
    std::string user;    // empty: fresh
    std::uint32_t jobs = 0;
    std::shared_ptr<Running> running;
};

}  // namespace

class Executors::Impl final : public ExecutorProcess::Owner,
                              public base::EventLoop::Watcher,
                              public std::enable_shared_from_this<Impl> {
public:
    Impl(base::EventLoop& loop, Options options) : loop_(loop), options_(std::move(options)) {
        if (options_.executors == 0) options_.executors = base::usable_cores();
    }
    ~Impl() override { stop(); }

    Result<void> start();
    void begin();
    void stop();

    static Task<Result<RunResult>> run(std::shared_ptr<Impl> self, Job job);
    bool cancel(std::string_view id);
    std::size_t capacity() const { return options_.executors; }
    Layers layers() const {
        const std::lock_guard lock(mutex_);
        return layers_;
    }
    Stats stats() const {
        const std::lock_guard lock(mutex_);
        return stats_;
    }

    void on_events(std::uint32_t events) override;
    void on_frame(ExecutorProcess& from, const Frame& frame) override;
    void on_lost(ExecutorProcess& from) override;

private:
    using Iterator = std::list<Executor>::iterator;

    template <typename F>
    void count(F change) {
        const std::lock_guard lock(mutex_);
        change(stats_);
    }
    std::size_t most() const { return options_.executors + options_.spares + options_.warm; }
    Iterator find(const ExecutorProcess& process);
    void add(ZygoteProcess::Child child);
    void submit(const std::shared_ptr<Running>& running);
    void pump();
    Iterator choose(const Job& job);
    void want_fresh();
    void dispatch(Iterator executor, const std::shared_ptr<Running>& running);
    void on_deadline(const std::shared_ptr<Running>& running);
    void on_result(Iterator executor, Result<RunResult> result);
    void on_request(Iterator executor, HostRequest request);
    static Task<void> ask(
        std::weak_ptr<Impl> self, std::shared_ptr<Running> running, HostRequest request);
    void on_reply(const std::shared_ptr<Running>& running, std::uint32_t sequence, HostReply reply);
    void retire(Iterator executor);
    void kill(Iterator executor);
    void end(const std::shared_ptr<Running>& running, Result<RunResult> result);
    void end_without_answer(
        const std::shared_ptr<Running>& running, Status status, std::string_view message);
    void lose_zygote();
    void restart();
    void fail_waiting();

    base::EventLoop& loop_;
    Options options_;
    std::unique_ptr<ZygoteProcess> zygote_;
    std::list<Executor> executors_;
    std::deque<std::shared_ptr<Running>> waiting_;
    std::size_t forks_asked_ = 0;
    bool retry_planned_ = false;
    bool watching_ = false;
    bool stopped_ = false;

    mutable std::mutex mutex_;
    std::map<std::string, std::shared_ptr<Running>, std::less<>> jobs_;  // shared with the loop
    Layers layers_;
    Stats stats_;
};

// --- Start and stop -----------------------------------------------------------------------------

// Blocks until the first executor speaks, so that start-up can say what the kernel grants.
Result<void> Executors::Impl::start() {
    TRY(zygote_, ZygoteProcess::start(options_.program, most(), options_.signal_outside_calls));
    if (!zygote_->ask_fork()) return Error::unavailable("the script zygote does not answer");
    pollfd wait{zygote_->socket(), POLLIN, 0};
    if (::poll(&wait, 1, kFirstExecutorMs) != 1) {
        return Error::unavailable("the script zygote does not answer");
    }
    ZygoteProcess::Child child;
    if (zygote_->receive(child) != ZygoteProcess::Received::Child || child.pid <= 0) {
        return Error::unavailable("the script zygote cannot start an executor");
    }
    const base::FileDescriptor socket(std::move(child.socket));
    std::array<std::uint8_t, 64> bytes{};
    pollfd hello{socket.get(), POLLIN, 0};
    std::size_t size = 0;
    if (::poll(&hello, 1, kFirstExecutorMs) == 1) {
        const ssize_t got = ::read(socket.get(), bytes.data(), bytes.size());
        if (got > 0) {
            TRY(const auto frame,
                internal::read_frame({bytes.data(), static_cast<std::size_t>(got)}, size));
            if (frame && frame->type == FrameType::Hello) {
                TRY(layers_, internal::decode_hello(frame->payload));
                layers_.add(Layer::OwnUserProcess);
                return {};  // this one ends with its socket; those for jobs come with begin()
            }
        }
    }
    return Error::unavailable("a script executor does not start");
}

void Executors::Impl::begin() {
    if (stopped_) return;
    const auto watched = loop_.watch(zygote_->socket(), EPOLLIN, *this);
    watching_ = watched.has_value();
    if (!watching_) return lose_zygote();
    pump();
}

void Executors::Impl::stop() {
    if (stopped_) return;
    stopped_ = true;
    if (watching_) loop_.unwatch(zygote_->socket());
    std::map<std::string, std::shared_ptr<Running>, std::less<>> jobs;
    {
        const std::lock_guard lock(mutex_);
        jobs = jobs_;
    }
    for (Executor& executor : executors_) executor.running.reset();
    for (const auto& [id, running] : jobs) {
        end_without_answer(running, Status::ExecutorLost, "the engine is shutting down");
    }
    executors_.clear();
    zygote_.reset();
}

// Its executors die with it; their sockets tell. Another one is started a little later, so that a
// zygote that cannot live is not started over and over.
void Executors::Impl::lose_zygote() {
    if (watching_) loop_.unwatch(zygote_->socket());
    watching_ = false;
    zygote_.reset();
    forks_asked_ = 0;
    fail_waiting();
    loop_.post_after(kForkRetry, [weak = weak_from_this()] {
        const auto self = weak.lock();
        if (self && !self->stopped_) self->restart();
    });
}

void Executors::Impl::restart() {
    auto zygote = ZygoteProcess::start(options_.program, most(), options_.signal_outside_calls);
    if (zygote) {
        zygote_ = std::move(*zygote);
        watching_ = loop_.watch(zygote_->socket(), EPOLLIN, *this).has_value();
    }
    if (!watching_) return lose_zygote();
    pump();
}

void Executors::Impl::fail_waiting() {
    while (!waiting_.empty()) {
        const auto running = waiting_.front();
        waiting_.pop_front();
        end(running, Error::unavailable("no script executor can be started"));
    }
}

void Executors::Impl::on_events(std::uint32_t /*events*/) {
    for (;;) {
        ZygoteProcess::Child child;
        const auto received = zygote_->receive(child);
        if (received == ZygoteProcess::Received::Nothing) break;
        if (received == ZygoteProcess::Received::Gone) {
            lose_zygote();
            break;
        }
        if (forks_asked_ > 0) --forks_asked_;
        if (child.pid > 0) {
            add(std::move(child));
        } else if (executors_.empty()) {
            fail_waiting();
        }
    }
    pump();
}

void Executors::Impl::add(ZygoteProcess::Child child) {
    Executor executor;
    executor.process = std::make_unique<ExecutorProcess>(
        loop_, *this, std::move(child.socket), std::move(child.pid_fd),
        internal::GasMeter(child.meter), child.pid);
    if (!executor.process->watch()) return;
    executors_.push_back(std::move(executor));
    count([](Stats& stats) { ++stats.executors_started; });
}

// --- Jobs ---------------------------------------------------------------------------------------

Task<Result<RunResult>> Executors::Impl::run(std::shared_ptr<Impl> self, Job job) {
    base::Completion<Result<RunResult>> completion;
    const auto running = std::make_shared<Running>();
    running->home = base::Executor::current();
    CHECK(running->home != nullptr);
    if (job.source.size() > kSourceBytesMax || job.input_json.size() > kInputBytesMax ||
        job.entry_point.size() > kEntryPointBytesMax) {
        co_return Error::invalid_argument("script, input or entry point too large");
    }
    running->logs = std::make_shared<LogRelay>(*running->home, job.on_log);
    running->done = completion.completer();
    running->job = std::move(job);
    {
        const std::lock_guard lock(self->mutex_);
        if (!self->jobs_.emplace(running->job.id, running).second) {
            co_return Error::conflict("a job of this id is running");
        }
    }
    if (running->home == &self->loop_) {
        self->submit(running);
    } else {
        self->loop_.post([self, running] { self->submit(running); });
    }
    Result<RunResult> result = co_await completion;
    running->logs->close();
    co_return result;
}

bool Executors::Impl::cancel(std::string_view id) {
    std::shared_ptr<Running> running;
    {
        const std::lock_guard lock(mutex_);
        const auto found = jobs_.find(id);
        if (found == jobs_.end()) return false;
        running = found->second;
    }
    loop_.post([weak = weak_from_this(), running] {
        const auto self = weak.lock();
        if (!self || running->ended) return;
        std::erase(self->waiting_, running);
        self->end_without_answer(running, Status::Cancelled, "cancelled");
        self->pump();
    });
    return true;
}

void Executors::Impl::submit(const std::shared_ptr<Running>& running) {
    if (stopped_) return end(running, Error::unavailable("the engine is shutting down"));
    // Cancelled by somebody who found it before its caller handed it over.
    if (running->ended) return;
    waiting_.push_back(running);
    pump();
}

void Executors::Impl::pump() {
    if (stopped_) return;
    for (auto at = waiting_.begin(); at != waiting_.end();) {
        std::size_t busy = 0;
        for (const Executor& executor : executors_) busy += executor.running ? 1U : 0U;
        if (busy >= options_.executors) break;
        const Iterator executor = choose((*at)->job);
        if (executor == executors_.end()) {
            ++at;
            continue;
        }
        const auto running = *at;
        at = waiting_.erase(at);
        dispatch(executor, running);
    }
    want_fresh();
    std::size_t spares = 0;
    for (const Executor& executor : executors_) {
        spares += executor.ready && executor.jobs == 0 ? 1U : 0U;
    }
    count([&](Stats& stats) {
        stats.waiting = waiting_.size();
        stats.spares = spares;
    });
}

// The one that has served this user last, whose memory is still in the caches, or one that has
// served nobody.
Executors::Impl::Iterator Executors::Impl::choose(const Job& job) {
    Iterator fresh = executors_.end();
    for (auto at = executors_.end(); at != executors_.begin();) {
        --at;
        if (!at->ready || at->running) continue;
        if (!job.strict && !at->user.empty() && at->user == job.user) return at;
        if (at->user.empty() && at->jobs == 0) fresh = at;
    }
    return fresh;
}

// Asks for executors that have served nobody: one for each job that waits, and the spares. An idle
// one of a user makes room when all are taken. While a job runs and there is a spare, others can
// wait: a fork takes as long as a small job, and it would take it from that job.
void Executors::Impl::want_fresh() {
    if (!zygote_ || !watching_) return;
    std::size_t fresh = forks_asked_;
    bool busy = false;
    for (const Executor& executor : executors_) {
        if (!executor.running && executor.jobs == 0 && executor.user.empty()) ++fresh;
        busy = busy || executor.running;
    }
    if (busy && fresh > 0 && waiting_.empty()) return;
    const std::size_t wanted =
        std::min(most(), std::max<std::size_t>(1, options_.spares) + waiting_.size());
    while (fresh < wanted) {
        if (executors_.size() + forks_asked_ >= most()) {
            auto idle = executors_.begin();
            while (idle != executors_.end() && (idle->running || idle->jobs == 0)) ++idle;
            // Only for a job that needs it: a spare is not worth a user's warm executor.
            if (idle == executors_.end() || waiting_.empty()) return;
            kill(idle);
        }
        if (!zygote_->ask_fork()) {
            if (retry_planned_) return;
            retry_planned_ = true;
            loop_.post_after(kForkRetry, [weak = weak_from_this()] {
                const auto self = weak.lock();
                if (!self) return;
                self->retry_planned_ = false;
                self->pump();
            });
            return;
        }
        ++forks_asked_;
        ++fresh;
    }
}

void Executors::Impl::dispatch(Iterator executor, const std::shared_ptr<Running>& running) {
    std::vector<Secret> secrets;
    if (running->job.secrets) {
        auto given = running->job.secrets();
        running->job.secrets = nullptr;
        if (!given) return end(running, given.error());
        secrets = std::move(*given);
    }
    executor->user = running->job.user;
    // A user without a name must not look like nobody.
    if (executor->user.empty()) executor->user.push_back('\0');
    ++executor->jobs;
    executor->running = running;
    // Those at the front have been idle for longest. Places in the list stay where they are.
    executors_.splice(executors_.end(), executors_, executor);
    running->executor = &*executor;
    running->started = loop_.steady_now();
    count([](Stats& stats) {
        ++stats.jobs;
        ++stats.running;
    });
    running->timer = loop_.post_after(
        running->job.limits.time + options_.grace,
        [weak = weak_from_this(), job = std::weak_ptr<Running>(running)] {
            const auto self = weak.lock();
            const auto late = job.lock();
            if (self && late) self->on_deadline(late);
        });
    executor->process->send(internal::encode_job(running->job, secrets));
}

void Executors::Impl::on_deadline(const std::shared_ptr<Running>& running) {
    running->timer = 0;
    if (running->ended) return;
    end_without_answer(running, Status::TimedOut, "time limit");
    pump();
}

void Executors::Impl::on_frame(ExecutorProcess& from, const Frame& frame) {
    const Iterator executor = find(from);
    if (executor == executors_.end()) return;
    switch (frame.type) {
        case FrameType::Hello: {
            const auto layers = internal::decode_hello(frame.payload);
            if (!layers || executor->ready) break;
            executor->layers = *layers;
            executor->ready = true;
            return pump();
        }
        case FrameType::Log: {
            auto entry = internal::decode_log(frame.payload);
            if (!entry || !executor->running || executor->running->seen.size() >= kLogEntriesMax) {
                break;
            }
            executor->running->logs->add(*entry);
            executor->running->seen.push_back(std::move(*entry));
            return;
        }
        case FrameType::HostRequest: {
            auto request = internal::decode_request(frame.payload);
            if (!request || !executor->running) break;
            return on_request(executor, std::move(*request));
        }
        case FrameType::Result: {
            auto result = internal::decode_result(frame.payload);
            if (!result || !executor->running) break;
            return on_result(executor, std::move(result));
        }
        case FrameType::Refused: {
            auto message = internal::decode_refused(frame.payload);
            if (!message || !executor->running) break;
            return on_result(executor, Error::invalid_argument(std::move(*message)));
        }
        case FrameType::Violation:
            if (!options_.signal_outside_calls || frame.payload.size() != 4) break;
            return count([&](Stats& stats) {
                ++stats.violations;
                stats.last_violation = frame.payload[0] + 256 * frame.payload[1];
            });
        case FrameType::Job:
        case FrameType::HostReply:
            break;
    }
    // Nothing that our code would send.
    on_lost(from);
}

void Executors::Impl::on_result(Iterator executor, Result<RunResult> result) {
    const std::shared_ptr<Running> running = std::move(executor->running);
    executor->running.reset();
    count([](Stats& stats) { --stats.running; });
    bool again = !running->job.strict && executor->jobs < options_.jobs_per_executor;
    if (result) {
        result->layers = executor->layers;
        result->layers.add(Layer::OwnUserProcess);
        if (running->job.strict) result->layers.add(Layer::OwnJobProcess);
        again = again && (result->status == Status::Completed || result->status == Status::Failed ||
                          result->status == Status::GasExhausted);
    }
    running->executor = nullptr;
    if (!again) kill(executor);
    end(running, std::move(result));
    pump();
}

void Executors::Impl::on_request(Iterator executor, HostRequest request) {
    const std::shared_ptr<Running> running = executor->running;
    if (!running->job.host || request.sequence != running->requests ||
        running->requests >= running->job.limits.host_requests) {
        return on_lost(*executor->process);
    }
    ++running->requests;
    running->home->post([weak = weak_from_this(), running, request = std::move(request)]() mutable {
        base::spawn(*running->home, ask(weak, running, std::move(request)));
    });
}

Task<void> Executors::Impl::ask(
    std::weak_ptr<Impl> self, std::shared_ptr<Running> running, HostRequest request) {
    const std::uint32_t sequence = request.sequence;
    if (running->ended) co_return;
    HostReply reply = co_await running->job.host(std::move(request));
    const auto here = self.lock();
    if (!here) co_return;
    here->loop_.post([self, running, sequence, reply = std::move(reply)]() mutable {
        if (const auto there = self.lock()) {
            there->on_reply(running, sequence, std::move(reply));
        }
    });
}

// Replies go out in the order of the requests: a script sees the same order in a replay.
void Executors::Impl::on_reply(
    const std::shared_ptr<Running>& running, std::uint32_t sequence, HostReply reply) {
    if (running->ended || running->executor == nullptr) return;
    running->replies.emplace(sequence, std::move(reply));
    while (!running->replies.empty() && running->replies.begin()->first == running->next_reply) {
        running->executor->process->send(internal::encode_reply(running->replies.begin()->second));
        running->replies.erase(running->replies.begin());
        ++running->next_reply;
    }
}

void Executors::Impl::on_lost(ExecutorProcess& from) {
    const Iterator executor = find(from);
    if (executor == executors_.end()) return;
    const std::shared_ptr<Running> running = executor->running;
    if (running) {
        end_without_answer(running, Status::ExecutorLost, "the executor ended");
    } else {
        retire(executor);
    }
    count([](Stats& stats) { ++stats.executors_lost; });
    pump();
}

Executors::Impl::Iterator Executors::Impl::find(const ExecutorProcess& process) {
    return std::find_if(executors_.begin(), executors_.end(), [&](const Executor& executor) {
        return executor.process.get() == &process;
    });
}

// Makes sure that the process is gone, and forgets it.
void Executors::Impl::retire(Iterator executor) {
    if (!executor->process->kill() && zygote_) zygote_->ask_kill(executor->process->pid());
    executors_.erase(executor);
}

void Executors::Impl::kill(Iterator executor) {
    count([](Stats& stats) { ++stats.executors_killed; });
    retire(executor);
}

// Ends a job whose executor will not answer: killed first.
void Executors::Impl::end_without_answer(
    const std::shared_ptr<Running>& running, Status status, std::string_view message) {
    RunResult result;
    result.status = status;
    result.error = ScriptError{Stage::Execution, "", std::string(message), 0, 0};
    result.logs = std::move(running->seen);
    if (running->executor != nullptr) {
        const auto executor = std::find_if(
            executors_.begin(), executors_.end(),
            [&](const Executor& one) { return &one == running->executor; });
        running->executor = nullptr;
        if (executor != executors_.end()) {
            result.layers = executor->layers;
            result.layers.add(Layer::OwnUserProcess);
            result.wall_time = loop_.steady_now() - running->started;
            result.metered_gas = executor->process->metered_gas();
            executor->running.reset();
            count([](Stats& stats) { --stats.running; });
            kill(executor);
        }
    }
    end(running, std::move(result));
}

void Executors::Impl::end(const std::shared_ptr<Running>& running, Result<RunResult> result) {
    if (running->ended) return;
    running->ended = true;
    if (running->timer != 0) loop_.cancel(running->timer);
    {
        const std::lock_guard lock(mutex_);
        jobs_.erase(running->job.id);
    }
    running->done->set(std::move(result));
}

// --- Executors ----------------------------------------------------------------------------------

Result<std::unique_ptr<Executors>> Executors::create(base::EventLoop& loop, Options options) {
    auto impl = std::make_shared<Impl>(loop, std::move(options));
    TRY_VOID(impl->start());
    loop.post([weak = std::weak_ptr<Impl>(impl)] {
        if (const auto self = weak.lock()) self->begin();
    });
    return std::unique_ptr<Executors>(new Executors(std::move(impl)));
}

Executors::Executors(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Executors::~Executors() {
    impl_->stop();
}

Task<Result<RunResult>> Executors::run(Job job) {
    return Impl::run(impl_, std::move(job));
}
bool Executors::cancel(std::string_view job_id) {
    return impl_->cancel(job_id);
}
std::size_t Executors::capacity() const {
    return impl_->capacity();
}
Layers Executors::layers() const {
    return impl_->layers();
}
Executors::Stats Executors::stats() const {
    return impl_->stats();
}

}  // namespace adyton::script
