#include <gtest/gtest.h>

#include "compute/leak_guard.h"
#include "compute/receipt.h"
#include "compute/secret_repository.h"
#include "compute/test_compute.h"
#include "crypto/digest.h"

namespace adyton::compute {
namespace {

class SecretsTest : public ComputeTest {
public:
    // Runs a script that returns what it is told, and gives the answer.
    TestAnswer run_with(
        const std::string& refs, const std::string& more = "", const std::string& user = "alice") {
        return execute("{\"script\":\"x\",\"secret_refs\":[" + refs + "]" + more + "}", user);
    }
    FakeEngine::Secrets given;

    void watch(std::string output = "{\"ok\":true}", std::vector<std::string> logs = {}) {
        engine().behave = [this, output = std::move(output), logs = std::move(logs)](
                              const script::Job&, const FakeEngine::Secrets& secrets) {
            given = secrets;
            return completed(output, logs);
        };
    }
};

const std::string kCodeHash = crypto::sha256(base::as_bytes("x")).to_hex();

TEST_P(SecretsTest, ASecretIsStoredSealedListedWithoutItsValueAndForgotten) {
    open();
    put_secret("api_key", "FINDME-VALUE");
    const auto list = get("/secrets");
    ASSERT_EQ(list.body.size(), 1u);
    EXPECT_EQ(list.body.items()[0].find("name")->string_value(), "api_key");
    EXPECT_EQ(list.text.find("FINDME"), std::string::npos);
    EXPECT_EQ(get("/secrets", "bob").text, "[]\n");
    auto unit = [](storage::Transaction& tx) -> Result<std::string> {
        TRY(const auto rows, tx.query("SELECT sealed FROM compute_secrets", {}));
        TRY(const auto bytes, rows.bytes(0, 0));
        return std::string(base::as_text(bytes));
    };
    EXPECT_EQ(run(database().read(unit))->find("FINDME"), std::string::npos);
    EXPECT_EQ(call({"DELETE", "/secrets/api_key", "", "bob", {}}).status, 404);
    EXPECT_EQ(call({"DELETE", "/secrets/api_key", "", "alice", {}}).status, 204);
    EXPECT_EQ(call({"DELETE", "/secrets/api_key", "", "alice", {}}).status, 404);
    EXPECT_EQ(get("/secrets").text, "[]\n");
    put_secret("api_key", "second");
    EXPECT_EQ(get("/secrets").body.items()[0].find("version")->number_text(), "2");
}

Task<Result<SecretInfo>> put_first(
    storage::Database& database, const ComputeKeys& keys, std::uint64_t seed,
    std::string sleep_before, std::string sleep_after) {
    base::SeededRandom random(seed);
    const secrets::NewSecret secret{"alice", "api_key", true, {}};
    const auto sealed =
        secrets::seal_in_transit(keys, random, script::SensitiveBytes(std::string_view("value")));
    auto unit = [&](storage::Transaction& tx) -> Result<SecretInfo> {
        TRY_VOID(tx.execute_script("SELECT pg_sleep(" + sleep_before + ")"));
        TRY(auto info, secrets::put(tx, keys, random, secret, sealed, 10));
        TRY_VOID(tx.execute_script("SELECT pg_sleep(" + sleep_after + ")"));
        return info;
    };
    auto write = database.write(std::move(unit));
    co_return co_await std::move(write);
}

TEST_P(SecretsTest, TwoFirstValuesAtOnceAreTwoVersions) {
    if (database().dialect() != storage::Dialect::Postgres) {
        GTEST_SKIP() << "one writer: nothing happens at once";
    }
    open();
    const ComputeKeys& keys = compute().context().keys;
    const auto another = test().open_another();
    std::vector<Task<Result<SecretInfo>>> both;
    // The second looks, and finds none, while the first is written and not committed yet.
    both.push_back(put_first(database(), keys, 11, "0", "0.24"));
    both.push_back(put_first(*another, keys, 12, "0.2", "0"));
    const auto made = test().run_all(std::move(both));
    ASSERT_TRUE(made[0] && made[1]);
    EXPECT_EQ(made[0]->version, 1);
    EXPECT_EQ(made[1]->version, 2);
    EXPECT_EQ(number("SELECT version FROM compute_secrets"), 2);
    watch();
    EXPECT_EQ(run_with("\"api_key\"").string("status"), "completed");
}

TEST_P(SecretsTest, NamesOfDeletedSecretsAreNotKeptWithoutEnd) {
    auto options = development();
    options.compute.secrets_per_user_max = 2;
    open(options);
    const auto put = [this](int number) {
        return call(
            {"PUT", "/secrets/n" + std::to_string(number), R"({"value":"v"})", "alice", {}});
    };
    for (int i = 0; i < 20; ++i) {
        ASSERT_EQ(put(i).status, 201) << i;
        EXPECT_EQ(call({"DELETE", "/secrets/n" + std::to_string(i), "", "alice", {}}).status, 204);
    }
    const auto refused = put(20);
    EXPECT_EQ(refused.status, 429) << refused.text;
    EXPECT_EQ(refused.at("details").find("reason")->string_value(), "secret_names_max");
    EXPECT_EQ(put(7).status, 200);
    EXPECT_EQ(put(7).status, 200);
}

TEST_P(SecretsTest, ANameAndAValueHaveAForm) {
    open();
    const auto put = [this](const std::string& name, const std::string& body) {
        return call({"PUT", "/secrets/" + name, body, "alice", {}}).status;
    };
    EXPECT_EQ(put(std::string(129, 'n'), "{\"value\":\"v\"}"), 400);
    EXPECT_EQ(put("a%20b", "{\"value\":\"v\"}"), 400);
    EXPECT_EQ(put("n", "{}"), 400);
    EXPECT_EQ(put("n", "{\"value\":\"\"}"), 400);
    EXPECT_EQ(put("n", "{\"value\":\"v\",\"code_hashes\":[\"abc\"]}"), 400);
    EXPECT_EQ(put("n", "{\"value\":\"v\",\"on_leak\":\"shrug\"}"), 400);
    EXPECT_EQ(put("n", "{\"value\":\"" + std::string(65'536, 'v') + "\"}"), 201);
    EXPECT_EQ(put("n", "{\"value\":\"" + std::string(65'537, 'v') + "\"}"), 413);
    EXPECT_EQ(put(std::string(128, 'n'), "{\"value\":\"v\"}"), 201);
}

TEST_P(SecretsTest, ADestinationIsAHostAsAUrlNamesIt) {
    open();
    const auto put = [this](const std::string& destination) {
        return call(
            {"PUT",
             "/secrets/n",
             R"({"value":"v","destinations":["api.example",")" + destination + "\"]}",
             "alice",
             {}});
    };
    for (const std::string good :
         {"example.com", "a-b_c.example.com", "203.0.113.7", "2001:db8::7"}) {
        EXPECT_LT(put(good).status, 300) << good;
    }
    // What no request goes to: the secret would be of no use, and nobody told.
    for (const std::string bad :
         {"", "http://x", "x/", "EXAMPLE.com", "example.com:443", "*", "*.example.com", "a@b",
          "x?y", "[2001:db8::7]", "2001:DB8::7", "\\u00e4.example", "a b"}) {
        const TestAnswer refused = put(bad);
        EXPECT_EQ(refused.status, 400) << bad;
        EXPECT_NE(refused.string("message").find("destinations"), std::string::npos)
            << refused.text;
    }
}

TEST_P(SecretsTest, AJobGetsItsSecretsByNameAndTheReadingIsAudited) {
    open();
    put_secret("api_key", "value-1");
    put_secret("other", "value-2");
    watch();
    const auto answer = run_with(R"("api_key","secrets:other"," SECRETS:api_key ","")");
    ASSERT_EQ(answer.string("status"), "completed") << answer.text;
    EXPECT_EQ(given, (FakeEngine::Secrets{{"api_key", "value-1"}, {"other", "value-2"}}));
    const std::string logs = answer.at("logs").dump();
    EXPECT_NE(logs.find("Loaded secret: api_key"), std::string::npos);
    EXPECT_NE(logs.find("Loaded secret: other"), std::string::npos);
    const auto kinds = audit_kinds();
    EXPECT_EQ(kinds.back(), "compute.secret_read");
    const auto receipt = *parse_receipt(answer.at("receipt").dump());
    ASSERT_EQ(receipt.receipt.secrets.size(), 2u);
    EXPECT_EQ(receipt.receipt.secrets[0], (Receipt::Secret{"alice", "api_key", 1}));
}

TEST_P(SecretsTest, AnUnknownSecretFailsTheJobAndIsAudited) {
    open();
    put_secret("known", "value-1");
    watch();
    const auto answer = run_with(R"("known","unknown")");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.string("status"), "failed");
    EXPECT_EQ(answer.string("error"), "failed to fetch secret unknown: secret not found");
    EXPECT_EQ(answer.string("error_code"), "secret_not_found");
    EXPECT_TRUE(engine().seen.empty());
    EXPECT_EQ(audit_kinds().back(), "compute.secret_denied");
    EXPECT_EQ(number("SELECT COALESCE(SUM(running), 0) FROM compute_users"), 0);
    EXPECT_EQ(get("/jobs/" + answer.string("job_id")).text, answer.text);
}

TEST_P(SecretsTest, WithoutAnAuditRecordNothingIsRead) {
    open();
    put_secret("api_key", "value-1");
    watch();
    write("DROP TABLE audit_records");
    const auto answer = run_with("\"api_key\"");
    EXPECT_GE(answer.status, 500) << answer.text;
    EXPECT_TRUE(engine().seen.empty());
    EXPECT_TRUE(given.empty());
    EXPECT_EQ(number("SELECT COUNT(*) FROM compute_jobs"), 0);
}

TEST_P(SecretsTest, ATooLargeScriptReadsNoSecret) {
    open();
    put_secret("api_key", "value-1");
    const auto before = audit_kinds();
    const auto answer = execute(
        "{\"script\":\"" + std::string(script::kSourceBytesMax + 1, 'x') +
        "\",\"secret_refs\":[\"api_key\"]}");
    EXPECT_EQ(answer.string("error_code"), "script_too_large");
    EXPECT_EQ(audit_kinds(), before);
}

TEST_P(SecretsTest, WithoutAPolicyNothingIsReadInStrictMode) {
    auto options = strict();
    options.compute.user_header_from_anybody = true;
    open(options);
    watch();
    put_secret("open", "value-1", ",\"any_code\":true");
    put_secret("closed", "value-2");
    EXPECT_EQ(run_with("\"open\"").string("status"), "completed");
    EXPECT_EQ(run_with("\"closed\"").string("error_code"), "secret_forbidden");
}

TEST_P(SecretsTest, AppsAndCodeHashesDecideTogether) {
    open();
    watch();
    put_secret("app", "value-1", ",\"apps\":[\"good\"]");
    put_secret("code", "value-2", ",\"code_hashes\":[\"" + kCodeHash + "\"]");
    put_secret("both", "value-3", ",\"apps\":[\"good\"],\"code_hashes\":[\"" + kCodeHash + "\"]");
    const std::string good = ",\"app_id\":\"good\"";
    EXPECT_EQ(run_with("\"app\"").string("error_code"), "secret_forbidden");
    EXPECT_EQ(run_with("\"app\"", good).string("status"), "completed");
    EXPECT_EQ(run_with("\"code\"").string("status"), "completed");
    EXPECT_EQ(run_with("\"both\"").string("error_code"), "secret_forbidden");
    EXPECT_EQ(run_with("\"both\"", good).string("status"), "completed");
    EXPECT_EQ(
        execute("{\"script\":\"y\",\"secret_refs\":[\"code\"]}").string("error_code"),
        "secret_forbidden");
}

TEST_P(SecretsTest, AnotherUsersSecretIsThereForThoseItNames) {
    open();
    watch();
    put_secret("shared", "value-1", ",\"users\":[\"bob\"]");
    put_secret("mine", "value-2");
    EXPECT_EQ(run_with("\"alice/shared\"", "", "bob").string("status"), "completed");
    EXPECT_EQ(given.at("alice/shared"), "value-1");
    // Whoever may not read it is not told that it is there.
    EXPECT_EQ(run_with("\"alice/mine\"", "", "bob").string("error_code"), "secret_not_found");
    EXPECT_EQ(run_with("\"alice/shared\"", "", "carol").string("error_code"), "secret_not_found");
}

TEST_P(SecretsTest, ARowThatWasMovedOrChangedDoesNotOpen) {
    open();
    watch();
    put_secret("first", "value-1");
    put_secret("second", "value-2");
    write(
        "UPDATE compute_secrets SET sealed = (SELECT sealed FROM compute_secrets WHERE "
        "name = 'first') WHERE name = 'second'");
    const auto swapped = run_with("\"second\"");
    EXPECT_EQ(swapped.string("status"), "failed");
    EXPECT_EQ(swapped.string("error_code"), "secret_unreadable");
    write("UPDATE compute_secrets SET version = 9 WHERE name = 'first'");
    EXPECT_EQ(run_with("\"first\"").string("error_code"), "secret_unreadable");
    EXPECT_EQ(number("SELECT COALESCE(SUM(running), 0) FROM compute_users"), 0);
}

TEST_P(SecretsTest, SecretsAreSealedAnewUnderANewMasterKey) {
    open();
    for (int i = 0; i < 3; ++i) put_secret("n" + std::to_string(i), "value-" + std::to_string(i));
    auto options = development();
    options.master = 8;
    options.previous_master = 7;
    open(options);
    watch();
    EXPECT_EQ(run_with("\"n0\",\"n2\"").string("status"), "completed");
    EXPECT_EQ(given.at("n2"), "value-2");
    EXPECT_EQ(number("SELECT COUNT(DISTINCT master_key_id) FROM compute_secrets"), 1);
    options.previous_master.reset();
    open(options);  // the old key is not needed any more
    watch();
    EXPECT_EQ(run_with("\"n1\"").string("status"), "completed");
    const auto kinds = audit_kinds();
    EXPECT_NE(std::find(kinds.begin(), kinds.end(), "compute.secrets_rotated"), kinds.end());
}

// Instances are started anew one after the other.
TEST_P(SecretsTest, WhoHasTheMasterKeyBeforeTakesNothingOnAnyMore) {
    engine_ = std::make_unique<FakeEngine>(executor(), 1);
    open();
    put_secret("token", "value");
    const auto held = begin_hold("bob");
    until([&] { return engine().running == 1; });
    auto options = development();
    options.instance = "test-2";
    options.seed = 77;
    options.master = 8;
    options.previous_master = 7;
    FakeEngine newer(executor());
    auto second = *run(TestCompute::open(database(), executor(), newer, options));

    const TestCall put{
        "PUT", "/secrets/token", R"({"value":"other","any_code":true})", "alice", {}};
    const auto refused = call(put);
    EXPECT_EQ(refused.status, 503) << refused.text;
    EXPECT_EQ(refused.at("details").find("reason")->string_value(), "master_key_changed");
    EXPECT_EQ(run_with("\"token\"").status, 503);
    EXPECT_EQ(call({"POST", "/execute?wait=0", R"({"script":"x"})", "alice", {}}).status, 503);
    until([&] { return !compute().service().check_keys(); });

    // Its own job goes on to its end, and the newer one's queue is not its.
    compute_.swap(second);
    EXPECT_EQ(run_with("\"token\"").string("status"), "completed");
    engine().release();
    until([&] { return held->status == 200; });
    EXPECT_EQ(held->string("status"), "completed");
    EXPECT_EQ(number("SELECT COUNT(DISTINCT master_key_id) FROM compute_secrets"), 1);
    run(second->stop());
}

TEST_P(SecretsTest, AnExportableSecretInTheOutputOnlyWarns) {
    open();
    put_secret("api_key", "super-secret");
    watch("{\"apiKey\":\"super-secret\"}");
    const auto answer = run_with("\"api_key\"");
    EXPECT_EQ(answer.string("status"), "completed");
    EXPECT_EQ(answer.at("output").dump(), "{\"apiKey\":\"super-secret\"}");
    EXPECT_EQ(answer.at("warnings").dump(), "[\"secret_in_output:api_key\"]");
}

TEST_P(SecretsTest, ASecretThatIsNotExportableRefusesOrIsRedacted) {
    open();
    put_secret("refused", "super-secret", ",\"exportable\":false");
    put_secret("redacted", "other-secret", ",\"exportable\":false,\"on_leak\":\"redact\"");
    watch("{\"a\":\"x super-secret y\"}", {"super-secret in the console"});
    const auto refused = run_with("\"refused\"");
    EXPECT_EQ(refused.string("status"), "failed");
    EXPECT_EQ(refused.string("error_code"), "secret_leak");
    EXPECT_EQ(refused.text.find("super-secret"), std::string::npos) << refused.text;
    EXPECT_FALSE(refused.has("output_hash"));
    watch("{\"a\":\"x other-secret y\",\"b\":[1,\"fine\"]}", {"other-secret"});
    const auto redacted = run_with("\"redacted\"");
    EXPECT_EQ(redacted.string("status"), "completed");
    EXPECT_EQ(redacted.at("output").dump(), "{\"a\":\"[redacted:redacted]\",\"b\":[1,\"fine\"]}");
    EXPECT_EQ(redacted.text.find("other-secret"), std::string::npos);
    engine().behave = [](const auto&, const auto&) {
        return failed(script::Stage::Execution, "thrown with other-secret");
    };
    EXPECT_EQ(run_with("\"redacted\"").text.find("other-secret"), std::string::npos);
}

TEST_P(SecretsTest, ASecretIsFoundInJsonTextsToo) {
    open();
    put_secret(
        "pem", R"(-----BEGIN-----\nMIIB \"x\"\\\n-----END-----)",
        ",\"exportable\":false,\"on_leak\":\"redact\"");
    const std::string json = R"({"pem":"-----BEGIN-----\nMIIB \"x\"\\\n-----END-----"})";
    base::Json output = base::Json::object();
    output.set("x", base::Json::string(json));
    watch(output.dump(), {"all: " + json});
    const auto shown = run_with("\"pem\"");
    EXPECT_EQ(shown.string("status"), "completed");
    EXPECT_EQ(shown.text.find("MIIB"), std::string::npos) << shown.text;
    EXPECT_EQ(shown.at("output").dump(), R"({"x":"[redacted:pem]"})");
    engine().behave = [&json](const auto&, const auto&) {
        return failed(script::Stage::Execution, json);
    };
    EXPECT_EQ(run_with("\"pem\"").text.find("MIIB"), std::string::npos);
}

TEST_P(SecretsTest, TheBeginningOfASecretThatACutLeavesIsFound) {
    open();
    std::string value;
    for (int i = 0; value.size() < 5'000; ++i) value += "part " + std::to_string(i) + ",";
    put_secret("big", value, ",\"exportable\":false,\"on_leak\":\"redact\"");
    const auto line_of = [](const std::string& text) {
        return text.substr(0, script::kLogEntryBytesMax) + "...(truncated)";
    };
    const std::string before(4'080, '-');
    watch(
        "{\"ok\":true}", {line_of(value), line_of(before + value),
                          line_of("{\"big\":\"" + base::hex_encode(base::as_bytes(value))),
                          line_of(before + "fine and long")});
    const auto logged = run_with("\"big\"");
    EXPECT_EQ(logged.string("status"), "completed");
    EXPECT_EQ(logged.text.find("part "), std::string::npos) << logged.text;
    EXPECT_EQ(logged.text.find(base::hex_encode(base::as_bytes("part 1"))), std::string::npos);
    EXPECT_NE(logged.text.find("fine and long"), std::string::npos);
    engine().behave = [&](const auto&, const auto&) {
        return failed(script::Stage::Execution, (before + value).substr(0, 4'096));
    };
    EXPECT_EQ(run_with("\"big\"").text.find("part "), std::string::npos);
    engine().behave = [&](const auto&, const auto&) {
        auto result = failed(script::Stage::Execution, "x");
        result.error->name = value.substr(0, 128);
        return result;
    };
    EXPECT_EQ(run_with("\"big\"").text.find("part "), std::string::npos);
}

TEST_P(SecretsTest, ARecordingHasNoHashOfWhatWasHeldBack) {
    open();
    put_secret("pin", "4711", ",\"exportable\":false,\"on_leak\":\"redact\"");
    const auto recording_of = [this] {
        const auto id = run_with("\"pin\"", ",\"record\":true").string("job_id");
        return get("/jobs/" + id + "/recording");
    };
    watch("{\"pin\":\"4711\"}", {"done"});
    const auto held = recording_of();
    EXPECT_TRUE(held.at("output_hash").is_null()) << held.text;
    EXPECT_TRUE(held.at("console_hash").is_null()) << held.text;
    watch("{\"pin\":\"none\"}", {"done"});
    const auto given_out = recording_of();
    EXPECT_EQ(given_out.string("output_hash").size(), 64u) << given_out.text;
    EXPECT_EQ(given_out.string("console_hash").size(), 64u);
}

TEST_P(SecretsTest, ARecordingSaysWhichSecretsTheScriptDidNotSee) {
    open();
    put_secret("token", "bearer-value", ",\"destinations\":[\"api.example\"]");
    put_secret("plain", "value-1");
    watch();
    const auto id = run_with("\"plain\",\"token\"", ",\"record\":true").string("job_id");
    const auto recording = get("/jobs/" + id + "/recording");
    EXPECT_EQ(recording.at("secret_names").dump(), "[\"plain\",\"token\"]");
    EXPECT_EQ(recording.at("bound_names").dump(), "[\"token\"]");
    EXPECT_FALSE(recording.at("has_host").boolean_value());
}

TEST_P(SecretsTest, ASecretBoundToADestinationIsNeverShownToTheScript) {
    open();
    put_secret("token", "bearer-value", ",\"destinations\":[\"api.example\"]");
    watch();
    EXPECT_EQ(run_with("\"token\"").string("status"), "completed");
    EXPECT_EQ(given.at("token"), "{{secret:token}}");
}

ADYTON_ON_ALL_DATABASES(SecretsTest);

// ----- the guard alone --------------------------------------------------------------------------

LeakGuard guard_of_value(std::string_view value, bool redact = false) {
    std::vector<LeakGuard::Guarded> guarded;
    guarded.push_back({"s", script::SensitiveBytes(value), false, redact});
    return LeakGuard(std::move(guarded));
}

bool finds(std::string_view value, std::string_view text) {
    LeakGuard guard = guard_of_value(value);
    return !guard.search(text).empty();
}

std::string base64url(std::string_view text) {
    std::string out = base::base64_encode(base::as_bytes(text));
    for (char& c : out) {
        if (c == '+') c = '-';
        if (c == '/') c = '_';
    }
    while (out.back() == '=') out.pop_back();
    return out;
}

TEST(LeakGuardTest, EachCommonEncodingIsFoundWhereverItStands) {
    const std::string value = "p\xc3\xa4ss?word>42/~";
    EXPECT_TRUE(finds(value, "before " + value + " after"));
    std::string hex = base::hex_encode(base::as_bytes(value));
    EXPECT_TRUE(finds(value, "x" + hex));
    for (char& c : hex) c = static_cast<char>(std::toupper(c));
    EXPECT_TRUE(finds(value, hex + "!"));
    for (const std::string before : {"", "a", "ab", "abc"}) {
        for (const std::string after : {"", "z", "yz"}) {
            const std::string whole = before + value + after;
            EXPECT_TRUE(finds(value, base::base64_encode(base::as_bytes(whole)))) << whole;
            EXPECT_TRUE(finds(value, base64url(whole))) << whole;
        }
    }
    std::string backwards(value.rbegin(), value.rend());
    EXPECT_TRUE(finds(value, backwards));
    EXPECT_TRUE(finds(
        "abcd\xc3\xa4",
        "\xc3\xa4"
        "dcba"));
    std::string percent;
    for (const char letter : value) {
        const auto c = static_cast<std::uint8_t>(letter);
        percent += "%" + base::hex_encode(std::span<const std::uint8_t>(&c, 1));
    }
    EXPECT_TRUE(finds(value, "q=" + percent));
    EXPECT_TRUE(finds("a b&c=", "a%20b%26c%3d"));
}

TEST(LeakGuardTest, JsonIsReadAsDeepAsItIsWrittenByAccident) {
    const std::string value = "l\xc3\xadne 1\nl\xc3\xadne \"2\"\\\t/\xf0\x9f\x98\x80.";
    EXPECT_TRUE(
        finds(value, "{\"k\":\"l\\u00edne 1\\nl\\u00EDne \\\"2\\\"\\\\\\t\\/\\uD83D\\ude00.\"}"));
    std::string text = value;
    for (int level = 0; level < LeakGuard::kJsonLevelsMax; ++level) {
        text = base::Json::string(text).dump();
        EXPECT_TRUE(finds(value, text)) << text;
        const std::string more = text + " 100% \\u12 \\ud83d \\";
        EXPECT_TRUE(finds(value, more)) << more;
    }
    EXPECT_TRUE(finds("a\nb%c", "%7B%22k%22:%22a%5cnb%25c%22%7D")) << "JSON in a URL";
    EXPECT_TRUE(finds("\xff\xff\xff\xff\xff\xff", "\\/\\/\\/\\/\\/\\/\\/\\/")) << "base64";
    EXPECT_FALSE(finds("a\\nb", "a\nb"));
    EXPECT_TRUE(finds("a\\nb", "a\\nb"));
}

TEST(LeakGuardTest, ATextThatWasCutMayNotEndLikeTheBeginningOfASecret) {
    const auto begins = [](std::string_view value, std::string_view stump) {
        LeakGuard guard = guard_of_value(value);
        return !guard.search("other text", {stump}).empty();
    };
    EXPECT_TRUE(begins("a-long-secret-value", "before a-long-s"));
    EXPECT_TRUE(begins("a-long-secret-value", "a-long-secret-valu"));
    EXPECT_FALSE(begins("a-long-secret-value", "before a-long-"));
    EXPECT_FALSE(begins("a-long-secret-value", "a-long-secret after"));
    EXPECT_FALSE(begins("a-long-secret-value", ""));
    EXPECT_TRUE(begins("short-one", "x short"));
    EXPECT_FALSE(begins("short-one", "x shor"));
    EXPECT_TRUE(begins("a-long-secret-value", "A " + base::hex_encode(base::as_bytes("a-long-"))));
    // The cut may be inside of an escape.
    EXPECT_TRUE(begins("line one\nline two", "line one\\"));
    EXPECT_TRUE(begins("line one\nline two", "line one\\u00"));
    EXPECT_TRUE(begins("line one\nline two", "line%20one%"));
    EXPECT_TRUE(begins("line one \xf0\x9f\x98\x80 two", "line one \\ud83d\\ude"));
}

TEST(LeakGuardTest, OtherTextAndShortSecretsAreLeftAlone) {
    EXPECT_FALSE(finds("super-secret", "super secret"));
    EXPECT_FALSE(finds("super-secret", ""));
    EXPECT_FALSE(finds("abc", "abcabc"));
    EXPECT_TRUE(finds("abcd", "xabcdx"));
}

TEST(LeakGuardTest, NamesOfMembersAndNumbersAreLookedAtToo) {
    LeakGuard digits = guard_of_value("123456", true);
    EXPECT_TRUE(digits.scan(*base::Json::parse("{\"a\":[1234567]}")));
    EXPECT_TRUE(digits.refused().empty());
    LeakGuard names = guard_of_value("secret-name", true);
    EXPECT_TRUE(names.scan(*base::Json::parse("{\"secret-name\":1}")));
    EXPECT_EQ(names.refused(), "s");
}

}  // namespace
}  // namespace adyton::compute
