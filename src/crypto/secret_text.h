#pragma once

#include "base/result.h"
#include "crypto/secret.h"

// How configured secrets become bytes (decisions.md 14). Lengths are the caller's concern.
namespace adyton::crypto {

// The rule of the original for environment variables, kept so that existing pools keep their
// addresses: with ASCII white space trimmed and an optional 0x or 0X dropped, an even number of hex
// digits means the bytes they spell; anything else is the text itself, not trimmed. A text of white
// space alone counts as absent: NotFound.
Result<SecretBuffer> environment_secret_bytes(SecretBuffer text);

// The rule for files and credentials: "hex:" followed by hex digits (white space around them is
// allowed, so that an editor's final newline does no harm) means the bytes they spell; anything
// else is the content itself, final newline included. InvalidArgument: "hex:" without an even
// number, above zero, of hex digits. NotFound: empty.
Result<SecretBuffer> file_secret_bytes(SecretBuffer content);

// Hex digits in either case, no prefix, no spaces; does not branch on their values.
// InvalidArgument: odd length or another character.
Result<SecretBuffer> decode_secret_hex(base::ByteView text);

}  // namespace adyton::crypto
