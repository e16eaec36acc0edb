#include <gtest/gtest.h>

#include "script/executors.h"
#include "script/internal/type_stripper.h"
#include "script/script_test_support.h"

namespace adyton::script {
namespace {

using internal::Place;
using internal::Stripped;

class TypeScriptTest : public EngineFixture {
protected:
    static Job typescript(std::string source, std::string input = "{}") {
        Job job = job_of(std::move(source), std::move(input));
        job.language = Language::TypeScript;
        job.limits.time = std::chrono::seconds(60);
        return job;
    }
    ScriptError error(std::string source) {
        const RunResult result = run(typescript(std::move(source)));
        EXPECT_EQ(result.status, Status::Failed);
        return result.error.value_or(ScriptError{});
    }
};

constexpr const char* kTyped =
    "interface Order { amount: number; note?: string }\n"
    "type Pair<T> = readonly [T, T];\n"
    "enum Side { Buy, Sell = 5 }\n"
    "declare const elsewhere: string;\n"
    "abstract class Base<T extends object> {\n"
    "  static made: number = 0;\n"
    "  constructor(protected readonly value: T, public extra?: number) { Base.made++; }\n"
    "  abstract name(): string;\n"
    "  get held(): T { return this.value!; }\n"
    "}\n"
    "class Held extends Base<Order> { name(): string { return `held ${this.held.amount}`; } }\n"
    "const twice = <T,>(x: T): Pair<T> => [x, x] as const;\n"
    "async function main(input: Order, secrets: Record<string, string>): Promise<object> {\n"
    "  const held = new Held(input satisfies Order);\n"
    "  const label = <string>held.name();\n"
    "  return { label, side: Side.Sell, name: Side[0], two: twice<number>(2), made: Base.made };\n"
    "}\n";

TEST_F(TypeScriptTest, TypesAreTakenOutAndTheRestRuns) {
    EXPECT_EQ(
        run(typescript(kTyped, R"({"amount":7})")).output_json,
        R"({"label":"held 7","side":5,"name":"Buy","two":[2,2],"made":1})");
}

TEST_F(TypeScriptTest, TypesInJavaScriptAreASyntaxError) {
    const RunResult result = run("function main(input: object) { return 1; }");
    EXPECT_EQ(result.status, Status::Failed);
    EXPECT_EQ(result.error->name, "SyntaxError");
}

TEST_F(TypeScriptTest, JavaScriptIsTypeScriptToo) {
    EXPECT_EQ(
        run(typescript("let f = (a, b) => a < b > (0); function main() { return /<T>/.test('<T>'); "
                       "}"))
            .output_json,
        R"({"result":true})");
}

TEST_F(TypeScriptTest, ASyntaxErrorHasItsPlaceInTheSource) {
    const ScriptError types = error("type A = number;\nfunction main() {\n  let x: = 3;\n}");
    EXPECT_EQ(types.stage, Stage::Script);
    EXPECT_EQ(types.name, "SyntaxError");
    EXPECT_EQ(types.line, 3u);
    EXPECT_EQ(types.column, 10u);
    // What only the engine finds: after the types are gone.
    const ScriptError late =
        error("interface A { a: number }\nfunction main(a: A): void { let q: A; let q: A; }");
    EXPECT_EQ(late.name, "SyntaxError");
    EXPECT_EQ(late.line, 2u);
}

TEST_F(TypeScriptTest, AnErrorOfTheScriptHasItsPlaceInTheSource) {
    const std::string source =
        "interface A {\n  a: number;\n}\n"
        "function main(a: A, b: Record<string, A>): number { const x: number = 1; throw new "
        "Error('x'); }";
    const ScriptError thrown = error(source);
    EXPECT_EQ(thrown.line, 4u);
    const std::string line = source.substr(source.rfind('\n') + 1);
    // The engine names the place behind what it has read of the call.
    EXPECT_GE(thrown.column, line.find("Error(") + 1);
    EXPECT_LE(thrown.column, line.find("Error(") + 7);
}

// Whatever their bytes and units.
TEST_F(TypeScriptTest, ColumnsCountCharacters) {
    const auto column = [&](const std::string& text) {
        return error(
                   "function main(): void { const x: string = '" + text +
                   "'; throw new Error(x); }")
            .column;
    };
    EXPECT_EQ(column("\xF0\x9F\x94\x91\xC3\xA9"), column("ab"));
    const auto plain = [&](const std::string& text) {
        return run("function main() { const x = '" + text + "'; throw new Error(x); }")
            .error->column;
    };
    EXPECT_EQ(plain("\xF0\x9F\x94\x91\xC3\xA9"), plain("ab"));
    EXPECT_EQ(plain("ab"), 51u);
}

TEST_F(TypeScriptTest, WhatHasARuntimeMeaningWeDoNotGiveIsRefused) {
    const ScriptError space =
        error("let a = 1;\n  namespace N { export const b = 1; }\nfunction main() {}");
    EXPECT_EQ(space.message, "namespaces are not supported");
    EXPECT_EQ(space.line, 2u);
    EXPECT_EQ(space.column, 3u);
    EXPECT_EQ(
        run(typescript("declare namespace N { const b: number }\n"
                       "type M = { namespace: string; module: string };\n"
                       "function main() { const namespace = 1, module = 2; return namespace; }"))
            .output_json,
        R"({"result":1})");
    EXPECT_EQ(error("export function main() {}").name, "SyntaxError");
    EXPECT_EQ(error("function main() { return <div>x</div>; }").name, "SyntaxError");
}

TEST_F(TypeScriptTest, GasIsTheSameInAFreshEngineAndInAUsedOne) {
    const RunResult first = run(typescript(kTyped, R"({"amount":7})"));
    const RunResult second = run(typescript(kTyped, R"({"amount":7})"));
    EXPECT_EQ(first.metered_gas, second.metered_gas);
    EXPECT_EQ(first.memory_bytes_peak, second.memory_bytes_peak);
    EXPECT_GT(first.metered_gas, run("function main() { return 1; }").metered_gas);
    Job capped = typescript(kTyped, R"({"amount":7})");
    capped.limits.gas = first.metered_gas - 1;
    EXPECT_EQ(run(std::move(capped)).status, Status::GasExhausted);
    Job enough = typescript(kTyped, R"({"amount":7})");
    enough.limits.gas = first.metered_gas;
    EXPECT_EQ(run(std::move(enough)).status, Status::Completed);
}

TEST_F(TypeScriptTest, TheSmallestMemoryIsEnoughForTheTypes) {
    Job job = typescript(kTyped, R"({"amount":7})");
    job.limits.memory_bytes = kMemoryBytesMin;
    EXPECT_EQ(run(std::move(job)).status, Status::Completed);
}

TEST_F(TypeScriptTest, ASourceOfTheLargestSizeIsStripped) {
    std::string source = "function main(): number { return 1; }\n";
    const std::string piece = "type A = { readonly [key: string]: number | Array<string> };\n";
    while (source.size() + piece.size() <= kSourceBytesMax) source += piece;
    EXPECT_EQ(run(typescript(std::move(source))).output_json, R"({"result":1})");
}

TEST_F(TypeScriptTest, AHostileSourceEndsAtItsLimitAndTheNextIsClean) {
    std::string nested = "function main() {} type T = ";
    for (int i = 0; i < 20'000; ++i) nested += "A<";
    std::string arrows = "let x = ";
    for (int i = 0; i < 3'000; ++i) arrows += "a ? (b : ";
    for (const std::string& source :
         {nested, arrows, std::string(100'000, '('), std::string(100'000, '<'),
          std::string("function main() { for (;;) {} }")}) {
        Job job = typescript(source);
        job.limits.time = std::chrono::milliseconds(300);
        const RunResult result = run(std::move(job));
        EXPECT_NE(result.status, Status::Completed);
        EXPECT_NE(result.status, Status::Trapped) << result.error->message;
        EXPECT_EQ(
            run(typescript("const x: number = 1; function main(): number { return x; }"))
                .output_json,
            R"({"result":1})");
    }
}

TEST_F(TypeScriptTest, NothingOfASourceIsInTheNextJob) {
    EXPECT_EQ(
        run(typescript("const stolen: number = 1; Array.prototype.push = () => 7; function main() "
                       "{ return 1; }"))
            .status,
        Status::Completed);
    EXPECT_EQ(
        run(typescript("function main(): object { return [typeof stolen, [].push(1)]; }"))
            .output_json,
        R"({"result":["undefined",1]})");
}

TEST_F(TypeScriptTest, AnExecutorDoesTheSame) {
    Executors::Options options;
    options.executors = 1;
    auto executors = Executors::create(loop_, options);
    ASSERT_TRUE(executors) << executors.error().message();
    for (const bool strict : {false, false, true}) {
        Job job = typescript(kTyped, R"({"amount":7})");
        job.strict = strict;
        auto result = loop_.run_until_done((*executors)->run(std::move(job)));
        ASSERT_TRUE(result) << result.error().message();
        const RunResult here = run(typescript(kTyped, R"({"amount":7})"));
        EXPECT_EQ(result->output_json, here.output_json);
        EXPECT_EQ(result->metered_gas, here.metered_gas);
    }
}

TEST(StrippedTest, PlacesGoBackOverEveryDrift) {
    // Source "let a: string = b;" without ": string": what stood at 15 stands at 7.
    const auto stripped = Stripped::parse("M 6 14\nlet a = b;");
    ASSERT_TRUE(stripped) << stripped.error().message();
    EXPECT_EQ(stripped->javascript(), "let a = b;");
    const std::string source = "let a: string = b;";
    EXPECT_EQ(stripped->source_place(source, {1, 5}), (Place{1, 5}));
    EXPECT_EQ(stripped->source_place(source, {1, 9}), (Place{1, 17}));
    EXPECT_EQ(stripped->source_place(source, {0, 0}), (Place{0, 0}));
    EXPECT_EQ(stripped->source_place(source, {9, 9}).line, 1u);
}

TEST(StrippedTest, NonsenseIsRefused) {
    for (const char* text :
         {"", "X", "M", "M 1", "M 1\nx", "M 1 \nx", "M 5 5 4 4\nx", "M1 2\nx", "M 99999999999 1\nx",
          "M -1 2\nx", "E", "E 1", "E x y z"}) {
        EXPECT_FALSE(Stripped::parse(text)) << text;
    }
    EXPECT_FALSE(Stripped::parse("M\n" + std::string(Stripped::kBytesMax + 1, 'x')));
    const auto refused = Stripped::parse("E 3 4 no");
    ASSERT_TRUE(refused);
    EXPECT_TRUE(refused->refused());
    EXPECT_EQ(refused->place(), (Place{3, 4}));
    EXPECT_EQ(refused->message(), "no");
}

}  // namespace
}  // namespace adyton::script
