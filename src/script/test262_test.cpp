#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "script/script_test_support.h"

// A fixed sample of test262 (https://github.com/tc39/test262), from a checkout that ADYTON_TEST262
// names. docs/test262.md has the score and what fails.
namespace adyton::script {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kSampleSize = 2'000;
constexpr double kScoreMin = 0.99;

// Newer than ES2023, not finished, or of a host that has threads, modules or other realms.
const std::set<std::string, std::less<>>& left_out() {
    static const std::set<std::string, std::less<>> kNames = {
        "Array.fromAsync",
        "Atomics",
        "Atomics.pause",
        "Atomics.waitAsync",
        "Error.isError",
        "Float16Array",
        "IsHTMLDDA",
        "Iterator.prototype.join",
        "Math.sumPrecise",
        "RegExp.escape",
        "ShadowRealm",
        "SharedArrayBuffer",
        "String.prototype.isWellFormed",
        "String.prototype.toWellFormed",
        "Temporal",
        "array-grouping",
        "arraybuffer-transfer",
        "await-dictionary",
        "canonical-tz",
        "cross-realm",
        "decorators",
        "error-stack-accessor",
        "explicit-resource-management",
        "export-defer",
        "host-gc-required",
        "immutable-arraybuffer",
        "import-attributes",
        "import-bytes",
        "import-defer",
        "import-text",
        "iterator-chunking",
        "iterator-helpers",
        "iterator-includes",
        "iterator-sequencing",
        "joint-iteration",
        "json-modules",
        "json-parse-with-source",
        "legacy-regexp",
        "nonextensible-applies-to-private",
        "promise-try",
        "promise-with-resolvers",
        "proxy-missing-checks",
        "regexp-duplicate-named-groups",
        "regexp-modifiers",
        "regexp-v-flag",
        "resizable-arraybuffer",
        "set-methods",
        "source-phase-imports",
        "source-phase-imports-module-source",
        "uint8array-base64",
        "upsert"};
    return kNames;
}

std::string read_file(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream out;
    out << file.rdbuf();
    return out.str();
}

struct Suite262Test {
    std::string path;
    std::string source;
    std::set<std::string> flags;
    std::vector<std::string> includes;
    std::vector<std::string> features;
    std::string negative_phase;
    std::string negative_type;
};

// The words of "[a, b]" or of the "- a" lines that follow.
std::vector<std::string> words_of(const std::string& meta, const std::string& key) {
    std::vector<std::string> out;
    const std::size_t found = meta.find("\n" + key + ":");
    if (found == std::string::npos) return out;
    std::istringstream lines(meta.substr(found + 1));
    std::string line;
    std::getline(lines, line);
    std::string text = line.substr(key.size() + 1);
    if (text.find('[') != std::string::npos) {
        while (text.find(']') == std::string::npos && std::getline(lines, line)) text += " " + line;
    } else {
        while (std::getline(lines, line) && line.find_first_not_of(' ') != std::string::npos &&
               line[line.find_first_not_of(' ')] == '-') {
            text += " " + line.substr(line.find('-') + 1);
        }
    }
    for (char& c : text) c = c == '[' || c == ']' || c == ',' ? ' ' : c;
    std::istringstream words(text);
    for (std::string word; words >> word;) out.push_back(word);
    return out;
}

std::string value_of(const std::string& meta, const std::string& key) {
    const std::size_t found = meta.find("\n  " + key + ": ");
    if (found == std::string::npos) return {};
    const std::size_t start = found + key.size() + 5;
    return meta.substr(start, meta.find_first_of("\r\n", start) - start);
}

std::optional<Suite262Test> load(const fs::path& root, const fs::path& path) {
    Suite262Test test;
    test.path = fs::relative(path, root).generic_string();
    if (test.path.find("_FIXTURE") != std::string::npos) return std::nullopt;
    test.source = read_file(path);
    const std::size_t start = test.source.find("/*---");
    const std::size_t end = test.source.find("---*/");
    if (start == std::string::npos || end == std::string::npos) return std::nullopt;
    const std::string meta = test.source.substr(start, end - start);
    for (const std::string& flag : words_of(meta, "flags")) test.flags.insert(flag);
    test.includes = words_of(meta, "includes");
    test.features = words_of(meta, "features");
    if (meta.find("\nnegative:") != std::string::npos) {
        test.negative_phase = value_of(meta, "phase");
        test.negative_type = value_of(meta, "type");
    }
    const bool newer = std::any_of(
        test.features.begin(), test.features.end(),
        [](const auto& name) { return left_out().contains(name) || name.starts_with("Intl"); });
    // Harness files that call the host's $262.
    const bool hooks =
        std::any_of(test.includes.begin(), test.includes.end(), [&](const std::string& name) {
            return read_file(root / "harness" / name).find("$262.") != std::string::npos;
        });
    if (newer || hooks || test.flags.contains("module") || test.flags.contains("CanBlockIsTrue") ||
        test.source.find("$262") != std::string::npos) {
        return std::nullopt;
    }
    return test;
}

std::uint64_t spread(const std::string& text) {  // FNV-1a: the same sample everywhere
    std::uint64_t out = 0xcbf29ce484222325;
    for (const char c : text) out = (out ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return out;
}

std::vector<Suite262Test> sample(const fs::path& root) {
    std::vector<std::pair<std::uint64_t, fs::path>> paths;
    for (const char* part : {"built-ins", "language", "annexB"}) {
        for (const auto& entry : fs::recursive_directory_iterator(root / "test" / part)) {
            if (entry.path().extension() == ".js") {
                paths.emplace_back(
                    spread(fs::relative(entry.path(), root).generic_string()), entry.path());
            }
        }
    }
    std::sort(paths.begin(), paths.end());
    std::vector<Suite262Test> out;
    for (const auto& [number, path] : paths) {
        if (out.size() == kSampleSize) break;
        if (auto test = load(root, path)) out.push_back(std::move(*test));
    }
    return out;
}

class Test262Test : public EngineFixture {
protected:
    // Empty when the test passes in this mode; otherwise what went wrong.
    std::string run_one(const fs::path& root, const Suite262Test& test, bool strict) {
        std::string source = strict ? "\"use strict\";\n" : "";
        const bool async = test.flags.contains("async");
        if (!test.flags.contains("raw")) {
            std::vector<std::string> includes = {"assert.js", "sta.js"};
            if (async) {
                source += "function print(text) { console.log(text); }\n";
                includes.emplace_back("doneprintHandle.js");
            }
            includes.insert(includes.end(), test.includes.begin(), test.includes.end());
            for (const std::string& name : includes) {
                source += read_file(root / "harness" / name) + "\n";
            }
        }
        Job job = job_of(source + test.source);
        job.entry_point = "isNaN";  // the test is the script itself
        const auto result = try_run(std::move(job));
        if (!result) return "refused: " + result.error().message();
        const bool failed = result->status != Status::Completed;
        const std::string what =
            failed && result->error ? result->error->name + ": " + result->error->message : "";
        if (!test.negative_phase.empty()) {
            if (!failed) return "did not fail";
            return what.starts_with(test.negative_type) ? "" : "failed with " + what;
        }
        if (failed) return std::string(to_string(result->status)) + " " + what;
        if (!async) return {};
        for (const LogEntry& entry : result->logs) {
            if (entry.text == "Test262:AsyncTestComplete") return {};
        }
        return result->logs.empty() ? "never done" : result->logs[0].text;
    }
};

TEST_F(Test262Test, ASampleOfEs2023Passes) {
    const char* const root_text = std::getenv("ADYTON_TEST262");
    if (root_text == nullptr)
        GTEST_SKIP() << "NOT RUN: ADYTON_TEST262 names no checkout of test262";
    const fs::path root(root_text);
    const auto tests = sample(root);
    ASSERT_EQ(tests.size(), kSampleSize);
    std::size_t passed = 0;
    for (const Suite262Test& test : tests) {
        std::string failure;
        if (!test.flags.contains("onlyStrict")) failure = run_one(root, test, false);
        if (failure.empty() && !test.flags.contains("noStrict") && !test.flags.contains("raw")) {
            failure = run_one(root, test, true);
            if (!failure.empty()) failure = "strict mode: " + failure;
        }
        if (failure.empty()) {
            ++passed;
        } else {
            std::cout << "FAILS " << test.path << ": " << failure.substr(0, 120) << "\n";
        }
    }
    const double score = static_cast<double>(passed) / static_cast<double>(tests.size());
    std::cout << "test262: " << passed << " of " << tests.size() << " pass, " << 100 * score
              << " %\n";
    EXPECT_GE(score, kScoreMin);
}

}  // namespace
}  // namespace adyton::script
