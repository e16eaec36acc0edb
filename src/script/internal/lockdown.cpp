#include "script/internal/lockdown.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "script/limits.h"

namespace adyton::script::internal {
namespace {

// Outside the ranges that distributions and containers hand out.
constexpr std::uint32_t kUserBase = 1'900'000'000;
constexpr std::uint32_t kUserCount = 1'000'000;
constexpr unsigned kNobody = 65'534;
// What an executor may map beside what it was born with and the memory of its script.
[[maybe_unused]] constexpr rlim_t kHeapBytes = rlim_t{48} << 20U;
constexpr rlim_t kCpuSecondsMax = 24 * 3600;

constexpr int kNamespaces = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;

using FilterContext = std::unique_ptr<void, decltype(&::seccomp_release)>;

// Adds one rule; true when libseccomp took it.
template <typename... Comparison>
bool allow(void* context, int call, Comparison... comparison) {
    return ::seccomp_rule_add(
               context, SCMP_ACT_ALLOW, call, static_cast<unsigned>(sizeof...(comparison)),
               comparison...) == 0;
}

scmp_arg_cmp same(unsigned argument, scmp_datum_t value) {
    return {argument, SCMP_CMP_EQ, value, 0};
}
scmp_arg_cmp masked(unsigned argument, scmp_datum_t mask, scmp_datum_t value) {
    return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}

// The list: talk over the one socket, memory without execution, the time, randomness, the end.
bool add_rules(void* context) {
    bool good = true;
    for (const int call : {SCMP_SYS(read), SCMP_SYS(write)}) {
        good = good && allow(context, call, same(0, kExecutorSocket));
    }
    good = good && allow(
                       context, SCMP_SYS(mmap), masked(2, PROT_EXEC, 0),
                       masked(3, MAP_ANONYMOUS | MAP_SHARED, MAP_ANONYMOUS));
    good = good && allow(context, SCMP_SYS(mprotect), masked(2, PROT_EXEC, 0));
    for (const int call :
         {SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk),
          SCMP_SYS(clock_gettime), SCMP_SYS(getrandom), SCMP_SYS(getpid), SCMP_SYS(rt_sigreturn),
          SCMP_SYS(exit_group), SCMP_SYS(exit)}) {
        good = good && allow(context, call);
    }
#if defined(ADYTON_SANITIZED)
    // The sanitizers' own, to report what they find and to try (with a pipe) whether a pointer is
    // readable before they follow it.
    good = good && allow(context, SCMP_SYS(write));
    for (const int call :
         {SCMP_SYS(futex), SCMP_SYS(sched_yield), SCMP_SYS(getpid), SCMP_SYS(gettid),
          SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction), SCMP_SYS(sigaltstack),
          SCMP_SYS(readlink), SCMP_SYS(prctl), SCMP_SYS(getrlimit), SCMP_SYS(nanosleep),
          SCMP_SYS(clock_nanosleep), SCMP_SYS(pipe), SCMP_SYS(pipe2), SCMP_SYS(close)}) {
        good = good && allow(context, call);
    }
#endif
    return good;
}

bool write_file(const char* path, std::string_view text) {
    const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const bool good = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    ::close(fd);
    return good;
}

// Inside a user namespace of our own: one user, who is nobody outside what we were.
bool map_user(unsigned user, unsigned group) {
    const std::string map = std::to_string(kNobody) + " ";
    return write_file("/proc/self/setgroups", "deny") &&
           write_file("/proc/self/uid_map", map + std::to_string(user) + " 1") &&
           write_file("/proc/self/gid_map", map + std::to_string(group) + " 1");
}

// An empty, read-only directory in memory becomes the root.
bool empty_root() {
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
    for (const char* const place : {"/tmp", "/proc", "/dev"}) {
        constexpr unsigned long kFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
        if (::mount("none", place, "tmpfs", kFlags, "size=4k,mode=0555") != 0) continue;
        if (::chdir(place) != 0) return false;
        if (::syscall(SYS_pivot_root, ".", ".") == 0) {
            if (::umount2(".", MNT_DETACH) != 0) return false;
        } else if (::chroot(".") != 0) {
            return false;
        }
        if (::chdir("/") != 0) return false;
        ::mount(nullptr, "/", nullptr, MS_REMOUNT | MS_RDONLY | kFlags, "size=4k,mode=0555");
        return true;
    }
    return false;
}

// True: this process was somebody who may more, and is not any longer.
bool drop_user(std::uint32_t number, bool own_namespace) {
    if (own_namespace) {  // already mapped to nobody
        return ::setresgid(kNobody, kNobody, kNobody) == 0 &&
               ::setresuid(kNobody, kNobody, kNobody) == 0;
    }
    if (::geteuid() != 0) return false;  // an ordinary user has nothing to give up
    const unsigned wanted = kUserBase + number % kUserCount;
    for (const unsigned user : {wanted, kNobody}) {  // a container may map only small numbers
        if (::setgroups(0, nullptr) == 0 && ::setresgid(user, user, user) == 0 &&
            ::setresuid(user, user, user) == 0) {
            return true;
        }
    }
    return false;
}

bool drop_capabilities() {
    if (::prctl(PR_CAPBSET_READ, 0, 0, 0, 0) != 0) drop_bounding_set();
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> none{};
    if (::syscall(SYS_capset, &header, none.data()) != 0) return false;
    std::array<__user_cap_data_struct, 2> now{};
    if (::syscall(SYS_capget, &header, now.data()) != 0) return false;
    return std::all_of(now.begin(), now.end(), [](const auto& part) {
        return part.effective == 0 && part.permitted == 0 && part.inheritable == 0;
    });
}

bool limit(__rlimit_resource_t resource, rlim_t value) {
    const rlimit both{value, value};
    return ::setrlimit(resource, &both) == 0;
}

bool limit_resources(rlim_t data_now) {
    bool good = limit(RLIMIT_CORE, 0) && limit(RLIMIT_FSIZE, 0) && limit(RLIMIT_NPROC, 0) &&
                limit(RLIMIT_MEMLOCK, 0) && limit(RLIMIT_MSGQUEUE, 0) &&
                limit(RLIMIT_CPU, kCpuSecondsMax);
#if !defined(ADYTON_SANITIZED)
    good = good && limit(RLIMIT_NOFILE, 1) && data_now > 0 &&
           limit(RLIMIT_DATA, data_now + kMemoryBytesMax + kHeapBytes);
#else
    static_cast<void>(data_now);
#endif
    return good;
}

// Everything but the socket, which is kExecutorSocket already.
bool close_others() {
#if defined(ADYTON_SANITIZED)
    ::close(STDOUT_FILENO);
    return ::syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0) == 0;
#else
    return ::syscall(SYS_close_range, kExecutorSocket + 1, ~0U, 0) == 0;
#endif
}

}  // namespace

Result<SyscallFilter> SyscallFilter::build(Outside outside) {
    const FilterContext context(
        ::seccomp_init(outside == Outside::Kill ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_TRAP),
        &::seccomp_release);
    if (!context || !add_rules(context.get())) {
        return Error::unavailable("libseccomp does not make the filter");
    }
    const int fd = ::memfd_create("filter", MFD_CLOEXEC);
    if (fd < 0) return Error::unavailable("no memory file for the filter");
    SyscallFilter filter;
    if (::seccomp_export_bpf(context.get(), fd) == 0) {
        const off_t size = ::lseek(fd, 0, SEEK_END);
        if (size > 0 && size % static_cast<off_t>(sizeof(sock_filter)) == 0) {
            filter.program_.resize(static_cast<std::size_t>(size) / sizeof(sock_filter));
            if (::pread(fd, filter.program_.data(), static_cast<std::size_t>(size), 0) != size) {
                filter.program_.clear();
            }
        }
    }
    ::close(fd);
    if (filter.program_.empty()) return Error::unavailable("the filter cannot be read back");
    return filter;
}

bool SyscallFilter::install() const {
    static_assert(sizeof(sock_filter) == sizeof(std::uint64_t));
    std::vector<std::uint64_t> copy = program_;
    sock_fprog program{};
    program.len = static_cast<unsigned short>(copy.size());
    program.filter = reinterpret_cast<sock_filter*>(copy.data());
    return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

namespace {

// Like fork(): no stack of its own, so the child goes on on a copy of this one.
Birth clone_child(int flags, bool pid_fd) {
    Birth birth;
    const unsigned long all = static_cast<unsigned long>(flags) | SIGCHLD |
                              (pid_fd ? static_cast<unsigned long>(CLONE_PIDFD) : 0UL);
    birth.pid =
        static_cast<int>(::syscall(SYS_clone, all, nullptr, &birth.pid_fd, nullptr, nullptr));
    return birth;
}

}  // namespace

Birth fork_into_namespaces() {
    const int user = ::geteuid() == 0 ? 0 : CLONE_NEWUSER;
    Birth birth = clone_child(kNamespaces | user, false);
    if (birth.pid < 0) return clone_child(0, false);
    for (const Layer layer :
         {Layer::PidNamespace, Layer::MountNamespace, Layer::NetworkNamespace, Layer::IpcNamespace,
          Layer::UtsNamespace}) {
        birth.layers.add(layer);
    }
    if (user != 0) birth.layers.add(Layer::UserNamespace);
    return birth;
}

Layers enter_namespaces(Layers born) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    Layers layers;
    if (born.has(Layer::UserNamespace)) {
        // Who is not dumpable does not own its own /proc/self/uid_map.
        ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
        const bool mapped = map_user(::geteuid(), ::getegid());
        ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        if (mapped) layers.add(Layer::UserNamespace);
    }
    for (const Layer layer :
         {Layer::PidNamespace, Layer::NetworkNamespace, Layer::IpcNamespace, Layer::UtsNamespace}) {
        if (born.has(layer)) layers.add(layer);
    }
    if (born.has(Layer::ControlGroup)) layers.add(Layer::ControlGroup);
    if (born.has(Layer::MountNamespace) && empty_root()) layers.add(Layer::MountNamespace);
    return layers;
}

void keep_from_children() {
#if !defined(ADYTON_SANITIZED)
    // Those of the program itself, of the language and of the host functions.
    constexpr std::array<std::string_view, 8> kNeeded = {"ld-linux", "libc.so",    "libm.so",
                                                         "libgcc_s", "libstdc++",  "libcrypto",
                                                         "libfmt",   "libmimalloc"};
    std::FILE* const maps = std::fopen("/proc/self/maps", "re");
    if (maps == nullptr) return;
    std::array<char, 4096 + 128> line{};
    while (std::fgets(line.data(), static_cast<int>(line.size()), maps) != nullptr) {
        unsigned long from = 0;
        unsigned long to = 0;
        int name_at = 0;
        if (std::sscanf(line.data(), "%lx-%lx %*s %*s %*s %*s %n", &from, &to, &name_at) < 2) {
            continue;
        }
        const std::string_view path = &line[static_cast<std::size_t>(name_at)];
        const std::string_view name = path.substr(path.rfind('/') + 1);
        const bool library = path.starts_with('/') && name.starts_with("lib") &&
                             name.find(".so") != std::string_view::npos;
        const bool needed = std::any_of(
            kNeeded.begin(), kNeeded.end(),
            [&](const std::string_view one) { return name.starts_with(one); });
        if (library && !needed) {
            // NOLINTNEXTLINE(performance-no-int-to-ptr): /proc has numbers
            ::madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTFORK);
        }
    }
    std::fclose(maps);
#endif
}

void drop_bounding_set() {
    for (int capability = 0; capability <= 63; ++capability) {
        if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno == EINVAL) break;
    }
}

Birth fork_executor() {
    static bool has_pid_fd = true;
    if (has_pid_fd) {
        const Birth birth = clone_child(0, true);
        if (birth.pid >= 0 || errno != EINVAL) return birth;
        has_pid_fd = false;
    }
    return clone_child(0, false);
}

std::uint64_t data_bytes() {
    std::FILE* const file = std::fopen("/proc/self/statm", "re");
    if (file == nullptr) return 0;
    std::array<unsigned long, 6> pages{};
    const int read = std::fscanf(
        file, "%lu %lu %lu %lu %lu %lu", &pages[0], &pages[1], &pages[2], &pages[3], &pages[4],
        &pages[5]);
    std::fclose(file);
    return read == 6
               ? static_cast<std::uint64_t>(pages[5]) * static_cast<std::uint64_t>(::getpagesize())
               : 0;
}

Layers lock_down(const Lockdown& lockdown) {
    Layers layers = lockdown.inherited;
    if (close_others()) layers.add(Layer::OneDescriptor);
    if (drop_user(lockdown.number, layers.has(Layer::UserNamespace))) {
        layers.add(Layer::DroppedUser);
    }
    if (limit_resources(lockdown.data_bytes)) layers.add(Layer::ResourceLimits);
    if (drop_capabilities()) layers.add(Layer::NoCapabilities);
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) layers.add(Layer::NoNewPrivileges);
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0) layers.add(Layer::NotDumpable);
    // A change of user forgets it, so it is set last.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (lockdown.filter != nullptr && lockdown.filter->install()) layers.add(Layer::Seccomp);
    return layers;
}

}  // namespace adyton::script::internal
