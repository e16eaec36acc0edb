#include "crypto/random.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace adyton::crypto {
namespace {

TEST(SystemRandomTest, FillsEveryLengthToTheEnd) {
    SystemRandom random;
    for (const std::size_t size : {1U, 16U, 255U, 256U, 257U, 1000U, 100000U}) {
        // A byte stays zero through 8 fills with probability 2^-64.
        std::vector<std::uint8_t> seen(size);
        for (int i = 0; i < 8; ++i) {
            std::vector<std::uint8_t> bytes(size);
            random.fill(bytes);
            for (std::size_t at = 0; at < size; ++at) seen[at] |= bytes[at];
        }
        EXPECT_NE(seen.front(), 0) << size;
        EXPECT_NE(seen.back(), 0) << size;
    }
    random.fill({});
}

TEST(SystemRandomTest, NeverRepeats) {
    SystemRandom random;
    std::set<std::vector<std::uint8_t>> seen;
    for (int i = 0; i < 1000; ++i) {
        std::vector<std::uint8_t> bytes(16);
        random.fill(bytes);
        EXPECT_TRUE(seen.insert(bytes).second);
    }
}

}  // namespace
}  // namespace adyton::crypto
