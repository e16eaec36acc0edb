#include "crypto/hkdf.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"
#include "crypto/internal/hmac_sha256.h"
#include "crypto/internal/secret_box.h"

namespace adyton::crypto {
namespace {

struct HkdfState {
    internal::HmacSha256 hmac;
    std::array<std::uint8_t, 32> block;  // the pseudorandom key, then T(i)
};

}  // namespace

void hkdf_sha256(
    base::ByteView key_material, base::ByteView salt, base::ByteView info,
    std::span<std::uint8_t> out) {
    CHECK(!out.empty() && out.size() <= kHkdfOutputBytesMax);
    internal::SecretBox<HkdfState> state;
    state->hmac.set_key(salt);
    state->hmac.begin();
    state->hmac.update(key_material);
    state->hmac.finish(state->block);

    state->hmac.set_key(state->block);
    for (std::uint8_t counter = 1; !out.empty(); ++counter) {
        state->hmac.begin();
        if (counter > 1) state->hmac.update(state->block);
        state->hmac.update(info);
        state->hmac.update(std::span(&counter, 1));
        state->hmac.finish(state->block);
        const std::size_t taken = std::min(out.size(), state->block.size());
        std::memcpy(out.data(), state->block.data(), taken);
        out = out.subspan(taken);
    }
}

}  // namespace adyton::crypto
