#pragma once

#include <string>
#include <string_view>

#include "base/random.h"
#include "base/result.h"
#include "base/time.h"

namespace adyton::crypto {

inline constexpr std::size_t kUuidTextLength = 36;

// A random UUID (RFC 4122 version 4), lower case with hyphens, 36 characters.
std::string uuid_v4(base::RandomSource& random);

// A UUID that begins with the time (RFC 9562 version 7): 48 bits of Unix milliseconds, big-endian,
// then 74 random bits. Same form. For rows that are written by the thousand: those of one commit
// stand side by side in the table. It tells when it was made; `now` before 1970 counts as 1970.
std::string uuid_v7(base::RandomSource& random, base::Timestamp now);

// Whether the text is 8-4-4-4-12 hex digits, lower case. Any version and variant.
bool is_canonical_uuid(std::string_view text);

// The canonical text of a UUID with hyphens in either case. An account id is the salt of its key:
// every text from outside passes here first. InvalidArgument: any other shape (no hyphens, braces,
// urn:uuid:, spaces).
Result<std::string> canonical_uuid(std::string_view text);

}  // namespace adyton::crypto
