#include "attest/internal/x509.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include <algorithm>

#include "attest/refusal.h"
#include "base/check.h"

namespace adyton::attest::internal {
namespace {

struct Free {
    void operator()(X509_CRL* crl) const { X509_CRL_free(crl); }
    void operator()(X509_STORE* store) const { X509_STORE_free(store); }
    void operator()(X509_STORE_CTX* context) const { X509_STORE_CTX_free(context); }
    void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
    void operator()(ECDSA_SIG* signature) const { ECDSA_SIG_free(signature); }
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
    void operator()(ASN1_OBJECT* object) const { ASN1_OBJECT_free(object); }
    void operator()(unsigned char* der) const { OPENSSL_free(der); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

constexpr std::size_t kDerBytesMax = 64 * 1024;
constexpr std::size_t kChainMax = 8;
constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----\n";
constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
constexpr std::size_t kPemLine = 64;

X509* native(const Certificate& certificate) {
    return static_cast<X509*>(certificate.handle());
}

// libcrypto's error queue belongs to the thread: what a refused input left there is of no use.
void forget_errors() {
    ERR_clear_error();
}

template <typename T>
base::Bytes encode(const T* object, int (*to_der)(const T*, unsigned char**)) {
    unsigned char* der = nullptr;
    const int size = to_der(object, &der);
    const Owned<unsigned char> owned(der);
    if (size <= 0) return {};
    return {der, der + size};
}

// The base64 lines of one block: each of 64 characters but the last, which is not empty.
Result<base::Bytes> decode_block(std::string_view body) {
    std::string text;
    while (!body.empty()) {
        const std::size_t end = body.find('\n');
        if (end == std::string_view::npos) return malformed("PEM line without an end");
        const std::string_view line = body.substr(0, end);
        body.remove_prefix(end + 1);
        const bool last = body.empty();
        if (line.empty() || line.size() > kPemLine || (!last && line.size() != kPemLine)) {
            return malformed("PEM line of another length than 64");
        }
        if (line.find('\r') != std::string_view::npos) return malformed("PEM line with CR");
        text += line;
    }
    auto der = base::base64_decode(text);
    if (!der || der->empty()) return malformed("PEM block is not base64");
    return std::move(*der);
}

Owned<X509_CRL> parse_crl(base::ByteView der) {
    if (der.size() > kDerBytesMax) return nullptr;
    const unsigned char* at = der.data();
    Owned<X509_CRL> crl(d2i_X509_CRL(nullptr, &at, static_cast<long>(der.size())));
    forget_errors();
    if (!crl || at != der.data() + der.size()) return nullptr;
    const base::Bytes again = encode<X509_CRL>(crl.get(), i2d_X509_CRL);
    if (!std::equal(again.begin(), again.end(), der.begin(), der.end())) return nullptr;
    return crl;
}

enum class Look { Trust, Revocation, Time };

// Runs libcrypto's path validation once; the result is its X509_V_* code.
Result<int> validate(const ChainCheck& check, Look look, base::Timestamp at) {
    const Owned<X509_STORE> store(X509_STORE_new());
    const Owned<STACK_OF(X509)> untrusted(sk_X509_new_null());
    const Owned<X509_STORE_CTX> context(X509_STORE_CTX_new());
    CHECK(store && untrusted && context);
    CHECK(X509_STORE_add_cert(store.get(), native(*check.root)) == 1);
    for (const Certificate* one : check.intermediates) {
        CHECK(sk_X509_push(untrusted.get(), native(*one)) > 0);
    }
    unsigned long flags = check.strict ? X509_V_FLAG_X509_STRICT : 0UL;
    if (look != Look::Trust && !check.crls.empty()) {
        flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
        for (const base::ByteView der : check.crls) {
            const Owned<X509_CRL> crl = parse_crl(der);
            if (!crl) return malformed("revocation list is not canonical DER");
            CHECK(X509_STORE_add_crl(store.get(), crl.get()) == 1);
        }
    }
    if (look != Look::Time) flags |= X509_V_FLAG_NO_CHECK_TIME;
    CHECK(X509_STORE_set_flags(store.get(), flags) == 1);
    CHECK(
        X509_STORE_CTX_init(context.get(), store.get(), native(*check.leaf), untrusted.get()) == 1);
    if (look == Look::Time) {
        const auto seconds = std::chrono::floor<std::chrono::seconds>(at).time_since_epoch();
        X509_STORE_CTX_set_time(context.get(), 0, static_cast<time_t>(seconds.count()));
    }
    const int done = X509_verify_cert(context.get());
    const int code = X509_STORE_CTX_get_error(context.get());
    forget_errors();
    if (done == 1) return X509_V_OK;
    return code == X509_V_OK ? static_cast<int>(X509_V_ERR_UNSPECIFIED) : code;
}

std::string what(const char* subject, int code) {
    return std::string(subject) + ": " + X509_verify_cert_error_string(code);
}

Owned<EVP_PKEY> p256_key(const std::array<std::uint8_t, 64>& key) {
    std::array<unsigned char, 65> point{};
    point[0] = 4;
    std::copy(key.begin(), key.end(), point.begin() + 1);
    std::array<char, 11> group = {"prime256v1"};
    const std::array<OSSL_PARAM, 3> parameters = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group.data(), 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()),
        OSSL_PARAM_construct_end()};
    const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
    CHECK(context && EVP_PKEY_fromdata_init(context.get()) == 1);
    EVP_PKEY* made = nullptr;
    const int done = EVP_PKEY_fromdata(
        context.get(), &made, EVP_PKEY_PUBLIC_KEY, const_cast<OSSL_PARAM*>(parameters.data()));
    forget_errors();
    if (done != 1) return nullptr;
    return Owned<EVP_PKEY>(made);
}

bool verify_ecdsa(
    EVP_PKEY* key, const EVP_MD* digest, base::ByteView message, base::ByteView r,
    base::ByteView s) {
    const Owned<ECDSA_SIG> signature(ECDSA_SIG_new());
    CHECK(signature);
    BIGNUM* const big_r = BN_bin2bn(r.data(), static_cast<int>(r.size()), nullptr);
    BIGNUM* const big_s = BN_bin2bn(s.data(), static_cast<int>(s.size()), nullptr);
    CHECK(big_r != nullptr && big_s != nullptr);
    CHECK(ECDSA_SIG_set0(signature.get(), big_r, big_s) == 1);
    const base::Bytes der = encode<ECDSA_SIG>(signature.get(), i2d_ECDSA_SIG);
    const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
    CHECK(context);
    const bool good =
        EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key) == 1 &&
        EVP_DigestVerify(context.get(), der.data(), der.size(), message.data(), message.size()) ==
            1;
    forget_errors();
    return good;
}

}  // namespace

Result<std::vector<base::Bytes>> parse_pem_chain(std::string_view pem) {
    std::vector<base::Bytes> out;
    while (!pem.empty()) {
        if (out.size() == kChainMax) return malformed("too many certificates");
        if (!pem.starts_with(kBegin)) return malformed("not a chain of PEM certificates");
        pem.remove_prefix(kBegin.size());
        const std::size_t end = pem.find(kEnd);
        if (end == std::string_view::npos) return malformed("PEM block without an end");
        TRY(base::Bytes der, decode_block(pem.substr(0, end)));
        out.push_back(std::move(der));
        pem.remove_prefix(end + kEnd.size());
        if (!pem.empty() && pem.front() != '\n') return malformed("bytes after a PEM block");
        if (!pem.empty()) pem.remove_prefix(1);
    }
    if (out.empty()) return malformed("no certificate");
    return out;
}

Result<std::vector<base::Bytes>> parse_pem_file(std::string_view pem) {
    std::string unix_text;
    std::copy_if(
        pem.begin(), pem.end(), std::back_inserter(unix_text), [](char c) { return c != '\r'; });
    std::string_view rest = unix_text;
    std::string chain;
    while (true) {
        const std::size_t begin = rest.find(kBegin);
        if (begin == std::string_view::npos) break;
        rest.remove_prefix(begin);
        const std::size_t end = rest.find(kEnd);
        if (end == std::string_view::npos) return malformed("PEM block without an end");
        chain += rest.substr(0, end + kEnd.size());
        chain += '\n';
        rest.remove_prefix(end + kEnd.size());
    }
    return parse_pem_chain(chain);
}

void X509Deleter::operator()(void* certificate) const {
    X509_free(static_cast<X509*>(certificate));
}

Result<Certificate> Certificate::parse(base::ByteView der) {
    if (der.size() > kDerBytesMax) return malformed("certificate is too long");
    const unsigned char* at = der.data();
    Certificate out;
    out.certificate_.reset(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
    forget_errors();
    if (!out.certificate_ || at != der.data() + der.size()) {
        return malformed("not one certificate in DER");
    }
    out.der_.assign(der.begin(), der.end());
    if (encode<X509>(native(out), i2d_X509) != out.der_) {
        return malformed("certificate is not canonical DER");
    }
    return out;
}

std::string Certificate::common_name() const {
    const X509_NAME* const name = X509_get_subject_name(native(*this));
    const int first = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    if (first < 0 || X509_NAME_get_index_by_NID(name, NID_commonName, first) >= 0) return {};
    unsigned char* text = nullptr;
    const int size =
        ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, first)));
    const Owned<unsigned char> owned(text);
    if (size < 0) {
        forget_errors();
        return {};
    }
    return {reinterpret_cast<const char*>(text), static_cast<std::size_t>(size)};
}

std::optional<base::Bytes> Certificate::extension(const char* oid) const {
    const Owned<ASN1_OBJECT> object(OBJ_txt2obj(oid, 1));
    CHECK(object);
    const int first = X509_get_ext_by_OBJ(native(*this), object.get(), -1);
    if (first < 0 || X509_get_ext_by_OBJ(native(*this), object.get(), first) >= 0) {
        return std::nullopt;
    }
    const ASN1_OCTET_STRING* data = X509_EXTENSION_get_data(X509_get_ext(native(*this), first));
    const unsigned char* bytes = ASN1_STRING_get0_data(data);
    return base::Bytes(bytes, bytes + ASN1_STRING_length(data));
}

bool Certificate::verifies(base::ByteView message, base::ByteView r, base::ByteView s) const {
    EVP_PKEY* const key = X509_get0_pubkey(native(*this));
    if (key == nullptr || EVP_PKEY_get_base_id(key) != EVP_PKEY_EC) return false;
    const int bits = EVP_PKEY_get_bits(key);
    if (bits != 256 && bits != 384) return false;
    return verify_ecdsa(key, bits == 384 ? EVP_sha384() : EVP_sha256(), message, r, s);
}

Result<void> chain_is_trusted(const ChainCheck& check) {
    TRY(const int code, validate(check, Look::Trust, {}));
    if (code == X509_V_OK) return {};
    return refused(kUntrusted, what("certificate chain", code));
}

Result<void> chain_is_not_revoked(const ChainCheck& check) {
    TRY(const int code, validate(check, Look::Revocation, {}));
    switch (code) {
        case X509_V_OK:
            return {};
        case X509_V_ERR_CERT_REVOKED:
            return refused(kRevoked, "a certificate of the chain is revoked");
        case X509_V_ERR_CRL_SIGNATURE_FAILURE:
            return refused(kBadSignature, what("revocation list", code));
        default:
            return refused(kUntrusted, what("revocation list", code));
    }
}

Result<void> chain_is_current(const ChainCheck& check, base::Timestamp at) {
    TRY(const int code, validate(check, Look::Time, at));
    if (code == X509_V_OK) return {};
    return refused(kExpired, what("certificate chain", code));
}

bool verify_p256(
    const std::array<std::uint8_t, 64>& key, base::ByteView message,
    const std::array<std::uint8_t, 64>& signature) {
    const Owned<EVP_PKEY> parsed = p256_key(key);
    if (!parsed) return false;
    const base::ByteView view = signature;
    return verify_ecdsa(parsed.get(), EVP_sha256(), message, view.first(32), view.subspan(32));
}

Result<std::vector<DerValue>> der_values(base::ByteView bytes) {
    std::vector<DerValue> out;
    const unsigned char* at = bytes.data();
    const unsigned char* const end = bytes.data() + bytes.size();
    while (at != end) {
        long length = 0;
        int tag = 0;
        int group = 0;
        const int kind = ASN1_get_object(&at, &length, &tag, &group, end - at);
        forget_errors();
        const bool constructed = (kind & V_ASN1_CONSTRUCTED) != 0;
        if ((kind & 0x80) != 0 || (kind & 1) != 0 || group != V_ASN1_UNIVERSAL ||
            constructed != (tag == V_ASN1_SEQUENCE || tag == V_ASN1_SET) || length > end - at) {
            return malformed("extension is not DER");
        }
        out.push_back({tag, {at, static_cast<std::size_t>(length)}});
        at += length;
    }
    return out;
}

Result<std::uint64_t> der_unsigned(const DerValue& value) {
    const base::ByteView bytes = value.content;
    const bool number = value.tag == V_ASN1_INTEGER && !bytes.empty() && bytes.size() <= 9;
    if (!number || (bytes[0] & 0x80) != 0 || (bytes.size() == 9 && bytes[0] != 0)) {
        return malformed("extension holds no number");
    }
    std::uint64_t out = 0;
    for (const std::uint8_t byte : bytes) out = (out << 8) | byte;
    return out;
}

}  // namespace adyton::attest::internal
