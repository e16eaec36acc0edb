#include "apps/bench/coordinator_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "apps/bench/coordinator_world.h"
#include "apps/development_key.h"
#include "base/event_loop.h"
#include "base/sim_executor.h"
#include "coordinator/planner.h"
#include "coordinator/request.h"

namespace adyton::apps::bench {
namespace {

using base::Json;
using std::chrono::seconds;

constexpr const char* kBusyShare = "gate_busy_share";
constexpr const char* kWorkflows = "workflows";
constexpr const char* kPlanner = "planner";
constexpr const char* kDuplicates = "duplicates";
constexpr const char* kGate = "gate.sequential.near";
constexpr const char* kExecute = "/wallet/v1/workflows/execute";
constexpr const char* kReceiver = "bench-receiver.near";

// A resume that is sent in the very moment in which a batch's last dispatch can be seen is in the
// next block, and its receipt runs at the gate in the block after that.
constexpr std::uint64_t kLandingBlocks = 2;
constexpr std::chrono::milliseconds kLoadPoll{20};
constexpr std::string_view kTellsSuccess = R"("status":"succeeded")";

struct Spread {
    std::int64_t p50_us = 0;
    std::int64_t p99_us = 0;
};

Spread spread_of(std::vector<base::Duration> times) {
    if (times.empty()) return {};
    std::sort(times.begin(), times.end());
    const auto us = [&](std::size_t percent) {
        const base::Duration at = times[std::min(times.size() - 1, times.size() * percent / 100)];
        return std::chrono::duration_cast<std::chrono::microseconds>(at).count();
    };
    return {us(50), us(99)};
}

double seconds_of(base::Duration time) {
    return std::chrono::duration<double>(time).count();
}

// Keystore and chain on one of the threads.
class BackLoop {
public:
    explicit BackLoop(base::WorkerThreads& workers) : loop_(workers), end_(ended_.get_future()) {
        workers.post([this] {
            loop_.run();
            ended_.set_value();
        });
    }
    ~BackLoop() {
        loop_.stop();
        end_.wait();
    }
    BackLoop(const BackLoop&) = delete;
    BackLoop& operator=(const BackLoop&) = delete;
    base::EventLoop& loop() { return loop_; }

private:
    base::EventLoop loop_;
    std::promise<void> ended_;
    std::future<void> end_;
};

// ----- one gate's busy share, in virtual time ----------------------------------------------------

struct BusyRun {
    std::size_t workflows = 0;
    std::size_t wallets = 0;
    std::size_t refused = 0;
    CoordinatorWorld::Records records;
    GateBatches gate;
    std::uint64_t arrived = 0;
    base::Duration virtual_time{};
};

Task<Result<void>> queue_all(CoordinatorWorld& world, BusyRun& run) {
    for (std::size_t i = 0; i < run.workflows; ++i) {
        auto posting = world.post(
            kExecute, world.wallet(i % run.wallets),
            three_transfers("busy-" + std::to_string(i), kReceiver));
        const WorldAnswer answer = co_await std::move(posting);
        if (answer.status != 202 && answer.status != 200) {
            co_return Error::internal(
                fmt::format("the coordinator answered {}: {}", answer.status, answer.text));
        }
    }
    co_return Result<void>();
}

Task<Result<void>> run_busy(
    CoordinatorWorldOptions options, base::SimExecutor& executor, BusyRun& run, Console& console) {
    auto creating = CoordinatorWorld::create(std::move(options), executor, executor);
    CO_TRY(const auto world, co_await std::move(creating));
    const base::SteadyTime begin = executor.steady_now();
    auto queueing = queue_all(*world, run);
    CO_TRY_VOID(co_await std::move(queueing));
    for (;;) {
        auto pause = base::sleep_for(executor, seconds(30));
        co_await std::move(pause);
        auto counting = world->records();
        CO_TRY(run.records, co_await std::move(counting));
        const auto over = static_cast<std::uint64_t>(run.records.all - run.records.running);
        console.progress("workflows", over, run.workflows);
        if (run.records.running == 0) break;
        if (executor.steady_now() - begin > std::chrono::hours(6)) {
            co_return Error::deadline_exceeded("workflows are still unfinished after six hours");
        }
    }
    console.end_progress();
    run.virtual_time = executor.steady_now() - begin;
    auto reading = world->batches(kGate);
    run.gate = co_await std::move(reading);
    auto asking = world->intents_balance(kReceiver);
    CO_TRY(run.arrived, co_await std::move(asking));
    auto stopping = world->stop();
    co_await std::move(stopping);
    co_return Result<void>();
}

Result<void> check(const BusyRun& run) {
    const auto wanted = static_cast<std::int64_t>(run.workflows);
    const bool all = run.records.all == wanted && run.records.succeeded == wanted;
    if (!all || run.gate.timed_out != 0 || run.gate.batches != run.workflows) {
        return Error::internal(fmt::format(
            "of {} workflows {} succeeded, {} batches ran and {} intents timed out", wanted,
            run.records.succeeded, run.gate.batches, run.gate.timed_out));
    }
    if (run.arrived != run.workflows * 3) {
        return Error::internal(fmt::format(
            "{} transfers were asked for and {} arrived", run.workflows * 3, run.arrived));
    }
    return {};
}

Result<void> bench_busy_share(
    const CoordinatorBenchOptions& options, const base::Clock& clock, Report& report,
    Console& console) {
    BusyRun run;
    run.workflows = options.quick ? 20 : 500;
    run.wallets = options.quick ? 5 : 50;
    CoordinatorWorldOptions world;
    world.directory = options.directory;
    world.wallets = run.wallets;
    world.relayer_keys = 2;
    world.block_time = std::chrono::milliseconds(600);
    world.latency_max = std::chrono::milliseconds(50);
    world.configure = [](coordinator::CoordinatorOptions& its) {
        its.execute_wait = base::Duration::zero();
        its.queue_wait_max = std::chrono::hours(6);
    };
    base::SimExecutor executor(1);
    const base::SteadyTime begin = clock.steady_now();
    TRY_VOID(executor.run_until_done(run_busy(std::move(world), executor, run, console)));
    const base::Duration taken = clock.steady_now() - begin;
    TRY_VOID(check(run));
    const GateBatches& gate = run.gate;
    const auto busy = static_cast<double>(gate.busy_blocks);
    const double share = busy / static_cast<double>(gate.wall_blocks);
    const double bound = busy / (busy + static_cast<double>(kLandingBlocks * (gate.batches - 1)));
    Row row;
    row.name = kBusyShare;
    row.unit = "share of the bound";
    row.ratio = share / bound;
    row.notes = fmt::format(
        "busy {} of {} blocks: share {:.4f}; bound {:.4f} ({} blocks between a last dispatch and "
        "the next batch_started, as seeing the one and landing the other allow; measured {} to "
        "{}); {} workflows of 3 calls queued by {} wallets at one gate, all succeeded, {} intents "
        "timed out; VIRTUAL time: {:.0f} s in blocks of 600 ms, polls of 750 ms, up to 50 ms each "
        "way to the node; took {:.1f} s",
        gate.busy_blocks, gate.wall_blocks, share, bound, kLandingBlocks, gate.gap_min,
        gate.gap_max, run.workflows, run.wallets, gate.timed_out, seconds_of(run.virtual_time),
        seconds_of(taken));
    report.add(std::move(row));
    return {};
}

// ----- workflows a second ------------------------------------------------------------------------

struct LoadRun {
    std::size_t gates = 0;
    std::size_t clients = 0;
    base::Duration window{};

    std::uint64_t finished = 0;         // all of them
    std::vector<base::Duration> times;  // of those that ended in the window
    base::Duration measured{};
    std::optional<Error> problem;
    std::uint64_t arrived = 0;
    CoordinatorWorld::Work work;
    CoordinatorWorld::Records records;
};

// One workflow after the other until the window is over.
Task<bool> keep_asking(
    CoordinatorWorld& world, LoadRun& run, std::size_t number, base::SteadyTime end) {
    base::Executor& here = *base::Executor::current();
    for (std::size_t i = 0; here.steady_now() < end && !run.problem; ++i) {
        const base::SteadyTime begin = here.steady_now();
        auto posting = world.post(
            kExecute, world.wallet(number),
            three_transfers(fmt::format("load-{}-{}", number, i), kReceiver));
        const WorldAnswer answer = co_await std::move(posting);
        // Nothing else of a record is told in these words; to parse it whole is no client's need.
        const bool good = answer.text.find(kTellsSuccess) != std::string::npos;
        if (answer.status != 200 || !good) {
            run.problem = Error::internal(fmt::format(
                "the coordinator answered {}: {}", answer.status, answer.text.substr(0, 2'000)));
            co_return false;
        }
        ++run.finished;
        if (here.steady_now() < end) run.times.push_back(here.steady_now() - begin);
    }
    co_return true;
}

Task<Result<void>> run_load(
    CoordinatorWorldOptions options, base::Executor& front, base::Executor& back, LoadRun& run) {
    auto creating = CoordinatorWorld::create(std::move(options), front, back);
    CO_TRY(const auto world, co_await std::move(creating));
    const base::SteadyTime begin = front.steady_now();
    std::vector<Task<bool>> clients;
    for (std::size_t i = 0; i < run.clients; ++i) {
        clients.push_back(keep_asking(*world, run, i, begin + run.window));
    }
    auto asking_all = base::when_all(std::move(clients));
    co_await std::move(asking_all);
    run.measured = run.window;
    if (run.problem) {
        auto stopping = world->stop();
        co_await std::move(stopping);
        co_return *run.problem;
    }
    auto counting = world->records();
    CO_TRY(run.records, co_await std::move(counting));
    auto asking = world->intents_balance(kReceiver);
    CO_TRY(run.arrived, co_await std::move(asking));
    auto looking = world->work();
    run.work = co_await std::move(looking);
    auto stopping = world->stop();
    co_await std::move(stopping);
    co_return Result<void>();
}

CoordinatorWorldOptions load_world(const CoordinatorBenchOptions& options, const LoadRun& run) {
    CoordinatorWorldOptions out;
    out.directory = options.directory;
    out.gates = run.gates;
    out.relayer_keys = std::min<std::size_t>(run.gates, 16);
    out.wallets = run.clients;
    // Hundreds of blocks a second: an intent would die of age within one.
    out.yield_blocks = 1'000'000;
    out.configure = [](coordinator::CoordinatorOptions& its) {
        its.poll_interval = kLoadPoll;
        its.delegate_validity_blocks = 1'000'000;
        its.execute_wait = std::chrono::minutes(2);
    };
    return out;
}

Result<void> bench_workflows(const CoordinatorBenchOptions& options, Report& report) {
    LoadRun run;
    run.gates = options.quick ? 8 : 64;
    run.clients = run.gates * 3;
    run.window = options.quick ? seconds(1) : seconds(options.seconds);
    base::WorkerThreads workers(0);
    base::EventLoop front(workers);
    BackLoop back(workers);
    TRY_VOID(front.run_until_done(run_load(load_world(options, run), front, back.loop(), run)));
    if (run.arrived != run.finished * 3) {
        return Error::internal(fmt::format(
            "{} transfers were told to have succeeded and {} arrived", run.finished * 3,
            run.arrived));
    }
    const Spread spread = spread_of(run.times);
    const auto each = [&run](std::uint64_t count) {
        return static_cast<double>(count) /
               static_cast<double>(std::max<std::int64_t>(run.records.all, 1));
    };
    Row row;
    row.name = kWorkflows;
    row.unit = "three-call workflows";
    row.served_per_s = static_cast<double>(run.times.size()) / seconds_of(run.measured);
    row.p50_us = spread.p50_us;
    row.p99_us = spread.p99_us;
    row.notes = fmt::format(
        "{} gates, {} requests under way; coordinator on one thread, keystore and chain on "
        "another, databases in worker threads, no cores bound, requests without sockets; blocks as "
        "soon as there is work ({} of them), polls of {} ms; every step durable in SQLite; {} "
        "workflows in all, each of {:.1f} steps and {:.1f} calls of the node ({:.1f} for a "
        "transaction's status, {:.1f} for a block, {:.1f} broadcasts); all transfers arrived",
        run.gates, run.clients, run.work.blocks, kLoadPoll.count(), run.records.all,
        each(run.work.steps), each(run.work.node_calls), each(run.work.status_calls),
        each(run.work.block_calls), each(run.work.broadcasts));
    report.add(std::move(row));
    return {};
}

// ----- duplicates --------------------------------------------------------------------------------

struct DuplicateRun {
    std::size_t requests = 0;
    std::set<std::string> ids;
    std::size_t succeeded = 0;
    std::string other;  // an answer that was something else
    base::Duration taken{};
    CoordinatorWorld::Records records;
    GateBatches gate;
    std::uint64_t arrived = 0;
};

Task<bool> ask_once(CoordinatorWorld& world, DuplicateRun& run) {
    auto posting = world.post(kExecute, world.wallet(0), three_transfers("same", kReceiver));
    const WorldAnswer answer = co_await std::move(posting);
    run.ids.insert(answer.string("request_id"));
    const bool good = answer.status == 200 && answer.string("status") == "succeeded";
    if (good) {
        ++run.succeeded;
    } else {
        run.other = fmt::format("{}: {}", answer.status, answer.text.substr(0, 500));
    }
    co_return good;
}

Task<Result<void>> run_duplicates(
    CoordinatorWorldOptions options, base::Executor& front, base::Executor& back,
    DuplicateRun& run) {
    auto creating = CoordinatorWorld::create(std::move(options), front, back);
    CO_TRY(const auto world, co_await std::move(creating));
    const base::SteadyTime begin = front.steady_now();
    std::vector<Task<bool>> requests;
    for (std::size_t i = 0; i < run.requests; ++i) requests.push_back(ask_once(*world, run));
    auto asking_all = base::when_all(std::move(requests));
    co_await std::move(asking_all);
    run.taken = front.steady_now() - begin;
    auto counting = world->records();
    CO_TRY(run.records, co_await std::move(counting));
    auto reading = world->batches(kGate);
    run.gate = co_await std::move(reading);
    auto asking = world->intents_balance(kReceiver);
    CO_TRY(run.arrived, co_await std::move(asking));
    auto stopping = world->stop();
    co_await std::move(stopping);
    co_return Result<void>();
}

Result<void> bench_duplicates(const CoordinatorBenchOptions& options, Report& report) {
    DuplicateRun run;
    run.requests = options.quick ? 100 : 1'000;
    LoadRun shape;
    shape.gates = 1;
    shape.clients = 1;
    base::WorkerThreads workers(0);
    base::EventLoop front(workers);
    BackLoop back(workers);
    TRY_VOID(
        front.run_until_done(run_duplicates(load_world(options, shape), front, back.loop(), run)));
    const bool one = run.ids.size() == 1 && run.records.all == 1 && run.gate.batches == 1 &&
                     run.gate.submitted == 3 && run.arrived == 3;
    if (!one || run.succeeded != run.requests) {
        return Error::internal(fmt::format(
            "{} identical requests: {} ids, {} records, {} batches, {} submits, {} transfers, {} "
            "told of success, {}",
            run.requests, run.ids.size(), run.records.all, run.gate.batches, run.gate.submitted,
            run.arrived, run.succeeded, run.other));
    }
    Row row;
    row.name = kDuplicates;
    row.unit = "identical requests";
    row.served_per_s = static_cast<double>(run.requests) / seconds_of(run.taken);
    row.notes = fmt::format(
        "{} identical requests at once: one record, one batch, 3 submits, 3 transfers, the same "
        "answer to all",
        run.requests);
    report.add(std::move(row));
    return {};
}

// ----- the planner -------------------------------------------------------------------------------

Result<void> accepted(const coordinator::Plan& plan) {
    if (plan.accepted) return {};
    return Error::internal("the plan was not accepted");
}

Result<void> bench_planner(
    const CoordinatorBenchOptions& options, const base::Clock& clock, Report& report) {
    const std::string text = three_transfers("plan", kReceiver);
    const auto window = options.quick ? std::chrono::milliseconds(100)
                                      : std::chrono::milliseconds(options.seconds * 1000) / 3;
    const auto settings = coordinator::CoordinatorOptions::mainnet();
    const auto rate_of = [&](const auto& once) -> Result<double> {
        const base::SteadyTime begin = clock.steady_now();
        std::uint64_t count = 0;
        base::Duration taken{};
        do {
            for (int i = 0; i < 100; ++i) {
                TRY_VOID(once());
            }
            count += 100;
            taken = clock.steady_now() - begin;
        } while (taken < window);
        return static_cast<double>(count) / seconds_of(taken);
    };
    TRY(const Json parsed, Json::parse(text));
    // A request that was read, to its plan: everything that is asked of it, and the rules.
    TRY(const double plans, rate_of([&]() -> Result<void> {
            TRY_VOID(coordinator::check_no_signing_fields(parsed));
            TRY(const auto steps, coordinator::parse_workflow(parsed));
            return accepted(coordinator::plan_workflow(steps, {}));
        }));
    TRY(const auto steps, coordinator::parse_workflow(parsed));
    TRY(const double rules,
        rate_of([&]() -> Result<void> { return accepted(coordinator::plan_workflow(steps, {})); }));
    // What POST /wallet/v1/workflows/plan does with a body, to the bytes of its answer.
    TRY(const double answers, rate_of([&]() -> Result<void> {
            TRY(const Json body, Json::parse(text));
            TRY_VOID(coordinator::check_no_signing_fields(body));
            TRY(const auto its_steps, coordinator::parse_workflow(body));
            TRY_VOID(coordinator::check_step_forms(body));
            const auto plan = coordinator::plan_workflow(its_steps, {});
            if (coordinator::to_json(plan).dump().empty()) return Error::internal("no answer");
            return accepted(plan);
        }));
    Row row;
    row.name = kPlanner;
    row.unit = "plans";
    row.raw_per_s = rules;
    row.served_per_s = plans;
    row.ratio = plans / rules;
    row.notes = fmt::format(
        "three steps, one thread, in process; served: from a request's JSON to its plan; raw: the "
        "rules alone; {:.0f} a second from the bytes of a request to those of its answer",
        answers);
    report.add(std::move(row));
    return {};
}

}  // namespace

const std::vector<std::string>& coordinator_bench_names() {
    static const std::vector<std::string> kNames = {kBusyShare, kWorkflows, kPlanner, kDuplicates};
    return kNames;
}

Result<std::vector<Row>> run_coordinator_bench(
    const CoordinatorBenchOptions& options, Console& console) {
    TRY_VOID(check_names(options.only, coordinator_bench_names()));
    const auto wanted = [&](const std::string& name) {
        return options.only.empty() ||
               std::find(options.only.begin(), options.only.end(), name) != options.only.end();
    };
    base::WorkerThreads workers(1);
    const base::EventLoop clock(workers);
    TRY(const Machine machine, Machine::find(clock, options.directory));
    Report report(console, machine.to_string("nothing bound there"));
    // Each with databases of its own.
    const auto run = [&](const std::string& name, const auto& measure) -> Result<void> {
        if (!wanted(name)) return {};
        CoordinatorBenchOptions its = options;
        its.directory += "/" + name;
        TRY_VOID(create_directory(its.directory));
        auto done = measure(its);
        if (!done) return std::move(done).error().with_context(name);
        return {};
    };
    TRY_VOID(run(kPlanner, [&](const auto& its) { return bench_planner(its, clock, report); }));
    TRY_VOID(run(kDuplicates, [&](const auto& its) { return bench_duplicates(its, report); }));
    TRY_VOID(run(kWorkflows, [&](const auto& its) { return bench_workflows(its, report); }));
    TRY_VOID(run(kBusyShare, [&](const auto& its) {
        return bench_busy_share(its, clock, report, console);
    }));
    return report.rows();
}

}  // namespace adyton::apps::bench
