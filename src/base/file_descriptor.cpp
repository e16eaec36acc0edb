#include "base/file_descriptor.h"

#include <unistd.h>

#include <utility>

namespace adyton::base {

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
    if (this != &other) {
        reset();
        number_ = other.release();
    }
    return *this;
}

int FileDescriptor::release() {
    return std::exchange(number_, -1);
}

void FileDescriptor::reset() {
    if (number_ >= 0) ::close(number_);
    number_ = -1;
}

}  // namespace adyton::base
