#include "apps/development_key.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "crypto/secret.h"

namespace adyton::apps {
namespace {

Error refused(const std::string& what, const std::string& path) {
    return Error::unavailable(what + " " + path + ": " + std::strerror(errno));
}

struct Descriptor {
    int fd = -1;
    ~Descriptor() {
        if (fd >= 0) ::close(fd);
    }
};

Result<void> sync_directory(const std::string& path) {
    const Descriptor directory{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (directory.fd < 0 || ::fsync(directory.fd) != 0) return refused("cannot sync", path);
    return {};
}

Result<void> write_key(const std::string& path, base::RandomSource& random) {
    crypto::SecretBytes<32> key;
    random.fill(key.expose_mutable());
    const Descriptor file{::open(
        path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR)};
    if (file.fd < 0 || ::fchmod(file.fd, S_IRUSR | S_IWUSR) != 0) {
        return refused("cannot create", path);
    }
    const auto bytes = key.expose();
    const ssize_t written = ::write(file.fd, bytes.data(), bytes.size());
    if (written != static_cast<ssize_t>(bytes.size()) || ::fsync(file.fd) != 0) {
        return refused("cannot write", path);
    }
    return {};
}

}  // namespace

Result<void> create_directory(const std::string& path) {
    for (std::size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
        const std::string part = path.substr(0, at);
        if (::mkdir(part.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
            return refused("cannot create", part);
        }
        if (at == std::string::npos) break;
    }
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
        return Error::unavailable(path + " is not a directory");
    }
    return {};
}

Result<DevelopmentKey> ensure_development_key(
    const std::string& directory, base::RandomSource& random) {
    DevelopmentKey key;
    key.path = directory + "/master.key";
    if (::access(key.path.c_str(), F_OK) == 0) return key;
    const std::string fresh = key.path + ".new";
    TRY_VOID(write_key(fresh, random));
    // link, not rename: of two that start at once, the second keeps the first one's key.
    const bool linked = ::link(fresh.c_str(), key.path.c_str()) == 0;
    if (!linked && errno != EEXIST) return refused("cannot create", key.path);
    ::unlink(fresh.c_str());
    TRY_VOID(sync_directory(directory));
    key.created = linked;
    return key;
}

}  // namespace adyton::apps
