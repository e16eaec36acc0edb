#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace adyton::attest {

// What Intel publishes about platforms, needed beside a quote: revocation lists, TCB info and the
// identity of the quoting enclave, each with its signer's chain (Intel PCS API v4). It protects
// itself by signatures and dates, so it may come from anywhere. Not checked here.
struct DcapCollateral {
    static constexpr std::size_t kBytesMax = 1024 * 1024;

    std::string pck_crl_issuer_chain;  // PEM
    base::Bytes root_ca_crl;           // DER
    base::Bytes pck_crl;               // DER
    std::string tcb_info_issuer_chain;
    std::string tcb_info;  // the JSON text that is signed, byte for byte
    std::array<std::uint8_t, 64> tcb_info_signature{};  // r || s, big endian
    std::string qe_identity_issuer_chain;
    std::string qe_identity;
    std::array<std::uint8_t, 64> qe_identity_signature{};

    // One JSON document with these names; revocation lists and signatures in lower-case hex.
    // InvalidArgument "malformed": anything else in it, or something missing.
    static Result<DcapCollateral> parse_bundle(std::string_view json);
    // The bodies and issuer chains as the PCS answers them. The two JSON bodies are
    // {"tcbInfo":{...},"signature":"HEX"} and {"enclaveIdentity":{...},"signature":"HEX"}.
    struct PcsAnswers {
        std::string_view tcb_info;
        std::string_view tcb_info_issuer_chain;
        std::string_view qe_identity;
        std::string_view qe_identity_issuer_chain;
        base::ByteView pck_crl;
        std::string_view pck_crl_issuer_chain;
        base::ByteView root_ca_crl;
    };
    static Result<DcapCollateral> from_pcs(const PcsAnswers& answers);
    std::string to_bundle() const;
};

}  // namespace adyton::attest
