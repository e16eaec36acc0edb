#include <gtest/gtest.h>

#include <functional>

#include "sim/bug_names.h"
#include "sim/lane_books.h"
#include "sim/world.h"
#include "sim/world_faults.h"

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
    // Of a story of several lanes: the steps of each workflow, instead of calls.
    std::vector<std::vector<LaneStep::Kind>> lanes = {};
    std::function<void(World&)> meddle = {};  // while it runs
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

// All nodes show the chain as it was so long ago that a transaction is given up before it is seen.
void lag_for_long(World& world) {
    constexpr std::uint32_t kBlocks = 130;
    for (std::size_t i = 0; i < world.options().nodes; ++i) world.node(i).set_lag(kBlocks);
    world.pass(world.options().block_time * (kBlocks + 20));
}

// Whoever pauses a workflow stops the batch that it waits for.
void pause_the_batch(World& world) {
    const World::Wish& wish = world.wishes().front();
    const auto has_batch = [&] {
        const auto record = world.get("/wallet/v1/workflows/" + wish.request_id, wish.wallet);
        return record.text.find("\"lane\":\"gate_proxy\",\"status\":\"pending\"") !=
               std::string::npos;
    };
    for (int i = 0; i < 100 && (wish.request_id.empty() || !has_batch()); ++i) {
        if (!world.live_some(1)) return;
    }
    const std::string path = "/wallet/v1/workflows/" + wish.request_id;
    if (world.post(path + "/pause", wish.wallet, "{}").status != 200) return;
    world.live_some(3);  // what was begun is ended
    const std::size_t before = world.deeds();
    world.live_some(40);
    if (world.deeds() != before) world.violate("a paused workflow went on");
    world.post(path + "/resume", wish.wallet, "{}");
}

std::vector<Story> lane_stories() {
    using Kind = LaneStep::Kind;
    const auto with_key = [](World& world) { install_user_key(world, world.wallet(0)); };
    const auto refund = [](World& world) {
        world.chain().order(receipt_fault("ft_on_transfer", 0));
    };
    const auto fail_wrap = [](World& world) {
        world.chain().order(receipt_fault("near_deposit", 0));
    };
    const auto deny = [](World& world) {
        NearFaultRule rule;
        rule.fault = NearFault::Unknown;
        rule.method = "EXPERIMENTAL_tx_status";
        rule.count = 12;
        order_all(world, rule);
    };
    const auto lie = [](World& world) {
        NearFaultRule rule;
        rule.fault = NearFault::ContradictState;
        rule.count = NearFaultRule::kForever;
        world.node(0).order(rule);
    };
    std::vector<Story> out;
    out.push_back({"all lanes go well", with_key, 0, 0, false, 2, {all_kinds()}});
    out.push_back(
        {"two workflows of one wallet at once",
         [](World&) {},
         0,
         0,
         false,
         2,
         {{Kind::Wrap, Kind::Deposit}, {Kind::Wrap, Kind::Unwrap}}});
    out.push_back(
        {"a deposit comes back",
         refund,
         0,
         0,
         false,
         2,
         {{Kind::Wrap, Kind::Deposit, Kind::Unwrap}}});
    out.push_back(
        {"nodes know no transaction for a while",
         deny,
         0,
         0,
         false,
         2,
         {{Kind::Wrap, Kind::Deposit}}});
    out.push_back(
        {"a transaction is seen after it was given up",
         lag_for_long,
         0,
         0,
         false,
         2,
         {{Kind::Wrap}}});
    out.push_back(
        {"one of three nodes lies about balances",
         lie,
         0,
         0,
         false,
         3,
         {{Kind::Balance, Kind::Wrap}}});
    out.push_back(
        {"a workflow is paused while its batch runs",
         [](World&) {},
         0,
         0,
         false,
         2,
         {{Kind::Balance, Kind::Transfer, Kind::Transfer}},
         pause_the_batch});
    out.push_back({"a wrap fails", fail_wrap, 0, 0, false, 2, {{Kind::Wrap}}});
    out.push_back(
        {"lanes crash everywhere",
         [](World&) {},
         0,
         0,
         true,
         2,
         {{Kind::Balance, Kind::Transfer}}});
    return out;
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
    if (!story.lanes.empty()) switch_lanes_on(options);
    if (story.meddle) answer_at_once(options);
    World world(*database, options);
    story.prepare(world);
    for (std::size_t i = 0; i < story.wishes; ++i) world.wish(i % 2, story.calls);
    for (const auto& kinds : story.lanes) wish_lanes(world, 0, kinds);
    world.die_at(death);
    world.ask_all();
    if (story.meddle) story.meddle(world);
    bool lived = world.live(500);
    if (!lived) {
        world.crash_and_boot(TestDatabase::Crash::Power);
        ask_again(world);
        lived = world.live(500);
    }
    calm(world);
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
    std::vector<Story> all;
    if (bug < coordinator::kLaneSkipPolicy) all = stories();
    if (bug == coordinator::kNoBug || bug >= coordinator::kLaneSkipPolicy) {
        const std::vector<Story> more = lane_stories();
        all.insert(all.end(), more.begin(), more.end());
    }
    for (const Story& story : all) {
        if (!story.crashes) {
            if (tell(story, bug, 0, found)) return found;
            continue;
        }
        // A batch is begun early, and between two moments.
        const bool lanes = !story.lanes.empty();
        const std::uint64_t last = lanes ? 24 : 44;
        for (std::uint64_t death = 2; death <= last; death += lanes ? 1 : kDeathStep) {
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
