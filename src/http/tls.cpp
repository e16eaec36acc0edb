#include "http/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <array>
#include <climits>

#include "http/internal/tls_handle.h"

namespace adyton::http {
namespace {

struct Free {
    void operator()(BIO* bio) const { BIO_free(bio); }
    void operator()(X509* certificate) const { X509_free(certificate); }
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using BioPtr = std::unique_ptr<BIO, Free>;
using X509Ptr = std::unique_ptr<X509, Free>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Free>;

constexpr int kChainDepthMax = 8;
// AES-128 first: with AES instructions it is the quickest, and the server chooses.
constexpr const char* kCipherSuites =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* kGroups = "X25519:P-256:P-384";
constexpr std::array<unsigned char, 9> kAlpn = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

Result<BioPtr> memory_bio(std::string_view pem) {
    if (pem.size() > INT_MAX) return Error::invalid_argument("TLS: PEM too large");
    BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    if (!bio) return Error::internal("TLS: out of memory");
    return bio;
}

// An encrypted key must not make the library ask on the terminal.
int no_password(char*, int, int, void*) {
    return -1;
}

Result<std::vector<X509Ptr>> read_certificates(std::string_view pem) {
    TRY(const BioPtr bio, memory_bio(pem));
    std::vector<X509Ptr> certificates;
    ERR_clear_error();
    for (;;) {
        X509Ptr certificate(PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr));
        if (!certificate) break;
        certificates.push_back(std::move(certificate));
    }
    const unsigned long last = ERR_peek_last_error();
    const bool at_end =
        ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    if (!at_end || certificates.empty()) {
        return Error::invalid_argument("TLS: unreadable certificate PEM");
    }
    return certificates;
}

Result<void> use_identity(SSL_CTX* context, std::string_view chain_pem, std::string_view key_pem) {
    TRY(std::vector<X509Ptr> chain, read_certificates(chain_pem));
    TRY(const BioPtr bio, memory_bio(key_pem));
    const KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
    ERR_clear_error();
    if (!key) return Error::invalid_argument("TLS: unreadable private key PEM");
    if (SSL_CTX_use_certificate(context, chain[0].get()) != 1) {
        return Error::invalid_argument("TLS: certificate is not usable");
    }
    for (std::size_t i = 1; i < chain.size(); ++i) {
        if (SSL_CTX_add1_chain_cert(context, chain[i].get()) != 1) {
            return Error::invalid_argument("TLS: certificate chain is not usable");
        }
    }
    if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 ||
        SSL_CTX_check_private_key(context) != 1) {
        ERR_clear_error();
        return Error::invalid_argument("TLS: private key does not belong to the certificate");
    }
    return {};
}

Result<void> trust(SSL_CTX* context, std::string_view pem, bool announce) {
    TRY(const std::vector<X509Ptr> roots, read_certificates(pem));
    for (const X509Ptr& root : roots) {
        if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), root.get()) != 1 ||
            (announce && SSL_CTX_add_client_CA(context, root.get()) != 1)) {
            ERR_clear_error();
            return Error::invalid_argument("TLS: CA certificate is not usable");
        }
    }
    return {};
}

int select_protocol(
    SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered,
    unsigned offered_size, void*) {
    unsigned char* chosen = nullptr;
    const int found =
        SSL_select_next_proto(&chosen, out_size, kAlpn.data(), kAlpn.size(), offered, offered_size);
    *out = chosen;
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

using ContextPtr = std::unique_ptr<SSL_CTX, TlsContext::Handle::Deleter>;

Result<ContextPtr> new_context(const SSL_METHOD* method, int minimum_version) {
    ContextPtr context(SSL_CTX_new(method));
    if (!context || SSL_CTX_set_min_proto_version(context.get(), minimum_version) != 1 ||
        SSL_CTX_set_max_proto_version(context.get(), TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(context.get(), kCipherSuites) != 1 ||
        SSL_CTX_set1_groups_list(context.get(), kGroups) != 1) {
        return Error::internal("TLS: context cannot be made");
    }
    SSL_CTX_set_options(
        context.get(), SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                           SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context.get(), 0);
    SSL_CTX_set_max_early_data(context.get(), 0);
    SSL_CTX_set_verify_depth(context.get(), kChainDepthMax);
    SSL_CTX_set_mode(
        context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context.get(), 1);  // one recv for a record and its header
    return context;
}

}  // namespace

void TlsContext::Handle::Deleter::operator()(ssl_ctx_st* doomed) const {
    SSL_CTX_free(doomed);
}

TlsContext::TlsContext(std::unique_ptr<Handle> handle) : handle_(std::move(handle)) {}
TlsContext::~TlsContext() = default;

Result<std::shared_ptr<const TlsContext>> TlsContext::create_server(
    const ServerTlsOptions& options) {
    TRY(ContextPtr context, new_context(TLS_server_method(), TLS1_3_VERSION));
    TRY_VOID(use_identity(context.get(), options.certificate_chain_pem, options.private_key_pem));
    for (const std::string_view ca : options.client_ca_pem) {
        TRY_VOID(trust(context.get(), ca, true));
    }
    if (options.require_client_certificate && options.client_ca_pem.empty()) {
        return Error::invalid_argument("TLS: client certificates required, but no CA for them");
    }
    int verify = SSL_VERIFY_NONE;
    if (!options.client_ca_pem.empty()) verify = SSL_VERIFY_PEER;
    if (options.require_client_certificate) verify |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(context.get(), verify, nullptr);
    SSL_CTX_set_alpn_select_cb(context.get(), select_protocol, nullptr);
    auto handle = std::make_unique<Handle>();
    handle->context = std::move(context);
    return std::shared_ptr<const TlsContext>(new TlsContext(std::move(handle)));
}

Result<std::shared_ptr<const TlsContext>> TlsContext::create_client(
    const ClientTlsOptions& options) {
    const int minimum =
        options.minimum_version == TlsVersion::Tls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
    TRY(ContextPtr context, new_context(TLS_client_method(), minimum));
    if (!options.certificate_chain_pem.empty()) {
        TRY_VOID(
            use_identity(context.get(), options.certificate_chain_pem, options.private_key_pem));
    }
    for (const std::string_view ca : options.server_ca_pem) {
        TRY_VOID(trust(context.get(), ca, false));
    }
    if (options.server_ca_pem.empty() && SSL_CTX_set_default_verify_paths(context.get()) != 1) {
        return Error::internal("TLS: the system's roots cannot be loaded");
    }
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    if (SSL_CTX_set_alpn_protos(context.get(), kAlpn.data(), kAlpn.size()) != 0) {
        return Error::internal("TLS: context cannot be made");
    }
    auto handle = std::make_unique<Handle>();
    handle->context = std::move(context);
    handle->server_name = std::string(options.server_name);
    return std::shared_ptr<const TlsContext>(new TlsContext(std::move(handle)));
}

}  // namespace adyton::http
