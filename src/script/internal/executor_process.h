#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/result.h"
#include "script/internal/wire.h"
#include "script/layers.h"
#include "script/sensitive_bytes.h"

namespace adyton::script::internal {

// A file descriptor with one owner.
class Descriptor {
public:
    Descriptor() = default;
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
    Descriptor& operator=(Descriptor&& other) noexcept;
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() { reset(); }
    int get() const { return fd_; }
    void reset();

private:
    int fd_ = -1;
};

// The service's view of an executor's gas meter (zygote_protocol.h).
class GasMeter {
public:
    GasMeter() = default;
    // Without a descriptor, or when it cannot be mapped: a meter that shows nothing.
    explicit GasMeter(const Descriptor& page);
    GasMeter(GasMeter&& other) noexcept : page_(other.page_) { other.page_ = nullptr; }
    GasMeter& operator=(GasMeter&&) = delete;
    ~GasMeter();
    // What the executor says; 0 when there is none.
    std::uint64_t read() const;

private:
    void* page_ = nullptr;
};

// The service's end of one executor: frames out and in, without blocking. On the loop's thread.
class ExecutorProcess final : public base::EventLoop::Watcher {
public:
    class Owner {
    public:
        virtual ~Owner() = default;
        virtual void on_frame(ExecutorProcess& from, const Frame& frame) = 0;
        // It is gone, or spoke nonsense. Called once, last.
        virtual void on_lost(ExecutorProcess& from) = 0;
    };

    ExecutorProcess(
        base::EventLoop& loop, Owner& owner, Descriptor socket, Descriptor pid_fd, GasMeter meter,
        std::int32_t pid);
    ~ExecutorProcess() override;

    // Unavailable: epoll refused.
    Result<void> watch();
    void send(SensitiveBytes frame);
    // SIGKILL; true when the kernel took it. Without a pidfd the zygote must do it.
    bool kill();
    std::int32_t pid() const { return pid_; }
    // Of the job at hand, as the executor last said.
    std::uint64_t metered_gas() const { return meter_.read(); }

    void on_events(std::uint32_t events) override;

private:
    void read_some();
    void write_some();
    void lose();

    base::EventLoop& loop_;
    Owner& owner_;
    Descriptor socket_;
    Descriptor pid_fd_;
    const GasMeter meter_;
    const std::int32_t pid_;
    std::vector<std::uint8_t> in_;
    std::size_t in_bytes_ = 0;
    SensitiveBytes out_;
    std::size_t out_sent_ = 0;
    bool watched_ = false;
    bool writing_ = false;
    bool lost_ = false;
    // Set while frames are delivered: an owner may destroy this from within.
    bool* destroyed_ = nullptr;
};

// The service's end of the zygote.
class ZygoteProcess {
public:
    // Unavailable: it cannot be started. `signal`: for tests (zygote.h).
    // `executors`: how many there may be at once.
    static Result<std::unique_ptr<ZygoteProcess>> start(
        const std::string& program, std::size_t executors, bool signal);
    ~ZygoteProcess();

    int socket() const { return socket_.get(); }
    bool ask_fork();
    void ask_kill(std::int32_t pid);

    struct Child {
        std::int32_t pid = -1;  // -1: the fork failed
        Descriptor socket;
        Descriptor pid_fd;
        Descriptor meter;
    };
    enum class Received { Child, Nothing, Gone };
    // Does not block.
    Received receive(Child& out);

private:
    ZygoteProcess(Descriptor socket, int pid) : socket_(std::move(socket)), pid_(pid) {}
    Descriptor socket_;
    const int pid_;
};

}  // namespace adyton::script::internal
