#include "compute/test_compute.h"

#include <algorithm>

#include "audit/audit_log.h"
#include "compute/schema.h"
#include "storage/migrator.h"
#include "workflow/idempotency.h"

namespace adyton::compute {
namespace {

template <typename T>
T must(Result<T> result) {
    EXPECT_TRUE(result.has_value()) << (result ? "" : result.error().message());
    return std::move(result).value();
}

crypto::SecretBuffer master_of(std::uint8_t byte) {
    return must(crypto::SecretBuffer::copy_of(base::Bytes(32, byte)));
}

// The calling service is what X-Service-ID says, in strict mode too: certificates are attest's
// tests' matter.
class HeaderResolver final : public attest::IdentityResolver {
public:
    explicit HeaderResolver(attest::IdentityMode mode) : mode_(mode) {}
    attest::IdentityMode mode() const override { return mode_; }
    Result<std::shared_ptr<const attest::Caller>> resolve(
        const http::Request& request) const override {
        const auto header = request.headers.find("X-Service-ID");
        if (!header) return Error::unauthenticated("nobody", "no_certificate");
        TRY(auto id, attest::ServiceId::parse(*header));
        return std::shared_ptr<const attest::Caller>(
            std::make_shared<attest::Caller>(attest::Caller{std::move(id), {}, {}}));
    }
    void reload(attest::CertificateIdentifier) override {}

private:
    attest::IdentityMode mode_;
};

Task<bool> a_moment(base::Executor& executor) {
    auto pause = base::sleep_for(executor, std::chrono::milliseconds(1));
    co_await std::move(pause);
    co_return true;
}

Task<void> keep(TestCompute& compute, TestCall call, std::shared_ptr<TestAnswer> answer) {
    auto calling = compute.call(std::move(call));
    *answer = co_await std::move(calling);
}

}  // namespace

std::vector<storage::Migration> all_migrations() {
    std::vector<storage::Migration> all;
    for (const auto part : {workflow::migrations(), audit::migrations(), migrations()}) {
        all.insert(all.end(), part.begin(), part.end());
    }
    std::sort(
        all.begin(), all.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
    return all;
}

// ----- FakeEngine -------------------------------------------------------------------------------

script::RunResult completed(std::string output, std::vector<std::string> logs) {
    script::RunResult out;
    out.status = script::Status::Completed;
    out.output_json = std::move(output);
    for (std::string& line : logs) out.logs.push_back({script::LogLevel::Log, std::move(line)});
    out.metered_gas = 1000;
    out.wall_time = std::chrono::microseconds(1500);
    out.layers.add(script::Layer::GuardPages);
    return out;
}

script::RunResult failed(script::Stage stage, std::string message) {
    script::RunResult out = completed("");
    out.status = script::Status::Failed;
    out.error = script::ScriptError{stage, "Error", std::move(message), 3, 7};
    return out;
}

Task<Result<script::RunResult>> FakeEngine::run(script::Job job) {
    if (!present_.insert(job.id).second) co_return Error::conflict("runs already");
    ++running;
    running_max = std::max(running_max, running);
    EXPECT_LE(running, capacity_);
    order.push_back(job.user);
    Secrets secrets;
    if (job.secrets) {
        auto opened = job.secrets();
        if (!opened) {
            --running;
            present_.erase(job.id);
            co_return std::move(opened).error();
        }
        for (const script::Secret& secret : *opened) {
            secrets[secret.name] = std::string(secret.value.expose_text());
        }
    }
    const bool hold = job.source.find("hold") != std::string::npos;
    if (hold && job.on_log) job.on_log({script::LogLevel::Log, "holding"});
    while (hold && !released && !cancelled_.contains(job.id)) {
        auto pause = base::sleep_for(executor_, std::chrono::milliseconds(1));
        co_await std::move(pause);
    }
    --running;
    present_.erase(job.id);
    script::RunResult result = completed("{\"result\":8}", {"hello"});
    if (cancelled_.erase(job.id) > 0) {
        result = completed("");
        result.status = script::Status::Cancelled;
        result.error = script::ScriptError{script::Stage::Execution, "", "cancelled", 0, 0};
    } else if (behave) {
        result = behave(job, secrets);
    }
    for (const script::LogEntry& entry : result.logs) {
        if (job.on_log) job.on_log(entry);
    }
    job.secrets = nullptr;
    job.on_log = nullptr;
    job.host = nullptr;
    seen.push_back(std::move(job));
    co_return result;
}

bool FakeEngine::cancel(std::string_view job_id) {
    if (!present_.contains(job_id)) return false;
    cancelled_.emplace(job_id);
    return true;
}

script::Layers FakeEngine::layers() const {
    script::Layers out;
    out.add(script::Layer::GuardPages);
    return out;
}

// ----- TestAnswer -------------------------------------------------------------------------------

const base::Json& TestAnswer::at(std::string_view name) const {
    const base::Json* const found = body.find(name);
    EXPECT_NE(found, nullptr) << name << " is missing in " << text;
    static const base::Json kNothing;
    return found == nullptr ? kNothing : *found;
}

std::string TestAnswer::string(std::string_view name) const {
    const base::Json& found = at(name);
    return found.is_string() ? found.string_value() : "";
}

std::int64_t TestAnswer::number(std::string_view name) const {
    const auto value = at(name).as_int64();
    EXPECT_TRUE(value) << name;
    return value ? *value : -1;
}

// ----- TestCompute ------------------------------------------------------------------------------

TestCompute::~TestCompute() {
    EXPECT_TRUE(stopped_) << "stop() first";
}

Task<Result<std::unique_ptr<TestCompute>>> TestCompute::open(
    storage::Database& database, base::Executor& executor, script::Engine& engine,
    TestComputeOptions options) {
    std::unique_ptr<TestCompute> made(new TestCompute(options.seed));
    auto open_audit = audit::AuditLog::open(database, options.instance);
    CO_TRY(made->audit_, co_await std::move(open_audit));
    ComputeParts parts{database,      executor,       base::null_logger(), *made->audit_,
                       made->random_, made->metrics_, options.instance,    engine,
                       "fake engine", options.broker};
    std::optional<crypto::SecretBuffer> previous;
    if (options.previous_master) previous = master_of(*options.previous_master);
    auto create = ComputeService::create(
        std::move(parts), master_of(options.master), std::move(previous), options.compute);
    CO_TRY(made->service_, co_await std::move(create));
    made->build_frame(executor, options.mode);
    if (options.started) {
        made->service_->start();
        made->stopped_ = false;
    }
    co_return made;
}

void TestCompute::build_frame(base::Executor& executor, attest::IdentityMode mode) {
    identity_ = std::make_unique<HeaderResolver>(mode);
    service::FrameOptions frame;
    frame.service_name = kServiceName;
    frame.version = kServiceVersion;
    frame.health.probe_database = [this] { return service_->probe_database(); };
    frame.health.check_secrets = [this] { return service_->check_keys(); };
    frame.openapi = openapi_json();
    frame.info = [this] { return service_->info(); };
    frame_ = std::make_unique<service::ServiceFrame>(
        std::move(frame), *identity_, executor, metrics_, base::null_logger());
    service_->register_routes(*frame_);
    frame_->health().set_phase(service::Phase::Running);
    http::PeerInfo peer;
    peer.remote_address = "127.0.0.1:40000";
    transport_ = std::make_unique<http::RouterTransport>(frame_->router(), peer, random_);
}

Task<TestAnswer> TestCompute::call(TestCall call) {
    http::ClientRequest request;
    request.method = call.method;
    request.url = "http://compute.test" + call.path;
    request.body = std::move(call.body);
    if (!call.user.empty()) request.headers.add("X-User-ID", call.user);
    for (const auto& [name, value] : call.headers) request.headers.add(name, value);
    auto sending = transport_->send(std::move(request));
    auto sent = co_await std::move(sending);
    TestAnswer answer;
    if (!sent) {
        ADD_FAILURE() << sent.error().message();
        co_return answer;
    }
    answer.status = static_cast<int>(http::status_number(sent->status));
    answer.text = sent->body;
    answer.headers = sent->headers;
    auto parsed = base::Json::parse(answer.text);
    if (parsed) answer.body = *std::move(parsed);
    co_return answer;
}

Task<bool> TestCompute::stop() {
    if (stopped_) co_return false;
    stopped_ = true;
    auto stopping = service_->stop();
    co_await std::move(stopping);
    co_return true;
}

// ----- ComputeTest ------------------------------------------------------------------------------

TestComputeOptions ComputeTest::development() {
    TestComputeOptions options;
    options.compute.empty_policy_allows = true;
    options.compute.user_header_from_anybody = true;
    options.compute.heartbeat = std::chrono::milliseconds(20);
    options.compute.unrecorded_max = base::Duration::zero();
    return options;
}

TestComputeOptions ComputeTest::strict() {
    TestComputeOptions options;
    options.mode = attest::IdentityMode::Strict;
    options.compute.heartbeat = std::chrono::milliseconds(20);
    options.compute.unrecorded_max = base::Duration::zero();
    return options;
}

void ComputeTest::SetUp() {
    storage::DatabaseTest::SetUp();
    if (IsSkipped()) return;
    const auto all = all_migrations();
    must(run(storage::migrate(database(), all)));
    engine_ = std::make_unique<FakeEngine>(executor());
}

void ComputeTest::TearDown() {
    if (!IsSkipped()) close();
    engine_.reset();
    storage::DatabaseTest::TearDown();
}

void ComputeTest::close() {
    if (compute_ == nullptr) return;
    run(compute_->stop());
    compute_.reset();
}

void ComputeTest::open(TestComputeOptions options) {
    close();
    options.seed += ++opened_;
    compute_ = must(run(TestCompute::open(database(), executor(), *engine_, std::move(options))));
}

TestAnswer ComputeTest::execute(const std::string& body, const std::string& user) {
    return call({"POST", "/execute", body, user, {}});
}

TestAnswer ComputeTest::get(const std::string& path, const std::string& user) {
    return call({"GET", path, "", user, {}});
}

std::shared_ptr<TestAnswer> ComputeTest::begin(TestCall call) {
    auto answer = std::make_shared<TestAnswer>();
    base::spawn(executor(), keep(*compute_, std::move(call), answer));
    return answer;
}

std::shared_ptr<TestAnswer> ComputeTest::begin_hold(const std::string& user) {
    return begin({"POST", "/execute", kHold, user, {}});
}

void ComputeTest::put_secret(
    const std::string& name, const std::string& value, const std::string& more,
    const std::string& user) {
    const auto answer =
        call({"PUT", "/secrets/" + name, "{\"value\":\"" + value + "\"" + more + "}", user, {}});
    ASSERT_TRUE(answer.status == 200 || answer.status == 201) << answer.text;
}

void ComputeTest::until(const std::function<bool()>& condition) {
    for (int turn = 0; turn < 20'000; ++turn) {
        if (condition()) return;
        run(a_moment(executor()));
    }
    FAIL() << "it never became so";
}

std::int64_t ComputeTest::number(const std::string& sql) {
    auto unit = [&](storage::Transaction& tx) -> Result<std::int64_t> {
        TRY(const auto rows, tx.query(sql, {}));
        return rows.integer(0, 0);
    };
    return must(run(database().read(unit)));
}

std::int64_t ComputeTest::slots() {
    return number("SELECT COALESCE(SUM(running), 0) FROM compute_users");
}

void ComputeTest::write(const std::string& sql) {
    auto unit = [&](storage::Transaction& tx) -> Result<void> { return tx.execute_script(sql); };
    const auto done = run(database().write(unit));
    ASSERT_TRUE(done) << done.error().message();
}

std::vector<std::string> ComputeTest::audit_kinds() {
    auto unit = [&](storage::Transaction& tx) -> Result<std::vector<std::string>> {
        TRY(const auto rows,
            tx.query("SELECT kind FROM audit_records ORDER BY chain, sequence", {}));
        std::vector<std::string> kinds;
        for (std::size_t i = 0; i < rows.size(); ++i) {
            TRY(auto kind, rows.text(i, 0));
            kinds.push_back(std::move(kind));
        }
        return kinds;
    };
    return must(run(database().read(unit)));
}

}  // namespace adyton::compute
