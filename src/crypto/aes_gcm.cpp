#include "crypto/aes_gcm.h"

#include "crypto/internal/aead.h"

namespace adyton::crypto {

using internal::Aead;

static_assert(kAesGcmOverheadBytes == internal::kAeadOverheadBytes);

AesGcmNonce AesGcmNonce::random(base::RandomSource& random) {
    AesGcmNonce out;
    random.fill(out.bytes);
    return out;
}

base::Bytes aes_gcm_seal(
    const AesKey& key, const AesGcmNonce& nonce, base::ByteView plaintext,
    base::ByteView associated) {
    return internal::aead_seal(Aead::Aes256Gcm, key.expose(), nonce.bytes, plaintext, associated);
}

Result<base::Bytes> aes_gcm_open(
    const AesKey& key, base::ByteView sealed, base::ByteView associated) {
    TRY(const std::size_t size, internal::aead_plaintext_size(sealed));
    base::Bytes out(size);
    TRY_VOID(internal::aead_open(Aead::Aes256Gcm, key.expose(), sealed, associated, out));
    return out;
}

Result<SecretBuffer> aes_gcm_open_secret(
    const AesKey& key, base::ByteView sealed, base::ByteView associated) {
    TRY(const std::size_t size, internal::aead_plaintext_size(sealed));
    TRY(auto out, SecretBuffer::create(size));
    TRY_VOID(internal::aead_open(
        Aead::Aes256Gcm, key.expose(), sealed, associated, out.expose_mutable()));
    return out;
}

}  // namespace adyton::crypto
