#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/random.h"

namespace adyton::script::internal {

// The random bytes of one job: the ChaCha20 key stream (RFC 8439, 2.4) of its seed, nonce 0, block
// counter from 0 in 64 bits. As unpredictable as the seed, and the same for a replay. Wiped when
// destroyed. Not thread safe.
class JobRandom final : public base::RandomSource {
public:
    using Seed = std::array<std::uint8_t, 32>;

    explicit JobRandom(const Seed& seed);
    ~JobRandom() override;
    JobRandom(const JobRandom&) = delete;
    JobRandom& operator=(const JobRandom&) = delete;

    // Starts another job's stream.
    void restart(const Seed& seed);
    void fill(std::span<std::uint8_t> out) override;
    // Uniform in [0, 1), 53 bits: Math.random.
    double number();

private:
    void next_block();

    std::array<std::uint32_t, 16> state_{};
    std::array<std::uint8_t, 64> block_{};
    std::size_t used_ = 64;
};

}  // namespace adyton::script::internal
