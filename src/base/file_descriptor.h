#pragma once

namespace adyton::base {

// A file descriptor with one owner, closed with it. -1: none. Not thread safe.
class FileDescriptor {
public:
    FileDescriptor() = default;
    explicit FileDescriptor(int number) : number_(number) {}
    FileDescriptor(FileDescriptor&& other) noexcept : number_(other.release()) {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept;
    FileDescriptor(const FileDescriptor&) = delete;
    FileDescriptor& operator=(const FileDescriptor&) = delete;
    ~FileDescriptor() { reset(); }

    int get() const { return number_; }
    // Gives it up; the caller closes it.
    int release();
    // Closes it now. What close() says is not told: who needs to know closes release() itself.
    void reset();

private:
    int number_ = -1;
};

}  // namespace adyton::base
