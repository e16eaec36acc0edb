#include "script/internal/executor_process.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/check.h"
#include "script/internal/zygote_protocol.h"
#include "script/zygote.h"

namespace adyton::script::internal {
namespace {

constexpr std::size_t kReadBytes = std::size_t{64} << 10U;
constexpr rlim_t kStackBytes = rlim_t{64} << 20U;

// Between fork and exec of a process with threads: only calls that are safe there.
[[noreturn]] void become_zygote(
    const char* program, int socket, const char* executors, bool signal) {
    const rlimit stack{kStackBytes, RLIM_INFINITY};
    if (::setrlimit(RLIMIT_STACK, &stack) != 0) {
        const rlimit lower{kStackBytes, kStackBytes};
        ::setrlimit(RLIMIT_STACK, &lower);
    }
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    if (socket == kZygoteSocket) {
        ::fcntl(socket, F_SETFD, 0);
    } else {
        ::dup2(socket, kZygoteSocket);
    }
    // Nothing of the environment: it may hold secrets. Symbols are bound once, not in each
    // executor.
    std::array<char*, 2> environment{const_cast<char*>("LD_BIND_NOW=1"), nullptr};
    std::array<char*, 5> arguments{
        const_cast<char*>("adyton"), const_cast<char*>(kZygoteCommand),
        const_cast<char*>(executors), signal ? const_cast<char*>(kZygoteSignalOption) : nullptr,
        nullptr};
    ::execve(program, arguments.data(), environment.data());
    ::_exit(127);
}

}  // namespace

// --- GasMeter -----------------------------------------------------------------------------------

GasMeter::GasMeter(const base::FileDescriptor& page) {
    if (page.get() < 0) return;
    void* const mapped = ::mmap(nullptr, kMeterBytes, PROT_READ, MAP_SHARED, page.get(), 0);
    if (mapped != MAP_FAILED) page_ = mapped;
}

GasMeter::~GasMeter() {
    if (page_ != nullptr) ::munmap(page_, kMeterBytes);
}

std::uint64_t GasMeter::read() const {
    if (page_ == nullptr) return 0;
    return static_cast<const std::atomic<std::uint64_t>*>(page_)->load(std::memory_order_relaxed);
}

// --- ExecutorProcess ----------------------------------------------------------------------------

ExecutorProcess::ExecutorProcess(
    base::EventLoop& loop, Owner& owner, base::FileDescriptor socket, base::FileDescriptor pid_fd,
    GasMeter meter, std::int32_t pid)
    : loop_(loop),
      owner_(owner),
      socket_(std::move(socket)),
      pid_fd_(std::move(pid_fd)),
      meter_(std::move(meter)),
      pid_(pid),
      in_(kReadBytes) {}

ExecutorProcess::~ExecutorProcess() {
    if (watched_) loop_.unwatch(socket_.get());
    if (destroyed_ != nullptr) *destroyed_ = true;
}

Result<void> ExecutorProcess::watch() {
    const int flags = ::fcntl(socket_.get(), F_GETFL);
    ::fcntl(socket_.get(), F_SETFL, flags | O_NONBLOCK);
    TRY_VOID(loop_.watch(socket_.get(), EPOLLIN, *this));
    watched_ = true;
    return {};
}

void ExecutorProcess::send(SensitiveBytes frame) {
    if (out_.empty()) {
        out_ = std::move(frame);
        out_sent_ = 0;
    } else {
        out_.append(frame.expose());
    }
    write_some();
}

void ExecutorProcess::write_some() {
    while (out_sent_ < out_.size() && !lost_) {
        const auto rest = out_.expose().subspan(out_sent_);
        const ssize_t sent = ::send(socket_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
        // A broken socket shows itself to the reader; the owner is in the middle of something now.
        if (sent <= 0) return;
        out_sent_ += static_cast<std::size_t>(sent);
    }
    const bool done = out_sent_ == out_.size();
    if (done) {
        out_.wipe();
        out_sent_ = 0;
    }
    if (writing_ == done && watched_) {
        writing_ = !done;
        static_cast<void>(
            loop_.modify(socket_.get(), writing_ ? EPOLLIN | EPOLLOUT : EPOLLIN, *this));
    }
}

bool ExecutorProcess::kill() {
    return pid_fd_.get() >= 0 &&
           ::syscall(SYS_pidfd_send_signal, pid_fd_.get(), SIGKILL, nullptr, 0) == 0;
}

void ExecutorProcess::on_events(std::uint32_t events) {
    bool gone = false;
    destroyed_ = &gone;
    if ((events & EPOLLOUT) != 0) write_some();
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) read_some();
    if (!gone) destroyed_ = nullptr;
}

void ExecutorProcess::lose() {
    if (lost_) return;
    lost_ = true;
    if (watched_) loop_.unwatch(socket_.get());
    watched_ = false;
    owner_.on_lost(*this);
}

void ExecutorProcess::read_some() {
    bool* const destroyed = destroyed_;
    const ssize_t got = ::read(socket_.get(), in_.data() + in_bytes_, in_.size() - in_bytes_);
    if (got < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (got <= 0) return lose();
    in_bytes_ += static_cast<std::size_t>(got);
    std::size_t at = 0;
    for (;;) {
        std::size_t size = 0;
        const auto frame = read_frame({in_.data() + at, in_bytes_ - at}, size);
        if (!frame) return lose();
        if (!*frame) break;
        at += size;
        owner_.on_frame(*this, **frame);
        if (*destroyed) return;
    }
    in_bytes_ -= at;
    if (at > 0) std::memmove(in_.data(), in_.data() + at, in_bytes_);
    // read_frame() has refused lengths over the maximum, so this ends there.
    if (in_bytes_ == in_.size()) in_.resize(2 * in_.size());
}

// --- ZygoteProcess ------------------------------------------------------------------------------

Result<std::unique_ptr<ZygoteProcess>> ZygoteProcess::start(
    const std::string& program, std::size_t executors, bool signal) {
    std::array<int, 2> sockets{-1, -1};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets.data()) != 0) {
        return Error::unavailable("no socket for the script zygote");
    }
    base::FileDescriptor ours(sockets[0]);
    const base::FileDescriptor theirs(sockets[1]);
    const char* const path = program.c_str();
    const std::string count = std::to_string(executors);
    const char* const count_text = count.c_str();
    const pid_t pid = ::fork();
    if (pid < 0) return Error::unavailable("the script zygote cannot be forked");
    if (pid == 0) become_zygote(path, theirs.get(), count_text, signal);
    const int flags = ::fcntl(ours.get(), F_GETFL);
    ::fcntl(ours.get(), F_SETFL, flags | O_NONBLOCK);
    return std::unique_ptr<ZygoteProcess>(new ZygoteProcess(std::move(ours), pid));
}

ZygoteProcess::~ZygoteProcess() {
    // It ends by itself when the socket closes, and its executors with it; killed, it cannot hang.
    socket_.reset();
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

bool ZygoteProcess::ask_fork() {
    const ZygoteRequest request{};
    return ::send(socket_.get(), &request, sizeof(request), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(sizeof(request));
}

void ZygoteProcess::ask_kill(std::int32_t pid) {
    const ZygoteRequest request{ZygoteRequest::Kind::Kill, pid};
    static_cast<void>(::send(socket_.get(), &request, sizeof(request), MSG_NOSIGNAL));
}

ZygoteProcess::Received ZygoteProcess::receive(Child& out) {
    ZygoteAnswer packet;
    iovec part{&packet, sizeof(packet)};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(3 * sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t got = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        return Received::Nothing;
    }
    if (got != static_cast<ssize_t>(sizeof(packet))) return Received::Gone;
    out.pid = packet.pid;
    const cmsghdr* const header = CMSG_FIRSTHDR(&message);
    if (header != nullptr && header->cmsg_type == SCM_RIGHTS) {
        std::array<int, 3> descriptors{-1, -1, -1};
        const std::size_t bytes = header->cmsg_len - CMSG_LEN(0);
        std::memcpy(descriptors.data(), CMSG_DATA(header), std::min(bytes, sizeof(descriptors)));
        std::size_t next = 0;
        out.socket = base::FileDescriptor(descriptors[next++]);
        if (packet.has_pid_fd != 0) out.pid_fd = base::FileDescriptor(descriptors[next++]);
        out.meter = base::FileDescriptor(descriptors[next]);
    }
    if (out.socket.get() < 0) out.pid = -1;
    return Received::Child;
}

}  // namespace adyton::script::internal
