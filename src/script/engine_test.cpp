#include <gtest/gtest.h>

#include <set>

#include "script/internal/job_random.h"
#include "script/internal/machine.h"
#include "script/internal/memory_slot.h"
#include "script/internal/utf8.h"
#include "script/internal/wire.h"
#include "script/script_test_support.h"

namespace adyton::script {
namespace {

class EngineTest : public EngineFixture {};

std::string repeated(std::string_view text, std::size_t times) {
    std::string out;
    for (std::size_t i = 0; i < times; ++i) out += text;
    return out;
}

// --- The seed's contract ------------------------------------------------------------------------

TEST_F(EngineTest, TheSeedsFirstExampleAddsTwoNumbers) {
    EXPECT_EQ(
        output("function main() { return { result: input.a + input.b }; }", R"({"a":5,"b":3})"),
        R"({"result":8})");
}

TEST_F(EngineTest, TheSeedsSecondExampleReadsASecret) {
    Job job =
        job_of("function main() { return { apiKey: secrets.api_key, none: secrets.other }; }");
    job.secrets = [] {
        std::vector<Secret> out;
        out.push_back({"api_key", SensitiveBytes("k-\xC3\xA9")});
        return Result<std::vector<Secret>>(std::move(out));
    };
    EXPECT_EQ(run(std::move(job)).output_json, "{\"apiKey\":\"k-\xC3\xA9\"}");
}

TEST_F(EngineTest, ASecretCalledLikeAPrototypeIsJustASecret) {
    Job job = job_of("function main() { return [Object.keys(secrets), secrets['__proto__']]; }");
    job.secrets = [] {
        std::vector<Secret> out;
        out.push_back({"__proto__", SensitiveBytes("x")});
        return Result<std::vector<Secret>>(std::move(out));
    };
    EXPECT_EQ(run(std::move(job)).output_json, R"({"result":[["__proto__"],"x"]})");
}

TEST_F(EngineTest, ASecretThatCannotBeHadEndsTheRun) {
    Job job = job_of("function main() {}");
    job.secrets = []() -> Result<std::vector<Secret>> {
        return Error::not_found("secret not found");
    };
    const auto result = try_run(std::move(job));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), ErrorCode::NotFound);
}

TEST_F(EngineTest, ValuesThatAreNoObjectsAreWrapped) {
    EXPECT_EQ(output("function main() { return 42; }"), R"({"result":42})");
    EXPECT_EQ(output("function main() { return [1, undefined]; }"), R"({"result":[1,null]})");
    EXPECT_EQ(output("function main() { return 'x'; }"), R"({"result":"x"})");
    EXPECT_EQ(output("function main() {}"), "");
    EXPECT_EQ(output("function main() { return null; }"), "");
}

TEST_F(EngineTest, WhatHasNoJsonFormIsLeftOutOfAnObject) {
    EXPECT_EQ(
        output("function main() { return { f() {}, u: undefined, s: Symbol('x'), n: NaN, d: new "
               "Date(0), t: { toJSON() { return 7; } }, a: [() => 1] }; }"),
        R"({"n":null,"d":"1970-01-01T00:00:00.000Z","t":7,"a":[null]})");
}

TEST_F(EngineTest, TheEntryPointMayBeAnyTopLevelBinding) {
    for (const char* source :
         {"function run() { return 1; }", "var run = () => 1;", "let run = () => 1;",
          "const run = async () => 1;", "globalThis.run = () => 1;"}) {
        Job job = job_of(source);
        job.entry_point = "run";
        EXPECT_EQ(run(std::move(job)).output_json, R"({"result":1})") << source;
    }
}

TEST_F(EngineTest, AnEntryPointThatIsNoFunctionIsNamed) {
    for (const char* name : {"main", "a.b", "", "1", "x()", "this", "main; run", "\xC3\xA9"}) {
        Job job = job_of("let x = 1; const a = { b() {} }; function run() {}");
        job.entry_point = name;
        const Job copy = job;
        const RunResult result = run(std::move(job));
        EXPECT_EQ(result.status, Status::Failed) << name;
        EXPECT_EQ(
            seed_error_text(copy, result),
            "entry point '" + std::string(name) + "' is not a function");
    }
}

TEST_F(EngineTest, InputAndSecretsAreArgumentsAndGlobals) {
    EXPECT_EQ(
        output("function main(i, s) { return [i === input, s === secrets, this === undefined || "
               "this === globalThis]; }"),
        R"({"result":[true,true,true]})");
}

TEST_F(EngineTest, ErrorsHaveLineAndColumnAndTheSeedsWords) {
    Job job = job_of("function main() {\n  return undefined_name.x;\n}");
    const Job copy = job;
    const RunResult result = run(std::move(job));
    ASSERT_TRUE(result.error);
    EXPECT_EQ(result.error->name, "ReferenceError");
    EXPECT_EQ(result.error->line, 2U);
    EXPECT_GT(result.error->column, 1U);
    EXPECT_TRUE(seed_error_text(copy, result).starts_with("execution error: ReferenceError: "))
        << seed_error_text(copy, result);

    Job broken = job_of("function main() {\n\n  let 1x; }");
    const Job broken_copy = broken;
    const RunResult parsed = run(std::move(broken));
    ASSERT_TRUE(parsed.error);
    EXPECT_EQ(parsed.error->name, "SyntaxError");
    EXPECT_EQ(parsed.error->line, 3U);
    EXPECT_TRUE(seed_error_text(broken_copy, parsed).starts_with("script error: SyntaxError: "));
}

TEST_F(EngineTest, ErrorsOfTheEnginesOwnFunctionsHaveTheirPlace) {
    const auto place = [this](const std::string& source) {
        const RunResult result = run(source);
        EXPECT_TRUE(result.error) << source;
        const ScriptError error = result.error.value_or(ScriptError{});
        return error.name + " " + std::to_string(error.line) + ":" + std::to_string(error.column);
    };
    EXPECT_EQ(place("function main() {\n  atob('a'); }"), "InvalidCharacterError 2:3");
    EXPECT_EQ(place("function main() {\n  btoa('\\u0100'); }"), "InvalidCharacterError 2:3");
    EXPECT_EQ(place("function main() {\n  throw new DOMException('a', 'b'); }"), "b 2:13");
    // A literal that does not compile has none: the engine tells it to code that evals only.
    EXPECT_EQ(place("function main() {\n  return /(/; }"), "SyntaxError 0:0");
}

TEST_F(EngineTest, ColumnsAreRightBehindEachKindOfLineEnd) {
    const auto place = [this](const std::string& source) {
        const RunResult result = run(source);
        EXPECT_TRUE(result.error) << source;
        const ScriptError error = result.error.value_or(ScriptError{});
        return std::to_string(error.line) + ":" + std::to_string(error.column);
    };
    const std::string head = "function main() {";
    const std::string tail = "/*\u00e4\u00e4*/ throw new Error('x'); }";
    const std::string separator = "\u2028";
    const std::string paragraph = "\u2029";
    EXPECT_EQ(place(head + "\n" + tail), "2:18");
    EXPECT_EQ(place(head + "\r\n" + tail), "2:18");
    EXPECT_EQ(place(head + "\r" + tail), "2:18");
    EXPECT_EQ(place(head + separator + tail), "2:18");
    EXPECT_EQ(place(head + paragraph + tail), "2:18");
    EXPECT_EQ(place(head + "\n\r\n\r" + separator + tail), "5:18");
    // Inside of these they end no line, or none that the engine counts.
    EXPECT_EQ(place(head + "\n// '" + separator + tail), "2:23");
    EXPECT_EQ(place(head + "\n'" + separator + "\\''; " + tail), "2:25");
    EXPECT_EQ(place(head + "\n\"" + separator + "'\"; " + tail), "2:24");
    EXPECT_EQ(place(head + "\n`" + separator + "`; " + tail), "2:23");
    EXPECT_EQ(place(head + "\n/*" + separator + "'*/ " + tail), "2:25");
    EXPECT_EQ(place(head + "\n`\r\n\r`; " + tail), "4:21");
    EXPECT_EQ(place(head + "\n'a\\\r\\\nb'; " + tail), "4:22");
    EXPECT_EQ(place(head + "\n'a\\\r\n" + separator + "'; " + tail), "3:22");
}

TEST_F(EngineTest, NothingOfTheHostIsInAStackTrace) {
    const std::string text =
        output("function main() { try { null.x; } catch (e) { return e.stack; } }");
    EXPECT_EQ(text.find('/'), std::string::npos) << text;
    EXPECT_NE(text.find("script.js:1:"), std::string::npos) << text;
}

TEST_F(EngineTest, ConsoleEntriesAreKeptBesideTheOutputAndOnFailure) {
    const RunResult result =
        run("function main() { console.log('a', 1, null, { x: [1] }); console.info('i'); "
            "console.warn(new TypeError('w')); console.error(undefined, () => 1); throw new "
            "Error('x'); }");
    EXPECT_EQ(result.status, Status::Failed);
    const std::vector<LogEntry> expected = {
        {LogLevel::Log, R"(a 1 null {"x":[1]})"},
        {LogLevel::Info, "i"},
        {LogLevel::Warn, "TypeError: w"},
        {LogLevel::Error, "undefined [function anonymous]"}};
    EXPECT_EQ(result.logs, expected);
}

TEST_F(EngineTest, ConsoleEntriesEndAtOneHundredAndAtFourKilobytes) {
    const RunResult result =
        run("function main() { for (let i = 0; i < 99; i++) console.log(i); "
            "console.log('x'.repeat(4096)); console.log('gone'); }");
    ASSERT_EQ(result.logs.size(), 100U);
    EXPECT_EQ(result.logs_dropped, 1U);
    EXPECT_EQ(result.logs[99].text, repeated("x", 4096));
    const RunResult longer = run(
        "function main() { console.log('x'.repeat(4097)); console.log('\xC3\xA9'.repeat(4000)); "
        "console.log('x' + '\xC3\xA9'.repeat(4000)); }");
    EXPECT_EQ(longer.logs[0].text, repeated("x", 4096) + "...(truncated)");
    EXPECT_EQ(longer.logs[1].text, repeated("\xC3\xA9", 2048) + "...(truncated)");
    EXPECT_EQ(longer.logs[2].text, "x" + repeated("\xC3\xA9", 2047) + "...(truncated)");
}

TEST_F(EngineTest, OutputEndsAtOneMegabyte) {
    const std::string source = "function main() { return { x: 'a'.repeat(input.n) }; }";
    const RunResult at = run(source, R"({"n":1048568})");
    EXPECT_EQ(at.status, Status::Completed);
    EXPECT_EQ(at.output_json.size(), kOutputBytesMax);
    Job job = job_of(source, R"({"n":1048569})");
    const Job copy = job;
    const RunResult over = run(std::move(job));
    EXPECT_EQ(over.status, Status::Failed);
    EXPECT_EQ(seed_error_text(copy, over), "output exceeds maximum size of 1048576 bytes");
    EXPECT_TRUE(over.output_json.empty());
}

TEST_F(EngineTest, WhatIsOutOfBoundsIsRefusedBeforeItRuns) {
    Job large = job_of(repeated(" ", kSourceBytesMax + 1));
    EXPECT_FALSE(try_run(std::move(large)));
    for (const char* input : {"[]", "1", "", "{", "{\"a\":1}}", "{'a':1}", "null"}) {
        const auto result = try_run(job_of("function main() {}", input));
        ASSERT_FALSE(result) << input;
        EXPECT_EQ(result.error().code(), ErrorCode::InvalidArgument);
    }
    Job memory = job_of("function main() {}");
    memory.limits.memory_bytes = kMemoryBytesMax + 1;
    EXPECT_FALSE(try_run(std::move(memory)));
    Job time = job_of("function main() {}");
    time.limits.time = base::Duration(0);
    EXPECT_FALSE(try_run(std::move(time)));
    EXPECT_EQ(
        output(repeated(" ", kSourceBytesMax - 30) + "function main() { return 1 }"),
        R"({"result":1})");
}

// --- Promises -----------------------------------------------------------------------------------

TEST_F(EngineTest, PromisesAreDrainedAndAwaited) {
    EXPECT_EQ(
        output("async function main() { await null; return { x: await Promise.resolve(2) }; }"),
        R"({"x":2})");
    EXPECT_EQ(
        output("function main() { const o = {}; Promise.resolve().then(() => { o.late = 1; }); "
               "return o; }"),
        R"({"late":1})");
    const RunResult rejected =
        run("async function main() { await null; throw new RangeError('r'); }");
    ASSERT_TRUE(rejected.error);
    EXPECT_EQ(rejected.error->name, "RangeError");
    EXPECT_EQ(run("function main() { return new Promise(() => {}); }").status, Status::Failed);
}

// --- Limits -------------------------------------------------------------------------------------

TEST_F(EngineTest, AnEndlessLoopEndsAtItsLimit) {
    Job job = job_of("function main() { for (;;) {} }");
    job.limits.time = std::chrono::milliseconds(50);
    const Job copy = job;
    const RunResult result = run(std::move(job));
    EXPECT_EQ(result.status, Status::TimedOut);
    EXPECT_GT(result.metered_gas, 0U);
    EXPECT_LT(result.wall_time, std::chrono::seconds(5));
    EXPECT_EQ(seed_error_text(copy, result), "execution error: execution timeout at 0.05 s");
}

// One search of a long text for a long pattern takes minutes and never polls.
TEST_F(EngineTest, NativeWorkThatDoesNotPollEndsAtItsLimitToo) {
    Job job = job_of("function main() { return 'a'.repeat(4e6).indexOf('a'.repeat(2e6) + 'b'); }");
    job.limits.time = std::chrono::milliseconds(50);
    const RunResult result = run(std::move(job));
    EXPECT_EQ(result.status, Status::TimedOut);
    EXPECT_EQ(output("function main() { return 1; }"), R"({"result":1})");
}

TEST_F(EngineTest, MemoryEndsAtTheLimitAndThePeakIsReported) {
    Job job =
        job_of("function main() { const a = []; for (;;) a.push(new ArrayBuffer(1 << 20)); }");
    job.limits.memory_bytes = std::size_t{16} << 20U;
    const RunResult result = run(std::move(job));
    EXPECT_EQ(result.status, Status::OutOfMemory);
    EXPECT_LE(result.memory_bytes_peak, std::size_t{16} << 20U);
    EXPECT_GT(result.memory_bytes_peak, std::size_t{12} << 20U);
}

TEST_F(EngineTest, GasIsTheSameEachTimeAndEndsTheRunAtItsCap) {
    const std::string source =
        "function main() { let s = 0; for (let i = 0; i < 1e5; i++) s += Math.random(); "
        "console.log(s, Date.now()); return { s, t: Date.now() }; }";
    const RunResult first = run(source);
    const RunResult second = run(source);
    EXPECT_EQ(first.metered_gas, second.metered_gas);
    EXPECT_EQ(first.output_json, second.output_json);
    EXPECT_EQ(first.logs, second.logs);
    EXPECT_GT(first.metered_gas, 10'000'000U);

    Job at = job_of(source);
    at.limits.gas = first.metered_gas;
    EXPECT_EQ(run(std::move(at)).status, Status::Completed);
    Job below = job_of(source);
    below.limits.gas = first.metered_gas / 2;
    EXPECT_EQ(run(std::move(below)).status, Status::GasExhausted);
    // At once, before the script is looked at: still in words that callers know.
    Job none = job_of(source);
    none.limits.gas = 1;
    const Job shown = none;
    EXPECT_EQ(
        seed_error_text(shown, run(std::move(none))), "script error: gas exhausted (limit 1)");
}

TEST_F(EngineTest, CancelEndsAnEndlessLoop) {
    Job job = job_of("function main() { console.log('started'); for (;;) {} }");
    const std::string id = job.id;
    bool cancelled = false;
    job.on_log = [&](const LogEntry&) { cancelled = engine().cancel(id); };
    EXPECT_EQ(run(std::move(job)).status, Status::Cancelled);
    EXPECT_TRUE(cancelled);
    EXPECT_FALSE(engine().cancel(id));
}

// --- Determinism and randomness -----------------------------------------------------------------

TEST_F(EngineTest, RandomnessComesFromTheSeedOfTheJob) {
    const std::string source =
        "function main() { return [Math.random(), Math.random(), Math.random()]; }";
    std::set<std::string> outputs;
    for (std::uint8_t i = 0; i < 8; ++i) {
        Job job = job_of(source);
        job.random_seed.fill(i);
        outputs.insert(run(std::move(job)).output_json);
    }
    EXPECT_EQ(outputs.size(), 8U);
    EXPECT_EQ(output(source), output(source));
}

TEST_F(EngineTest, TheClockStartsAtTheJobsTimeAndGoesWithItsWork) {
    EXPECT_EQ(
        output("function main() { return [new Date().toISOString(), new "
               "Date().getTimezoneOffset()]; }"),
        R"({"result":["2025-10-09T08:53:20.123Z",0]})");
    EXPECT_EQ(
        output("function main() { const start = Date.now(); while (Date.now() < start + 20) {} "
               "return Date.now() - start; }"),
        R"({"result":20})");
}

TEST(JobRandomTest, TheStreamIsChaCha20AsPublishedVector) {
    // draft-agl-tls-chacha20poly1305-04, 7: all zeros.
    internal::JobRandom random(internal::JobRandom::Seed{});
    std::array<std::uint8_t, 64> out{};
    random.fill(std::span(out).first(3));
    random.fill(std::span(out).subspan(3));
    EXPECT_EQ(
        base::hex_encode(out),
        "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
        "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586");
}

// --- Host calls ---------------------------------------------------------------------------------

TEST_F(EngineTest, BytesReachTheHostFromEveryKindOfView) {
    EXPECT_EQ(
        output("function main() { const b = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]); "
               "return [new Uint8Array(b.buffer, 2, 3), new Uint16Array(b.buffer, 2, 1), b.buffer, "
               "'\xC3\xA9', new Uint8Array(0), 5].map((x) => Array.from(test.bytes(x))); }"),
        R"({"result":[[3,4,5],[3,4],[1,2,3,4,5,6,7,8],[195,169],[],[53]]})");
}

TEST_F(EngineTest, ArgumentsAreConvertedLikeJavaScriptDoes) {
    EXPECT_EQ(
        output(
            "function main() { return [test.text(1.5), test.text(null, '7'), test.text({}, NaN), "
            "test.text('\\ud800x')]; }"),
        "{\"result\":[\"1.5/none\",\"null/7.000000\",\"[object "
        "Object]/nan\",\"\xEF\xBF\xBDx/none\"]}");
}

TEST_F(EngineTest, ErrorsOfTheHostAreErrorsOfTheScript) {
    EXPECT_EQ(
        output(
            "function main() { try { test.refuse(); } catch (e) { return [e.name, e.message]; } }"),
        R"({"result":["TypeError","no, 100%s"]})");
    EXPECT_EQ(
        output("function main() { try { test.text('x'.repeat(9 << 20)); } catch (e) { return "
               "e.name; } }"),
        R"({"result":"RangeError"})");
    EXPECT_EQ(
        output("function main() { try { test.text({ toString() { throw 7; } }); } catch (e) { "
               "return e; } }"),
        R"({"result":7})");
    EXPECT_EQ(
        output("function main() { return test.json('{\"a\":[1]}').a; }"), R"({"result":[1]})");
}

TEST_F(EngineTest, AConversionThatCallsTheHostAgainDoesNotMixArguments) {
    EXPECT_EQ(
        output(
            "function main() { return test.text({ toString() { return test.text('inner', 1); } }, "
            "{ valueOf() { test.text('noise', 3); return 2; } }); }"),
        R"({"result":"inner/1.000000/2.000000"})");
}

TEST_F(EngineTest, RequestsGoOutThroughTheBrokerAndComeBackInOrder) {
    Job job = job_of(
        "async function main() { const [a, b] = await Promise.all([fetch('https://a/1'), "
        "fetch('https://b/2', { method: 'post', headers: { 'X-A': 1 }, body: 'hello' })]); "
        "return [a.status, a.ok, await a.text(), b.headers.get('x-b'), await b.json()]; }");
    std::vector<std::string> seen;
    job.host = [&](HostRequest request) -> Task<HostReply> {
        seen.push_back(request.json);
        HostReply reply;
        reply.json = request.sequence == 0
                         ? R"({"status":404,"headers":{},"body":"first"})"
                         : R"({"status":200,"headers":{"X-B":"y"},"body":"{\"n\":2}"})";
        co_return reply;
    };
    EXPECT_EQ(run(std::move(job)).output_json, R"({"result":[404,false,"first","y",{"n":2}]})");
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(
        seen[1], R"({"url":"https://b/2","method":"POST","headers":{"x-a":"1"},"body":"hello"})");
}

TEST_F(EngineTest, ADeadlineEndsTheWaitForAReply) {
    Job job = job_of("async function main() { await fetch('https://example.org/'); }");
    job.limits.time = std::chrono::milliseconds(100);
    job.host = [&](HostRequest) -> Task<HostReply> {
        co_await base::sleep_for(loop_, std::chrono::seconds(30));
        co_return HostReply{true, "{}"};
    };
    const auto began = loop_.steady_now();
    EXPECT_EQ(run(std::move(job)).status, Status::TimedOut);
    EXPECT_LT(loop_.steady_now() - began, std::chrono::seconds(5));
}

TEST_F(EngineTest, ARefusedRequestRejectsAndTheirNumberIsLimited) {
    Job job = job_of(
        "async function main() { const out = []; for (let i = 0; i < 4; i++) "
        "try { await fetch('https://a/'); } catch (e) { out.push(e.name + ': ' + e.message); } "
        "return out; }");
    job.limits.host_requests = 2;
    job.host = [](HostRequest) -> Task<HostReply> { co_return HostReply{false, "not allowed"}; };
    EXPECT_EQ(
        run(std::move(job)).output_json,
        R"({"result":["TypeError: not allowed","TypeError: not allowed",)"
        R"("Error: no more requests are allowed","Error: no more requests are allowed"]})");
    EXPECT_EQ(output("function main() { return typeof fetch; }"), R"({"result":"undefined"})");
}

// --- Isolation between jobs ---------------------------------------------------------------------

TEST_F(EngineTest, NothingOfAJobIsInTheNext) {
    run("globalThis.left = 1; Array.prototype.left = 2; Math.random = null; JSON.stringify = null; "
        "function main() { return 1; }");
    EXPECT_EQ(
        output("function main() { return [typeof left, typeof [].left, typeof Math.random, "
               "typeof JSON.stringify]; }"),
        R"({"result":["undefined","undefined","function","function"]})");
}

// Finds what a job left behind in the memory of its slot, byte by byte.
TEST(MachineTest, NoMarkerOfAJobIsInTheMemoryAfterIt) {
    base::WorkerThreads workers{1};
    base::EventLoop loop{workers};
    auto slot = internal::MemorySlot::create();
    ASSERT_TRUE(slot);
    internal::Machine machine(**slot, loop);
    auto image = machine.boot(test_library());
    ASSERT_TRUE(image) << image.error().message();
    // What a reset copies; the rest is zeros, or constants that hardly any job writes to.
    std::size_t copied = 0;
    for (const auto& piece : (*image)->snapshot.pieces()) {
        if (piece.content == internal::Snapshot::Content::Bytes && !piece.quiet) {
            copied += piece.to - piece.from;
        }
    }
    EXPECT_LE(copied, 320U << 10U);

    class Hooks final : public internal::NoHooks {
    public:
        explicit Hooks(internal::MemorySlot& seen) : slot_(seen) {}
        void log(const LogEntry&) override { during = count(); }
        std::size_t count() const {
            // All that is mapped, not only what the engine may see.
            const std::string_view all(
                reinterpret_cast<const char*>(slot_.region().data()), slot_.region().committed());
            std::size_t found = 0;
            for (std::size_t at = all.find("MARKER-7f3a"); at != std::string_view::npos;
                 at = all.find("MARKER-7f3a", at + 1)) {
                ++found;
            }
            return found;
        }
        std::size_t during = 0;

    private:
        internal::MemorySlot& slot_;
    };
    Hooks hooks(**slot);
    internal::Work work;
    work.source =
        "function main() { globalThis.kept = []; for (let i = 0; i < 20000; i++) "
        "kept.push('MARKER-7f3a' + i); console.log(secrets.s); throw new Error('end'); }";
    work.entry_point = "main";
    work.input_json = R"({"x":"MARKER-7f3a"})";
    work.secrets = {{"s", "MARKER-7f3a"}};
    const auto result = machine.run(*image, work, hooks);
    ASSERT_TRUE(result);
    EXPECT_GE(hooks.during, 20'000U);
    machine.clean();
    EXPECT_EQ(hooks.count(), 0U);
    const base::ByteView memory = (*slot)->memory();
    EXPECT_TRUE(std::equal(
        memory.begin(), memory.end(), (*image)->snapshot.image().begin(),
        (*image)->snapshot.image().end()));
}

// Constants and unused stack are not copied for each job, because nobody writes there. Whoever does
// may, and is undone like anything else.
TEST(MachineTest, WritesToWhatNobodyWritesToGoThroughAndAreUndone) {
    base::WorkerThreads workers{1};
    base::EventLoop loop{workers};
    auto slot = internal::MemorySlot::create();
    ASSERT_TRUE(slot);
    internal::Machine machine(**slot, loop);
    auto image = machine.boot(test_library());
    ASSERT_TRUE(image) << image.error().message();
    const internal::Snapshot& snapshot = (*image)->snapshot;
    const auto quiet = [&] {
        std::size_t count = 0;
        for (const auto& piece : snapshot.pieces()) {
            count += piece.quiet && (*slot)->region().is_quiet(piece.from) ? 1U : 0U;
        }
        return count;
    };
    const auto unchanged = [&] {
        const base::ByteView memory = (*slot)->memory();
        return std::equal(
            memory.begin(), memory.end(), snapshot.image().begin(), snapshot.image().end());
    };
    machine.clean();
#if !defined(ADYTON_SCRIPT_MASKED)
    EXPECT_EQ(quiet(), 2U);
#endif
    const std::size_t before = quiet();
    // By the engine: a bulk operation over everything.
    const auto by_engine = [](void* self) {
        auto* const seen = static_cast<internal::MemorySlot*>(self);
        internal::set_in_guest(true);
        Z_quickjsZ_memset(
            seen->instance(), 0, 0xA5, static_cast<std::uint32_t>(seen->memory_bytes()));
    };
    ASSERT_EQ(
        internal::Activation::enter((*slot)->region(), by_engine, slot->get()),
        internal::Stop::None);
    EXPECT_EQ(quiet(), 0U);
    EXPECT_FALSE(unchanged());
    machine.clean();
    EXPECT_TRUE(unchanged());
    EXPECT_EQ(quiet(), before);
    // By host code that a script has given a place to, at the ends of the pieces.
    const auto by_host = [](void* self) {
        auto& seen = *static_cast<internal::Machine*>(self);
        for (const std::uint32_t at : {0U, 4092U, 1'048'572U, 1'048'576U, 1'150'000U}) {
            seen.fill_random(at, 8);
        }
    };
    ASSERT_EQ(
        internal::Activation::enter((*slot)->region(), by_host, &machine), internal::Stop::None);
    EXPECT_EQ(quiet(), 0U);
    EXPECT_FALSE(unchanged());
    machine.clean();
    EXPECT_TRUE(unchanged());
    EXPECT_EQ(quiet(), before);
}

// --- What the sandbox does when the engine goes wrong
// ---------------------------------------------

TEST(RuntimeTest, AnAccessOutsideTheMemoryEndsTheRunAndNothingElse) {
    auto slot = internal::MemorySlot::create();
    ASSERT_TRUE(slot);
    ASSERT_EQ((*slot)->instantiate(), internal::Stop::None);
    const auto read_at_end = [](void* self) {
        auto* const memory_slot = static_cast<internal::MemorySlot*>(self);
        // strlen of the guest, from its last byte on: there is no zero until the end of memory.
        internal::set_in_guest(true);
        const std::size_t size = memory_slot->memory_bytes();
        memory_slot->write(static_cast<std::uint32_t>(size - 4), base::as_bytes("xxxx"));
        Z_quickjsZ_strlen(memory_slot->instance(), static_cast<std::uint32_t>(size - 4));
    };
#if !defined(ADYTON_SCRIPT_MASKED)
    EXPECT_EQ(
        internal::Activation::enter((*slot)->region(), read_at_end, slot->get()),
        internal::Stop::OutOfBounds);
#else
    static_cast<void>(read_at_end);
#endif
    // A bulk operation is compared, in both forms.
    EXPECT_EQ(
        internal::Activation::enter(
            (*slot)->region(),
            [](void* self) {
                Z_quickjsZ_memset(
                    static_cast<internal::MemorySlot*>(self)->instance(), 0, 0, 0xFFFFFFFF);
            },
            slot->get()),
        internal::Stop::OutOfBounds);
    EXPECT_EQ(
        internal::Activation::enter(
            (*slot)->region(),
            [](void* self) {
                Z_quickjsZ_abort(static_cast<internal::MemorySlot*>(self)->instance());
            },
            slot->get()),
        internal::Stop::Unreachable);
}

TEST(RuntimeTest, PointersOfTheGuestAreCheckedAtEachEdge) {
    auto slot = internal::MemorySlot::create();
    ASSERT_TRUE(slot);
    ASSERT_EQ((*slot)->instantiate(), internal::Stop::None);
    const auto size = static_cast<std::uint32_t>((*slot)->memory_bytes());
    EXPECT_NE((*slot)->view(size - 1, 1), nullptr);
    EXPECT_NE((*slot)->view(size, 0), nullptr);
    EXPECT_EQ((*slot)->view(size, 1), nullptr);
    EXPECT_EQ((*slot)->view(size - 1, 2), nullptr);
    EXPECT_EQ((*slot)->view(UINT32_MAX, UINT32_MAX), nullptr);
    EXPECT_EQ((*slot)->view(1, UINT32_MAX), nullptr);
    EXPECT_FALSE((*slot)->write_u64(size - 7, 1));
    EXPECT_FALSE((*slot)->write_u32(UINT32_MAX - 2, 1));
}

TEST(RuntimeTest, WhatIsNotUtf8IsReplaced) {
    const auto repaired = [](std::string_view text, bool cut) {
        std::string out;
        internal::append_utf8(out, base::as_bytes(text), cut);
        return out;
    };
    const std::string mark = "\xEF\xBF\xBD";
    EXPECT_EQ(repaired("a\xC3\xA9z", false), "a\xC3\xA9z");
    EXPECT_EQ(repaired("a\xED\xA0\x80z", false), "a" + mark + "z");
    EXPECT_EQ(repaired("\xFF", false), mark);
    EXPECT_EQ(repaired("\xE2\x82", false), mark);
    EXPECT_EQ(repaired("x\xE2\x82", true), "x");
    EXPECT_EQ(repaired("\xC0\xAF", false), mark + mark);
    EXPECT_EQ(repaired("\xF4\x90\x80\x80", false), mark + mark + mark + mark);
    EXPECT_EQ(repaired("\xF0\x9F\x98\x80", false), "\xF0\x9F\x98\x80");
}

// --- The frames ---------------------------------------------------------------------------------

base::ByteView payload_of(std::string_view frame) {
    return base::as_bytes(frame).subspan(internal::kFrameHeaderBytes);
}

TEST(WireTest, AJobReadsBackAsItWasWritten) {
    Job job = job_of("function main() {}", R"({"a":1})");
    job.limits.gas = 7;
    std::vector<Secret> secrets;
    secrets.push_back({"name", SensitiveBytes("value")});
    const SensitiveBytes frame = internal::encode_job(job, secrets);
    std::size_t size = 0;
    const auto read = internal::read_frame(frame.expose(), size);
    ASSERT_TRUE(read && *read);
    EXPECT_EQ(size, frame.size());
    internal::JobFlags flags;
    const auto work = internal::decode_job((*read)->payload, flags);
    ASSERT_TRUE(work);
    EXPECT_EQ(work->source, job.source);
    EXPECT_EQ(work->entry_point, "main");
    EXPECT_EQ(work->input_json, job.input_json);
    EXPECT_EQ(work->limits.gas, 7U);
    EXPECT_EQ(work->random_seed, job.random_seed);
    EXPECT_EQ(work->start_time, job.start_time);
    ASSERT_EQ(work->secrets.size(), 1U);
    EXPECT_EQ(work->secrets[0].second, "value");
}

TEST(WireTest, EveryTruncationAndEveryForbiddenResultIsRefused) {
    RunResult result;
    result.status = Status::Failed;
    result.error = ScriptError{Stage::Execution, "Error", "m", 1, 2};
    result.logs = {{LogLevel::Warn, "w"}};
    const std::string frame = internal::encode_result(result);
    const base::ByteView payload = payload_of(frame);
    ASSERT_TRUE(internal::decode_result(payload));
    for (std::size_t size = 0; size < payload.size(); ++size) {
        EXPECT_FALSE(internal::decode_result(payload.first(size))) << size;
    }
    EXPECT_FALSE(internal::decode_result(payload_of(frame + "x")));

    const auto refused = [](RunResult bad) {
        return !internal::decode_result(payload_of(internal::encode_result(bad)));
    };
    RunResult lost = result;
    lost.status = Status::ExecutorLost;
    EXPECT_TRUE(refused(lost));
    RunResult completed = result;
    completed.status = Status::Completed;
    EXPECT_TRUE(refused(completed)) << "completed with an error";
    RunResult output = result;
    output.output_json = "{}";
    EXPECT_TRUE(refused(output)) << "failed with an output";
    RunResult text = result;
    text.error->message = "\xFF";
    EXPECT_TRUE(refused(text));
    RunResult logs = result;
    logs.logs.assign(kLogEntriesMax + 1, {LogLevel::Log, ""});
    EXPECT_TRUE(refused(logs));
    RunResult large;
    large.status = Status::Completed;
    large.output_json.assign(kOutputBytesMax + 1, 'x');
    EXPECT_TRUE(refused(large));
}

TEST(WireTest, AFrameOfAnImpossibleSizeIsRefused) {
    std::size_t size = 0;
    const std::array<std::uint8_t, 5> empty = {0, 0, 0, 0, 1};
    EXPECT_FALSE(internal::read_frame(empty, size));
    const std::array<std::uint8_t, 5> large = {0xFF, 0xFF, 0xFF, 0xFF, 1};
    EXPECT_FALSE(internal::read_frame(large, size));
    const std::array<std::uint8_t, 4> start = {1, 0, 0, 0};
    const auto part = internal::read_frame(start, size);
    ASSERT_TRUE(part);
    EXPECT_FALSE(part->has_value());
}

}  // namespace
}  // namespace adyton::script
