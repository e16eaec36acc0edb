#include "script/zygote.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "script/internal/cgroup.h"
#include "script/internal/lockdown.h"
#include "script/internal/machine.h"
#include "script/internal/wire.h"
#include "script/internal/zygote_protocol.h"

namespace adyton::script {
namespace {

using internal::FrameType;
using internal::kExecutorSocket;
using internal::kZygoteSocket;

// Time inside an executor, which has no event loop.
class PlainClock final : public base::Clock {
public:
    base::Timestamp now() const override { return base::Timestamp{}; }
    base::SteadyTime steady_now() const override {
        // lint-allow(clock): an executor process has no executor to ask
        return base::SteadyTime(std::chrono::steady_clock::now().time_since_epoch());
    }
};

bool write_all(base::ByteView bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(kExecutorSocket, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return true;
}
bool write_all(std::string_view text) {
    return write_all(base::as_bytes(text));
}

// Frames from the service. The buffer is wiped after each.
class FrameSource {
public:
    // Makes the buffer now rather than for the first frame.
    void prepare() { buffer_.resize(kFirstBytes); }
    // Null: the service is gone (or sent what it never sends).
    const internal::Frame* next() {
        drop();
        for (;;) {
            auto frame = internal::read_frame(filled(), frame_bytes_);
            if (!frame) return nullptr;
            if (*frame) {
                frame_ = **frame;
                return &frame_;
            }
            if (!fill()) return nullptr;
        }
    }
    // The frame last given, and what held it.
    void drop() {
        if (frame_bytes_ == 0) return;
        std::memmove(buffer_.data(), buffer_.data() + frame_bytes_, filled_ - frame_bytes_);
        ::explicit_bzero(buffer_.data() + filled_ - frame_bytes_, frame_bytes_);
        filled_ -= frame_bytes_;
        frame_bytes_ = 0;
    }

private:
    base::ByteView filled() const { return {buffer_.data(), filled_}; }
    bool fill() {
        if (filled_ == buffer_.size()) {
            if (buffer_.size() > internal::kFrameBytesMax) return false;
            std::vector<std::uint8_t> larger(std::max(kFirstBytes, 2 * buffer_.size()));
            if (filled_ > 0) {
                std::memcpy(larger.data(), buffer_.data(), filled_);
                ::explicit_bzero(buffer_.data(), buffer_.size());
            }
            buffer_.swap(larger);
        }
        for (;;) {
            const ssize_t got =
                ::read(kExecutorSocket, buffer_.data() + filled_, buffer_.size() - filled_);
            if (got < 0 && errno == EINTR) continue;
            if (got <= 0) return false;
            filled_ += static_cast<std::size_t>(got);
            return true;
        }
    }

    // Most jobs are small, and a process for one job pays for each page that it touches.
    static constexpr std::size_t kFirstBytes = std::size_t{16} << 10U;

    std::vector<std::uint8_t> buffer_;
    std::size_t filled_ = 0;
    std::size_t frame_bytes_ = 0;
    internal::Frame frame_;
};

// A run inside an executor. It ends by itself or by SIGKILL; there is nothing to ask.
class SocketHooks final : public internal::RunHooks {
public:
    explicit SocketHooks(bool live_logs) : live_logs_(live_logs) {}

    void log(const LogEntry& entry) override {
        if (live_logs_) static_cast<void>(write_all(internal::encode_log(entry)));
    }
    bool send(HostRequest request) override { return write_all(internal::encode_request(request)); }
    bool receive(HostReply& reply) override {
        const internal::Frame* const frame = replies_.next();
        if (frame == nullptr || frame->type != FrameType::HostReply) return false;
        auto decoded = internal::decode_reply(frame->payload);
        if (!decoded) return false;
        reply = std::move(*decoded);
        return true;
    }
    bool cancelled() override { return false; }

private:
    const bool live_logs_;
    // The service sends nothing but replies until it has the result, so this reads ahead of
    // nothing.
    FrameSource replies_;
};

struct Engine {
    PlainClock clock;
    std::unique_ptr<internal::MemorySlot> slot;
    std::unique_ptr<internal::Machine> machine;
    std::shared_ptr<const internal::BootImage> image;
};

Result<std::unique_ptr<Engine>> start_engine(const HostLibrary& library) {
    auto engine = std::make_unique<Engine>();
    TRY(engine->slot, internal::MemorySlot::create());
    engine->machine = std::make_unique<internal::Machine>(*engine->slot, engine->clock);
    TRY(engine->image, engine->machine->boot(library));
    return engine;
}

void run_job(Engine& engine, base::ByteView payload) {
    internal::JobFlags flags;
    auto work = internal::decode_job(payload, flags);
    if (!work) {
        static_cast<void>(write_all(internal::encode_refused("malformed job")));
        return;
    }
    SocketHooks hooks(flags.live_logs);
    auto result = engine.machine->run(engine.image, *work, hooks);
    ::explicit_bzero(work->random_seed.data(), work->random_seed.size());
    const std::string answer = result ? internal::encode_result(*result)
                                      : internal::encode_refused(result.error().message());
    static_cast<void>(write_all(answer));
    // Memory that goes with the process need not be put in order first.
    if (!flags.last) engine.machine->clean();
}

// Takes its own copies of the pages that a job will write to, and sees those that it will read,
// before anybody waits for it: after a fork most of a first job's time would go there. The job that
// does it is ours, and leaves nothing: the engine is as new afterwards.
void warm_up(Engine& engine, FrameSource& jobs) {
    jobs.prepare();
    internal::NoHooks hooks;
    internal::Work work;
    work.source =
        "function main(input) { const out = []; for (const one of input.list) out.push({ one, n: "
        "one.length + input.a, s: `${one}!` }); return { out, at: [3, 1, 2].sort() }; }";
    work.entry_point = "main";
    work.input_json = R"({"a":1.5,"list":["first","second","third","fourth"]})";
    const auto result = engine.machine->run(engine.image, work, hooks);
    if (result) static_cast<void>(internal::encode_result(*result));
    engine.machine->clean();
}

// The life of an executor: one job after the other until the service closes the socket.
void serve_jobs(Engine& engine, FrameSource& jobs) {
    while (const internal::Frame* const frame = jobs.next()) {
        if (frame->type != FrameType::Job) return;
        run_job(engine, frame->payload);
        jobs.drop();
    }
}

// Tests only: names the system call that the list does not have, then lets it fail.
void on_outside_call(int, siginfo_t* info, void* context) {
    std::array<std::uint8_t, internal::kFrameHeaderBytes + 4> frame{};
    frame[0] = 5;
    frame[4] = static_cast<std::uint8_t>(FrameType::Violation);
    for (unsigned i = 0; i < 4; ++i) {
        frame[internal::kFrameHeaderBytes + i] =
            static_cast<std::uint8_t>(static_cast<unsigned>(info->si_syscall) >> (8 * i));
    }
    static_cast<void>(write_all(frame));
#if defined(__x86_64__)
    static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RAX] = -ENOSYS;
#else
    static_cast<void>(context);
#endif
}

// The memory that an executor shares with the service: its gas, and nothing else
// (zygote_protocol.h).
class MeterPage {
public:
    MeterPage() {
        fd_ = ::memfd_create("gas", MFD_CLOEXEC);
        if (fd_ < 0 || ::ftruncate(fd_, internal::kMeterBytes) != 0) return;
        void* const page =
            ::mmap(nullptr, internal::kMeterBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
        if (page != MAP_FAILED) page_ = page;
    }
    MeterPage(const MeterPage&) = delete;
    MeterPage& operator=(const MeterPage&) = delete;
    ~MeterPage() {
        if (page_ != nullptr) ::munmap(page_, internal::kMeterBytes);
        if (fd_ >= 0) ::close(fd_);
    }
    // -1: none.
    int fd() const { return page_ != nullptr ? fd_ : -1; }
    // Null: none. Zero bytes are an atomic of value 0 on every platform that has executors.
    std::atomic<std::uint64_t>* gas() const {
        static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
        return static_cast<std::atomic<std::uint64_t>*>(page_);
    }

private:
    int fd_ = -1;
    void* page_ = nullptr;
};

// What all executors of a zygote may take together: each its script's memory, what it was born
// with, and room for a request and an answer.
internal::Cgroup::Limits group_limits(std::uint32_t executors) {
    constexpr std::uint64_t kEach = kMemoryBytesMax + (std::uint64_t{56} << 20U);
    constexpr std::uint64_t kZygote = std::uint64_t{128} << 20U;
    constexpr std::uint32_t kDying = 8;  // killed ones that have not been waited for
    return {kZygote + kEach * executors, executors + kDying};
}

class Zygote {
public:
    // Enters the namespaces that its executors inherit: made once, not for each of them.
    Zygote(std::unique_ptr<Engine> engine, internal::SyscallFilter::Outside outside, Layers born)
        : engine_(std::move(engine)), outside_(outside) {
        data_bytes_ = internal::data_bytes();
        auto filter = internal::SyscallFilter::build(outside);
        if (filter) filter_ = std::make_unique<internal::SyscallFilter>(std::move(*filter));
        internal::keep_from_children();
        internal::drop_bounding_set();
        inherited_ = internal::enter_namespaces(born);
    }

    // Until the service is gone. In an executor it never returns.
    int serve() {
        for (;;) {
            internal::ZygoteRequest request;
            const ssize_t got = ::recv(kZygoteSocket, &request, sizeof(request), 0);
            if (got < 0 && errno == EINTR) continue;
            reap();
            if (got != static_cast<ssize_t>(sizeof(request))) return 0;  // executors die with us
            if (request.kind == internal::ZygoteRequest::Kind::Fork) {
                make_executor();
            } else if (
                std::find(children_.begin(), children_.end(), request.pid) != children_.end()) {
                ::kill(request.pid, SIGKILL);
            }
        }
    }

private:
    void reap() {
        for (;;) {
            const pid_t pid = ::waitpid(-1, nullptr, WNOHANG);
            if (pid <= 0) return;
            std::erase(children_, pid);
        }
    }

    void make_executor() {
        std::array<int, 2> sockets{-1, -1};
        internal::Birth birth;
        const MeterPage meter;
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()) == 0) {
            ++number_;
            birth = internal::fork_executor();
        }
        if (birth.pid == 0) become_executor(sockets[1], meter);
        if (birth.pid > 0) children_.push_back(birth.pid);
        answer(birth, sockets[0], meter.fd());
        for (const int fd : {sockets[0], sockets[1], birth.pid_fd}) {
            if (fd >= 0) ::close(fd);
        }
    }

    // The page stays mapped; its descriptor goes with all others.
    [[noreturn]] void become_executor(int socket, const MeterPage& meter) {
        engine_->machine->set_meter(meter.gas());
        ::dup2(socket, kExecutorSocket);
        if (outside_ == internal::SyscallFilter::Outside::Signal) {
            struct sigaction action {};
            action.sa_sigaction = on_outside_call;
            action.sa_flags = SA_SIGINFO | SA_NODEFER;
            ::sigaction(SIGSYS, &action, nullptr);
        }
        ::signal(SIGPIPE, SIG_IGN);
        internal::Lockdown lockdown;
        lockdown.filter = filter_.get();
        lockdown.number = number_;
        lockdown.inherited = inherited_;
        lockdown.data_bytes = data_bytes_;
        Layers layers = internal::lock_down(lockdown);
#if defined(ADYTON_SCRIPT_MASKED)
        layers.add(Layer::MaskedMemory);
#else
        layers.add(Layer::GuardPages);
#endif
        layers.add(Layer::StackBound);
        layers.add(Layer::OwnProcess);
        FrameSource jobs;
        warm_up(*engine_, jobs);
        if (write_all(internal::encode_hello(layers))) serve_jobs(*engine_, jobs);
        ::_exit(0);
    }

    static void answer(const internal::Birth& birth, int socket, int meter) {
        internal::ZygoteAnswer packet;
        packet.pid = birth.pid;
        std::array<int, 3> descriptors{-1, -1, -1};
        if (birth.pid > 0) {
            descriptors[packet.descriptors++] = socket;
            if (birth.pid_fd >= 0) descriptors[packet.descriptors++] = birth.pid_fd;
            if (meter >= 0) descriptors[packet.descriptors++] = meter;
            packet.has_pid_fd = birth.pid_fd >= 0 ? 1 : 0;
        }
        iovec part{&packet, sizeof(packet)};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(descriptors))> control{};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        if (packet.descriptors > 0) {
            const std::size_t bytes = packet.descriptors * sizeof(int);
            message.msg_control = control.data();
            message.msg_controllen = CMSG_SPACE(bytes);
            cmsghdr* const header = CMSG_FIRSTHDR(&message);
            header->cmsg_level = SOL_SOCKET;
            header->cmsg_type = SCM_RIGHTS;
            header->cmsg_len = CMSG_LEN(bytes);
            std::memcpy(CMSG_DATA(header), descriptors.data(), bytes);
        }
        static_cast<void>(::sendmsg(kZygoteSocket, &message, MSG_NOSIGNAL));
    }

    const std::unique_ptr<Engine> engine_;
    const internal::SyscallFilter::Outside outside_;
    std::unique_ptr<internal::SyscallFilter> filter_;
    Layers inherited_;
    std::uint64_t data_bytes_ = 0;
    std::vector<pid_t> children_;
    std::uint32_t number_ = 0;
};

}  // namespace

std::optional<int> run_zygote_if_asked(int argc, char** argv, const HostLibrary& library) {
    if (argc < 2 || std::string_view(argv[1]) != kZygoteCommand) return std::nullopt;
    const auto executors =
        argc > 2 ? static_cast<std::uint32_t>(::strtoul(argv[2], nullptr, 10)) : 0;
    const bool signal = argc > 3 && std::string_view(argv[3]) == kZygoteSignalOption;
    // Only the service starts zygotes; by hand there is no such socket.
    int type = 0;
    socklen_t size = sizeof(type);
    if (::getsockopt(kZygoteSocket, SOL_SOCKET, SO_TYPE, &type, &size) != 0 ||
        type != SOCK_SEQPACKET) {
        return 2;
    }
    ::syscall(SYS_close_range, kZygoteSocket + 1, ~0U, 0);
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (!internal::prepare_thread()) return 1;
    if (library.warm_up != nullptr) library.warm_up();
    auto engine = start_engine(library);
    if (!engine) return 1;
    // This process stays outside and waits; the one inside forks the executors. Its death is
    // theirs, and ours is its.
    internal::Cgroup::Place place;
    place.number = static_cast<std::uint32_t>(::getpid());
    const auto group = internal::Cgroup::create(place, group_limits(executors));
    internal::Birth inside = internal::fork_into_namespaces();
    if (inside.pid < 0) return 1;
    if (inside.pid > 0) {
        ::close(kZygoteSocket);
        while (::waitpid(inside.pid, nullptr, 0) < 0 && errno == EINTR) {
        }
        if (group) group->remove();
        ::_exit(0);
    }
    if (group && group->join()) inside.layers.add(Layer::ControlGroup);
    Zygote zygote(
        std::move(*engine),
        signal ? internal::SyscallFilter::Outside::Signal : internal::SyscallFilter::Outside::Kill,
        inside.layers);
    // No destructors and no leak check at exit: nothing here outlives the process.
    ::_exit(zygote.serve());
}

}  // namespace adyton::script
