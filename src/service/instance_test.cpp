#include "service/instance.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "crypto/uuid.h"

namespace adyton::service {
namespace {

class InstanceTest : public ::testing::Test {
protected:
    void SetUp() override {
        char pattern[] = "/tmp/adyton_instance_XXXXXX";
        ASSERT_NE(::mkdtemp(pattern), nullptr);
        parent_ = pattern;
        directory_ = parent_ + "/data";
    }
    void TearDown() override { std::filesystem::remove_all(parent_); }

    Result<Instance> open() { return Instance::open(directory_, random_); }

    std::string parent_;
    std::string directory_;
    base::SeededRandom random_{1};
};

TEST_F(InstanceTest, TheFirstStartMakesTheDirectoryAndAnId) {
    const auto instance = open();
    ASSERT_TRUE(instance) << instance.error().message();
    EXPECT_TRUE(crypto::is_canonical_uuid(instance->id()));
    EXPECT_EQ(instance->path("x"), directory_ + "/x");
    struct stat status {};
    ASSERT_EQ(::stat(directory_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0700U);
    std::stringstream text;
    text << std::ifstream(directory_ + "/instance-id").rdbuf();
    EXPECT_EQ(text.str(), instance->id() + "\n");
    EXPECT_FALSE(std::filesystem::exists(directory_ + "/instance-id.new"));
}

TEST_F(InstanceTest, TheIdLasts) {
    const std::string first = open()->id();
    EXPECT_EQ(open()->id(), first);
}

TEST_F(InstanceTest, ASecondProcessIsKeptOutUntilTheFirstEnds) {
    auto first = open();
    ASSERT_TRUE(first);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        base::SeededRandom random(2);
        const auto second = Instance::open(directory_, random);
        const bool kept_out = !second && second.error().code() == ErrorCode::Conflict &&
                              second.error().reason() == "data_dir_in_use";
        ::_exit(kept_out ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_FALSE(open());  // the same within one process
    { const Instance gone = std::move(first).value(); }
    EXPECT_TRUE(open());
}

TEST_F(InstanceTest, AnIdFileThatHoldsSomethingElseIsCorrupt) {
    ASSERT_TRUE(open());
    for (const char* text :
         {"", "\n", "not a uuid\n", "6BA7B810-9DAD-11D1-80B4-00C04FD430C8\n",
          "6ba7b810-9dad-11d1-80b4-00c04fd430c8\nmore"}) {
        std::ofstream(directory_ + "/instance-id") << text;
        const auto instance = open();
        ASSERT_FALSE(instance) << text;
        EXPECT_EQ(instance.error().code(), ErrorCode::CorruptData);
    }
}

TEST_F(InstanceTest, ADirectoryThatOthersMayWriteIsRefused) {
    ASSERT_TRUE(open());
    ASSERT_EQ(::chmod(directory_.c_str(), 0770), 0);
    EXPECT_EQ(open().error().code(), ErrorCode::PermissionDenied);
    ASSERT_EQ(::chmod(directory_.c_str(), 0750), 0);
    EXPECT_TRUE(open());
}

TEST_F(InstanceTest, AFileInPlaceOfTheDirectoryIsRefused) {
    std::ofstream(directory_) << "file";
    EXPECT_FALSE(open());
}

TEST_F(InstanceTest, AnUnfinishedFirstWriteIsDoneAnew) {
    std::filesystem::create_directories(directory_);
    ASSERT_EQ(::chmod(directory_.c_str(), 0700), 0);
    std::ofstream(directory_ + "/instance-id.new") << "6ba7b8";
    const auto instance = open();
    ASSERT_TRUE(instance) << instance.error().message();
    EXPECT_TRUE(crypto::is_canonical_uuid(instance->id()));
}

}  // namespace
}  // namespace adyton::service
