#!/usr/bin/env python3
"""The main job of compute, before your eyes: the three example scripts of the specification, a
secret stored and used, the output's hash recomputed, and the receipt verified offline by `adyton
verify receipt`, which must refuse it with one byte changed. `tools/dev up` runs it.

  tests/e2e/compute_job.py --base-url http://127.0.0.1:8086

Exit code: 0 when everything held, 1 when not."""

import argparse
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import uuid

EXAMPLES = [
    {"script": "function main() { return { result: input.a + input.b }; }",
     "input": {"a": 5, "b": 3}},
    {"script": "function main() { return { apiKey: secrets.api_key }; }",
     "secret_refs": ["api_key"]},
    {"script": "function main() { return { hash: crypto.sha256(input.data), "
               "random: crypto.randomBytes(16) }; }", "input": {"data": "hello world"}},
]


class Failed(Exception):
    pass


def demand(condition, text):
    if not condition:
        raise Failed(text)


class Caller:
    def __init__(self, base_url, user):
        self.base_url, self.user = base_url, user

    def raw(self, method, path, body=None):
        request = urllib.request.Request(
            self.base_url + path, data=None if body is None else json.dumps(body).encode(),
            headers={"X-User-ID": self.user}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            raise Failed("%s %s: %d %s" % (
                method, path, error.code, error.read().decode())) from error
        except OSError as error:
            raise Failed("%s %s: %s" % (method, path, error)) from error

    def call(self, method, path, body=None):
        return json.loads(self.raw(method, path, body) or b"null")


def run_examples(caller):
    value = "key-" + uuid.uuid4().hex
    caller.call("PUT", "/secrets/api_key", {"value": value, "any_code": True})
    jobs = []
    for example in EXAMPLES:
        job = caller.call("POST", "/execute", example)
        demand(job["status"] == "completed", "not completed: %s" % job)
        demand(job["gas_used"] == 10 * len(example["script"]), "gas %s" % job["gas_used"])
        text = json.dumps(job["output"], separators=(",", ":"), sort_keys=True)
        demand(hashlib.sha256(text.encode()).hexdigest() == job["output_hash"],
               "the output's hash is another")
        jobs.append(job)
    demand(jobs[0]["output"] == {"result": 8}, "5 + 3 = %s" % jobs[0]["output"])
    demand(jobs[1]["output"] == {"apiKey": value}, "the secret did not reach the script")
    demand(jobs[1]["warnings"] == ["secret_in_output:api_key"], "no warning")
    expected = hashlib.sha256(b"hello world").hexdigest()
    demand(jobs[2]["output"]["hash"] == expected, "another SHA-256")
    demand(re.fullmatch("[0-9a-f]{32}", jobs[2]["output"]["random"]), "no 16 random bytes")
    print("examples    sum %s, secret %s..., hash %s..." % (
        jobs[0]["output"]["result"], value[:8], expected[:16]))
    print("isolation   %s" % ", ".join(jobs[0]["isolation"]))
    caller.raw("DELETE", "/secrets/api_key")
    return jobs


def verify(adyton, *arguments):
    return subprocess.run(
        [adyton, "verify", "receipt", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=30)


def check_receipt(caller, adyton, job, directory):
    info = caller.call("GET", "/info")
    receipt = caller.raw("GET", "/jobs/%s/receipt" % job["job_id"])
    path, script = directory / "receipt.json", directory / "script.js"
    path.write_bytes(receipt)
    script.write_text(EXAMPLES[0]["script"])
    (directory / "input.json").write_text(json.dumps(EXAMPLES[0]["input"]))
    (directory / "output.json").write_text(json.dumps(job["output"]))
    key = info["receipt_public_key"]
    good = verify(adyton, str(path), "--key", key, "--script", str(script), "--input",
                  str(directory / "input.json"), "--output", str(directory / "output.json"))
    demand(good.returncode == 0, "the receipt is refused: " + good.stdout)
    at = receipt.index(b'"gas_used":') + len(b'"gas_used":')
    path.write_bytes(receipt[:at] + bytes([receipt[at] ^ 1]) + receipt[at + 1:])
    bad = verify(adyton, str(path), "--key", key)
    demand(bad.returncode == 1, "a changed receipt is accepted: " + bad.stdout)
    answer = directory / "answer.json"
    answer.write_text(json.dumps(job))
    good = verify(adyton, str(answer), "--key", key)
    demand(good.returncode == 0, "the answer is refused: " + good.stdout)
    answer.write_text(json.dumps(dict(job, output={"result": "another"})))
    bad = verify(adyton, str(answer), "--key", key)
    demand(bad.returncode == 1, "an answer with another output is accepted: " + bad.stdout)
    print("receipt     valid, signed by %s; refused with one byte changed" % key)


def check_local_run(adyton, directory):
    (directory / "loop.js").write_text("function main() { for (;;) {} }")
    looped = subprocess.run(
        [adyton, "compute", "run", str(directory / "loop.js"), "--timeout", "1"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30)
    demand(looped.returncode == 1 and "limit of 1 s" in looped.stdout,
           "an endless script: %s" % looped.stdout)
    print("local run   an endless script ends at its limit")


def run(base_url, adyton):
    caller = Caller(base_url, "main-job-" + uuid.uuid4().hex[:8])
    jobs = run_examples(caller)
    with tempfile.TemporaryDirectory(prefix="adyton-compute.") as name:
        directory = pathlib.Path(name)
        check_receipt(caller, adyton, jobs[0], directory)
        check_local_run(adyton, directory)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base-url", default="http://127.0.0.1:8086",
                        help="compute's URL (default: %(default)s)")
    parser.add_argument("--adyton", default="build/release/bin/adyton",
                        help="the program that verifies (default: %(default)s)")
    arguments = parser.parse_args()
    try:
        run(arguments.base_url.rstrip("/"), arguments.adyton)
    except Failed as error:
        print("error: %s" % error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
