#include "attest/internal/marble_tls.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <utility>

#include "attest/internal/certificate.h"
#include "attest/refusal.h"
#include "base/check.h"

namespace adyton::attest::internal {
namespace {

template <auto Free>
struct Deleter {
    template <typename T>
    void operator()(T* object) const {
        Free(object);
    }
};
using X509Handle = std::unique_ptr<X509, Deleter<&X509_free>>;
using RequestHandle = std::unique_ptr<X509_REQ, Deleter<&X509_REQ_free>>;
using BioHandle = std::unique_ptr<BIO, Deleter<&BIO_free_all>>;
using ExtensionHandle = std::unique_ptr<X509_EXTENSION, Deleter<&X509_EXTENSION_free>>;

constexpr long kValiditySeconds = 365L * 24 * 3600;

EVP_PKEY* pkey(const KeyHandle& key) {
    return static_cast<EVP_PKEY*>(key.get());
}

bool is_dns_name(std::string_view name) {
    return !name.empty() && name.size() <= 253 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '.' || c == '*';
    });
}

bool is_address(const std::string& name) {
    in6_addr ignored{};
    return ::inet_pton(AF_INET, name.c_str(), &ignored) == 1 ||
           ::inet_pton(AF_INET6, name.c_str(), &ignored) == 1;
}

// The reference pre-main adds the loopback addresses to whatever the host names.
Result<std::string> alternative_names(const std::vector<std::string>& names) {
    std::string out;
    for (const std::string& name : names) {
        if (is_address(name)) {
            out += "IP:" + name + ",";
        } else if (is_dns_name(name)) {
            out += "DNS:" + name + ",";
        } else {
            return Error::invalid_argument("EDG_MARBLE_DNS_NAMES: not a name or an address");
        }
    }
    return out + "IP:127.0.0.1,IP:::1";
}

ExtensionHandle extension(int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, nullptr, nullptr, nullptr, nullptr, 0);
    return ExtensionHandle(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
}

template <typename T, typename Encode>
base::Bytes der_of(T* object, Encode encode) {
    const int size = encode(object, nullptr);
    CHECK(size > 0);
    base::Bytes out(static_cast<std::size_t>(size));
    std::uint8_t* at = out.data();
    CHECK(encode(object, &at) == size);
    return out;
}

void add(X509* certificate, int nid, const std::string& value) {
    const ExtensionHandle made = extension(nid, value);
    CHECK(made != nullptr && X509_add_ext(certificate, made.get(), -1) == 1);
}

base::Bytes self_signed(EVP_PKEY* key, const std::string& names) {
    const X509Handle out(X509_new());
    CHECK(out != nullptr && X509_set_version(out.get(), X509_VERSION_3) == 1);
    std::uint8_t serial[16];
    CHECK(RAND_bytes(serial, sizeof(serial)) == 1);
    serial[0] &= 0x7fU;
    BIGNUM* const number = BN_bin2bn(serial, sizeof(serial), nullptr);
    CHECK(number != nullptr);
    CHECK(BN_to_ASN1_INTEGER(number, X509_get_serialNumber(out.get())) != nullptr);
    BN_free(number);
    CHECK(X509_gmtime_adj(X509_getm_notBefore(out.get()), 0) != nullptr);
    CHECK(X509_gmtime_adj(X509_getm_notAfter(out.get()), kValiditySeconds) != nullptr);
    X509_NAME* const subject = X509_get_subject_name(out.get());
    const auto* const name = reinterpret_cast<const unsigned char*>("MarbleRun Marble");
    CHECK(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, name, -1, -1, 0) == 1);
    CHECK(X509_set_issuer_name(out.get(), subject) == 1 && X509_set_pubkey(out.get(), key) == 1);
    add(out.get(), NID_subject_alt_name, names);
    add(out.get(), NID_key_usage, "critical,digitalSignature");
    add(out.get(), NID_ext_key_usage, "serverAuth,clientAuth");
    CHECK(X509_sign(out.get(), key, EVP_sha384()) > 0);
    return der_of(out.get(), [](X509* one, std::uint8_t** at) { return i2d_X509(one, at); });
}

base::Bytes signing_request(EVP_PKEY* key, const std::string& names) {
    const RequestHandle out(X509_REQ_new());
    CHECK(out != nullptr && X509_REQ_set_version(out.get(), 0) == 1);
    CHECK(X509_REQ_set_pubkey(out.get(), key) == 1);
    const ExtensionHandle made = extension(NID_subject_alt_name, names);
    CHECK(made != nullptr);
    STACK_OF(X509_EXTENSION)* const list = sk_X509_EXTENSION_new_null();
    CHECK(list != nullptr && sk_X509_EXTENSION_push(list, made.get()) > 0);
    CHECK(X509_REQ_add_extensions(out.get(), list) == 1);
    sk_X509_EXTENSION_free(list);
    CHECK(X509_REQ_sign(out.get(), key, EVP_sha384()) > 0);
    return der_of(
        out.get(), [](X509_REQ* one, std::uint8_t** at) { return i2d_X509_REQ(one, at); });
}

X509Handle parse_der(base::ByteView der) {
    const std::uint8_t* at = der.data();
    X509Handle out(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
    if (out != nullptr && at != der.data() + der.size()) out.reset();
    return out;
}

Result<std::vector<X509Handle>> parse_chain(std::string_view pem, std::string_view what) {
    const auto blocks = read_pem(pem);
    std::vector<X509Handle> out;
    if (blocks) {
        for (const base::Bytes& der : *blocks) {
            out.push_back(parse_der(der));
            if (out.back() == nullptr) break;
        }
    }
    if (out.empty() || out.back() == nullptr) {
        return malformed("activation: " + std::string(what) + " cannot be read");
    }
    return out;
}

bool same_key(const X509* one, const X509* other) {
    const EVP_PKEY* const a = X509_get0_pubkey(one);
    const EVP_PKEY* const b = X509_get0_pubkey(other);
    return a != nullptr && b != nullptr && EVP_PKEY_eq(a, b) == 1;
}

// Signature and name; times are the host's, and certificates of a Coordinator hold 292 years.
bool issued(X509* child, X509* parent) {
    EVP_PKEY* const key = X509_get0_pubkey(parent);
    return key != nullptr && X509_verify(child, key) == 1 && X509_check_ca(parent) == 1 &&
           X509_NAME_cmp(X509_get_issuer_name(child), X509_get_subject_name(parent)) == 0;
}

// The key travels in PEM; libcrypto keeps it in its secure heap where main set one up.
bool is_key_of(base::ByteView pem, const X509* certificate) {
    const BioHandle bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    if (bio == nullptr) return false;
    const KeyHandle key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
    const EVP_PKEY* const own = X509_get0_pubkey(certificate);
    return key != nullptr && own != nullptr && EVP_PKEY_eq(pkey(key), own) == 1;
}

std::string common_name(const X509* certificate) {
    const X509_NAME* const subject = X509_get_subject_name(certificate);
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) return {};
    const ASN1_STRING* const text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
    return std::string(
        reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
        static_cast<std::size_t>(ASN1_STRING_length(text)));
}

Result<void> check_leaf(const CoordinatorAnswer& answer, X509* leaf, X509* intermediate) {
    constexpr const char* kReason = "marble_certificate";
    if (!issued(leaf, intermediate) || X509_check_ca(leaf) != 0) {
        return refused(kReason, "the marble's certificate is not the intermediate's");
    }
    const base::Bytes der =
        der_of(leaf, [](X509* one, std::uint8_t** at) { return i2d_X509(one, at); });
    TRY(const CertificateNames names, read_certificate(der));
    if (names.marble_types.size() != 1 || names.marble_types.front() != answer.marble_type) {
        return refused(kReason, "the marble's certificate is of another marble type");
    }
    if (common_name(leaf) != answer.uuid) {
        return refused(kReason, "the marble's certificate is of another UUID");
    }
    if (!is_key_of(answer.private_key_pem, leaf)) {
        return refused(kReason, "the marble's key is not that of its certificate");
    }
    return {};
}

}  // namespace

void KeyDeleter::operator()(void* key) const {
    EVP_PKEY_free(static_cast<EVP_PKEY*>(key));
}

Result<MarbleRequestKey> MarbleRequestKey::create(const std::vector<std::string>& names) {
    TRY(const std::string alternatives, alternative_names(names));
    MarbleRequestKey out;
    out.key.reset(EVP_EC_gen("P-384"));
    CHECK(out.key != nullptr);
    out.certificate = self_signed(pkey(out.key), alternatives);
    out.csr = signing_request(pkey(out.key), alternatives);
    return out;
}

Result<crypto::Sha256Digest> check_coordinator(
    const CoordinatorAnswer& answer, const crypto::Sha256Digest* pin) {
    TRY(const auto chain, parse_chain(answer.chain_pem, "the marble's certificate chain"));
    TRY(const auto marble_root, parse_chain(answer.marble_root_pem, "the marble root"));
    TRY(const auto root, parse_chain(answer.coordinator_root_pem, "the Coordinator's root"));
    const X509Handle server = parse_der(answer.server_certificate);
    if (chain.size() != 2 || marble_root.size() != 1 || root.size() != 1 || server == nullptr) {
        return malformed("activation: not one leaf, one intermediate and one root each");
    }
    const base::Bytes root_der =
        der_of(root.front().get(), [](X509* one, std::uint8_t** at) { return i2d_X509(one, at); });
    const crypto::Sha256Digest digest = crypto::sha256(root_der);
    if (pin != nullptr && digest != *pin) {
        return refused("coordinator_pin", "the Coordinator is not the one that is pinned");
    }
    X509* const intermediate = chain[1].get();
    if (!issued(root.front().get(), root.front().get()) ||
        !issued(intermediate, root.front().get()) ||
        !same_key(intermediate, marble_root.front().get())) {
        return refused("coordinator_chain", "the intermediate is not the pinned Coordinator's");
    }
    if (!same_key(server.get(), marble_root.front().get())) {
        return refused("coordinator_server", "another than the Coordinator answered");
    }
    TRY_VOID(check_leaf(answer, chain[0].get(), intermediate));
    return digest;
}

}  // namespace adyton::attest::internal
