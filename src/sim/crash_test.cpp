#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <set>

#include "sim/lane_books.h"
#include "sim/world.h"
#include "sim/world_faults.h"

// The process is killed at every effect of the standard workflow (each one enumerated), at changes
// of the disk, and then at random among nodes that lose, lie and lag. Afterwards it starts again,
// every caller repeats its request, and the records are held against the chain. Everything follows
// from the printed seed.
//
// ADYTON_SIM_SEEDS=N and ADYTON_SIM_FIRST_SEED choose the random worlds.
namespace adyton::sim {
namespace {

using localchain::NearFault;
using localchain::NearFaultRule;
using storage::TestBackend;
using storage::TestDatabase;

// Others than optimized builds are five to fifty times slower, and get enough to see that they
// work.
#if defined(ADYTON_SANITIZED)
constexpr std::uint64_t kStride = 9;
constexpr std::uint64_t kSeeds = 25;  // in each part
#elif defined(__OPTIMIZE__)
constexpr std::uint64_t kStride = 1;
constexpr std::uint64_t kSeeds = 250;
#else
constexpr std::uint64_t kStride = 9;
constexpr std::uint64_t kSeeds = 8;
#endif

std::uint64_t number_from(const char* variable, std::uint64_t fallback) {
    const char* const text = std::getenv(variable);
    return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

TEST(CrashTest, OneSeedIsOneHistory) {
    std::string first;
    for (int round = 0; round < 2; ++round) {
        const auto database = TestDatabase::create(TestBackend::SqliteSimulated, 11);
        WorldOptions options;
        options.seed = 11;
        options.latency_max = std::chrono::milliseconds(80);
        World world(*database, options);
        world.wish(0, 3);
        world.wish(1, 2);
        world.ask_all();
        ASSERT_TRUE(world.live());
        world.check_books();
        report(world, "seed 11");
        if (round == 0) {
            first = world.trace();
        } else {
            EXPECT_EQ(world.trace(), first);
        }
    }
}

std::uint64_t moments_of_the_standard_workflow() {
    const auto database = TestDatabase::create(TestBackend::SqliteSimulated, 3);
    WorldOptions options;
    options.seed = 3;
    World world(*database, options);
    world.wish(0, 3);
    const std::uint64_t before = world.moments();
    world.ask_all();
    EXPECT_TRUE(world.live());
    world.check_books();
    report(world, "no crash");
    return world.moments() - before;
}

TEST(CrashTest, TheStandardWorkflowSurvivesACrashAtEveryEffect) {
    const std::uint64_t moments = moments_of_the_standard_workflow();
    ASSERT_GT(moments, 30U);
    std::uint64_t crashes = 0;
    WorldOptions options;
    options.seed = 3;
    const Prepare standard = [](World& world) { world.wish(0, 3); };
    for (std::uint64_t moment = 1; moment <= moments; moment += kStride) {
        if (run_and_die(options, standard, moment)) ++crashes;
        if (::testing::Test::HasFailure()) return;
    }
    EXPECT_GT(crashes, moments / kStride / 2);
}

// Three nodes: one tells every receipt the other way round and is a hundred blocks ahead by its own
// account, one lags. Two of them are a quorum.
void set_among_liars(World& world) {
    NearFaultRule lie;
    lie.fault = NearFault::ContradictReceipts;
    lie.count = NearFaultRule::kForever;
    world.node(0).order(lie);
    lie.fault = NearFault::OtherHeight;
    lie.blocks = 100;
    world.node(0).order(lie);
    world.node(1).set_lag(4);
}

WorldOptions three_nodes() {
    WorldOptions options;
    options.seed = 7;
    options.nodes = 3;
    return options;
}

TEST(CrashTest, AWorkflowAmongContradictingNodesSucceeds) {
    const auto database = TestDatabase::create(TestBackend::SqliteSimulated, 7);
    World world(*database, three_nodes());
    set_among_liars(world);
    world.wish(0, 3);
    world.wish(1, 2);
    world.ask_all();
    ASSERT_TRUE(world.live());
    world.check_books();
    report(world, "liars");
    for (const World::Wish& wish : world.wishes()) {
        const WorldAnswer record =
            world.get("/wallet/v1/workflows/" + wish.request_id, wish.wallet);
        EXPECT_EQ(record.string("status"), "succeeded") << record.text;
    }
    EXPECT_GT(world.node(0).struck(NearFault::ContradictReceipts), 0U);
    EXPECT_GT(world.node(0).struck(NearFault::OtherHeight), 0U);
}

TEST(CrashTest, AWorkflowAmongContradictingNodesSurvivesACrashAtAnyEffect) {
    constexpr std::uint64_t kEvery = kStride * 3;
    const Prepare liars = [](World& world) {
        set_among_liars(world);
        world.wish(0, 3);
    };
    std::uint64_t crashes = 0;
    while (run_and_die(three_nodes(), liars, 1 + crashes * kEvery)) {
        ++crashes;
        if (::testing::Test::HasFailure()) return;
    }
    EXPECT_GT(crashes, 30 / kEvery);
}

TEST(CrashTest, TheStandardWorkflowSurvivesALossOfPowerAtAnyWrite) {
    std::uint64_t changes = 0;
    {
        const auto database = TestDatabase::create(TestBackend::SqliteSimulated, 5);
        World world(*database, {});
        world.wish(0, 3);
        const std::uint64_t before = database->disk()->changes();
        world.ask_all();
        ASSERT_TRUE(world.live());
        changes = database->disk()->changes() - before;
    }
    ASSERT_GT(changes, 50U);
    const std::uint64_t step = std::max<std::uint64_t>(1, changes * kStride / 60);
    for (std::uint64_t change = 1; change <= changes; change += step) {
        const auto database = TestDatabase::create(TestBackend::SqliteSimulated, 5);
        World world(*database, {});
        world.wish(0, 3);
        database->disk()->power_off_after(change);
        world.ask_all();
        if (!world.live()) {
            world.crash_and_boot(TestDatabase::Crash::Power);
            ask_again(world);
            ASSERT_TRUE(world.live()) << "change " << change;
        }
        world.check_books();
        report(world, "change " + std::to_string(change));
        if (::testing::Test::HasFailure()) return;
    }
}

// ----- random worlds ----------------------------------------------------------------------------

// Every eighth world is of several lanes; they take twice the time of others.
constexpr std::uint64_t kLaneWorlds = 8;
// One of sixteen has queues longer than what is looked at often.
constexpr std::uint64_t kQueueWorlds = 16;

// Wishes of several lanes, among them some for the gate alone; some wallets' money is bounded.
void make_lane_wishes(World& world, base::SeededRandom& random) {
    using Kind = LaneStep::Kind;
    constexpr std::size_t kWallets = 3;  // the last one's is not touched
    std::set<std::size_t> users;
    const std::uint64_t wishes = 1 + random.below(4);
    for (std::uint64_t i = 0; i < wishes; ++i) {
        const std::size_t wallet = random.below(kWallets);
        if (random.below(5) == 0) {
            world.wish(wallet, 1 + random.below(3));
            continue;
        }
        const auto kinds = random_kinds(random);
        if (std::count(kinds.begin(), kinds.end(), Kind::UserCall) > 0) users.insert(wallet);
        wish_lanes(world, wallet, kinds);
    }
    for (const std::size_t wallet : users) {
        if (random.below(5) != 0) install_user_key(world, world.wallet(wallet));
    }
    if (random.below(4) == 0) world.bound(world.wallet(0), 5'000'000 + random.below(20'000'000));
}

Task<void> send(World* world, WorldCall call) {
    auto calling = world->call(std::move(call));
    co_await std::move(calling);
}

// Now and then somebody pauses, resumes or cancels a workflow.
void meddle(World& world, base::SeededRandom& random) {
    constexpr const char* kActions[] = {"/pause", "/pause", "/resume", "/cancel"};
    if (world.dead() || random.below(3) != 0) return;
    const World::Wish& wish = world.wishes()[random.below(world.wishes().size())];
    if (wish.request_id.empty()) return;
    const std::string path = "/wallet/v1/workflows/" + wish.request_id;
    WorldCall call;
    call.path = path + kActions[random.below(std::size(kActions))];
    call.wallet = wish.wallet;
    call.body = "{}";
    base::spawn(world.database().executor(), send(&world, std::move(call)));
}

void resume_all(World& world) {
    for (const World::Wish& wish : world.wishes()) {
        if (wish.request_id.empty()) continue;
        world.post("/wallet/v1/workflows/" + wish.request_id + "/resume", wish.wallet, "{}");
    }
}

void make_wishes(World& world, base::SeededRandom& random, bool many) {
    const std::uint64_t wishes = many ? 10 + random.below(12) : 1 + random.below(5);
    for (std::uint64_t i = 0; i < wishes; ++i) {
        const bool batch = random.below(3) == 0;
        world.wish(
            random.below(world.options().wallets), 1 + random.below(3),
            batch ? "gate.sequential.near" : "");
    }
}

void run_world(std::uint64_t seed) {
    const bool lanes = seed % kLaneWorlds == 0;
    const bool queues = seed % kQueueWorlds == 1;
    base::SeededRandom random(seed * 2'654'435'761ULL + 1);
    const auto database = TestDatabase::create(TestBackend::SqliteSimulated, seed);
    WorldOptions options;
    options.seed = seed;
    options.nodes = 1 + random.below(3);
    options.gates = 1 + random.below(2);
    options.relayer_keys = 1 + random.below(3);
    options.latency_max = std::chrono::milliseconds(random.below(300));
    options.poll_interval = std::chrono::milliseconds(750 + 500 * random.below(4));
    options.probe_period = std::chrono::seconds(2 + random.below(6));
    if (lanes) switch_lanes_on(options);
    if (lanes && random.below(2) == 0) answer_at_once(options);
    World world(*database, options);
    lanes ? make_lane_wishes(world, random) : make_wishes(world, random, queues);
    order_faults(world, random);
    order_lies(world, random);
    if (lanes) order_lane_faults(world, random);
    const bool foreign = foreign_batch(world, random);
    const std::uint64_t deaths = random.below(4);
    world.ask_all();
    for (std::uint64_t death = 0; death < deaths; ++death) {
        if (random.below(2) == 0) {
            world.die_at(1 + random.below(150));
        } else {
            database->disk()->power_off_after(1 + random.below(300));
        }
        const std::uint64_t blocks = 5 + random.below(60);
        bool lived = world.live_some(blocks);
        if (lived && (lanes || queues)) {
            meddle(world, random);
            lived = world.live_some(blocks);
        }
        if (foreign) start_foreign_batch(world);
        if (lived && random.below(2) == 0) continue;
        world.crash_and_boot(
            random.below(2) == 0 ? TestDatabase::Crash::Power : TestDatabase::Crash::Process);
        ask_again(world);
        order_faults(world, random);
        order_lies(world, random);
    }
    world.die_at(0);
    database->disk()->power_off_after(1'000'000'000'000);
    if (!world.live_some(20 + random.below(60))) {
        world.crash_and_boot(TestDatabase::Crash::Power);
    }
    calm(world);
    ask_again(world);
    if (lanes || queues) {
        EXPECT_TRUE(world.live_some(10));
        resume_all(world);
    }
    EXPECT_TRUE(world.live());
    world.check_books(foreign);
    report(world, "seed " + std::to_string(seed));
}

// In parts, so that they run beside each other. With ADYTON_SIM_SEEDS the first part runs them all.
class RandomWorldsTest : public ::testing::TestWithParam<std::uint64_t> {};
constexpr std::uint64_t kParts = 8;

TEST_P(RandomWorldsTest, KeepTheirBooks) {
    const bool asked = std::getenv("ADYTON_SIM_SEEDS") != nullptr;
    if (asked && GetParam() != 0) GTEST_SKIP() << "the first part runs the worlds asked for";
    const std::uint64_t first =
        number_from("ADYTON_SIM_FIRST_SEED", 1) + (asked ? 0 : GetParam() * kSeeds);
    const std::uint64_t seeds = number_from("ADYTON_SIM_SEEDS", kSeeds);
    std::printf(
        "seeds %llu to %llu\n", static_cast<unsigned long long>(first),
        static_cast<unsigned long long>(first + seeds - 1));
    for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
        run_world(seed);
        if (::testing::Test::HasFailure()) {
            std::printf(
                "ADYTON_SIM_FIRST_SEED=%llu ADYTON_SIM_SEEDS=1 shows it again\n",
                static_cast<unsigned long long>(seed));
            return;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(
    Parts, RandomWorldsTest, ::testing::Range(std::uint64_t{0}, kParts),
    [](const auto& part) { return "Part" + std::to_string(part.param); });

}  // namespace
}  // namespace adyton::sim
