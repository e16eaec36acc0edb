#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>

#include "base/check.h"
#include "service/host.h"

namespace adyton::service {
namespace {

constexpr std::array<int, 3> kSignals = {SIGTERM, SIGINT, SIGHUP};

// Where the handler writes; -1 when nobody watches. Lock-free, as a handler needs.
std::atomic<int> write_end{-1};
static_assert(std::atomic<int>::is_always_lock_free);

void on_signal(int signal_number) {
    const int saved = errno;
    const auto byte = static_cast<unsigned char>(signal_number);
    const int fd = write_end.load(std::memory_order_acquire);
    // A full pipe drops the byte: there are enough signals in it already.
    if (fd >= 0) [[maybe_unused]]
        const auto written = ::write(fd, &byte, 1);
    errno = saved;
}

}  // namespace

class SignalWatcher::Pipe final : public base::EventLoop::Watcher {
public:
    Pipe(base::EventLoop& loop, Actions actions, int read_fd, int write_fd)
        : loop_(loop), actions_(std::move(actions)), read_fd_(read_fd), write_fd_(write_fd) {}
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;

    ~Pipe() override {
        for (std::size_t i = 0; i < installed_; ++i) {
            ::sigaction(kSignals[i], &previous_[i], nullptr);
        }
        if (installed_ > 0) write_end.store(-1, std::memory_order_release);
        if (watched_) loop_.unwatch(read_fd_);
        ::close(read_fd_);
        ::close(write_fd_);
    }

    Result<void> install() {
        TRY_VOID(loop_.watch(read_fd_, EPOLLIN, *this));
        watched_ = true;
        int none = -1;
        CHECK(write_end.compare_exchange_strong(none, write_fd_));
        struct sigaction action {};
        action.sa_handler = on_signal;
        action.sa_flags = SA_RESTART;
        ::sigfillset(&action.sa_mask);
        for (const int number : kSignals) {
            if (::sigaction(number, &action, &previous_[installed_]) != 0) {
                return Error::internal("sigaction refused");
            }
            ++installed_;
        }
        // A peer that closes early must be an error of write, not the end of the process.
        std::signal(SIGPIPE, SIG_IGN);
        return {};
    }

    void on_events(std::uint32_t) override {
        std::array<unsigned char, 64> bytes{};
        const ssize_t got = ::read(read_fd_, bytes.data(), bytes.size());
        for (ssize_t i = 0; i < got; ++i) act(bytes[static_cast<std::size_t>(i)]);
    }

private:
    void act(int signal_number) {
        if (signal_number == SIGHUP) {
            if (actions_.reload) actions_.reload();
            return;
        }
        const bool again = stopping_;
        stopping_ = true;
        const auto& action = again ? actions_.stop_now : actions_.stop;
        if (action) action();
    }

    base::EventLoop& loop_;
    Actions actions_;
    int read_fd_;
    int write_fd_;
    bool watched_ = false;
    bool stopping_ = false;
    std::size_t installed_ = 0;
    std::array<struct sigaction, kSignals.size()> previous_{};
};

SignalWatcher::SignalWatcher(std::unique_ptr<Pipe> pipe) : pipe_(std::move(pipe)) {}
SignalWatcher::~SignalWatcher() = default;

Result<std::unique_ptr<SignalWatcher>> SignalWatcher::create(
    base::EventLoop& loop, Actions actions) {
    std::array<int, 2> fds{};
    if (::pipe2(fds.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
        return Error::internal("no pipe for signals");
    }
    auto pipe = std::make_unique<Pipe>(loop, std::move(actions), fds[0], fds[1]);
    TRY_VOID(pipe->install());
    return std::unique_ptr<SignalWatcher>(new SignalWatcher(std::move(pipe)));
}

}  // namespace adyton::service
