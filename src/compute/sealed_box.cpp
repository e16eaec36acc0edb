#include "compute/sealed_box.h"

#include <sodium.h>

#include "base/check.h"

namespace adyton::compute {
namespace {

static_assert(kSealedBoxOverheadBytes == crypto_box_SEALBYTES);

void initialise() {
    static const int kReady = sodium_init();  // 0, or 1 when it was done before
    CHECK(kReady >= 0);
}

}  // namespace

Result<base::Bytes> seal_box(const crypto::X25519PublicKey& recipient, base::ByteView message) {
    initialise();
    base::Bytes out(message.size() + kSealedBoxOverheadBytes);
    if (crypto_box_seal(out.data(), message.data(), message.size(), recipient.bytes.data()) != 0) {
        return Error::invalid_argument("nothing can be sealed to this public key");
    }
    return out;
}

Result<base::Bytes> open_box(
    const crypto::SecretBytes<32>& secret, const crypto::X25519PublicKey& recipient,
    base::ByteView box) {
    initialise();
    if (box.size() < kSealedBoxOverheadBytes) {
        return Error::invalid_argument("the sealed box is too short");
    }
    base::Bytes out(box.size() - kSealedBoxOverheadBytes);
    if (crypto_box_seal_open(
            out.data(), box.data(), box.size(), recipient.bytes.data(), secret.expose().data()) !=
        0) {
        return Error::invalid_argument("the sealed box does not open with this service's key");
    }
    return out;
}

}  // namespace adyton::compute
