#include "neo/wif.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "crypto/digest.h"

// Base58 is done here once more, because base/base58.h works in ordinary memory.

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
constexpr std::string_view kAlphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

using WifBytes = crypto::SecretBytes<kWifBytes>;

crypto::Sha256Digest double_sha256(base::ByteView data) {
    return crypto::sha256(crypto::sha256(data).view());
}

// bytes = bytes * 58 + digit; false when it no longer fits.
bool append_digit(WifBytes& number, std::uint32_t digit) {
    const auto bytes = number.expose_mutable();
    std::uint32_t carry = digit;
    for (std::size_t i = bytes.size(); i-- > 0;) {
        carry += 58U * bytes[i];
        bytes[i] = static_cast<std::uint8_t>(carry & 0xffU);
        carry >>= 8U;
    }
    return carry == 0;
}

// Divides by 58 in place; returns the remainder.
std::uint32_t take_digit(WifBytes& number) {
    std::uint32_t remainder = 0;
    for (std::uint8_t& byte : number.expose_mutable()) {
        const std::uint32_t value = remainder << 8U | byte;
        byte = static_cast<std::uint8_t>(value / 58U);
        remainder = value % 58U;
    }
    return remainder;
}

}  // namespace

Result<crypto::P256PrivateKey> decode_wif(base::ByteView text) {
    if (text.size() != kWifLength) return Error::invalid_argument("WIF must have 52 characters");
    WifBytes number;
    for (const std::uint8_t c : text) {
        const std::size_t digit = kAlphabet.find(static_cast<char>(c));
        if (digit == std::string_view::npos) return Error::invalid_argument("WIF is not base58");
        if (!append_digit(number, static_cast<std::uint32_t>(digit))) {
            return Error::invalid_argument("WIF is too large");
        }
    }
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

    auto text = crypto::SecretBuffer::create(kWifLength);
    CHECK(text.has_value());
    const auto out = text->expose_mutable();
    for (std::size_t i = out.size(); i-- > 0;) {
        out[i] = static_cast<std::uint8_t>(kAlphabet[take_digit(number)]);
    }
    return std::move(*text);
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
