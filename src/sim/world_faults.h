#pragma once

#include <functional>
#include <string>

#include "base/random.h"
#include "sim/world.h"

// What goes wrong in random worlds; everything is drawn from `random`.
namespace adyton::sim {

// Nodes that lose, double, delay, swallow and lag, receipts that fail, heights that are skipped.
void order_faults(World& world, base::SeededRandom& random);
// One node, the same one in all of a world's life, tells another story than the rest: fewer than a
// quorum.
void order_lies(World& world, base::SeededRandom& random);
// The nodes are as they should be from now on.
void calm(World& world);

// Now and then: a stranger's intents wait at the gate too. True: they do.
bool foreign_batch(World& world, base::SeededRandom& random);
// The strangers' intents, once they have ids, become a batch of theirs.
void start_foreign_batch(World& world);

// For several lanes: receipts of theirs that fail, a node that lies about balances and nonces.
void order_lane_faults(World& world, base::SeededRandom& random);

// Every caller asks again, as after a lost connection.
void ask_again(World& world);

// Each violation is a failure of the test.
void report(World& world, const std::string& what);

using Prepare = std::function<void(World&)>;  // nodes and wishes
// One run that dies at that moment, starts again, is asked again, and is held against the chain;
// every wish must succeed. True: it died; false: it was over by then.
bool run_and_die(const WorldOptions& options, const Prepare& prepare, std::uint64_t moment);

}  // namespace adyton::sim
