#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/secret.h"

// Base58 of secrets: as base/base58.h, but nothing of the secret is ever in ordinary memory. Not
// constant time: for keys that an owner brings or asks to see, not for what a service does by
// itself.
namespace adyton::crypto {

// Fills `out` with the number that the digits are, big endian, zeros in front. How many bytes the
// text stands for: each leading '1' is a zero byte. InvalidArgument: a character outside the
// alphabet, or a number that does not fit; `out` is secret then too.
Result<std::size_t> base58_decode_secret(base::ByteView digits, std::span<std::uint8_t> out);

// The text of `number`, each leading zero byte a '1', behind `prefix`. Leaves zeros in `number`.
// CHECK: up to SecretBuffer::kSizeMax characters.
SecretBuffer base58_encode_secret(std::span<std::uint8_t> number, std::string_view prefix = {});

}  // namespace adyton::crypto
