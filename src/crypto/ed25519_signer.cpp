#include "crypto/ed25519_signer.h"

#include <sodium.h>

#include <algorithm>

#include "base/check.h"

namespace adyton::crypto {

static_assert(crypto_sign_ed25519_SECRETKEYBYTES == 64);

Ed25519Signer::Ed25519Signer(const Ed25519KeyPair& key) {
    CHECK(sodium_init() >= 0);  // 1 when it was done before
    const auto seed = key.expose_seed();
    const auto& public_key = key.public_key().bytes;
    const auto out = secret_.expose_mutable();
    std::copy(seed.begin(), seed.end(), out.begin());
    std::copy(public_key.begin(), public_key.end(), out.begin() + seed.size());
}

Ed25519Signature Ed25519Signer::sign(base::ByteView message) const {
    Ed25519Signature out;
    const int failed = crypto_sign_ed25519_detached(
        out.bytes.data(), nullptr, message.data(), message.size(), secret_.expose().data());
    CHECK(failed == 0);
    return out;
}

}  // namespace adyton::crypto
