#include "crypto/harden.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "crypto/test_bytes.h"

namespace adyton::crypto {
namespace {

constexpr const char* kVariable = "ADYTON_TEST_ENVIRONMENT_SECRET";
constexpr const char* kSecret = "correct horse battery staple";

std::string own_environment() {
    std::ifstream file("/proc/self/environ", std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

TEST(HardenTest, AProcessCannotBeDumpedOrGainPrivilegesAfterwards) {
    const pid_t child = ::fork();
    if (child == 0) {
        const auto hardening = harden_process();
        rlimit core{1, 1};
        ::getrlimit(RLIMIT_CORE, &core);
        const bool really = core.rlim_cur == 0 && core.rlim_max == 0 &&
                            ::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 &&
                            ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
        ::_exit(hardening.complete() && hardening.problems.empty() && really ? 42 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 42);
}

TEST(HardenTest, AnEnvironmentSecretIsTakenOnce) {
    ASSERT_EQ(::setenv(kVariable, kSecret, 1), 0);
    const char* const original = ::getenv(kVariable);
    const auto secret = take_environment_secret(kVariable);
    ASSERT_TRUE(secret);
    EXPECT_EQ(base::as_text(secret->expose()), kSecret);
    EXPECT_EQ(::getenv(kVariable), nullptr);
    EXPECT_EQ(std::string(original), "");  // wiped in place
    const auto again = take_environment_secret(kVariable);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code(), ErrorCode::NotFound);
}

TEST(HardenTest, AnEmptyVariableCountsAsAbsentAndIsRemoved) {
    ASSERT_EQ(::setenv(kVariable, "", 1), 0);
    const auto secret = take_environment_secret(kVariable);
    ASSERT_FALSE(secret);
    EXPECT_EQ(secret.error().code(), ErrorCode::NotFound);
    EXPECT_EQ(::getenv(kVariable), nullptr);
}

TEST(HardenTest, AnOversizedSecretIsRefusedAndWipedAllTheSame) {
    ASSERT_EQ(::setenv(kVariable, std::string(SecretBuffer::kSizeMax + 1, 'x').c_str(), 1), 0);
    const char* const original = ::getenv(kVariable);
    const auto secret = take_environment_secret(kVariable);
    ASSERT_FALSE(secret);
    EXPECT_EQ(secret.error().code(), ErrorCode::TooLarge);
    EXPECT_EQ(secret.error().message().find("xx"), std::string::npos);
    EXPECT_EQ(std::string(original), "");
    EXPECT_EQ(::getenv(kVariable), nullptr);
}

// The kernel shows the environment that a process was started with, so this needs a fresh process
// whose environment has the secret.
int run_this_test_again_with_the_secret() {
    const pid_t child = ::fork();
    if (child == 0) {
        const std::string entry = std::string(kVariable) + "=" + kSecret;
        const char* const arguments[] = {
            "crypto_test", "--gtest_filter=HardenTest.ProcSelfEnvironForgetsTheSecret",
            "--gtest_brief=1", nullptr};
        const char* const environment[] = {
            "ADYTON_TEST_CHILD=1", entry.c_str(), "AFTER=2", nullptr};
        ::execve("/proc/self/exe", const_cast<char**>(arguments), const_cast<char**>(environment));
        ::_exit(127);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(HardenTest, ProcSelfEnvironForgetsTheSecret) {
    if (::getenv("ADYTON_TEST_CHILD") == nullptr) {
        EXPECT_EQ(run_this_test_again_with_the_secret(), 0);
        return;
    }
    ASSERT_NE(own_environment().find(kSecret), std::string::npos);  // the kernel does show it
    const auto secret = take_environment_secret(kVariable);
    ASSERT_TRUE(secret);
    EXPECT_EQ(base::as_text(secret->expose()), kSecret);
    const std::string left = own_environment();
    EXPECT_EQ(left.find(kSecret), std::string::npos);
    EXPECT_EQ(left.find("staple"), std::string::npos);
    EXPECT_NE(left.find("ADYTON_TEST_CHILD=1"), std::string::npos);
    EXPECT_NE(left.find("AFTER=2"), std::string::npos);
}

}  // namespace
}  // namespace adyton::crypto
