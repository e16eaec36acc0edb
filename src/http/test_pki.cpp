#include "http/test_pki.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <array>

#include "base/check.h"

namespace adyton::http {
namespace {

struct Free {
    void operator()(BIO* bio) const { BIO_free(bio); }
    void operator()(X509* certificate) const { X509_free(certificate); }
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
    void operator()(ASN1_OBJECT* object) const { ASN1_OBJECT_free(object); }
    void operator()(ASN1_OCTET_STRING* text) const { ASN1_OCTET_STRING_free(text); }
};
template <typename T>
using Ptr = std::unique_ptr<T, Free>;

constexpr const char* kMarbleTypeOid = "1.3.9903.2.1";

Ptr<EVP_PKEY> new_key() {
    Ptr<EVP_PKEY> key(EVP_EC_gen("P-256"));
    CHECK(key);
    return key;
}

std::string text_of(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    CHECK(size > 0);
    return {data, static_cast<std::size_t>(size)};
}

std::string pem_of(X509* certificate) {
    const Ptr<BIO> bio(BIO_new(BIO_s_mem()));
    CHECK(bio && PEM_write_bio_X509(bio.get(), certificate) == 1);
    return text_of(bio.get());
}

std::string pem_of(EVP_PKEY* key) {
    const Ptr<BIO> bio(BIO_new(BIO_s_mem()));
    CHECK(
        bio &&
        PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
    return text_of(bio.get());
}

// `value` in the syntax of x509v3_config(5).
void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    const Ptr<X509_EXTENSION> extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
    CHECK(extension && X509_add_ext(certificate, extension.get(), -1) == 1);
}

void add_marble_type(X509* certificate, const std::string& name) {
    const Ptr<ASN1_OBJECT> oid(OBJ_txt2obj(kMarbleTypeOid, 1));
    const Ptr<ASN1_OCTET_STRING> content(ASN1_OCTET_STRING_new());
    CHECK(oid && content);
    CHECK(
        ASN1_OCTET_STRING_set(
            content.get(), reinterpret_cast<const unsigned char*>(name.data()),
            static_cast<int>(name.size())) == 1);
    const Ptr<X509_EXTENSION> extension(
        X509_EXTENSION_create_by_OBJ(nullptr, oid.get(), 0, content.get()));
    CHECK(extension && X509_add_ext(certificate, extension.get(), -1) == 1);
}

// Serial, names, validity and public key; extensions and signature come later.
Ptr<X509> new_certificate(
    const std::string& common_name, X509* issuer, EVP_PKEY* key, std::chrono::seconds from,
    std::chrono::seconds until) {
    Ptr<X509> certificate(X509_new());
    CHECK(certificate && X509_set_version(certificate.get(), X509_VERSION_3) == 1);
    std::array<unsigned char, 8> serial{};
    CHECK(RAND_bytes(serial.data(), static_cast<int>(serial.size())) == 1);
    std::uint64_t number = 0;
    for (const unsigned char byte : serial) number = number << 8 | byte;
    CHECK(ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), number >> 1) == 1);
    CHECK(X509_gmtime_adj(X509_getm_notBefore(certificate.get()), from.count()) != nullptr);
    CHECK(X509_gmtime_adj(X509_getm_notAfter(certificate.get()), until.count()) != nullptr);
    X509_NAME* const name = X509_get_subject_name(certificate.get());
    CHECK(
        X509_NAME_add_entry_by_txt(
            name, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(common_name.c_str()),
            -1, -1, 0) == 1);
    X509* const signer = issuer != nullptr ? issuer : certificate.get();
    CHECK(X509_set_issuer_name(certificate.get(), X509_get_subject_name(signer)) == 1);
    CHECK(X509_set_pubkey(certificate.get(), key) == 1);
    return certificate;
}

void sign(X509* certificate, EVP_PKEY* key) {
    CHECK(X509_sign(certificate, key, EVP_sha256()) > 0);
}

std::string alternative_names(const LeafOptions& options) {
    std::string names;
    const auto add = [&](const char* kind, const std::vector<std::string>& values) {
        for (const std::string& value : values) {
            if (!names.empty()) names += ",";
            names += kind + value;
        }
    };
    add("DNS:", options.dns_names);
    add("IP:", options.ip_addresses);
    add("URI:", options.uris);
    return names;
}

void add_leaf_extensions(X509* certificate, X509* issuer, const LeafOptions& options) {
    add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE");
    add_extension(certificate, issuer, NID_key_usage, "critical,digitalSignature");
    std::string usage;
    if (options.for_server) usage = "serverAuth";
    if (options.for_client) usage += usage.empty() ? "clientAuth" : ",clientAuth";
    if (!usage.empty()) add_extension(certificate, issuer, NID_ext_key_usage, usage);
    const std::string names = alternative_names(options);
    if (!names.empty()) add_extension(certificate, issuer, NID_subject_alt_name, names);
    for (const std::string& type : options.marble_types) add_marble_type(certificate, type);
}

void add_ca_extensions(X509* certificate, X509* issuer) {
    add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(certificate, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
    add_extension(certificate, issuer, NID_subject_key_identifier, "hash");
}

constexpr auto kCaValidity = std::chrono::hours(24 * 30);

}  // namespace

struct TestCa::Impl {
    Ptr<X509> certificate;
    Ptr<EVP_PKEY> key;
    std::string own_pem;
    std::string intermediates_pem;  // this one and those above it, without the root
};

TestCa::TestCa(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TestCa::TestCa(TestCa&& other) noexcept = default;
TestCa& TestCa::operator=(TestCa&& other) noexcept = default;
TestCa::~TestCa() = default;

TestCa TestCa::create_root(const std::string& common_name) {
    auto impl = std::make_unique<Impl>();
    impl->key = new_key();
    impl->certificate =
        new_certificate(common_name, nullptr, impl->key.get(), std::chrono::hours(-1), kCaValidity);
    add_ca_extensions(impl->certificate.get(), impl->certificate.get());
    sign(impl->certificate.get(), impl->key.get());
    impl->own_pem = pem_of(impl->certificate.get());
    return TestCa(std::move(impl));
}

TestCa TestCa::create_intermediate(const std::string& common_name) const {
    auto impl = std::make_unique<Impl>();
    impl->key = new_key();
    impl->certificate = new_certificate(
        common_name, impl_->certificate.get(), impl->key.get(), std::chrono::hours(-1),
        kCaValidity);
    add_ca_extensions(impl->certificate.get(), impl_->certificate.get());
    sign(impl->certificate.get(), impl_->key.get());
    impl->own_pem = pem_of(impl->certificate.get());
    impl->intermediates_pem = impl->own_pem + impl_->intermediates_pem;
    return TestCa(std::move(impl));
}

TestCa TestCa::create_twin_root() const {
    auto impl = std::make_unique<Impl>();
    CHECK(EVP_PKEY_up_ref(impl_->key.get()) == 1);
    impl->key.reset(impl_->key.get());
    impl->certificate =
        new_certificate("twin", nullptr, impl->key.get(), std::chrono::hours(-1), kCaValidity);
    X509_NAME* const name = X509_get_subject_name(impl_->certificate.get());
    CHECK(X509_set_subject_name(impl->certificate.get(), name) == 1);
    CHECK(X509_set_issuer_name(impl->certificate.get(), name) == 1);
    add_ca_extensions(impl->certificate.get(), impl->certificate.get());
    sign(impl->certificate.get(), impl->key.get());
    impl->own_pem = pem_of(impl->certificate.get());
    return TestCa(std::move(impl));
}

PemIdentity TestCa::issue(const LeafOptions& options) const {
    const Ptr<EVP_PKEY> key = new_key();
    const Ptr<X509> certificate = new_certificate(
        options.common_name, impl_->certificate.get(), key.get(), options.valid_from,
        options.valid_until);
    add_leaf_extensions(certificate.get(), impl_->certificate.get(), options);
    sign(certificate.get(), impl_->key.get());
    return {pem_of(certificate.get()) + impl_->intermediates_pem, pem_of(key.get())};
}

PemIdentity TestCa::self_signed(const LeafOptions& options) {
    const Ptr<EVP_PKEY> key = new_key();
    const Ptr<X509> certificate = new_certificate(
        options.common_name, nullptr, key.get(), options.valid_from, options.valid_until);
    add_leaf_extensions(certificate.get(), certificate.get(), options);
    sign(certificate.get(), key.get());
    return {pem_of(certificate.get()), pem_of(key.get())};
}

const std::string& TestCa::certificate_pem() const {
    return impl_->own_pem;
}

}  // namespace adyton::http
