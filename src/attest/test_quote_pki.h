#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "attest/collateral.h"
#include "attest/quote.h"
#include "base/bytes.h"
#include "base/time.h"
#include "crypto/digest.h"

// Mints DCAP quotes and their collateral under a root of its own, so that tests reach every status:
// nobody publishes a revoked platform. All defaults together give a good quote.
namespace adyton::attest {

struct MintedLevel {
    std::array<std::uint8_t, 16> sgx{};
    std::array<std::uint8_t, 16> tdx{};
    int pce_svn = 0;
    std::string status = "UpToDate";
    std::vector<std::string> advisories;
};
struct MintedIsvLevel {
    int isv_svn = 0;
    std::string status = "UpToDate";
};
struct MintedModule {
    std::string id;  // "TDX_01"
    std::vector<MintedIsvLevel> levels;
};

struct QuotePlan {
    int version = 3;    // 3 SGX, 4 TDX 1.0, 5 with body_type
    int body_type = 3;  // version 5: 1 SGX, 2 TD 1.0, 3 TD 1.5
    // Changes the report body before it is signed: 384, 584 or 648 bytes.
    std::function<void(base::Bytes&)> change_body;
    // Changes the whole quote after everything is signed.
    std::function<void(base::Bytes&)> change_quote;
    base::Bytes qe_auth_data = base::Bytes(32, 7);
    int qe_isv_svn = 8;
    bool qe_debug = false;
    bool other_qe_signer = false;
    bool key_not_vouched = false;  // the QE's report data names another attestation key

    std::array<std::uint8_t, 16> platform_svn = {5, 5, 2, 2, 3, 1, 0, 3};
    int platform_pce_svn = 11;
    std::string fmspc = "00a067110000";
    std::string pck_common_name = "Intel SGX PCK Certificate";
    bool foreign_root = false;  // the chain of the quote ends in another root
    bool pck_revoked = false;
    bool authority_revoked = false;
    bool signer_revoked = false;
    std::chrono::seconds pck_until = std::chrono::hours(24 * 3650);
    std::chrono::seconds crl_until = std::chrono::hours(24 * 30);
    std::chrono::seconds documents_until = std::chrono::hours(24 * 30);

    std::string tcb_fmspc;  // empty: the platform's
    std::string tcb_id;     // empty: as the quote needs it
    std::string qe_id;
    std::vector<MintedLevel> levels;  // empty: one that the platform meets, UpToDate
    std::vector<MintedIsvLevel> qe_levels = {{8, "UpToDate"}, {5, "OutOfDate"}};
    std::vector<MintedModule> modules;
};

struct MintedQuote {
    base::Bytes quote;
    DcapCollateral collateral;
    crypto::Sha256Digest root;
    base::Timestamp at;  // inside every validity
};

// TD bodies start with zeros but TEE_TCB_SVN; positions are those of quote.h. CHECKs what libcrypto
// must be able to do.
MintedQuote mint_quote(const QuotePlan& plan);

}  // namespace adyton::attest
