#include "attest/quote.h"

#include <algorithm>
#include <string_view>

#include "attest/internal/byte_cursor.h"
#include "attest/internal/x509.h"
#include "attest/refusal.h"
#include "base/check.h"

namespace adyton::attest {
namespace {

using internal::ByteCursor;

constexpr std::uint16_t kKeyTypeP256 = 2;
constexpr std::uint32_t kTeeSgx = 0;
constexpr std::uint32_t kTeeTdx = 0x81;
constexpr std::uint16_t kCertificationQeReport = 6;  // v4 and v5: the block that holds the rest
constexpr std::uint16_t kCertificationPckChain = 5;
constexpr std::size_t kAuthDataBytesMax = 4096;
constexpr std::array<std::uint8_t, 16> kIntelVendorId = {
    0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};

TdReport parse_td_report(base::ByteView bytes) {
    CHECK(bytes.size() == TdReport::kSize10 || bytes.size() == TdReport::kSize15);
    ByteCursor in(bytes);
    TdReport out;
    in.copy(out.tee_tcb_svn);
    in.copy(out.mr_seam);
    in.copy(out.mr_signer_seam);
    in.copy(out.seam_attributes);
    in.copy(out.td_attributes);
    in.copy(out.xfam);
    in.copy(out.mr_td);
    in.copy(out.mr_config_id);
    in.copy(out.mr_owner);
    in.copy(out.mr_owner_config);
    for (auto& rtmr : out.rtmr) in.copy(rtmr);
    in.copy(out.report_data);
    out.version_15 = bytes.size() == TdReport::kSize15;
    if (out.version_15) {
        in.copy(out.tee_tcb_svn2);
        in.copy(out.mr_service_td);
    }
    CHECK(!in.failed());
    return out;
}

struct Header {
    std::uint16_t version = 0;
    TeeType tee = TeeType::Sgx;
};

Result<Header> parse_header(ByteCursor& in) {
    Header out;
    out.version = in.u16();
    const std::uint16_t key_type = in.u16();
    const std::uint32_t tee = in.u32();
    in.skip(4);  // v3: QE and PCE SVN; later: reserved. Signed.
    const base::ByteView vendor = in.take(kIntelVendorId.size());
    in.skip(20);  // user data; signed
    if (in.failed()) return malformed("quote is shorter than its header");
    if (out.version < 3 || out.version > 5) return unsupported("quote version is not 3, 4 or 5");
    if (key_type != kKeyTypeP256) return unsupported("attestation key is not ECDSA on P-256");
    if (!std::equal(vendor.begin(), vendor.end(), kIntelVendorId.begin())) {
        return unsupported("the quoting enclave is not Intel's");
    }
    if (tee != kTeeSgx && tee != kTeeTdx) return unsupported("unknown kind of TEE");
    out.tee = tee == kTeeTdx ? TeeType::Tdx : TeeType::Sgx;
    if (out.version == 3 && out.tee != TeeType::Sgx) {
        return malformed("a quote of version 3 is SGX only");
    }
    if (out.version == 4 && out.tee != TeeType::Tdx) {
        return unsupported("a quote of version 4 for SGX");
    }
    return out;
}

// How many bytes of body follow. Version 5 says so itself.
Result<std::size_t> body_size(ByteCursor& in, const Header& header) {
    if (header.version == 3) return SgxReport::kSize;
    if (header.version == 4) return TdReport::kSize10;
    const std::uint16_t type = in.u16();
    const std::uint32_t size = in.u32();
    if (in.failed()) return malformed("quote ends before its body");
    const bool sgx = type == 1 && header.tee == TeeType::Sgx;
    const bool td = (type == 2 || type == 3) && header.tee == TeeType::Tdx;
    if (!sgx && !td) return unsupported("unknown body in a quote of version 5");
    const std::size_t expected =
        sgx ? SgxReport::kSize : (type == 2 ? TdReport::kSize10 : TdReport::kSize15);
    if (size != expected) return malformed("body has another size than its type says");
    return expected;
}

// PEM, one NUL at the end allowed: real quoting enclaves write it.
Result<std::vector<base::Bytes>> parse_pck_chain(base::ByteView data) {
    std::string_view text = base::as_text(data);
    if (!text.empty() && text.back() == '\0') text.remove_suffix(1);
    TRY(auto chain, internal::parse_pem_chain(text));
    if (chain.size() != 3) return malformed("the PCK chain is not three certificates");
    return chain;
}

Result<void> parse_qe_block(ByteCursor& in, Quote& quote) {
    const base::ByteView report = in.take(SgxReport::kSize);
    in.copy(quote.qe_report_signature);
    const std::uint16_t auth_size = in.u16();
    if (in.failed()) return malformed("quote ends inside the quoting enclave's report");
    if (auth_size > kAuthDataBytesMax) return malformed("authentication data is too long");
    const base::ByteView auth = in.take(auth_size);
    const std::uint16_t type = in.u16();
    const std::uint32_t size = in.u32();
    const base::ByteView data = in.take(size);
    if (in.failed()) return malformed("quote ends inside its certification data");
    if (in.remaining() != 0) return malformed("bytes after the certification data");
    if (type != kCertificationPckChain) {
        return unsupported("the quote brings no certificate chain (certification data type 5)");
    }
    quote.qe_report_bytes.assign(report.begin(), report.end());
    quote.qe_report = parse_sgx_report(report);
    quote.qe_auth_data.assign(auth.begin(), auth.end());
    TRY(quote.pck_chain, parse_pck_chain(data));
    return {};
}

Result<void> parse_signature_data(base::ByteView bytes, Quote& quote) {
    ByteCursor in(bytes);
    in.copy(quote.signature);
    in.copy(quote.attestation_key);
    if (quote.version == 3) {
        TRY_VOID(parse_qe_block(in, quote));
        return {};
    }
    const std::uint16_t type = in.u16();
    const std::uint32_t size = in.u32();
    if (in.failed() || size != in.remaining()) {
        return malformed("certification data has another size than the signature data leaves");
    }
    if (type != kCertificationQeReport) {
        return unsupported("the quote brings no report of the quoting enclave");
    }
    TRY_VOID(parse_qe_block(in, quote));
    return {};
}

}  // namespace

SgxReport parse_sgx_report(base::ByteView bytes) {
    CHECK(bytes.size() == SgxReport::kSize);
    ByteCursor in(bytes);
    SgxReport out;
    in.copy(out.cpu_svn);
    in.copy(out.misc_select);
    in.skip(12 + 16);  // reserved, ISVEXTPRODID
    in.copy(out.attributes);
    in.copy(out.mr_enclave);
    in.skip(32);
    in.copy(out.mr_signer);
    in.skip(32 + 64);  // reserved, CONFIGID
    out.isv_prod_id = in.u16();
    out.isv_svn = in.u16();
    in.skip(2 + 42 + 16);  // CONFIGSVN, reserved, ISVFAMILYID
    in.copy(out.report_data);
    CHECK(!in.failed() && in.remaining() == 0);
    return out;
}

const std::array<std::uint8_t, 64>& Quote::report_data() const {
    if (const auto* sgx = std::get_if<SgxReport>(&body)) return sgx->report_data;
    return std::get<TdReport>(body).report_data;
}

bool Quote::debug() const {
    if (const auto* sgx = std::get_if<SgxReport>(&body)) return sgx->debug();
    return std::get<TdReport>(body).debug();
}

Result<Quote> parse_quote(base::ByteView bytes) {
    if (bytes.size() > kQuoteBytesMax) return malformed("quote is too long");
    ByteCursor in(bytes);
    TRY(const Header header, parse_header(in));
    TRY(const std::size_t size, body_size(in, header));
    const base::ByteView body = in.take(size);
    const std::size_t signed_size = bytes.size() - in.remaining();
    const std::uint32_t signature_size = in.u32();
    const base::ByteView signature = in.take(signature_size);
    if (in.failed()) return malformed("quote ends before the size that it says");
    const base::ByteView rest = in.take(in.remaining());
    if (std::any_of(rest.begin(), rest.end(), [](std::uint8_t byte) { return byte != 0; })) {
        return malformed("bytes other than zero after the signature data");
    }
    Quote quote;
    quote.version = header.version;
    quote.tee = header.tee;
    quote.signed_bytes.assign(
        bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(signed_size));
    if (header.tee == TeeType::Sgx) {
        quote.body = parse_sgx_report(body);
    } else {
        quote.body = parse_td_report(body);
    }
    TRY_VOID(parse_signature_data(signature, quote));
    return quote;
}

}  // namespace adyton::attest
