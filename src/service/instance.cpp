#include "service/instance.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/file_descriptor.h"
#include "crypto/uuid.h"

namespace adyton::service {
namespace {

using base::FileDescriptor;

Error system_error(const std::string& path, int cause) {
    const std::string what = "\"" + path + "\": " + std::strerror(cause);
    if (cause == EACCES || cause == EPERM || cause == EROFS || cause == ELOOP) {
        return Error::permission_denied(what);
    }
    return Error::unavailable(what);
}

Result<void> make_directory(const std::string& path) {
    std::error_code failed;
    const std::filesystem::path parent = std::filesystem::path(path).parent_path();
    if (!parent.empty()) std::filesystem::create_directories(parent, failed);
    if (failed) return system_error(parent.string(), failed.value());
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return system_error(path, errno);
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return system_error(path, errno);
    if (!S_ISDIR(status.st_mode)) {
        return Error::permission_denied("\"" + path + "\": is not a directory");
    }
    if (status.st_uid != ::geteuid()) {
        return Error::permission_denied("\"" + path + "\": belongs to another user");
    }
    if ((status.st_mode & 022) != 0) {
        return Error::permission_denied(
            "\"" + path + "\": others may write it; run chmod go-w on it");
    }
    return {};
}

Result<int> take_lock(const std::string& path) {
    FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (file.get() < 0) return system_error(path, errno);
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) return system_error(path, errno);
        return Error::conflict(
            "\"" + path +
                "\": another process uses this data directory; give each its own "
                "(--data-dir)",
            "data_dir_in_use");
    }
    return file.release();
}

Result<std::string> read_id(const std::string& path) {
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (file.get() < 0) {
        if (errno == ENOENT) return Error::not_found("no instance id yet");
        return system_error(path, errno);
    }
    char text[64];
    const ssize_t size = ::read(file.get(), text, sizeof(text));
    if (size < 0) return system_error(path, errno);
    std::string_view id(text, static_cast<std::size_t>(size));
    if (id.ends_with('\n')) id.remove_suffix(1);
    if (!crypto::is_canonical_uuid(id)) {
        return Error::corrupt_data("\"" + path + "\": does not hold an instance id (a UUID)");
    }
    return std::string(id);
}

// Whole or not at all: written aside, synced, renamed, and the directory synced.
Result<void> write_id(const std::string& directory, const std::string& path, std::string id) {
    id.push_back('\n');
    const std::string aside = path + ".new";
    {
        const FileDescriptor file(
            ::open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (file.get() < 0) return system_error(aside, errno);
        const ssize_t written = ::write(file.get(), id.data(), id.size());
        if (written != static_cast<ssize_t>(id.size()) || ::fsync(file.get()) != 0) {
            return system_error(aside, errno);
        }
    }
    if (::rename(aside.c_str(), path.c_str()) != 0) return system_error(path, errno);
    const FileDescriptor parent(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (parent.get() < 0 || ::fsync(parent.get()) != 0) return system_error(directory, errno);
    return {};
}

}  // namespace

Result<Instance> Instance::open(const std::string& directory, base::RandomSource& random) {
    TRY_VOID(make_directory(directory));
    TRY(const int lock_fd, take_lock(directory + "/lock"));
    Instance instance(directory, {}, lock_fd);  // holds the lock from here
    const std::string path = instance.path("instance-id");
    auto id = read_id(path);
    if (!id && id.error().code() == ErrorCode::NotFound) {
        id = crypto::uuid_v4(random);
        TRY_VOID(write_id(directory, path, *id));
    }
    TRY(instance.id_, std::move(id));
    return instance;
}

Instance::Instance(std::string directory, std::string id, int lock_fd)
    : directory_(std::move(directory)), id_(std::move(id)), lock_fd_(lock_fd) {}

Instance::Instance(Instance&& other) noexcept
    : directory_(std::move(other.directory_)),
      id_(std::move(other.id_)),
      lock_fd_(std::exchange(other.lock_fd_, -1)) {}

Instance& Instance::operator=(Instance&& other) noexcept {
    if (this != &other) {
        if (lock_fd_ >= 0) ::close(lock_fd_);
        directory_ = std::move(other.directory_);
        id_ = std::move(other.id_);
        lock_fd_ = std::exchange(other.lock_fd_, -1);
    }
    return *this;
}

Instance::~Instance() {
    if (lock_fd_ >= 0) ::close(lock_fd_);
}

}  // namespace adyton::service
