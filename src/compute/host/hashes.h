#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"

namespace adyton::compute::host {

// Keccak-256 with the padding of the original submission, as Ethereum uses it (not SHA3-256).
std::array<std::uint8_t, 32> keccak256(base::ByteView data);

// "sha256", "sha512", "ripemd160" or "keccak256"; nothing for another name.
std::optional<base::Bytes> digest(std::string_view algorithm, base::ByteView data);
// HMAC (RFC 2104) of sha256 or sha512; nothing for another name.
std::optional<base::Bytes> hmac(
    std::string_view algorithm, base::ByteView key, base::ByteView data);

}  // namespace adyton::compute::host
