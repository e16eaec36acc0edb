#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace adyton::http {

enum class TlsVersion { Tls12, Tls13 };

// PEM texts in memory; borrowed for the call. The caller wipes the key afterwards.
struct ServerTlsOptions {
    std::string_view certificate_chain_pem;  // leaf first, then intermediates
    std::string_view private_key_pem;
    // Roots that client certificates must lead to; several certificates in one text are fine.
    std::vector<std::string_view> client_ca_pem;
    // True: a handshake without an acceptable client certificate fails. False with CAs given: a
    // certificate is asked for and, when sent, must verify.
    bool require_client_certificate = true;
};

struct ClientTlsOptions {
    // Roots that server certificates must lead to. Empty: the system's roots.
    std::vector<std::string_view> server_ca_pem;
    std::string_view certificate_chain_pem;  // empty: no client certificate
    std::string_view private_key_pem;
    // Checked in place of the URL's host; empty: the URL's host.
    std::string_view server_name;
    TlsVersion minimum_version = TlsVersion::Tls13;
};

// A loaded set of certificates, key and roots. Immutable and thread safe; shared by connections,
// which keep the one they started with when another is put in its place.
//
// Servers: TLS 1.3 only, ALPN http/1.1, no session resumption and no early data; client
// certificates are checked for the client-authentication purpose. Clients: the server's certificate
// is checked for purpose and host name (SAN; IP addresses too).
class TlsContext {
public:
    // InvalidArgument: unreadable PEM, key and certificate do not belong together, no CA although a
    // client certificate is required.
    static Result<std::shared_ptr<const TlsContext>> create_server(const ServerTlsOptions& options);
    static Result<std::shared_ptr<const TlsContext>> create_client(const ClientTlsOptions& options);

    ~TlsContext();
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;

    struct Handle;  // OpenSSL's side, for this module
    const Handle& handle() const { return *handle_; }

private:
    explicit TlsContext(std::unique_ptr<Handle> handle);
    std::unique_ptr<Handle> handle_;
};

}  // namespace adyton::http
