#pragma once

#include <cstdint>
#include <span>

#include "base/random.h"

namespace adyton::crypto {

// The kernel's generator (getrandom(2)): safe across forks and virtual machine snapshots. Blocks at
// most until the kernel is seeded, early at boot. Stops the process if the call fails. Thread safe.
class SystemRandom final : public base::RandomSource {
public:
    void fill(std::span<std::uint8_t> out) override;
};

}  // namespace adyton::crypto
