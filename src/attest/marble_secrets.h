#pragma once

#include <map>
#include <string>

#include "attest/activation_message.h"
#include "base/bytes.h"
#include "base/result.h"
#include "crypto/secret.h"

namespace adyton::attest {

// The variable in which a manifest may bring all secrets at once (services.md 3.2, enclave.md 1.3):
// a JSON object, name to base64 of the bytes. The bytes count as they are: the rule that decodes
// hex in variables of their own does not apply to them.
inline constexpr const char* kMarbleSecrets = "MARBLE_SECRETS";
inline constexpr std::size_t kMarbleSecretsBytesMax = 128 * 1024;  // Linux' limit of a variable
inline constexpr std::size_t kMarbleSecretsMax = 64;

// Values go straight from the text into locked memory, without a copy elsewhere; the caller wipes
// the text. Names are names of variables, up to 64 characters; values are base64 with its padding,
// in which the escapes \/ and \u00XX are understood. A value of no bytes counts as absent.
// InvalidArgument: anything else, a name twice, more than kMarbleSecretsMax. TooLarge: the text, or
// a value over SecretBuffer::kSizeMax. Messages name the secret at most, never a byte of it.
Result<std::map<std::string, crypto::SecretBuffer>> parse_marble_secrets(base::ByteView text);

// Moves what the variable MARBLE_SECRETS of an activation holds to parameters.secrets. Errors of
// parse_marble_secrets.
Result<void> unpack_marble_secrets(ActivationParameters& parameters);

}  // namespace adyton::attest
