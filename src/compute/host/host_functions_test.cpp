#include <gtest/gtest.h>

#include "base/event_loop.h"
#include "compute/host/library.h"
#include "script/executors.h"
#include "script/in_process_engine.h"
#include "script/zygote.h"

namespace adyton::compute::host {
namespace {

using script::Job;
using script::RunResult;
using script::Status;

// The library as scripts see it, in process and in a locked-down executor.
class HostFunctionsTest : public ::testing::Test {
protected:
    static Job job_of(std::string source, std::string input) {
        Job job;
        job.id = "job";
        job.user = "user";
        job.source = std::move(source);
        job.input_json = std::move(input);
        job.random_seed.fill(7);
        return job;
    }
    std::string run(script::Engine& engine, const std::string& body, const std::string& input) {
        Job job = job_of("function main() { " + body + " }", input);
        const Job copy = job;
        const auto result = loop_.run_until_done(engine.run(std::move(job)));
        EXPECT_TRUE(result) << result.error().message();
        if (!result) return {};
        EXPECT_EQ(result->status, Status::Completed) << seed_error_text(copy, *result);
        return result->output_json;
    }
    // The same answer from both.
    std::string output(const std::string& body, const std::string& input = "{}") {
        const std::string here = run(*in_process_, body, input);
        EXPECT_EQ(here, run(*executors_, body, input)) << "in an executor";
        return here;
    }
    void SetUp() override {
        auto in_process = script::InProcessEngine::create(loop_, {1, library()});
        ASSERT_TRUE(in_process) << in_process.error().message();
        in_process_ = std::move(*in_process);
        script::Executors::Options options;
        options.executors = 1;
        options.signal_outside_calls = true;
        auto executors = script::Executors::create(loop_, options);
        ASSERT_TRUE(executors) << executors.error().message();
        executors_ = std::move(*executors);
    }
    void TearDown() override {
        EXPECT_EQ(executors_->stats().violations, 0U)
            << "system call " << executors_->stats().last_violation;
    }

    base::WorkerThreads workers_{1};
    base::EventLoop loop_{workers_};
    std::unique_ptr<script::InProcessEngine> in_process_;
    std::unique_ptr<script::Executors> executors_;
};

TEST_F(HostFunctionsTest, TheSeedsThirdExampleHashesAndDraws) {
    const std::string text = output(
        "return { hash: crypto.sha256(input.data), random: crypto.randomBytes(16) };",
        R"({"data":"hello world"})");
    EXPECT_TRUE(text.starts_with(
        R"({"hash":"b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9","random":")"))
        << text;
    EXPECT_EQ(text.size(), 9 + 64 + 12 + 32 + 2U) << text;
}

TEST_F(HostFunctionsTest, Sha256TakesWhatTheSeedTook) {
    EXPECT_EQ(
        output(
            "return [crypto.sha256(), crypto.sha256(1) === crypto.sha256('1'), crypto.sha256({}) "
            "=== crypto.sha256('[object Object]'), crypto.sha256('\\ud800') === "
            "crypto.sha256('\\ufffd'), crypto.sha256('').length];"),
        R"({"result":[null,true,true,true,64]})");
}

TEST_F(HostFunctionsTest, RandomBytesCountsLikeTheSeedAndNegativeCountsAreNone) {
    EXPECT_EQ(
        output("return [undefined, 0, 1, 1024, 1025, NaN, -1, '2', Infinity].map((n) => "
               "crypto.randomBytes(n).length);"),
        R"({"result":[64,0,2,2048,2048,0,0,4,2048]})");
    EXPECT_EQ(
        output("return [crypto.randomBytes() === crypto.randomBytes(), "
               "crypto.randomArray(5) instanceof Uint8Array, crypto.randomArray(5).length];"),
        R"({"result":[false,true,5]})");
}

TEST_F(HostFunctionsTest, HashesMacsAndDigestsAgree) {
    EXPECT_EQ(
        output("return [crypto.keccak256(''), crypto.ripemd160('abc'), "
               "hex.encode(crypto.digest('sha256', 'abc')) === crypto.sha256('abc'), "
               "hex.encode(crypto.hmac('sha256', 'k', 'd')) === crypto.hmacSha256('k', 'd'), "
               "hex.encode(crypto.hmac('sha512', 'k', 'd')) === crypto.hmacSha512('k', 'd'), "
               "crypto.sha512('abc').slice(0, 16)];"),
        R"({"result":["c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470",)"
        R"("8eb208f7e05d987a9b044a8e98c6b087f15a0bfc",true,true,true,"ddaf35a193617aba"]})");
    EXPECT_EQ(
        output("try { crypto.digest('md5', ''); } catch (e) { return [e.name, e.message]; }"),
        R"({"result":["TypeError","unknown algorithm"]})");
}

TEST_F(HostFunctionsTest, SignaturesVerifyAndRefuseInsideTheSandbox) {
    EXPECT_EQ(
        output("const key = crypto.randomArray(32); const out = []; "
               "const p = crypto.p256Sign(key, 'm'); const pk = crypto.p256PublicKey(key); "
               "out.push(crypto.p256Verify(pk, 'm', p), crypto.p256Verify(pk, 'n', p)); "
               "const d = crypto.digest('keccak256', 'm'); const s = crypto.secp256k1Sign(key, d); "
               "const sk = crypto.secp256k1PublicKey(key); "
               "out.push(crypto.secp256k1Verify(sk, d, s)); d[0] ^= 1; "
               "out.push(crypto.secp256k1Verify(sk, d, s)); return out;"),
        R"({"result":[true,false,true,false]})");
    EXPECT_EQ(
        output(
            "const seed = new Uint8Array(32).fill(1); const m = 'm'; "
            "const s = crypto.ed25519Sign(seed, m); const k = crypto.ed25519PublicKey(seed); "
            "return [crypto.ed25519Verify(k, m, s), crypto.ed25519Verify(k, 'n', s), s.length];"),
        R"({"result":[true,false,64]})");
}

TEST_F(HostFunctionsTest, AesGcmRoundTripsAndRefusesAChange) {
    EXPECT_EQ(
        output("const key = crypto.randomArray(32), nonce = crypto.randomArray(12); "
               "const sealed = crypto.aesGcmEncrypt(key, nonce, 'text', 'aad'); "
               "const open = new TextDecoder().decode(crypto.aesGcmDecrypt(key, nonce, sealed, "
               "'aad')); "
               "let refused = ''; try { crypto.aesGcmDecrypt(key, nonce, sealed); } "
               "catch (e) { refused = e.name; } return [sealed.length, open, refused];"),
        R"({"result":[20,"text","TypeError"]})");
}

TEST_F(HostFunctionsTest, EncodingsRoundTripAndRefuseNonsense) {
    EXPECT_EQ(
        output("const b = new Uint8Array([0, 0, 255, 128, 7]); return ["
               "hex.encode(b), base64.encode(b), base58.encode(b), "
               "[hex, base64, base58].every((e) => String(e.decode(e.encode(b))) === String(b)), "
               "btoa('hello'), atob('aGVsbG8='), "
               "[[hex, 'xyz'], [base64, '!'], [base58, '0']].map(([e, x]) => { try { e.decode(x); "
               "return 'taken'; } catch (error) { return error.name; } })];"),
        R"({"result":["0000ff8007","AAD/gAc=","112UpYW",true,"aGVsbG8=","hello",)"
        R"(["TypeError","TypeError","TypeError"]]})");
}

TEST_F(HostFunctionsTest, EachViewOfABufferIsItsBytes) {
    EXPECT_EQ(
        output("const b = new Uint8Array([9, 1, 2, 3, 9]).buffer; "
               "const view = new DataView(b, 1, 3); "
               "Object.defineProperty(view, 'byteLength', { value: 1 }); "
               "DataView.prototype.toString = () => 'text'; "
               "return [hex.encode(view), hex.encode(new Uint16Array(b, 2, 1)), "
               "crypto.sha512(view) === crypto.sha512(new Uint8Array([1, 2, 3])), "
               "new TextDecoder().decode(new DataView(new Uint8Array([226, 130, 172]).buffer)), "
               "base64.encode(new DataView(b, 5))];"),
        "{\"result\":[\"010203\",\"0203\",true,\"\xE2\x82\xAC\",\"\"]}");
    // Of a view whose buffer is gone nobody can say what is meant.
    EXPECT_EQ(
        output("const b = new ArrayBuffer(8, { maxByteLength: 16 }); "
               "const whole = new DataView(b), end = new DataView(b, 6, 2); b.resize(4); "
               "let name = ''; try { hex.encode(end); } catch (e) { name = e.name; } "
               "return [hex.encode(whole), name];"),
        R"({"result":["00000000","TypeError"]})");
}

TEST_F(HostFunctionsTest, TextIsEncodedAndDecoded) {
    EXPECT_EQ(
        output(
            "const e = new TextEncoder(), d = new TextDecoder(); "
            "let fatal = ''; try { new TextDecoder('utf-8', { fatal: true }).decode(new "
            "Uint8Array([255])); } catch (x) { fatal = x.name; } "
            "return [Array.from(e.encode('\\u00e9\\ud83d\\ude00')), d.decode(e.encode('\\u00e9')), "
            "d.decode(new Uint8Array([0xEF, 0xBB, 0xBF, 65, 255])), fatal, d.decode()];"),
        "{\"result\":[[195,169,240,159,152,128],\"\xC3\xA9\",\"A\xEF\xBF\xBD\",\"TypeError\",\"\"]"
        "}");
}

TEST_F(HostFunctionsTest, UrlsAreTakenApartAndPutTogether) {
    EXPECT_EQ(
        output("const u = new URL('../x?a=1&b=2#h', 'https://user@Example.org:8443/p/q/'); "
               "u.searchParams.append('c', 'd e'); u.searchParams.delete('a'); "
               "let bad = ''; try { new URL('nope'); } catch (e) { bad = e.name; } "
               "return [u.href, u.host, u.origin, u.searchParams.get('c'), "
               "[...u.searchParams.keys()], "
               "bad, URL.canParse('http://a'), JSON.stringify({ u })];"),
        R"({"result":["https://user@example.org:8443/p/x?b=2&c=d+e#h","example.org:8443",)"
        R"("https://example.org:8443","d e",["b","c"],"TypeError",true,)"
        R"("{\"u\":\"https://user@example.org:8443/p/x?b=2&c=d+e#h\"}"]})");
}

TEST_F(HostFunctionsTest, AnErrorRaisedInOurOwnCodeHasItsPlaceInTheScript) {
    const auto place_of = [&](script::Engine& engine, const std::string& source) {
        const auto result = loop_.run_until_done(engine.run(job_of(source, "{}")));
        EXPECT_TRUE(result && result->error.has_value()) << source;
        return result && result->error ? result->error->line : 0;
    };
    for (script::Engine* const engine :
         std::initializer_list<script::Engine*>{in_process_.get(), executors_.get()}) {
        EXPECT_EQ(place_of(*engine, "function main() {\n  return new URL('x');\n}"), 2u);
        EXPECT_EQ(
            place_of(*engine, "const d = new TextDecoder();\n\nfunction main() { d.decode(1); }"),
            3u);
        // With no line of the script in its stack, an error has none.
        EXPECT_EQ(
            place_of(
                *engine,
                "function main() {\n const u = new URL('https://a');\n"
                " const p = u.searchParams;\n"
                " return Promise.resolve('x').then(URLSearchParams.prototype.get); }"),
            0u);
    }
}

TEST_F(HostFunctionsTest, HostCallsCostGas) {
    const auto gas = [&](const std::string& body) {
        const auto result = loop_.run_until_done(
            in_process_->run(job_of("function main() { " + body + " }", "{}")));
        EXPECT_TRUE(result);
        return result ? result->metered_gas : 0;
    };
    const std::string pad = "/* padding that makes both of one length */";
    EXPECT_GT(gas("crypto.secp256k1PublicKey(new Uint8Array(32).fill(1))"), gas(pad) + 30'000);
    EXPECT_GT(gas("crypto.sha256('x'.repeat(1000000))"), gas(pad) + 1'000'000);
}

}  // namespace
}  // namespace adyton::compute::host

int main(int argc, char** argv) {
    if (const auto status =
            adyton::script::run_zygote_if_asked(argc, argv, adyton::compute::host::library())) {
        return *status;
    }
    ::testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
