#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

namespace adyton::crypto {

struct P256Bench {
    double library_per_s = 0;  // derive + ECDSA_do_sign (random nonce, s as it comes)
    double ours_per_s = 0;     // derive + sign_rfc6979_low_s
    double ratio = 0;          // ours / library
    std::uint64_t library_count = 0;
    std::uint64_t ours_count = 0;
    bool verified = false;  // samples of both verify under the derived public key
};

// Measures, on the calling thread, deriving an account key (HKDF of a 36-byte id) and signing a
// digest with it: libcrypto's own way against ours, in alternating slices, so that both see the
// same machine. `now` is a monotonic clock; `duration` is for both together.
P256Bench bench_derive_and_sign(
    const std::function<std::chrono::nanoseconds()>& now, std::chrono::milliseconds duration);

}  // namespace adyton::crypto
