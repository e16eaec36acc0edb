#include "storage/open_database.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/event_loop.h"

namespace adyton::storage {
namespace {

TEST(RedactUrlTest, PasswordsAreNotShown) {
    const std::string secret = "hunter2";
    for (const std::string url :
         {"postgres://user:hunter2@host:5432/db",
          "postgresql://user:hunter2@host/db?sslmode=require",
          "postgres://host/db?password=hunter2", "postgres://host/db?user=u&PassWord=hunter2&a=b",
          "postgres://host/db?sslpassword=hunter2", "postgres://host/db?pass%77ord=hunter2",
          "postgres://user:hunter2", "postgres://user:a/hunter2@host/db",
          "postgres://user:a@hunter2@host/db", "postgres://user:a?b=hunter2@host/db",
          "postgres://:hunter2@host", "postgres://host/db?password=hunter2&application_name=a:b@c",
          "postgres://host/db?password=hunter2@c", "hunter2", "host=h password=hunter2",
          "mysql://u:hunter2@h/d", "POSTGRES://u:hunter2@h/d"}) {
        EXPECT_EQ(redact_url(url).find(secret), std::string::npos) << redact_url(url);
    }
}

TEST(RedactUrlTest, TheRestIsShown) {
    EXPECT_EQ(redact_url("sqlite:/var/lib/adyton/adyton.db"), "sqlite:/var/lib/adyton/adyton.db");
    EXPECT_EQ(
        redact_url("postgres://user:pw@host:5432/db?sslmode=require&password=x&connect_timeout=3"),
        "postgres://user:***@host:5432/db?sslmode=require&password=***&connect_timeout=3");
    EXPECT_EQ(redact_url("postgresql://user@host/db"), "postgresql://user@host/db");
    EXPECT_EQ(redact_url("postgres://host/db"), "postgres://host/db");
    EXPECT_EQ(redact_url("postgres://"), "postgres://");
}

class OpenDatabaseTest : public ::testing::Test {
protected:
    OpenDatabaseTest() {
        std::string pattern = (std::filesystem::temp_directory_path() / "adyton-XXXXXX").string();
        EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
    }
    ~OpenDatabaseTest() override { std::filesystem::remove_all(directory_); }
    OpenDatabaseTest(const OpenDatabaseTest&) = delete;
    OpenDatabaseTest& operator=(const OpenDatabaseTest&) = delete;

    auto open(std::string_view url) {
        return open_database(url, directory_, loop_, base::null_logger());
    }
    bool exists(const std::string& name) const {
        return std::filesystem::exists(directory_ + "/" + name);
    }

    std::string directory_;
    base::WorkerThreads workers_{1};
    base::EventLoop loop_{workers_};
};

TEST_F(OpenDatabaseTest, TheDefaultIsASqliteFileInTheDataDirectory) {
    ASSERT_TRUE(open(""));
    EXPECT_TRUE(exists("adyton.db"));
}

TEST_F(OpenDatabaseTest, ASqlitePathStartsInTheDataDirectoryUnlessItIsAbsolute) {
    ASSERT_TRUE(open("sqlite:sub/own.db"));
    EXPECT_TRUE(exists("sub/own.db"));
    ASSERT_TRUE(open("sqlite:" + directory_ + "/absolute.db"));
    EXPECT_TRUE(exists("absolute.db"));
}

TEST_F(OpenDatabaseTest, AnotherSchemeIsRefusedWithoutBeingShown) {
    for (const std::string url :
         {"mysql://u:hunter2@h/d", "hunter2", "sqlite", "sqlite:", "file:x"}) {
        const auto opened = open(url);
        ASSERT_FALSE(opened) << url;
        EXPECT_EQ(opened.error().code(), ErrorCode::InvalidArgument) << url;
        EXPECT_EQ(opened.error().message().find("hunter2"), std::string::npos);
    }
}

TEST_F(OpenDatabaseTest, AServerThatIsNotThereIsUnavailableAndItsPasswordNotShown) {
    // Port 1 answers nobody.
    const auto opened = open("postgres://user:hunter2@127.0.0.1:1/db");
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), ErrorCode::Unavailable);
    EXPECT_EQ(opened.error().reason(), "connection");
    EXPECT_EQ(opened.error().message().find("hunter2"), std::string::npos);
    EXPECT_NE(opened.error().message().find("user:***@127.0.0.1:1/db"), std::string::npos);
}

TEST_F(OpenDatabaseTest, AMalformedPostgresUrlIsRefusedAndItsPasswordNotShown) {
    const auto opened = open("postgres://user:hunter2@[::1/db");
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), ErrorCode::InvalidArgument);
    EXPECT_EQ(opened.error().message().find("hunter2"), std::string::npos);
}

}  // namespace
}  // namespace adyton::storage
