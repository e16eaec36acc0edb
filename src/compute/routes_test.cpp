#include <gtest/gtest.h>

#include "compute/canonical_json.h"
#include "compute/job_answer.h"
#include "compute/receipt.h"
#include "compute/sealed_box.h"
#include "compute/test_compute.h"
#include "crypto/digest.h"

// POST /execute and GET /jobs as callers know them (services.md 4), on every database.
namespace adyton::compute {
namespace {

class ExecuteTest : public ComputeTest {};
class IdentityTest : public ComputeTest {};

constexpr const char* kSum =
    R"({"script":"function main() { return { result: input.a + input.b }; }",)"
    R"("input":{"a":5,"b":3}})";
constexpr std::size_t kSumScriptBytes = 57;

TEST_P(ExecuteTest, AJobGivesItsResultSignedAndHashed) {
    open();
    const auto answer = execute(kSum);
    ASSERT_EQ(answer.status, 200) << answer.text;
    EXPECT_EQ(answer.string("status"), "completed");
    EXPECT_EQ(answer.at("output").dump(), "{\"result\":8}");
    EXPECT_EQ(
        answer.string("output_hash"),
        "71198385baa56075afdbca1bdcf23ba5e60e78f78a03ef849bda361865490686");
    EXPECT_EQ(answer.string("signature").size(), 64u);
    EXPECT_FALSE(answer.string("encrypted_output").empty());
    EXPECT_EQ(answer.number("gas_used"), static_cast<std::int64_t>(kSumScriptBytes * 10));
    EXPECT_EQ(answer.number("metered_gas"), 1000);
    EXPECT_EQ(answer.string("duration"), "1.5ms");
    ASSERT_EQ(engine().seen.size(), 1u);
    EXPECT_EQ(engine().seen[0].input_json, "{\"a\":5,\"b\":3}");
    EXPECT_EQ(engine().seen[0].limits.time, std::chrono::seconds(30));
    const std::string logs = answer.at("logs").dump();
    EXPECT_NE(logs.find("Starting execution"), std::string::npos) << logs;
    EXPECT_NE(logs.find("Entry point: main"), std::string::npos);
    EXPECT_NE(logs.find("\"hello\""), std::string::npos);
    EXPECT_NE(logs.find("Execution completed successfully"), std::string::npos);
}

TEST_P(ExecuteTest, AnErrorNamesTheLimitThatTheJobMet) {
    auto options = development();
    options.compute.memory_bytes = std::size_t{8} << 20;
    open(options);
    script::Status status = script::Status::TimedOut;
    engine().behave = [&status](const auto&, const auto&) {
        auto result = failed(script::Stage::Execution, "");
        result.status = status;
        return result;
    };
    const auto error_of = [this](const std::string& more) {
        return execute("{\"script\":\"x\"" + more + "}").string("error");
    };
    EXPECT_EQ(error_of(",\"timeout\":2"), "execution error: execution timeout at 2 s");
    status = script::Status::GasExhausted;
    EXPECT_EQ(error_of(",\"metered_gas_max\":1000"), "execution error: gas exhausted (limit 1000)");
    status = script::Status::OutOfMemory;
    EXPECT_EQ(error_of(""), "execution error: out of memory (limit 8388608 bytes)");
}

TEST_P(ExecuteTest, TheReceiptInTheAnswerVerifiesAndStatesTheJob) {
    open();
    const auto answer = execute(kSum);
    const auto receipt = parse_receipt(answer.at("receipt").dump());
    ASSERT_TRUE(receipt) << receipt.error().message();
    ASSERT_TRUE(check_signatures(*receipt));
    const Receipt& stated = receipt->receipt;
    EXPECT_EQ(stated.job_id, answer.string("job_id"));
    EXPECT_EQ(stated.user, "alice");
    EXPECT_EQ(stated.input_hash, crypto::sha256(base::as_bytes("{\"a\":5,\"b\":3}")));
    EXPECT_EQ(stated.output_hash->to_hex(), answer.string("output_hash"));
    EXPECT_EQ(stated.layers, "guard_pages");
    EXPECT_EQ(stated.console_hash, console_hash({{"log", "hello"}}));
    EXPECT_EQ(get("/info").string("receipt_public_key"), receipt->ed25519_key.to_hex());
    const auto alone = get("/jobs/" + stated.job_id + "/receipt");
    EXPECT_EQ(alone.text, answer.at("receipt").dump() + "\n");
}

TEST_P(ExecuteTest, TheConsoleInTheAnswerIsTheOneThatTheReceiptStates) {
    open();
    put_secret("key", "value-1");
    std::vector<script::LogEntry> logs;
    engine().behave = [&](const auto&, const auto&) {
        auto result = completed("1");
        result.logs = logs;
        return result;
    };
    const auto expect_stated = [&](bool levels_told) {
        const auto answer = execute(R"({"script":"x","secret_refs":["alice/key"]})");
        EXPECT_EQ(answer.has("log_levels"), levels_told) << answer.text;
        std::vector<std::string> lines;
        std::vector<std::string> levels;
        for (const auto& line : answer.at("logs").items()) lines.push_back(line.string_value());
        if (levels_told) {
            for (const auto& level : answer.at("log_levels").items()) {
                levels.push_back(level.string_value());
            }
        }
        const auto receipt = parse_receipt(answer.at("receipt").dump());
        ASSERT_TRUE(receipt) << receipt.error().message();
        const auto console = console_of(lines, levels, receipt->receipt);
        ASSERT_TRUE(console) << answer.text;
        EXPECT_EQ(console_hash(*console), receipt->receipt.console_hash) << answer.text;
    };
    expect_stated(false);
    logs = {{script::LogLevel::Log, "a\nb\u0000\u20ac"}, {script::LogLevel::Error, "b"}};
    expect_stated(false);
    logs.push_back({script::LogLevel::Log, "warn: "});
    expect_stated(true);
    logs = {{script::LogLevel::Info, "error: b"}, {script::LogLevel::Warn, ""}};
    expect_stated(false);
}

TEST_P(ExecuteTest, AJobIsFetchedAndListedAsItWasAnswered) {
    open();
    const auto first = execute(kSum);
    const auto second = execute(kSum);
    EXPECT_EQ(get("/jobs/" + first.string("job_id")).text, first.text);
    const auto list = get("/jobs");
    ASSERT_TRUE(list.body.is_array());
    ASSERT_EQ(list.body.size(), 2u);
    std::set<std::string> ids;
    for (const auto& job : list.body.items()) ids.insert(job.find("job_id")->string_value());
    EXPECT_TRUE(ids.contains(first.string("job_id")) && ids.contains(second.string("job_id")));
    EXPECT_EQ(get("/jobs", "bob").text, "[]\n");
    const auto other = get("/jobs/" + first.string("job_id"), "bob");
    EXPECT_EQ(other.status, 404);
    EXPECT_EQ(other.string("message"), "job not found");
    EXPECT_EQ(get("/jobs/" + first.string("job_id") + "/receipt", "bob").status, 404);
}

TEST_P(ExecuteTest, PagesOfJobsFollowOneAnotherWithoutGapsOrRepeats) {
    open();
    std::set<std::string> sent;
    for (int i = 0; i < 7; ++i) sent.insert(execute(kSum).string("job_id"));
    std::set<std::string> seen;
    std::string cursor;
    for (int page = 0; page < 10; ++page) {
        const std::string before = cursor.empty() ? "" : "&before=" + cursor;
        const auto answer = get("/jobs?limit=3&summary=true" + before);
        for (const auto& job : answer.body.items()) {
            EXPECT_TRUE(seen.insert(job.find("job_id")->string_value()).second);
            EXPECT_EQ(job.find("output"), nullptr);
        }
        const auto next = answer.headers.find("X-Next-Cursor");
        if (!next) break;
        cursor = *next;
    }
    EXPECT_EQ(seen, sent);
    EXPECT_EQ(get("/jobs?limit=0").status, 400);
    EXPECT_EQ(get("/jobs?before=yesterday").status, 400);
}

TEST_P(ExecuteTest, APageOfLargeResultsEndsEarlyAndTheNextOneGoesOn) {
    open();
    engine().behave = [](const script::Job&, const FakeEngine::Secrets&) {
        return completed("{\"big\":\"" + std::string(1'000'000, 'x') + "\"}");
    };
    std::vector<std::string> sent;
    std::size_t largest = 0;
    for (int i = 0; i < 6; ++i) {
        const auto answer = execute(kSum);
        sent.insert(sent.begin(), answer.string("job_id"));
        largest = std::max(largest, answer.text.size());
    }
    ASSERT_GT(6 * largest, std::size_t{12} << 20);
    std::vector<std::string> seen;
    std::string before;
    std::size_t pages = 0;
    for (; pages < 10; ++pages) {
        const auto answer = get("/jobs" + before);
        EXPECT_LE(answer.text.size(), (std::size_t{8} << 20) + largest);
        for (const auto& job : answer.body.items()) {
            seen.push_back(job.find("job_id")->string_value());
        }
        const auto next = answer.headers.find("X-Next-Cursor");
        if (!next) break;
        before = "?before=" + std::string(*next);
    }
    EXPECT_EQ(seen, sent);
    EXPECT_GT(pages, 0u);
    // Without results there is nothing to be large.
    EXPECT_EQ(get("/jobs?summary=true").body.size(), 6u);
}

TEST_P(ExecuteTest, AFailureIs200WithTheSeedsWordsAndIsStored) {
    open();
    engine().behave = [](const script::Job&, const FakeEngine::Secrets&) {
        auto out = failed(script::Stage::Execution, "boom");
        out.logs.push_back({script::LogLevel::Warn, "before the end"});
        return out;
    };
    const auto answer = execute(kSum);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.string("status"), "failed");
    EXPECT_EQ(answer.string("error").substr(0, 17), "execution error: ");
    EXPECT_EQ(answer.string("error_code"), "execution_error");
    EXPECT_EQ(answer.number("error_line"), 3);
    EXPECT_EQ(answer.number("gas_used"), 0);
    EXPECT_EQ(answer.number("metered_gas"), 1000);
    EXPECT_FALSE(answer.has("output"));
    EXPECT_FALSE(answer.has("signature"));
    EXPECT_NE(answer.at("logs").dump().find("warn: before the end"), std::string::npos);
    EXPECT_EQ(get("/jobs/" + answer.string("job_id")).text, answer.text);
    const auto receipt = parse_receipt(answer.at("receipt").dump());
    ASSERT_TRUE(receipt);
    EXPECT_EQ(receipt->receipt.status, "failed");
    EXPECT_FALSE(receipt->receipt.output_hash.has_value());
}

TEST_P(ExecuteTest, AnEmptyResultHasNoOutputAndNoSignature) {
    open();
    engine().behave = [](const auto&, const auto&) { return completed(""); };
    const auto answer = execute(kSum);
    EXPECT_EQ(answer.string("status"), "completed");
    for (const auto* name : {"output", "output_hash", "signature", "encrypted_output"}) {
        EXPECT_FALSE(answer.has(name)) << name;
    }
    EXPECT_EQ(answer.number("gas_used"), static_cast<std::int64_t>(kSumScriptBytes * 10));
}

TEST_P(ExecuteTest, WhatIsNoRequestIs400) {
    open();
    EXPECT_EQ(execute("{}").string("message"), "script required");
    EXPECT_EQ(execute("{\"script\":\"\"}").status, 400);
    EXPECT_EQ(execute("{\"script\":1}").status, 400);
    EXPECT_EQ(execute("[]").status, 400);
    EXPECT_EQ(execute("{\"script\":\"x\"} tail").status, 400);
    EXPECT_EQ(execute("{\"script\":\"x\",\"input\":[]}").status, 400);
    EXPECT_EQ(execute("{\"script\":\"x\",\"script\":\"y\"}").status, 400);
    EXPECT_EQ(execute("{\"script\":\"x\",\"on_restart\":\"maybe\"}").status, 400);
    EXPECT_EQ(execute("{\"script\":\"x\",\"output_public_key\":\"AAAA\"}").status, 400);
    EXPECT_EQ(execute("{\"script\":\"x\",\"sealed_only\":true}").status, 400);
    // A recording has the input, and with it the output, for whoever asks as the user.
    const std::string sealed = R"({"script":"x","sealed_only":true,"output_public_key":")" +
                               base::base64_encode(base::Bytes(32, 9)) + "\"";
    EXPECT_EQ(execute(sealed + R"(,"record":true})").status, 400);
    EXPECT_EQ(execute("").status, 400);
    EXPECT_TRUE(engine().seen.empty());
    EXPECT_EQ(number("SELECT COUNT(*) FROM compute_jobs"), 0);
}

TEST_P(ExecuteTest, TheReceiptSaysThatAScriptCameAsTypeScript) {
    open();
    const std::string script = "function main(): number { return 8; }";
    const std::string body = "{\"script\":\"" + script + "\",\"language\":\"";
    const auto typed = execute(body + "typescript\"}");
    ASSERT_EQ(typed.string("status"), "completed") << typed.text;
    EXPECT_EQ(engine().seen.back().language, script::Language::TypeScript);
    const auto receipt = parse_receipt(typed.at("receipt").dump());
    ASSERT_TRUE(receipt) << receipt.error().message();
    EXPECT_TRUE(check_signatures(*receipt));
    EXPECT_EQ(receipt->receipt.language, "typescript " + std::string(script::type_stripper_name()));
    // What was submitted is what is hashed and paid for.
    EXPECT_EQ(receipt->receipt.code_hash, crypto::sha256(base::as_bytes(script)));
    EXPECT_EQ(typed.number("gas_used"), static_cast<std::int64_t>(script.size() * 10));
    const auto plain = execute(body + "javascript\"}");
    EXPECT_EQ(engine().seen.back().language, script::Language::JavaScript);
    EXPECT_EQ(parse_receipt(plain.at("receipt").dump())->receipt.language, "");
    EXPECT_EQ(plain.at("receipt").find("language"), nullptr);
    EXPECT_EQ(execute(body + "python\"}").status, 400);
    EXPECT_EQ(execute("{\"script\":\"x\",\"language\":1}").status, 400);
}

TEST_P(ExecuteTest, EachLimitHoldsAtItsEdgeAndNotAboveIt) {
    open();
    const auto script_of = [](std::size_t bytes) {
        return "{\"script\":\"" + std::string(bytes, 'x') + "\"}";
    };
    EXPECT_EQ(execute(script_of(script::kSourceBytesMax)).string("status"), "completed");
    const auto long_script = execute(script_of(script::kSourceBytesMax + 1));
    EXPECT_EQ(long_script.status, 200);
    EXPECT_EQ(long_script.string("error"), "script exceeds maximum size of 102400 bytes");
    EXPECT_FALSE(long_script.has("logs"));
    EXPECT_FALSE(long_script.has("duration"));
    const auto input_of = [](std::size_t bytes) {
        return "{\"script\":\"x\",\"input\":{\"a\":\"" + std::string(bytes - 8, 'y') + "\"}}";
    };
    EXPECT_EQ(execute(input_of(script::kInputBytesMax)).string("status"), "completed");
    EXPECT_EQ(
        execute(input_of(script::kInputBytesMax + 1)).string("error"),
        "input exceeds maximum size of 1048576 bytes");
    std::string refs;
    for (int i = 0; i < 11; ++i) refs += (i == 0 ? "\"n" : ",\"n") + std::to_string(i) + "\"";
    EXPECT_EQ(
        execute("{\"script\":\"x\",\"secret_refs\":[" + refs + "]}").string("error"),
        "too many secret references (max 10)");
    const TestAnswer large = execute(std::string(kRequestBytesMax + 1, ' '));
    EXPECT_EQ(large.status, 413);
    EXPECT_EQ(
        large.at("details").dump(), "{\"limit_bytes\":" + std::to_string(kRequestBytesMax) + "}");
}

TEST_P(ExecuteTest, AnOutputMayHaveAMebibyteAndNoMore) {
    open();
    std::size_t bytes = script::kOutputBytesMax;
    engine().behave = [&bytes](const auto&, const auto&) {
        return completed("{\"a\":\"" + std::string(bytes - 8, 'y') + "\"}");
    };
    EXPECT_EQ(execute(kSum).string("status"), "completed");
    ++bytes;
    EXPECT_EQ(execute(kSum).string("error"), "output exceeds maximum size of 1048576 bytes");
}

TEST_P(ExecuteTest, ConsoleEntriesThatWereDroppedAreCounted) {
    open();
    std::uint32_t dropped = 0;
    engine().behave = [&dropped](const auto&, const auto&) {
        script::RunResult result = completed("{}", {"hello"});
        result.logs_dropped = dropped;
        return result;
    };
    EXPECT_FALSE(execute(kSum).has("logs_dropped"));
    dropped = 5;
    const TestAnswer answer = execute(kSum);
    EXPECT_EQ(answer.number("logs_dropped"), 5);
    EXPECT_EQ(get("/jobs/" + answer.string("job_id")).number("logs_dropped"), 5);
}

TEST_P(ExecuteTest, TimeoutsAreSecondsBetweenOneAndTwoMinutes) {
    open();
    const auto time_of = [this](const std::string& timeout) {
        execute("{\"script\":\"x\",\"timeout\":" + timeout + "}");
        return engine().seen.back().limits.time;
    };
    EXPECT_EQ(time_of("0"), std::chrono::seconds(30));
    EXPECT_EQ(time_of("-5"), std::chrono::seconds(30));
    EXPECT_EQ(time_of("1"), std::chrono::seconds(1));
    EXPECT_EQ(time_of("120"), std::chrono::seconds(120));
    EXPECT_EQ(time_of("500"), std::chrono::seconds(120));
}

TEST_P(ExecuteTest, ASealedInputOpensInsideAndAnOutputIsSealedToTheCaller) {
    open();
    const auto info = get("/info");
    const auto key =
        *crypto::X25519PublicKey::parse(*base::hex_decode(info.string("sealing_public_key")));
    const auto box = *seal_box(key, base::as_bytes("{\"b\":1,\"a\":2}"));
    crypto::SecretBytes<32> secret;
    secret.expose_mutable()[0] = 42;
    const crypto::X25519KeyPair caller(crypto::SecretBytes<32>::copy_of(secret.expose()));
    const auto answer = execute(
        "{\"script\":\"x\",\"encrypted_input\":\"" + base::base64_encode(box) +
        "\",\"output_public_key\":\"" + base::base64_encode(caller.public_key().bytes) +
        "\",\"sealed_only\":true}");
    ASSERT_EQ(answer.string("status"), "completed") << answer.text;
    EXPECT_EQ(engine().seen.back().input_json, "{\"a\":2,\"b\":1}");
    EXPECT_FALSE(answer.has("output"));
    EXPECT_FALSE(answer.has("encrypted_output"));
    const auto sealed = *base::base64_decode(answer.string("sealed_output"));
    const auto opened = open_box(secret, caller.public_key(), sealed);
    ASSERT_TRUE(opened);
    EXPECT_EQ(base::as_text(*opened), "{\"result\":8}");
    const auto receipt = *parse_receipt(answer.at("receipt").dump());
    EXPECT_EQ(receipt.receipt.input_form, "sealed");
    EXPECT_EQ(receipt.receipt.input_hash, crypto::sha256(box));
    EXPECT_EQ(receipt.receipt.sealed_output_hash, crypto::sha256(sealed));
    const auto bad = execute(
        "{\"script\":\"x\",\"encrypted_input\":\"" + base::base64_encode(base::Bytes(60)) + "\"}");
    EXPECT_EQ(bad.string("error_code"), "input_not_opened");
}

TEST_P(ExecuteTest, AScriptThatIsNotTheNamedOneDoesNotRun) {
    open();
    const std::string hash = crypto::sha256(base::as_bytes("x")).to_hex();
    EXPECT_EQ(
        execute("{\"script\":\"x\",\"script_hash\":\"" + hash + "\"}").string("status"),
        "completed");
    EXPECT_EQ(
        execute("{\"script\":\"y\",\"script_hash\":\"" + hash + "\"}").string("error_code"),
        "script_hash_mismatch");
    EXPECT_EQ(engine().seen.size(), 1u);
}

TEST_P(ExecuteTest, ARepeatedKeyIsTheSameJobAndAnotherBodyAConflict) {
    open();
    const TestCall keyed{"POST", "/execute", kSum, "alice", {{"Idempotency-Key", "k1"}}};
    const auto first = call(keyed);
    const auto again = call(keyed);
    EXPECT_EQ(first.text, again.text);
    EXPECT_EQ(engine().seen.size(), 1u);
    TestCall other = keyed;
    other.body = "{\"script\":\"x\"}";
    EXPECT_EQ(call(other).status, 409);
    TestCall bob = keyed;
    bob.user = "bob";
    EXPECT_NE(call(bob).string("job_id"), first.string("job_id"));
    EXPECT_EQ(engine().seen.size(), 2u);
}

TEST_P(ExecuteTest, JobsAreStoredSealed) {
    open();
    engine().behave = [](const auto&, const auto&) {
        return completed("{\"marker\":\"FINDME-OUTPUT\"}");
    };
    execute(R"({"script":"FINDME-SCRIPT","on_restart":"rerun","record":true})");
    const auto rows = [&](const std::string& column) {
        auto unit = [&](storage::Transaction& tx) -> Result<std::string> {
            TRY(const auto found, tx.query("SELECT " + column + " FROM compute_jobs", {}));
            TRY(const auto bytes, found.bytes(0, 0));
            return std::string(base::as_text(bytes));
        };
        return *run(database().read(unit));
    };
    EXPECT_EQ(rows("answer").find("FINDME"), std::string::npos);
    EXPECT_EQ(rows("recording").find("FINDME"), std::string::npos);
}

TEST_P(ExecuteTest, LimitsAndInfoSayWhatHolds) {
    open();
    const auto limits = get("/limits", "");
    EXPECT_EQ(limits.number("script_bytes_max"), 102'400);
    EXPECT_EQ(limits.number("running_jobs_max"), 5);
    EXPECT_EQ(limits.string("result_ttl"), "24h0m0s");
    const auto info = get("/info", "");
    EXPECT_EQ(info.string("service"), "NeoCompute Service");
    EXPECT_EQ(info.at("statistics").find("cleanup_interval")->string_value(), "1m0s");
    EXPECT_EQ(get("/health", "").status, 200);
    EXPECT_EQ(get("/ready", "").status, 200);
    EXPECT_TRUE(base::Json::parse(get("/openapi.json", "").text));
}

// ----- who the user is --------------------------------------------------------------------------

TEST_P(IdentityTest, NobodyIs401BeforeTheBodyIsRead) {
    open();
    const auto answer = execute("this is no JSON", "");
    EXPECT_EQ(answer.status, 401);
    EXPECT_EQ(answer.string("code"), "HTTP_401");
    EXPECT_EQ(answer.string("message"), "unauthorized");
    EXPECT_EQ(get("/jobs", "").status, 401);
    EXPECT_EQ(get("/secrets", "").status, 401);
}

TEST_P(IdentityTest, InStrictModeOnlyAServiceThatMaySaysWhoItsUserIs) {
    open(strict());
    EXPECT_EQ(execute(kSum).status, 401);
    TestCall gateway{"POST", "/execute", kSum, "alice", {{"X-Service-ID", "gateway"}}};
    EXPECT_EQ(call(gateway).status, 200);
    TestCall other{"POST", "/execute", kSum, "alice", {{"X-Service-ID", "neofeeds"}}};
    const auto refused = call(other);
    EXPECT_EQ(refused.status, 403);
    EXPECT_EQ(refused.at("details").find("reason")->string_value(), "user_not_assertable");
}

TEST_P(IdentityTest, AUserIdHasAForm) {
    open();
    EXPECT_EQ(execute(kSum, std::string(129, 'a')).status, 400);
    EXPECT_EQ(execute(kSum, "a/b").status, 400);
    EXPECT_EQ(execute(kSum, std::string(128, 'a')).status, 200);
    TestCall twice{"POST", "/execute", kSum, "alice", {{"X-User-ID", "bob"}}};
    EXPECT_EQ(call(twice).status, 400);
}

TEST_P(IdentityTest, AKeyOfAUserOpensItsJobsAndIsStoredHashed) {
    open(strict());
    const std::vector<std::pair<std::string, std::string>> gateway = {{"X-Service-ID", "gateway"}};
    const auto made = call({"POST", "/user-keys", "{\"label\":\"cli\"}", "alice", gateway});
    ASSERT_EQ(made.status, 201) << made.text;
    const std::string key = made.string("key");
    EXPECT_EQ(key.substr(0, 5), "adyk_");
    EXPECT_EQ(key.size(), 48u);
    const auto with_key = [&](const std::string& path, const std::string& user) {
        return call({"GET", path, "", user, {{"Authorization", "Bearer " + key}}});
    };
    EXPECT_EQ(with_key("/jobs", "").status, 200);
    EXPECT_EQ(with_key("/jobs", "alice").status, 200);
    EXPECT_EQ(with_key("/jobs", "bob").status, 403);
    EXPECT_EQ(call({"GET", "/jobs", "", "", {{"X-API-Key", key}}}).status, 200);
    EXPECT_EQ(call({"GET", "/jobs", "", "", {{"X-API-Key", key + "x"}}}).status, 401);
    EXPECT_EQ(call({"GET", "/jobs", "", "", {{"Authorization", "Basic abc"}}}).status, 401);
    const auto list = with_key("/user-keys", "");
    EXPECT_EQ(list.text.find(key), std::string::npos);
    const auto removed =
        call({"DELETE", "/user-keys/" + made.string("key_id"), "", "alice", gateway});
    EXPECT_EQ(removed.status, 204);
    EXPECT_EQ(with_key("/jobs", "").status, 401);
}

ADYTON_ON_ALL_DATABASES(ExecuteTest);
ADYTON_ON_ALL_DATABASES(IdentityTest);

}  // namespace
}  // namespace adyton::compute
