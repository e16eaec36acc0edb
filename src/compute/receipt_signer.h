#pragma once

#include "base/bytes.h"
#include "crypto/ed25519.h"
#include "crypto/secret.h"

namespace adyton::compute {

// Ed25519 (RFC 8032) signatures of one key by libsodium: the same bytes as crypto::Ed25519KeyPair
// gives, in half the time, and straight from the arena, without a key object on the heap. Thread
// safe.
class ReceiptSigner {
public:
    explicit ReceiptSigner(const crypto::Ed25519KeyPair& key);
    crypto::Ed25519Signature sign(base::ByteView message) const;

private:
    crypto::SecretBytes<64> secret_;  // seed, then public key
};

}  // namespace adyton::compute
