#include "neo/wif.h"

#include <algorithm>

#include "base/check.h"
#include "crypto/digest.h"
#include "crypto/secret_base58.h"

namespace adyton::neo {
namespace {

constexpr std::uint8_t kVersion = 0x80;
constexpr std::uint8_t kCompressedFlag = 0x01;
constexpr std::size_t kScalarAt = 1;
constexpr std::size_t kFlagAt = 33;
constexpr std::size_t kPayloadBytes = 34;
constexpr std::size_t kChecksumBytes = 4;
constexpr std::size_t kWifBytes = kPayloadBytes + kChecksumBytes;
constexpr std::size_t kEncryptedTextMax = 1024;

using WifBytes = crypto::SecretBytes<kWifBytes>;

crypto::Sha256Digest double_sha256(base::ByteView data) {
    return crypto::sha256(crypto::sha256(data).view());
}

}  // namespace

Result<crypto::P256PrivateKey> decode_wif(base::ByteView text) {
    if (text.size() != kWifLength) return Error::invalid_argument("WIF must have 52 characters");
    WifBytes number;
    auto decoded = crypto::base58_decode_secret(text, number.expose_mutable());
    if (!decoded) return std::move(decoded).error().with_context("WIF");
    const auto bytes = number.expose();
    const auto digest = double_sha256(bytes.first<kPayloadBytes>());
    if (!crypto::constant_time_equal(
            bytes.last<kChecksumBytes>(), base::ByteView(digest.bytes).first(kChecksumBytes))) {
        return Error::invalid_argument("WIF has a wrong checksum");
    }
    if (bytes[0] != kVersion) return Error::invalid_argument("WIF has a wrong version byte");
    if (bytes[kFlagAt] != kCompressedFlag) {
        return Error::invalid_argument("WIF has a wrong compression flag");
    }
    return crypto::P256PrivateKey::from_scalar(
        crypto::SecretBytes<32>::copy_of(bytes.subspan<kScalarAt, 32>()));
}

crypto::SecretBuffer encode_wif(const crypto::P256PrivateKey& key) {
    WifBytes number;
    const auto bytes = number.expose_mutable();
    bytes[0] = kVersion;
    const auto scalar = key.expose_scalar();
    std::copy(scalar.begin(), scalar.end(), bytes.begin() + kScalarAt);
    bytes[kFlagAt] = kCompressedFlag;
    const auto digest = double_sha256(bytes.first<kPayloadBytes>());
    std::copy_n(digest.bytes.begin(), kChecksumBytes, bytes.begin() + kPayloadBytes);

    auto text = crypto::base58_encode_secret(bytes);
    CHECK(text.size() == kWifLength);  // the version byte leads, so it always has the same length
    return text;
}

Result<crypto::P256PrivateKey> open_encrypted_wif(
    const crypto::AesKey& key, std::string_view base64) {
    if (base64.size() > kEncryptedTextMax)
        return Error::invalid_argument("encrypted WIF is too long");
    TRY(const auto sealed, base::base64_decode(base64));
    TRY(const auto text, crypto::aes_gcm_open_secret(key, sealed, {}));
    return decode_wif(text.expose());
}

}  // namespace adyton::neo
