#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/digest.h"

// The part of X.509 that verifying evidence needs, over libcrypto. Every parser takes canonical DER
// only: what libcrypto would write again byte for byte.
namespace adyton::attest::internal {

// One or more certificates in PEM, in the form that OpenSSL writes (lines of 64 characters ending
// in LF, nothing around the blocks; the last LF may be absent), as DER. InvalidArgument
// "malformed".
Result<std::vector<base::Bytes>> parse_pem_chain(std::string_view pem);
// The same, but with any line ends and anything between the blocks, for files of people.
Result<std::vector<base::Bytes>> parse_pem_file(std::string_view pem);

struct X509Deleter {
    void operator()(void* certificate) const;  // an X509
};

// One certificate. Move-only; reading it from several threads is fine.
class Certificate {
public:
    // InvalidArgument "malformed".
    static Result<Certificate> parse(base::ByteView der);

    const base::Bytes& der() const { return der_; }
    crypto::Sha256Digest sha256() const { return crypto::sha256(der_); }
    std::string common_name() const;  // of the subject; empty when there is not exactly one
    // The content of the extension with that dotted OID; null when there is not exactly one.
    std::optional<base::Bytes> extension(const char* oid) const;
    // ECDSA over SHA-256 (P-256 keys) or SHA-384 (P-384 keys); r and s big endian.
    bool verifies(base::ByteView message, base::ByteView r, base::ByteView s) const;

    void* handle() const { return certificate_.get(); }  // X509*, for x509.cpp

private:
    std::unique_ptr<void, X509Deleter> certificate_;
    base::Bytes der_;
};

struct ChainCheck {
    const Certificate* leaf = nullptr;
    std::vector<const Certificate*> intermediates;
    const Certificate* root = nullptr;  // the caller pinned it
    std::vector<base::ByteView> crls;   // DER; one for each authority of the chain when not empty
    bool strict = true;                 // X509_V_FLAG_X509_STRICT: AMD's chain cannot pass it
};

// Each looks at one thing, so that the caller keeps the order of refusals. Reasons (refusal.h):
// chain_is_trusted "untrusted"; chain_is_not_revoked "revoked", "bad_signature" (a list),
// "untrusted" (a list is missing), "malformed"; chain_is_current "expired_collateral".
Result<void> chain_is_trusted(const ChainCheck& check);
Result<void> chain_is_not_revoked(const ChainCheck& check);
Result<void> chain_is_current(const ChainCheck& check, base::Timestamp at);

// ECDSA on P-256 over SHA-256, by a raw key x || y. Both 64 bytes big endian.
bool verify_p256(
    const std::array<std::uint8_t, 64>& key, base::ByteView message,
    const std::array<std::uint8_t, 64>& signature);

// A DER value: its universal tag and content. Walks sequences of definite length.
struct DerValue {
    int tag = 0;  // universal class: 2 INTEGER, 4 OCTET STRING, 6 OID, 10 ENUMERATED, 16 SEQUENCE
    base::ByteView content;
};
// All values that stand one after the other. InvalidArgument "malformed".
Result<std::vector<DerValue>> der_values(base::ByteView bytes);
// INTEGER content of at most 8 bytes, not negative.
Result<std::uint64_t> der_unsigned(const DerValue& value);

}  // namespace adyton::attest::internal
