#!/usr/bin/env python3
"""clang-tidy over the files that changed (or all), one process a core.

Changed: different from the branch's fork point with origin/main (or from the last commit when there is
none), or new. A changed header brings the .cpp files that include it directly.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def git(*arguments):
    done = subprocess.run(["git", "-c", "safe.directory=*", "-C", str(ROOT), *arguments],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return done.stdout.decode().split("\n")[:-1] if done.returncode == 0 else []


def changed_files():
    base = (git("merge-base", "HEAD", "origin/main") or git("rev-parse", "HEAD") or [""])[0]
    if base == (git("rev-parse", "HEAD") or [""])[0] and not git("status", "--porcelain"):
        base = (git("rev-parse", "HEAD~1") or [base])[0]  # nothing new: look at the last commit
    changed = set(git("diff", "--name-only", base)) if base else set(git("ls-files"))
    return changed | set(git("ls-files", "--others", "--exclude-standard"))


def includes_one_of(path, headers):
    text = (ROOT / path).read_text("utf-8", "replace")
    return any('#include "%s"' % header in text for header in headers)


def select(database, everything):
    """The paths to look at, relative to the root, that the compile database knows."""
    known = {os.path.relpath(entry["file"], ROOT) for entry in database}
    known = {path for path in known if path.startswith(("src/", "tests/"))}
    if everything:
        return sorted(known)
    changed = changed_files()
    headers = [path[len("src/"):] for path in changed if path.endswith(".h")]
    return sorted(path for path in known if path in changed or includes_one_of(path, headers))


def tidy(path, build):
    try:
        done = subprocess.run(["clang-tidy-14", "--quiet", "-p", str(build), str(ROOT / path)],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False,
                              timeout=600)
    except subprocess.TimeoutExpired:
        return 1, "no answer within 600 s"
    return done.returncode, done.stdout.decode("utf-8", "replace")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "clang")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("files", nargs="*", help="only these")
    options = parser.parse_args()
    database = json.loads((options.build / "compile_commands.json").read_text("utf-8"))
    paths = options.files or select(database, options.all)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for path, (code, output) in zip(paths, pool.map(lambda one: tidy(one, options.build), paths)):
            if code != 0:
                failed += 1
                print("%s\n%s" % (path, output), flush=True)
    print("clang-tidy: %d files, %d with findings" % (len(paths), failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
