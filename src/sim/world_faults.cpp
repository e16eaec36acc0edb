#include "sim/world_faults.h"

#include <string>

namespace adyton::sim {

using localchain::NearFault;
using localchain::NearFaultRule;

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

void order_lane_faults(World& world, base::SeededRandom& random) {
    constexpr const char* kMethods[] = {
        "ft_on_transfer", "near_deposit", "near_withdraw", "increase"};
    if (random.below(4) == 0) {
        localchain::NearReceiptFault fault;
        fault.method = kMethods[random.below(std::size(kMethods))];
        fault.skip = random.below(2);
        world.chain().order(fault);
    }
    const std::size_t nodes = world.options().nodes;
    if (nodes < 2 || random.below(3) != 0) return;
    NearFaultRule rule;
    rule.fault = NearFault::ContradictState;
    rule.skip = random.below(10);
    rule.count = random.below(3) == 0 ? NearFaultRule::kForever : 1 + random.below(60);
    rule.per_mille = static_cast<unsigned>(300 + random.below(701));
    world.node(world.options().seed % nodes).order(rule);
}

void ask_again(World& world) {
    for (World::Wish& wish : world.wishes()) wish.answered = false;
    world.ask_all();
}

void report(World& world, const std::string& what) {
    for (const std::string& violation : world.violations()) {
        ADD_FAILURE() << what << ": " << violation;
    }
}

bool run_and_die(const WorldOptions& options, const Prepare& prepare, std::uint64_t moment) {
    const std::string where = "moment " + std::to_string(moment);
    const auto database =
        storage::TestDatabase::create(storage::TestBackend::SqliteSimulated, options.seed);
    World world(*database, options);
    prepare(world);
    world.die_at(moment);
    world.ask_all();
    const bool lived = world.live();
    if (!lived) {
        world.crash_and_boot(
            moment % 2 == 0 ? storage::TestDatabase::Crash::Power
                            : storage::TestDatabase::Crash::Process);
        ask_again(world);
        EXPECT_TRUE(world.live()) << where;
    }
    world.check_books();
    report(world, where);
    for (const World::Wish& wish : world.wishes()) {
        const auto record = world.get("/wallet/v1/workflows/" + wish.request_id, wish.wallet);
        EXPECT_EQ(record.string("status"), "succeeded") << where << ": " << record.text;
    }
    return !lived;
}

}  // namespace adyton::sim
