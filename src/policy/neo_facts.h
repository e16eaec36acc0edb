#pragma once

#include <cstdint>
#include <string>

#include "neo/explain.h"
#include "policy/facts.h"

namespace adyton::policy {

// "neo:860833102".
std::string neo_chain(std::uint32_t network_magic);

// What the transaction does to one of its signers; fees if that pays them. A call with arguments
// other than a transfer out of the account is opaque; a transfer's data makes the receiver act,
// with its own authority. Facts of an account whose witness reaches further than the explanation
// sees are not understood.
ActionFacts facts_of(
    const neo::Explanation& explanation, const neo::ScriptHash& account,
    std::uint32_t network_magic);

}  // namespace adyton::policy
