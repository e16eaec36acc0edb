#include "compute/host/signatures.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>

#include <array>
#include <memory>

#include "compute/host/hashes.h"

namespace adyton::compute::host {
namespace {

template <auto Free>
struct Freed {
    template <typename T>
    void operator()(T* object) const {
        Free(object);
    }
};
using Number = std::unique_ptr<BIGNUM, Freed<::BN_clear_free>>;
using Context = std::unique_ptr<BN_CTX, Freed<::BN_CTX_free>>;
using Group = std::unique_ptr<EC_GROUP, Freed<::EC_GROUP_free>>;
using Point = std::unique_ptr<EC_POINT, Freed<::EC_POINT_clear_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<::EVP_PKEY_free>>;
using Digester = std::unique_ptr<EVP_MD_CTX, Freed<::EVP_MD_CTX_free>>;
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, Freed<::EVP_CIPHER_CTX_free>>;

constexpr std::size_t kScalarBytes = 32;
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kNonceBytes = 12;

Error library_error() {
    return Error{ErrorCode::Internal, "the operation failed"};
}

const EC_GROUP* group_of(Curve curve) {
    static const Group p256(::EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1));
    static const Group secp256k1(::EC_GROUP_new_by_curve_name(NID_secp256k1));
    return curve == Curve::P256 ? p256.get() : secp256k1.get();
}

Number number_of(base::ByteView bytes) {
    Number out(::BN_secure_new());
    if (out) ::BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), out.get());
    if (out) ::BN_set_flags(out.get(), BN_FLG_CONSTTIME);
    return out;
}

// In [1, n - 1].
bool in_range(const BIGNUM* number, const EC_GROUP* group) {
    return ::BN_is_zero(number) == 0 && ::BN_is_negative(number) == 0 &&
           ::BN_cmp(number, ::EC_GROUP_get0_order(group)) < 0;
}

Result<Number> private_key_of(base::ByteView bytes, const EC_GROUP* group) {
    if (bytes.size() != kScalarBytes) {
        return Error::invalid_argument("a private key has 32 bytes");
    }
    Number key = number_of(bytes);
    if (!key || !in_range(key.get(), group)) {
        return Error::invalid_argument("not a private key of this curve");
    }
    return key;
}

base::Bytes fixed(const BIGNUM* number) {
    base::Bytes out(kScalarBytes);
    ::BN_bn2binpad(number, out.data(), static_cast<int>(out.size()));
    return out;
}

void append(base::Bytes& out, base::ByteView more) {
    out.insert(out.end(), more.begin(), more.end());
}

// RFC 6979, 3.2, for SHA-256 and curves of 256 bits: nonces one after the other.
class Nonces {
public:
    Nonces(base::ByteView key, base::ByteView digest_mod_n) {
        v_.assign(32, 0x01);
        k_.assign(32, 0x00);
        for (const std::uint8_t tag : {std::uint8_t{0x00}, std::uint8_t{0x01}}) {
            base::Bytes data = v_;
            data.push_back(tag);
            append(data, key);
            append(data, digest_mod_n);
            k_ = *hmac("sha256", k_, data);
            v_ = *hmac("sha256", k_, v_);
        }
    }
    base::Bytes next() {
        if (used_) {
            base::Bytes data = v_;
            data.push_back(0x00);
            k_ = *hmac("sha256", k_, data);
            v_ = *hmac("sha256", k_, v_);
        }
        used_ = true;
        v_ = *hmac("sha256", k_, v_);
        return v_;
    }

private:
    base::Bytes k_;
    base::Bytes v_;
    bool used_ = false;
};

struct Signing {
    const EC_GROUP* group;
    const BIGNUM* order;
    BN_CTX* context;
    const BIGNUM* key;
    const BIGNUM* digest;  // mod n
};

// r and s for one nonce; false when it will not do (r or s is 0) or memory ran out.
bool sign_with(const Signing& with, const BIGNUM* nonce, BIGNUM* r, BIGNUM* s) {
    const Point point(::EC_POINT_new(with.group));
    const Number exponent(::BN_new());
    const Number inverse(::BN_secure_new());
    if (!point || !exponent || !inverse) return false;
    BN_CTX* const context = with.context;
    ::BN_set_flags(inverse.get(), BN_FLG_CONSTTIME);
    const bool good =
        ::EC_POINT_mul(with.group, point.get(), nonce, nullptr, nullptr, context) == 1 &&
        ::EC_POINT_get_affine_coordinates(with.group, point.get(), r, nullptr, context) == 1 &&
        ::BN_nnmod(r, r, with.order, context) == 1 &&
        // The inverse by Fermat: no branch on the nonce.
        ::BN_copy(exponent.get(), with.order) != nullptr && ::BN_sub_word(exponent.get(), 2) == 1 &&
        ::BN_mod_exp(inverse.get(), nonce, exponent.get(), with.order, context) == 1 &&
        ::BN_mod_mul(s, r, with.key, with.order, context) == 1 &&
        ::BN_mod_add(s, s, with.digest, with.order, context) == 1 &&
        ::BN_mod_mul(s, s, inverse.get(), with.order, context) == 1;
    if (!good || ::BN_is_zero(r) != 0 || ::BN_is_zero(s) != 0) return false;
    const Number half(::BN_dup(with.order));
    if (!half || ::BN_rshift1(half.get(), half.get()) != 1) return false;
    return ::BN_cmp(s, half.get()) <= 0 || ::BN_sub(s, with.order, s) == 1;
}

Result<Point> point_of(base::ByteView bytes, const EC_GROUP* group, BN_CTX* context) {
    Point point(::EC_POINT_new(group));
    // Infinity is one byte: refused by its size.
    const bool good =
        point && (bytes.size() == 33 || bytes.size() == 65) &&
        ::EC_POINT_oct2point(group, point.get(), bytes.data(), bytes.size(), context) == 1 &&
        ::EC_POINT_is_on_curve(group, point.get(), context) == 1;
    if (!good) return Error::invalid_argument("not a public key of this curve");
    return point;
}

}  // namespace

Result<base::Bytes> ecdsa_sign(Curve curve, base::ByteView private_key, base::ByteView digest) {
    const EC_GROUP* const group = group_of(curve);
    if (digest.size() != kScalarBytes) return Error::invalid_argument("a digest has 32 bytes");
    TRY(const Number key, private_key_of(private_key, group));
    const Context context(::BN_CTX_secure_new());
    const Number reduced = number_of(digest);
    const Number r(::BN_new());
    const Number s(::BN_new());
    const BIGNUM* const order = ::EC_GROUP_get0_order(group);
    if (!context || !reduced || !r || !s ||
        ::BN_nnmod(reduced.get(), reduced.get(), order, context.get()) != 1) {
        return library_error();
    }
    const Signing with{group, order, context.get(), key.get(), reduced.get()};
    Nonces nonces(private_key, fixed(reduced.get()));
    for (int attempt = 0; attempt < 64; ++attempt) {
        const Number nonce = number_of(nonces.next());
        if (!nonce || !in_range(nonce.get(), group)) continue;
        if (!sign_with(with, nonce.get(), r.get(), s.get())) continue;
        base::Bytes out = fixed(r.get());
        append(out, fixed(s.get()));
        return out;
    }
    return library_error();
}

Result<bool> ecdsa_verify(
    Curve curve, base::ByteView public_key, base::ByteView digest, base::ByteView signature) {
    const EC_GROUP* const group = group_of(curve);
    if (digest.size() != kScalarBytes) return Error::invalid_argument("a digest has 32 bytes");
    if (signature.size() != 2 * kScalarBytes) {
        return Error::invalid_argument("a signature has 64 bytes");
    }
    const Context context(::BN_CTX_new());
    TRY(const Point key, point_of(public_key, group, context.get()));
    const BIGNUM* const order = ::EC_GROUP_get0_order(group);
    const Number r = number_of(signature.first(kScalarBytes));
    const Number s = number_of(signature.subspan(kScalarBytes));
    const Number z = number_of(digest);
    if (!r || !s || !z || !in_range(r.get(), group) || !in_range(s.get(), group)) return false;
    const Number inverse(::BN_mod_inverse(nullptr, s.get(), order, context.get()));
    const Number u1(::BN_new());
    const Number u2(::BN_new());
    const Number x(::BN_new());
    const Point sum(::EC_POINT_new(group));
    if (!inverse || !u1 || !u2 || !x || !sum) return library_error();
    BN_CTX* const at = context.get();
    if (::BN_mod_mul(u1.get(), z.get(), inverse.get(), order, at) != 1 ||
        ::BN_mod_mul(u2.get(), r.get(), inverse.get(), order, at) != 1 ||
        ::EC_POINT_mul(group, sum.get(), u1.get(), key.get(), u2.get(), at) != 1 ||
        ::EC_POINT_is_at_infinity(group, sum.get()) == 1 ||
        ::EC_POINT_get_affine_coordinates(group, sum.get(), x.get(), nullptr, at) != 1 ||
        ::BN_nnmod(x.get(), x.get(), order, at) != 1) {
        return false;
    }
    return ::BN_cmp(x.get(), r.get()) == 0;
}

Result<base::Bytes> ecdsa_public_key(Curve curve, base::ByteView private_key) {
    const EC_GROUP* const group = group_of(curve);
    TRY(const Number key, private_key_of(private_key, group));
    const Context context(::BN_CTX_secure_new());
    const Point point(::EC_POINT_new(group));
    base::Bytes out(33);
    if (!context || !point ||
        ::EC_POINT_mul(group, point.get(), key.get(), nullptr, nullptr, context.get()) != 1 ||
        ::EC_POINT_point2oct(
            group, point.get(), POINT_CONVERSION_COMPRESSED, out.data(), out.size(),
            context.get()) != out.size()) {
        return library_error();
    }
    return out;
}

// --- Ed25519 ------------------------------------------------------------------------------------

Result<base::Bytes> ed25519_sign(base::ByteView seed, base::ByteView message) {
    if (seed.size() != 32) return Error::invalid_argument("a seed has 32 bytes");
    const Key key(
        ::EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size()));
    const Digester context(::EVP_MD_CTX_new());
    base::Bytes out(64);
    std::size_t size = out.size();
    if (!key || !context ||
        ::EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) != 1 ||
        ::EVP_DigestSign(context.get(), out.data(), &size, message.data(), message.size()) != 1) {
        return library_error();
    }
    return out;
}

Result<bool> ed25519_verify(
    base::ByteView public_key, base::ByteView message, base::ByteView signature) {
    if (public_key.size() != 32) return Error::invalid_argument("a public key has 32 bytes");
    if (signature.size() != 64) return Error::invalid_argument("a signature has 64 bytes");
    const Key key(::EVP_PKEY_new_raw_public_key(
        EVP_PKEY_ED25519, nullptr, public_key.data(), public_key.size()));
    const Digester context(::EVP_MD_CTX_new());
    if (!key || !context ||
        ::EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) != 1) {
        return library_error();
    }
    return ::EVP_DigestVerify(
               context.get(), signature.data(), signature.size(), message.data(), message.size()) ==
           1;
}

Result<base::Bytes> ed25519_public_key(base::ByteView seed) {
    if (seed.size() != 32) return Error::invalid_argument("a seed has 32 bytes");
    const Key key(
        ::EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size()));
    base::Bytes out(32);
    std::size_t size = out.size();
    if (!key || ::EVP_PKEY_get_raw_public_key(key.get(), out.data(), &size) != 1) {
        return library_error();
    }
    return out;
}

// --- AES-GCM ------------------------------------------------------------------------------------

namespace {

Result<Cipher> start_gcm(
    base::ByteView key, base::ByteView nonce, base::ByteView associated, int encrypt) {
    if (key.size() != 16 && key.size() != 32) {
        return Error::invalid_argument("an AES key has 16 or 32 bytes");
    }
    if (nonce.size() != kNonceBytes) return Error::invalid_argument("a nonce has 12 bytes");
    Cipher context(::EVP_CIPHER_CTX_new());
    const EVP_CIPHER* const cipher = key.size() == 16 ? ::EVP_aes_128_gcm() : ::EVP_aes_256_gcm();
    int size = 0;
    if (!context ||
        ::EVP_CipherInit_ex(context.get(), cipher, nullptr, key.data(), nonce.data(), encrypt) !=
            1 ||
        (!associated.empty() && ::EVP_CipherUpdate(
                                    context.get(), nullptr, &size, associated.data(),
                                    static_cast<int>(associated.size())) != 1)) {
        return library_error();
    }
    return context;
}

}  // namespace

Result<base::Bytes> aes_gcm_encrypt(
    base::ByteView key, base::ByteView nonce, base::ByteView plaintext, base::ByteView associated) {
    TRY(const Cipher context, start_gcm(key, nonce, associated, 1));
    base::Bytes out(plaintext.size() + kTagBytes);
    int size = 0;
    int last = 0;
    std::uint8_t* const tag = out.data() + plaintext.size();
    if ((!plaintext.empty() && ::EVP_CipherUpdate(
                                   context.get(), out.data(), &size, plaintext.data(),
                                   static_cast<int>(plaintext.size())) != 1) ||
        ::EVP_CipherFinal_ex(context.get(), tag, &last) != 1 ||
        ::EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, tag) != 1) {
        return library_error();
    }
    return out;
}

Result<base::Bytes> aes_gcm_decrypt(
    base::ByteView key, base::ByteView nonce, base::ByteView sealed, base::ByteView associated) {
    if (sealed.size() < kTagBytes) return Error::invalid_argument("shorter than its tag");
    TRY(const Cipher context, start_gcm(key, nonce, associated, 0));
    const base::ByteView body = sealed.first(sealed.size() - kTagBytes);
    base::Bytes tag(sealed.end() - kTagBytes, sealed.end());
    base::Bytes out(body.size() + kTagBytes);
    int size = 0;
    int last = 0;
    if ((!body.empty() &&
         ::EVP_CipherUpdate(
             context.get(), out.data(), &size, body.data(), static_cast<int>(body.size())) != 1) ||
        ::EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) != 1 ||
        ::EVP_CipherFinal_ex(context.get(), out.data() + body.size(), &last) != 1) {
        return Error::invalid_argument("wrong key, nonce or associated data, or changed bytes");
    }
    out.resize(body.size());
    return out;
}

}  // namespace adyton::compute::host
