#include "service/settings.h"

#include <gtest/gtest.h>

#include <set>

namespace adyton::service {
namespace {

Config defaults() {
    auto config = Config::load(serve_schema(), {});
    EXPECT_TRUE(config) << config.error().message();
    return std::move(config).value();
}

TEST(SettingsTest, TheTableLoadsAndItsTextsAreWhole) {
    const Config config = defaults();
    std::set<std::string_view> keys;
    std::set<std::string> variables;
    std::set<std::string_view> flags;
    for (const Setting& setting : serve_schema()) {
        EXPECT_TRUE(keys.insert(setting.key).second) << setting.key;
        EXPECT_FALSE(setting.help.empty()) << setting.key;
        EXPECT_EQ(setting.help.back(), '.') << setting.key;
        EXPECT_TRUE(setting.flag.empty() || flags.insert(setting.flag).second) << setting.flag;
        for (const std::string& name : variables_of(setting)) {
            EXPECT_TRUE(variables.insert(name).second) << name;
        }
    }
}

// Reading through the typed keys CHECKs that name and type agree with the table.
TEST(SettingsTest, EveryKeyHasTheTypeOfItsRowAndTheSeedsDefaults) {
    using namespace settings;
    const Config config = defaults();
    EXPECT_EQ(config.get(kListen), "127.0.0.1:8085");
    EXPECT_EQ(config.get(kMetricsListen), "127.0.0.1:9464");
    EXPECT_EQ(config.get(kDataDir), "adyton-data");
    EXPECT_EQ(config.get(kIdentityMode), "strict");
    EXPECT_EQ(config.get(kHttpBodyBytesMax), 8'388'608);
    EXPECT_EQ(config.get(kHttpHeaderBytesMax), 1'048'576);
    EXPECT_EQ(config.get(kHttpHeaderTimeout), std::chrono::seconds(10));
    EXPECT_EQ(config.get(kHttpReadTimeout), std::chrono::seconds(30));
    EXPECT_EQ(config.get(kHttpWriteTimeout), std::chrono::seconds(30));
    EXPECT_EQ(config.get(kHttpIdleTimeout), std::chrono::seconds(120));
    EXPECT_EQ(config.get(kHttpDrainTimeout), std::chrono::seconds(30));
    EXPECT_EQ(config.get(kHttpConnectionAgeMax), std::chrono::minutes(15));
    EXPECT_EQ(config.get(kPoolMinAccounts), 200);
    EXPECT_EQ(config.get(kPoolMaxAccounts), 10'000);
    EXPECT_EQ(config.get(kPoolLockTtlDefault), std::chrono::hours(24));
    EXPECT_EQ(config.get(kPoolLockTtlMax), std::chrono::hours(24));
    EXPECT_EQ(config.get(kPoolRotationRate), 0.1);
    EXPECT_EQ(config.get(kPoolRotationMinAge), std::chrono::hours(24));
    EXPECT_EQ(config.get(kPoolRotationGasMax), 100'000);
    EXPECT_FALSE(config.get(kPoolDeleteRetiring));
    for (const auto key :
         {kPoolRotatePeriod, kPoolRetirePeriod, kPoolStaleLockPeriod, kPoolTopUpPeriod}) {
        EXPECT_EQ(config.get(key), std::chrono::hours(1)) << key.name;
    }
    EXPECT_EQ(config.get(kPoolReconcilePeriod), std::chrono::minutes(5));
    EXPECT_EQ(config.get(kPoolReconcileMode), "flag");
    EXPECT_EQ(config.get(kPoolReconcileRows), 2000);
    EXPECT_EQ(config.get(kPoolRetireSweepTo), "");
    EXPECT_TRUE(config.get(kNeoRpcUrls).empty());
    EXPECT_EQ(config.get(kNeoNetwork), 0);
    EXPECT_EQ(config.get(kNeoRpcQuorum), 0);
    EXPECT_EQ(config.get(kNeoNetworkFeeMax), 100'000'000);
    EXPECT_EQ(config.get(kNeoRpcTimeout), std::chrono::seconds(10));
    EXPECT_EQ(config.get(kNeoProbePeriod), std::chrono::seconds(1));
    EXPECT_EQ(config.get(kAuditDurability), "durable");
    EXPECT_TRUE(config.get(kSigningSelfCheck));
    EXPECT_TRUE(config.get(kMetricsEnabled));
    for (const auto key :
         {kThreads, kWorkerThreads, kHttpConnectionsMax, kHttpConnectionsPerAddressMax,
          kHttpInFlightMax, kPoolBatchSignMax}) {
        EXPECT_GE(config.get(key), 0) << key.name;
    }
    for (const auto key :
         {kLogLevel, kLogPath, kLogAccess, kDatabaseUrl, kPolicyFile, kPoolMasterKeyHash,
          kPoolMasterAttestationHash}) {
        EXPECT_EQ(config.origin(key.name), Origin::Default) << config.get(key);
    }
    for (const auto key :
         {kHealthCacheTime, kHealthTimeout, kAuditCheckpointPeriod, kIdempotencyKeep}) {
        EXPECT_GT(config.get(key), base::Duration::zero()) << key.name;
    }
    for (const auto key :
         {kTlsCertificate, kTlsKey, kTlsClientCa, kTlsExtraClientCa, kPoolMasterKey,
          kPoolMasterSeed, kPoolEncryptionKey}) {
        EXPECT_FALSE(config.get(key).has_value()) << key.name;
    }
    EXPECT_TRUE(config.get(kIdentityServices).empty());
    EXPECT_TRUE(config.get(kIdentityExtraServices).empty());
    for (const auto key : {kIdentityAliases, kIdentityIssuers, kPolicyRules}) {
        EXPECT_EQ(config.get(key).size(), 0U) << key.name;
    }
}

TEST(SettingsTest, TheContractsVariablesAreMapped) {
    ConfigInputs inputs;
    inputs.environment = {
        {"BIND_ADDR", "0.0.0.0:1"},
        {"PORT", "8086"},
        {"DATABASE_URL", "postgres://u:p@h/d"},
        {"LOG_LEVEL", "WARN"},
        {"METRICS_ENABLED", "0"},
        {"POOL_MASTER_KEY_HASH", std::string(64, 'a')},
        {"POOL_MASTER_ATTESTATION_HASH", "hash"},
        {"NEOACCOUNTS_DELETE_RETIRING_ACCOUNTS", "yes"},
        {"NEO_RPC_URL", "http://ignored:10332"},
        {"NEO_RPC_URLS", "http://a:10332,http://b:10332"},
        {"NEO_NETWORK_MAGIC", "894710606"},
        {"MARBLE_CERT", "PEM"},
        {"MARBLE_ROOT_CA", "PEM"},
        {"MARBLE_EXTRA_CLIENT_CA", "PEM"}};
    inputs.secret_variables = {
        "POOL_MASTER_KEY", "COORD_MASTER_SEED", "POOL_ENCRYPTION_KEY", "MARBLE_KEY"};
    const auto config = Config::load(serve_schema(), inputs);
    ASSERT_TRUE(config) << config.error().message();
    using namespace settings;
    EXPECT_EQ(config->get(kListen), "0.0.0.0:8086");
    EXPECT_EQ(config->get(kDatabaseUrl), "postgres://u:p@h/d");
    EXPECT_EQ(config->get(kNeoRpcUrls), (TextList{"http://a:10332", "http://b:10332"}));
    EXPECT_EQ(config->get(kNeoNetwork), 894'710'606);
    EXPECT_EQ(config->get(kLogLevel), "warn");
    EXPECT_FALSE(config->get(kMetricsEnabled));
    EXPECT_EQ(config->get(kPoolMasterKeyHash), std::string(64, 'a'));
    EXPECT_EQ(config->get(kPoolMasterAttestationHash), "hash");
    EXPECT_TRUE(config->get(kPoolDeleteRetiring));
    EXPECT_EQ(config->get(kPoolMasterKey)->to_string(), "env:POOL_MASTER_KEY");
    EXPECT_EQ(config->get(kPoolMasterSeed)->to_string(), "env:COORD_MASTER_SEED");
    EXPECT_EQ(config->get(kPoolEncryptionKey)->to_string(), "env:POOL_ENCRYPTION_KEY");
    EXPECT_EQ(config->get(kTlsCertificate)->to_string(), "env:MARBLE_CERT");
    EXPECT_EQ(config->get(kTlsKey)->to_string(), "env:MARBLE_KEY");
    EXPECT_EQ(config->get(kTlsClientCa)->to_string(), "env:MARBLE_ROOT_CA");
    EXPECT_EQ(config->get(kTlsExtraClientCa)->to_string(), "env:MARBLE_EXTRA_CLIENT_CA");
}

TEST(SettingsTest, ARawMasterKeyHashOf32BytesIsTakenAndShownInHex) {
    ConfigInputs inputs;
    inputs.environment = {{"POOL_MASTER_KEY_HASH", std::string(32, '\xFE')}};
    const auto config = Config::load(serve_schema(), inputs);
    ASSERT_TRUE(config);
    EXPECT_EQ(config->get(settings::kPoolMasterKeyHash), std::string(32, '\xFE'));
    EXPECT_NE(config->to_text().find("hex:fefefe"), std::string::npos);
}

TEST(SettingsTest, TheSampleFileLoadsAndChangesNothing) {
    ConfigInputs inputs;
    inputs.file_name = "sample.toml";
    inputs.file_text = sample_config(serve_schema());
    const auto config = Config::load(serve_schema(), inputs);
    ASSERT_TRUE(config) << config.error().message();
    const Config expected = defaults();
    for (const Setting& setting : serve_schema()) {
        const std::string key(setting.key);
        EXPECT_EQ(
            config->to_json().find(key)->find("value")->dump(),
            expected.to_json().find(key)->find("value")->dump())
            << key;
        const bool unset = setting.default_text.empty();
        EXPECT_EQ(config->origin(key), unset ? Origin::Default : Origin::File) << key;
    }
}

TEST(SettingsTest, TheLinesOfTheSampleThatAreCommentedOutAreValidWhenPutIn) {
    std::string text = sample_config(serve_schema());
    for (const Setting& setting : serve_schema()) {
        if (!setting.default_text.empty()) continue;
        const std::string name(setting.key.substr(setting.key.rfind('.') + 1));
        const std::size_t at = text.find("\n# " + name + " = ");
        ASSERT_NE(at, std::string::npos) << name;
        text.erase(at + 1, 2);
    }
    ConfigInputs inputs;
    inputs.file_name = "sample.toml";
    inputs.file_text = text;
    const auto config = Config::load(serve_schema(), inputs);
    ASSERT_TRUE(config) << config.error().message() << text;
    EXPECT_EQ(config->get(settings::kPoolMasterKey)->to_string(), "file:/run/secrets/master_key");
}

TEST(SettingsTest, TheReferenceNamesEverything) {
    const std::string text = config_reference(serve_schema());
    for (const Setting& setting : serve_schema()) {
        EXPECT_NE(text.find("### `" + std::string(setting.key) + "`"), std::string::npos);
        EXPECT_NE(text.find(setting.help), std::string::npos) << setting.key;
        for (const std::string& name : variables_of(setting)) {
            EXPECT_NE(text.find("`" + name + "`"), std::string::npos) << name;
        }
    }
}

}  // namespace
}  // namespace adyton::service
