#!/usr/bin/env python3
"""Seeds each violation that lint.py must catch, and each near miss that it must let pass."""
import pathlib
import tempfile
import unittest

import lint

RANKS = "".join("set(ADYTON_RANK_%s %d)\n" % pair
                for pair in [("base", 0), ("crypto", 1), ("storage", 1), ("neo", 2), ("pool", 5)])
LISTS = {
    "cmake/AdytonModule.cmake": RANKS,
    "src/base/CMakeLists.txt": "adyton_module(base SOURCES x.cpp HEADERS x.h)\n",
    "src/crypto/CMakeLists.txt": "adyton_module(crypto SOURCES x.cpp HEADERS x.h)\n",
    "src/storage/CMakeLists.txt": "adyton_module(storage SOURCES x.cpp HEADERS x.h)\n",
    "src/neo/CMakeLists.txt":
        "adyton_module(\n    neo\n    SOURCES x.cpp\n    HEADERS x.h\n    USES crypto\n"
        "    LINK OpenSSL::Crypto\n    TESTS x_test.cpp)\n",
}


def findings(files):
    """What lint says about a tree of these files (and the modules above)."""
    with tempfile.TemporaryDirectory() as root:
        every = {**LISTS, **files}
        for path, text in every.items():
            place = pathlib.Path(root, path)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, "utf-8", newline="")
        return lint.check(lint.Tree(root, every))


class LintTest(unittest.TestCase):
    def caught(self, rule, files, line=None):
        found = findings(files)
        self.assertEqual([rule], [one.rule for one in found], [str(one) for one in found])
        if line is not None:
            self.assertEqual(line, found[0].line)

    def clean(self, files):
        self.assertEqual([], [str(one) for one in findings(files)])

    def test_a_clean_tree_is_clean(self):
        self.clean({
            "src/neo/x.cpp": '#include "neo/x.h"\n#include "crypto/x.h"\n#include "base/x.h"\n'
                             '#include <openssl/ec.h>\n#include <vector>\n',
            "src/neo/x.h": '#pragma once\n#include <vector>\n#include "crypto/x.h"\n',
        })

    def test_an_include_outside_uses_is_caught(self):
        self.caught("include", {"src/neo/x.cpp": '#include <string>\n#include "storage/x.h"\n'}, 2)
        self.caught("include", {"src/base/x.cpp": '#include "crypto/x.h"\n'})
        self.caught("include", {"src/crypto/x.cpp": '#  include "neo/x.h"\n'})

    def test_includes_start_at_src(self):
        self.caught("include", {"src/neo/x.cpp": '#include "x.h"\n'})
        self.caught("include", {"src/neo/x.cpp": '#include "../crypto/x.h"\n'})
        self.caught("include", {"src/neo/x.cpp": "#include <crypto/x.h>\n"})

    def test_the_inside_of_another_module_is_out_of_reach(self):
        self.caught("include", {"src/neo/x.cpp": '#include "crypto/internal/y.h"\n'})

    def test_a_library_header_in_a_header_is_caught(self):
        for name in ("openssl/evp.h", "sqlite3.h", "libpq-fe.h", "rapidjson/reader.h",
                     "spdlog/spdlog.h", "boost/beast.hpp", "prometheus/registry.h",
                     "toml++/toml.h", "CLI/CLI.hpp"):
            self.caught("library-header", {"src/neo/x.h": "#pragma once\n#include <%s>\n" % name})
            self.clean({"src/neo/x.cpp": "#include <%s>\n" % name})

    def test_using_an_equal_or_higher_rank_is_caught(self):
        lists = "adyton_module(storage SOURCES x.cpp USES %s)\n"
        self.caught("rank", {"src/storage/CMakeLists.txt": lists % "crypto"})
        self.caught("rank", {"src/storage/CMakeLists.txt": lists % "neo"})
        self.caught("rank", {"src/storage/CMakeLists.txt": lists % "unheard_of"})

    def test_an_unlisted_source_is_caught(self):
        self.caught("listed", {"src/neo/forgotten_test.cpp": "\n"})
        self.caught("listed", {"src/neo/forgotten.h": "#pragma once\n"})
        self.clean({"src/neo/x_test.cpp": "\n", "src/neo/internal/y.h": "#pragma once\n"})

    def test_threads_sleeps_and_clocks_stay_in_base(self):
        for rule, code in [
                ("thread", "std::thread worker([] {});"), ("thread", "std::jthread worker;"),
                ("thread", "auto later = std::async(work);"),
                ("sleep", "std::this_thread::sleep_for(1s);"), ("sleep", "usleep(5);"), ("sleep", "sleep(5);"), ("sleep", "::sleep(n);"),
                ("clock", "auto now = std::chrono::system_clock::now();"),
                ("clock", "auto now = steady_clock::now();"), ("clock", "clock_gettime(id, &spec);"),
                ("clock", "auto now = std::time(nullptr);"),
                ("random", "std::random_device device;")]:
            self.caught(rule, {"src/neo/x.cpp": "void f() {\n    %s\n}\n" % code}, 2)
            self.clean({"src/base/x.cpp": "void f() {\n    %s\n}\n" % code})

    def test_words_in_comments_and_literals_are_no_code(self):
        self.clean({"src/neo/x.cpp":
                    '// std::thread and throw\n/* std::thread\n throw */\nauto a = "throw \\" throw";\n'
                    'auto b = R"x(throw "std::thread" )y" throw)x";\nint c = 1\'000\'000;\n'})
        self.caught("throw", {"src/neo/x.cpp": "int c = 1'000; throw c; int d = 2'000;\n"})

    def test_names_that_only_look_alike_pass(self):
        self.clean({"src/neo/x.cpp": "co_await base::sleep_for(executor, 5ms); sleep(executor);\n"})
        self.clean({"src/neo/x.cpp": "executor.sleep(5ms); clock.time(0); std::thread::id id;\n"
                                     "rethrow(); my_system(1); database.system_clock();\n"})

    def test_throw_print_detach_and_unsafe_calls_are_caught(self):
        for rule, code in [("throw", "throw Error{};"), ("stdout", 'std::cout << "x";'),
                           ("stdout", 'printf("x");'), ("stdout", 'fmt::print("x");'),
                           ("detach", "worker.detach();"), ("unsafe", "strcpy(a, b);"),
                           ("unsafe", "std::system(command);")]:
            self.caught(rule, {"src/neo/x.cpp": code + "\n"})

    def test_an_excuse_needs_its_rule_and_a_reason(self):
        self.clean({"src/neo/x.cpp": "std::thread a;  // lint-allow(thread): the load generator\n"})
        self.clean({"src/neo/x.cpp": "// lint-allow(thread): the load generator\nstd::thread a;\n"})
        self.clean({"src/neo/x.cpp": "// lint-allow-file(thread): hammers it\n\n\nstd::thread a;\n"})
        self.caught("thread", {"src/neo/x.cpp": "// lint-allow-file(clock): no\n\n\nstd::thread a;\n"})
        self.caught("thread", {"src/neo/x.cpp": "std::thread a;  // lint-allow(thread):\n"})
        self.caught("thread", {"src/neo/x.cpp": "std::thread a;  // lint-allow(clock): reason\n"})
        self.caught("thread", {"src/neo/x.cpp": "// lint-allow(thread): one\nint b;\nstd::thread a;\n"})

    def test_headers_have_a_guard_and_no_using_namespace(self):
        self.caught("pragma-once", {"src/neo/x.h": "int a();\n"})
        self.caught("using-namespace", {"src/neo/x.h": "#pragma once\nusing namespace std;\n"})

    def test_nolint_names_its_check_and_its_reason(self):
        for bad in ("// NOLINT", "// NOLINT(misc-thing)", "// NOLINT: because"):
            self.caught("nolint", {"src/neo/x.cpp": "int a;  %s\n" % bad})
        self.clean({"src/neo/x.cpp": "int a;  // NOLINT(misc-thing): the C interface wants it\n"})

    def test_a_disabled_test_is_caught(self):
        self.caught("disabled-test", {"src/neo/x_test.cpp": "TEST(XTest, DISABLED_Works) {}\n"})

    def test_reading_a_secret_needs_the_list(self):
        reads = {"src/crypto/x.cpp": "f(key.expose());\n"}
        self.caught("expose", reads)
        self.clean({**reads, lint.EXPOSE_LIST: "# reviewed\nsrc/crypto/x.cpp  # signs\n"})
        self.caught("expose", {lint.EXPOSE_LIST: "src/crypto/x.cpp\n", "src/crypto/x.cpp": "\n"})
        self.clean({"src/neo/x_test.cpp": "f(key.expose());\n"})

    def test_paths_and_hosts_of_one_machine_are_caught(self):
        home = "/" + "home" + "/someone/adyton"
        self.caught("path", {"docs/x.md": "look into %s for it\n" % home})
        self.caught("path", {"src/neo/x.cpp": 'auto a = "/%s/main";\n' % ("wor" + "k")})
        self.clean({"docs/x.md": "the net/%s/main of it, /home, docs/root/x\n" % ("wor" + "k")})
        locked = '  "resol' + 'ved": "https://packages.example/x.tgz",\n'
        self.caught("registry", {"tests/interop/node/package-lock.json": locked})

    def test_line_ends_are_plain(self):
        self.caught("text", {"src/neo/x.cpp": "int a;"})
        self.caught("text", {"src/neo/x.cpp": "int a; \n"})
        self.caught("text", {"src/neo/x.cpp": "int a;\r\n"})


if __name__ == "__main__":
    unittest.main()
