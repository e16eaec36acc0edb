#include "crypto/aes_gcm.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <algorithm>
#include <memory>

#include "base/check.h"

namespace adyton::crypto {
namespace {

constexpr std::size_t kMessageBytesMax = std::size_t{1} << 30U;

struct Deleter {
    void operator()(EVP_CIPHER* p) const { EVP_CIPHER_free(p); }
    void operator()(EVP_CIPHER_CTX* p) const { EVP_CIPHER_CTX_free(p); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, Deleter>;

// Fetched once: a fetch by name takes a lock and a search.
const EVP_CIPHER* cipher() {
    static const std::unique_ptr<EVP_CIPHER, Deleter> fetched(
        EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr));
    CHECK(fetched != nullptr);
    return fetched.get();
}

int length(base::ByteView bytes) {
    CHECK(bytes.size() <= kMessageBytesMax);
    return static_cast<int>(bytes.size());
}

// Fills `plaintext`, which has the ciphertext's size; wiped again when the tag is wrong.
Result<void> open_into(
    const AesKey& key, base::ByteView sealed, base::ByteView associated,
    std::span<std::uint8_t> plaintext) {
    const auto nonce = sealed.first(AesGcmNonce::kSize);
    const auto ciphertext = sealed.subspan(AesGcmNonce::kSize, plaintext.size());
    const auto tag_view = sealed.last(kAesGcmTagBytes);
    std::array<std::uint8_t, kAesGcmTagBytes> tag;
    std::copy(tag_view.begin(), tag_view.end(), tag.begin());
    const Context context(EVP_CIPHER_CTX_new());
    CHECK(context != nullptr);
    int written = 0;
    CHECK(
        EVP_DecryptInit_ex2(context.get(), cipher(), key.expose().data(), nonce.data(), nullptr) ==
        1);
    CHECK(
        EVP_DecryptUpdate(
            context.get(), nullptr, &written, associated.data(), length(associated)) == 1);
    std::uint8_t none = 0;  // EVP wants a place to write to even when there is nothing
    std::uint8_t* const out = plaintext.empty() ? &none : plaintext.data();
    CHECK(
        EVP_DecryptUpdate(context.get(), out, &written, ciphertext.data(), length(ciphertext)) ==
        1);
    CHECK(
        EVP_CIPHER_CTX_ctrl(
            context.get(), EVP_CTRL_GCM_SET_TAG, static_cast<int>(tag.size()), tag.data()) == 1);
    if (EVP_DecryptFinal_ex(context.get(), &none, &written) != 1) {
        ERR_clear_error();
        wipe(plaintext);
        return Error::corrupt_data("sealed data does not open with this key");
    }
    return {};
}

Result<std::size_t> plaintext_size(base::ByteView sealed) {
    if (sealed.size() < kAesGcmOverheadBytes)
        return Error::corrupt_data("sealed data is too short");
    if (sealed.size() > kMessageBytesMax) return Error::corrupt_data("sealed data is too long");
    return sealed.size() - kAesGcmOverheadBytes;
}

}  // namespace

AesGcmNonce AesGcmNonce::random(base::RandomSource& random) {
    AesGcmNonce out;
    random.fill(out.bytes);
    return out;
}

base::Bytes aes_gcm_seal(
    const AesKey& key, const AesGcmNonce& nonce, base::ByteView plaintext,
    base::ByteView associated) {
    base::Bytes out(plaintext.size() + kAesGcmOverheadBytes);
    std::copy(nonce.bytes.begin(), nonce.bytes.end(), out.begin());
    std::uint8_t* const ciphertext = out.data() + AesGcmNonce::kSize;
    const Context context(EVP_CIPHER_CTX_new());
    CHECK(context != nullptr);
    int written = 0;
    CHECK(
        EVP_EncryptInit_ex2(
            context.get(), cipher(), key.expose().data(), nonce.bytes.data(), nullptr) == 1);
    CHECK(
        EVP_EncryptUpdate(
            context.get(), nullptr, &written, associated.data(), length(associated)) == 1);
    CHECK(
        EVP_EncryptUpdate(
            context.get(), ciphertext, &written, plaintext.data(), length(plaintext)) == 1);
    CHECK(EVP_EncryptFinal_ex(context.get(), ciphertext + plaintext.size(), &written) == 1);
    CHECK(
        EVP_CIPHER_CTX_ctrl(
            context.get(), EVP_CTRL_GCM_GET_TAG, static_cast<int>(kAesGcmTagBytes),
            ciphertext + plaintext.size()) == 1);
    return out;
}

Result<base::Bytes> aes_gcm_open(
    const AesKey& key, base::ByteView sealed, base::ByteView associated) {
    TRY(const std::size_t size, plaintext_size(sealed));
    base::Bytes out(size);
    TRY_VOID(open_into(key, sealed, associated, out));
    return out;
}

Result<SecretBuffer> aes_gcm_open_secret(
    const AesKey& key, base::ByteView sealed, base::ByteView associated) {
    TRY(const std::size_t size, plaintext_size(sealed));
    TRY(auto out, SecretBuffer::create(size));
    TRY_VOID(open_into(key, sealed, associated, out.expose_mutable()));
    return out;
}

}  // namespace adyton::crypto
