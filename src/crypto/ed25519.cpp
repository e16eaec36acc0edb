#include "crypto/ed25519.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <sodium.h>

#include <algorithm>
#include <memory>

#include "base/check.h"

namespace adyton::crypto {
namespace {

static_assert(crypto_sign_ed25519_PUBLICKEYBYTES == Ed25519PublicKey::kSize);
static_assert(crypto_sign_ed25519_BYTES == Ed25519Signature::kSize);

struct Deleter {
    void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
    void operator()(EVP_PKEY_CTX* p) const { EVP_PKEY_CTX_free(p); }
    void operator()(EVP_MD_CTX* p) const { EVP_MD_CTX_free(p); }
};
template <typename T>
using Owned = std::unique_ptr<T, Deleter>;

Owned<EVP_PKEY> private_key(const SecretBytes<Ed25519KeyPair::kSeedSize>& seed) {
    Owned<EVP_PKEY> key(
        EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.expose().data(), seed.kSize));
    CHECK(key != nullptr);
    return key;
}

// Looking the algorithm up costs as much as taking the key in. It holds no key.
EVP_PKEY_CTX* import_context() {
    thread_local const Owned<EVP_PKEY_CTX> context = [] {
        Owned<EVP_PKEY_CTX> made(EVP_PKEY_CTX_new_from_name(nullptr, "ED25519", nullptr));
        CHECK(made != nullptr && EVP_PKEY_fromdata_init(made.get()) == 1);
        return made;
    }();
    return context.get();
}

// The same without computing the public key anew: given both halves, libcrypto takes them.
Owned<EVP_PKEY> private_key(
    const SecretBytes<Ed25519KeyPair::kSeedSize>& seed, Ed25519PublicKey public_key) {
    // The parameters' type is not const, but nothing writes to them.
    auto* const seed_bytes = const_cast<std::uint8_t*>(seed.expose().data());
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PRIV_KEY, seed_bytes, seed.kSize),
        OSSL_PARAM_construct_octet_string(
            OSSL_PKEY_PARAM_PUB_KEY, public_key.bytes.data(), public_key.bytes.size()),
        OSSL_PARAM_construct_end()};
    EVP_PKEY* key = nullptr;
    CHECK(
        EVP_PKEY_fromdata(
            import_context(), &key, EVP_PKEY_KEYPAIR, const_cast<OSSL_PARAM*>(parameters)) == 1);
    return Owned<EVP_PKEY>(key);
}

}  // namespace

Result<Ed25519PublicKey> Ed25519PublicKey::parse(base::ByteView view) {
    if (view.size() != kSize) return Error::invalid_argument("Ed25519 key must be 32 bytes");
    Ed25519PublicKey out;
    std::copy(view.begin(), view.end(), out.bytes.begin());
    return out;
}

Result<Ed25519Signature> Ed25519Signature::parse(base::ByteView view) {
    if (view.size() != kSize) return Error::invalid_argument("signature must be 64 bytes");
    Ed25519Signature out;
    std::copy(view.begin(), view.end(), out.bytes.begin());
    return out;
}

Ed25519KeyPair::Ed25519KeyPair(SecretBytes<kSeedSize> seed) : seed_(std::move(seed)) {
    const auto key = private_key(seed_);
    std::size_t size = public_key_.bytes.size();
    CHECK(EVP_PKEY_get_raw_public_key(key.get(), public_key_.bytes.data(), &size) == 1);
    CHECK(size == Ed25519PublicKey::kSize);
}

Ed25519KeyPair::Ed25519KeyPair(SecretBytes<kSeedSize> seed, const Ed25519PublicKey& known)
    : seed_(std::move(seed)), public_key_(known) {}

Ed25519Signature Ed25519KeyPair::sign(base::ByteView message) const {
    const auto key = private_key(seed_, public_key_);
    const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
    CHECK(context != nullptr);
    CHECK(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1);
    Ed25519Signature out;
    std::size_t size = out.bytes.size();
    CHECK(
        EVP_DigestSign(context.get(), out.bytes.data(), &size, message.data(), message.size()) ==
        1);
    CHECK(size == Ed25519Signature::kSize);
    return out;
}

// libsodium's: it takes less than half of OpenSSL 3.0's time, and is no less strict (the scalar
// below the order, and neither point of small order).
bool verify(
    const Ed25519PublicKey& key, base::ByteView message, const Ed25519Signature& signature) {
    static const bool ready = sodium_init() >= 0;  // 1 when it was done before
    CHECK(ready);
    return crypto_sign_ed25519_verify_detached(
               signature.bytes.data(), message.data(), message.size(), key.bytes.data()) == 0;
}

}  // namespace adyton::crypto
