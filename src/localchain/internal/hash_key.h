#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "neo/script_hash.h"
#include "neo/sign_data.h"

namespace adyton::localchain::internal {

// Hash tables over hashes: their first bytes are as good as any. Somebody who grinds for collisions
// only slows his own simulator down.
struct HashKey {
    std::size_t operator()(const neo::ScriptHash& hash) const { return first(hash.wire().data()); }
    std::size_t operator()(const neo::TransactionHash& hash) const {
        return first(hash.wire().data());
    }

private:
    static std::size_t first(const std::uint8_t* bytes) {
        std::uint64_t word = 0;
        std::memcpy(&word, bytes, sizeof word);
        return static_cast<std::size_t>(word);
    }
};

}  // namespace adyton::localchain::internal
