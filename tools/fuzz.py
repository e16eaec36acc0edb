#!/usr/bin/env python3
"""Runs libFuzzer binaries side by side for a fixed time each and says what they found.

Seeds: tests/corpus/TARGET/ (committed; inputs that once broke something live there too).
Grown corpus: build/fuzz_corpus/TARGET/. Findings: build/fuzz_findings/TARGET-*.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def run_one(binary, seconds):
    """(ok, executions, seconds taken, output)"""
    name = binary.name
    corpus = ROOT / "build" / "fuzz_corpus" / name
    findings = ROOT / "build" / "fuzz_findings"
    seeds = ROOT / "tests" / "corpus" / name
    for folder in (corpus, findings):
        folder.mkdir(parents=True, exist_ok=True)
    command = [
        str(binary),
        "-max_total_time=%d" % seconds,
        "-timeout=10",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
        "-artifact_prefix=%s/%s-" % (findings, name),
        str(corpus),
    ]
    if seeds.is_dir():
        command.append(str(seeds))
    began = time.monotonic()
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            timeout=seconds + 120, check=False)
        output, code = done.stdout.decode("utf-8", "replace"), done.returncode
    except subprocess.TimeoutExpired as late:
        output, code = (late.stdout or b"").decode("utf-8", "replace") + "\ndoes not end", 1
    except OSError as error:
        output, code = str(error), 1
    found = re.search(r"stat::number_of_executed_units:\s*(\d+)", output)
    executions = int(found.group(1)) if found else 0
    # A target that ran nothing has shown nothing.
    return code == 0 and executions > 0, executions, time.monotonic() - began, output


def record_failure(name, output):
    path = os.environ.get("ADYTON_FAILURES_FILE")
    if path:
        with open(path, "a", encoding="utf-8") as file:
            print("-- fuzz target %s" % name, *output.splitlines()[-60:], sep="\n", file=file)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binaries", required=True, type=pathlib.Path)
    parser.add_argument("--seconds", required=True, type=int)
    parser.add_argument("--totals", required=True, type=pathlib.Path)
    parser.add_argument("targets", nargs="+")
    options = parser.parse_args()

    failed = []
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        running = {
            pool.submit(run_one, (options.binaries / name).resolve(), options.seconds): name
            for name in options.targets
        }
        for future in concurrent.futures.as_completed(running):
            name = running[future]
            ok, executions, taken, output = future.result()
            print("%-6s %-36s %10d runs in %.0f s" %
                  ("ok" if ok else "FAILED", name, executions, taken), flush=True)
            if not ok:
                failed.append(name)
                record_failure(name, output)
                print("\n".join(output.splitlines()[-60:]), flush=True)
    options.totals.write_text("%d %d\n" % (len(options.targets) - len(failed), len(failed)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
