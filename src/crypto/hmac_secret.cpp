#include "crypto/hmac_secret.h"

#include "crypto/internal/hmac_sha256.h"
#include "crypto/internal/secret_box.h"

namespace adyton::crypto {

SecretBytes<32> hmac_sha256_secret(base::ByteView key, base::ByteView data) {
    internal::SecretBox<internal::HmacSha256> work;
    work->set_key(key);
    work->begin();
    work->update(data);
    SecretBytes<32> out;
    work->finish(out.expose_mutable());
    return out;
}

}  // namespace adyton::crypto
