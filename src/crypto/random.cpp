#include "crypto/random.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>

#include "base/check.h"

namespace adyton::crypto {

void SystemRandom::fill(std::span<std::uint8_t> out) {
    // Up to 256 bytes come whole and uninterrupted (getrandom(2)).
    constexpr std::size_t kPieceBytes = 256;
    while (!out.empty()) {
        const std::size_t wanted = std::min(out.size(), kPieceBytes);
        const ssize_t got = ::getrandom(out.data(), wanted, 0);
        if (got < 0 && errno == EINTR) continue;
        CHECK(got > 0);
        out = out.subspan(static_cast<std::size_t>(got));
    }
}

}  // namespace adyton::crypto
