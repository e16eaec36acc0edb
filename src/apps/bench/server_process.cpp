#include "apps/bench/server_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

namespace adyton::apps::bench {
namespace {

using std::chrono::milliseconds;

constexpr auto kPollPeriod = milliseconds(2);
constexpr auto kStopPatience = std::chrono::seconds(60);
constexpr int kFsyncRounds = 200;

std::vector<int> allowed_cores() {
    cpu_set_t set;
    CPU_ZERO(&set);
    std::vector<int> cores;
    if (::sched_getaffinity(0, sizeof set, &set) != 0) return {0};
    for (std::size_t core = 0; core < CPU_SETSIZE; ++core) {
        if (CPU_ISSET(core, &set)) cores.push_back(static_cast<int>(core));
    }
    return cores;
}

bool set_cores(const std::vector<int>& cores) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const int core : cores) CPU_SET(static_cast<std::size_t>(core), &set);
    return ::sched_setaffinity(0, sizeof set, &set) == 0;
}

struct Descriptor {
    int fd = -1;
    ~Descriptor() {
        if (fd >= 0) ::close(fd);
    }
};

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

// One try, blocking for at most half a second: nothing else runs on this thread meanwhile.
bool asks_ready(std::uint16_t port) {
    const Descriptor socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const sockaddr_in address = loopback(port);
    const timeval patience{0, 500'000};
    ::setsockopt(socket.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (::connect(socket.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return false;
    }
    constexpr std::string_view kAsk =
        "GET /ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    if (::send(socket.fd, kAsk.data(), kAsk.size(), MSG_NOSIGNAL) < 0) return false;
    std::array<char, 256> answer;
    const ssize_t got = ::recv(socket.fd, answer.data(), answer.size(), 0);
    return got >= 12 && std::memcmp(answer.data(), "HTTP/1.1 200", 12) == 0;
}

void pause(base::EventLoop& loop, base::Duration span) {
    loop.post_after(span, [&loop] { loop.stop(); });
    loop.run();
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (std::string& text : texts) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
}

// Only async-signal-safe calls: the parent may have threads.
[[noreturn]] void become_child(
    char* const* argv, char* const* environment, int log, int core, pid_t parent) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (core >= 0) CPU_SET(static_cast<std::size_t>(core), &set);
    if (core >= 0 && ::sched_setaffinity(0, sizeof set, &set) != 0) ::_exit(126);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (::getppid() != parent) ::_exit(125);  // it died before prctl
    ::dup2(log, STDOUT_FILENO);
    ::dup2(log, STDERR_FILENO);
    ::execve(argv[0], argv, environment);
    ::_exit(127);
}

}  // namespace

Cores choose_cores() {
    const std::vector<int> cores = allowed_cores();
    return {cores.front(), cores.back()};
}

Result<void> pin_to_core(int core) {
    if (!set_cores({core})) return Error::unavailable("cannot bind this thread to a core");
    return {};
}

PinnedScope::PinnedScope(int core) : before_(allowed_cores()) {
    set_cores({core});
}
PinnedScope::~PinnedScope() {
    set_cores(before_);
}

Result<ServerProcess> ServerProcess::start(const Options& options) {
    const Descriptor log{
        ::open(options.log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)};
    if (log.fd < 0) return Error::unavailable("cannot write " + options.log_path);
    std::vector<std::string> arguments = options.arguments;
    std::vector<std::string> environment = options.environment;
    const std::vector<char*> argv = pointers(arguments);
    const std::vector<char*> envp = pointers(environment);
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid == 0) become_child(argv.data(), envp.data(), log.fd, options.core, parent);
    if (pid < 0) return Error::unavailable(std::string("fork: ") + std::strerror(errno));
    return ServerProcess(pid);
}

ServerProcess::ServerProcess(ServerProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)) {}

ServerProcess::~ServerProcess() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

std::optional<int> ServerProcess::poll_exit() {
    int status = 0;
    if (pid_ <= 0 || ::waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Result<void> ServerProcess::wait_ready(
    base::EventLoop& loop, std::uint16_t port, base::Duration patience) {
    const base::SteadyTime deadline = loop.steady_now() + patience;
    while (!asks_ready(port)) {
        if (const auto status = poll_exit()) {
            return Error::unavailable(fmt::format("the server ended with status {}", *status));
        }
        if (loop.steady_now() > deadline)
            return Error::deadline_exceeded("the server is not ready");
        pause(loop, kPollPeriod);
    }
    return {};
}

Result<int> ServerProcess::wait_exit(base::EventLoop& loop, base::Duration patience) {
    const base::SteadyTime deadline = loop.steady_now() + patience;
    while (loop.steady_now() < deadline) {
        if (const auto status = poll_exit()) return *status;
        pause(loop, milliseconds(10));
    }
    return Error::deadline_exceeded("the process does not end");
}

Result<int> ServerProcess::stop(base::EventLoop& loop) {
    if (pid_ <= 0) return Error::unavailable("the server has ended already");
    ::kill(pid_, SIGTERM);
    return wait_exit(loop, kStopPatience);
}

std::optional<std::chrono::microseconds> ServerProcess::cpu_time() const {
    std::ifstream file(fmt::format("/proc/{}/stat", pid_));
    std::string line;
    std::getline(file, line);
    const std::size_t name_end = line.rfind(')');  // the name may hold blanks
    if (name_end == std::string::npos) return std::nullopt;
    std::istringstream fields(line.substr(name_end + 1));
    std::string skipped;
    for (int i = 3; i < 14; ++i) fields >> skipped;  // proc(5): utime is the 14th field
    std::int64_t user = 0;
    std::int64_t system = 0;
    if (!(fields >> user >> system)) return std::nullopt;
    return std::chrono::microseconds((user + system) * 1'000'000 / ::sysconf(_SC_CLK_TCK));
}

std::optional<std::int64_t> ServerProcess::status_kib(const std::string& field) const {
    std::ifstream file(fmt::format("/proc/{}/status", pid_));
    std::string name;
    while (file >> name) {
        std::int64_t value = 0;
        if (name == field && file >> value) return value;
        file.ignore(4096, '\n');
    }
    return std::nullopt;
}

std::optional<std::int64_t> ServerProcess::resident_kib() const {
    return status_kib("VmRSS:");
}
std::optional<std::int64_t> ServerProcess::resident_peak_kib() const {
    return status_kib("VmHWM:");
}

Result<std::uint16_t> find_free_port() {
    const Descriptor socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    if (::bind(socket.fd, any, size) != 0 || ::getsockname(socket.fd, any, &size) != 0) {
        return Error::unavailable("no free port");
    }
    return ntohs(address.sin_port);
}

Result<FsyncLatency> measure_fsync(const base::Clock& clock, const std::string& directory) {
    const std::string path = directory + "/fsync-test";
    const Descriptor file{::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)};
    if (file.fd < 0) return Error::unavailable("cannot write " + path);
    const std::array<char, 4096> block{};
    std::vector<std::int64_t> times;
    for (int i = 0; i < kFsyncRounds; ++i) {
        const auto before = clock.steady_now();
        if (::pwrite(file.fd, block.data(), block.size(), static_cast<off_t>(i) * 4096) !=
                static_cast<ssize_t>(block.size()) ||
            ::fdatasync(file.fd) != 0) {
            return Error::unavailable("cannot sync " + path);
        }
        times.push_back(
            std::chrono::duration_cast<std::chrono::microseconds>(clock.steady_now() - before)
                .count());
    }
    ::unlink(path.c_str());
    std::sort(times.begin(), times.end());
    return FsyncLatency{times[times.size() / 2], times[times.size() * 99 / 100]};
}

std::string processor_name() {
    std::ifstream file("/proc/cpuinfo");
    std::string line;
    while (std::getline(file, line)) {
        if (line.rfind("model name", 0) != 0) continue;
        const std::size_t colon = line.find(": ");
        if (colon != std::string::npos) return line.substr(colon + 2);
    }
    return "unknown processor";
}

}  // namespace adyton::apps::bench
