#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attest/service_id.h"
#include "base/bytes.h"
#include "base/result.h"
#include "crypto/digest.h"
#include "http/message.h"

// Which service is calling (enclave.md 2.3, decisions.md 6, 10, 11). In strict mode only the leaf
// certificate that TLS authenticated says so; headers and bodies may repeat it and nothing else.

namespace adyton::attest {

enum class IdentityMode {
    Strict,
    Development,  // X-Service-ID is believed; loopback listeners only
};
std::string_view to_string(IdentityMode mode);  // "strict", "development"

// Which part of a certificate names the service.
enum class IdentitySource {
    MarbleType,   // extension 1.3.9903.2.1, set by the MarbleRun Coordinator
    UriSan,       // the one URI name, spiffe://TRUST-DOMAIN/SERVICE
    DnsSanExact,  // the one DNS name, whole; the host chooses it, so strict mode wants a flag
    SpkiPin,      // SHA-256 of the subject public key info, listed
    IssuerOnly,   // every certificate of the issuer is the one service it may vouch for
    DevelopmentHeader,
};
std::string_view to_string(IdentitySource source);  // "marble-type", "uri-san", ...
// InvalidArgument: unknown text; "development-header" too, it is no source of a certificate.
Result<IdentitySource> parse_identity_source(std::string_view text);

// Who calls, and how that is known. Cheap to copy: services are few, callers many.
struct Caller {
    ServiceId service_id;
    IdentitySource how = IdentitySource::DevelopmentHeader;
    std::string issuer;  // the profile's name; empty in development without a certificate
};

// One set of certificate authorities and what their certificates may claim. A chain belongs to the
// first profile that lists its trust anchor; profiles must not share one.
struct IssuerProfile {
    std::string name;                  // for logs: "marblerun", "gateway"
    std::vector<base::Bytes> anchors;  // certificates in DER
    IdentitySource source = IdentitySource::MarbleType;
    std::string trust_domain;  // UriSan only
    // The services these authorities may vouch for; never empty.
    std::vector<ServiceId> allowed;
    std::map<crypto::Sha256Digest, ServiceId> pins;  // SpkiPin only
    bool unsafe_dns_names = false;                   // lets a strict suite use DnsSanExact
};

struct IdentityOptions {
    IdentityMode mode = IdentityMode::Strict;
    std::vector<IssuerProfile> issuers;
    // From the name in the certificate to the service it stands for ("accountpool" is
    // "neoaccounts"). Applied to certificates only, never to headers or bodies.
    std::map<std::string, ServiceId, std::less<>> aliases;
};

// The ids of services.md 1.5, and the aliases of the same section.
std::vector<ServiceId> known_services();
std::map<std::string, ServiceId, std::less<>> known_aliases();

// Every certificate of a PEM text, as DER. InvalidArgument: none, or one that cannot be read.
Result<std::vector<base::Bytes>> read_pem_certificates(std::string_view pem);

// What TLS established: the leaf that proved its key and the chain it was verified with, both DER.
// Views are borrowed.
struct VerifiedChain {
    base::ByteView leaf;
    base::ByteView anchor;  // the trusted certificate at the chain's end
};

// Certificates to callers. Immutable after creation, so thread safe.
class CertificateIdentifier {
public:
    // InvalidArgument: no allowed id, an anchor that is no certificate or stands in two profiles,
    // a UriSan profile without trust domain, a SpkiPin profile without pins or with a pin of an id
    // that is not allowed, DnsSanExact in strict mode without `unsafe_dns_names`.
    static Result<CertificateIdentifier> create(IdentityOptions options);

    // Unauthenticated, with a reason:
    //   "unknown_issuer"    the anchor belongs to no profile
    //   "no_identity"       the certificate lacks what the profile reads
    //   "ambiguous_identity"  it has it more than once
    //   "malformed_identity"  not a service id; not a SPIFFE id of the trust domain
    //   "bad_certificate"   the leaf cannot be parsed
    // PermissionDenied, reason "service_not_allowed": a service the issuer may not vouch for.
    Result<Caller> identify(const VerifiedChain& chain) const;

    const IdentityOptions& options() const { return options_; }

private:
    explicit CertificateIdentifier(IdentityOptions options) : options_(std::move(options)) {}
    const IssuerProfile* find_profile(base::ByteView anchor) const;

    IdentityOptions options_;
};

// Resolves the caller of a request. Thread safe; the PeerInfo of a request is touched on its
// connection's loop only, as http/message.h demands.
class IdentityResolver {
public:
    virtual ~IdentityResolver() = default;
    virtual IdentityMode mode() const = 0;
    // Never null. Shared by the connection's cache and the handlers of its requests, which may
    // outlive the connection.
    // Unauthenticated: nobody is known to be calling, reasons as above and "no_certificate",
    // "no_service_header".
    // InvalidArgument, reason "duplicate_header": X-Service-ID stands twice.
    // InvalidArgument, reason "malformed_service_id": the development header is no service id.
    // PermissionDenied, reason "service_id_mismatch": the header names another service than the
    // certificate; "service_not_allowed": see above; "not_loopback": a development header from
    // another machine.
    virtual Result<std::shared_ptr<const Caller>> resolve(const http::Request& request) const = 0;
    // New trust, for connections that were not resolved yet; the others keep what they have until
    // http closes them for their age. CHECKs that the mode stays the same.
    virtual void reload(CertificateIdentifier identifier) = 0;
};

// What the resolver knows of the caller of the connection's latest request; null when nobody is
// known. For access logs, on the connection's loop.
const Caller* latest_caller(const http::PeerInfo& peer);

// Strict: the certificate alone, resolved once a connection. Development: the certificate where
// there is one that an issuer knows, else X-Service-ID from a loopback peer.
std::unique_ptr<IdentityResolver> create_identity_resolver(CertificateIdentifier identifier);

// A service id that the request repeats (header, body or query). An empty text claims nothing.
// PermissionDenied, reason "service_id_mismatch": another text than the caller's id, exactly
// compared; the message is the contract's (services.md 1.5).
Result<void> check_claimed(const Caller& caller, std::string_view claimed);

}  // namespace adyton::attest
