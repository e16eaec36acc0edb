#!/usr/bin/env python3
"""House rules that need no compiler. `tools/dev lint` runs this, and so does ctest (LintTree).

Each rule is one function from a Tree to findings; lint_test.py seeds a violation of each. A line may
be excused, with its reason, on itself or on the line above:

    // lint-allow(thread): the load generator of the benchmark runs outside the executor

or a whole file, anywhere in it, with lint-allow-file(thread): the reason.

Python 3.9, standard library only.
"""
import argparse
import pathlib
import re
import subprocess
import sys
from dataclasses import dataclass, field

LIBRARY_HEADERS = re.compile(
    r"^(openssl/|sqlite3|libpq|postgresql/|rapidjson/|spdlog/|boost/|nghttp2/|prometheus/|toml|CLI/|CLI11)")
ALLOW = re.compile(r"lint-allow\(([a-z-]+)\):\s*\S+")
ALLOW_FILE = re.compile(r"lint-allow-file\(([a-z-]+)\):\s*\S+")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
CPP = (".cpp", ".h")


@dataclass(frozen=True)
class Finding:
    path: str
    line: int
    rule: str
    message: str

    def __str__(self):
        return "%s:%d: [%s] %s" % (self.path, self.line, self.rule, self.message)


@dataclass
class Source:
    """A text file of the tree. code is the text with comments and literals blanked out, C++ only."""
    path: str
    text: str
    lines: list = field(init=False)
    code: list = field(init=False)

    def __post_init__(self):
        self.lines = self.text.split("\n")
        self.code = blank_comments_and_literals(self.text).split("\n") if self.is_cpp else []

    @property
    def is_cpp(self):
        return self.path.endswith(CPP)

    @property
    def is_test(self):
        """Compiled into tests or fuzz targets only."""
        name = self.path.split("/")[-1]
        return bool(
            re.search(r"(_test|_fuzz|_test_support)\.(cpp|h)$|^(test|fake)_", name)
            or self.path.startswith("tests/") or "/mutants/" in self.path)

    @property
    def module(self):
        """"pool" for src/pool/x.cpp; None outside src."""
        parts = self.path.split("/")
        return parts[1] if len(parts) > 2 and parts[0] == "src" else None

    def allowed(self, index, rule):
        """Is line number index (from 0) excused from rule, with a reason?"""
        if rule in ALLOW_FILE.findall(self.text):
            return True
        for line in self.lines[max(0, index - 1):index + 1]:
            found = ALLOW.search(line)
            if found and found.group(1) == rule:
                return True
        return False


TOKEN = re.compile(
    r'//[^\n]*'  # comment to the end of the line
    r'|/\*.*?\*/'
    r'|(?:u8|[uUL])?R"(?P<tag>[^\s()\\]{0,16})\(.*?\)(?P=tag)"'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'",  # not the ' of 1'000'000
    re.DOTALL)


def blank_comments_and_literals(text):
    """The same number of lines and columns, with comments, strings and characters as spaces."""
    return TOKEN.sub(lambda found: re.sub(r"[^\n]", " ", found.group(0)), text)


@dataclass(frozen=True)
class Module:
    name: str
    uses: frozenset
    listed: frozenset  # file names that its CMakeLists.txt mentions


class Tree:
    """The files under a root, and the modules as their CMakeLists.txt declare them."""

    def __init__(self, root, paths):
        self.root = pathlib.Path(root)
        self.sources = []
        for path in sorted(paths):
            try:
                text = (self.root / path).read_bytes().decode("utf-8")
                self.sources.append(Source(path, text))
            except (UnicodeDecodeError, IsADirectoryError, FileNotFoundError):
                continue
        self.ranks = self._ranks()
        self.modules = self._modules()

    @staticmethod
    def of_git(root):
        """What is committed or would be: the index and new files that are not ignored."""
        listed = subprocess.run(
            ["git", "-c", "safe.directory=*", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            check=True, stdout=subprocess.PIPE).stdout.decode()
        return Tree(root, {path for path in listed.split("\0") if path})

    def cpp(self):
        return [source for source in self.sources if source.is_cpp]

    def _text(self, path):
        for source in self.sources:
            if source.path == path:
                return source.text
        return ""

    def _ranks(self):
        text = self._text("cmake/AdytonModule.cmake")
        return {name: int(rank) for name, rank in re.findall(r"set\(ADYTON_RANK_(\w+) (\d+)\)", text)}

    def _modules(self):
        modules = {}
        for source in self.sources:
            if not re.fullmatch(r"src/[^/]+/CMakeLists\.txt", source.path):
                continue
            name = source.path.split("/")[1]
            prefix = "src/%s/" % name
            # A module may have sub-lists: src/apps/adyton/CMakeLists.txt.
            text = "\n".join(
                re.sub(r"#[^\n]*", "", other.text) for other in self.sources
                if other.path.startswith(prefix) and other.path.endswith("CMakeLists.txt"))
            words = set(re.findall(r"[\w./+-]+", text))
            modules[name] = Module(name, frozenset(declared_uses(name, text)), frozenset(words))
        return modules


def declared_uses(name, text):
    """The words after USES in adyton_module(name ...), base included."""
    found = re.search(r"adyton_module\(\s*%s\b([^)]*)\)" % re.escape(name), text)
    uses, reading = {"base"}, False
    for word in (found.group(1).split() if found else []):
        if word.isupper():
            reading = word == "USES"
        elif reading:
            uses.add(word)
    return uses


# --- Rules ---------------------------------------------------------------------------------------


def rule_ranks(tree):
    """A module uses lower ranks only (CMake says so too; this needs no configured build)."""
    for module in tree.modules.values():
        for used in sorted(module.uses - {module.name}):
            rank, used_rank = tree.ranks.get(module.name), tree.ranks.get(used)
            if rank is None or used_rank is None or not used_rank < rank:
                if module.name == "base":
                    continue
                yield Finding(
                    "src/%s/CMakeLists.txt" % module.name, 1, "rank",
                    "%s (rank %s) may not use %s (rank %s)" % (module.name, rank, used, used_rank))


def rule_includes(tree):
    """Includes start at src, name only modules in USES, and stay out of others' internal/."""
    for source in tree.cpp():
        own = source.module
        for index, line in enumerate(source.lines):
            found = INCLUDE.match(line)
            if not found:
                continue
            kind, name = found.groups()
            target = name.split("/")[0]
            if kind == "<":
                if target in tree.modules and "/" in name:
                    yield Finding(source.path, index + 1, "include",
                                  'write #include "%s": it is ours' % name)
                continue
            if name.endswith(".inc"):
                continue  # made by the build, beside what it is built from
            if ".." in name.split("/") or "/" not in name:
                yield Finding(source.path, index + 1, "include",
                              '"%s": includes start at src, as in "crypto/secret.h"' % name)
                continue
            if own is None or target not in tree.ranks or target == own:
                continue
            module = tree.modules.get(own)
            # A test links what else it needs, of lower rank still: a simulated chain, say.
            lower = tree.ranks.get(target, 99) < tree.ranks.get(own, 0)
            if module is not None and target not in module.uses and not (source.is_test and lower):
                yield Finding(source.path, index + 1, "include",
                              "%s includes %s, which is not in its USES" % (own, target))
            if "/internal/" in name:
                yield Finding(source.path, index + 1, "include",
                              "%s reaches into the inside of %s" % (own, target))


def rule_library_headers(tree):
    """Headers of libraries stay in .cpp files, for short builds and replaceable libraries."""
    for source in tree.cpp():
        if not source.path.endswith(".h") or source.module is None:
            continue
        for index, line in enumerate(source.lines):
            found = INCLUDE.match(line)
            if found and LIBRARY_HEADERS.match(found.group(2)):
                if not source.allowed(index, "library-header"):
                    yield Finding(source.path, index + 1, "library-header",
                                  "<%s> belongs into a .cpp file" % found.group(2))


def rule_listed(tree):
    """Every source file is listed in its module's CMakeLists.txt; an unlisted test never runs."""
    for source in tree.cpp():
        module = tree.modules.get(source.module or "")
        if module is None:
            continue
        if source.path.endswith(".h") and (source.is_test or "/internal/" in source.path):
            continue  # no part of the interface; compiled with what includes it
        within = source.path.split("/", 2)[2]
        if within not in module.listed and within.split("/")[-1] not in module.listed:
            yield Finding(source.path, 1, "listed",
                          "not in src/%s/CMakeLists.txt" % module.name)


def pattern_rule(rule, pattern, message, applies):
    """A rule that finds pattern in code (not in comments or literals) of the files it applies to."""
    compiled = re.compile(pattern)

    def check(tree):
        for source in tree.cpp():
            if not applies(source):
                continue
            for index, line in enumerate(source.code):
                found = compiled.search(line)
                if found and not source.allowed(index, rule):
                    yield Finding(source.path, index + 1, rule,
                                  "%s: %s" % (found.group(0).strip(), message))

    return check


def above_base(source):
    return source.module is not None and source.module != "base"


rule_thread = pattern_rule(
    "thread", r"\bstd::(thread|jthread|async)\b(?!::(id|hardware_concurrency))|\bpthread_create\b",
    "work runs on the injected Executor", above_base)
rule_sleep = pattern_rule(
    "sleep", r"\bthis_thread::sleep_(for|until)\b|\b(usleep|nanosleep)\s*\(|(?<![\w>])::sleep\s*\(|(?<![\w.:>])sleep\s*\(\s*\d+\s*\)",
    "waiting goes through the injected Executor", above_base)
rule_clock = pattern_rule(
    "clock",
    r"\b(system_clock|steady_clock|high_resolution_clock|utc_clock)::now\b"
    r"|\b(clock_gettime|gettimeofday)\s*\(|(?<![\w.>])(std::|::)?time\s*\(\s*(nullptr|NULL|0)\s*\)",
    "time comes from the injected clock", above_base)
rule_random = pattern_rule(
    "random", r"\bstd::(random_device|mt19937|mt19937_64|default_random_engine)\b|(?<![\w.>:])s?rand\s*\(",
    "randomness comes from the injected source",
    lambda source: above_base(source) and not source.is_test)
rule_throw = pattern_rule(
    "throw", r"\bthrow\b", "we return Result and throw nothing",
    lambda source: source.module is not None)
rule_stdout = pattern_rule(
    "stdout", r"\bstd::(cout|cerr|clog)\b|(?<![\w.>:])(std::)?(printf|puts|putchar)\s*\("
    r"|\bfmt::print\s*\(\s*(?!stderr)", "libraries do not print; use the log",
    lambda source: source.module not in (None, "apps") and not source.is_test
    and not source.path.endswith("_bench.cpp"))
rule_detach = pattern_rule(
    "detach", r"\.\s*detach\s*\(\s*\)", "a detached thread outlives what it uses",
    lambda source: source.module is not None)
rule_unsafe = pattern_rule(
    "unsafe", r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|system|popen|alloca)\s*\(",
    "has a safer form", lambda source: source.module is not None)
rule_using = pattern_rule(
    "using-namespace", r"^\s*using\s+namespace\b(?!.*literals)", "not in a header",
    lambda source: source.path.endswith(".h"))
rule_disabled = pattern_rule(
    "disabled-test", r"\bTEST(_F|_P)?\s*\([^)]*\bDISABLED_", "a disabled test tests nothing",
    lambda source: source.is_test)


def rule_pragma_once(tree):
    for source in tree.cpp():
        if source.path.endswith(".h") and not re.search(r"^#pragma once$", source.text, re.MULTILINE):
            yield Finding(source.path, 1, "pragma-once", "a header starts with #pragma once")


def rule_nolint(tree):
    """A NOLINT names the check and gives its reason: // NOLINT(check): why."""
    for source in tree.cpp():
        for index, line in enumerate(source.lines):
            if re.search(r"\bNOLINT(NEXTLINE|BEGIN)?\b", line) and not re.search(
                    r"\bNOLINT(NEXTLINE|BEGIN)?\([\w.,* -]+\):?\s*\S+", line):
                yield Finding(source.path, index + 1, "nolint",
                              "write // NOLINT(check): the reason")


EXPOSE_LIST = "tools/expose_files.txt"


def rule_expose(tree):
    """Only the files of tools/expose_files.txt touch the bytes of a secret. Tests are free."""
    listed = {
        line.split("#")[0].strip()
        for line in tree._text(EXPOSE_LIST).split("\n")} - {""}
    used = {}
    for path, number, _ in expose_uses(tree):
        used.setdefault(path, number)
    for path in sorted(set(used) - listed):
        yield Finding(path, used[path], "expose",
                      "reads a secret's bytes; after review, add it to " + EXPOSE_LIST)
    for path in sorted(listed - set(used)):
        yield Finding(EXPOSE_LIST, 1, "expose", "%s exposes nothing (any more): remove it" % path)


def expose_uses(tree):
    """(path, line number, line) of each use of the only ways to a secret's bytes."""
    for source in tree.cpp():
        if source.module is None or source.is_test:
            continue
        for index, line in enumerate(source.code):
            if re.search(r"\bexpose(_mutable|_text)?\s*\(", line):
                yield source.path, index + 1, source.lines[index].strip()


# Spelled in pieces, so that this file does not find itself.
MACHINE_PATH = re.compile(r"(?<![\w.*}/-])/(" + "|".join(["wor" + "k", "ro" + "ot", "hom" + "e/\\w+"]) + r")/\w")
LOCK_FILE_HOST = re.compile(r'"resol' + r'ved"\s*:\s*"https?:|--(extra-)?index' + r'-url|--find' + r'-links|^\s*reg' + r'istry\s*=')


def rule_portable(tree):
    """No path of one machine, no package host of one network."""
    for source in tree.sources:
        for index, line in enumerate(source.lines):
            if MACHINE_PATH.search(line) and not source.allowed(index, "path"):
                yield Finding(source.path, index + 1, "path", "a path of one machine")
            if LOCK_FILE_HOST.search(line):
                yield Finding(source.path, index + 1, "registry",
                              "a package host: packages come from whatever the machine has configured")


def rule_text(tree):
    """Unix line ends, no trailing blanks, one newline at the end."""
    for source in tree.sources:
        if not re.search(r"(\.(cpp|h|py|sh|cmake|mjs|sql|json)|CMakeLists\.txt|/dev|/run)$", source.path):
            continue
        if source.path.startswith("tests/vectors/") or source.path.startswith("tests/corpus/"):
            continue
        if source.text and not source.text.endswith("\n"):
            yield Finding(source.path, len(source.lines), "text", "no newline at the end")
        for index, line in enumerate(source.lines):
            if line.endswith("\r"):
                yield Finding(source.path, index + 1, "text", "carriage return")
            elif line != line.rstrip():
                yield Finding(source.path, index + 1, "text", "trailing blanks")


RULES = [
    rule_ranks, rule_includes, rule_library_headers, rule_listed, rule_thread, rule_sleep, rule_clock,
    rule_random, rule_throw, rule_stdout, rule_detach, rule_unsafe, rule_using, rule_disabled,
    rule_pragma_once, rule_nolint, rule_expose, rule_portable, rule_text,
]


def check(tree):
    findings = [finding for rule in RULES for finding in rule(tree)]
    return sorted(findings, key=lambda finding: (finding.path, finding.line, finding.rule))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root", default=pathlib.Path(__file__).resolve().parent.parent)
    parser.add_argument("--expose", action="store_true",
                        help="list each line that reads a secret's bytes, for an audit")
    options = parser.parse_args()
    tree = Tree.of_git(options.root)
    if options.expose:
        for path, number, line in expose_uses(tree):
            print("%s:%d: %s" % (path, number, line))
        return 0
    findings = check(tree)
    for finding in findings:
        print(finding)
    print("%d files, %d findings" % (len(tree.sources), len(findings)), file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
