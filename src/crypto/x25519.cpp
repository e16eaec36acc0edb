#include "crypto/x25519.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <algorithm>
#include <memory>

#include "base/check.h"

namespace adyton::crypto {
namespace {

struct Deleter {
    void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
    void operator()(EVP_PKEY_CTX* p) const { EVP_PKEY_CTX_free(p); }
};
template <typename T>
using Owned = std::unique_ptr<T, Deleter>;

Owned<EVP_PKEY> private_key(const SecretBytes<X25519KeyPair::kScalarSize>& scalar) {
    Owned<EVP_PKEY> key(EVP_PKEY_new_raw_private_key(
        EVP_PKEY_X25519, nullptr, scalar.expose().data(), scalar.kSize));
    CHECK(key != nullptr);
    return key;
}

}  // namespace

Result<X25519PublicKey> X25519PublicKey::parse(base::ByteView view) {
    if (view.size() != kSize) return Error::invalid_argument("X25519 key must be 32 bytes");
    X25519PublicKey out;
    std::copy(view.begin(), view.end(), out.bytes.begin());
    return out;
}

X25519KeyPair::X25519KeyPair(SecretBytes<kScalarSize> scalar) : scalar_(std::move(scalar)) {
    const auto key = private_key(scalar_);
    std::size_t size = public_key_.bytes.size();
    CHECK(EVP_PKEY_get_raw_public_key(key.get(), public_key_.bytes.data(), &size) == 1);
    CHECK(size == X25519PublicKey::kSize);
}

Result<SecretBytes<32>> X25519KeyPair::shared_secret(const X25519PublicKey& peer) const {
    const auto own = private_key(scalar_);
    const Owned<EVP_PKEY> other(EVP_PKEY_new_raw_public_key(
        EVP_PKEY_X25519, nullptr, peer.bytes.data(), peer.bytes.size()));
    const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(own.get(), nullptr));
    CHECK(other != nullptr && context != nullptr);
    CHECK(EVP_PKEY_derive_init(context.get()) == 1);
    CHECK(EVP_PKEY_derive_set_peer(context.get(), other.get()) == 1);
    SecretBytes<32> out;
    std::size_t size = out.kSize;
    if (EVP_PKEY_derive(context.get(), out.expose_mutable().data(), &size) != 1) {
        ERR_clear_error();
        return Error::invalid_argument("X25519 key is a point of small order");
    }
    CHECK(size == out.kSize);
    return out;
}

}  // namespace adyton::crypto
