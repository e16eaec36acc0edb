#pragma once

#include "base/bytes.h"
#include "crypto/secret.h"

namespace adyton::crypto {

// HMAC-SHA256 (RFC 2104) whose output is key material itself and thus goes straight into the secret
// arena. Prefer hkdf.h; this is for derivations that others fixed.
SecretBytes<32> hmac_sha256_secret(base::ByteView key, base::ByteView data);

}  // namespace adyton::crypto
