#pragma once

#include <cstdint>
#include <vector>

#include "base/amount.h"
#include "near/action.h"

// What actions cost in gas: the parameters of the protocol (nearcore's runtime configuration), less
// those for data receipts, storage and contract code.
namespace adyton::localchain::internal {

// The most attached gas of one transaction.
inline constexpr std::uint64_t kPrepaidGasMax = 300'000'000'000'000;
inline constexpr std::uint64_t kReceiptFee = 108'059'500'000;  // to send one, and to execute one

struct ActionFees {
    std::uint64_t send = 0;      // burnt when the receipt is made
    std::uint64_t execute = 0;   // paid for then, burnt when it runs
    std::uint64_t attached = 0;  // what the calls may use
};
// Of a whole receipt with these actions. Saturates: what is too much is refused elsewhere.
ActionFees fees_of(const std::vector<near::Action>& actions);
// Of a delegate action's inner receipt.
ActionFees fees_of(const std::vector<near::PlainAction>& actions);

// What the actions take from the account that pays for them, a delegate's inner deposits too. Null
// on overflow.
std::optional<base::Amount> deposits_of(const std::vector<near::Action>& actions);

// gas * price. Never overflows.
base::Amount gas_cost(std::uint64_t gas, std::uint64_t price);

}  // namespace adyton::localchain::internal
