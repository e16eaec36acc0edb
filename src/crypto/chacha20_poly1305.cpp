#include "crypto/chacha20_poly1305.h"

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
        EVP_CIPHER_fetch(nullptr, "ChaCha20-Poly1305", nullptr));
    CHECK(fetched != nullptr);
    return fetched.get();
}

int length(base::ByteView bytes) {
    CHECK(bytes.size() <= kMessageBytesMax);
    return static_cast<int>(bytes.size());
}

}  // namespace

ChaChaNonce ChaChaNonce::random(base::RandomSource& random) {
    ChaChaNonce out;
    random.fill(out.bytes);
    return out;
}

base::Bytes chacha20_poly1305_seal(
    const ChaChaKey& key, const ChaChaNonce& nonce, base::ByteView plaintext,
    base::ByteView associated) {
    base::Bytes out(plaintext.size() + kChaChaOverheadBytes);
    std::copy(nonce.bytes.begin(), nonce.bytes.end(), out.begin());
    std::uint8_t* const ciphertext = out.data() + ChaChaNonce::kSize;
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
            context.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(kChaChaTagBytes),
            ciphertext + plaintext.size()) == 1);
    return out;
}

Result<base::Bytes> chacha20_poly1305_open(
    const ChaChaKey& key, base::ByteView sealed, base::ByteView associated) {
    if (sealed.size() < kChaChaOverheadBytes) {
        return Error::corrupt_data("sealed data is too short");
    }
    if (sealed.size() > kMessageBytesMax) return Error::corrupt_data("sealed data is too long");
    base::Bytes out(sealed.size() - kChaChaOverheadBytes);
    const auto nonce = sealed.first(ChaChaNonce::kSize);
    const auto ciphertext = sealed.subspan(ChaChaNonce::kSize, out.size());
    std::array<std::uint8_t, kChaChaTagBytes> tag{};
    std::copy(sealed.end() - kChaChaTagBytes, sealed.end(), tag.begin());
    const Context context(EVP_CIPHER_CTX_new());
    CHECK(context != nullptr);
    int written = 0;
    CHECK(
        EVP_DecryptInit_ex2(context.get(), cipher(), key.expose().data(), nonce.data(), nullptr) ==
        1);
    CHECK(
        EVP_CIPHER_CTX_ctrl(
            context.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(tag.size()), tag.data()) == 1);
    CHECK(
        EVP_DecryptUpdate(
            context.get(), nullptr, &written, associated.data(), length(associated)) == 1);
    std::uint8_t none = 0;  // EVP wants a place to write to even when there is nothing
    std::uint8_t* const plaintext = out.empty() ? &none : out.data();
    CHECK(
        EVP_DecryptUpdate(
            context.get(), plaintext, &written, ciphertext.data(), length(ciphertext)) == 1);
    if (EVP_DecryptFinal_ex(context.get(), &none, &written) != 1) {
        ERR_clear_error();
        wipe(out);
        return Error::corrupt_data("sealed data does not open with this key");
    }
    return out;
}

}  // namespace adyton::crypto
