#pragma once

#include <string>
#include <string_view>

#include "policy/value_policy.h"

namespace adyton::policy {

// The one call of the pool: what the rules say of a service that wants to transfer or to sign a
// whole transaction (Operation::Transfer, Operation::SignTransaction). A rule without conditions
// says the same as for other operations; not understood facts, opaque calls and privileged kinds
// need a rule that names them (conditions.h). The charges count for subject "service:<id>", each
// rule under its name; give them to reserve() in the unit that records the effect.
Verdict evaluate(
    const Policy& policy, std::string_view service, Operation operation, const ActionFacts& facts,
    base::Timestamp now);

}  // namespace adyton::policy
