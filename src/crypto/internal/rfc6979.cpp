#include "crypto/internal/rfc6979.h"

#include <algorithm>

#include "crypto/internal/p256_scalar.h"

namespace adyton::crypto::internal {

Rfc6979Nonces::Rfc6979Nonces(
    std::span<const std::uint8_t, 32> private_scalar, std::span<const std::uint8_t, 32> digest) {
    std::copy(private_scalar.begin(), private_scalar.end(), state_->seed.begin());
    std::copy(digest.begin(), digest.end(), state_->seed.begin() + 32);
    state_->v.fill(0x01);
    state_->k.fill(0x00);
    state_->hmac.set_key(state_->k);
    rekey(0x00, state_->seed);
    rekey(0x01, state_->seed);
}

// K = HMAC_K(V || separator || seed), V = HMAC_K(V).
void Rfc6979Nonces::rekey(std::uint8_t separator, base::ByteView seed) {
    state_->hmac.begin();
    state_->hmac.update(state_->v);
    state_->hmac.update(std::span(&separator, 1));
    state_->hmac.update(seed);
    state_->hmac.finish(state_->k);
    state_->hmac.set_key(state_->k);
    next_v();
}

void Rfc6979Nonces::next_v() {
    state_->hmac.begin();
    state_->hmac.update(state_->v);
    state_->hmac.finish(state_->v);
}

std::span<const std::uint8_t, 32> Rfc6979Nonces::next() {
    while (true) {
        if (started_) rekey(0x00, {});
        started_ = true;
        next_v();
        // A rejected candidate is never used, so that branching on it tells nothing.
        if (is_scalar(state_->v)) return state_->v;
    }
}

}  // namespace adyton::crypto::internal
