#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "sim/world.h"

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

void report(World& world, const std::string& what) {
    for (const std::string& violation : world.violations()) {
        ADD_FAILURE() << what << ": " << violation;
    }
}

// Every caller asks again, as after a lost connection.
void ask_again(World& world) {
    for (World::Wish& wish : world.wishes()) wish.answered = false;
    world.ask_all();
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
    World world(*database, {});
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
    for (std::uint64_t moment = 1; moment <= moments; moment += kStride) {
        const auto database = TestDatabase::create(TestBackend::SqliteSimulated, 3);
        World world(*database, {});
        world.wish(0, 3);
        world.die_at(moment);
        world.ask_all();
        const bool lived = world.live();
        if (!lived) {
            ++crashes;
            world.crash_and_boot(
                moment % 2 == 0 ? TestDatabase::Crash::Power : TestDatabase::Crash::Process);
            ask_again(world);
            ASSERT_TRUE(world.live()) << "moment " << moment;
        }
        world.check_books();
        report(world, "moment " + std::to_string(moment));
        EXPECT_EQ(world.wishes().front().request_id.empty(), false);
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
    std::uint64_t crashes = 0;
    for (std::uint64_t moment = 1;; moment += kEvery) {
        const auto database = TestDatabase::create(TestBackend::SqliteSimulated, 7);
        World world(*database, three_nodes());
        set_among_liars(world);
        world.wish(0, 3);
        world.die_at(moment);
        world.ask_all();
        const bool lived = world.live();
        if (!lived) {
            ++crashes;
            world.crash_and_boot(
                moment % 2 == 0 ? TestDatabase::Crash::Power : TestDatabase::Crash::Process);
            ask_again(world);
            ASSERT_TRUE(world.live()) << "moment " << moment;
        }
        world.check_books();
        report(world, "liars, moment " + std::to_string(moment));
        if (::testing::Test::HasFailure()) return;
        if (lived) break;
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

void order_faults(World& world, base::SeededRandom& random) {
    constexpr NearFault kFaults[] = {
        NearFault::LoseRequest, NearFault::LoseAnswer,      NearFault::Swallow,
        NearFault::Double,      NearFault::HttpStatus,      NearFault::RpcError,
        NearFault::Unknown,     NearFault::Garbage,         NearFault::WrongId,
        NearFault::NullResult,  NearFault::Delay,           NearFault::StaleNonce,
        NearFault::StaleState,  NearFault::ShuffleOutcomes, NearFault::BareResult,
        NearFault::OtherHash};
    const std::uint64_t count = random.below(6);
    for (std::uint64_t i = 0; i < count; ++i) {
        NearFaultRule rule;
        rule.fault = kFaults[random.below(std::size(kFaults))];
        rule.skip = random.below(30);
        rule.count = 1 + random.below(20);
        rule.per_mille = static_cast<unsigned>(200 + random.below(800));
        rule.blocks = static_cast<std::uint32_t>(1 + random.below(10));
        world.node(random.below(world.options().nodes)).order(rule);
    }
    if (random.below(5) == 0) {
        localchain::NearReceiptFault fault;
        fault.method = random.below(2) == 0 ? "execute_intents" : "submit_intent";
        fault.skip = random.below(4);
        world.chain().order(fault);
    }
    if (random.below(4) == 0) world.chain().skip_heights(random.below(20));
    if (random.below(4) == 0) {
        world.node(random.below(world.options().nodes))
            .set_lag(static_cast<std::uint32_t>(random.below(8)));
    }
}

// One node, the same one in all of a world's life, tells another story than the rest: fewer than a
// quorum.
void order_lies(World& world, base::SeededRandom& random) {
    constexpr NearFault kLies[] = {
        NearFault::Contradict, NearFault::ContradictReceipts, NearFault::ForgeIds,
        NearFault::OtherHeight};
    const std::size_t nodes = world.options().nodes;
    if (nodes < 2 || random.below(2) != 0) return;
    localchain::NearNode& liar = world.node(world.options().seed % nodes);
    const std::uint64_t count = 1 + random.below(3);
    for (std::uint64_t i = 0; i < count; ++i) {
        NearFaultRule rule;
        rule.fault = kLies[random.below(std::size(kLies))];
        rule.skip = random.below(10);
        rule.count = random.below(3) == 0 ? NearFaultRule::kForever : 1 + random.below(60);
        rule.per_mille = static_cast<unsigned>(300 + random.below(701));
        rule.blocks = static_cast<std::uint32_t>(1 + random.below(250));
        liar.order(rule);
    }
    if (random.below(3) == 0) {
        liar.set_height_lie(static_cast<std::int64_t>(random.below(300)) - 50);
    }
}

void calm(World& world) {
    for (std::size_t i = 0; i < world.options().nodes; ++i) {
        world.node(i).clear_faults();
        world.node(i).set_lag(0);
        world.node(i).set_height_lie(0);
        world.node(i).set_down(false);
    }
    world.chain().clear_receipt_faults();
}

bool foreign_batch(World& world, base::SeededRandom& random) {
    if (random.below(4) != 0) return false;
    localchain::ForeignIntents intents{
        near::AccountId::parse("gate.sequential.near").value(),
        near::AccountId::parse("relayer.sequential.near").value(),
        near::AccountId::parse("count.mike.near").value(), "increase"};
    intents.count = 1 + random.below(3);
    const auto sent = localchain::inject_foreign_intents(world.chain(), intents);
    EXPECT_TRUE(sent.has_value());
    return true;
}

// The strangers' intents, once they have ids, become a batch of theirs.
void start_foreign_batch(World& world) {
    const auto gate = near::AccountId::parse("gate.sequential.near").value();
    const auto pending = world.chain().view(gate, "list_pending");
    if (!pending || !pending->is_array()) return;
    std::vector<std::uint64_t> ids;
    for (const auto& id : pending->items()) {
        const auto number = near::parse_u64(id.string_value()).value();
        const auto entry = world.chain().view(
            gate, "get_pending", "{\"intent_id\":\"" + std::to_string(number) + "\"}");
        if (!entry || entry->is_null()) continue;
        if (entry->find("receiver_id")->string_value() == "count.mike.near") ids.push_back(number);
    }
    if (ids.empty()) return;
    const auto approver = near::AccountId::parse("approver.sequential.near").value();
    EXPECT_TRUE(localchain::inject_foreign_batch(world.chain(), gate, approver, ids).has_value());
}

void run_world(std::uint64_t seed) {
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
    World world(*database, options);
    const std::uint64_t wishes = 1 + random.below(5);
    for (std::uint64_t i = 0; i < wishes; ++i) {
        const bool batch = random.below(3) == 0;
        world.wish(
            random.below(options.wallets), 1 + random.below(3),
            batch ? "gate.sequential.near" : "");
    }
    order_faults(world, random);
    order_lies(world, random);
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
        const bool lived = world.live_some(blocks);
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
