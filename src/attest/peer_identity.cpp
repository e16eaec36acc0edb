#include "attest/peer_identity.h"

#include <algorithm>
#include <array>
#include <set>

#include "attest/internal/certificate.h"
#include "base/check.h"

namespace adyton::attest {
namespace {

using internal::CertificateNames;

constexpr std::array<std::string_view, 12> kKnownServices = {
    "gateway", "globalsigner", "neooracle",   "neofeeds", "neoflow",    "neocompute",
    "neovrf",  "neoaccounts",  "neorequests", "txproxy",  "neogasbank", "neosimulation",
};
constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kKnownAliases = {{
    {"oracle", "neooracle"},
    {"accountpool", "neoaccounts"},
    {"datafeeds", "neofeeds"},
    {"automation", "neoflow"},
    {"confidential", "neocompute"},
    {"vrf", "neovrf"},
    {"tx-proxy", "txproxy"},
    {"requests", "neorequests"},
}};

constexpr std::array<std::pair<IdentitySource, std::string_view>, 6> kSources = {{
    {IdentitySource::MarbleType, "marble-type"},
    {IdentitySource::UriSan, "uri-san"},
    {IdentitySource::DnsSanExact, "dns-san-exact"},
    {IdentitySource::SpkiPin, "spki-pin"},
    {IdentitySource::IssuerOnly, "issuer-only"},
    {IdentitySource::DevelopmentHeader, "development-header"},
}};

ServiceId known(std::string_view text) {
    auto id = ServiceId::parse(text);
    CHECK(id);
    return std::move(id).value();
}

Error no_identity(std::string_view what) {
    return Error::unauthenticated(
        "the client certificate has no " + std::string(what), "no_identity");
}

// The one name of that kind, or the refusal.
Result<std::string> only_one(const std::vector<std::string>& names, std::string_view what) {
    if (names.empty()) return no_identity(what);
    if (names.size() > 1) {
        return Error::unauthenticated(
            "the client certificate has more than one " + std::string(what), "ambiguous_identity");
    }
    return names.front();
}

Error malformed(std::string_view what) {
    return Error::unauthenticated(
        "the client certificate's " + std::string(what) + " names no service",
        "malformed_identity");
}

// spiffe://TRUST-DOMAIN/SERVICE, the service being the whole path.
Result<std::string> spiffe_service(const std::string& uri, const std::string& trust_domain) {
    const std::string prefix = "spiffe://" + trust_domain + "/";
    if (!uri.starts_with(prefix)) return malformed("URI name");
    return uri.substr(prefix.size());
}

using Aliases = std::map<std::string, ServiceId, std::less<>>;

Result<ServiceId> service_of_name(
    const std::string& name, const Aliases& aliases, std::string_view what) {
    const auto alias = aliases.find(name);
    if (alias != aliases.end()) return alias->second;
    auto id = ServiceId::parse(name);
    if (!id) return malformed(what);
    return id;
}

// The service by what the profile reads, before the question whether it may be vouched for.
Result<ServiceId> read_service(
    const CertificateNames& names, const IssuerProfile& profile, const Aliases& aliases) {
    switch (profile.source) {
        case IdentitySource::MarbleType: {
            TRY(const auto type, only_one(names.marble_types, "marble type"));
            return service_of_name(type, aliases, "marble type");
        }
        case IdentitySource::UriSan: {
            TRY(const auto uri, only_one(names.uri_names, "URI name"));
            TRY(const auto service, spiffe_service(uri, profile.trust_domain));
            return service_of_name(service, aliases, "URI name");
        }
        case IdentitySource::DnsSanExact: {
            TRY(const auto name, only_one(names.dns_names, "DNS name"));
            return service_of_name(name, aliases, "DNS name");
        }
        case IdentitySource::SpkiPin: {
            const auto pin = profile.pins.find(names.spki);
            if (pin == profile.pins.end()) return no_identity("pinned key");
            return pin->second;
        }
        case IdentitySource::IssuerOnly:
            return profile.allowed.front();
        case IdentitySource::DevelopmentHeader:
            break;
    }
    return Error::internal("an issuer profile without a certificate source");
}

// A certificate of another profile must not carry the Coordinator's extension with another name.
Result<void> check_marble_types(
    const CertificateNames& names, const ServiceId& service, const Aliases& aliases) {
    for (const std::string& type : names.marble_types) {
        const auto claimed = service_of_name(type, aliases, "marble type");
        if (!claimed || *claimed != service) {
            return Error::unauthenticated(
                "the client certificate carries a marble type that its issuer may not set",
                "ambiguous_identity");
        }
    }
    return {};
}

Result<void> check_source(const IssuerProfile& profile, IdentityMode mode) {
    const std::string who = "issuer profile \"" + profile.name + "\": ";
    if (profile.source == IdentitySource::DevelopmentHeader) {
        return Error::invalid_argument(who + "its source is no part of a certificate");
    }
    if (profile.source == IdentitySource::UriSan && profile.trust_domain.empty()) {
        return Error::invalid_argument(who + "uri-san needs a trust_domain");
    }
    if (profile.source == IdentitySource::IssuerOnly && profile.allowed.size() != 1) {
        return Error::invalid_argument(who + "issuer-only needs exactly one allowed service");
    }
    if (profile.source == IdentitySource::SpkiPin && profile.pins.empty()) {
        return Error::invalid_argument(who + "spki-pin needs pins");
    }
    if (profile.source == IdentitySource::DnsSanExact && mode == IdentityMode::Strict &&
        !profile.unsafe_dns_names) {
        return Error::invalid_argument(
            who +
            "DNS names are chosen by the host; strict mode takes them only with "
            "unsafe_dns_names = true");
    }
    return {};
}

bool contains(const std::vector<ServiceId>& ids, const ServiceId& id) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
}

Result<void> check_profile(
    const IssuerProfile& profile, IdentityMode mode, std::set<base::Bytes>& anchors) {
    const std::string who = "issuer profile \"" + profile.name + "\": ";
    if (profile.allowed.empty()) return Error::invalid_argument(who + "no allowed service");
    if (profile.anchors.empty()) return Error::invalid_argument(who + "no certificate authority");
    TRY_VOID(check_source(profile, mode));
    for (const auto& [digest, id] : profile.pins) {
        if (!contains(profile.allowed, id)) {
            return Error::invalid_argument(who + "a pin of a service that is not allowed");
        }
    }
    for (const base::Bytes& anchor : profile.anchors) {
        if (!internal::read_certificate(anchor)) {
            return Error::invalid_argument(who + "an authority that is no certificate");
        }
        if (!anchors.insert(anchor).second) {
            return Error::invalid_argument(
                who +
                "an authority that stands twice; which services it may vouch for would be "
                "unclear");
        }
    }
    return {};
}

}  // namespace

std::string_view to_string(IdentityMode mode) {
    return mode == IdentityMode::Strict ? "strict" : "development";
}

std::string_view to_string(IdentitySource source) {
    for (const auto& [value, text] : kSources) {
        if (value == source) return text;
    }
    return "unknown";
}

Result<IdentitySource> parse_identity_source(std::string_view text) {
    for (const auto& [value, name] : kSources) {
        if (name == text && value != IdentitySource::DevelopmentHeader) return value;
    }
    return Error::invalid_argument(
        "an identity source is marble-type, uri-san, dns-san-exact, spki-pin or issuer-only");
}

std::vector<ServiceId> known_services() {
    std::vector<ServiceId> ids;
    for (const std::string_view text : kKnownServices) ids.push_back(known(text));
    return ids;
}

Aliases known_aliases() {
    Aliases aliases;
    for (const auto& [name, service] : kKnownAliases) aliases.emplace(name, known(service));
    return aliases;
}

Result<std::vector<base::Bytes>> read_pem_certificates(std::string_view pem) {
    return internal::read_pem(pem);
}

Result<CertificateIdentifier> CertificateIdentifier::create(IdentityOptions options) {
    std::set<base::Bytes> anchors;
    for (const IssuerProfile& profile : options.issuers) {
        TRY_VOID(check_profile(profile, options.mode, anchors));
    }
    return CertificateIdentifier(std::move(options));
}

const IssuerProfile* CertificateIdentifier::find_profile(base::ByteView anchor) const {
    for (const IssuerProfile& profile : options_.issuers) {
        for (const base::Bytes& known_anchor : profile.anchors) {
            if (std::equal(
                    known_anchor.begin(), known_anchor.end(), anchor.begin(), anchor.end())) {
                return &profile;
            }
        }
    }
    return nullptr;
}

Result<Caller> CertificateIdentifier::identify(const VerifiedChain& chain) const {
    const IssuerProfile* profile = find_profile(chain.anchor);
    if (profile == nullptr) {
        return Error::unauthenticated(
            "no issuer profile knows the authority of the client certificate", "unknown_issuer");
    }
    const auto names = internal::read_certificate(chain.leaf);
    if (!names) {
        return Error::unauthenticated("the client certificate cannot be read", "bad_certificate");
    }
    TRY(auto service, read_service(*names, *profile, options_.aliases));
    if (profile->source != IdentitySource::MarbleType) {
        TRY_VOID(check_marble_types(*names, service, options_.aliases));
    }
    if (!contains(profile->allowed, service)) {
        return Error::permission_denied(
            "the issuer of the client certificate may not vouch for its service",
            "service_not_allowed");
    }
    return Caller{std::move(service), profile->source, profile->name};
}

Result<void> check_claimed(const Caller& caller, std::string_view claimed) {
    if (claimed.empty() || claimed == caller.service_id.text()) return {};
    return Error::permission_denied(
        "service_id does not match authenticated service", "service_id_mismatch");
}

}  // namespace adyton::attest
