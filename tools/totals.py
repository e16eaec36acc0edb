#!/usr/bin/env python3
"""Adds up JUnit reports: prints "PASSED FAILED SKIPPED" and, on stderr, why tests were skipped.

ctest marks a skipped test status="notrun" or "disabled"; others use a <skipped> element.
"""
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


def main(paths):
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    reasons = {}
    for path in paths:
        for case in ElementTree.parse(path).getroot().iter("testcase"):
            result = outcome(case)
            totals[result] += 1
            if result == "skipped":
                reasons.setdefault(reason(case), []).append(case.get("name"))
    for why, names in sorted(reasons.items()):
        shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        print("%s (%d: %s)" % (why, len(names), shown), file=sys.stderr)
    print(totals["passed"], totals["failed"], totals["skipped"])


if __name__ == "__main__":
    main(sys.argv[1:])
