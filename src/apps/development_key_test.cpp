#include "apps/development_key.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace adyton::apps {
namespace {

class DevelopmentKeyTest : public testing::Test {
protected:
    DevelopmentKeyTest() {
        std::string name = testing::TempDir() + "adyton-dev-key.XXXXXX";
        root = ::mkdtemp(name.data());
    }
    ~DevelopmentKeyTest() override { std::filesystem::remove_all(root); }

    static std::string read(const std::string& path) {
        std::ifstream file(path, std::ios::binary);
        std::ostringstream text;
        text << file.rdbuf();
        return text.str();
    }

    std::string root;
    base::SeededRandom random{3};
};

TEST_F(DevelopmentKeyTest, TheFirstCallMakesAKeyThatOnlyTheOwnerReads) {
    const auto key = ensure_development_key(root, random);
    ASSERT_TRUE(key) << key.error().message();
    EXPECT_TRUE(key->created);
    EXPECT_EQ(read(key->path).size(), 32U);
    struct stat status {};
    ASSERT_EQ(::stat(key->path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
    EXPECT_FALSE(std::filesystem::exists(key->path + ".new"));
}

TEST_F(DevelopmentKeyTest, TheKeyStaysTheSame) {
    const auto first = ensure_development_key(root, random);
    ASSERT_TRUE(first);
    const std::string content = read(first->path);
    const auto second = ensure_development_key(root, random);
    ASSERT_TRUE(second);
    EXPECT_FALSE(second->created);
    EXPECT_EQ(read(second->path), content);
}

TEST_F(DevelopmentKeyTest, AHalfWrittenKeyOfACrashIsReplaced) {
    std::ofstream(root + "/master.key.new") << "half";
    const auto key = ensure_development_key(root, random);
    ASSERT_TRUE(key) << key.error().message();
    EXPECT_EQ(read(key->path).size(), 32U);
}

TEST_F(DevelopmentKeyTest, DirectoriesAreCreatedWithTheirParents) {
    ASSERT_TRUE(create_directory(root + "/a/b/c"));
    ASSERT_TRUE(create_directory(root + "/a/b/c"));
    EXPECT_TRUE(std::filesystem::is_directory(root + "/a/b/c"));
}

TEST_F(DevelopmentKeyTest, AFileInTheWayIsAnError) {
    std::ofstream(root + "/file") << "x";
    EXPECT_FALSE(create_directory(root + "/file"));
    EXPECT_FALSE(create_directory(root + "/file/below"));
}

}  // namespace
}  // namespace adyton::apps
