#include "crypto/ed25519.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <algorithm>
#include <memory>

#include "base/check.h"

namespace adyton::crypto {
namespace {

struct Deleter {
    void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
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

Ed25519Signature Ed25519KeyPair::sign(base::ByteView message) const {
    const auto key = private_key(seed_);
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

bool verify(
    const Ed25519PublicKey& key, base::ByteView message, const Ed25519Signature& signature) {
    const Owned<EVP_PKEY> handle(
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.bytes.data(), key.bytes.size()));
    const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
    CHECK(handle != nullptr && context != nullptr);
    CHECK(EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, handle.get()) == 1);
    const int answer = EVP_DigestVerify(
        context.get(), signature.bytes.data(), signature.bytes.size(), message.data(),
        message.size());
    if (answer != 1) ERR_clear_error();
    return answer == 1;
}

}  // namespace adyton::crypto
