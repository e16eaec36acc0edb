#include <gtest/gtest.h>

#include "script/script_test_support.h"

namespace adyton::script {
namespace {

class EngineTest : public EngineFixture {};

TEST_F(EngineTest, TheSeedsFirstExampleAddsTwoNumbers) {
    EXPECT_EQ(
        output("function main() { return { result: input.a + input.b }; }", R"({"a":5,"b":3})"),
        R"({"result":8})");
}

TEST_F(EngineTest, ValuesThatAreNoObjectsAreWrapped) {
    EXPECT_EQ(output("function main() { return 42; }"), R"({"result":42})");
    EXPECT_EQ(output("function main() { return [1, undefined]; }"), R"({"result":[1,null]})");
    EXPECT_EQ(output("function main() { return 'x'; }"), R"({"result":"x"})");
    EXPECT_EQ(output("function main() {}"), "");
    EXPECT_EQ(output("function main() { return null; }"), "");
}

TEST_F(EngineTest, AnEndlessLoopEndsAtItsLimit) {
    Job job = job_of("function main() { for (;;) {} }");
    job.limits.time = std::chrono::milliseconds(50);
    const RunResult result = run(std::move(job));
    EXPECT_EQ(result.status, Status::TimedOut);
    EXPECT_LT(result.wall_time, std::chrono::seconds(5));
}

}  // namespace
}  // namespace adyton::script
