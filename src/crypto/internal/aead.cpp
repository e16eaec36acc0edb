#include "crypto/internal/aead.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/check.h"
#include "crypto/secret.h"

namespace adyton::crypto::internal {
namespace {

constexpr std::size_t kMessageBytesMax = std::size_t{1} << 30U;

struct Deleter {
    void operator()(EVP_CIPHER* p) const { EVP_CIPHER_free(p); }
    void operator()(EVP_CIPHER_CTX* p) const { EVP_CIPHER_CTX_free(p); }
};
using Cipher = std::unique_ptr<EVP_CIPHER, Deleter>;
using Context = std::unique_ptr<EVP_CIPHER_CTX, Deleter>;

// Fetched once: a fetch by name takes a lock and a search.
const EVP_CIPHER* fetched(Aead cipher) {
    static const Cipher aes(EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr));
    static const Cipher chacha(EVP_CIPHER_fetch(nullptr, "ChaCha20-Poly1305", nullptr));
    const EVP_CIPHER* const found = cipher == Aead::Aes256Gcm ? aes.get() : chacha.get();
    CHECK(found != nullptr);
    return found;
}

int length(base::ByteView bytes) {
    CHECK(bytes.size() <= kMessageBytesMax);
    return static_cast<int>(bytes.size());
}

}  // namespace

base::Bytes aead_seal(
    Aead cipher, AeadKey key, AeadNonce nonce, base::ByteView plaintext,
    base::ByteView associated) {
    base::Bytes out(plaintext.size() + kAeadOverheadBytes);
    std::copy(nonce.begin(), nonce.end(), out.begin());
    std::uint8_t* const ciphertext = out.data() + kAeadNonceBytes;
    const Context context(EVP_CIPHER_CTX_new());
    CHECK(context != nullptr);
    int written = 0;
    CHECK(
        EVP_EncryptInit_ex2(context.get(), fetched(cipher), key.data(), nonce.data(), nullptr) ==
        1);
    CHECK(
        EVP_EncryptUpdate(
            context.get(), nullptr, &written, associated.data(), length(associated)) == 1);
    CHECK(
        EVP_EncryptUpdate(
            context.get(), ciphertext, &written, plaintext.data(), length(plaintext)) == 1);
    CHECK(EVP_EncryptFinal_ex(context.get(), ciphertext + plaintext.size(), &written) == 1);
    CHECK(
        EVP_CIPHER_CTX_ctrl(
            context.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(kAeadTagBytes),
            ciphertext + plaintext.size()) == 1);
    return out;
}

Result<std::size_t> aead_plaintext_size(base::ByteView sealed) {
    if (sealed.size() < kAeadOverheadBytes) return Error::corrupt_data("sealed data is too short");
    if (sealed.size() > kMessageBytesMax) return Error::corrupt_data("sealed data is too long");
    return sealed.size() - kAeadOverheadBytes;
}

Result<void> aead_open(
    Aead cipher, AeadKey key, base::ByteView sealed, base::ByteView associated,
    std::span<std::uint8_t> plaintext) {
    CHECK(sealed.size() == plaintext.size() + kAeadOverheadBytes);
    const auto nonce = sealed.first(kAeadNonceBytes);
    const auto ciphertext = sealed.subspan(kAeadNonceBytes, plaintext.size());
    const auto tag_view = sealed.last(kAeadTagBytes);
    std::array<std::uint8_t, kAeadTagBytes> tag{};
    std::copy(tag_view.begin(), tag_view.end(), tag.begin());
    const Context context(EVP_CIPHER_CTX_new());
    CHECK(context != nullptr);
    int written = 0;
    CHECK(
        EVP_DecryptInit_ex2(context.get(), fetched(cipher), key.data(), nonce.data(), nullptr) ==
        1);
    CHECK(
        EVP_CIPHER_CTX_ctrl(
            context.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(tag.size()), tag.data()) == 1);
    CHECK(
        EVP_DecryptUpdate(
            context.get(), nullptr, &written, associated.data(), length(associated)) == 1);
    std::uint8_t none = 0;  // EVP wants a place to write to even when there is nothing
    std::uint8_t* const out = plaintext.empty() ? &none : plaintext.data();
    CHECK(
        EVP_DecryptUpdate(context.get(), out, &written, ciphertext.data(), length(ciphertext)) ==
        1);
    if (EVP_DecryptFinal_ex(context.get(), &none, &written) != 1) {
        ERR_clear_error();
        wipe(plaintext);
        return Error::corrupt_data("sealed data does not open with this key");
    }
    return {};
}

}  // namespace adyton::crypto::internal
