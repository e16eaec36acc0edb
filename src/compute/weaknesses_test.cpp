#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "base/event_loop.h"
#include "compute/options.h"
#include "http/client.h"
#include "http/server.h"

namespace adyton::compute {
namespace {

// N12: the original's answers were cut at 30 s of writing, which its jobs might take to run.
TEST(WeaknessesTest, AnAnswerThatTakesLongerThanTheTimeToWriteItArrives) {
    base::WorkerThreads workers(1);
    base::EventLoop loop(workers);
    http::Router router;
    router.add("GET", "/slow", [&loop](http::Request&) -> Task<http::Response> {
        auto pause = base::sleep_for(loop, std::chrono::milliseconds(500));
        co_await std::move(pause);
        co_return http::Response::text(http::Status::Ok, "late");
    });
    http::ServerObserver observer;
    http::ServerOptions options;
    options.limits.write_timeout = std::chrono::milliseconds(50);
    options.limits.body_timeout = std::chrono::milliseconds(50);
    options.limits.tick = std::chrono::milliseconds(5);
    http::Server server({&loop}, options, router, observer);
    ASSERT_TRUE(server.start());
    http::Client client(loop, {});
    http::ClientRequest request;
    request.url = "http://" + server.bound_address() + "/slow";
    const auto answer = loop.run_until_done(client.send(std::move(request)));
    ASSERT_TRUE(answer) << answer.error().message();
    EXPECT_EQ(answer->body, "late");
    // Handlers have no limit of their own: a job's is the only one.
    EXPECT_EQ(http::ServerLimits().handler_timeout, base::Duration::zero());
}

std::string read_text(const std::filesystem::path& path) {
    std::ifstream in(path);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

// "Suite.Name" of every test of the folder, and the scenarios of the end-to-end files.
std::set<std::string> names_of_tests() {
    const std::regex test(R"(TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\s*\))");
    const std::regex scenario(R"(@scenario\ndef (\w+))");
    std::set<std::string> out;
    for (const char* folder : {"src", "tests/e2e"}) {
        for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
            const std::string extension = entry.path().extension().string();
            if (extension != ".cpp" && extension != ".py") continue;
            const std::string text = read_text(entry.path());
            const std::regex& form = extension == ".py" ? scenario : test;
            for (std::sregex_iterator at(text.begin(), text.end(), form), end; at != end; ++at) {
                out.insert(
                    extension == ".py" ? entry.path().stem().string() + "." + at->str(1)
                                       : at->str(1) + "." + at->str(2));
            }
        }
    }
    return out;
}

// The table of docs/compute.md says which test holds each weakness of the original closed.
TEST(WeaknessesTest, EachIsHeldClosedByTestsThatExist) {
    const std::string text = read_text("docs/compute.md");
    const std::set<std::string> tests = names_of_tests();
    ASSERT_GT(tests.size(), 100u);
    const std::regex row(R"(\n\| (N\d+) \|[^\n]*\| ([^|\n]+) \|)");
    const std::regex name(R"(`(\w+\.\w+)`)");
    std::set<std::string> held;
    for (std::sregex_iterator at(text.begin(), text.end(), row), end; at != end; ++at) {
        const std::string cell = at->str(2);
        std::size_t named = 0;
        for (std::sregex_iterator test(cell.begin(), cell.end(), name); test != end; ++test) {
            EXPECT_TRUE(tests.contains(test->str(1))) << at->str(1) << " names " << test->str(1);
            ++named;
        }
        EXPECT_GT(named, 0u) << at->str(1) << " names no test";
        held.insert(at->str(1));
    }
    for (int number = 1; number <= 28; ++number) {
        EXPECT_TRUE(held.contains("N" + std::to_string(number))) << number;
    }
}

}  // namespace
}  // namespace adyton::compute
