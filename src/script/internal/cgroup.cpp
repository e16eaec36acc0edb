#include "script/internal/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

namespace adyton::script::internal {
namespace {

constexpr std::string_view kPrefix = "adyton-scripts-";
constexpr const char* kControllers = "+memory +pids";

std::optional<std::string> read_file(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return std::nullopt;
    std::array<char, 4096> bytes{};
    const ssize_t got = ::read(fd, bytes.data(), bytes.size());
    ::close(fd);
    if (got < 0) return std::nullopt;
    return std::string(bytes.data(), static_cast<std::size_t>(got));
}

bool write_file(const std::string& path, std::string_view text) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const ssize_t written = ::write(fd, text.data(), text.size());
    ::close(fd);
    return written == static_cast<ssize_t>(text.size());
}

bool has_word(std::string_view text, std::string_view word) {
    for (std::size_t at = text.find(word); at != text.npos; at = text.find(word, at + 1)) {
        const bool begins = at == 0 || text[at - 1] == ' ';
        const std::size_t end = at + word.size();
        if (begins && (end == text.size() || text[end] == ' ' || text[end] == '\n')) return true;
    }
    return false;
}

// "0::/a/b" of /proc/self/cgroup; the other lines are of version 1.
std::optional<std::string> own_group(const std::string& text) {
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        const std::string_view line = std::string_view(text).substr(at, end - at);
        if (line.starts_with("0::/")) return std::string(line.substr(3));
        at = end + 1;
    }
    return std::nullopt;
}

void remove_left_behind(const std::string& parent) {
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(parent.c_str()), &::closedir);
    if (!directory) return;
    while (const dirent* const entry = ::readdir(directory.get())) {
        // One with processes in it stays.
        if (std::string_view(entry->d_name).starts_with(kPrefix)) {
            ::rmdir((parent + "/" + entry->d_name).c_str());
        }
    }
}

bool set_limits(const std::string& group, const Cgroup::Limits& limits) {
    const std::string memory = std::to_string(limits.memory_bytes);
    const std::string processes = std::to_string(limits.processes);
    if (!write_file(group + "/memory.max", memory) || !write_file(group + "/pids.max", processes)) {
        return false;
    }
    // Secrets are not for the disk; kernels without swap do not have the file.
    write_file(group + "/memory.swap.max", "0");
    const auto now = read_file(group + "/pids.max");
    return now && has_word(*now, processes);
}

}  // namespace

bool is_delegated(const std::string& directory) {
    struct stat status {};
    if (::stat(directory.c_str(), &status) != 0 || ::access(directory.c_str(), W_OK) != 0) {
        return false;
    }
    if (status.st_uid != 0 && status.st_uid == ::geteuid()) return true;
    for (const char* const name : {"trusted.delegate", "user.delegate"}) {
        char value = 0;
        if (::getxattr(directory.c_str(), name, &value, 1) == 1 && value == '1') return true;
    }
    return false;
}

bool make_group(const std::string& directory) {
    return ::mkdir(directory.c_str(), 0755) == 0;
}

std::optional<Cgroup> Cgroup::create(const Place& place, const Limits& limits) {
    const auto text = read_file(place.root + "/proc/self/cgroup");
    const auto own = text ? own_group(*text) : std::nullopt;
    if (!own || *own == "/") return std::nullopt;
    const std::string mounted = place.root + "/sys/fs/cgroup";
    const std::string parent = mounted + own->substr(0, own->rfind('/'));
    const auto controllers = read_file(parent + "/cgroup.controllers");
    if (!controllers || !has_word(*controllers, "memory") || !has_word(*controllers, "pids") ||
        !place.delegated(parent)) {
        return std::nullopt;
    }
    // Refused by the kernel when a process is in the parent itself.
    if (!write_file(parent + "/cgroup.subtree_control", kControllers)) return std::nullopt;
    remove_left_behind(parent);
    Cgroup group(parent + "/" + std::string(kPrefix) + std::to_string(place.number));
    if (!place.make(group.directory_)) return std::nullopt;
    if (!set_limits(group.directory_, limits)) {
        group.remove();
        return std::nullopt;
    }
    return group;
}

bool Cgroup::join() const {
    return write_file(directory_ + "/cgroup.procs", "0");
}

void Cgroup::remove() const {
    ::rmdir(directory_.c_str());
}

}  // namespace adyton::script::internal
