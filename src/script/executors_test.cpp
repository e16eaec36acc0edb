#include "script/executors.h"

#include <gtest/gtest.h>

#include "script/script_test_support.h"

namespace adyton::script {
namespace {

class ExecutorsTest : public EngineFixture {
protected:
    Engine& engine() override { return executors(); }
    Executors& executors() {
        if (!executors_) start(Executors::Options{});
        return *executors_;
    }
    void start(Executors::Options options) {
        if (options.executors == 0) options.executors = 2;
        auto made = Executors::create(loop_, options);
        ASSERT_TRUE(made) << made.error().message();
        executors_ = std::move(*made);
    }

private:
    std::unique_ptr<Executors> executors_;
};

TEST_F(ExecutorsTest, AJobRunsInAProcessAndSaysWhatStandsAroundIt) {
    const RunResult result =
        run("function main() { return { sum: input.a + input.b }; }", R"({"a":5,"b":3})");
    EXPECT_EQ(result.status, Status::Completed);
    EXPECT_EQ(result.output_json, R"({"sum":8})");
    for (const Layer layer :
         {Layer::StackBound, Layer::OwnProcess, Layer::OwnUserProcess, Layer::NoNewPrivileges,
          Layer::ResourceLimits, Layer::NotDumpable, Layer::OneDescriptor}) {
        EXPECT_TRUE(result.layers.has(layer)) << to_string(layer);
    }
    EXPECT_FALSE(result.layers.has(Layer::OwnJobProcess));
    std::cout << "layers: " << result.layers.to_string() << "\n";
}

}  // namespace
}  // namespace adyton::script
