#include "service/startup.h"

#include <algorithm>
#include <array>

#include "attest/attestation_service.h"
#include "base/check.h"
#include "crypto/secret.h"

namespace adyton::service {
namespace {

constexpr std::array<std::string_view, 3> kHostVariables = {
    "MARBLE_ENV", "ENVIRONMENT", "OE_SIMULATION"};

struct Obsolete {
    std::string_view variable;
    std::string_view message;
};
constexpr std::array<Obsolete, 6> kObsolete = {{
    {"NEOACCOUNTS_ALLOW_EPHEMERAL_MASTER_KEY",
     "has no effect: the pool never starts without a master key"},
    {"SUPABASE_URL",
     "has no effect: a Supabase project is used by its PostgreSQL URL, DATABASE_URL"},
    {"SUPABASE_SERVICE_KEY",
     "has no effect: a Supabase project is used by its PostgreSQL URL, DATABASE_URL"},
    {"SUPABASE_REST_PREFIX", "has no effect: storage is reached by DATABASE_URL"},
    {"SUPABASE_ALLOW_INSECURE", "has no effect: storage is reached by DATABASE_URL"},
    {"LOG_FORMAT", "has no effect: log lines are JSON"},
}};

std::string lower(std::string text) {
    for (char& c : text) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    }
    return text;
}

std::string variable(const ConfigInputs& inputs, std::string_view name) {
    const auto found = inputs.environment.find(std::string(name));
    return found == inputs.environment.end() ? std::string() : found->second;
}

class Checks {
public:
    explicit Checks(const Config& config) : config_(config) {}

    template <typename T>
    void not_above(Key<T> low, Key<T> high) {
        if (config_.get(low) > config_.get(high)) {
            add(low.name,
                "is more than " + std::string(high.name) + " (" + config_.where(high.name) + ")");
        }
    }
    void add(std::string_view key, const std::string& message) {
        if (!problems_.empty()) problems_.push_back('\n');
        problems_ += config_.where(key) + ": " + std::string(key) + ": " + message;
    }
    Result<void> result() const {
        if (problems_.empty()) return {};
        return Error::invalid_argument(problems_, "configuration");
    }

private:
    const Config& config_;
    std::string problems_;
};

Result<void> check_settings(const Config& config) {
    using namespace settings;
    Checks checks(config);
    checks.not_above(kPoolMinAccounts, kPoolMaxAccounts);
    checks.not_above(kPoolLockTtlDefault, kPoolLockTtlMax);
    checks.not_above(kTransfersPollMin, kTransfersPollMax);
    checks.not_above(kHttpHeaderTimeout, kHttpReadTimeout);
    if (config.get(kTlsCertificate).has_value() != config.get(kTlsKey).has_value()) {
        const bool key = config.get(kTlsKey).has_value();
        checks.add(
            key ? kTlsKey.name : kTlsCertificate.name,
            key ? "needs tls.certificate too" : "needs tls.key too");
    }
    if (!config.get(kPolicyFile).empty() && config.get(kPolicyRules).size() > 0) {
        checks.add(kPolicyFile.name, "policy.rules is set too; one of them is enough");
    }
    if (config.get(kListen).empty()) checks.add(kListen.name, "must not be empty");
    if (config.get(kDataDir).empty()) checks.add(kDataDir.name, "must not be empty");
    return checks.result();
}

Error with_setting(Error error, std::string_view key) {
    return std::move(error).with_context(key);
}

Result<std::vector<attest::ServiceId>> parse_services(const TextList& texts, std::string_view key) {
    std::vector<attest::ServiceId> ids;
    for (const std::string& text : texts) {
        auto id = attest::ServiceId::parse(text);
        if (!id) return with_setting(std::move(id).error(), key);
        ids.push_back(std::move(id).value());
    }
    return ids;
}

Result<std::vector<attest::ServiceId>> allowed_services(const Config& config) {
    using namespace settings;
    TRY(auto ids, parse_services(config.get(kIdentityServices), kIdentityServices.name));
    if (ids.empty()) ids = attest::known_services();
    TRY(auto extra,
        parse_services(config.get(kIdentityExtraServices), kIdentityExtraServices.name));
    for (auto& id : extra) {
        if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(std::move(id));
    }
    return ids;
}

Result<std::map<std::string, attest::ServiceId, std::less<>>> parse_aliases(const Config& config) {
    const base::Json& section = config.get(settings::kIdentityAliases);
    if (config.origin(settings::kIdentityAliases.name) == Origin::Default) {
        return attest::known_aliases();
    }
    std::map<std::string, attest::ServiceId, std::less<>> aliases;
    for (const auto& [name, value] : section.members()) {
        auto id = attest::ServiceId::parse(value.is_string() ? value.string_value() : "");
        if (!id) return with_setting(std::move(id).error(), "identity.aliases." + name);
        aliases.emplace(name, std::move(id).value());
    }
    return aliases;
}

// The members of one table of identity.issuers, with every mistake named.
class IssuerTable {
public:
    IssuerTable(std::string name, const base::Json& table)
        : path_("identity.issuers." + name), name_(std::move(name)), table_(table) {}

    Result<attest::IssuerProfile> read(attest::SecretReference& authority) const {
        TRY_VOID(check_members());
        attest::IssuerProfile profile;
        profile.name = name_;
        TRY(authority, read_authority());
        TRY(const auto source, text("source"));
        auto parsed = attest::parse_identity_source(source);
        if (!parsed) return with_setting(std::move(parsed).error(), path_);
        profile.source = *parsed;
        TRY(profile.allowed, read_services());
        if (table_.find("trust_domain") != nullptr) {
            TRY(profile.trust_domain, text("trust_domain"));
        }
        TRY(profile.pins, read_pins());
        if (const base::Json* flag = table_.find("unsafe_dns_names")) {
            if (!flag->is_boolean()) return wants("unsafe_dns_names", "true or false");
            profile.unsafe_dns_names = flag->boolean_value();
        }
        return profile;
    }

private:
    Error wants(std::string_view member, std::string_view what) const {
        return Error::invalid_argument(
            path_ + "." + std::string(member) + ": wants " + std::string(what));
    }

    Result<void> check_members() const {
        constexpr std::array<std::string_view, 6> kKnown = {
            "ca", "source", "services", "trust_domain", "pins", "unsafe_dns_names"};
        if (!table_.is_object()) return Error::invalid_argument(path_ + ": wants a table");
        for (const auto& [member, value] : table_.members()) {
            if (std::find(kKnown.begin(), kKnown.end(), member) == kKnown.end()) {
                return Error::invalid_argument(
                    path_ + "." + member +
                    ": no such setting; an issuer has ca, source, services, trust_domain, pins and "
                    "unsafe_dns_names");
            }
        }
        return {};
    }

    Result<std::string> text(std::string_view member) const {
        const base::Json* value = table_.find(member);
        if (value == nullptr || !value->is_string()) return wants(member, "text");
        return value->string_value();
    }

    Result<attest::SecretReference> read_authority() const {
        const base::Json* value = table_.find("ca");
        if (value != nullptr && value->is_object() && value->size() == 1) {
            const auto& [kind, name] = value->members().front();
            if (name.is_string()) {
                auto reference = attest::SecretReference::parse(kind + ":" + name.string_value());
                if (reference) return reference;
            }
        }
        if (value != nullptr && value->is_string()) {
            auto reference = attest::SecretReference::parse(value->string_value());
            if (reference) return reference;
        }
        return wants("ca", "{file = \"PATH\"}, {credential = \"NAME\"} or {env = \"VARIABLE\"}");
    }

    Result<std::vector<attest::ServiceId>> read_services() const {
        const base::Json* value = table_.find("services");
        if (value == nullptr || !value->is_array()) return wants("services", "an array of texts");
        TextList texts;
        for (const base::Json& item : value->items()) {
            if (!item.is_string()) return wants("services", "an array of texts");
            texts.push_back(item.string_value());
        }
        return parse_services(texts, path_ + ".services");
    }

    Result<std::map<crypto::Sha256Digest, attest::ServiceId>> read_pins() const {
        std::map<crypto::Sha256Digest, attest::ServiceId> pins;
        const base::Json* value = table_.find("pins");
        if (value == nullptr) return pins;
        constexpr std::string_view kWanted =
            "a table of SERVICE = [\"SHA-256 of the public key info in hex\"]";
        if (!value->is_object()) return wants("pins", kWanted);
        for (const auto& [service, digests] : value->members()) {
            auto id = attest::ServiceId::parse(service);
            if (!id || !digests.is_array()) return wants("pins", kWanted);
            for (const base::Json& item : digests.items()) {
                const auto bytes = base::hex_decode(item.is_string() ? item.string_value() : "-");
                if (!bytes) return wants("pins", kWanted);
                const auto digest = crypto::Sha256Digest::parse(*bytes);
                if (!digest || !pins.emplace(*digest, *id).second) return wants("pins", kWanted);
            }
        }
        return pins;
    }

    std::string path_;
    std::string name_;
    const base::Json& table_;
};

// A profile and the PEM text of its authorities.
struct Issuer {
    attest::IssuerProfile profile;
    std::string pem;
};

Result<Issuer> read_issuer(
    attest::IssuerProfile profile, const attest::SecretReference& authority,
    const attest::SecretSource& secrets) {
    Issuer issuer{std::move(profile), {}};
    auto pem = secrets.read_public_text(authority);
    if (!pem) return with_setting(std::move(pem).error(), issuer.profile.name);
    issuer.pem = std::move(pem).value();
    auto anchors = attest::read_pem_certificates(issuer.pem);
    if (!anchors) return with_setting(std::move(anchors).error(), issuer.profile.name);
    issuer.profile.anchors = std::move(anchors).value();
    return issuer;
}

Result<std::vector<Issuer>> read_issuers(
    const Config& config, const attest::SecretSource& secrets) {
    using namespace settings;
    std::vector<Issuer> issuers;
    if (const Reference& ca = config.get(kTlsClientCa)) {
        attest::IssuerProfile profile;
        profile.name = std::string(kTlsClientCa.name);
        profile.source = attest::IdentitySource::MarbleType;
        TRY(profile.allowed, allowed_services(config));
        TRY(auto issuer, read_issuer(std::move(profile), *ca, secrets));
        issuers.push_back(std::move(issuer));
    }
    if (const Reference& ca = config.get(kTlsExtraClientCa)) {
        attest::IssuerProfile profile;
        profile.name = std::string(kTlsExtraClientCa.name);
        profile.source = attest::IdentitySource::IssuerOnly;
        TRY(profile.allowed, parse_services({"gateway"}, kTlsExtraClientCa.name));
        TRY(auto issuer, read_issuer(std::move(profile), *ca, secrets));
        issuers.push_back(std::move(issuer));
    }
    for (const auto& [name, table] : config.get(kIdentityIssuers).members()) {
        attest::SecretReference authority;
        TRY(auto profile, IssuerTable(name, table).read(authority));
        TRY(auto issuer, read_issuer(std::move(profile), authority, secrets));
        issuers.push_back(std::move(issuer));
    }
    return issuers;
}

Result<void> check_development(const Config& config, const ConfigInputs& inputs) {
    using namespace settings;
    if (config.origin(kIdentityMode.name) != Origin::Flag) {
        return Error::invalid_argument(
            config.where(kIdentityMode.name) +
            ": identity.mode: only the flag --identity development can turn strict identity off");
    }
    const auto triggers = strict_triggers(inputs);
    if (!triggers.empty()) {
        return Error::invalid_argument(
            "--identity development is refused: " + triggers.front() +
            ", and that demands strict identity");
    }
    TRY(const auto listen, parse_host_port(config.get(kListen)));
    if (!is_loopback(listen)) {
        return Error::invalid_argument(
            "--identity development is refused: it believes X-Service-ID, so it serves on loopback "
            "only, and listen is " +
            listen.to_string());
    }
    return {};
}

Result<void> check_strict(const Config& config) {
    using namespace settings;
    std::string missing;
    const auto need = [&](bool present, std::string_view what) {
        if (present) return;
        missing += (missing.empty() ? "" : ", ") + std::string(what);
    };
    need(config.get(kTlsCertificate).has_value(), "tls.certificate (MARBLE_CERT)");
    need(config.get(kTlsKey).has_value(), "tls.key (MARBLE_KEY)");
    need(
        config.get(kTlsClientCa).has_value() || config.get(kIdentityIssuers).size() > 0,
        "tls.client_ca (MARBLE_ROOT_CA) or identity.issuers");
    if (missing.empty()) return {};
    return Error::invalid_argument(
        "strict identity knows callers by their certificates and needs " + missing +
        ". For a trial on this machine: --identity development");
}

http::ServerLimits limits_of(const Config& config) {
    using namespace settings;
    const auto size = [&](Key<std::int64_t> key) {
        return static_cast<std::size_t>(config.get(key));
    };
    http::ServerLimits limits;
    limits.header_bytes_max = size(kHttpHeaderBytesMax);
    limits.body_bytes_max = size(kHttpBodyBytesMax);
    limits.connections_max = size(kHttpConnectionsMax);
    limits.connections_per_address_max = size(kHttpConnectionsPerAddressMax);
    limits.in_flight_max = size(kHttpInFlightMax);
    limits.header_timeout = config.get(kHttpHeaderTimeout);
    limits.body_timeout = config.get(kHttpReadTimeout);
    limits.write_timeout = config.get(kHttpWriteTimeout);
    limits.idle_timeout = config.get(kHttpIdleTimeout);
    limits.connection_age_max = config.get(kHttpConnectionAgeMax);
    return limits;
}

void put_address(const std::string& text, http::ServerOptions& options) {
    const auto address = parse_host_port(text);
    CHECK(address);  // the loader did that
    options.host = address->host == "localhost" ? "127.0.0.1" : address->host;
    options.port = address->port;
}

}  // namespace

std::span<const std::string_view> watched_variables() {
    static constexpr auto kAll = [] {
        std::array<std::string_view, kHostVariables.size() + kObsolete.size()> names{};
        std::size_t next = 0;
        for (const auto name : kHostVariables) names[next++] = name;
        for (const auto& obsolete : kObsolete) names[next++] = obsolete.variable;
        return names;
    }();
    return kAll;
}

Result<Config> load_serve_config(const ConfigInputs& inputs) {
    TRY(auto config, Config::load(serve_schema(), inputs));
    TRY_VOID(check_settings(config));
    for (const Obsolete& obsolete : kObsolete) {
        if (variable(inputs, obsolete.variable).empty()) continue;
        config.add_warning(
            "variable " + std::string(obsolete.variable) + " " + std::string(obsolete.message));
    }
    return config;
}

std::vector<std::string> strict_triggers(const ConfigInputs& inputs) {
    std::vector<std::string> out;
    const std::string marble_env = variable(inputs, "MARBLE_ENV");
    const std::string_view name = marble_env.empty() ? "ENVIRONMENT" : "MARBLE_ENV";
    if (lower(variable(inputs, name)) == "production") {
        out.push_back(std::string(name) + " is production");
    }
    if (variable(inputs, "OE_SIMULATION") == "0") {
        out.emplace_back("OE_SIMULATION is 0 (enclave hardware)");
    }
    if (!variable(inputs, "MARBLE_CERT").empty() && !variable(inputs, "MARBLE_ROOT_CA").empty() &&
        inputs.secret_variables.contains("MARBLE_KEY")) {
        out.emplace_back("MARBLE_CERT, MARBLE_KEY and MARBLE_ROOT_CA are set");
    }
    if (!variable(inputs, "MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN").empty() &&
        inputs.secret_variables.contains("MARBLE_PREDEFINED_PRIVATE_KEY")) {
        out.emplace_back("a MarbleRun Coordinator activated this process");
    }
    return out;
}

Result<attest::IdentityMode> decide_identity_mode(
    const Config& config, const ConfigInputs& inputs) {
    if (config.get(settings::kIdentityMode) == "development") {
        TRY_VOID(check_development(config, inputs));
        return attest::IdentityMode::Development;
    }
    TRY_VOID(check_strict(config));
    return attest::IdentityMode::Strict;
}

Result<TrustLoader::Trust> TrustLoader::load() {
    TRY(auto issuers, read_issuers(config_, secrets_));
    attest::IdentityOptions options;
    options.mode = mode_;
    TRY(options.aliases, parse_aliases(config_));
    std::vector<std::string> authorities;
    for (Issuer& issuer : issuers) {
        options.issuers.push_back(std::move(issuer.profile));
        authorities.push_back(std::move(issuer.pem));
    }
    TRY(auto identifier, attest::CertificateIdentifier::create(std::move(options)));
    TRY(auto tls, load_tls(authorities));
    return Trust{std::move(tls), std::move(identifier)};
}

Result<std::shared_ptr<const http::TlsContext>> TrustLoader::load_tls(
    const std::vector<std::string>& authorities) {
    using namespace settings;
    const Reference& certificate = config_.get(kTlsCertificate);
    const Reference& key = config_.get(kTlsKey);
    if (!certificate || !key) return std::shared_ptr<const http::TlsContext>();
    auto chain = secrets_.read_public_text(*certificate);
    if (!chain) return with_setting(std::move(chain).error(), kTlsCertificate.name);
    auto private_key = secrets_.read(*key);
    if (!private_key) return with_setting(std::move(private_key).error(), kTlsKey.name);
    TRY(spki_, attest::leaf_spki(*chain));
    http::ClientTlsOptions client;
    for (const std::string& pem : authorities) client.server_ca_pem.emplace_back(pem);
    client.certificate_chain_pem = *chain;
    client.private_key_pem = base::as_text(private_key->expose());
    TRY(client_tls_, http::TlsContext::create_client(client));
    http::ServerTlsOptions options;
    options.certificate_chain_pem = *chain;
    options.private_key_pem = base::as_text(private_key->expose());
    for (const std::string& pem : authorities) options.client_ca_pem.emplace_back(pem);
    options.require_client_certificate = mode_ == attest::IdentityMode::Strict;
    return http::TlsContext::create_server(options);
}

http::ServerOptions server_options(const Config& config) {
    http::ServerOptions options;
    put_address(config.get(settings::kListen), options);
    options.limits = limits_of(config);
    return options;
}

std::optional<http::ServerOptions> operator_server_options(const Config& config) {
    using namespace settings;
    const std::string& address = config.get(kMetricsListen);
    if (address.empty()) return std::nullopt;
    http::ServerOptions options;
    put_address(address, options);
    options.limits.header_bytes_max = 16 * 1024;
    options.limits.body_bytes_max = 4 * 1024;
    options.limits.connections_max = 64;
    options.limits.in_flight_max = 64;
    return options;
}

}  // namespace adyton::service
