#include "script/executors.h"

#include <gtest/gtest.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill() is POSIX
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <iostream>
#include <thread>

#include "script/internal/lockdown.h"
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
    std::vector<RunResult> run_all(std::vector<Job> jobs) {
        std::vector<Task<Result<RunResult>>> tasks;
        tasks.reserve(jobs.size());
        for (Job& job : jobs) tasks.push_back(engine().run(std::move(job)));
        auto results = loop_.run_until_done(base::when_all(std::move(tasks)));
        std::vector<RunResult> out;
        for (auto& result : results) {
            EXPECT_TRUE(result) << result.error().message();
            out.push_back(result ? std::move(*result) : RunResult{});
        }
        return out;
    }

private:
    std::unique_ptr<Executors> executors_;
};

Job of_user(std::string user, std::string source) {
    Job job = job_of(std::move(source));
    job.user = std::move(user);
    return job;
}

TEST_F(ExecutorsTest, AJobRunsInAProcessAndSaysWhatStandsAroundIt) {
    const RunResult result =
        run("function main() { return { sum: input.a + input.b }; }", R"({"a":5,"b":3})");
    EXPECT_EQ(result.status, Status::Completed);
    EXPECT_EQ(result.output_json, R"({"sum":8})");
    for (const Layer layer :
         {Layer::StackBound, Layer::OwnProcess, Layer::OwnUserProcess, Layer::NoNewPrivileges,
          Layer::NotDumpable, Layer::OneDescriptor}) {
        EXPECT_TRUE(result.layers.has(layer)) << to_string(layer);
    }
    EXPECT_FALSE(result.layers.has(Layer::OwnJobProcess));
    // The same that start-up reported.
    EXPECT_EQ(result.layers, executors().layers());
    std::cout << "layers: " << result.layers.to_string() << "\n";
}

TEST_F(ExecutorsTest, AProcessGivesTheSameResultAsTheEngineInProcess) {
    const std::string source =
        "async function main() { let s = 0; for (let i = 0; i < 1e5; i++) s += Math.random(); "
        "console.log(s, Date.now()); await null; return { s, t: Date.now(), b: "
        "Array.from(test.bytes(new Uint8Array([1, 2]))) }; }";
    auto made = InProcessEngine::create(loop_, {1, test_library()});
    ASSERT_TRUE(made);
    const auto here = loop_.run_until_done((*made)->run(job_of(source)));
    ASSERT_TRUE(here);
    const RunResult there = run(source);
    EXPECT_EQ(here->output_json, there.output_json);
    EXPECT_EQ(here->metered_gas, there.metered_gas);
    EXPECT_EQ(here->logs, there.logs);
    EXPECT_EQ(here->memory_bytes_peak, there.memory_bytes_peak);
}

TEST_F(ExecutorsTest, OneUserKeepsItsProcessAndAnotherUserGetsAnother) {
    Executors::Options options;
    options.executors = 1;
    options.spares = 0;
    options.warm = 0;
    start(options);
    const char* const source = "function main() { return 1; }";
    for (int i = 0; i < 3; ++i) run(of_user("a", source));
    EXPECT_EQ(executors().stats().executors_started, 1U);
    EXPECT_EQ(executors().stats().executors_killed, 0U);
    run(of_user("b", source));
    EXPECT_EQ(executors().stats().executors_started, 2U);
    EXPECT_EQ(executors().stats().executors_killed, 1U);
    run(of_user("a", source));
    EXPECT_EQ(executors().stats().executors_killed, 2U);
}

TEST_F(ExecutorsTest, UsersThatTakeTurnsKeepTheirProcesses) {
    Executors::Options options;
    options.executors = 1;
    start(options);
    for (int i = 0; i < 12; ++i) {
        run(of_user("user-" + std::to_string(i % 4), "function main() { return 1; }"));
    }
    EXPECT_EQ(executors().stats().executors_killed, 0U);
    EXPECT_LE(executors().stats().executors_started, 6U);
}

TEST_F(ExecutorsTest, AStrictJobHasAProcessForItself) {
    Executors::Options options;
    options.executors = 1;
    start(options);
    for (std::uint64_t i = 1; i <= 3; ++i) {
        Job job = of_user("a", "function main() { return 1; }");
        job.strict = true;
        const RunResult result = run(std::move(job));
        EXPECT_EQ(result.status, Status::Completed);
        EXPECT_TRUE(result.layers.has(Layer::OwnJobProcess));
        EXPECT_EQ(executors().stats().executors_killed, i);
    }
}

TEST_F(ExecutorsTest, ATimeoutEndsTheJobAndItsProcess) {
    Job job = of_user("a", "function main() { console.log('x'); for (;;) {} }");
    job.limits.time = std::chrono::milliseconds(50);
    const RunResult result = run(std::move(job));
    EXPECT_EQ(result.status, Status::TimedOut);
    EXPECT_EQ(result.logs.size(), 1U);
    EXPECT_GT(result.metered_gas, 0U);
    EXPECT_EQ(executors().stats().executors_killed, 1U);
    EXPECT_EQ(run(of_user("a", "function main() { return 1; }")).status, Status::Completed);
}

// A process that is killed says nothing, but its gas was seen.
TEST_F(ExecutorsTest, AKilledJobIsChargedWhatItWasSeenToUse) {
    const std::string loop =
        "function main() { for (let i = 0; i < 3e5; i++); console.log('far'); for (;;) {} }";
    Job counted = of_user("a", "function main() { for (let i = 0; i < 3e5; i++); }");
    const std::uint64_t least = run(std::move(counted)).metered_gas;
    for (int round = 0; round < 2; ++round) {
        Job job = of_user("a", loop);
        const std::string id = job.id;
        job.on_log = [&](const LogEntry&) { EXPECT_TRUE(executors().cancel(id)); };
        const RunResult result = run(std::move(job));
        EXPECT_EQ(result.status, Status::Cancelled);
        EXPECT_GE(result.metered_gas, least);
    }
    // The meter begins anew with each job: this one is over before its first poll.
    Job waits = of_user("a", "function main() { console.log(1); for (;;) {} }");
    const std::string id = waits.id;
    EXPECT_EQ(
        run(of_user("a", "function main() { for (let i = 0; i < 3e6; i++); }")).status,
        Status::Completed);
    waits.on_log = [&](const LogEntry&) { executors().cancel(id); };
    const RunResult early = run(std::move(waits));
    EXPECT_GT(early.metered_gas, 0U);
}

TEST_F(ExecutorsTest, ACancelledJobDiesWithItsProcess) {
    Job job = of_user("a", "function main() { console.log('started'); for (;;) {} }");
    const std::string id = job.id;
    base::SteadyTime asked{};
    job.on_log = [&](const LogEntry&) {
        asked = loop_.steady_now();
        EXPECT_TRUE(executors().cancel(id));
    };
    const RunResult result = run(std::move(job));
    const base::Duration took = loop_.steady_now() - asked;
    EXPECT_EQ(result.status, Status::Cancelled);
    EXPECT_EQ(result.logs.size(), 1U);
    EXPECT_EQ(executors().stats().executors_killed, 1U);
    EXPECT_FALSE(executors().cancel(id));
    std::cout << "cancel to end: " << std::chrono::duration<double, std::milli>(took).count()
              << " ms\n";
}

TEST_F(ExecutorsTest, AWaitingJobCanBeCancelledToo) {
    Executors::Options options;
    options.executors = 1;
    start(options);
    Job first = of_user("a", "function main() { console.log(1); for (;;) {} }");
    Job second = of_user("a", "function main() { return 2; }");
    const std::string first_id = first.id;
    const std::string second_id = second.id;
    first.on_log = [&](const LogEntry&) {
        EXPECT_TRUE(executors().cancel(second_id));
        EXPECT_TRUE(executors().cancel(first_id));
    };
    std::vector<Job> jobs;
    jobs.push_back(std::move(first));
    jobs.push_back(std::move(second));
    for (const RunResult& result : run_all(std::move(jobs))) {
        EXPECT_EQ(result.status, Status::Cancelled);
    }
}

TEST_F(ExecutorsTest, ManyJobsOfManyUsersAllGetTheirOwnAnswers) {
    std::vector<Job> jobs;
    for (int i = 0; i < 40; ++i) {
        Job job = job_of(
            "function main() { return { n: input.n, secret: secrets.s }; }",
            "{\"n\":" + std::to_string(i) + "}");
        job.user = "user-" + std::to_string(i % 5);
        job.secrets = [i] {
            std::vector<Secret> out;
            out.push_back({"s", SensitiveBytes("secret-" + std::to_string(i))});
            return Result<std::vector<Secret>>(std::move(out));
        };
        jobs.push_back(std::move(job));
    }
    const auto results = run_all(std::move(jobs));
    for (std::size_t i = 0; i < results.size(); ++i) {
        const std::string n = std::to_string(i);
        EXPECT_EQ(results[i].output_json, "{\"n\":" + n + ",\"secret\":\"secret-" + n + "\"}");
    }
}

TEST_F(ExecutorsTest, TheLargestJobAndTheLargestResultGoThroughTheSocket) {
    const std::string text(kInputBytesMax - 8, 'x');
    Job job = job_of("function main() { return input; }", "{\"a\":\"" + text + "\"}");
    job.secrets = [] {
        std::vector<Secret> out;
        for (std::size_t i = 0; i < kSecretsMax; ++i) {
            out.push_back(
                {"s" + std::to_string(i), SensitiveBytes(std::string(kSecretBytesMax, 's'))});
        }
        return Result<std::vector<Secret>>(std::move(out));
    };
    const RunResult result = run(std::move(job));
    EXPECT_EQ(result.status, Status::Completed);
    EXPECT_EQ(result.output_json.size(), kOutputBytesMax);
}

TEST_F(ExecutorsTest, RequestsLeaveTheProcessOnlyThroughTheBroker) {
    Job job = job_of(
        "async function main() { const a = fetch('https://a/'); const b = fetch('https://b/'); "
        "return [await (await a).text(), await (await b).text()]; }");
    std::vector<std::uint32_t> seen;
    job.host = [&](HostRequest request) -> Task<HostReply> {
        seen.push_back(request.sequence);
        // The first one answers last.
        if (request.sequence == 0) {
            co_await base::sleep_for(loop_, std::chrono::milliseconds(20));
        }
        HostReply reply;
        reply.json =
            R"({"status":200,"headers":{},"body":"r)" + std::to_string(request.sequence) + "\"}";
        co_return reply;
    };
    EXPECT_EQ(run(std::move(job)).output_json, R"({"result":["r0","r1"]})");
    EXPECT_EQ(seen, (std::vector<std::uint32_t>{0, 1}));
}

TEST_F(ExecutorsTest, ASystemCallOutsideTheListIsDeathToTheProcessAndToNothingElse) {
    if (!executors().layers().has(Layer::Seccomp)) GTEST_SKIP() << "NOT RUN: no seccomp here";
    const RunResult result = run("function main() { return test.outside(); }");
    EXPECT_EQ(result.status, Status::ExecutorLost);
    EXPECT_EQ(executors().stats().executors_lost, 1U);
    EXPECT_EQ(run("function main() { return 1; }").status, Status::Completed);
}

// So that the corpus, which counts such calls, would see one.
TEST_F(ExecutorsTest, ASystemCallOutsideTheListIsReportedWhereTestsAskForIt) {
    Executors::Options options;
    options.signal_outside_calls = true;
    start(options);
    if (!executors().layers().has(Layer::Seccomp)) GTEST_SKIP() << "NOT RUN: no seccomp here";
    run("function main() { return test.outside(); }");
    EXPECT_EQ(executors().stats().violations, 1U);
    EXPECT_EQ(executors().stats().last_violation, SYS_getppid);
}

TEST_F(ExecutorsTest, TwoJobsOfOneIdDoNotRunAtOnce) {
    Job job = of_user("a", "function main() { console.log(1); for (;;) {} }");
    Job twin = job;
    bool refused = false;
    job.on_log = [&](const LogEntry&) { executors().cancel(job.id); };
    const std::string id = job.id;
    std::vector<Task<Result<RunResult>>> tasks;
    Job first = job;
    first.on_log = [&, id](const LogEntry&) { executors().cancel(id); };
    tasks.push_back(executors().run(std::move(first)));
    tasks.push_back(executors().run(std::move(twin)));
    const auto results = loop_.run_until_done(base::when_all(std::move(tasks)));
    refused = !results[1] && results[1].error().code() == ErrorCode::Conflict;
    EXPECT_TRUE(refused);
}

TEST_F(ExecutorsTest, ASecretOfSomebodyElseMayHaveALongName) {
    const std::string name = std::string(128, 'o') + "/" + std::string(128, 'n');
    Job job = job_of("function main() { return Object.entries(secrets)[0]; }");
    job.secrets = [name]() -> Result<std::vector<Secret>> {
        std::vector<Secret> out;
        out.push_back({name, SensitiveBytes("value")});
        return out;
    };
    const RunResult result = run(std::move(job));
    EXPECT_EQ(result.output_json, "{\"result\":[\"" + name + "\",\"value\"]}");
}

Task<bool> after(base::EventLoop& loop, const std::atomic<bool>& done) {
    while (!done) {
        auto pause = base::sleep_for(loop, std::chrono::microseconds(200));
        co_await std::move(pause);
    }
    co_return true;
}

// A caller of another thread enlists its job before it hands it over.
TEST_F(ExecutorsTest, AJobCancelledBeforeItIsHandedOverDoesNotStart) {
    executors();
    std::uint64_t began = 0;
    for (int i = 0; i < 200; ++i) {
        Job job = job_of("function main() {}");
        const std::string id = job.id;
        std::atomic<bool> done{false};
        Result<RunResult> result = Error::internal("not run");
        std::thread caller([&] {  // lint-allow(thread): the test is about two of them
            base::WorkerThreads workers(1);
            base::EventLoop loop(workers);
            result = loop.run_until_done(executors().run(std::move(job)));
            done = true;
        });
        while (!done && !executors().cancel(id)) {
        }
        loop_.run_until_done(after(loop_, done));
        caller.join();
        ASSERT_TRUE(result) << result.error().message();
        began += result->layers.has(Layer::OwnProcess) ? 1U : 0U;
    }
    EXPECT_EQ(executors().stats().jobs, began);
}

TEST(LockdownTest, AUserIsDroppedOnlyWhereThereIsOneToDrop) {
    const auto drops = [](bool ordinary) {
        const pid_t child = ::fork();
        if (child == 0) {
            if (ordinary && ::geteuid() == 0 && ::setresuid(65'534, 65'534, 65'534) != 0) {
                ::_exit(2);
            }
            ::_exit(internal::lock_down({}).has(Layer::DroppedUser) ? 1 : 0);
        }
        int status = 0;
        EXPECT_EQ(::waitpid(child, &status, 0), child);
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) != 2);
        return WEXITSTATUS(status) == 1;
    };
    EXPECT_FALSE(drops(true));
    if (::geteuid() == 0) {
        EXPECT_TRUE(drops(false));
    }
}

TEST_F(ExecutorsTest, WhatTheEngineRefusesIsAnError) {
    const auto result = try_run(job_of("function main() {}", "[1]"));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), ErrorCode::InvalidArgument);
    EXPECT_EQ(run(job_of("function main() { return 1; }")).status, Status::Completed);
}

TEST_F(ExecutorsTest, AProgramThatIsNoZygoteIsReported) {
    Executors::Options options;
    options.program = "/bin/false";
    const auto made = Executors::create(loop_, options);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code(), ErrorCode::Unavailable);
}

}  // namespace
}  // namespace adyton::script
