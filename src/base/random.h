#pragma once

#include <cstdint>
#include <span>

namespace adyton::base {

// Where random bytes come from. Injected, so that tests replay from a printed seed. Thread safe.
class RandomSource {
public:
    virtual ~RandomSource() = default;
    // Fills all of `out`. Implementations stop the process rather than return weak bytes.
    virtual void fill(std::span<std::uint8_t> out) = 0;
};

// Deterministic, NOT for keys: tests and simulation only. The sequence depends on the seed alone.
// Not thread safe.
class SeededRandom final : public RandomSource {
public:
    explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
    void fill(std::span<std::uint8_t> out) override;
    std::uint64_t next();
    // Uniform enough for tests: in [0, bound), bound > 0.
    std::uint64_t below(std::uint64_t bound);

private:
    std::uint64_t state_;
};

}  // namespace adyton::base
