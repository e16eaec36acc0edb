// Each planted mutant must be caught by the tests of the engine: the program runs itself once for
// every mutant and counts those that pass all tests. With ADYTON_POLICY_MUTANT=<n> it is the tests
// alone, with that mutant alive (0: none).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "policy/mutants/planted.h"

namespace {

constexpr const char* kVariable = "ADYTON_POLICY_MUTANT";

constexpr const char* kNames[] = {
#include "mutant_names.inc"
};
constexpr int kCount = static_cast<int>(std::size(kNames));
static_assert(kCount >= 30);

// Fast ones first; without real disks and servers.
constexpr const char* kFilter =
    "EvaluateTest.*:UsageTest.*:ValuePolicyTest.*:OutLayerPolicyTest.*:ServiceVerdictTest.*:"
    "FactsTest.*:NeoFactsTest.*:NearFactsTest.*:ApprovalGoldenTest.*:ApproverKeyTest.*:"
    "Databases/ApprovalTest.*/SqliteSimulated:Simulated/ApprovalExpiryTest.*:"
    "Databases/ReservationTest.*/SqliteSimulated:Databases/PolicyStoreTest.*/SqliteSimulated:"
    "Databases/ExactnessTest.*/SqliteSimulated";

int living() {
    const char* const text = std::getenv(kVariable);
    return text != nullptr ? std::atoi(text) : -1;
}

int run_tests(int argc, char** argv) {
    ::testing::GTEST_FLAG(filter) = kFilter;  // --gtest_filter wins
    ::testing::GTEST_FLAG(fail_fast) = true;
    ::testing::InitGoogleTest(&argc, argv);
    ::alarm(120);  // a mutant that never ends is caught, too
    return RUN_ALL_TESTS();
}

// Whether all tests pass with that mutant alive.
bool passes(int number) {
    const pid_t child = ::fork();
    if (child == 0) {
        const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (number != 0 && null >= 0) {
            ::dup2(null, STDOUT_FILENO);
            ::dup2(null, STDERR_FILENO);
        }
        ::setenv(kVariable, std::to_string(number).c_str(), 1);
        ::unsetenv("GTEST_OUTPUT");
        ::execl("/proc/self/exe", "policy_mutants_test", static_cast<char*>(nullptr));
        ::_exit(127);
    }
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child) {
        std::perror("mutants");
        std::exit(2);
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

namespace adyton::policy::internal {
int living_mutant() {
    static const int kNumber = living();
    return kNumber;
}
}  // namespace adyton::policy::internal

int main(int argc, char** argv) {
    if (living() >= 0) return run_tests(argc, argv);
    if (!passes(0)) {
        std::printf("the tests fail without any mutant\n");
        return 1;
    }
    int alive = 0;
    for (int i = 1; i <= kCount; ++i) {
        if (!passes(i)) continue;
        std::printf("NOT CAUGHT %d: %s\n", i, kNames[i - 1]);
        ++alive;
    }
    std::printf("%d mutants, %d caught\n", kCount, kCount - alive);
    return alive == 0 ? 0 : 1;
}
