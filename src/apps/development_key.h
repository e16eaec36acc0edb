#pragma once

#include <string>

#include "base/random.h"
#include "base/result.h"

namespace adyton::apps {

// Creates a directory and its parents (mode 0700) where missing. Unavailable: refused.
Result<void> create_directory(const std::string& path);

struct DevelopmentKey {
    std::string path;
    bool created = false;  // by this call
};

// The master key of `adyton dev`: 32 random bytes in the file master.key (mode 0600) of the
// directory, made when there is none. Written whole or not at all. Unavailable: the disk refuses.
Result<DevelopmentKey> ensure_development_key(
    const std::string& directory, base::RandomSource& random);

}  // namespace adyton::apps
