#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "attest/peer_identity.h"
#include "compute/compute_service.h"
#include "compute/internal/service_parts.h"
#include "http/client.h"
#include "service/frame.h"
#include "storage/test_database.h"

// For tests of compute: a whole service without sockets, called as over HTTP, on an engine that
// does what the test says.
namespace adyton::compute {

std::vector<storage::Migration> all_migrations();

// Runs no script. What the source says decides: "hold" waits for release() or cancel(), anything
// else is given to `behave`.
class FakeEngine final : public script::Engine {
public:
    explicit FakeEngine(base::Executor& executor, std::size_t capacity = 4)
        : executor_(executor), capacity_(capacity) {}

    Task<Result<script::RunResult>> run(script::Job job) override;
    bool cancel(std::string_view job_id) override;
    std::size_t capacity() const override { return capacity_; }
    script::Layers layers() const override;

    void release() { released = true; }

    // Secrets by name, as the script would see them.
    using Secrets = std::map<std::string, std::string>;
    std::function<script::RunResult(const script::Job&, const Secrets&)> behave;
    bool released = false;
    std::size_t running = 0;
    std::size_t running_max = 0;
    std::vector<std::string> order;  // users of jobs, as they began
    std::vector<script::Job> seen;   // without what is in them to be called

private:
    base::Executor& executor_;
    std::size_t capacity_;
    std::set<std::string, std::less<>> present_;
    std::set<std::string, std::less<>> cancelled_;
};

// {"result":8} and a console line.
script::RunResult completed(std::string output, std::vector<std::string> logs = {});
script::RunResult failed(script::Stage stage, std::string message);

struct TestAnswer {
    int status = 0;
    std::string text;
    base::Json body;  // null when the text is no JSON
    http::Headers headers;

    const base::Json& at(std::string_view name) const;
    std::string string(std::string_view name) const;
    std::int64_t number(std::string_view name) const;
    bool has(std::string_view name) const { return body.find(name) != nullptr; }
};

struct TestCall {
    std::string method = "POST";
    std::string path;
    std::string body;
    std::string user = "alice";  // X-User-ID; empty: none
    std::vector<std::pair<std::string, std::string>> headers;
};

struct TestComputeOptions {
    ComputeOptions compute;
    std::string instance = "test-1";
    std::uint64_t seed = 1;
    std::uint8_t master = 7;  // each byte of it
    std::optional<std::uint8_t> previous_master;
    attest::IdentityMode mode = attest::IdentityMode::Development;
    FetchBroker* broker = nullptr;
    bool started = true;
};

// One process of compute on a database that is migrated already.
class TestCompute {
public:
    static Task<Result<std::unique_ptr<TestCompute>>> open(
        storage::Database& database, base::Executor& executor, script::Engine& engine,
        TestComputeOptions options);
    ~TestCompute();

    Task<TestAnswer> call(TestCall call);
    Task<bool> stop();

    ComputeService& service() { return *service_; }
    ComputeContext& context() { return service_->parts().context; }
    service::ServiceFrame& frame() { return *frame_; }

private:
    explicit TestCompute(std::uint64_t seed) : random_(seed) {}
    void build_frame(base::Executor& executor, attest::IdentityMode mode);

    base::SeededRandom random_;
    service::MetricsRegistry metrics_;
    std::unique_ptr<audit::AuditLog> audit_;
    std::unique_ptr<ComputeService> service_;
    std::unique_ptr<attest::IdentityResolver> identity_;
    std::unique_ptr<service::ServiceFrame> frame_;
    std::unique_ptr<http::RouterTransport> transport_;
    bool stopped_ = true;
};

// Compute on a fresh database; ADYTON_ON_ALL_DATABASES instantiates it.
class ComputeTest : public storage::DatabaseTest {
public:
    // Both: a job's record comes before it runs.
    static TestComputeOptions development();
    static TestComputeOptions strict();

    void open(TestComputeOptions options = development());
    void close();
    TestCompute& compute() { return *compute_; }
    FakeEngine& engine() { return *engine_; }

    TestAnswer call(TestCall call) { return run(compute_->call(std::move(call))); }
    TestAnswer execute(const std::string& body, const std::string& user = "alice");
    TestAnswer get(const std::string& path, const std::string& user = "alice");
    // Starts a call and lets it run beside the test. Its status is 0 until it is answered.
    std::shared_ptr<TestAnswer> begin(TestCall call);
    std::shared_ptr<TestAnswer> begin_hold(const std::string& user = "alice");
    // Puts a secret; the test fails when it is refused.
    void put_secret(
        const std::string& name, const std::string& value, const std::string& more = "",
        const std::string& user = "alice");
    // Waits, in turns of the executor, until it is so.
    void until(const std::function<bool()>& condition);

    std::int64_t number(const std::string& sql);
    std::int64_t slots();  // of all users, as the database has them
    std::vector<std::string> audit_kinds();
    void write(const std::string& sql);

    static constexpr const char* kHold = R"({"script":"hold"})";  // runs until it is released

protected:
    void SetUp() override;
    void TearDown() override;

    std::unique_ptr<FakeEngine> engine_;
    std::unique_ptr<TestCompute> compute_;
    std::uint64_t opened_ = 0;
};

}  // namespace adyton::compute
