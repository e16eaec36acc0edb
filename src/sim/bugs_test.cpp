#include <gtest/gtest.h>

#include <functional>

#include "sim/bug_names.h"
#include "sim/world.h"

// Each planted bug is found by one of these stories at least, and the program without one passes
// them all.
namespace adyton::sim {
namespace {

using localchain::NearFault;
using localchain::NearFaultRule;
using storage::TestBackend;
using storage::TestDatabase;

#if defined(__OPTIMIZE__) && !defined(ADYTON_SANITIZED)
constexpr std::uint64_t kDeathStep = 2;
#else
constexpr std::uint64_t kDeathStep = 5;
#endif

struct Story {
    const char* name;
    std::function<void(World&)> prepare;  // before the requests
    std::size_t wishes = 1;
    std::size_t calls = 3;
    bool crashes = false;  // at moments all over the run
    std::size_t nodes = 2;
};

void order_all(World& world, NearFaultRule rule) {
    for (std::size_t i = 0; i < world.options().nodes; ++i) world.node(i).order(rule);
}

NearFaultRule broadcast_fault(std::uint64_t skip, std::uint64_t count = 1) {
    NearFaultRule rule;
    rule.fault = NearFault::Swallow;
    rule.method = "broadcast_tx_async";
    rule.skip = skip;
    rule.count = count;
    return rule;
}

// For longer than poll_timeout, and shorter than the intents live.
void hide_for_long(World& world) {
    NearFaultRule rule;
    rule.fault = NearFault::RpcError;
    rule.method = "EXPERIMENTAL_tx_status";
    rule.count = 60;
    order_all(world, rule);
}

localchain::NearReceiptFault receipt_fault(const std::string& method, std::uint64_t skip) {
    localchain::NearReceiptFault fault;
    fault.method = method;
    fault.skip = skip;
    return fault;
}

std::string approver(const std::string& id, std::uint8_t seed) {
    crypto::SecretBytes<32> bytes;
    bytes.expose_mutable()[0] = seed;
    const crypto::Ed25519KeyPair key(std::move(bytes));
    return "{\"id\":\"" + id + "\",\"key\":\"" + near::PublicKey(key.public_key()).to_string() +
           "\"}";
}

std::vector<Story> stories() {
    return {
        {"all goes well", [](World&) {}, 4, 3, false},
        {"the policy denies",
         [](World& world) {
             world.put_policy(world.wallet(0), R"({"rules":{"transaction_types":["call"]}})");
         },
         1, 2, false},
        {"the policy wants approvals",
         [](World& world) {
             world.put_policy(
                 world.wallet(0),
                 R"({"rules":[{"name":"all","effect":"allow","approvals":2}],"approval":{)"
                 R"("approvers":[)" +
                     approver("ann", 1) + "," + approver("ben", 2) + "]}}");
         },
         1, 2, false},
        {"the first submit is swallowed",
         [](World& world) { order_all(world, broadcast_fault(0)); }, 1, 3, false},
        {"the resume is swallowed", [](World& world) { order_all(world, broadcast_fault(3)); }, 1,
         3, false},
        {"nodes know no transaction for a while",
         [](World& world) {
             NearFaultRule rule;
             rule.fault = NearFault::Unknown;
             rule.method = "EXPERIMENTAL_tx_status";
             rule.count = 12;
             order_all(world, rule);
         },
         1, 3, false},
        {"no transaction is known for as long as a batch takes",
         [](World& world) {
             NearFaultRule rule;
             rule.fault = NearFault::Unknown;
             rule.method = "EXPERIMENTAL_tx_status";
             rule.skip = 9;
             rule.count = 10;
             order_all(world, rule);
         },
         1, 3, false},
        {"a submit fails",
         [](World& world) { world.chain().order(receipt_fault("submit_intent", 1)); }, 1, 3, false},
        {"a target fails",
         [](World& world) { world.chain().order(receipt_fault("execute_intents", 1)); }, 1, 3,
         false},
        {"the last target fails",
         [](World& world) { world.chain().order(receipt_fault("execute_intents", 2)); }, 1, 3,
         false},
        {"one of three nodes tells of failures where there were none",
         [](World& world) {
             NearFaultRule rule;
             rule.fault = NearFault::ContradictReceipts;
             rule.count = NearFaultRule::kForever;
             world.node(0).order(rule);
         },
         1, 3, false, 3},
        {"nobody tells of transactions until the record has failed", hide_for_long, 1, 3, false},
        {"crashes everywhere", [](World&) {}, 1, 3, true},
    };
}

// What the caller may find out by himself: one key, one body, one run.
void check_replays(World& world) {
    const World::Wish wish = world.wishes().front();
    const WorldAnswer again = world.post(wish.path, wish.wallet, wish.body);
    if (again.string("request_id") != wish.request_id) {
        world.violate("a repeated request got another record");
    }
    std::string other = wish.body;
    const std::size_t at = other.find("r1-0.near");
    if (at == std::string::npos) return;
    other.replace(at, 9, "r9-9.near");
    const WorldAnswer refused = world.post(wish.path, wish.wallet, other);
    if (refused.status != 409 || refused.string("error") != "idempotency_conflict") {
        world.violate("another body under a used key was taken");
    }
}

// True: something that must never happen was seen.
bool tell(const Story& story, int bug, std::uint64_t death, std::string& found) {
    const auto database = TestDatabase::create(TestBackend::SqliteSimulated, 21);
    WorldOptions options;
    options.seed = 21;
    options.bug = bug;
    options.relayer_keys = 1;
    options.nodes = story.nodes;
    World world(*database, options);
    story.prepare(world);
    for (std::size_t i = 0; i < story.wishes; ++i) world.wish(i % 2, story.calls);
    world.die_at(death);
    world.ask_all();
    bool lived = world.live(500);
    if (!lived) {
        world.crash_and_boot(TestDatabase::Crash::Power);
        for (World::Wish& wish : world.wishes()) wish.answered = false;
        world.ask_all();
        lived = world.live(500);
    }
    if (world.violations().empty()) {
        world.check_books();
        check_replays(world);
        EXPECT_TRUE(world.live(500));
        world.check_books();
    }
    if (world.violations().empty()) return false;
    found = std::string(story.name) + ": " + world.violations().front();
    return true;
}

// The first story that shows the bug, or nothing.
std::string find(int bug) {
    std::string found;
    const std::vector<Story> all = stories();
    for (const Story& story : all) {
        if (!story.crashes) {
            if (tell(story, bug, 0, found)) return found;
            continue;
        }
        for (std::uint64_t death = 2; death <= 44; death += kDeathStep) {
            if (tell(story, bug, death, found)) return found;
        }
    }
    return {};
}

TEST(BugsTest, WithoutABugEveryStoryEndsWell) {
    EXPECT_EQ(find(coordinator::kNoBug), "");
}

class PlantedBugTest : public ::testing::TestWithParam<int> {};

TEST_P(PlantedBugTest, IsFound) {
    const std::string found = find(GetParam());
    EXPECT_NE(found, "") << bug_name(GetParam()) << " was not found";
    if (!found.empty()) std::printf("%s: %s\n", bug_name(GetParam()).data(), found.c_str());
}

INSTANTIATE_TEST_SUITE_P(
    Bugs, PlantedBugTest, ::testing::Range(1, static_cast<int>(coordinator::kBugs)),
    [](const ::testing::TestParamInfo<int>& bug) { return std::string(bug_name(bug.param)); });

}  // namespace
}  // namespace adyton::sim
