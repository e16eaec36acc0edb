#include "attest/test_quote_pki.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "base/check.h"
#include "base/json.h"

namespace adyton::attest {
namespace {

using base::Json;

struct Free {
    void operator()(X509* certificate) const { X509_free(certificate); }
    void operator()(X509_CRL* crl) const { X509_CRL_free(crl); }
    void operator()(X509_REVOKED* entry) const { X509_REVOKED_free(entry); }
    void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
    void operator()(ECDSA_SIG* signature) const { ECDSA_SIG_free(signature); }
    void operator()(ASN1_OBJECT* object) const { ASN1_OBJECT_free(object); }
    void operator()(ASN1_OCTET_STRING* text) const { ASN1_OCTET_STRING_free(text); }
    void operator()(BIO* bio) const { BIO_free(bio); }
};
template <typename T>
using Ptr = std::unique_ptr<T, Free>;

constexpr long kNow = 1750000000;  // 2025-06-15: the test's own time
constexpr long kDay = 24 * 3600;

struct Node {
    Ptr<EVP_PKEY> key;
    Ptr<X509> certificate;
};

void append(base::Bytes& to, base::ByteView bytes) {
    to.insert(to.end(), bytes.begin(), bytes.end());
}

// --- DER by hand, for the extension that libcrypto has no name for. ---

base::Bytes der(std::uint8_t tag, const base::Bytes& content) {
    base::Bytes out = {tag};
    if (content.size() < 128) {
        out.push_back(static_cast<std::uint8_t>(content.size()));
    } else {
        out.push_back(0x82);
        out.push_back(static_cast<std::uint8_t>(content.size() >> 8));
        out.push_back(static_cast<std::uint8_t>(content.size() & 0xff));
    }
    append(out, content);
    return out;
}

base::Bytes der_integer(int number) {
    base::Bytes content;
    if (number > 255) content.push_back(static_cast<std::uint8_t>(number >> 8));
    content.push_back(static_cast<std::uint8_t>(number & 0xff));
    if ((content.front() & 0x80) != 0) content.insert(content.begin(), 0);
    return der(0x02, content);
}

base::Bytes sgx_oid(std::initializer_list<std::uint8_t> arcs) {
    base::Bytes content = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};
    append(content, base::Bytes(arcs));
    return der(0x06, content);
}

base::Bytes pair(const base::Bytes& oid, const base::Bytes& value) {
    base::Bytes content = oid;
    append(content, value);
    return der(0x30, content);
}

base::Bytes sgx_extension(const QuotePlan& plan) {
    base::Bytes tcb;
    for (std::size_t i = 0; i < plan.platform_svn.size(); ++i) {
        append(
            tcb, pair(
                     sgx_oid({2, static_cast<std::uint8_t>(i + 1)}),
                     der_integer(plan.platform_svn.at(i))));
    }
    append(tcb, pair(sgx_oid({2, 17}), der_integer(plan.platform_pce_svn)));
    append(
        tcb, pair(
                 sgx_oid({2, 18}),
                 der(0x04, base::Bytes(plan.platform_svn.begin(), plan.platform_svn.end()))));
    base::Bytes all = pair(sgx_oid({1}), der(0x04, base::Bytes(16, 9)));
    append(all, pair(sgx_oid({2}), der(0x30, tcb)));
    append(all, pair(sgx_oid({3}), der(0x04, base::Bytes(2, 0))));
    append(all, pair(sgx_oid({4}), der(0x04, base::hex_decode(plan.fmspc).value())));
    append(all, pair(sgx_oid({5}), der(0x0a, {0})));
    return der(0x30, all);
}

// --- Certificates. ---

void add_extension(X509* certificate, X509* issuer, int nid, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    const Ptr<X509_EXTENSION> extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
    CHECK(extension && X509_add_ext(certificate, extension.get(), -1) == 1);
}

void set_times(X509* certificate, long from, long until) {
    CHECK(ASN1_TIME_set(X509_getm_notBefore(certificate), from) != nullptr);
    CHECK(ASN1_TIME_set(X509_getm_notAfter(certificate), until) != nullptr);
}

enum class Role { Authority, Signer };

Node make(
    const std::string& name, const Node* issuer, Role role, long until,
    const base::Bytes& sgx = {}) {
    Node out;
    out.key.reset(EVP_EC_gen("P-256"));
    out.certificate.reset(X509_new());
    X509* const one = out.certificate.get();
    CHECK(out.key && one != nullptr && X509_set_version(one, X509_VERSION_3) == 1);
    std::uint32_t serial = 0;
    CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) == 1);
    CHECK(ASN1_INTEGER_set_uint64(X509_get_serialNumber(one), serial | 1U) == 1);
    set_times(one, kNow - 400 * kDay, until);
    CHECK(
        X509_NAME_add_entry_by_txt(
            X509_get_subject_name(one), "CN", MBSTRING_UTF8,
            reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0) == 1);
    X509* const signer = issuer != nullptr ? issuer->certificate.get() : one;
    CHECK(X509_set_issuer_name(one, X509_get_subject_name(signer)) == 1);
    CHECK(X509_set_pubkey(one, out.key.get()) == 1);
    const bool authority = role == Role::Authority;
    add_extension(
        one, signer, NID_basic_constraints, authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    add_extension(
        one, signer, NID_key_usage,
        authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
    add_extension(one, signer, NID_subject_key_identifier, "hash");
    add_extension(one, signer, NID_authority_key_identifier, "keyid:always");
    if (!sgx.empty()) {
        const Ptr<ASN1_OBJECT> oid(OBJ_txt2obj("1.2.840.113741.1.13.1", 1));
        const Ptr<ASN1_OCTET_STRING> content(ASN1_OCTET_STRING_new());
        CHECK(ASN1_OCTET_STRING_set(content.get(), sgx.data(), static_cast<int>(sgx.size())) == 1);
        const Ptr<X509_EXTENSION> extension(
            X509_EXTENSION_create_by_OBJ(nullptr, oid.get(), 0, content.get()));
        CHECK(extension && X509_add_ext(one, extension.get(), -1) == 1);
    }
    EVP_PKEY* const key = issuer != nullptr ? issuer->key.get() : out.key.get();
    CHECK(X509_sign(one, key, EVP_sha256()) > 0);
    return out;
}

base::Bytes der_of(X509* certificate) {
    unsigned char* bytes = nullptr;
    const int size = i2d_X509(certificate, &bytes);
    CHECK(size > 0);
    base::Bytes out(bytes, bytes + size);
    OPENSSL_free(bytes);
    return out;
}

std::string pem_of(std::initializer_list<const Node*> nodes) {
    const Ptr<BIO> bio(BIO_new(BIO_s_mem()));
    for (const Node* node : nodes) {
        CHECK(PEM_write_bio_X509(bio.get(), node->certificate.get()) == 1);
    }
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

base::Bytes make_crl(const Node& issuer, const std::vector<const Node*>& revoked, long until) {
    const Ptr<X509_CRL> crl(X509_CRL_new());
    CHECK(crl && X509_CRL_set_version(crl.get(), X509_CRL_VERSION_2) == 1);
    CHECK(
        X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(issuer.certificate.get())) == 1);
    const Ptr<ASN1_TIME> last(ASN1_TIME_set(nullptr, kNow - kDay));
    const Ptr<ASN1_TIME> next(ASN1_TIME_set(nullptr, until));
    CHECK(X509_CRL_set1_lastUpdate(crl.get(), last.get()) == 1);
    CHECK(X509_CRL_set1_nextUpdate(crl.get(), next.get()) == 1);
    for (const Node* node : revoked) {
        Ptr<X509_REVOKED> entry(X509_REVOKED_new());
        CHECK(
            X509_REVOKED_set_serialNumber(
                entry.get(), X509_get_serialNumber(node->certificate.get())) == 1);
        CHECK(X509_REVOKED_set_revocationDate(entry.get(), last.get()) == 1);
        CHECK(X509_CRL_add0_revoked(crl.get(), entry.release()) == 1);
    }
    CHECK(X509_CRL_sort(crl.get()) == 1);
    CHECK(X509_CRL_sign(crl.get(), issuer.key.get(), EVP_sha256()) > 0);
    unsigned char* bytes = nullptr;
    const int size = i2d_X509_CRL(crl.get(), &bytes);
    CHECK(size > 0);
    base::Bytes out(bytes, bytes + size);
    OPENSSL_free(bytes);
    return out;
}

std::array<std::uint8_t, 64> sign(EVP_PKEY* key, base::ByteView message) {
    const Ptr<EVP_MD_CTX> context(EVP_MD_CTX_new());
    std::array<unsigned char, 80> der_bytes{};
    std::size_t size = der_bytes.size();
    CHECK(EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key) == 1);
    CHECK(
        EVP_DigestSign(context.get(), der_bytes.data(), &size, message.data(), message.size()) ==
        1);
    const unsigned char* at = der_bytes.data();
    const Ptr<ECDSA_SIG> signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size)));
    std::array<std::uint8_t, 64> out{};
    CHECK(BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), out.data(), 32) == 32);
    CHECK(BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), out.data() + 32, 32) == 32);
    return out;
}

std::array<std::uint8_t, 64> raw_public_key(EVP_PKEY* key) {
    std::array<unsigned char, 65> point{};
    std::size_t size = 0;
    CHECK(
        EVP_PKEY_get_octet_string_param(key, "pub", point.data(), point.size(), &size) == 1 &&
        size == point.size());
    std::array<std::uint8_t, 64> out{};
    std::copy(point.begin() + 1, point.end(), out.begin());
    return out;
}

// --- The quote. ---

// `size` bytes, little-endian; those past the eighth are zero.
void put(base::Bytes& to, std::uint64_t number, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) {
        to.push_back(i < 8 ? static_cast<std::uint8_t>(number >> (8 * i)) : std::uint8_t{0});
    }
}

constexpr std::array<std::uint8_t, 32> kQeSigner = {0xab, 0xcd, 0xef};

base::Bytes enclave_report(const QuotePlan& plan, const base::Bytes& report_data) {
    base::Bytes out(SgxReport::kSize, 0);
    out[48] = plan.qe_debug ? 0x07 : 0x05;  // INIT, MODE64, maybe DEBUG
    std::copy(kQeSigner.begin(), kQeSigner.end(), out.begin() + 128);
    if (plan.other_qe_signer) out[128] ^= 1;
    out[256] = 1;  // product id
    out[258] = static_cast<std::uint8_t>(plan.qe_isv_svn);
    std::copy(report_data.begin(), report_data.end(), out.begin() + 320);
    return out;
}

bool is_tdx(const QuotePlan& plan) {
    return plan.version == 4 || (plan.version == 5 && plan.body_type != 1);
}

base::Bytes body_of(const QuotePlan& plan) {
    const bool tdx15 = plan.version == 5 && plan.body_type == 3;
    const std::size_t size =
        is_tdx(plan) ? (tdx15 ? TdReport::kSize15 : TdReport::kSize10) : SgxReport::kSize;
    base::Bytes out(size, 0);
    if (is_tdx(plan)) {
        out[0] = 4;       // module SVN
        out[2] = 5;       // microcode
        out[123] = 0x10;  // SEPT_VE_DISABLE
    } else {
        out[48] = 0x05;
    }
    if (plan.change_body) plan.change_body(out);
    return out;
}

base::Bytes signed_part(const QuotePlan& plan) {
    base::Bytes out;
    put(out, static_cast<std::uint64_t>(plan.version), 2);
    put(out, 2, 2);
    put(out, is_tdx(plan) ? 0x81 : 0, 4);
    put(out, 0, 4);
    append(out, base::hex_decode("939a7233f79c4ca9940a0db3957f0607").value());
    put(out, 0, 20);
    const base::Bytes body = body_of(plan);
    if (plan.version == 5) {
        put(out, static_cast<std::uint64_t>(plan.body_type), 2);
        put(out, body.size(), 4);
    }
    append(out, body);
    return out;
}

base::Bytes make_quote(const QuotePlan& plan, const Node& pck, const std::string& chain) {
    const Ptr<EVP_PKEY> attestation(EVP_EC_gen("P-256"));
    base::Bytes out = signed_part(plan);
    const auto signature = sign(attestation.get(), out);
    const auto key = raw_public_key(attestation.get());
    base::Bytes vouched(key.begin(), key.end());
    append(vouched, plan.qe_auth_data);
    if (plan.key_not_vouched) vouched[0] ^= 1;
    const crypto::Sha256Digest digest = crypto::sha256(vouched);
    const base::Bytes report =
        enclave_report(plan, base::Bytes(digest.bytes.begin(), digest.bytes.end()));

    base::Bytes inner = report;
    append(inner, sign(pck.key.get(), report));
    put(inner, plan.qe_auth_data.size(), 2);
    append(inner, plan.qe_auth_data);
    put(inner, 5, 2);
    put(inner, chain.size(), 4);
    append(inner, base::as_bytes(chain));

    base::Bytes data(signature.begin(), signature.end());
    append(data, key);
    if (plan.version != 3) {
        put(data, 6, 2);
        put(data, inner.size(), 4);
    }
    append(data, inner);
    put(out, data.size(), 4);
    append(out, data);
    if (plan.change_quote) plan.change_quote(out);
    return out;
}

// --- The documents. ---

std::string time_text(long seconds) {
    return base::to_rfc3339(base::Timestamp(std::chrono::seconds(seconds)));
}

Json components(const std::array<std::uint8_t, 16>& svns) {
    Json out = Json::array();
    for (const std::uint8_t svn : svns) {
        out.push_back(Json::object().set("svn", Json::integer(svn)));
    }
    return out;
}

Json isv_levels(const std::vector<MintedIsvLevel>& levels) {
    Json out = Json::array();
    for (const MintedIsvLevel& level : levels) {
        out.push_back(Json::object()
                          .set("tcb", Json::object().set("isvsvn", Json::integer(level.isv_svn)))
                          .set("tcbDate", Json::string("2024-01-01T00:00:00Z"))
                          .set("tcbStatus", Json::string(level.status)));
    }
    return out;
}

Json module_json(const MintedModule* module) {
    Json out = Json::object();
    if (module != nullptr) out.set("id", Json::string(module->id));
    out.set("mrsigner", Json::string(std::string(96, '0')));
    out.set("attributes", Json::string(std::string(16, '0')));
    out.set("attributesMask", Json::string(std::string(16, 'F')));
    if (module != nullptr) out.set("tcbLevels", isv_levels(module->levels));
    return out;
}

std::string tcb_info(const QuotePlan& plan) {
    const bool tdx = is_tdx(plan);
    Json levels = Json::array();
    std::vector<MintedLevel> all = plan.levels;
    if (all.empty()) all.push_back({plan.platform_svn, {}, plan.platform_pce_svn, "UpToDate", {}});
    for (const MintedLevel& level : all) {
        Json tcb = Json::object();
        tcb.set("sgxtcbcomponents", components(level.sgx));
        tcb.set("pcesvn", Json::integer(level.pce_svn));
        if (tdx) tcb.set("tdxtcbcomponents", components(level.tdx));
        Json advisories = Json::array();
        for (const std::string& id : level.advisories) advisories.push_back(Json::string(id));
        levels.push_back(Json::object()
                             .set("tcb", std::move(tcb))
                             .set("tcbDate", Json::string("2024-01-01T00:00:00Z"))
                             .set("tcbStatus", Json::string(level.status))
                             .set("advisoryIDs", std::move(advisories)));
    }
    Json out = Json::object();
    const std::string kind = tdx ? "TDX" : "SGX";
    out.set("id", Json::string(plan.tcb_id.empty() ? kind : plan.tcb_id));
    out.set("version", Json::integer(3));
    out.set("issueDate", Json::string(time_text(kNow - kDay)));
    out.set("nextUpdate", Json::string(time_text(kNow + plan.documents_until.count())));
    out.set("fmspc", Json::string(plan.tcb_fmspc.empty() ? plan.fmspc : plan.tcb_fmspc));
    out.set("pceId", Json::string("0000"));
    out.set("tcbType", Json::integer(0));
    out.set("tcbEvaluationDataNumber", Json::integer(17));
    if (tdx || out.find("id")->string_value() == "TDX") {
        out.set("tdxModule", module_json(nullptr));
        Json modules = Json::array();
        for (const MintedModule& module : plan.modules) modules.push_back(module_json(&module));
        out.set("tdxModuleIdentities", std::move(modules));
    }
    out.set("tcbLevels", std::move(levels));
    return out.dump();
}

std::string qe_identity(const QuotePlan& plan) {
    const std::string kind = is_tdx(plan) ? "TD_QE" : "QE";
    return Json::object()
        .set("id", Json::string(plan.qe_id.empty() ? kind : plan.qe_id))
        .set("version", Json::integer(2))
        .set("issueDate", Json::string(time_text(kNow - kDay)))
        .set("nextUpdate", Json::string(time_text(kNow + plan.documents_until.count())))
        .set("tcbEvaluationDataNumber", Json::integer(17))
        .set("miscselect", Json::string("00000000"))
        .set("miscselectMask", Json::string("FFFFFFFF"))
        .set("attributes", Json::string("01000000000000000000000000000000"))
        .set("attributesMask", Json::string("F9FFFFFFFFFFFFFF0000000000000000"))
        .set("mrsigner", Json::string(base::hex_encode(kQeSigner)))
        .set("isvprodid", Json::integer(1))
        .set("tcbLevels", isv_levels(plan.qe_levels))
        .dump();
}

}  // namespace

MintedQuote mint_quote(const QuotePlan& plan) {
    const long far = kNow + 20 * 365 * kDay;
    const Node root = make("Test SGX Root CA", nullptr, Role::Authority, far);
    const Node foreign = make("Test SGX Root CA", nullptr, Role::Authority, far);
    const Node& pck_root = plan.foreign_root ? foreign : root;
    const Node authority = make("Test SGX PCK Platform CA", &pck_root, Role::Authority, far);
    const Node signer = make("Test SGX TCB Signing", &root, Role::Signer, far);
    const Node pck = make(
        plan.pck_common_name, &authority, Role::Signer, kNow + plan.pck_until.count(),
        sgx_extension(plan));

    MintedQuote out;
    out.at = base::Timestamp(std::chrono::seconds(kNow));
    out.root = crypto::sha256(der_of(root.certificate.get()));
    out.quote = make_quote(plan, pck, pem_of({&pck, &authority, &pck_root}));
    std::vector<const Node*> revoked_by_root;
    if (plan.authority_revoked) revoked_by_root.push_back(&authority);
    if (plan.signer_revoked) revoked_by_root.push_back(&signer);
    const long crl_until = kNow + plan.crl_until.count();
    out.collateral.root_ca_crl = make_crl(root, revoked_by_root, crl_until);
    out.collateral.pck_crl = make_crl(
        authority, plan.pck_revoked ? std::vector<const Node*>{&pck} : std::vector<const Node*>{},
        crl_until);
    out.collateral.pck_crl_issuer_chain = pem_of({&authority, &root});
    out.collateral.tcb_info_issuer_chain = pem_of({&signer, &root});
    out.collateral.qe_identity_issuer_chain = out.collateral.tcb_info_issuer_chain;
    out.collateral.tcb_info = tcb_info(plan);
    out.collateral.tcb_info_signature =
        sign(signer.key.get(), base::as_bytes(out.collateral.tcb_info));
    out.collateral.qe_identity = qe_identity(plan);
    out.collateral.qe_identity_signature =
        sign(signer.key.get(), base::as_bytes(out.collateral.qe_identity));
    return out;
}

}  // namespace adyton::attest
