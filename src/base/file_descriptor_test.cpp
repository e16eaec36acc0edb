#include "base/file_descriptor.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <utility>

namespace adyton::base {
namespace {

int open_something() {
    return ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}

bool is_open(int number) {
    return ::fcntl(number, F_GETFD) >= 0;
}

TEST(FileDescriptorTest, TheLastOwnerClosesIt) {
    const int number = open_something();
    ASSERT_GE(number, 0);
    {
        FileDescriptor first(number);
        const FileDescriptor second(std::move(first));
        EXPECT_EQ(second.get(), number);
        EXPECT_EQ(
            first.get(), -1);  // NOLINT(bugprone-use-after-move): that it has none is the test
        EXPECT_TRUE(is_open(number));
    }
    EXPECT_FALSE(is_open(number));
}

TEST(FileDescriptorTest, WhatIsAssignedOverIsClosed) {
    const int before = open_something();
    const int after = open_something();
    FileDescriptor owner(before);
    owner = FileDescriptor(after);
    EXPECT_FALSE(is_open(before));
    EXPECT_TRUE(is_open(after));
    owner.reset();
    EXPECT_FALSE(is_open(after));
    EXPECT_EQ(owner.get(), -1);
}

TEST(FileDescriptorTest, WhatIsReleasedStaysOpen) {
    int number = -1;
    {
        FileDescriptor owner(open_something());
        number = owner.release();
    }
    EXPECT_TRUE(is_open(number));
    const FileDescriptor closes_it(number);
}

}  // namespace
}  // namespace adyton::base
