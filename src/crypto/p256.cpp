#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/p256.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <unordered_map>

#include "base/check.h"
#include "crypto/internal/p256_scalar.h"
#include "crypto/internal/rfc6979.h"

// All arithmetic of a signature is libcrypto's; ours are the nonce of RFC 6979 and the choice of
// the lower s. libcrypto 3.0 signs with random nonces only, but finishes one that is prepared:
//
// - k*G: EC_POINT_mul, constant-time assembly for this curve ("nistz256");
// - r, its affine X mod n: EC_POINT_get_affine_coordinates;
// - 1/k, which is k^(n-2) mod n: BN_mod_exp_mont_consttime. libcrypto's own signing inverts a nonce
//   by it too where the curve has no routine; this curve has one, out of reach for a given k;
// - s: ECDSA_do_sign_ex with r and 1/k, constant time.
//
// The other ways to 1/k: BN_mod_inverse takes as long (17 us), but branches on its argument, so
// that it needs a blinding factor: sound, because k*b is uniform and independent of k for a fresh
// secret b, but slower by the random bytes, and a deterministic signature would depend on the
// generator. With BN_FLG_CONSTTIME it takes 33 us. BN_mod_exp_mont takes 15 us, but promises
// nothing about its base.
//
// EVP is not used: fetching and key import cost more than signing.

namespace adyton::crypto {
namespace {

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

// What all threads share and nobody changes.
struct Curve {
    Owned<EC_GROUP> group{EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1)};
    Owned<BIGNUM> order_less_two{BN_new()};
    Owned<BIGNUM> half_order{BN_new()};  // rounded down

    Curve() {
        CHECK(group && order_less_two && half_order);
        CHECK(BN_copy(order_less_two.get(), order()) != nullptr);
        CHECK(BN_sub_word(order_less_two.get(), 2) == 1);
        CHECK(BN_rshift1(half_order.get(), order()) == 1);
    }

    const BIGNUM* order() const { return EC_GROUP_get0_order(group.get()); }

    static const Curve& instance() {
        static const Curve curve;
        return curve;
    }
};

const EC_GROUP* group() {
    return Curve::instance().group.get();
}

Owned<BIGNUM> new_secret_number() {
    Owned<BIGNUM> number(BN_secure_new());
    CHECK(number != nullptr);
    BN_set_flags(number.get(), BN_FLG_CONSTTIME);
    return number;
}

// What libcrypto works in, allocated once a thread. Secrets are in it during a call only.
struct Context {
    Owned<EC_POINT> point{EC_POINT_new(group())};
    Owned<BN_CTX> bn{BN_CTX_secure_new()};
    Owned<BIGNUM> scalar = new_secret_number();
    Owned<BIGNUM> inverse = new_secret_number();
    Owned<BIGNUM> r{BN_new()};
    Owned<EC_KEY> signer{EC_KEY_new_by_curve_name(NID_X9_62_prime256v1)};
    Owned<EC_KEY> verifier{EC_KEY_new_by_curve_name(NID_X9_62_prime256v1)};

    Context() { CHECK(point && bn && r && signer && verifier); }

    static Context& of_thread() {
        thread_local Context context;
        return context;
    }
};

// Clears the thread's context when a computation with secrets ends, however it ends.
class Clearing {
public:
    explicit Clearing(Context& context) : context_(context) {}
    Clearing(const Clearing&) = delete;
    Clearing& operator=(const Clearing&) = delete;
    ~Clearing() {
        BN_clear(context_.scalar.get());
        BN_clear(context_.inverse.get());
        BN_clear(context_.r.get());
        EC_KEY_set_private_key(context_.signer.get(), nullptr);  // clears it; answers 0 by design
        // The projective form of a secret multiple tells a little about it.
        EC_POINT_copy(context_.point.get(), EC_GROUP_get0_generator(group()));
        clear_pool();
    }

private:
    // The pool of a BN_CTX keeps its numbers as the last calls left them. It hands them out from
    // the front, and no call with a secret takes more than the first few.
    void clear_pool() {
        constexpr int kNumbers = 16;
        BN_CTX* const bn = context_.bn.get();
        BN_CTX_start(bn);
        for (int i = 0; i < kNumbers; ++i) {
            if (BIGNUM* const number = BN_CTX_get(bn)) BN_clear(number);
        }
        BN_CTX_end(bn);
    }

    Context& context_;
};

// Sets the context's scalar to the larger of k and n - k, and the point to its multiple of G.
// `negated` is 1 when that is n - k, so that the point is -(k*G), else 0. The number has 32 bytes
// always: otherwise its conversion would take less time for a nonce with leading zeros, the leak
// behind "Minerva" and its kind. False: libcrypto has no memory.
bool multiply_generator(
    Context& context, std::span<const std::uint8_t, 32> k, std::uint8_t& negated) {
    auto bytes = SecretBytes<32>::copy_of(k);
    negated = internal::take_larger_of_pair(bytes.expose_mutable());
    return BN_bin2bn(bytes.expose().data(), 32, context.scalar.get()) != nullptr &&
           EC_POINT_mul(
               group(), context.point.get(), context.scalar.get(), nullptr, nullptr,
               context.bn.get()) == 1;
}

// Sets the context's r and inverse for the nonce k or n - k: they have the same r, and s of the
// other sign, which the lower s does not show. False: libcrypto has no memory.
bool prepare_nonce(Context& context, std::span<const std::uint8_t, 32> k) {
    const Curve& curve = Curve::instance();
    BN_CTX* const bn = context.bn.get();
    std::uint8_t negated = 0;
    return multiply_generator(context, k, negated) &&
           EC_POINT_get_affine_coordinates(
               group(), context.point.get(), context.r.get(), nullptr, bn) == 1 &&
           BN_nnmod(context.r.get(), context.r.get(), curve.order(), bn) == 1 &&
           BN_mod_exp_mont_consttime(
               context.inverse.get(), context.scalar.get(), curve.order_less_two.get(),
               curve.order(), bn, EC_GROUP_get_mont_data(group())) == 1;
}

// r || s with s in the lower half. Of public values: it may branch. False: libcrypto has no memory.
bool store_low_s(const ECDSA_SIG* pair, P256Signature& out) {
    const Curve& curve = Curve::instance();
    const BIGNUM* s = ECDSA_SIG_get0_s(pair);
    Owned<BIGNUM> lower;
    if (BN_cmp(s, curve.half_order.get()) > 0) {
        lower.reset(BN_new());
        if (lower == nullptr || BN_sub(lower.get(), curve.order(), s) != 1) return false;
        s = lower.get();
    }
    return BN_bn2binpad(ECDSA_SIG_get0_r(pair), out.bytes.data(), 32) == 32 &&
           BN_bn2binpad(s, out.bytes.data() + 32, 32) == 32;
}

enum class Attempt { Signed, Zero, Failed };

// Zero: r or s came out as zero, and the next nonce is due. Failed: libcrypto has no memory.
Attempt sign_with_nonce(
    Context& context, std::span<const std::uint8_t, 32> k, const Sha256Digest& digest,
    P256Signature& out) {
    if (!prepare_nonce(context, k)) return Attempt::Failed;
    if (BN_is_zero(context.r.get())) return Attempt::Zero;
    const Owned<ECDSA_SIG> pair(ECDSA_do_sign_ex(
        digest.bytes.data(), static_cast<int>(digest.bytes.size()), context.inverse.get(),
        context.r.get(), context.signer.get()));
    if (pair == nullptr) {
        const bool zero = ERR_GET_REASON(ERR_peek_last_error()) == EC_R_NEED_NEW_SETUP_VALUES;
        return zero ? Attempt::Zero : Attempt::Failed;
    }
    return store_low_s(pair.get(), out) ? Attempt::Signed : Attempt::Failed;
}

__attribute__((noinline)) Result<P256Signature> compute_signature(
    const P256PrivateKey& key, const Sha256Digest& digest) {
    Context& context = Context::of_thread();
    const Clearing clearing(context);
    if (BN_bin2bn(key.expose_scalar().data(), 32, context.scalar.get()) == nullptr ||
        EC_KEY_set_private_key(context.signer.get(), context.scalar.get()) != 1) {
        ERR_clear_error();
        return Error::internal("elliptic curve library failed");
    }
    Sha256Digest reduced = digest;
    internal::reduce(reduced.bytes);
    internal::Rfc6979Nonces nonces(key.expose_scalar(), reduced.bytes);
    constexpr int kAttempts = 4;  // each comes out as zero with probability 2^-255
    for (int i = 0; i < kAttempts; ++i) {
        P256Signature out;
        const Attempt attempt = sign_with_nonce(context, nonces.next(), reduced, out);
        if (attempt == Attempt::Signed) return out;
        ERR_clear_error();
        if (attempt == Attempt::Failed) return Error::internal("elliptic curve library failed");
    }
    return Error::internal("no usable nonce");
}

__attribute__((noinline)) std::array<std::uint8_t, P256PublicKey::kSize> compute_public_key(
    std::span<const std::uint8_t, 32> scalar) {
    Context& context = Context::of_thread();
    const Clearing clearing(context);
    std::uint8_t negated = 0;
    std::array<std::uint8_t, P256PublicKey::kSize> out;
    CHECK(multiply_generator(context, scalar, negated));
    CHECK(
        EC_POINT_point2oct(
            group(), context.point.get(), POINT_CONVERSION_COMPRESSED, out.data(), out.size(),
            context.bn.get()) == out.size());
    // -(X, Y) = (X, p - Y), and p is odd: the parity of Y flips. Y = 0 is not on this curve.
    out[0] ^= negated;
    return out;
}

// Puts an encoded point into the context; libcrypto checks that it is on the curve, which has
// cofactor 1.
bool decode_point(Context& context, base::ByteView bytes) {
    const bool decoded =
        EC_POINT_oct2point(
            group(), context.point.get(), bytes.data(), bytes.size(), context.bn.get()) == 1;
    if (!decoded) ERR_clear_error();
    return decoded;
}

// The points of keys that verify again and again: the square root behind a compressed point is a
// fifth of a verification. Public values only.
class KnownPoints {
public:
    // Puts the key's point into the context. False: libcrypto has no memory.
    bool decode(Context& context, const P256PublicKey& key) {
        const auto known = points_.find(key.bytes());
        if (known != points_.end()) return decode_point(context, known->second);
        if (!decode_point(context, key.bytes())) return false;
        Encoded point;
        if (EC_POINT_point2oct(
                group(), context.point.get(), POINT_CONVERSION_UNCOMPRESSED, point.data(),
                point.size(), context.bn.get()) != point.size()) {
            return false;
        }
        if (points_.size() >= kPointsMax) points_.erase(points_.begin());
        points_.emplace(key.bytes(), point);
        return true;
    }

    static KnownPoints& of_thread() {
        thread_local KnownPoints points;
        return points;
    }

private:
    static constexpr std::size_t kPointsMax = 2048;  // some 300 KiB
    using Compressed = std::array<std::uint8_t, P256PublicKey::kSize>;
    using Encoded = std::array<std::uint8_t, P256PublicKey::kUncompressedSize>;
    struct PartOfX {
        std::size_t operator()(const Compressed& key) const {
            std::size_t hash = 0;
            std::memcpy(&hash, key.data() + 1, sizeof(hash));
            return hash;
        }
    };
    std::unordered_map<Compressed, Encoded, PartOfX> points_;
};

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
            group(), context.point.get(), POINT_CONVERSION_UNCOMPRESSED, out.data(), out.size(),
            context.bn.get()) == out.size());
    return out;
}

Result<P256PrivateKey> P256PrivateKey::from_scalar(SecretBytes<kSize> scalar) {
    if (!internal::is_scalar(scalar.expose())) {
        return Error::invalid_argument("private key is outside [1, n-1]");
    }
    return P256PrivateKey(std::move(scalar));
}

Result<P256PrivateKey> P256PrivateKey::reduce_scalar(SecretBytes<kSize> number) {
    internal::reduce(number.expose_mutable());
    if (!internal::is_scalar(number.expose())) {
        return Error::invalid_argument("private key is zero modulo the group order");
    }
    return P256PrivateKey(std::move(number));
}

P256PrivateKey P256PrivateKey::reduce_scalar_shifted(SecretBytes<kSize> number) {
    internal::reduce_shifted(number.expose_mutable());
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
    CHECK(KnownPoints::of_thread().decode(context, key));
    CHECK(EC_KEY_set_public_key(context.verifier.get(), context.point.get()) == 1);
    const int answer = ECDSA_do_verify(
        digest.bytes.data(), static_cast<int>(digest.bytes.size()), pair.get(),
        context.verifier.get());
    if (answer != 1) ERR_clear_error();
    return answer == 1;
}

}  // namespace adyton::crypto
