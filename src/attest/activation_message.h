#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "attest/internal/wiping.h"
#include "base/bytes.h"
#include "base/result.h"
#include "crypto/secret.h"

// The messages of an activation: what a booting service shows, and the secrets that it gets. In the
// protobuf encoding of MarbleRun's coordinator.proto (package rpc, service Marble), written from
// its published field numbers; the keystore's attested release answers in the same form.
namespace adyton::attest {

struct ActivationRequest {
    static constexpr std::size_t kBytesMax = 64 * 1024;

    base::Bytes quote;        // 1: empty outside of enclaves
    base::Bytes csr;          // 2: PKCS #10, DER
    std::string marble_type;  // 3
    std::string uuid;         // 4: 36 characters

    base::Bytes encode() const;
    // InvalidArgument "malformed": not that message, a field twice, over kBytesMax.
    static Result<ActivationRequest> parse(base::ByteView bytes);
};

// Parameters of an ActivationResp: all values are treated as secrets.
struct ActivationParameters {
    static constexpr std::size_t kBytesMax = 256 * 1024;
    static constexpr std::size_t kEntriesMax = 256;
    static constexpr std::size_t kNameBytesMax = 256;

    std::map<std::string, crypto::SecretBuffer> files;  // 1: path
    std::map<std::string, crypto::SecretBuffer> env;    // 2: variable
    std::vector<std::string> argv;                      // 3: no secrets
    // Not of the message: what the variable MARBLE_SECRETS held (unpack_marble_secrets).
    std::map<std::string, crypto::SecretBuffer> secrets;

    // The whole ActivationResp.
    internal::WipingBytes encode() const;
    // InvalidArgument "malformed": not that message, a name twice or not printable, a zero byte in
    // a variable or an argument, too many entries. TooLarge: the message, or a value over
    // SecretBuffer::kSizeMax (4096 bytes). Unknown fields are passed over. No message repeats a
    // value.
    static Result<ActivationParameters> parse(base::ByteView bytes);
};

}  // namespace adyton::attest
