#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/internal/hmac_sha256.h"
#include "crypto/internal/secret_box.h"

namespace adyton::crypto {

// The output of one hash function, public, as the function prints it (big-endian words for SHA-2).
// The tag makes digests of different functions different types.
template <std::size_t N, typename Tag>
struct Digest {
    static constexpr std::size_t kSize = N;
    std::array<std::uint8_t, N> bytes{};

    // InvalidArgument: not N bytes.
    static Result<Digest> parse(base::ByteView view) {
        if (view.size() != N) return Error::invalid_argument("digest has the wrong length");
        Digest out;
        for (std::size_t i = 0; i < N; ++i) out.bytes[i] = view[i];
        return out;
    }
    std::string to_hex() const { return base::hex_encode(bytes); }
    base::ByteView view() const { return bytes; }
    auto operator<=>(const Digest&) const = default;
};

using Sha256Digest = Digest<32, struct Sha256Tag>;
using Sha512Digest = Digest<64, struct Sha512Tag>;
using Ripemd160Digest = Digest<20, struct Ripemd160Tag>;

// SHA-256 (FIPS 180-4) over pieces. Wipes itself when destroyed. finish() leaves it ready for a new
// message.
class Sha256 {
public:
    Sha256();
    Sha256(const Sha256&) = default;
    Sha256& operator=(const Sha256&) = default;
    ~Sha256();

    Sha256& update(base::ByteView data);
    Sha256Digest finish();

private:
    internal::Sha256Core core_;
};

Sha256Digest sha256(base::ByteView data);
Sha512Digest sha512(base::ByteView data);
Ripemd160Digest ripemd160(base::ByteView data);

// HMAC-SHA256 (RFC 2104, FIPS 198-1); a key of any length, over 64 bytes hashed first. For outputs
// that are secrets themselves use hkdf.h.
Sha256Digest hmac_sha256(base::ByteView key, base::ByteView data);

// A key prepared once for many messages; its state is in the secret arena. mac() is thread safe.
class HmacSha256Key {
public:
    explicit HmacSha256Key(base::ByteView key);
    Sha256Digest mac(base::ByteView data) const;

private:
    internal::SecretBox<internal::HmacSha256> keyed_;
};

}  // namespace adyton::crypto
