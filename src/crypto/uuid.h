#pragma once

#include <string>
#include <string_view>

#include "base/random.h"
#include "base/result.h"

namespace adyton::crypto {

inline constexpr std::size_t kUuidTextLength = 36;

// A random UUID (RFC 4122 version 4), lower case with hyphens, 36 characters.
std::string uuid_v4(base::RandomSource& random);

// Whether the text is 8-4-4-4-12 hex digits, lower case. Any version and variant.
bool is_canonical_uuid(std::string_view text);

// The canonical text of a UUID with hyphens in either case. An account id is the salt of its key:
// every text from outside passes here first. InvalidArgument: any other shape (no hyphens, braces,
// urn:uuid:, spaces).
Result<std::string> canonical_uuid(std::string_view text);

}  // namespace adyton::crypto
