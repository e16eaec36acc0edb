#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/p256.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>

#include <algorithm>
#include <memory>

#include "base/check.h"
#include "crypto/internal/p256_arith.h"
#include "crypto/internal/rfc6979.h"

// libcrypto multiplies points (assembly, constant time) and verifies; the nonce, its inverse and
// the rest of a signature are ours. EVP is not used: fetching and key import cost more than
// signing.

namespace adyton::crypto {
namespace {

using internal::kFieldPrime;
using internal::kHalfOrder;
using internal::kOrder;
using internal::Limbs;

struct Deleter {
    void operator()(BIGNUM* p) const { BN_clear_free(p); }
    void operator()(BN_CTX* p) const { BN_CTX_free(p); }
    void operator()(EC_GROUP* p) const { EC_GROUP_free(p); }
    void operator()(EC_POINT* p) const { EC_POINT_clear_free(p); }
    void operator()(EC_KEY* p) const { EC_KEY_free(p); }
    void operator()(ECDSA_SIG* p) const { ECDSA_SIG_free(p); }
};
template <typename T>
using Owned = std::unique_ptr<T, Deleter>;

const EC_GROUP* curve() {
    static const Owned<EC_GROUP> group(EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1));
    CHECK(group != nullptr);
    return group.get();
}

// What libcrypto works in, allocated once a thread: the heap stays out of a signature.
struct Context {
    Owned<EC_POINT> point{EC_POINT_new(curve())};
    Owned<BN_CTX> bn{BN_CTX_new()};
    Owned<BIGNUM> scalar{BN_new()};
    Owned<BIGNUM> x{BN_new()};
    Owned<BIGNUM> z{BN_new()};
    Owned<EC_KEY> verifier{EC_KEY_new_by_curve_name(NID_X9_62_prime256v1)};

    Context() {
        CHECK(point && bn && scalar && x && z && verifier);
        BN_set_flags(scalar.get(), BN_FLG_CONSTTIME);
    }

    static Context& of_thread() {
        thread_local Context context;
        return context;
    }

    // The projective form of a secret multiple tells a little about it: leave none behind.
    void clear() {
        BN_clear(scalar.get());
        BN_clear(x.get());
        BN_clear(z.get());
        EC_POINT_copy(point.get(), EC_GROUP_get0_generator(curve()));
    }
};

// Sets the context's point to m*G where m is the larger of k and n - k, and returns all ones when
// that is n - k, so that the point is -(k*G). m has 32 bytes always: otherwise its conversion
// would take less time for a nonce with leading zeros, the leak behind "Minerva" and its kind.
// False: libcrypto has no memory.
bool multiply_generator(Context& context, const Limbs& k, std::uint64_t& negated) {
    negated = internal::mask_less(k, kHalfOrder);
    const Limbs multiple = internal::select(negated, internal::negate_mod(k, kOrder), k);
    SecretBytes<32> bytes;
    internal::store_big_endian(multiple, bytes.expose_mutable());
    return BN_bin2bn(bytes.expose().data(), 32, context.scalar.get()) != nullptr &&
           EC_POINT_mul(
               curve(), context.point.get(), context.scalar.get(), nullptr, nullptr,
               context.bn.get()) == 1;
}

bool load_number(const BIGNUM* number, Limbs& out) {
    std::array<std::uint8_t, 32> bytes;
    if (BN_bn2binpad(number, bytes.data(), 32) != 32) return false;
    out = internal::load_big_endian(bytes);
    return true;
}

// The X coordinate of the context's point: X / Z^2 mod p.
bool affine_x(Context& context, Limbs& out) {
    Limbs x;
    Limbs z;
    if (EC_POINT_get_Jprojective_coordinates_GFp(
            curve(), context.point.get(), context.x.get(), nullptr, context.z.get(),
            context.bn.get()) != 1 ||
        !load_number(context.x.get(), x) || !load_number(context.z.get(), z)) {
        return false;
    }
    const Limbs inverse = internal::invert_mod(z, kFieldPrime);
    const Limbs square = internal::multiply_mod(inverse, inverse, kFieldPrime);
    out = internal::multiply_mod(x, square, kFieldPrime);
    return true;
}

// (r, s) for one nonce. s is in the lower half, so the sign of k*G does not matter. False:
// libcrypto has no memory. r or s may come out zero.
bool sign_with_nonce(
    Context& context, const Limbs& d, const Limbs& e, const Limbs& k, Limbs& r, Limbs& s) {
    std::uint64_t negated = 0;
    Limbs x;
    if (!multiply_generator(context, k, negated) || !affine_x(context, x)) return false;
    r = internal::reduce_once(x, kOrder);
    const Limbs sum = internal::add_mod(e, internal::multiply_mod(r, d, kOrder), kOrder);
    s = internal::multiply_mod(internal::invert_mod(k, kOrder), sum, kOrder);
    const std::uint64_t high = internal::mask_less(kHalfOrder, s);
    s = internal::select(high, internal::negate_mod(s, kOrder), s);
    return true;
}

__attribute__((noinline)) Result<P256Signature> compute_signature(
    const P256PrivateKey& key, const Sha256Digest& digest) {
    Context& context = Context::of_thread();
    const Limbs d = internal::load_big_endian(key.expose_scalar());
    const Limbs e = internal::reduce_once(internal::load_big_endian(digest.bytes), kOrder);
    internal::Rfc6979Nonces nonces(d, e);
    constexpr int kAttempts = 4;  // each fails with probability 2^-256
    for (int i = 0; i < kAttempts; ++i) {
        Limbs r;
        Limbs s;
        const bool done = sign_with_nonce(context, d, e, nonces.next(), r, s);
        context.clear();
        if (!done) return Error::internal("elliptic curve library failed");
        if ((internal::mask_zero(r) | internal::mask_zero(s)) != 0) continue;
        P256Signature out;
        internal::store_big_endian(r, std::span(out.bytes).first<32>());
        internal::store_big_endian(s, std::span(out.bytes).last<32>());
        return out;
    }
    return Error::internal("no usable nonce");
}

__attribute__((noinline)) std::array<std::uint8_t, P256PublicKey::kSize> compute_public_key(
    std::span<const std::uint8_t, 32> scalar) {
    Context& context = Context::of_thread();
    std::uint64_t negated = 0;
    std::array<std::uint8_t, P256PublicKey::kSize> out;
    CHECK(multiply_generator(context, internal::load_big_endian(scalar), negated));
    CHECK(
        EC_POINT_point2oct(
            curve(), context.point.get(), POINT_CONVERSION_COMPRESSED, out.data(), out.size(),
            context.bn.get()) == out.size());
    context.clear();
    // -(X, Y) = (X, p - Y), and p is odd: the parity of Y flips. Y = 0 is not on this curve.
    out[0] ^= static_cast<std::uint8_t>(negated & 1U);
    return out;
}

// Puts an encoded point into the context; libcrypto checks that it is on the curve, which has
// cofactor 1.
bool decode_point(Context& context, base::ByteView bytes) {
    const bool decoded =
        EC_POINT_oct2point(
            curve(), context.point.get(), bytes.data(), bytes.size(), context.bn.get()) == 1;
    if (!decoded) ERR_clear_error();
    return decoded;
}

}  // namespace

Result<P256PublicKey> P256PublicKey::parse(base::ByteView bytes) {
    if (bytes.size() != kSize || (bytes[0] != 0x02 && bytes[0] != 0x03)) {
        return Error::invalid_argument("public key must be 33 bytes in compressed form");
    }
    if (!decode_point(Context::of_thread(), bytes)) {
        return Error::invalid_argument("public key is not a point of P-256");
    }
    std::array<std::uint8_t, kSize> out;
    std::copy(bytes.begin(), bytes.end(), out.begin());
    return P256PublicKey(out);
}

Result<P256PublicKey> P256PublicKey::parse_uncompressed(base::ByteView bytes) {
    if (bytes.size() != kUncompressedSize || bytes[0] != 0x04) {
        return Error::invalid_argument("public key must be 65 bytes in uncompressed form");
    }
    if (!decode_point(Context::of_thread(), bytes)) {
        return Error::invalid_argument("public key is not a point of P-256");
    }
    std::array<std::uint8_t, kSize> out;
    out[0] = static_cast<std::uint8_t>(0x02U | (bytes[kUncompressedSize - 1] & 1U));
    std::copy_n(bytes.begin() + 1, 32, out.begin() + 1);
    return P256PublicKey(out);
}

std::array<std::uint8_t, P256PublicKey::kUncompressedSize> P256PublicKey::uncompressed() const {
    Context& context = Context::of_thread();
    std::array<std::uint8_t, kUncompressedSize> out;
    CHECK(decode_point(context, bytes_));  // parse and public_key make valid points only
    CHECK(
        EC_POINT_point2oct(
            curve(), context.point.get(), POINT_CONVERSION_UNCOMPRESSED, out.data(), out.size(),
            context.bn.get()) == out.size());
    return out;
}

Result<P256PrivateKey> P256PrivateKey::from_scalar(SecretBytes<kSize> scalar) {
    const Limbs value = internal::load_big_endian(scalar.expose());
    if ((internal::mask_zero(value) | ~internal::mask_less(value, kOrder.m)) != 0) {
        return Error::invalid_argument("private key is outside [1, n-1]");
    }
    return P256PrivateKey(std::move(scalar));
}

Result<P256PrivateKey> P256PrivateKey::reduce_scalar(SecretBytes<kSize> number) {
    const Limbs value = internal::reduce_once(internal::load_big_endian(number.expose()), kOrder);
    if (internal::mask_zero(value) != 0) {
        return Error::invalid_argument("private key is zero modulo the group order");
    }
    internal::store_big_endian(value, number.expose_mutable());
    return P256PrivateKey(std::move(number));
}

P256PrivateKey P256PrivateKey::reduce_scalar_shifted(SecretBytes<kSize> number) {
    const Limbs value = internal::reduce_shifted(internal::load_big_endian(number.expose()));
    internal::store_big_endian(value, number.expose_mutable());
    return P256PrivateKey(std::move(number));
}

P256PublicKey P256PrivateKey::public_key() const {
    P256PublicKey out(compute_public_key(scalar_.expose()));
    wipe_dead_stack();
    return out;
}

Result<P256Signature> P256Signature::parse(base::ByteView view) {
    if (view.size() != kSize) return Error::invalid_argument("signature must be 64 bytes");
    P256Signature out;
    std::copy(view.begin(), view.end(), out.bytes.begin());
    return out;
}

Result<P256Signature> sign_rfc6979_low_s(
    const P256PrivateKey& key, const Sha256Digest& digest, SelfCheck check) {
    auto signature = compute_signature(key, digest);
    wipe_dead_stack();
    if (signature && check == SelfCheck::On && !verify(key.public_key(), digest, *signature)) {
        return Error::internal("a signature failed its self-check");
    }
    return signature;
}

bool verify(const P256PublicKey& key, const Sha256Digest& digest, const P256Signature& signature) {
    Context& context = Context::of_thread();
    const Owned<ECDSA_SIG> pair(ECDSA_SIG_new());
    BIGNUM* const r = BN_bin2bn(signature.bytes.data(), 32, nullptr);
    BIGNUM* const s = BN_bin2bn(signature.bytes.data() + 32, 32, nullptr);
    CHECK(pair != nullptr && r != nullptr && s != nullptr);
    CHECK(ECDSA_SIG_set0(pair.get(), r, s) == 1);  // owns r and s from here on
    CHECK(decode_point(context, key.bytes()));
    CHECK(EC_KEY_set_public_key(context.verifier.get(), context.point.get()) == 1);
    const int answer = ECDSA_do_verify(
        digest.bytes.data(), static_cast<int>(digest.bytes.size()), pair.get(),
        context.verifier.get());
    if (answer != 1) ERR_clear_error();
    return answer == 1;
}

}  // namespace adyton::crypto
