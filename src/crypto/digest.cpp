#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/digest.h"

#include <openssl/ripemd.h>
#include <openssl/sha.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "crypto/internal/hmac_sha256.h"
#include "crypto/internal/secret_box.h"
#include "crypto/secret.h"

// The SHA256_* and RIPEMD160_* functions are marked deprecated but fetch nothing and allocate
// nothing, which makes a derivation six times as fast; RIPEMD160_* also does not depend on which
// provider the system offers it in.

namespace adyton::crypto {
namespace {

template <typename T>
std::span<std::uint8_t> raw_bytes(T& object) {
    static_assert(std::is_trivially_copyable_v<T>);
    return {reinterpret_cast<std::uint8_t*>(&object), sizeof(T)};
}

}  // namespace

namespace internal {

void sha256_compress(Sha256State& state, base::ByteView blocks) {
    CHECK(blocks.size() % kSha256BlockBytes == 0);
    SHA256_CTX context;  // SHA256_Transform reads and writes only h
    std::copy(state.begin(), state.end(), context.h);
    for (std::size_t at = 0; at < blocks.size(); at += kSha256BlockBytes) {
        SHA256_Transform(&context, blocks.data() + at);
    }
    std::copy(context.h, context.h + state.size(), state.begin());
    wipe(raw_bytes(context.h));
}

void sha256_store(const Sha256State& state, std::span<std::uint8_t, 32> out) {
    for (std::size_t i = 0; i < state.size(); ++i) {
        const std::uint32_t word = state[i];
        out[4 * i] = static_cast<std::uint8_t>(word >> 24U);
        out[4 * i + 1] = static_cast<std::uint8_t>(word >> 16U);
        out[4 * i + 2] = static_cast<std::uint8_t>(word >> 8U);
        out[4 * i + 3] = static_cast<std::uint8_t>(word);
    }
}

void Sha256Core::begin(const Sha256State& initial, std::uint64_t prefix_bytes) {
    state = initial;
    total_bytes = prefix_bytes;
}

void Sha256Core::update(base::ByteView data) {
    if (data.empty()) return;
    const std::size_t held = total_bytes % kSha256BlockBytes;
    total_bytes += data.size();
    if (held > 0) {
        const std::size_t taken = std::min(kSha256BlockBytes - held, data.size());
        std::memcpy(block.data() + held, data.data(), taken);
        data = data.subspan(taken);
        if (held + taken < kSha256BlockBytes) return;
        sha256_compress(state, block);
    }
    const std::size_t whole = data.size() / kSha256BlockBytes * kSha256BlockBytes;
    if (whole > 0) sha256_compress(state, data.first(whole));
    const base::ByteView rest = data.subspan(whole);
    if (!rest.empty()) std::memcpy(block.data(), rest.data(), rest.size());
}

void Sha256Core::finish() {
    constexpr std::size_t kLengthAt = kSha256BlockBytes - 8;
    std::size_t held = total_bytes % kSha256BlockBytes;
    block[held++] = 0x80;
    if (held > kLengthAt) {
        std::memset(block.data() + held, 0, kSha256BlockBytes - held);
        sha256_compress(state, block);
        held = 0;
    }
    std::memset(block.data() + held, 0, kLengthAt - held);
    const std::uint64_t bits = total_bytes * 8;
    for (std::size_t i = 0; i < 8; ++i) {
        block[kLengthAt + i] = static_cast<std::uint8_t>(bits >> (56U - 8U * i));
    }
    sha256_compress(state, block);
}

void HmacSha256::set_key(base::ByteView key) {
    std::array<std::uint8_t, kSha256BlockBytes>& pad = core_.block;
    if (key.size() > kSha256BlockBytes) {
        core_.begin(kSha256Initial, 0);
        core_.update(key);
        core_.finish();
        sha256_store(core_.state, std::span(pad).first<32>());
        std::memset(pad.data() + 32, 0, kSha256BlockBytes - 32);
    } else {
        if (!key.empty()) std::memcpy(pad.data(), key.data(), key.size());
        std::memset(pad.data() + key.size(), 0, kSha256BlockBytes - key.size());
    }
    for (std::uint8_t& byte : pad) byte ^= 0x36U;
    inner_ = kSha256Initial;
    sha256_compress(inner_, pad);
    for (std::uint8_t& byte : pad) byte ^= 0x36U ^ 0x5cU;
    outer_ = kSha256Initial;
    sha256_compress(outer_, pad);
}

void HmacSha256::begin() {
    core_.begin(inner_, kSha256BlockBytes);
}

void HmacSha256::update(base::ByteView data) {
    core_.update(data);
}

void HmacSha256::finish(std::span<std::uint8_t, 32> out) {
    core_.finish();
    sha256_store(core_.state, out);
    core_.begin(outer_, kSha256BlockBytes);
    core_.update(out);
    core_.finish();
    sha256_store(core_.state, out);
}

}  // namespace internal

Sha256::Sha256() : core_{internal::kSha256Initial, {}, 0} {}

Sha256::~Sha256() {
    wipe(raw_bytes(core_));
}

Sha256& Sha256::update(base::ByteView data) {
    core_.update(data);
    return *this;
}

Sha256Digest Sha256::finish() {
    core_.finish();
    Sha256Digest out;
    internal::sha256_store(core_.state, out.bytes);
    core_.begin(internal::kSha256Initial, 0);
    return out;
}

Sha256Digest sha256(base::ByteView data) {
    return Sha256().update(data).finish();
}

Sha512Digest sha512(base::ByteView data) {
    Sha512Digest out;
    SHA512_CTX context;
    CHECK(SHA512_Init(&context) == 1);
    CHECK(SHA512_Update(&context, data.data(), data.size()) == 1);
    CHECK(SHA512_Final(out.bytes.data(), &context) == 1);
    return out;
}

Ripemd160Digest ripemd160(base::ByteView data) {
    Ripemd160Digest out;
    RIPEMD160_CTX context;
    CHECK(RIPEMD160_Init(&context) == 1);
    CHECK(RIPEMD160_Update(&context, data.data(), data.size()) == 1);
    CHECK(RIPEMD160_Final(out.bytes.data(), &context) == 1);
    return out;
}

Sha256Digest hmac_sha256(base::ByteView key, base::ByteView data) {
    return HmacSha256Key(key).mac(data);
}

HmacSha256Key::HmacSha256Key(base::ByteView key) {
    keyed_->set_key(key);
}

Sha256Digest HmacSha256Key::mac(base::ByteView data) const {
    internal::SecretBox<internal::HmacSha256> work;
    *work = *keyed_;
    work->begin();
    work->update(data);
    Sha256Digest out;
    work->finish(out.bytes);
    return out;
}

}  // namespace adyton::crypto
