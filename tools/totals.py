#!/usr/bin/env python3
"""Adds up JUnit reports: prints "PASSED FAILED SKIPPED" and, on stderr, why tests were skipped.

What the failed ones printed last is added to the file that ADYTON_FAILURES_FILE names.
ctest marks a skipped test status="notrun" or "disabled"; others use a <skipped> element.
"""
import os
import re
import sys
import xml.etree.ElementTree as ElementTree


def outcome(case):
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    if case.get("status") == "fail":
        return "failed"
    if case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
        return "skipped"
    return "passed"


def reason(case):
    """The line that says why, as the test printed it."""
    text = "".join(part.text or "" for part in case.iter("system-out"))
    found = re.search(r"NOT RUN: .*", text)
    if found:
        return found.group(0)
    skipped = case.find("skipped")
    message = skipped.get("message") if skipped is not None else None
    return message or "skipped"


# Of a test's output: where a sanitizer or an assertion speaks, and how it ends.
LINES_OF_A_FAILURE = 40
SPEAKS = re.compile(r"ERROR: |runtime error: |WARNING: ThreadSanitizer|: Failure$")


def record_failure(case):
    path = os.environ.get("ADYTON_FAILURES_FILE")
    if not path:
        return
    parts = [part.text or "" for tag in ("failure", "error", "system-out") for part in case.iter(tag)]
    lines = "\n".join(parts).strip().splitlines()
    first = next((i for i, line in enumerate(lines) if SPEAKS.search(line)), len(lines))
    first = max(0, min(first, len(lines) - LINES_OF_A_FAILURE))
    with open(path, "a", encoding="utf-8") as file:
        print("-- %s" % case.get("name"), *lines[first:first + LINES_OF_A_FAILURE], sep="\n", file=file)


def main(paths):
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    reasons = {}
    for path in paths:
        for case in ElementTree.parse(path).getroot().iter("testcase"):
            result = outcome(case)
            totals[result] += 1
            if result == "failed":
                record_failure(case)
            if result == "skipped":
                reasons.setdefault(reason(case), []).append(case.get("name"))
    for why, names in sorted(reasons.items()):
        shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        print("%s (%d: %s)" % (why, len(names), shown), file=sys.stderr)
    print(totals["passed"], totals["failed"], totals["skipped"])


if __name__ == "__main__":
    main(sys.argv[1:])
