#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "crypto/internal/hmac_sha256.h"
#include "crypto/internal/secret_box.h"

namespace adyton::crypto::internal {

// The deterministic nonces of RFC 6979 3.2 for P-256 with HMAC-SHA256: k, and should a signature
// come out as zero, the next one. All state is in the secret arena.
class Rfc6979Nonces {
public:
    // Both big endian. private_scalar in [1, n-1]; digest already reduced mod n (bits2octets).
    Rfc6979Nonces(
        std::span<const std::uint8_t, 32> private_scalar, std::span<const std::uint8_t, 32> digest);

    // In [1, n-1], big endian. A view of this object, until the next call.
    std::span<const std::uint8_t, 32> next();

private:
    struct State {
        HmacSha256 hmac;
        std::array<std::uint8_t, 32> k;
        std::array<std::uint8_t, 32> v;
        std::array<std::uint8_t, 64> seed;  // int2octets(x) || bits2octets(h1)
    };

    void rekey(std::uint8_t separator, base::ByteView seed);
    void next_v();

    SecretBox<State> state_;
    bool started_ = false;
};

}  // namespace adyton::crypto::internal
