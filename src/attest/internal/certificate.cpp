#include "attest/internal/certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

namespace adyton::attest::internal {
namespace {

struct Free {
    void operator()(X509* certificate) const { X509_free(certificate); }
    void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
    void operator()(BIO* bio) const { BIO_free(bio); }
    void operator()(ASN1_OBJECT* object) const { ASN1_OBJECT_free(object); }
    void operator()(unsigned char* der) const { OPENSSL_free(der); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

std::string text_of(const ASN1_STRING* string) {
    const auto* data = reinterpret_cast<const char*>(ASN1_STRING_get0_data(string));
    return {data, static_cast<std::size_t>(ASN1_STRING_length(string))};
}

// MarbleRun writes the marble type as the extension's octets, without an ASN.1 type of its own.
void read_marble_types(const X509* certificate, CertificateNames& names) {
    const Owned<ASN1_OBJECT> oid(OBJ_txt2obj("1.3.9903.2.1", 1));
    CHECK(oid);
    int at = -1;
    while ((at = X509_get_ext_by_OBJ(certificate, oid.get(), at)) >= 0) {
        const ASN1_OCTET_STRING* data = X509_EXTENSION_get_data(X509_get_ext(certificate, at));
        names.marble_types.push_back(text_of(data));
    }
}

Result<void> read_alternative_names(const X509* certificate, CertificateNames& names) {
    int critical = -1;
    const Owned<GENERAL_NAMES> list(static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, nullptr)));
    if (!list) {
        if (critical == -1) return {};  // there is none
        return Error::invalid_argument("certificate with malformed alternative names");
    }
    for (int i = 0; i < sk_GENERAL_NAME_num(list.get()); ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(list.get(), i);
        if (name->type == GEN_URI) {
            names.uri_names.push_back(text_of(name->d.uniformResourceIdentifier));
        } else if (name->type == GEN_DNS) {
            names.dns_names.push_back(text_of(name->d.dNSName));
        }
    }
    return {};
}

Result<crypto::Sha256Digest> spki_digest(X509* certificate) {
    unsigned char* der = nullptr;
    const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    const Owned<unsigned char> owned(der);
    if (size <= 0) return Error::invalid_argument("certificate without a public key");
    return crypto::sha256({der, static_cast<std::size_t>(size)});
}

}  // namespace

Result<CertificateNames> read_certificate(base::ByteView der) {
    const unsigned char* at = der.data();
    const Owned<X509> certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
    if (!certificate || at != der.data() + der.size()) {
        return Error::invalid_argument("not one certificate in DER");
    }
    CertificateNames names;
    read_marble_types(certificate.get(), names);
    TRY_VOID(read_alternative_names(certificate.get(), names));
    TRY(names.spki, spki_digest(certificate.get()));
    return names;
}

Result<std::vector<base::Bytes>> read_pem(std::string_view pem) {
    const Owned<BIO> input(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    CHECK(input);
    ERR_clear_error();
    std::vector<base::Bytes> out;
    while (true) {
        const Owned<X509> certificate(PEM_read_bio_X509(input.get(), nullptr, nullptr, nullptr));
        if (!certificate) break;
        unsigned char* der = nullptr;
        const int size = i2d_X509(certificate.get(), &der);
        const Owned<unsigned char> owned(der);
        if (size <= 0) return Error::invalid_argument("unreadable certificate");
        out.emplace_back(der, der + size);
    }
    // The end of the text is "no start line"; anything else is a block that could not be read.
    const unsigned long error = ERR_peek_last_error();
    ERR_clear_error();
    const bool at_end =
        ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
    if (!at_end) return Error::invalid_argument("a certificate in PEM that cannot be read");
    if (out.empty()) return Error::invalid_argument("no certificate in PEM");
    return out;
}

}  // namespace adyton::attest::internal
