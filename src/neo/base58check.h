#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace adyton::neo {

// Base58Check: base58 of the payload and the first four bytes of its double SHA-256. For public
// data; keys have wif.h.
std::string base58check_encode(base::ByteView payload);
// InvalidArgument: a character outside the alphabet, a payload of another size, a wrong checksum.
Result<base::Bytes> base58check_decode(std::string_view text, std::size_t payload_bytes);

}  // namespace adyton::neo
