#pragma once

#include <string>

#include "base/random.h"
#include "base/result.h"

namespace adyton::service {

// The data directory of one process and its lasting name. The directory (mode 0700) holds
// "instance-id", a UUID made at the first start, and "lock", held with flock for the life of this
// object, so that two processes never share an instance, nor its audit chain.
class Instance {
public:
    // Creates what is missing. PermissionDenied: the directory is not ours or not accessible.
    // Conflict, reason "data_dir_in_use": another process holds it. CorruptData: the id file does
    // not hold a UUID. Unavailable: the disk refuses.
    static Result<Instance> open(const std::string& directory, base::RandomSource& random);

    Instance(Instance&& other) noexcept;
    Instance& operator=(Instance&& other) noexcept;
    Instance(const Instance&) = delete;
    Instance& operator=(const Instance&) = delete;
    ~Instance();

    const std::string& id() const { return id_; }
    const std::string& directory() const { return directory_; }
    // A file in the directory.
    std::string path(const std::string& name) const { return directory_ + "/" + name; }

private:
    Instance(std::string directory, std::string id, int lock_fd);
    std::string directory_;
    std::string id_;
    int lock_fd_ = -1;
};

}  // namespace adyton::service
