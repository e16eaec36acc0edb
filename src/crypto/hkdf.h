#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"

namespace adyton::crypto {

inline constexpr std::size_t kHkdfOutputBytesMax = std::size_t{255} * 32;

// HKDF-SHA256 (RFC 5869), extract and expand. An empty salt equals 32 zero bytes. `out` is filled
// whole; CHECK: 1 to kHkdfOutputBytesMax bytes. Intermediate keys live in the secret arena and are
// wiped. About half a microsecond for 32 bytes. Mind the order: key material, salt, info.
void hkdf_sha256(
    base::ByteView key_material, base::ByteView salt, base::ByteView info,
    std::span<std::uint8_t> out);

}  // namespace adyton::crypto
