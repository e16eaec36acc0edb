#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace adyton::base {

// Base58 with the Bitcoin alphabet; leading zero bytes become leading '1's. The work is quadratic,
// so inputs are short: addresses, keys, signatures.
std::string base58_encode(ByteView bytes);
// InvalidArgument: a character outside the alphabet, or more than bytes_max bytes.
Result<Bytes> base58_decode(std::string_view text, std::size_t bytes_max);

}  // namespace adyton::base
