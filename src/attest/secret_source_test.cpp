#include "attest/secret_source.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "attest/value_file.h"

namespace adyton::attest {
namespace {

using Kind = SecretReference::Kind;

std::string text_of(const crypto::SecretBuffer& secret) {
    return std::string(base::as_text(secret.expose()));
}

class SecretSourceTest : public ::testing::Test {
protected:
    void SetUp() override {
        char pattern[] = "/tmp/adyton_secret_XXXXXX";
        ASSERT_NE(::mkdtemp(pattern), nullptr);
        directory_ = pattern;
    }
    void TearDown() override {
        std::filesystem::remove_all(directory_);
        ::unsetenv("CREDENTIALS_DIRECTORY");
        ::unsetenv("ADYTON_TEST_SECRET");
    }

    std::string write(const std::string& name, const std::string& content, mode_t mode = 0600) {
        std::string path = directory_ + "/" + name;
        std::ofstream(path, std::ios::binary) << content;
        EXPECT_EQ(::chmod(path.c_str(), mode), 0);
        return path;
    }
    Result<crypto::SecretBuffer> read_file(const std::string& path) {
        return source_.read({Kind::File, path});
    }

    std::string directory_;
    SecretSource source_;
};

TEST_F(SecretSourceTest, ReferencesParseAndPrintBack) {
    for (const std::string& text :
         {std::string("env:POOL_MASTER_KEY"), std::string("file:/run/secrets/key"),
          std::string("file:relative path"), std::string("credential:pool-master-key")}) {
        const auto reference = SecretReference::parse(text);
        ASSERT_TRUE(reference) << text;
        EXPECT_EQ(reference->to_string(), text);
    }
    EXPECT_EQ(SecretReference::parse("env:A")->kind, Kind::Environment);
    EXPECT_EQ(SecretReference::parse("file:A")->kind, Kind::File);
    EXPECT_EQ(SecretReference::parse("credential:A")->kind, Kind::Credential);
}

TEST_F(SecretSourceTest, ATextThatIsNoReferenceIsRefusedWithoutRepeatingIt) {
    for (const std::string& text :
         {std::string("0123456789abcdef0123456789abcdef"), std::string("file:"),
          std::string("env:"), std::string("env:A-B"), std::string("env:1A"),
          std::string("credential:../key"), std::string("credential:.."),
          std::string("credential:"), std::string("FILE:/x"), std::string("file:/a\0b", 9),
          std::string()}) {
        const auto reference = SecretReference::parse(text);
        ASSERT_FALSE(reference) << text;
        EXPECT_EQ(reference.error().code(), ErrorCode::InvalidArgument);
        if (text.size() > 12) {
            EXPECT_EQ(reference.error().message().find(text), std::string::npos);
        }
    }
}

TEST_F(SecretSourceTest, AFileIsReadWhole) {
    const std::string content("line\nand a zero \0 byte\n", 23);
    const auto secret = read_file(write("key", content));
    ASSERT_TRUE(secret) << secret.error().message();
    EXPECT_EQ(text_of(*secret), content);
}

TEST_F(SecretSourceTest, AFileThatOthersMayReadIsRefusedAndTheMessageSaysWhatToDo) {
    for (const mode_t mode : {0640U, 0604U, 0644U, 0660U, 0610U}) {
        const auto secret = read_file(write("key", "secret", mode));
        ASSERT_FALSE(secret) << std::oct << mode;
        EXPECT_EQ(secret.error().code(), ErrorCode::PermissionDenied);
        EXPECT_NE(secret.error().message().find("chmod 600"), std::string::npos);
    }
    EXPECT_TRUE(read_file(write("key", "secret", 0400)));
}

TEST_F(SecretSourceTest, AFileOfAnotherUserIsRefused) {
    if (::geteuid() != 0) GTEST_SKIP() << "NOT RUN: needs root to give a file away";
    const std::string path = write("key", "secret");
    ASSERT_EQ(::chown(path.c_str(), 12345, 12345), 0);
    const auto secret = read_file(path);
    ASSERT_FALSE(secret);
    EXPECT_EQ(secret.error().code(), ErrorCode::PermissionDenied);
    EXPECT_NE(secret.error().message().find("another user"), std::string::npos);
}

TEST_F(SecretSourceTest, ASymbolicLinkIsRefused) {
    const std::string path = write("key", "secret");
    const std::string link = directory_ + "/link";
    ASSERT_EQ(::symlink(path.c_str(), link.c_str()), 0);
    const auto secret = read_file(link);
    ASSERT_FALSE(secret);
    EXPECT_EQ(secret.error().code(), ErrorCode::InvalidArgument);
}

TEST_F(SecretSourceTest, DirectoriesPipesAndDevicesAreRefusedWithoutWaiting) {
    const std::string pipe = directory_ + "/pipe";
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    for (const std::string& path : {directory_, pipe, std::string("/dev/null")}) {
        const auto secret = read_file(path);
        ASSERT_FALSE(secret) << path;
        EXPECT_EQ(secret.error().code(), ErrorCode::InvalidArgument) << path;
    }
}

TEST_F(SecretSourceTest, AbsentAndEmptyFilesAreNotFound) {
    EXPECT_EQ(read_file(directory_ + "/none").error().code(), ErrorCode::NotFound);
    EXPECT_EQ(read_file(write("empty", "")).error().code(), ErrorCode::NotFound);
}

TEST_F(SecretSourceTest, AFileOverTheLimitIsRefusedAndOneAtTheLimitIsNot) {
    const std::size_t limit = crypto::SecretBuffer::kSizeMax;
    EXPECT_TRUE(read_file(write("fits", std::string(limit, 'k'))));
    EXPECT_EQ(
        read_file(write("large", std::string(limit + 1, 'k'))).error().code(), ErrorCode::TooLarge);
}

TEST_F(SecretSourceTest, AValueOfAUserMayBeAsLargeAsItsReaderSays) {
    const std::string value(65'536, 'v');
    const auto read = read_value_file(write("value", value), value.size());
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(*read, value);
    EXPECT_EQ(
        read_value_file(write("large", value + "v"), value.size()).error().code(),
        ErrorCode::TooLarge);
    EXPECT_EQ(
        read_value_file(write("shown", "value", 0644), value.size()).error().code(),
        ErrorCode::PermissionDenied);
    EXPECT_EQ(
        read_value_file(write("empty", ""), value.size()).error().code(), ErrorCode::NotFound);
    EXPECT_EQ(read_value_file(directory_, value.size()).error().code(), ErrorCode::InvalidArgument);
}

TEST_F(SecretSourceTest, ACredentialIsAFileOfItsDirectory) {
    write("pool-key", "credential text", 0400);
    const SecretReference reference{Kind::Credential, "pool-key"};
    EXPECT_EQ(source_.read(reference).error().code(), ErrorCode::InvalidArgument);
    ::setenv("CREDENTIALS_DIRECTORY", directory_.c_str(), 1);
    const auto secret = source_.read(reference);
    ASSERT_TRUE(secret) << secret.error().message();
    EXPECT_EQ(text_of(*secret), "credential text");
    EXPECT_EQ(source_.read({Kind::Credential, "none"}).error().code(), ErrorCode::NotFound);
}

// What /proc/self/environ shows is memory that unsetenv leaves alone, so look at the bytes.
TEST_F(SecretSourceTest, AVariableIsReadOnceAndWipedWhereItStood) {
    std::string entry = "ADYTON_TEST_SECRET=swordfish-in-the-environment";
    ASSERT_EQ(::putenv(entry.data()), 0);  // the entry itself becomes the environment
    const SecretReference reference{Kind::Environment, "ADYTON_TEST_SECRET"};
    EXPECT_TRUE(source_.has_environment("ADYTON_TEST_SECRET"));
    const auto secret = source_.read(reference);
    ASSERT_TRUE(secret);
    EXPECT_EQ(text_of(*secret), "swordfish-in-the-environment");
    EXPECT_EQ(entry.find("swordfish"), std::string::npos);
    EXPECT_EQ(::getenv("ADYTON_TEST_SECRET"), nullptr);
    const auto again = source_.read(reference);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code(), ErrorCode::NotFound);
}

TEST_F(SecretSourceTest, TakingTheEnvironmentEarlyWipesAndKeepsTheValueForOneRead) {
    std::string entry = "ADYTON_TEST_SECRET=swordfish-in-the-environment";
    ASSERT_EQ(::putenv(entry.data()), 0);
    const std::string names[] = {"ADYTON_TEST_ABSENT", "ADYTON_TEST_SECRET"};
    ASSERT_TRUE(source_.take_environment(names));
    EXPECT_EQ(entry.find("swordfish"), std::string::npos);
    EXPECT_TRUE(source_.has_environment("ADYTON_TEST_SECRET"));
    EXPECT_FALSE(source_.has_environment("ADYTON_TEST_ABSENT"));
    const SecretReference reference{Kind::Environment, "ADYTON_TEST_SECRET"};
    EXPECT_EQ(text_of(*source_.read(reference)), "swordfish-in-the-environment");
    EXPECT_FALSE(source_.has_environment("ADYTON_TEST_SECRET"));
    EXPECT_EQ(source_.read(reference).error().code(), ErrorCode::NotFound);
}

TEST_F(SecretSourceTest, AVariableOverTheLimitIsNamedAndWiped) {
    std::string entry = "ADYTON_TEST_SECRET=" + std::string(5000, 'k');
    ASSERT_EQ(::putenv(entry.data()), 0);
    const std::string names[] = {"ADYTON_TEST_SECRET"};
    const auto taken = source_.take_environment(names);
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code(), ErrorCode::TooLarge);
    EXPECT_NE(taken.error().message().find("ADYTON_TEST_SECRET"), std::string::npos);
    EXPECT_EQ(entry.find('k'), std::string::npos);
}

TEST_F(SecretSourceTest, KeyMaterialIsDecodedByTheRuleOfItsChannel) {
    const SecretReference variable{Kind::Environment, "ADYTON_TEST_SECRET"};
    ::setenv("ADYTON_TEST_SECRET", "0x6b6579", 1);
    EXPECT_EQ(text_of(*source_.read_key_material(variable)), "key");
    ::setenv("ADYTON_TEST_SECRET", "test-master-key-32-bytes-long!!!", 1);
    EXPECT_EQ(text_of(*source_.read_key_material(variable)), "test-master-key-32-bytes-long!!!");

    const SecretReference raw{Kind::File, write("raw", "6b6579")};
    EXPECT_EQ(text_of(*source_.read_key_material(raw)), "6b6579");
    const SecretReference hex{Kind::File, write("hex", "hex:6B6579\n")};
    EXPECT_EQ(text_of(*source_.read_key_material(hex)), "key");
    const SecretReference bad{Kind::File, write("bad", "hex:6b657")};
    const auto refused = source_.read_key_material(bad);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::InvalidArgument);
    EXPECT_NE(refused.error().message().find("file:"), std::string::npos);
    EXPECT_EQ(refused.error().message().find("6b657"), std::string::npos);
}

TEST_F(SecretSourceTest, PublicTextMayBeReadableByAllButNotWritable) {
    const SecretReference readable{Kind::File, write("cert", "PEM", 0644)};
    EXPECT_EQ(*source_.read_public_text(readable), "PEM");
    EXPECT_EQ(*source_.read_public_text(readable), "PEM");
    const SecretReference writable{Kind::File, write("open", "PEM", 0666)};
    EXPECT_EQ(source_.read_public_text(writable).error().code(), ErrorCode::PermissionDenied);
    const SecretReference large{Kind::File, write("large", std::string(300 * 1024, 'x'))};
    EXPECT_EQ(source_.read_public_text(large).error().code(), ErrorCode::TooLarge);
}

TEST_F(SecretSourceTest, PublicTextOfAVariableStaysThere) {
    const SecretReference variable{Kind::Environment, "ADYTON_TEST_SECRET"};
    EXPECT_EQ(source_.read_public_text(variable).error().code(), ErrorCode::NotFound);
    ::setenv("ADYTON_TEST_SECRET", "PEM", 1);
    EXPECT_EQ(*source_.read_public_text(variable), "PEM");
    EXPECT_EQ(*source_.read_public_text(variable), "PEM");
}

}  // namespace
}  // namespace adyton::attest
