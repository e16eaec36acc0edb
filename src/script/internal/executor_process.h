#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/file_descriptor.h"
#include "base/result.h"
#include "script/internal/wire.h"
#include "script/layers.h"
#include "script/sensitive_bytes.h"

namespace adyton::script::internal {

// The service's view of an executor's gas meter (zygote_protocol.h).
class GasMeter {
public:
    GasMeter() = default;
    // Without a descriptor, or when it cannot be mapped: a meter that shows nothing.
    explicit GasMeter(const base::FileDescriptor& page);
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
        base::EventLoop& loop, Owner& owner, base::FileDescriptor socket,
        base::FileDescriptor pid_fd, GasMeter meter, std::int32_t pid);
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
    base::FileDescriptor socket_;
    base::FileDescriptor pid_fd_;
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
        base::FileDescriptor socket;
        base::FileDescriptor pid_fd;
        base::FileDescriptor meter;
    };
    enum class Received { Child, Nothing, Gone };
    // Does not block.
    Received receive(Child& out);

private:
    ZygoteProcess(base::FileDescriptor socket, int pid) : socket_(std::move(socket)), pid_(pid) {}
    base::FileDescriptor socket_;
    const int pid_;
};

}  // namespace adyton::script::internal
