#pragma once

#include <string>
#include <vector>

#include "base/random.h"
#include "sim/world.h"

// Workflows over several lanes among a world's wishes. World::check_books() looks up each step's
// effect on the chain and holds it against what the record says.
namespace adyton::sim {

// Funding and direct-user steps run.
void switch_lanes_on(WorldOptions& options);

std::vector<LaneStep::Kind> random_kinds(base::SeededRandom& random);
// Callers are not kept waiting: what they ask for is under way when they are answered.
void answer_at_once(WorldOptions& options);

// One of each at least, in an order in which they can all be done.
std::vector<LaneStep::Kind> all_kinds();
// Adds a wish for these, with amounts and receivers of its own. For wallets other than the last.
World::Wish& wish_lanes(
    World& world, std::size_t wallet_index, const std::vector<LaneStep::Kind>& kinds);

// mike.near gives the wallet a scoped key of his; lands in a few blocks.
void install_user_key(World& world, const std::string& wallet, bool with_allowance = true);

// The transactions of a signer in blocks, in their order.
std::vector<const localchain::NearTransactionRecord*> landed(
    World& world, const near::AccountId& signer);
// What the first of its actions calls; "other": none.
std::string method_of(const localchain::NearTransactionRecord& tx);
// None of its receipts failed, refunds aside.
bool is_whole(const localchain::NearTransactionRecord& tx);

}  // namespace adyton::sim
