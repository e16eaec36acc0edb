#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "attest/internal/wiping.h"
#include "base/bytes.h"
#include "base/result.h"
#include "crypto/digest.h"

// Keys and certificates of an activation, over libcrypto.
namespace adyton::attest::internal {

struct KeyDeleter {
    void operator()(void* key) const;  // an EVP_PKEY
};
using KeyHandle = std::unique_ptr<void, KeyDeleter>;

// The P-384 key with which a marble asks to be activated, made anew each time, with a certificate
// that it signed itself and the request for a real one.
struct MarbleRequestKey {
    KeyHandle key;
    base::Bytes certificate;  // DER; TLS client certificate
    base::Bytes csr;          // DER; the same key and names, empty subject

    // `names`: DNS names or IP addresses, as the host chose them. InvalidArgument: one is neither.
    static Result<MarbleRequestKey> create(const std::vector<std::string>& names);
};

// What the Coordinator answered, as the checks of enclave.md 1.14 need it.
struct CoordinatorAnswer {
    std::string_view chain_pem;  // leaf, intermediate
    base::ByteView private_key_pem;
    std::string_view marble_root_pem;
    std::string_view coordinator_root_pem;
    base::ByteView server_certificate;  // DER: who answered in TLS
    std::string_view marble_type;       // as asked for
    std::string_view uuid;
};

// Everything that must hold before anything received is used; gives SHA-256 of the Coordinator's
// root. PermissionDenied by reason: "coordinator_pin" (the root is another than `pin`, when that is
// given), "coordinator_chain" (the intermediate is not the root's, or is another than the marble
// root), "coordinator_server" (the TLS server has another key than the marble root),
// "marble_certificate" (the leaf is not signed by the intermediate, is of another type or UUID or
// of another key). InvalidArgument "malformed": certificates that cannot be read.
Result<crypto::Sha256Digest> check_coordinator(
    const CoordinatorAnswer& answer, const crypto::Sha256Digest* pin);

}  // namespace adyton::attest::internal
