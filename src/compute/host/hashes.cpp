#include "compute/host/hashes.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <bit>
#include <cstring>

#include "crypto/digest.h"

namespace adyton::compute::host {
namespace {

constexpr std::array<std::uint64_t, 24> kRounds = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
    0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
    0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008};
constexpr std::array<int, 24> kRotations = {1,  3,  6,  10, 15, 21, 28, 36, 45, 55, 2,  14,
                                            27, 41, 56, 8,  25, 43, 62, 18, 39, 61, 20, 44};
constexpr std::array<std::size_t, 24> kLanes = {10, 7,  11, 17, 18, 3, 5,  16, 8,  21, 24, 4,
                                                15, 23, 19, 13, 12, 2, 20, 14, 22, 9,  6,  1};
constexpr std::size_t kRate = 136;

using State = std::array<std::uint64_t, 25>;

// FIPS 202, 3.2 and 3.3: theta, rho and pi, chi, iota.
void keccak_f(State& a) {
    for (const std::uint64_t round : kRounds) {
        std::array<std::uint64_t, 5> c{};
        for (std::size_t x = 0; x < 5; ++x) {
            c[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
        }
        for (std::size_t x = 0; x < 5; ++x) {
            const std::uint64_t d = c[(x + 4) % 5] ^ std::rotl(c[(x + 1) % 5], 1);
            for (std::size_t y = 0; y < 25; y += 5) a[x + y] ^= d;
        }
        std::uint64_t carried = a[1];
        for (std::size_t i = 0; i < 24; ++i) {
            const std::uint64_t next = a[kLanes[i]];
            a[kLanes[i]] = std::rotl(carried, kRotations[i]);
            carried = next;
        }
        for (std::size_t y = 0; y < 25; y += 5) {
            const std::array<std::uint64_t, 5> row = {a[y], a[y + 1], a[y + 2], a[y + 3], a[y + 4]};
            for (std::size_t x = 0; x < 5; ++x) {
                a[y + x] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5]);
            }
        }
        a[0] ^= round;
    }
}

void absorb(State& state, const std::uint8_t* block) {
    for (std::size_t i = 0; i < kRate; ++i) {
        state[i / 8] ^= std::uint64_t{block[i]} << (8 * (i % 8));
    }
    keccak_f(state);
}

base::Bytes bytes_of(base::ByteView view) {
    return {view.begin(), view.end()};
}

}  // namespace

std::array<std::uint8_t, 32> keccak256(base::ByteView data) {
    State state{};
    while (data.size() >= kRate) {
        absorb(state, data.data());
        data = data.subspan(kRate);
    }
    std::array<std::uint8_t, kRate> last{};
    if (!data.empty()) std::memcpy(last.data(), data.data(), data.size());
    last[data.size()] = 0x01;
    last[kRate - 1] |= 0x80;
    absorb(state, last.data());
    std::array<std::uint8_t, 32> out{};
    for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = static_cast<std::uint8_t>(state[i / 8] >> (8 * (i % 8)));
    }
    return out;
}

std::optional<base::Bytes> digest(std::string_view algorithm, base::ByteView data) {
    if (algorithm == "sha256") return bytes_of(crypto::sha256(data).view());
    if (algorithm == "sha512") return bytes_of(crypto::sha512(data).view());
    if (algorithm == "ripemd160") return bytes_of(crypto::ripemd160(data).view());
    if (algorithm == "keccak256") return bytes_of(keccak256(data));
    return std::nullopt;
}

std::optional<base::Bytes> hmac(
    std::string_view algorithm, base::ByteView key, base::ByteView data) {
    const EVP_MD* function = nullptr;
    if (algorithm == "sha256") function = ::EVP_sha256();
    if (algorithm == "sha512") function = ::EVP_sha512();
    if (function == nullptr) return std::nullopt;
    base::Bytes out(EVP_MAX_MD_SIZE);
    unsigned size = 0;
    // An empty key must not be a null pointer.
    static constexpr std::uint8_t kNothing = 0;
    const std::uint8_t* const from = key.empty() ? &kNothing : key.data();
    if (::HMAC(
            function, from, static_cast<int>(key.size()), data.data(), data.size(), out.data(),
            &size) == nullptr) {
        return std::nullopt;
    }
    out.resize(size);
    return out;
}

}  // namespace adyton::compute::host
