#include "coordinator/internal/key_lanes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "base/sim_executor.h"

namespace adyton::coordinator {
namespace {

using namespace std::chrono_literals;

struct Travel {
    base::Executor& executor;
    NonceConvoy convoy;
    std::vector<std::string> log;
};

struct Traveller {
    std::string name;
    std::uint64_t nonce = 0;
    base::Duration arrives{};
    base::Duration saves{};     // how long
    bool gives_up = false;      // after that
    base::Duration sends = 1s;  // how long
};

Task<void> travel(Travel& world, Traveller who) {
    auto arriving = base::sleep_for(world.executor, who.arrives);
    co_await std::move(arriving);
    auto entering = world.convoy.enter();
    NonceConvoy::Seat seat = co_await std::move(entering);
    world.log.push_back(who.name + " saves");
    auto saving = base::sleep_for(world.executor, who.saves);
    co_await std::move(saving);
    if (who.gives_up) co_return;
    auto waiting = seat.wait_to_send(who.nonce);
    co_await std::move(waiting);
    world.log.push_back(who.name + " sends");
    auto sending = base::sleep_for(world.executor, who.sends);
    co_await std::move(sending);
    world.log.push_back(who.name + " sent");
}

struct Seen {
    std::vector<std::string> sends;  // in their order
    std::vector<std::string> saves;  // those of one convoy, which begin at one time, by name
};

Seen run(std::vector<Traveller> travellers) {
    base::SimExecutor executor(1);
    Travel world{executor, {}, {}};
    for (Traveller& one : travellers) base::spawn(executor, travel(world, std::move(one)));
    executor.run_for(1h);
    Seen out;
    std::vector<std::string> together;
    for (const std::string& line : world.log) {
        if (line.ends_with("saves")) {
            together.push_back(line.substr(0, 1));
            continue;
        }
        std::sort(together.begin(), together.end());
        for (std::string& name : together) out.saves.push_back(std::move(name));
        together.clear();
        out.sends.push_back(line);
    }
    return out;
}

using Lines = std::vector<std::string>;

TEST(NonceConvoyTest, WhoeverComesAloneDoesNotWait) {
    const Seen seen = run({{"a", 1, 0s, 2s}});
    EXPECT_EQ(seen.saves, (Lines{"a"}));
    EXPECT_EQ(seen.sends, (Lines{"a sends", "a sent"}));
}

TEST(NonceConvoyTest, ThoseThatWaitGoTogetherAndSendByNonce) {
    const Seen seen = run(
        {{"a", 1, 0s, 2s}, {"b", 4, 1s, 1s}, {"c", 2, 1s, 5s}, {"d", 3, 1s, 3s}, {"e", 5, 4s, 1s}});
    EXPECT_EQ(seen.saves, (Lines{"a", "b", "c", "d", "e"}));
    EXPECT_EQ(
        seen.sends, (Lines{
                        "a sends", "a sent", "c sends", "c sent", "d sends", "d sent", "b sends",
                        "b sent", "e sends", "e sent"}));
}

TEST(NonceConvoyTest, NobodyWaitsForOneThatGaveUp) {
    const Seen seen = run(
        {{"a", 1, 0s, 2s, true},
         {"b", 3, 1s, 1s},
         {"c", 2, 1s, 4s, true},
         {"d", 4, 3s, 1s, true},
         {"e", 5, 20s, 1s}});
    EXPECT_EQ(seen.saves, (Lines{"a", "b", "c", "d", "e"}));
    EXPECT_EQ(seen.sends, (Lines{"b sends", "b sent", "e sends", "e sent"}));
}

}  // namespace
}  // namespace adyton::coordinator
