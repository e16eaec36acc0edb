#include <algorithm>

#include "base/check.h"
#include "crypto/p256.h"

// Public keys from outside, in both forms, and verification with a signature from outside.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton::crypto;
    const adyton::base::ByteView input(data, size);
    const auto uncompressed = P256PublicKey::parse_uncompressed(input);
    if (uncompressed) CHECK(std::ranges::equal(uncompressed->uncompressed(), input));
    const auto key = P256PublicKey::parse(input.first(std::min<std::size_t>(size, 33)));
    if (!key) return 0;
    CHECK(std::ranges::equal(key->bytes(), input.first(33)));
    const auto again = P256PublicKey::parse_uncompressed(key->uncompressed());
    CHECK(again && *again == *key);
    const auto signature = P256Signature::parse(input.subspan(33));
    if (signature) (void)verify(*key, Sha256Digest{}, *signature);
    return 0;
}
