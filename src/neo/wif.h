#pragma once

#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/aes_gcm.h"
#include "crypto/p256.h"
#include "crypto/secret.h"

namespace adyton::neo {

// Wallet import format: Base58Check(0x80 || scalar (32) || 0x01), 52 characters.
inline constexpr std::size_t kWifLength = 52;

// The text is a secret: the caller keeps it in a SecretBuffer. InvalidArgument: another length (the
// 51-character form without the final 0x01 too), alphabet, checksum, version or flag byte, or a
// scalar outside [1, n-1].
Result<crypto::P256PrivateKey> decode_wif(base::ByteView text);

// The 52 characters.
crypto::SecretBuffer encode_wif(const crypto::P256PrivateKey& key);

// The form in which the original stores keys it has not derived: base64 of
// nonce (12) || AES-256-GCM(WIF) || tag (16), no associated data. InvalidArgument: not base64, or
// not a WIF inside. CorruptData: does not open with this key.
Result<crypto::P256PrivateKey> open_encrypted_wif(
    const crypto::AesKey& key, std::string_view base64);

}  // namespace adyton::neo
