#include "attest/snp_report.h"

#include <algorithm>
#include <vector>

#include "attest/internal/byte_cursor.h"
#include "attest/internal/x509.h"
#include "attest/refusal.h"
#include "base/check.h"

namespace adyton::attest {
namespace {

using internal::ByteCursor;
using internal::Certificate;
using internal::ChainCheck;

constexpr std::uint32_t kEcdsaP384Sha384 = 1;
constexpr std::uint32_t kSigningKeyVcek = 0;
constexpr std::uint32_t kSigningKeyVlek = 1;
constexpr std::size_t kSignatureField = 72;
constexpr const char* kExtensionTcb = "1.3.6.1.4.1.3704.1.3.";
constexpr const char* kExtensionProduct = "1.3.6.1.4.1.3704.1.2";
constexpr const char* kExtensionHardwareId = "1.3.6.1.4.1.3704.1.4";

// 72 bytes little endian that hold 48.
Result<std::array<std::uint8_t, 48>> signature_part(base::ByteView field) {
    std::array<std::uint8_t, 48> out{};
    CHECK(field.size() == kSignatureField);
    const base::ByteView high = field.subspan(out.size());
    if (std::any_of(high.begin(), high.end(), [](std::uint8_t byte) { return byte != 0; })) {
        return malformed("report: signature is longer than its curve");
    }
    std::reverse_copy(field.begin(), field.begin() + out.size(), out.begin());
    return out;
}

void read_body(ByteCursor& in, SnpReport& out) {
    in.skip(4);  // version
    out.guest_svn = in.u32();
    out.policy = in.u64();
    in.skip(32);  // family id, image id
    out.vmpl = in.u32();
    in.skip(4);  // algorithm
    in.copy(out.current_tcb);
    in.skip(8);  // platform info
    out.key_flags = in.u32();
    in.skip(4);
    in.copy(out.report_data);
    in.copy(out.measurement);
    in.copy(out.host_data);
    in.skip(48 + 48 + 32 + 32);  // key digests, report ids
    in.copy(out.reported_tcb);
    in.copy(out.cpuid);
    in.skip(21);
    in.copy(out.chip_id);
    in.copy(out.committed_tcb);
    in.skip(8);  // builds
    in.copy(out.launch_tcb);
}

std::string_view product_prefix(std::string_view text) {
    return text.substr(0, text.find('-'));
}

// CPUID families and models of the product lines; version 3 reports carry them.
std::optional<SnpProduct> product_of_cpuid(const std::array<std::uint8_t, 3>& cpuid) {
    const std::uint8_t family = cpuid[0];
    const std::uint8_t model = cpuid[1];
    if (family == 0x19) {
        if (model <= 0x0f) return SnpProduct::Milan;
        if ((model >= 0x10 && model <= 0x1f) || (model >= 0xa0 && model <= 0xaf)) {
            return SnpProduct::Genoa;
        }
    }
    if (family == 0x1a && model <= 0x11) return SnpProduct::Turin;
    return std::nullopt;
}

std::optional<SnpProduct> product_of_certificate(const Certificate& key) {
    const std::optional<base::Bytes> extension = key.extension(kExtensionProduct);
    if (!extension) return std::nullopt;
    const auto values = internal::der_values(*extension);
    if (!values || values->size() != 1 || values->front().tag != 22) return std::nullopt;
    const auto product = parse_snp_product(product_prefix(base::as_text(values->front().content)));
    if (!product) return std::nullopt;
    return *product;
}

Result<SnpProduct> product_of(
    const SnpReport& report, const Certificate& key, const SnpOptions& options) {
    const std::optional<SnpProduct> certificate = product_of_certificate(key);
    const std::optional<SnpProduct> processor =
        report.version >= 3 ? product_of_cpuid(report.cpuid) : std::nullopt;
    if (certificate && processor && *certificate != *processor) {
        return refused(kTcbNotAccepted, "the certificate is of another product line");
    }
    if (processor) return *processor;
    if (certificate) return *certificate;
    if (options.product) return *options.product;
    return unsupported("neither report nor certificate names the product line");
}

Result<std::uint8_t> tcb_extension(const Certificate& key, const std::string& arc) {
    const auto extension = key.extension((kExtensionTcb + arc).c_str());
    if (!extension) return malformed("endorsement key without TCB extension ." + arc);
    TRY(const auto values, internal::der_values(*extension));
    if (values.size() != 1) return malformed("endorsement key: TCB extension of another form");
    TRY(const std::uint64_t number, internal::der_unsigned(values.front()));
    if (number > 255) return malformed("endorsement key: TCB extension of another form");
    return static_cast<std::uint8_t>(number);
}

// 64 raw bytes; some issuers wrap them in an OCTET STRING. Turin's chips use 8 of them.
Result<base::Bytes> hardware_id(const Certificate& key) {
    auto extension = key.extension(kExtensionHardwareId);
    if (!extension) return malformed("endorsement key without hardware id");
    if (extension->size() == 64 || extension->size() == 8) return std::move(*extension);
    TRY(const auto values, internal::der_values(*extension));
    if (values.size() != 1 || values.front().tag != 4) {
        return malformed("endorsement key: hardware id of another form");
    }
    const base::ByteView content = values.front().content;
    return base::Bytes(content.begin(), content.end());
}

Result<void> check_chip(const SnpReport& report, const Certificate& key) {
    if ((report.key_flags & 2) != 0) {
        return refused(kTcbNotAccepted, "the chip id is masked");
    }
    TRY(const base::Bytes id, hardware_id(key));
    const bool rest_zero = std::all_of(
        report.chip_id.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(id.size(), 64)),
        report.chip_id.end(), [](std::uint8_t byte) { return byte == 0; });
    if (id.empty() || id.size() > report.chip_id.size() || !rest_zero ||
        !std::equal(id.begin(), id.end(), report.chip_id.begin())) {
        return refused(kTcbNotAccepted, "the certificate is of another chip");
    }
    return {};
}

Result<void> check_tcb(const SnpReport& report, const Certificate& key, SnpVerdict& verdict) {
    verdict.reported = SnpTcb::of(report.reported_tcb, verdict.product);
    verdict.committed = SnpTcb::of(report.committed_tcb, verdict.product);
    verdict.current = SnpTcb::of(report.current_tcb, verdict.product);
    SnpTcb certified;
    TRY(certified.boot_loader, tcb_extension(key, "1"));
    TRY(certified.tee, tcb_extension(key, "2"));
    TRY(certified.snp, tcb_extension(key, "3"));
    TRY(certified.microcode, tcb_extension(key, "8"));
    if (verdict.product == SnpProduct::Turin) {
        TRY(certified.fmc, tcb_extension(key, "9"));
    }
    if (certified != verdict.reported) {
        return refused(kTcbNotAccepted, "the certificate is of another TCB than the report");
    }
    if (!verdict.committed.at_least(verdict.reported) ||
        !verdict.current.at_least(verdict.committed)) {
        return refused(kTcbNotAccepted, "the report's TCBs contradict each other");
    }
    return {};
}

struct Chain {
    Certificate key;
    Certificate authority;
    Certificate root;
    std::vector<base::ByteView> crls;

    // AMD's certificates lack what X509_V_FLAG_X509_STRICT asks for.
    ChainCheck check() const { return {&key, {&authority}, &root, {}, false}; }
    // The list is the root's and covers the authority; the key itself has none.
    ChainCheck authority_check() const { return {&authority, {}, &root, crls, false}; }
};

Result<Chain> read_chain(const SnpEndorsement& endorsement) {
    TRY(const std::vector<base::Bytes> pem, internal::parse_pem_file(endorsement.chain_pem));
    if (pem.size() != 2) return malformed("AMD's chain is not two certificates");
    TRY(Certificate key, Certificate::parse(endorsement.key));
    TRY(Certificate authority, Certificate::parse(pem[0]));
    TRY(Certificate root, Certificate::parse(pem[1]));
    Chain out{std::move(key), std::move(authority), std::move(root), {}};
    if (!endorsement.crl.empty()) out.crls.push_back(endorsement.crl);
    return out;
}

Result<bool> signed_by_vlek(const SnpReport& report, const Chain& chain) {
    const std::uint32_t signer = (report.key_flags >> 2) & 7;
    if (signer != kSigningKeyVcek && signer != kSigningKeyVlek) {
        return unsupported("the report is not signed by VCEK or VLEK");
    }
    const bool vlek = signer == kSigningKeyVlek;
    const std::string name = chain.key.common_name();
    if (name != (vlek ? "SEV-VLEK" : "SEV-VCEK")) {
        return refused(kUntrusted, "the certificate is for another kind of key than signed");
    }
    return vlek;
}

}  // namespace

std::string_view to_string(SnpProduct product) {
    switch (product) {
        case SnpProduct::Milan:
            return "Milan";
        case SnpProduct::Genoa:
            return "Genoa";
        case SnpProduct::Turin:
            return "Turin";
    }
    CHECK(false);
    return {};
}

Result<SnpProduct> parse_snp_product(std::string_view text) {
    for (const SnpProduct one : {SnpProduct::Milan, SnpProduct::Genoa, SnpProduct::Turin}) {
        if (to_string(one) == text) return one;
    }
    return Error::invalid_argument("unknown AMD product line", kUnsupported);
}

SnpTcb SnpTcb::of(const std::array<std::uint8_t, 8>& bytes, SnpProduct product) {
    if (product == SnpProduct::Turin) return {bytes[0], bytes[1], bytes[2], bytes[3], bytes[7]};
    return {0, bytes[0], bytes[1], bytes[6], bytes[7]};
}

bool SnpTcb::at_least(const SnpTcb& other) const {
    return fmc >= other.fmc && boot_loader >= other.boot_loader && tee >= other.tee &&
           snp >= other.snp && microcode >= other.microcode;
}

Result<SnpReport> parse_snp_report(base::ByteView bytes) {
    if (bytes.size() < SnpReport::kSize || bytes.size() > 64 * 1024) {
        return malformed("an SNP report has 1184 bytes");
    }
    ByteCursor head(bytes);
    SnpReport out;
    out.version = head.u32();
    if (out.version < 2 || out.version > 5) return unsupported("SNP report version is not 2 to 5");
    head.skip(0x34 - 4);
    if (head.u32() != kEcdsaP384Sha384) return unsupported("report is not signed on P-384");
    const base::ByteView after = bytes.subspan(SnpReport::kSignedSize + 2 * kSignatureField);
    if (std::any_of(after.begin(), after.end(), [](std::uint8_t byte) { return byte != 0; })) {
        return malformed("bytes other than zero after the signature");
    }
    const base::ByteView covered = bytes.first(SnpReport::kSignedSize);
    ByteCursor in(covered);
    read_body(in, out);
    CHECK(!in.failed());
    out.signed_bytes.assign(covered.begin(), covered.end());
    TRY(out.r, signature_part(bytes.subspan(SnpReport::kSignedSize, kSignatureField)));
    TRY(out.s,
        signature_part(bytes.subspan(SnpReport::kSignedSize + kSignatureField, kSignatureField)));
    return out;
}

crypto::Sha256Digest amd_root(SnpProduct product) {
    std::string_view hex;
    switch (product) {
        case SnpProduct::Milan:
            hex = "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd";
            break;
        case SnpProduct::Genoa:
            hex = "4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1";
            break;
        case SnpProduct::Turin:
            hex = "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a";
            break;
    }
    return crypto::Sha256Digest::parse(base::hex_decode(hex).value()).value();
}

Result<SnpVerdict> verify_snp(
    const SnpReport& report, const SnpEndorsement& endorsement, const SnpOptions& options) {
    TRY(const Chain chain, read_chain(endorsement));
    SnpVerdict out;
    TRY(out.product, product_of(report, chain.key, options));
    if (chain.root.sha256() != options.root.value_or(amd_root(out.product))) {
        return refused(kUntrusted, "the chain ends in another root than AMD's");
    }
    TRY(out.vlek, signed_by_vlek(report, chain));
    TRY_VOID(internal::chain_is_trusted(chain.check()));
    if (!chain.key.verifies(report.signed_bytes, report.r, report.s)) {
        return refused(kBadSignature, "the chip did not sign the report");
    }
    if (!chain.crls.empty()) {
        TRY_VOID(internal::chain_is_not_revoked(chain.authority_check()));
        out.revocation_checked = true;
    }
    TRY_VOID(internal::chain_is_current(chain.check(), options.at));
    if (!chain.crls.empty()) {
        TRY_VOID(internal::chain_is_current(chain.authority_check(), options.at));
    }
    if (!out.vlek) {
        TRY_VOID(check_chip(report, chain.key));
    }
    TRY_VOID(check_tcb(report, chain.key, out));
    if (report.vmpl > 3 || report.vmpl != options.vmpl) {
        return refused(kMeasurementMismatch, "the report was not asked for at the expected VMPL");
    }
    return out;
}

}  // namespace adyton::attest
