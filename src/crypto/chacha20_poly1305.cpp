#include "crypto/chacha20_poly1305.h"

#include "crypto/internal/aead.h"

namespace adyton::crypto {

using internal::Aead;

static_assert(kChaChaOverheadBytes == internal::kAeadOverheadBytes);

ChaChaNonce ChaChaNonce::random(base::RandomSource& random) {
    ChaChaNonce out;
    random.fill(out.bytes);
    return out;
}

base::Bytes chacha20_poly1305_seal(
    const ChaChaKey& key, const ChaChaNonce& nonce, base::ByteView plaintext,
    base::ByteView associated) {
    return internal::aead_seal(
        Aead::ChaCha20Poly1305, key.expose(), nonce.bytes, plaintext, associated);
}

Result<base::Bytes> chacha20_poly1305_open(
    const ChaChaKey& key, base::ByteView sealed, base::ByteView associated) {
    TRY(const std::size_t size, internal::aead_plaintext_size(sealed));
    base::Bytes out(size);
    TRY_VOID(internal::aead_open(Aead::ChaCha20Poly1305, key.expose(), sealed, associated, out));
    return out;
}

}  // namespace adyton::crypto
