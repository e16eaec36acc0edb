#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/digest.h"

namespace adyton::attest::internal {

// What a certificate says about its subject, as far as service identity reads it. Nothing here is
// verified: the certificate comes from TLS, which did that.
struct CertificateNames {
    // The content of every extension 1.3.9903.2.1, in order; the octets themselves are the name.
    std::vector<std::string> marble_types;
    std::vector<std::string> uri_names;  // subject alternative names, raw
    std::vector<std::string> dns_names;
    crypto::Sha256Digest spki;  // of the DER SubjectPublicKeyInfo
};

// InvalidArgument: not exactly one DER certificate, or its alternative names are malformed or
// stand twice.
Result<CertificateNames> read_certificate(base::ByteView der);

// Every certificate of a PEM text, as DER; other blocks are passed over. InvalidArgument: none, or
// one that cannot be read.
Result<std::vector<base::Bytes>> read_pem(std::string_view pem);

}  // namespace adyton::attest::internal
