#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "apps/command_test_support.h"
#include "compute/job_answer.h"
#include "compute/receipt.h"

// `adyton verify receipt` of an answer: what the receipt states of it must be what it says.
namespace adyton::apps {
namespace {

compute::ComputeKeys test_keys() {
    return *compute::ComputeKeys::create(*crypto::SecretBuffer::copy_of(base::Bytes(32, 7)));
}

crypto::Sha256Digest digest(std::string_view text) {
    return crypto::sha256(base::as_bytes(text));
}

class VerifyReceiptTest : public testing::Test {
protected:
    VerifyReceiptTest() {
        std::string pattern = testing::TempDir() + "adyton-verify-XXXXXX";
        directory_ = ::mkdtemp(pattern.data());
        answer_.job_id = receipt_.job_id = "3f0c9a52-6b1e-4c55-9f4d-2f6a5b7c8d90";
        answer_.phase = compute::JobPhase::Completed;
        receipt_.status = "completed";
        answer_.output = R"({"result":8})";
        answer_.gas_used = 570;
        receipt_.gas_used = 570;
        answer_.metered_gas = receipt_.metered_gas = 123456;
        receipt_.output_hash = digest(answer_.output);
        answer_.output_hash = receipt_.output_hash->to_hex();
        answer_.isolation = {"guard_pages", "own_process"};
        receipt_.layers = "guard_pages,own_process";
        receipt_.started_at = base::Timestamp(std::chrono::microseconds(1'763'672'000'123'456));
        receipt_.finished_at = receipt_.started_at + std::chrono::milliseconds(5);
        answer_.created_at = receipt_.started_at;
        answer_.started_at = receipt_.started_at;
        answer_.finished_at = receipt_.finished_at;
        receipt_.user = "alice";
        receipt_.entry_point = "main";
        receipt_.secrets = {{"alice", "api_key", 3}, {"bob", "shared", 1}};
        const std::vector<compute::ConsoleLine> console = {
            {"log", "hello"}, {"warn", "careful"}, {"log", "info : no"}, {"log", ""}};
        answer_.logs = std::vector<std::string>{
            compute::service_line(receipt_.started_at, "Starting execution"),
            compute::service_line(receipt_.started_at, "Entry point: main"),
            compute::service_line(receipt_.started_at, "Loaded secret: api_key"),
            compute::service_line(receipt_.started_at, "Loaded secret: bob/shared"),
            "hello",
            "warn: careful",
            "info : no",
            "",
            compute::service_line(receipt_.finished_at, "Execution completed successfully")};
        receipt_.console_hash = compute::console_hash(console);
    }
    ~VerifyReceiptTest() override { std::filesystem::remove_all(directory_); }

    std::string signed_answer() {
        answer_.receipt = sign_receipt(test_keys(), receipt_)->to_json_text();
        return answer_.to_json_text();
    }
    // The command's exit and what it said.
    std::pair<Exit, std::string> verify(const std::string& text) const {
        const std::string path = directory_ + "/answer.json";
        std::ofstream(path, std::ios::binary) << text;
        const Outcome outcome = run_command({"verify", "receipt", path, "--json"});
        return {outcome.exit, outcome.out + outcome.err};
    }
    void expect_another(const std::string& good, const std::string& from, const std::string& to) {
        std::string bad = good;
        const std::size_t at = bad.find(from);
        ASSERT_LT(at, bad.find("\"receipt\"")) << from;
        bad.replace(at, from.size(), to);
        const auto [exit, said] = verify(bad);
        EXPECT_EQ(exit, Exit::Failed) << to;
        EXPECT_NE(said.find("\"reason\":\"other_answer\""), std::string::npos) << to << said;
    }

    compute::JobAnswer answer_;
    compute::Receipt receipt_;
    std::string directory_;
};

TEST_F(VerifyReceiptTest, AnAnswerIsHeldAgainstItsReceipt) {
    const std::string good = signed_answer();
    const auto [exit, said] = verify(good);
    ASSERT_EQ(exit, Exit::Ok) << said;
    EXPECT_EQ(verify(good + "\n").first, Exit::Ok);
    expect_another(good, R"("result":8)", R"("result":9)");
    expect_another(good, R"("output":{"result":8},)", "");
    expect_another(good, "3f0c9a52", "3f0c9a53");
    expect_another(good, R"("status":"completed")", R"("status":"failed")");
    expect_another(good, R"("phase":"completed")", R"("phase":"failed")");
    expect_another(good, R"("gas_used":570)", R"("gas_used":571)");
    expect_another(good, R"("metered_gas":123456)", R"("metered_gas":123457)");
    expect_another(good, answer_.output_hash.substr(0, 8), "00000000");
    expect_another(good, R"("guard_pages",)", "");
    expect_another(good, R"("started_at":"2025)", R"("started_at":"2024)");
    expect_another(good, R"("finished_at":"2025)", R"("finished_at":"2024)");
    expect_another(good, R"("phase":)", R"("error_code":"timed_out","phase":)");
    expect_another(good, R"("phase":)", R"("sealed_output":"AAAA","phase":)");
}

TEST_F(VerifyReceiptTest, EveryConsoleLineOfAnAnswerIsHeldAgainstItsReceipt) {
    const std::string good = signed_answer();
    ASSERT_EQ(verify(good).first, Exit::Ok) << verify(good).second;
    expect_another(good, "hello", "hellp");
    expect_another(good, "warn: careful", "careful");
    expect_another(good, "warn: careful", "info: careful");
    expect_another(good, R"("hello",)", "");
    expect_another(good, R"("hello",)", R"("hello","hello",)");
    expect_another(good, R"("hello","warn: careful",)", R"("warn: careful","hello",)");
    expect_another(good, R"("hello",)", "7,");
    // The service's own lines say what the receipt says.
    expect_another(good, "Starting execution", "Starting Execution");
    expect_another(good, "Z] Entry point: main", "Z] Entry point: mine");
    expect_another(good, "Loaded secret: api_key", "Loaded secret: api_keys");
    expect_another(good, "Loaded secret: bob/shared", "Loaded secret: eve/shared");
    expect_another(good, "completed successfully", "completed");
    expect_another(good, "\"logs\":[", "\"logs\":{},\"lines\":[");
    expect_another(good, R"("phase":)", R"("log_levels":["log","warn","log"],"phase":)");
    expect_another(good, R"("phase":)", R"("log_levels":["log","log","log","log"],"phase":)");
    answer_.logs.reset();
    EXPECT_EQ(verify(signed_answer()).first, Exit::Failed);
}

// A line of a script may look like one of another level.
TEST_F(VerifyReceiptTest, LevelsThatLinesDoNotTellAreInTheAnswer) {
    const std::vector<compute::ConsoleLine> console = {
        {"log", "error: nothing"}, {"error", "all"}, {"warn", "info: x"}};
    answer_.logs->erase(answer_.logs->begin() + 4, answer_.logs->end() - 1);
    answer_.logs->insert(
        answer_.logs->begin() + 4, {"error: nothing", "error: all", "warn: info: x"});
    receipt_.console_hash = compute::console_hash(console);
    EXPECT_EQ(verify(signed_answer()).first, Exit::Failed);
    answer_.log_levels = compute::levels_to_tell(console);
    const std::string good = signed_answer();
    EXPECT_EQ(verify(good).first, Exit::Ok) << verify(good).second;
    expect_another(good, R"("log_levels":["log",)", R"("log_levels":["error",)");
    expect_another(good, "error: nothing", "error: something");
}

TEST_F(VerifyReceiptTest, AnswersOfFailedAndOfSealedJobsAreToo) {
    const base::Bytes box(50, 3);
    receipt_.sealed_output_hash = crypto::sha256(box);
    answer_.sealed_output = base::base64_encode(box);
    const std::string both = signed_answer();
    EXPECT_EQ(verify(both).first, Exit::Ok);
    expect_another(both, R"("sealed_output":"AwMD)", R"("sealed_output":"AwME)");
    answer_.output.clear();
    const std::string sealed_only = signed_answer();
    EXPECT_EQ(verify(sealed_only).first, Exit::Ok);
    expect_another(sealed_only, R"("phase":)", R"("output":{},"phase":)");

    answer_.sealed_output.clear();
    answer_.output_hash.clear();
    receipt_.output_hash.reset();
    receipt_.sealed_output_hash.reset();
    answer_.logs->pop_back();
    answer_.phase = compute::JobPhase::TimedOut;
    receipt_.status = "timed_out";
    answer_.error_code = receipt_.error_code = "timed_out";
    answer_.gas_used = 0;
    receipt_.gas_used = 0;
    const std::string failed = signed_answer();
    EXPECT_EQ(verify(failed).first, Exit::Ok);
    expect_another(failed, R"("error_code":"timed_out")", R"("error_code":"cancelled")");
    expect_another(failed, R"("phase":)", R"("output":{"result":8},"phase":)");
}

}  // namespace
}  // namespace adyton::apps
