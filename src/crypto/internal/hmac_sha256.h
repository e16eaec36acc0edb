#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/bytes.h"

namespace adyton::crypto::internal {

using Sha256State = std::array<std::uint32_t, 8>;

inline constexpr std::size_t kSha256BlockBytes = 64;
inline constexpr Sha256State kSha256Initial = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                               0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

// Runs the compression function over whole 64-byte blocks.
void sha256_compress(Sha256State& state, base::ByteView blocks);
void sha256_store(const Sha256State& state, std::span<std::uint8_t, 32> out);

// A SHA-256 computation as plain data that lives wherever its owner puts it: for key material that
// is the arena (SecretBox). `prefix_bytes` of input, whole blocks, already are in the given state.
struct Sha256Core {
    Sha256State state;
    std::array<std::uint8_t, kSha256BlockBytes> block;
    std::uint64_t total_bytes;

    void begin(const Sha256State& initial, std::uint64_t prefix_bytes);
    void update(base::ByteView data);
    // Pads and leaves the digest words in `state`.
    void finish();
};

// HMAC-SHA256 on the compression function: a key costs two compressions, a short message two more.
// OpenSSL's HMAC() needs six times as long for fetching and allocating. Plain data, as above.
class HmacSha256 {
public:
    void set_key(base::ByteView key);
    // begin, update..., finish; the key stays for further messages.
    void begin();
    void update(base::ByteView data);
    void finish(std::span<std::uint8_t, 32> out);

private:
    Sha256State inner_;
    Sha256State outer_;
    Sha256Core core_;
};

}  // namespace adyton::crypto::internal
