#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/digest.h"
#include "crypto/secret.h"

// ECDSA and keys on NIST P-256 (secp256r1, prime256v1; FIPS 186-4, SEC 1, RFC 6979). All functions
// are thread safe; each thread keeps its own working context.
namespace adyton::crypto {

// A point of the curve other than infinity, in SEC 1 compressed form: 02 or 03, then X big endian.
class P256PublicKey {
public:
    static constexpr std::size_t kSize = 33;
    static constexpr std::size_t kUncompressedSize = 65;

    // InvalidArgument: not 33 bytes, a prefix other than 02 and 03, X not below the field prime, or
    // no point with that X.
    static Result<P256PublicKey> parse(base::ByteView bytes);
    // 04 || X || Y. InvalidArgument: not 65 bytes, another prefix, or not a point of the curve.
    static Result<P256PublicKey> parse_uncompressed(base::ByteView bytes);

    const std::array<std::uint8_t, kSize>& bytes() const { return bytes_; }
    std::array<std::uint8_t, kUncompressedSize> uncompressed() const;
    std::string to_hex() const { return base::hex_encode(bytes_); }
    bool operator==(const P256PublicKey&) const = default;

private:
    friend class P256PrivateKey;
    explicit P256PublicKey(const std::array<std::uint8_t, kSize>& bytes) : bytes_(bytes) {}

    std::array<std::uint8_t, kSize> bytes_;
};

// A scalar in [1, n-1], big endian, in the secret arena. Move-only.
class P256PrivateKey {
public:
    static constexpr std::size_t kSize = 32;

    // Takes the scalar as it is. InvalidArgument: 0, or not below n.
    static Result<P256PrivateKey> from_scalar(SecretBytes<kSize> scalar);
    // Takes any 256-bit number mod n, in constant time. InvalidArgument: 0 mod n.
    static Result<P256PrivateKey> reduce_scalar(SecretBytes<kSize> number);
    // (number mod (n - 1)) + 1: never fails.
    static P256PrivateKey reduce_scalar_shifted(SecretBytes<kSize> number);

    P256PublicKey public_key() const;
    std::span<const std::uint8_t, kSize> expose_scalar() const { return scalar_.expose(); }

private:
    explicit P256PrivateKey(SecretBytes<kSize> scalar) : scalar_(std::move(scalar)) {}

    SecretBytes<kSize> scalar_;
};

// r || s, each 32 bytes big endian, zero padded.
struct P256Signature {
    static constexpr std::size_t kSize = 64;
    std::array<std::uint8_t, kSize> bytes{};

    // InvalidArgument: not 64 bytes. The range of r and s is verify()'s concern.
    static Result<P256Signature> parse(base::ByteView view);
    base::ByteView view() const { return bytes; }
    bool operator==(const P256Signature&) const = default;
};

// Whether signing verifies its own result before it lets it out: a fault (bad memory, an induced
// glitch) in a deterministic signature can give the key away. Costs about three signatures. A
// caller that holds the public key can verify() against it for less.
enum class SelfCheck { Off, On };

// Signs the 32 bytes as they are, no further hashing, with the nonce of RFC 6979 (HMAC-SHA256; the
// digest is reduced mod n first) and s in the lower half: same key and digest, same bytes. All that
// touches the key or the nonce takes constant time, in libcrypto's constant-time functions.
// Internal: the self-check failed, or libcrypto has no memory; nothing of the signature leaves.
Result<P256Signature> sign_rfc6979_low_s(
    const P256PrivateKey& key, const Sha256Digest& digest, SelfCheck check = SelfCheck::Off);

// Accepts s in either half; r and s must be in [1, n-1].
bool verify(const P256PublicKey& key, const Sha256Digest& digest, const P256Signature& signature);

}  // namespace adyton::crypto
