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

}  // namespace
}  // namespace adyton::script
