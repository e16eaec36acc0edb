#include <fmt/format.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "apps/command.h"
#include "apps/compute_connection.h"
#include "apps/files.h"
#include "apps/script_engine.h"
#include "attest/value_file.h"
#include "base/event_loop.h"
#include "base/json.h"
#include "compute/canonical_json.h"
#include "compute/options.h"
#include "compute/recording.h"
#include "compute/secret_repository.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "http/url.h"
#include "script/engine.h"

namespace adyton::apps {
namespace {

using base::Json;

constexpr std::size_t kRecordingBytesMax = std::size_t{64} << 20;
constexpr const char* kSecretPrefix = "ADYTON_SECRET_";

// ----- the engine on this machine ---------------------------------------------------------------

struct RunOptions {
    std::string script;
    std::string input;
    std::string entry_point = "main";
    std::vector<std::string> secrets;  // NAME or NAME=FILE
    std::int64_t timeout = compute::kTimeoutDefaultSeconds;
    std::uint64_t gas_max = 0;
    bool watch = false;
};

struct SecretPlace {
    std::string name;
    attest::SecretReference reference;
};

Result<std::vector<SecretPlace>> secret_places(const std::vector<std::string>& texts) {
    std::vector<SecretPlace> out;
    for (const std::string& text : texts) {
        const std::size_t equals = text.find('=');
        SecretPlace place;
        place.name = text.substr(0, equals);
        if (place.name.empty()) return Error::invalid_argument("--secret wants NAME or NAME=FILE");
        // Behind OWNER/, as jobs of a service name a secret of another user.
        TRY_VOID(compute::check_secret_name(
            std::string_view(place.name).substr(place.name.find('/') + 1)));
        place.reference.kind = attest::SecretReference::Kind::File;
        if (equals != std::string::npos) {
            place.reference.name = text.substr(equals + 1);
        } else {
            place.reference.kind = attest::SecretReference::Kind::Environment;
            place.reference.name = kSecretPrefix + place.name;
        }
        out.push_back(std::move(place));
    }
    if (out.size() > compute::kSecretRefsMax) {
        return Error::invalid_argument("too many secret references (max 10)");
    }
    return out;
}

// Without the line end that an editor puts there, as `adyton secrets set` takes it.
Result<script::SensitiveBytes> value_in_file(const std::string& path) {
    TRY(auto value, attest::read_value_file(path, script::kSecretBytesMax + 2));
    std::string_view text = value;
    if (text.ends_with('\n')) text.remove_suffix(1);
    if (text.ends_with('\r')) text.remove_suffix(1);
    script::SensitiveBytes out(text);
    crypto::wipe({reinterpret_cast<std::uint8_t*>(value.data()), value.size()});
    return out;
}

Result<script::Secret> read_secret(const SecretPlace& place) {
    script::Secret secret;
    secret.name = place.name;
    if (place.reference.kind == attest::SecretReference::Kind::Environment) {
        // Read where it stands, so that --watch can read it again.
        const char* const value = std::getenv(place.reference.name.c_str());
        if (value == nullptr) {
            return Error::not_found("the variable " + place.reference.name + " is not set");
        }
        secret.value = script::SensitiveBytes(std::string_view(value));
    } else {
        TRY(secret.value, value_in_file(place.reference.name));
    }
    if (secret.value.size() > script::kSecretBytesMax) {
        return Error::too_large("the secret " + place.name + " has more than 65536 bytes");
    }
    return secret;
}

Result<std::vector<script::Secret>> read_secrets(const std::vector<SecretPlace>& places) {
    std::vector<script::Secret> out;
    for (const SecretPlace& place : places) {
        TRY(auto secret, read_secret(place));
        out.push_back(std::move(secret));
    }
    return out;
}

// One loop and one engine for as many runs as there are.
class LocalRunner {
public:
    static Result<std::unique_ptr<LocalRunner>> create() {
        std::unique_ptr<LocalRunner> out(new LocalRunner());
        TRY(out->engine_, open_local_engine(out->loop_));
        return out;
    }
    Result<script::RunResult> run(script::Job job) {
        return loop_.run_until_done(engine_->run(std::move(job)));
    }
    base::Timestamp now() const { return loop_.now(); }
    void fill(std::array<std::uint8_t, 32>& seed) { random_.fill(seed); }

private:
    LocalRunner() : workers_(2), loop_(workers_) {}
    base::WorkerThreads workers_;
    base::EventLoop loop_;
    crypto::SystemRandom random_;
    std::unique_ptr<script::Engine> engine_;
};

Result<std::string> read_input(const std::string& path) {
    if (path.empty()) return std::string("{}");
    TRY(const auto text, read_file(path, 2 * script::kInputBytesMax));
    const auto json = Json::parse(text);
    if (!json || !json->is_object()) {
        return Error::invalid_argument(path + " does not hold a JSON object");
    }
    return compute::canonical_text(*json);
}

Result<script::Job> make_job(
    Process& process, LocalRunner& runner, const RunOptions& options, bool json) {
    script::Job job;
    job.id = "local";
    job.user = "local";
    TRY(job.source, read_file(options.script, script::kSourceBytesMax));
    TRY(job.input_json, read_input(options.input));
    if (options.script.ends_with(".ts")) job.language = script::Language::TypeScript;
    job.entry_point = options.entry_point;
    job.limits.time = std::chrono::seconds(options.timeout);
    job.limits.gas = options.gas_max;
    job.start_time = runner.now();
    runner.fill(job.random_seed);
    TRY(auto places, secret_places(options.secrets));
    job.secrets = [places = std::move(places)] { return read_secrets(places); };
    if (!json) {
        Console& console = process.console;
        job.on_log = [&console](const script::LogEntry& entry) {
            const bool plain = entry.level == script::LogLevel::Log;
            console.note(printable(
                plain ? entry.text
                      : std::string(script::to_string(entry.level)) + ": " + entry.text));
        };
    }
    return job;
}

std::string limit_text(const script::RunResult& result, const RunOptions& options) {
    switch (result.status) {
        case script::Status::TimedOut:
            return fmt::format(
                "stopped at its limit of {} s (--timeout, at most {})", options.timeout,
                compute::kTimeoutMaxSeconds);
        case script::Status::OutOfMemory:
            return "stopped at its limit of 64 MiB of memory";
        case script::Status::GasExhausted:
            return fmt::format("stopped at its limit of {} metered gas (--gas)", options.gas_max);
        default:
            return {};
    }
}

Json to_json(
    const script::RunResult& result, const std::string& output, const std::string& error,
    std::int64_t gas) {
    Json logs = Json::array();
    for (const script::LogEntry& entry : result.logs) {
        logs.push_back(Json::object()
                           .set("level", Json::string(std::string(script::to_string(entry.level))))
                           .set("text", Json::string(entry.text)));
    }
    Json out = Json::object();
    const bool good = result.status == script::Status::Completed;
    out.set("status", Json::string(good ? "completed" : "failed"));
    out.set("phase", Json::string(std::string(script::to_string(result.status))));
    if (auto parsed = Json::parse(output)) out.set("output", *std::move(parsed));
    out.set("logs", std::move(logs));
    if (result.logs_dropped > 0) {
        out.set("logs_dropped", Json::unsigned_integer(result.logs_dropped));
    }
    if (!error.empty()) out.set("error", Json::string(error));
    if (result.error && result.error->line > 0) {
        out.set("error_line", Json::unsigned_integer(result.error->line));
        out.set("error_column", Json::unsigned_integer(result.error->column));
    }
    out.set("gas_used", Json::integer(gas));
    out.set("metered_gas", Json::unsigned_integer(result.metered_gas));
    out.set("duration", Json::string(base::to_go_duration(result.wall_time)));
    return out;
}

Exit show(
    Process& process, const RunOptions& options, const script::Job& shown,
    const script::RunResult& result, bool json) {
    std::string output;
    std::string error = script::seed_error_text(shown, result);
    bool good = result.status == script::Status::Completed;
    if (good && !result.output_json.empty()) {
        const auto parsed = compute::parse_script_json(result.output_json);
        if (parsed) output = compute::canonical_text(*parsed);
        if (!parsed || output.size() > script::kOutputBytesMax) {
            good = false;
            error = parsed ? "output exceeds maximum size of 1048576 bytes"
                           : "output is not JSON serializable: it is nested too deeply";
            output.clear();
        }
    }
    const std::int64_t gas =
        good ? static_cast<std::int64_t>(shown.source.size()) * compute::kGasPerScriptByte : 0;
    if (json) {
        process.console.print_json(to_json(result, output, error, gas));
        return good ? Exit::Ok : Exit::Failed;
    }
    if (result.logs_dropped > 0) {
        process.console.note(fmt::format("{} more console entries dropped", result.logs_dropped));
    }
    if (const auto pretty = Json::parse(output)) process.console.print_json(*pretty);
    if (!good) {
        const std::string limit = limit_text(result, options);
        std::string place;
        if (result.error && result.error->line > 0) {
            place = fmt::format(
                " ({}:{}:{})", options.script, result.error->line, result.error->column);
        }
        process.console.error(printable(limit.empty() ? error + place : limit + place));
    }
    process.console.note(fmt::format(
        "{}, gas {}, metered gas {}, memory {} KiB", base::to_go_duration(result.wall_time), gas,
        grouped(result.metered_gas), result.memory_bytes_peak / 1024));
    return good ? Exit::Ok : Exit::Failed;
}

Exit run_once(Process& process, LocalRunner& runner, const RunOptions& options, bool json) {
    auto job = make_job(process, runner, options, json);
    if (!job) {
        process.console.fail(job.error(), json);
        return Exit::Failed;
    }
    script::Job shown;
    shown.source = job->source;
    shown.entry_point = job->entry_point;
    shown.limits = job->limits;
    const auto result = runner.run(*std::move(job));
    if (!result) {
        process.console.fail(result.error(), json);
        return Exit::Failed;
    }
    return show(process, options, shown, *result, json);
}

// When a file was last written, as a number that changes with it; 0: it is not there.
std::int64_t stamp_of(const std::string& path) {
    struct stat status {};
    if (path.empty() || ::stat(path.c_str(), &status) != 0) return 0;
    return status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec + status.st_size;
}

Exit run_local(Process& process, const RunOptions& options, bool json) {
    const auto runner = LocalRunner::create();
    if (!runner) {
        process.console.fail(runner.error(), json);
        return Exit::Failed;
    }
    if (!options.watch) return run_once(process, **runner, options, json);
    base::WorkerThreads workers(1);
    base::EventLoop loop(workers);
    for (;;) {
        const std::int64_t script = stamp_of(options.script);
        const std::int64_t input = stamp_of(options.input);
        run_once(process, **runner, options, json);
        process.console.note("watching; Ctrl-C ends");
        process.console.flush();
        const auto wait = [](base::EventLoop& on, const RunOptions& what, std::int64_t s,
                             std::int64_t i) -> Task<bool> {
            while (stamp_of(what.script) == s && stamp_of(what.input) == i) {
                auto pause = base::sleep_for(on, std::chrono::milliseconds(200));
                co_await std::move(pause);
            }
            co_return true;
        };
        loop.run_until_done(wait(loop, options, script, input));
    }
}

// ----- jobs of a service ------------------------------------------------------------------------

struct JobOptions {
    ComputeConnectionOptions connection;
    std::string job_id;
    std::string file;
    std::vector<std::string> secrets;
    std::int64_t limit = 20;
    std::int64_t wait = 0;
};

std::string text_of(const Json& json, std::string_view name) {
    const Json* const found = json.find(name);
    return found != nullptr && found->is_string() ? found->string_value() : std::string();
}

std::string job_path(const JobOptions& options) {
    return "/jobs/" + http::percent_encode(options.job_id);
}

Result<Json> ask(
    Process& process, const JobOptions& options, std::string method, std::string path) {
    TRY(const auto connection, ComputeConnection::open(options.connection, process.secrets));
    return connection->ask(std::move(method), std::move(path));
}

Exit run_jobs(Process& process, const JobOptions& options, bool json) {
    const auto list =
        ask(process, options, "GET", fmt::format("/jobs?summary=true&limit={}", options.limit));
    if (!list || !list->is_array()) {
        process.console.fail(
            list ? Error::corrupt_data("the answer is no list") : list.error(), json);
        return Exit::Failed;
    }
    if (json) {
        process.console.print_json(*list);
        return Exit::Ok;
    }
    Table table({{"JOB"}, {"PHASE"}, {"CREATED"}, {"FINISHED"}});
    for (const Json& job : list->items()) {
        table.add(
            {printable(text_of(job, "job_id")), printable(text_of(job, "phase")),
             printable(text_of(job, "created_at")), printable(text_of(job, "finished_at"))});
    }
    if (table.empty()) {
        process.console.note("no jobs");
    } else {
        process.console.print_table(table);
    }
    return Exit::Ok;
}

// A job as it is answered; JSON either way, for its output is.
Exit show_job(Process& process, const Result<Json>& job, bool json) {
    if (!job) {
        process.console.fail(job.error(), json);
        return Exit::Failed;
    }
    process.console.print_json(*job);
    return Exit::Ok;
}

Result<compute::Recording> load_recording(Process& process, const JobOptions& options) {
    if (!options.file.empty()) {
        TRY(const auto text, read_file(options.file, kRecordingBytesMax));
        return compute::Recording::parse(text);
    }
    TRY(const auto connection, ComputeConnection::open(options.connection, process.secrets));
    TRY(const auto text, connection->send("GET", job_path(options) + "/recording"));
    return compute::Recording::parse(text);
}

// What the broker answered then, in the same order.
Task<script::HostReply> replay_reply(
    std::shared_ptr<const compute::Recording> recording, script::HostRequest request) {
    if (request.sequence < recording->replies.size()) {
        co_return recording->replies[request.sequence];
    }
    co_return script::HostReply{false, "the recording has no such request"};
}

// Where the job's secrets are, in the order in which the script saw them; those that were bound to
// destinations have no place.
Result<std::vector<SecretPlace>> replay_places(
    const compute::Recording& recording, const std::vector<std::string>& texts) {
    TRY(const auto given, secret_places(texts));
    const auto& bound = recording.bound_names;
    std::vector<SecretPlace> out;
    for (const std::string& name : recording.secret_names) {
        if (std::find(bound.begin(), bound.end(), name) != bound.end()) {
            out.push_back({name, {}});
            continue;
        }
        const auto place = std::find_if(
            given.begin(), given.end(), [&name](const auto& one) { return one.name == name; });
        if (place == given.end()) {
            return Error::invalid_argument(
                "the job used the secret " + name + ", which no recording holds: give --secret " +
                name + "=FILE");
        }
        out.push_back(*place);
    }
    return out;
}

Result<std::vector<script::Secret>> replay_secrets(
    const compute::Recording& recording, const std::vector<SecretPlace>& places) {
    const auto& bound = recording.bound_names;
    std::vector<script::Secret> out;
    for (const SecretPlace& place : places) {
        if (std::find(bound.begin(), bound.end(), place.name) != bound.end()) {
            out.push_back(
                {place.name, script::SensitiveBytes(compute::secret_placeholder(place.name))});
            continue;
        }
        TRY(auto secret, read_secret(place));
        out.push_back(std::move(secret));
    }
    return out;
}

Result<script::RunResult> replay(
    const std::shared_ptr<const compute::Recording>& recording, const JobOptions& options) {
    TRY(auto places, replay_places(*recording, options.secrets));
    TRY(const auto runner, LocalRunner::create());
    script::Job job;
    job.id = recording->job_id;
    job.user = "replay";
    job.source = recording->script;
    job.language = recording->language;
    job.entry_point = recording->entry_point;
    job.input_json = recording->input_json;
    job.limits = recording->replay_limits();
    job.start_time = recording->start_time;
    job.random_seed = recording->random_seed;
    job.secrets = [recording, places = std::move(places)] {
        return replay_secrets(*recording, places);
    };
    if (recording->has_host) {
        job.host = [recording](script::HostRequest request) {
            return replay_reply(recording, std::move(request));
        };
    }
    return runner->run(std::move(job));
}

Exit run_replay(Process& process, const JobOptions& options, bool json) {
    auto loaded = load_recording(process, options);
    if (!loaded) {
        process.console.fail(loaded.error(), json);
        return Exit::Failed;
    }
    // Shared with the engine's callback.
    const auto recording = std::make_shared<const compute::Recording>(*std::move(loaded));
    const auto result = replay(recording, options);
    if (!result) {
        process.console.fail(result.error(), json);
        return Exit::Failed;
    }
    const std::vector<std::string> found = compute::differences(*recording, *result);
    if (json) {
        Json list = Json::array();
        for (const std::string& line : found) list.push_back(Json::string(line));
        process.console.print_json(
            Json::object()
                .set("job_id", Json::string(recording->job_id))
                .set("same", Json::boolean(found.empty()))
                .set("cut_off", Json::boolean(recording->cut_off()))
                .set("differences", std::move(list))
                .set("metered_gas", Json::unsigned_integer(result->metered_gas)));
    } else if (found.empty()) {
        const bool whole = recording->output && recording->console_hash;
        if (recording->cut_off()) {
            process.console.print(fmt::format(
                "the same until it was cut off ({}): {}{} metered gas", recording->status,
                whole ? "console and " : "", grouped(recording->metered_gas)));
        } else {
            process.console.print(fmt::format(
                "the same: {}{} metered gas", whole ? "output, console and " : "",
                grouped(result->metered_gas)));
        }
        if (!whole) process.console.note("output and console held a secret: not compared");
    } else {
        for (const std::string& line : found) process.console.error(line);
    }
    return found.empty() ? Exit::Ok : Exit::Failed;
}

// ----- the command line -------------------------------------------------------------------------

void add_run(CLI::App& group, Invocation& invocation) {
    CLI::App& command = add_command(
        group, invocation,
        {.name = "run",
         .summary = "Run a script here, with the engine, limits and gas of the service",
         .details =
             "Nothing is sent anywhere. The script's console goes to standard error, its result to "
             "standard output. A secret is read from a file that nobody else may read, or from the "
             "variable ADYTON_SECRET_NAME.",
         .examples = {
             "adyton compute run script.js --input in.json",
             "adyton compute run script.ts --secret api_key=key.txt --watch"}});
    const auto options = std::make_shared<RunOptions>();  // shared: the callback is copied
    command
        .add_option(
            "script", options->script, "The script, at most 102400 bytes; *.ts is TypeScript")
        ->required();
    command.add_option("--input", options->input, "A file with a JSON object");
    command.add_option("--entry-point", options->entry_point, "The function to call")
        ->capture_default_str();
    command.add_option("--secret", options->secrets, "NAME=FILE, or NAME; may be repeated");
    command.add_option("--timeout", options->timeout, "Seconds")
        ->check(CLI::Range(std::int64_t{1}, compute::kTimeoutMaxSeconds))
        ->capture_default_str();
    command.add_option("--gas", options->gas_max, "Metered gas to stop at; 0: no cap")
        ->check(CLI::Range(std::int64_t{0}, std::numeric_limits<std::int64_t>::max()));
    command.add_flag("--watch", options->watch, "Run again whenever a file changes");
    on_run(command, invocation, [options, &invocation](Process& process) {
        return run_local(process, *options, invocation.json);
    });
}

using JobCommand = Exit (*)(Process&, const JobOptions&, bool);

CLI::App& add_job_command(
    CLI::App& group, Invocation& invocation, const CommandHelp& help,
    const std::shared_ptr<JobOptions>& options, JobCommand run) {
    CLI::App& command = add_command(group, invocation, help);
    add_compute_connection(command, options->connection);
    on_run(command, invocation, [options, run, &invocation](Process& process) {
        return run(process, *options, invocation.json);
    });
    return command;
}

Exit run_job(Process& process, const JobOptions& options, bool json) {
    return show_job(
        process,
        ask(process, options, "GET", fmt::format("{}?wait={}", job_path(options), options.wait)),
        json);
}

Exit run_cancel(Process& process, const JobOptions& options, bool json) {
    return show_job(process, ask(process, options, "DELETE", job_path(options)), json);
}

}  // namespace

void add_compute_commands(CLI::App& root, Invocation& invocation) {
    CLI::App& group =
        add_group(root, {.name = "compute", .summary = "Run scripts, here or as jobs"});
    add_run(group, invocation);
    // Shared: the callbacks are copied.
    const auto jobs = std::make_shared<JobOptions>();
    add_job_command(
        group, invocation,
        {.name = "jobs", .summary = "Your jobs, newest first", .examples = {"adyton compute jobs"}},
        jobs, &run_jobs)
        .add_option("--limit", jobs->limit, "How many")
        ->check(CLI::Range(1, 500));
    const auto job = std::make_shared<JobOptions>();
    CLI::App& one = add_job_command(
        group, invocation,
        {.name = "job",
         .summary = "One job as the service answers it",
         .examples = {"adyton compute job JOB_ID --wait 30"}},
        job, &run_job);
    one.add_option("job", job->job_id, "Which one")->required();
    one.add_option("--wait", job->wait, "Seconds to wait for its end")->check(CLI::Range(0, 130));
    const auto cancel = std::make_shared<JobOptions>();
    add_job_command(
        group, invocation,
        {.name = "cancel", .summary = "Stop a job", .examples = {"adyton compute cancel JOB_ID"}},
        cancel, &run_cancel)
        .add_option("job", cancel->job_id, "Which one")
        ->required();
    const auto again = std::make_shared<JobOptions>();
    CLI::App& replay_command = add_job_command(
        group, invocation,
        {.name = "replay",
         .summary = "Run a recorded job here and compare",
         .details =
             "For jobs that were sent with \"record\": true. The same script, input, random "
             "numbers, clock and answers from the network must give the same output, console and "
             "metered gas.",
         .examples =
             {"adyton compute replay JOB_ID",
              "adyton compute replay JOB_ID --file recording.json"}},
        again, &run_replay);
    replay_command.add_option("job", again->job_id, "Which one")->required();
    replay_command.add_option("--file", again->file, "A recording fetched earlier");
    replay_command.add_option("--secret", again->secrets, "NAME=FILE; may be repeated");
}

}  // namespace adyton::apps
