#include "script/internal/cgroup.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace adyton::script::internal {
namespace {

namespace fs = std::filesystem;

void write(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
}

std::string read(const fs::path& path) {
    std::ifstream in(path);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

// The kernel fills a new group with its files.
bool make_as_the_kernel_does(const std::string& directory) {
    if (!fs::create_directory(directory)) return false;
    for (const char* const file : {"memory.max", "memory.swap.max", "pids.max", "cgroup.procs"}) {
        write(fs::path(directory) / file, "");
    }
    return true;
}
// A group whose limits cannot be set.
bool make_without_files(const std::string& directory) {
    return fs::create_directory(directory);
}

// A file system that looks like /proc and /sys to who is in the group unit/service.
class CgroupTest : public ::testing::Test {
protected:
    void SetUp() override {
        std::string name = fs::temp_directory_path() / "adyton-cgroup.XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        root_ = name;
        place_.root = name;
        place_.delegated = [](const std::string&) { return true; };
        place_.make = &make_as_the_kernel_does;
        place_.number = 77;
        write(root_ / "proc/self/cgroup", "4:memory:/old\n0::/unit/service\n");
        write(unit() / "cgroup.controllers", "cpu memory pids\n");
        write(unit() / "cgroup.subtree_control", "");
        write(unit() / "service/cgroup.procs", "77\n");
    }
    void TearDown() override { fs::remove_all(root_); }
    fs::path unit() const { return root_ / "sys/fs/cgroup/unit"; }
    bool is_there() const { return fs::exists(unit() / "adyton-scripts-77"); }

    fs::path root_;
    Cgroup::Place place_;
    const Cgroup::Limits limits_{1'000'000, 20};
};

TEST_F(CgroupTest, ADelegatedGroupIsDividedAndLimited) {
    const auto group = Cgroup::create(place_, limits_);
    ASSERT_TRUE(group);
    EXPECT_EQ(group->directory(), (unit() / "adyton-scripts-77").string());
    EXPECT_EQ(read(unit() / "cgroup.subtree_control"), "+memory +pids");
    const fs::path made = group->directory();
    EXPECT_EQ(read(made / "memory.max"), "1000000");
    EXPECT_EQ(read(made / "memory.swap.max"), "0");
    EXPECT_EQ(read(made / "pids.max"), "20");
    EXPECT_TRUE(group->join());
    EXPECT_EQ(read(made / "cgroup.procs"), "0");
    // Where we are ourselves is not touched.
    EXPECT_EQ(read(unit() / "service/cgroup.procs"), "77\n");
}

TEST_F(CgroupTest, WhereNothingWasDelegatedNothingIsTouched) {
    place_.delegated = [](const std::string&) { return false; };
    EXPECT_FALSE(Cgroup::create(place_, limits_));
    EXPECT_EQ(read(unit() / "cgroup.subtree_control"), "");
    EXPECT_FALSE(is_there());
}

TEST_F(CgroupTest, WithoutVersion2OrItsControllersThereIsNone) {
    write(root_ / "proc/self/cgroup", "4:memory:/unit/service\n");
    EXPECT_FALSE(Cgroup::create(place_, limits_));
    write(root_ / "proc/self/cgroup", "0::/\n");
    EXPECT_FALSE(Cgroup::create(place_, limits_));
    write(root_ / "proc/self/cgroup", "0::/unit/service\n");
    for (const char* const controllers : {"cpu memory\n", "pids\n", "cpuset memory2 pids\n", ""}) {
        write(unit() / "cgroup.controllers", controllers);
        EXPECT_FALSE(Cgroup::create(place_, limits_)) << controllers;
    }
    fs::remove_all(unit());
    EXPECT_FALSE(Cgroup::create(place_, limits_));
    fs::remove_all(root_ / "proc");
    EXPECT_FALSE(Cgroup::create(place_, limits_));
}

TEST_F(CgroupTest, AGroupWithoutItsLimitsIsNotUsed) {
    place_.make = &make_without_files;
    EXPECT_FALSE(Cgroup::create(place_, limits_));
    EXPECT_FALSE(is_there());
    // The kernel refuses to divide a group that holds processes.
    fs::remove(unit() / "cgroup.subtree_control");
    place_.make = &make_as_the_kernel_does;
    EXPECT_FALSE(Cgroup::create(place_, limits_));
    EXPECT_FALSE(is_there());
}

TEST_F(CgroupTest, EmptyGroupsLeftBehindAreRemovedAndOthersStay) {
    fs::create_directory(unit() / "adyton-scripts-1");
    write(unit() / "adyton-scripts-2/cgroup.procs", "2\n");  // not empty: in use
    fs::create_directory(unit() / "other");
    ASSERT_TRUE(Cgroup::create(place_, limits_));
    EXPECT_FALSE(fs::exists(unit() / "adyton-scripts-1"));
    EXPECT_TRUE(fs::exists(unit() / "adyton-scripts-2"));
    EXPECT_TRUE(fs::exists(unit() / "other"));
}

TEST_F(CgroupTest, OnlyWhatIsOursOrMarkedIsDelegated) {
    EXPECT_FALSE(is_delegated((root_ / "nowhere").string()));
    const bool root = ::geteuid() == 0;
    // A directory of this test belongs to whoever runs it; root owns the whole tree, so that says
    // nothing.
    EXPECT_EQ(is_delegated(root_.string()), !root);
}

}  // namespace
}  // namespace adyton::script::internal
