#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "script/engine.h"
#include "script/in_process_engine.h"
#include "script/test_library.h"

namespace adyton::script {

inline Job job_of(std::string source, std::string input = "{}") {
    static int number = 0;
    Job job;
    job.id = "job-" + std::to_string(++number);
    job.user = "user";
    job.source = std::move(source);
    job.input_json = std::move(input);
    job.start_time = base::Timestamp(std::chrono::milliseconds(1'760'000'000'123));
    job.random_seed.fill(0x5A);
    job.limits.time = std::chrono::seconds(10);
    return job;
}

// An engine with a loop of its own; run() waits on the calling thread.
class EngineFixture : public ::testing::Test {
protected:
    RunResult run(Job job) {
        auto result = try_run(std::move(job));
        EXPECT_TRUE(result) << result.error().message();
        return result ? std::move(*result) : RunResult{};
    }
    RunResult run(std::string source, std::string input = "{}") {
        return run(job_of(std::move(source), std::move(input)));
    }
    Result<RunResult> try_run(Job job) {
        return loop_.run_until_done(engine().run(std::move(job)));
    }
    // The output of a script that must complete.
    std::string output(std::string source, std::string input = "{}") {
        Job job = job_of(std::move(source), std::move(input));
        const Job shown = job_of(job.source);
        const RunResult result = run(std::move(job));
        EXPECT_EQ(result.status, Status::Completed) << seed_error_text(shown, result);
        return result.output_json;
    }

    virtual Engine& engine() {
        if (!engine_) {
            auto made = InProcessEngine::create(loop_, InProcessEngine::Options{1, test_library()});
            EXPECT_TRUE(made) << made.error().message();
            engine_ = std::move(*made);
        }
        return *engine_;
    }

    base::WorkerThreads workers_{2};
    base::EventLoop loop_{workers_};

private:
    std::unique_ptr<InProcessEngine> engine_;
};

}  // namespace adyton::script
