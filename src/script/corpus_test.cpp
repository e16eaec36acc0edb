#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "script/executors.h"
#include "script/script_test_support.h"

namespace adyton::script {
namespace {

constexpr base::Duration kLimit = std::chrono::milliseconds(120);
// For scripts that end by themselves, which a busy machine may make slow.
constexpr base::Duration kRoomyLimit = std::chrono::seconds(10);

struct HostileScript {
    std::string name;
    std::string source;
    std::vector<std::string> endings;

    bool ends_at(std::string_view ending) const {
        const auto has = [&](std::string_view word) {
            return std::find(endings.begin(), endings.end(), word) != endings.end();
        };
        return has("any") || has(ending);
    }
};

// tests/script_corpus/*.js; the first line is "// ends: failed timed_out".
std::vector<HostileScript> corpus() {
    std::vector<HostileScript> out;
    for (const auto& entry : std::filesystem::directory_iterator("tests/script_corpus")) {
        if (entry.path().extension() != ".js") continue;
        std::ifstream file(entry.path(), std::ios::binary);
        std::ostringstream text;
        text << file.rdbuf();
        HostileScript script{entry.path().stem().string(), text.str(), {}};
        constexpr std::string_view kStart = "// ends: ";
        EXPECT_TRUE(script.source.starts_with(kStart)) << script.name;
        std::istringstream endings(
            script.source.substr(kStart.size(), script.source.find('\n') - kStart.size()));
        for (std::string word; endings >> word;) script.endings.push_back(word);
        out.push_back(std::move(script));
    }
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return out;
}

bool ends_right(const HostileScript& script, Status status) {
    if (status == Status::Trapped || status == Status::ExecutorLost) return false;
    return script.ends_at(to_string(status));
}

Job hostile_job(const HostileScript& script) {
    Job job = job_of(script.source);
    job.user = "mallory";
    job.limits.time = script.ends_at("timed_out") ? kLimit : kRoomyLimit;
    job.limits.memory_bytes = std::size_t{32} << 20U;
    return job;
}

Job clean_job() {
    Job job = job_of(
        "function main() { return [Object.keys(globalThis), JSON.stringify({ a: [1, 'x'] }), "
        "typeof Object.prototype.toString, input.n * 2]; }",
        R"({"n":21})");
    job.user = "mallory";
    return job;
}
constexpr std::string_view kCleanOutput =
    R"({"result":[["input","secrets","main"],"{\"a\":[1,\"x\"]}","function",42]})";

class CorpusTest : public EngineFixture {
protected:
    // Every script, each followed by a clean job of the same user, which therefore gets the same
    // process or slot where that one lives on.
    void run_all() {
        const auto scripts = corpus();
        EXPECT_GE(scripts.size(), 60U);
        base::Duration worst{};
        std::string worst_name;
        for (const HostileScript& script : scripts) {
            const RunResult result = run(hostile_job(script));
            EXPECT_TRUE(ends_right(script, result.status))
                << script.name << " ended " << to_string(result.status) << ": "
                << (result.error ? result.error->message : "");
            const base::Duration over =
                result.wall_time - (script.ends_at("timed_out") ? kLimit : kRoomyLimit);
            if (over > worst) {
                worst = over;
                worst_name = script.name;
            }
            const RunResult clean = run(clean_job());
            EXPECT_EQ(clean.status, Status::Completed) << "after " << script.name;
            EXPECT_EQ(clean.output_json, kCleanOutput) << "after " << script.name;
        }
        std::cout << scripts.size() << " scripts; most past its limit: "
                  << std::chrono::duration<double, std::milli>(worst).count() << " ms ("
                  << worst_name << ")\n";
        // Generous: the machine may be busy with other things.
        EXPECT_LT(worst, std::chrono::seconds(2)) << worst_name;
    }
};

TEST_F(CorpusTest, EveryHostileScriptEndsInProcessAndTheNextJobIsClean) {
    run_all();
}

class ExecutorCorpusTest : public CorpusTest {
protected:
    Engine& engine() override {
        if (!executors_) {
            Executors::Options options;
            options.executors = 1;
            options.signal_outside_calls = true;
            auto made = Executors::create(loop_, options);
            EXPECT_TRUE(made) << made.error().message();
            executors_ = std::move(*made);
        }
        return *executors_;
    }
    std::unique_ptr<Executors> executors_;
};

TEST_F(ExecutorCorpusTest, EveryHostileScriptEndsInItsProcessWithoutACallOutsideTheList) {
    run_all();
    EXPECT_EQ(executors_->stats().violations, 0U)
        << "system call " << executors_->stats().last_violation;
}

// --- Neighbours ---------------------------------------------------------------------------------

// One load in one executor; `over` when it has ended.
Task<bool> run_load(Executors& engine, Job job, bool& over) {
    auto running = engine.run(std::move(job));
    const auto result = co_await std::move(running);
    over = true;
    co_return result.has_value();
}

// Small jobs of another user, one after the other, until the load is over.
Task<bool> run_beside(
    Executors& engine, base::EventLoop& loop, const bool& over,
    std::vector<base::Duration>& latencies) {
    bool good = true;
    do {
        Job job = job_of("function main() { return input.n; }", R"({"n":1})");
        job.user = "alice";
        const base::SteadyTime start = loop.steady_now();
        auto running = engine.run(std::move(job));
        const auto result = co_await std::move(running);
        latencies.push_back(loop.steady_now() - start);
        good = good && result && result->status == Status::Completed;
    } while (good && !over);
    co_return good;
}

base::Duration median_of(std::vector<base::Duration> times) {
    const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
    std::nth_element(times.begin(), middle, times.end());
    return *middle;
}

class NeighbourTest : public EngineFixture {
protected:
    void measure(Executors& engine, Job load, std::vector<base::Duration>& latencies) {
        load.user = "mallory";
        load.limits.time = std::chrono::milliseconds(25);
        bool over = false;
        std::vector<Task<bool>> tasks;
        tasks.push_back(run_load(engine, std::move(load), over));
        tasks.push_back(run_beside(engine, loop_, over, latencies));
        const auto done = loop_.run_until_done(base::when_all(std::move(tasks)));
        EXPECT_TRUE(done[0] && done[1]);
    }
};

// Against an endless loop of the same length right before each script, so that whatever else the
// machine does weighs on both.
TEST_F(NeighbourTest, AHostileScriptDoesNotDoubleTheLatencyOfANeighbour) {
#if defined(ADYTON_SANITIZED)
    GTEST_SKIP() << "times mean nothing under sanitizers";
#endif
    Executors::Options options;
    options.executors = 2;
    auto made = Executors::create(loop_, options);
    ASSERT_TRUE(made) << made.error().message();
    std::vector<base::Duration> harmless;
    std::vector<base::Duration> hostile;
    for (const HostileScript& script : corpus()) {
        measure(**made, job_of("function main() { for (;;) {} }"), harmless);
        measure(**made, hostile_job(script), hostile);
    }
    const base::Duration before = median_of(harmless);
    const base::Duration beside = median_of(hostile);
    const auto us = [](base::Duration time) {
        return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
    };
    std::cout << "median of a neighbour: " << us(before) << " us beside a loop (" << harmless.size()
              << " jobs), " << us(beside) << " us beside the corpus (" << hostile.size()
              << " jobs)\n";
    EXPECT_LT(beside, 2 * before + std::chrono::microseconds(200));
}

}  // namespace
}  // namespace adyton::script
