#pragma once

#include <cstdint>
#include <string>

namespace adyton::sim {

// One step of a workflow over several lanes (lane_books.h).
struct LaneStep {
    enum class Kind {
        Wrap,      // NEAR to wNEAR
        Register,  // the wallet with wNEAR
        Deposit,   // wNEAR into the intents contract
        Withdraw,  // and back
        Unwrap,    // wNEAR to NEAR
        Balance,   // a look at what nobody changes: the last wallet's wNEAR in the intents contract
        UserCall,  // `increase` by the wallet's key of mike.near
        Transfer,  // through the gate
    };
    Kind kind = Kind::Balance;
    // No two steps of a world have the same; of a user call its argument.
    std::uint64_t amount = 0;
    std::string receiver;  // Transfer: nobody else's; Balance: whose
};

}  // namespace adyton::sim
