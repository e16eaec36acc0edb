#include "service/config.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

namespace adyton::service {
namespace {

constexpr Key<std::string> kName{"name"};
constexpr Key<std::int64_t> kCount{"pool.count"};
constexpr Key<double> kRate{"pool.rate"};
constexpr Key<bool> kOn{"pool.on"};
constexpr Key<base::Duration> kPeriod{"pool.period"};
constexpr Key<std::string> kMode{"mode"};
constexpr Key<std::string> kListen{"listen"};
constexpr Key<TextList> kNames{"names"};
constexpr Key<Reference> kSecret{"pool.secret"};
constexpr Key<Reference> kCertificate{"certificate"};
constexpr Key<base::Json> kRules{"rules"};
constexpr Key<std::string> kUrl{"database.url"};

Setting setting(std::string_view key, SettingKind kind, std::string_view default_text) {
    Setting out;
    out.key = key;
    out.kind = kind;
    out.default_text = default_text;
    out.help = "Help.";
    return out;
}

// A schema of every kind, small enough to see through.
std::vector<Setting> make_schema() {
    std::vector<Setting> all;
    all.push_back(setting("name", SettingKind::Text, "adyton"));
    all.back().environment = "OLD_NAME NEW_NAME";
    all.back().flag = "--name";
    all.push_back(setting("mode", SettingKind::Choice, "strict"));
    all.back().choices = "strict development";
    all.push_back(setting("listen", SettingKind::Address, "127.0.0.1:8085"));
    all.back().environment = "BIND_ADDR";
    all.back().port_variable = "PORT";
    all.push_back(setting("names", SettingKind::List, ""));
    all.push_back(setting("certificate", SettingKind::Source, ""));
    all.back().environment = "MARBLE_CERT";
    all.push_back(setting("rules", SettingKind::Section, ""));
    all.push_back(setting("database.url", SettingKind::Text, ""));
    all.back().environment = "DATABASE_URL";
    all.back().redact_password = true;
    all.push_back(setting("pool.count", SettingKind::Integer, "200"));
    all.back().min = 1;
    all.back().max = 1000;
    all.push_back(setting("pool.rate", SettingKind::Real, "0.1"));
    all.back().min = 0;
    all.back().max = 1;
    all.push_back(setting("pool.on", SettingKind::Boolean, "true"));
    all.push_back(setting("pool.period", SettingKind::Duration, "1h"));
    all.back().min = 1000;
    all.back().max = 24 * 3600 * 1000;
    all.push_back(setting("pool.secret", SettingKind::Secret, ""));
    all.back().environment = "POOL_SECRET";
    return all;
}

const std::vector<Setting>& schema() {
    static const std::vector<Setting> all = make_schema();
    return all;
}

ConfigInputs file(std::string text) {
    ConfigInputs inputs;
    inputs.file_name = "test.toml";
    inputs.file_text = std::move(text);
    return inputs;
}

Config load(const ConfigInputs& inputs) {
    auto config = Config::load(schema(), inputs);
    EXPECT_TRUE(config) << config.error().message();
    return config ? std::move(config).value() : Config::load(schema(), {}).value();
}

void expect_refused(const ConfigInputs& inputs, std::string_view part) {
    const auto config = Config::load(schema(), inputs);
    ASSERT_FALSE(config) << part;
    EXPECT_EQ(config.error().code(), ErrorCode::InvalidArgument);
    EXPECT_NE(config.error().message().find(part), std::string::npos) << config.error().message();
}

TEST(ConfigTest, DefaultsHoldWhereNothingIsSaid) {
    const Config config = load({});
    EXPECT_EQ(config.get(kName), "adyton");
    EXPECT_EQ(config.get(kCount), 200);
    EXPECT_EQ(config.get(kRate), 0.1);
    EXPECT_TRUE(config.get(kOn));
    EXPECT_EQ(config.get(kPeriod), std::chrono::hours(1));
    EXPECT_EQ(config.get(kMode), "strict");
    EXPECT_EQ(config.get(kListen), "127.0.0.1:8085");
    EXPECT_TRUE(config.get(kNames).empty());
    EXPECT_FALSE(config.get(kSecret).has_value());
    EXPECT_FALSE(config.get(kCertificate).has_value());
    EXPECT_EQ(config.get(kRules).size(), 0U);
    EXPECT_EQ(config.origin("name"), Origin::Default);
    EXPECT_EQ(config.where("name"), "default");
    EXPECT_TRUE(config.warnings().empty());
}

TEST(ConfigTest, TheFileSetsEveryKind) {
    const Config config = load(file(R"(
name = "from file"
mode = "development"
listen = "[::1]:9000"
names = ["a", "b"]
certificate = "file:/etc/cert.pem"
rules = { a = 1, list = [true, "x"] }
[pool]
count = 7
rate = 1
on = false
period = "90s"
secret = { credential = "pool-key" }
)"));
    EXPECT_EQ(config.get(kName), "from file");
    EXPECT_EQ(config.get(kMode), "development");
    EXPECT_EQ(config.get(kListen), "[::1]:9000");
    EXPECT_EQ(config.get(kNames), (TextList{"a", "b"}));
    EXPECT_EQ(config.get(kCertificate)->to_string(), "file:/etc/cert.pem");
    EXPECT_EQ(config.get(kRules).dump(), R"({"a":1,"list":[true,"x"]})");
    EXPECT_EQ(config.get(kCount), 7);
    EXPECT_EQ(config.get(kRate), 1.0);
    EXPECT_FALSE(config.get(kOn));
    EXPECT_EQ(config.get(kPeriod), std::chrono::seconds(90));
    EXPECT_EQ(config.get(kSecret)->to_string(), "credential:pool-key");
    EXPECT_EQ(config.origin("pool.count"), Origin::File);
    EXPECT_EQ(config.where("pool.count"), "test.toml:9");
}

TEST(ConfigTest, TheEnvironmentWinsOverTheFileAndFlagsOverBoth) {
    ConfigInputs inputs = file("name = \"file\"\n[pool]\ncount = 1\nrate = 0.5\n");
    inputs.environment = {{"ADYTON_NAME", "environment"}, {"ADYTON_POOL_COUNT", "2"}};
    inputs.flags = {{"name", "flag"}};
    const Config config = load(inputs);
    EXPECT_EQ(config.get(kName), "flag");
    EXPECT_EQ(config.where("name"), "--name");
    EXPECT_EQ(config.get(kCount), 2);
    EXPECT_EQ(config.where("pool.count"), "ADYTON_POOL_COUNT");
    EXPECT_EQ(config.get(kRate), 0.5);
}

TEST(ConfigTest, TheContractsVariablesWinInTheirOrderAndEmptyOnesDoNotCount) {
    ConfigInputs inputs;
    inputs.environment = {{"ADYTON_NAME", "automatic"}, {"NEW_NAME", "new"}, {"OLD_NAME", ""}};
    EXPECT_EQ(load(inputs).get(kName), "new");
    inputs.environment["OLD_NAME"] = "old";
    EXPECT_EQ(load(inputs).get(kName), "old");
}

TEST(ConfigTest, AnUnknownKeyIsAnErrorThatKnowsWhatWasMeant) {
    expect_refused(file("[pool]\ncuont = 5\n"), "test.toml:2: pool.cuont: no such setting");
    expect_refused(file("[pool]\ncuont = 5\n"), "did you mean pool.count?");
    expect_refused(file("count = 5\n"), "did you mean pool.count?");
    expect_refused(file("something_else = 5\n"), "no such setting");
    expect_refused(file("[pool.count]\nx = 1\n"), "wants an integer");
    expect_refused(file("pool = 5\n"), "is a group of settings");
    ConfigInputs flags;
    flags.flags = {{"pool.cout", "5"}};
    expect_refused(flags, "did you mean pool.count?");
}

TEST(ConfigTest, AMistypedVariableIsAnErrorAndAForeignOneAWarning) {
    ConfigInputs inputs;
    inputs.environment = {{"ADYTON_POOL_CUONT", "5"}};
    expect_refused(inputs, "did you mean ADYTON_POOL_COUNT?");
    inputs.environment = {{"ADYTON_QUITE_ANOTHER_THING_ALTOGETHER", "5"}};
    const Config config = load(inputs);
    ASSERT_EQ(config.warnings().size(), 1U);
    EXPECT_NE(config.warnings()[0].find("ADYTON_QUITE_ANOTHER"), std::string::npos);
}

TEST(ConfigTest, EveryProblemIsToldAtOnce) {
    ConfigInputs inputs = file("[pool]\ncount = 0\nrate = 2\nnothing = 1\n");
    inputs.environment = {{"ADYTON_POOL_ON", "perhaps"}};
    inputs.flags = {{"pool.period", "5"}};
    const auto config = Config::load(schema(), inputs);
    ASSERT_FALSE(config);
    const std::string& message = config.error().message();
    for (const char* part :
         {"test.toml:2: pool.count: wants an integer of 1 to 1000",
          "test.toml:3: pool.rate: wants a number of 0 to 1", "test.toml:4: pool.nothing",
          "ADYTON_POOL_ON: pool.on: wants true or false",
          "--set pool.period: pool.period: wants a duration"}) {
        EXPECT_NE(message.find(part), std::string::npos) << part << "\nin\n" << message;
    }
    EXPECT_EQ(std::count(message.begin(), message.end(), '\n'), 4);
}

TEST(ConfigTest, AValueOfAnotherTypeIsRefused) {
    for (const char* text :
         {"name = 5",
          "name = true",
          "mode = \"lax\"",
          "mode = 1",
          "listen = 8085",
          "listen = \":8085\"",
          "listen = \"127.0.0.1:70000\"",
          "names = \"a\"",
          "names = [1]",
          "rules = 5",
          "pool.count = \"7\"",
          "pool.count = 7.0",
          "pool.count = 1001",
          "pool.count = -1",
          "pool.rate = \"0.1\"",
          "pool.rate = 1.5",
          "pool.rate = nan",
          "pool.on = 1",
          "pool.on = \"true\"",
          "pool.period = 90",
          "pool.period = \"90\"",
          "pool.period = \"-5s\"",
          "pool.period = \"25h\"",
          "pool.period = \"1ms\"",
          "rules = { when = 2020-01-01 }",
          "rules = { rate = inf }",
          "name = 2020-01-01"}) {
        EXPECT_FALSE(Config::load(schema(), file(text))) << text;
    }
}

TEST(ConfigTest, MalformedTomlIsRefusedWithItsPlaceAndWithoutItsText) {
    expect_refused(file("name = \"a\"\nname = \"b\"\n"), "test.toml:2");
    expect_refused(file("name = \"unterminated-secret-text\n"), "test.toml:1");
    const auto config = Config::load(schema(), file("a = 1\nsecret-text = = 5\n"));
    ASSERT_FALSE(config);
    EXPECT_EQ(config.error().message().find("secret-text"), std::string::npos);
    EXPECT_FALSE(Config::load(schema(), file("name = \"\xFF\xFE\"\n")));
    EXPECT_FALSE(Config::load(schema(), file(std::string(1024 * 1024 + 1, '#'))));
    EXPECT_FALSE(Config::load(schema(), file("x = " + std::string(5000, '['))));
}

TEST(ConfigTest, ASecretInTheConfigurationIsRefusedAndNotRepeated) {
    for (const char* text :
         {"pool.secret = \"my-actual-secret-value\"", "pool.secret = 5",
          "pool.secret = { value = \"my-actual-secret-value\" }",
          "pool.secret = { file = \"/a\", env = \"B\" }", "pool.secret = {}",
          "pool.secret = { file = 5 }", "pool.secret = { env = \"not a name\" }",
          "certificate = \"my-actual-secret-value\""}) {
        const auto config = Config::load(schema(), file(text));
        ASSERT_FALSE(config) << text;
        EXPECT_EQ(config.error().message().find("my-actual"), std::string::npos);
    }
    ConfigInputs flags;
    flags.flags = {{"pool.secret", "my-actual-secret-value"}};
    const auto config = Config::load(schema(), flags);
    ASSERT_FALSE(config);
    EXPECT_EQ(config.error().message().find("my-actual"), std::string::npos);
}

TEST(ConfigTest, ASecretVariableBecomesAReferenceToItself) {
    ConfigInputs inputs = file("pool.secret = \"file:/x\"\n");
    inputs.secret_variables = {"POOL_SECRET"};
    EXPECT_EQ(load(inputs).get(kSecret)->to_string(), "env:POOL_SECRET");
    inputs.secret_variables = {"ADYTON_POOL_SECRET"};
    EXPECT_EQ(load(inputs).get(kSecret)->to_string(), "env:ADYTON_POOL_SECRET");
    inputs.secret_variables = {};
    inputs.environment = {{"POOL_SECRET_FILE", "/run/key"}};
    EXPECT_EQ(load(inputs).get(kSecret)->to_string(), "file:/run/key");
    inputs.environment = {{"ADYTON_POOL_SECRET_FILE", "/run/other"}};
    EXPECT_EQ(load(inputs).get(kSecret)->to_string(), "file:/run/other");
    inputs.secret_variables = {"ADYTON_POOL_SECRET"};
    expect_refused(inputs, "one of them is enough");
}

TEST(ConfigTest, APublicTextInAVariableIsReferredToAsWell) {
    ConfigInputs inputs;
    inputs.environment = {{"MARBLE_CERT", "-----BEGIN CERTIFICATE-----"}};
    const Config config = load(inputs);
    EXPECT_EQ(config.get(kCertificate)->to_string(), "env:MARBLE_CERT");
    EXPECT_EQ(config.to_text().find("BEGIN"), std::string::npos);
}

TEST(ConfigTest, PortReplacesThePortAndAHostAloneKeepsIt) {
    ConfigInputs inputs;
    inputs.environment = {{"PORT", "9000"}};
    EXPECT_EQ(load(inputs).get(kListen), "127.0.0.1:9000");
    EXPECT_EQ(load(inputs).where("listen"), "PORT");
    inputs.environment = {{"BIND_ADDR", "0.0.0.0"}};
    EXPECT_EQ(load(inputs).get(kListen), "0.0.0.0:8085");
    inputs.environment = {{"BIND_ADDR", "0.0.0.0:1"}, {"PORT", "2"}};
    EXPECT_EQ(load(inputs).get(kListen), "0.0.0.0:2");
    inputs.environment = {{"BIND_ADDR", "[::1]:1"}, {"PORT", "2"}};
    EXPECT_EQ(load(inputs).get(kListen), "[::1]:2");
    inputs.flags = {{"listen", "10.0.0.1:3"}};
    EXPECT_EQ(load(inputs).get(kListen), "10.0.0.1:3");
    inputs.flags.clear();
    inputs.environment = {{"PORT", "http"}};
    expect_refused(inputs, "wants a port");
}

TEST(ConfigTest, APasswordInAUrlComesFromTheEnvironmentOnlyAndIsNeverShown) {
    ConfigInputs inputs;
    inputs.environment = {{"DATABASE_URL", "postgres://user:hunter2@host/db"}};
    const Config config = load(inputs);
    EXPECT_EQ(config.get(kUrl), "postgres://user:hunter2@host/db");
    EXPECT_EQ(config.to_text().find("hunter2"), std::string::npos);
    EXPECT_NE(config.to_text().find("postgres://user:***@host/db"), std::string::npos);
    EXPECT_EQ(config.to_json().dump().find("hunter2"), std::string::npos);
    for (const char* url :
         {"postgres://user:hunter2@host/db", "postgres://host/db?password=hunter2",
          "postgres://host/db?sslmode=require&password=hunter2",
          "postgres://u:hunter2@h@host/db"}) {
        const std::string text = "database.url = \"" + std::string(url) + "\"\n";
        const auto refused = Config::load(schema(), file(text));
        ASSERT_FALSE(refused) << url;
        EXPECT_EQ(refused.error().message().find("hunter2"), std::string::npos);
        ConfigInputs flags;
        flags.flags = {{"database.url", url}};
        EXPECT_FALSE(Config::load(schema(), flags)) << url;
        ConfigInputs shown;
        shown.environment = {{"DATABASE_URL", url}};
        EXPECT_EQ(load(shown).to_text().find("hunter2"), std::string::npos) << url;
    }
    for (const char* url :
         {"postgres://user@host/db", "postgres://host:5432/db", "sqlite:/tmp/a:b@c",
          "postgres://user:@host/db", "postgres://host/db?password="}) {
        const std::string text = "database.url = \"" + std::string(url) + "\"\n";
        EXPECT_EQ(load(file(text)).get(kUrl), url);
    }
}

TEST(ConfigTest, TheEffectiveConfigurationNamesEachOrigin) {
    ConfigInputs inputs = file("[pool]\ncount = 7\n");
    inputs.environment = {{"ADYTON_POOL_RATE", "0.5"}};
    inputs.secret_variables = {"POOL_SECRET"};
    inputs.flags = {{"pool.on", "no"}};
    const Config config = load(inputs);
    const std::string text = config.to_text();
    for (const char* part :
         {"pool.count   = 7", "# test.toml:2", "# ADYTON_POOL_RATE", "# --set pool.on",
          "\"env:POOL_SECRET\"", "# default", "(unset)"}) {
        EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
    }
    const base::Json json = config.to_json();
    EXPECT_EQ(json.size(), schema().size());
    EXPECT_EQ(
        json.find("pool.count")->dump(), R"({"value":7,"origin":"file","where":"test.toml:2"})");
    EXPECT_EQ(json.find("pool.on")->find("origin")->string_value(), "flag");
}

TEST(ConfigTest, TheProcessEnvironmentIsReadWithoutSecretsAndPasswordsAreWiped) {
    std::string secret = "POOL_SECRET=swordfish-secret";
    std::string url = "DATABASE_URL=postgres://user:hunter2@host/db";
    std::string name = "NEW_NAME=from the process";
    std::string foreign = "ADYTON_FOREIGN=1";
    std::string empty = "OLD_NAME=";
    std::string other = "SOMEBODY_ELSES_SECRET=1";
    for (std::string* entry : {&secret, &url, &name, &foreign, &empty, &other}) {
        ASSERT_EQ(::putenv(entry->data()), 0);
    }
    ConfigInputs inputs;
    const std::array<std::string_view, 1> others{"MARBLE_ENV"};
    ::setenv("MARBLE_ENV", "production", 1);
    read_environment(schema(), others, inputs);
    EXPECT_EQ(inputs.environment["NEW_NAME"], "from the process");
    EXPECT_EQ(inputs.environment["DATABASE_URL"], "postgres://user:hunter2@host/db");
    EXPECT_EQ(inputs.environment["ADYTON_FOREIGN"], "1");
    EXPECT_EQ(inputs.environment["MARBLE_ENV"], "production");
    EXPECT_FALSE(inputs.environment.contains("OLD_NAME"));
    EXPECT_FALSE(inputs.environment.contains("SOMEBODY_ELSES_SECRET"));
    EXPECT_TRUE(inputs.secret_variables.contains("POOL_SECRET"));
    for (const auto& [variable, value] : inputs.environment) {
        EXPECT_EQ(value.find("swordfish"), std::string::npos) << variable;
    }
    EXPECT_EQ(url.find("hunter2"), std::string::npos);
    // the secret itself is left for SecretSource
    EXPECT_NE(secret.find("swordfish"), std::string::npos);
    for (const char* variable :
         {"POOL_SECRET", "DATABASE_URL", "NEW_NAME", "ADYTON_FOREIGN", "OLD_NAME",
          "SOMEBODY_ELSES_SECRET", "MARBLE_ENV"}) {
        ::unsetenv(variable);
    }
}

TEST(ConfigTest, SecretVariablesAreListedWithTheAutomaticNames) {
    EXPECT_EQ(
        secret_variable_names(schema()),
        (std::vector<std::string>{"POOL_SECRET", "ADYTON_POOL_SECRET"}));
}

TEST(ConfigTest, AFileIsReadFromDiskOrTheRefusalSaysWhy) {
    char pattern[] = "/tmp/adyton_config_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern), nullptr);
    const std::string path = std::string(pattern) + "/adyton.toml";
    std::ofstream(path) << "name = \"disk\"\n";
    ConfigInputs inputs;
    ASSERT_TRUE(read_config_file(path, inputs));
    EXPECT_EQ(load(inputs).get(kName), "disk");
    EXPECT_EQ(load(inputs).where("name"), path + ":1");
    EXPECT_EQ(read_config_file(path + "x", inputs).error().code(), ErrorCode::NotFound);
    EXPECT_EQ(read_config_file(pattern, inputs).error().code(), ErrorCode::InvalidArgument);
    std::ofstream(path) << std::string(1024 * 1024 + 1, '#');
    EXPECT_EQ(read_config_file(path, inputs).error().code(), ErrorCode::TooLarge);
    std::filesystem::remove_all(pattern);
}

TEST(ConfigTest, TomlForOtherModulesBecomesJson) {
    const auto json = parse_toml("a = 1\n[b]\nc = [\"x\", 2.5, false]\n", "policy.toml");
    ASSERT_TRUE(json);
    EXPECT_EQ(json->dump(), R"({"a":1,"b":{"c":["x",2.5,false]}})");
    const auto bad = parse_toml("a = 1\nb = 2020-01-01\n", "policy.toml");
    ASSERT_FALSE(bad);
    EXPECT_EQ(bad.error().message().rfind("policy.toml:2", 0), 0U) << bad.error().message();
}

TEST(HostPortTest, AddressesParseAndPrintBack) {
    for (const char* text : {"127.0.0.1:8085", "[::1]:0", "localhost:65535", "a-b.example_1:80"}) {
        const auto address = parse_host_port(text);
        ASSERT_TRUE(address) << text;
        EXPECT_EQ(address->to_string(), text);
    }
}

TEST(HostPortTest, EverythingElseIsRefused) {
    for (const char* text :
         {"", ":", ":80", "host", "host:", "host:65536", "host:-1", "host:+1", "host:8 0", "::1:80",
          "[::1]", "[]:80", "[host]:80", "ho st:80", "http://host:80", "host:80/", "[::1:80",
          "host:0x50"}) {
        EXPECT_FALSE(parse_host_port(text)) << text;
    }
}

TEST(HostPortTest, LoopbackIsRecognisedAndLookalikesAreNot) {
    for (const char* text : {"127.0.0.1:1", "127.255.0.9:1", "[::1]:1", "localhost:1"}) {
        EXPECT_TRUE(is_loopback(parse_host_port(text).value())) << text;
    }
    for (const char* text :
         {"0.0.0.0:1", "[::]:1", "128.0.0.1:1", "127.example.org:1", "127.0.0.1.example:1",
          "localhost.example.org:1", "10.0.0.1:1"}) {
        EXPECT_FALSE(is_loopback(parse_host_port(text).value())) << text;
    }
}

}  // namespace
}  // namespace adyton::service
