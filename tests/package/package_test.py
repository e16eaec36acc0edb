#!/usr/bin/env python3
"""The installed client library, as somebody else's project sees it: `cmake --install` to a prefix,
find_package(AdytonClient), build, and a run against a live pool."""

import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from harness import NotRun, check, main, scenario  # noqa: E402 (the path comes first)


def run(*command, status=0, **more):
    done = subprocess.run([str(one) for one in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=600, **more)
    check(done.returncode == status, *command, "ended with", done.returncode, done.stdout[-4000:])
    return done.stdout


@scenario
def AnInstalledClientBuildsIntoAnotherProject(world):
    build = pathlib.Path(os.environ["ADYTON_BUILD_DIR"])
    if os.environ.get("ADYTON_SANITIZE"):
        raise NotRun("a sanitized library wants a sanitized consumer")
    prefix, consumer = world.directory / "prefix", world.directory / "consumer"
    run("cmake", "--install", build, "--prefix", prefix, "--component", "client")
    headers = prefix / "include" / "adyton"
    check((headers / "api" / "pool_client.h").is_file(), "the client's header")
    text = "".join(path.read_text() for path in prefix.rglob("*.cmake"))
    check(str(build) not in text and "-Werror" not in text, "the package is not portable")
    run("cmake", "-S", HERE / "consumer", "-B", consumer, "-G", "Ninja",
        "-DCMAKE_PREFIX_PATH=%s" % prefix, "-DCMAKE_CXX_COMPILER=" + os.environ["ADYTON_CXX"],
        "-DCMAKE_BUILD_TYPE=Debug")
    run("cmake", "--build", consumer)
    server = world.dev()
    out = run(consumer / "consumer", "http://127.0.0.1:%d" % server.port)
    check("signed with N" in out, out)
    server.terminate()
    gone = run(consumer / "consumer", "http://127.0.0.1:%d" % server.port, status=1)
    check("unavailable" in gone, gone)


if __name__ == "__main__":
    main()
