#include "crypto/internal/rfc6979.h"

namespace adyton::crypto::internal {

Rfc6979Nonces::Rfc6979Nonces(const Limbs& private_scalar, const Limbs& digest) {
    store_big_endian(private_scalar, std::span(state_->seed).first<32>());
    store_big_endian(digest, std::span(state_->seed).last<32>());
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

Limbs Rfc6979Nonces::next() {
    while (true) {
        if (started_) rekey(0x00, {});
        started_ = true;
        next_v();
        const Limbs k = load_big_endian(state_->v);
        // A rejected candidate is never used, so that branching on it tells nothing.
        if ((mask_less(k, kOrder.m) & ~mask_zero(k)) != 0) return k;
    }
}

}  // namespace adyton::crypto::internal
