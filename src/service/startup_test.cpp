#include "service/startup.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "http/test_pki.h"

namespace adyton::service {
namespace {

using attest::IdentityMode;
using attest::IdentitySource;

Config load(const ConfigInputs& inputs) {
    auto config = load_serve_config(inputs);
    EXPECT_TRUE(config) << config.error().message();
    return config ? std::move(config).value() : load_serve_config({}).value();
}

ConfigInputs development() {
    ConfigInputs inputs;
    inputs.flags = {{"identity.mode", "development"}};
    return inputs;
}

ConfigInputs strict() {
    ConfigInputs inputs;
    inputs.flags = {
        {"tls.certificate", "file:/c"}, {"tls.key", "file:/k"}, {"tls.client_ca", "file:/ca"}};
    return inputs;
}

void expect_mode_refused(const ConfigInputs& inputs, std::string_view part) {
    const Config config = load(inputs);
    const auto mode = decide_identity_mode(config, inputs);
    ASSERT_FALSE(mode) << part;
    EXPECT_EQ(mode.error().code(), ErrorCode::InvalidArgument);
    EXPECT_NE(mode.error().message().find(part), std::string::npos) << mode.error().message();
}

TEST(IdentityModeTest, StrictIsTheDefaultAndNeedsCertificates) {
    const ConfigInputs nothing;
    expect_mode_refused(
        nothing, "tls.certificate (MARBLE_CERT), tls.key (MARBLE_KEY), tls.client_ca");
    expect_mode_refused(nothing, "--identity development");
    EXPECT_EQ(decide_identity_mode(load(strict()), strict()).value(), IdentityMode::Strict);
    ConfigInputs no_ca = strict();
    no_ca.flags.pop_back();
    expect_mode_refused(no_ca, "needs tls.client_ca");
}

TEST(IdentityModeTest, OnlyTheFlagTurnsStrictOff) {
    EXPECT_EQ(
        decide_identity_mode(load(development()), development()).value(),
        IdentityMode::Development);
    ConfigInputs by_file = strict();
    by_file.file_name = "adyton.toml";
    by_file.file_text = "[identity]\nmode = \"development\"\n";
    expect_mode_refused(by_file, "only the flag");
    ConfigInputs by_variable = strict();
    by_variable.environment = {{"ADYTON_IDENTITY_MODE", "development"}};
    expect_mode_refused(by_variable, "only the flag");
}

TEST(IdentityModeTest, DevelopmentIsForLoopbackOnly) {
    for (const char* listen : {"0.0.0.0:8085", "[::]:8085", "10.0.0.1:8085", "example.org:1"}) {
        ConfigInputs inputs = development();
        inputs.flags.emplace_back("listen", listen);
        expect_mode_refused(inputs, "loopback");
    }
    ConfigInputs by_variable = development();
    by_variable.environment = {{"BIND_ADDR", "0.0.0.0"}};
    expect_mode_refused(by_variable, "loopback");
    for (const char* listen : {"127.0.0.2:1", "[::1]:1", "localhost:1"}) {
        ConfigInputs inputs = development();
        inputs.flags.emplace_back("listen", listen);
        EXPECT_TRUE(decide_identity_mode(load(inputs), inputs)) << listen;
    }
}

// The four triggers of services.md 1.5 and the negative of each.
TEST(IdentityModeTest, TheHostCanOnlyTurnStrictOn) {
    const auto triggered = [](std::map<std::string, std::string> variables,
                              std::set<std::string> secrets = {}) {
        ConfigInputs inputs = development();
        inputs.environment = std::move(variables);
        inputs.secret_variables = std::move(secrets);
        const bool strict_wanted = !strict_triggers(inputs).empty();
        const auto mode = decide_identity_mode(load(inputs), inputs);
        EXPECT_EQ(mode.has_value(), !strict_wanted);
        return strict_wanted;
    };
    EXPECT_TRUE(triggered({{"MARBLE_ENV", "production"}}));
    EXPECT_TRUE(triggered({{"MARBLE_ENV", "Production"}}));
    EXPECT_TRUE(triggered({{"ENVIRONMENT", "PRODUCTION"}}));
    EXPECT_TRUE(triggered({{"MARBLE_ENV", ""}, {"ENVIRONMENT", "production"}}));
    EXPECT_TRUE(triggered({{"OE_SIMULATION", "0"}}));
    EXPECT_TRUE(triggered({{"MARBLE_CERT", "c"}, {"MARBLE_ROOT_CA", "r"}}, {"MARBLE_KEY"}));

    EXPECT_FALSE(triggered({}));
    EXPECT_FALSE(triggered({{"MARBLE_ENV", "staging"}}));
    EXPECT_FALSE(triggered({{"MARBLE_ENV", "development"}, {"ENVIRONMENT", "production"}}));
    EXPECT_FALSE(triggered({{"OE_SIMULATION", "1"}}));
    EXPECT_FALSE(triggered({{"OE_SIMULATION", "00"}}));
    EXPECT_FALSE(triggered({{"MARBLE_ROOT_CA", "r"}}));
}

TEST(IdentityModeTest, TheRefusalNamesTheReason) {
    ConfigInputs inputs = development();
    inputs.environment = {{"OE_SIMULATION", "0"}};
    expect_mode_refused(inputs, "OE_SIMULATION is 0");
}

TEST(ServeConfigTest, SettingsThatContradictEachOtherAreRefused) {
    const auto refused = [](std::vector<std::pair<std::string, std::string>> flags,
                            std::string_view part) {
        ConfigInputs inputs;
        inputs.flags = std::move(flags);
        const auto config = load_serve_config(inputs);
        ASSERT_FALSE(config) << part;
        EXPECT_NE(config.error().message().find(part), std::string::npos)
            << config.error().message();
    };
    refused({{"pool.min_accounts", "10001"}}, "pool.min_accounts: is more than pool.max_accounts");
    refused(
        {{"pool.lock.ttl_default", "2h"}, {"pool.lock.ttl_max", "1h"}},
        "pool.lock.ttl_default: is more than pool.lock.ttl_max");
    refused({{"tls.certificate", "file:/c"}}, "needs tls.key");
    refused({{"tls.key", "file:/k"}}, "needs tls.certificate");
    refused({{"listen", ""}}, "listen: must not be empty");
    refused({{"data_dir", ""}}, "data_dir: must not be empty");
    ConfigInputs policy;
    policy.file_name = "adyton.toml";
    policy.file_text = "[policy]\nfile = \"p.toml\"\n[policy.rules]\ndefault = \"deny\"\n";
    EXPECT_FALSE(load_serve_config(policy));
    policy.file_text = "[policy.rules]\ndefault = \"deny\"\n";
    EXPECT_EQ(load(policy).get(settings::kPolicyRules).dump(), R"({"default":"deny"})");
}

TEST(ServeConfigTest, ObsoleteVariablesAreWarnings) {
    ConfigInputs inputs;
    inputs.environment = {
        {"NEOACCOUNTS_ALLOW_EPHEMERAL_MASTER_KEY", "1"}, {"SUPABASE_URL", "https://x"}};
    const Config config = load(inputs);
    ASSERT_EQ(config.warnings().size(), 2U);
    EXPECT_NE(config.warnings()[0].find("NEOACCOUNTS_ALLOW_EPHEMERAL"), std::string::npos);
    EXPECT_NE(config.warnings()[1].find("DATABASE_URL"), std::string::npos);
    const auto watched = watched_variables();
    for (const char* name : {"MARBLE_ENV", "ENVIRONMENT", "OE_SIMULATION", "SUPABASE_URL"}) {
        EXPECT_NE(std::find(watched.begin(), watched.end(), name), watched.end()) << name;
    }
}

TEST(ServeConfigTest, ListenersGetTheirLimits) {
    ConfigInputs inputs;
    inputs.flags = {{"listen", "localhost:0"},          {"metrics.listen", "[::1]:9"},
                    {"http.body_bytes_max", "2048"},    {"http.header_timeout", "1s"},
                    {"http.connections_max", "5"},      {"http.in_flight_max", "6"},
                    {"http.connection_age_max", "61s"}, {"http.connections_per_address_max", "7"}};
    const Config config = load(inputs);
    const auto options = server_options(config);
    EXPECT_EQ(options.host, "127.0.0.1");
    EXPECT_EQ(options.port, 0);
    EXPECT_EQ(options.limits.body_bytes_max, 2048U);
    EXPECT_EQ(options.limits.header_bytes_max, 1'048'576U);
    EXPECT_EQ(options.limits.header_timeout, std::chrono::seconds(1));
    EXPECT_EQ(options.limits.body_timeout, std::chrono::seconds(30));
    EXPECT_EQ(options.limits.write_timeout, std::chrono::seconds(30));
    EXPECT_EQ(options.limits.idle_timeout, std::chrono::seconds(120));
    EXPECT_EQ(options.limits.connection_age_max, std::chrono::seconds(61));
    EXPECT_EQ(options.limits.connections_max, 5U);
    EXPECT_EQ(options.limits.in_flight_max, 6U);
    EXPECT_EQ(options.limits.connections_per_address_max, 7U);
    const auto operator_options = operator_server_options(config);
    ASSERT_TRUE(operator_options);
    EXPECT_EQ(operator_options->host, "::1");
    EXPECT_EQ(operator_options->port, 9);
    inputs.flags.emplace_back("metrics.listen", "");
    EXPECT_FALSE(operator_server_options(load(inputs)));
}

// Certificates on disk, as an operator has them.
class TrustLoaderTest : public ::testing::Test {
protected:
    static const http::TestCa& mesh() {
        static const http::TestCa ca = http::TestCa::create_root("mesh");
        return ca;
    }
    static const http::TestCa& edge() {
        static const http::TestCa ca = http::TestCa::create_root("edge");
        return ca;
    }

    void SetUp() override {
        char pattern[] = "/tmp/adyton_trust_XXXXXX";
        ASSERT_NE(::mkdtemp(pattern), nullptr);
        directory_ = pattern;
        http::LeafOptions leaf;
        leaf.marble_types = {"neoaccounts"};
        const auto identity = mesh().issue(leaf);
        write("cert.pem", identity.certificate_chain_pem, 0644);
        write("key.pem", identity.private_key_pem, 0600);
        write("mesh.pem", mesh().certificate_pem(), 0644);
        write("edge.pem", edge().certificate_pem(), 0644);
        text_ = "[tls]\ncertificate = {file = \"" + directory_ + "/cert.pem\"}\nkey = {file = \"" +
                directory_ + "/key.pem\"}\n";
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    void write(const std::string& name, const std::string& content, mode_t mode) {
        const std::string path = directory_ + "/" + name;
        std::ofstream(path) << content;
        ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    }
    std::string ca(const std::string& key, const std::string& name) {
        return key + " = {file = \"" + directory_ + "/" + name + "\"}\n";
    }

    Result<TrustLoader::Trust> load_trust(const std::string& more) {
        ConfigInputs inputs;
        inputs.file_name = "adyton.toml";
        inputs.file_text = text_ + more;
        config_ = std::make_unique<Config>(load(inputs));
        return TrustLoader(*config_, IdentityMode::Strict, secrets_).load();
    }
    void expect_refused(const std::string& more, std::string_view part) {
        const auto trust = load_trust(more);
        ASSERT_FALSE(trust) << part;
        EXPECT_NE(trust.error().message().find(part), std::string::npos) << trust.error().message();
    }

    std::string directory_;
    std::string text_;
    attest::SecretSource secrets_;
    std::unique_ptr<Config> config_;
};

TEST_F(TrustLoaderTest, TheMainAuthorityNamesTheSuitesServicesByMarbleType) {
    const auto trust =
        load_trust(ca("client_ca", "mesh.pem") + "[identity]\nextra_services = [\"my-service\"]\n");
    ASSERT_TRUE(trust) << trust.error().message();
    EXPECT_NE(trust->tls, nullptr);
    const auto& options = trust->identifier.options();
    ASSERT_EQ(options.issuers.size(), 1U);
    EXPECT_EQ(options.issuers[0].source, IdentitySource::MarbleType);
    EXPECT_EQ(options.issuers[0].allowed.size(), attest::known_services().size() + 1);
    EXPECT_EQ(options.aliases.at("accountpool").text(), "neoaccounts");
}

TEST_F(TrustLoaderTest, TheExtraAuthorityIsTheGatewayAndNothingElse) {
    const auto trust = load_trust(ca("client_ca", "mesh.pem") + ca("extra_client_ca", "edge.pem"));
    ASSERT_TRUE(trust) << trust.error().message();
    const auto& extra = trust->identifier.options().issuers.at(1);
    EXPECT_EQ(extra.source, IdentitySource::IssuerOnly);
    ASSERT_EQ(extra.allowed.size(), 1U);
    EXPECT_EQ(extra.allowed[0].text(), "gateway");
}

TEST_F(TrustLoaderTest, IssuersComeFromTheFileWithTheirServicesAndPins) {
    const std::string pin(64, 'a');
    const auto trust = load_trust(
        "[identity]\nservices = [\"a\"]\naliases = {x = \"a\"}\n[identity.issuers.spiffe]\n" +
        ca("ca", "mesh.pem") +
        "source = \"uri-san\"\ntrust_domain = \"prod\"\nservices = [\"a\", \"b\"]\n"
        "[identity.issuers.pinned]\n" +
        ca("ca", "edge.pem") + "source = \"spki-pin\"\nservices = [\"c\"]\npins = {c = [\"" + pin +
        "\"]}\n");
    ASSERT_TRUE(trust) << trust.error().message();
    const auto& options = trust->identifier.options();
    ASSERT_EQ(options.issuers.size(), 2U);
    EXPECT_EQ(options.issuers[0].name, "pinned");
    EXPECT_EQ(options.issuers[0].pins.size(), 1U);
    EXPECT_EQ(options.issuers[1].trust_domain, "prod");
    EXPECT_EQ(options.issuers[1].allowed.size(), 2U);
    EXPECT_EQ(options.aliases.size(), 1U);
    EXPECT_EQ(options.aliases.at("x").text(), "a");
}

TEST_F(TrustLoaderTest, MistakesInIssuersAreNamed) {
    const std::string table = "[identity.issuers.x]\n" + ca("ca", "mesh.pem");
    expect_refused(table + "services = [\"a\"]\n", "identity.issuers.x.source");
    expect_refused(
        table + "source = \"cn\"\nservices = [\"a\"]\n", "identity.issuers.x: an identity source");
    expect_refused(table + "source = \"marble-type\"\n", "identity.issuers.x.services");
    expect_refused(
        table + "source = \"marble-type\"\nservices = [\"A\"]\n", "identity.issuers.x.services");
    expect_refused(
        table + "source = \"marble-type\"\nservices = [\"a\"]\nservice = \"a\"\n",
        "identity.issuers.x.service: no such setting");
    expect_refused(
        table + "source = \"spki-pin\"\nservices = [\"a\"]\npins = {a = [\"zz\"]}\n",
        "identity.issuers.x.pins");
    expect_refused(
        "[identity.issuers.x]\nca = \"PEM\"\nsource = \"marble-type\"\nservices = [\"a\"]\n",
        "identity.issuers.x.ca");
    expect_refused(table + "source = \"dns-san-exact\"\nservices = [\"a\"]\n", "unsafe_dns_names");
    expect_refused(
        ca("client_ca", "mesh.pem") + table + "source = \"issuer-only\"\nservices = [\"a\"]\n",
        "stands twice");
    expect_refused(
        ca("client_ca", "mesh.pem") + "[identity]\naliases = {x = \"No Service\"}\n",
        "identity.aliases.x");
    expect_refused(
        ca("client_ca", "mesh.pem") + "[identity]\nservices = [\"No Service\"]\n",
        "identity.services");
}

TEST_F(TrustLoaderTest, UnreadableCertificatesAndKeysAreRefusedByName) {
    expect_refused(ca("client_ca", "absent.pem"), "absent.pem");
    write("mesh.pem", "no certificate", 0644);
    expect_refused(ca("client_ca", "mesh.pem"), "tls.client_ca");
    write("mesh.pem", mesh().certificate_pem(), 0644);
    write("key.pem", "no key", 0600);
    expect_refused(ca("client_ca", "mesh.pem"), "");
    write("key.pem", mesh().issue({}).private_key_pem, 0600);  // of another certificate
    expect_refused(ca("client_ca", "mesh.pem"), "");
    write("key.pem", mesh().issue({}).private_key_pem, 0644);
    expect_refused(ca("client_ca", "mesh.pem"), "tls.key");
}

TEST_F(TrustLoaderTest, FilesAreReadAnewAtEachLoadAndAVariableOnce) {
    ASSERT_TRUE(load_trust(ca("client_ca", "mesh.pem")));
    TrustLoader loader(*config_, IdentityMode::Strict, secrets_);
    ASSERT_TRUE(loader.load());
    write("mesh.pem", edge().certificate_pem(), 0644);
    const auto trust = loader.load();
    ASSERT_TRUE(trust);
    EXPECT_EQ(
        trust->identifier.options().issuers[0].anchors,
        attest::read_pem_certificates(edge().certificate_pem()).value());

    ConfigInputs inputs;
    inputs.environment = {{"MARBLE_CERT", "x"}, {"MARBLE_ROOT_CA", "x"}};
    inputs.secret_variables = {"MARBLE_KEY"};
    http::LeafOptions leaf;
    leaf.marble_types = {"neoaccounts"};
    const auto identity = mesh().issue(leaf);
    ::setenv("MARBLE_CERT", identity.certificate_chain_pem.c_str(), 1);
    ::setenv("MARBLE_KEY", identity.private_key_pem.c_str(), 1);
    ::setenv("MARBLE_ROOT_CA", mesh().certificate_pem().c_str(), 1);
    const Config config = load(inputs);
    TrustLoader by_variable(config, IdentityMode::Strict, secrets_);
    const auto first = by_variable.load();
    EXPECT_TRUE(first) << first.error().message();
    EXPECT_EQ(::getenv("MARBLE_KEY"), nullptr);
    EXPECT_EQ(by_variable.load().error().code(), ErrorCode::NotFound);
    ::unsetenv("MARBLE_CERT");
    ::unsetenv("MARBLE_ROOT_CA");
}

TEST_F(TrustLoaderTest, WithoutACertificateThereIsNoTls) {
    text_.clear();
    const auto trust = load_trust("");
    ASSERT_TRUE(trust);
    EXPECT_EQ(trust->tls, nullptr);
    EXPECT_TRUE(trust->identifier.options().issuers.empty());
}

}  // namespace
}  // namespace adyton::service
