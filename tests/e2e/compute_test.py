#!/usr/bin/env python3
"""Compute as a process: scripts in their sandbox, jobs over kills, secrets, receipts, the command
line, checked from outside."""

import base64
import hashlib
import json
import socket
import struct
import subprocess
import threading
import time

import compute_job
import crypto_check
from harness import BINARY, Client, check, free_port_base, main, scenario, wait_until

MASTER = "00112233445566778899aabbccddeeff" * 2
SUM = "function main() { return { result: input.a + input.b }; }"
LOOP = "function main() { for (;;) {} }"


class Compute(Client):
    """A user in development identity."""

    def __init__(self, port, user="alice", **more):
        super().__init__(port, service=None, **more)
        self.user = user

    def call(self, method, path, body=None, headers=None, raw=None):
        sent = {"X-User-ID": self.user} if self.user else {}
        sent.update(headers or {})
        return super().call(method, path, body, sent, raw)

    def execute(self, script, **more):
        return self.must("POST", "/execute", dict(script=script, **more))

    def job(self, job_id, wait=0):
        return self.must("GET", "/jobs/%s?wait=%d" % (job_id, wait))


def compute(world, data=None, settings=(), start=True, migrate=True, more=()):
    """`adyton serve compute` in development identity, ready."""
    base = free_port_base(2)
    data = data or world.directory / "compute"
    if migrate:
        world.run("migrate", "--data-dir", str(data))
    arguments = ["serve", "compute", "--listen", "127.0.0.1:%d" % base, "--data-dir", str(data),
                 "--metrics-listen", "127.0.0.1:%d" % (base + 1), "--identity", "development"]
    for setting in settings:
        arguments += ["--set", setting]
    arguments += more
    server = world.server(arguments, world.clean_environment(COMPUTE_MASTER_KEY=MASTER))
    server.port, server.metrics_port, server.data = base, base + 1, data
    if start:
        server.start().wait_ready()
    return server


def openssl_verifies(directory, key, message, signature):
    """Ed25519, by the openssl command."""
    der = bytes.fromhex("302a300506032b6570032100") + key
    pem = directory / "key.pem"
    pem.write_text("-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n"
                   % base64.b64encode(der).decode())
    (directory / "message").write_bytes(message)
    (directory / "signature").write_bytes(signature)
    return subprocess.run(
        ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(pem), "-rawin", "-in",
         str(directory / "message"), "-sigfile", str(directory / "signature")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30).returncode == 0


def receipt_transcript(receipt):
    """The signed bytes, built here from the receipt's JSON (src/compute/receipt.h)."""
    def one(kind, values):
        out = b"adyton/" + kind.encode() + b"/v1\0" + struct.pack(">H", len(values))
        for tag, value in enumerate(values, 1):
            if isinstance(value, str):
                value = value.encode()
            if isinstance(value, int):
                value = struct.pack(">Q", value)
            out += struct.pack(">BI", tag, len(value)) + value
        return out

    def micros(text):
        whole, _, fraction = text.rstrip("Z").partition(".")
        seconds = int(time.mktime(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) - time.timezone)
        return seconds * 1000000 + int((fraction + "000000")[:6])

    limits = receipt["limits"]
    unhex = bytes.fromhex
    return one("receipt", [
        receipt["job_id"], receipt["user"], unhex(receipt["code_hash"]), receipt["entry_point"],
        receipt["app_id"], receipt["input_form"], unhex(receipt["input_hash"]),
        one("receipt-secrets", [value for secret in receipt["secrets"] for value in (
            secret["owner"], secret["name"], secret["version"])]),
        unhex(receipt["fetch_hash"]), receipt["gas_used"], receipt["metered_gas"],
        one("receipt-limits", [limits["time_ms"], limits["memory_bytes"], limits["metered_gas"],
                               limits["fetches"]]),
        receipt["layers"], receipt["status"], receipt["error_code"],
        unhex(receipt["output_hash"] or ""), unhex(receipt["sealed_output_hash"] or ""),
        unhex(receipt["console_hash"]), micros(receipt["started_at"]),
        micros(receipt["finished_at"]), receipt["version"], receipt["engine"],
        unhex(receipt["key_id"]), unhex(receipt["p256_public_key"])]
        + ([receipt["language"]] if "language" in receipt else []))


@scenario
def TheExamplesOfTheSpecificationRunAndTheReceiptVerifies(world):
    server = compute(world)
    compute_job.run("http://127.0.0.1:%d" % server.port, BINARY)


@scenario
def AReceiptIsWhatAnIndependentReaderAndOpensslSay(world):
    server = compute(world)
    client = Compute(server.port)
    check(client.call("PUT", "/secrets/token", {"value": "a-value", "any_code": True}).status == 201)
    job = client.execute(SUM, input={"b": 3, "a": 5}, secret_refs=["token"])
    receipt = job["receipt"]
    check(receipt["input_hash"] == hashlib.sha256(b'{"a":5,"b":3}').hexdigest())
    check(receipt["code_hash"] == hashlib.sha256(SUM.encode()).hexdigest())
    check(receipt["secrets"] == [{"owner": "alice", "name": "token", "version": 1}])
    check(receipt["layers"].split(",") == job["isolation"])
    check("own_process" in job["isolation"], job["isolation"])
    signed = receipt_transcript(receipt)
    check(openssl_verifies(world.directory, bytes.fromhex(receipt["key_id"]), signed,
                           bytes.fromhex(receipt["ed25519_signature"])))
    check(not openssl_verifies(world.directory, bytes.fromhex(receipt["key_id"]), signed + b"x",
                               bytes.fromhex(receipt["ed25519_signature"])))
    check(crypto_check.openssl_verifies(
        bytes.fromhex(receipt["p256_public_key"]), hashlib.sha256(signed).digest(),
        bytes.fromhex(receipt["p256_signature"])))


@scenario
def HostileScriptsEndAtTheirLimitsAndTheNextJobIsClean(world):
    server = compute(world)
    client = Compute(server.port)
    started = time.monotonic()
    looped = client.execute(LOOP, timeout=1)
    check("timeout at 1 s" in looped["error"], looped)
    check(looped["status"] == "failed" and looped["phase"] == "timed_out", looped)
    check(looped["gas_used"] == 0 and looped["metered_gas"] > 0, looped)
    check(time.monotonic() - started < 20)
    hungry = client.execute("function main() { const a = []; for (;;) a.push(new Array(1e5)); }",
                            timeout=20)
    check(hungry["status"] == "failed", hungry)
    check(hungry["error_code"] in ("out_of_memory", "execution_error"), hungry)
    client.execute("globalThis.left = 'behind'; function main() { return {}; }")
    clean = client.execute("function main() { return { seen: typeof globalThis.left }; }")
    check(clean["output"] == {"seen": "undefined"}, clean)
    thrown = client.execute("function main() {\n  throw new Error('boom');\n}")
    check(thrown["error"].startswith("execution error: ") and thrown["error_line"] == 2, thrown)
    check(client.execute("function main( {")["error"].startswith("script error: "))
    missing = client.execute("var x = 1;")
    check(missing["error"] == "entry point 'main' is not a function", missing)
    check(client.execute("async function main() { return { a: await 1 }; }")["output"] == {"a": 1})


@scenario
def JobsSurviveAKillAndTheirSlotsComeBack(world):
    server = compute(world, settings=["compute.executors=4"])  # two of them for this user
    client = Compute(server.port)
    done = client.execute(SUM, input={"a": 1, "b": 2})
    asked = {"script": LOOP, "timeout": 100}
    cut = client.call("POST", "/execute?wait=0", asked).json["job_id"]
    again = client.call("POST", "/execute?wait=0", dict(
        script="function main() { const t = Date.now(); let n = 0; while (n < 3e7) n++; "
               "return { n }; }", on_restart="rerun", timeout=100)).json["job_id"]
    waiting = [client.call("POST", "/execute?wait=0", {"script": SUM, "input": {"a": i, "b": 0}})
               .json["job_id"] for i in range(3)]
    wait_until(lambda: client.job(cut)["phase"] == "running", 20, "the job runs")
    server.kill()
    server.start().wait_ready()
    client = Compute(server.port)
    wait_until(lambda: client.job(cut)["phase"] == "interrupted", 30, "it is reported")
    check(client.job(cut)["error_code"] == "interrupted")
    for index, job_id in enumerate(waiting):
        check(client.job(job_id, 60)["output"] == {"result": index})
    check(client.job(again, 60)["output"] == {"n": 30000000})
    check(client.job(done["job_id"]) == done, "a finished job is what it was")
    for _ in range(5):
        check(client.execute(SUM, input={"a": 1, "b": 1})["output"] == {"result": 2})


@scenario
def ARunningJobIsCancelledAndOthersGoOn(world):
    server = compute(world, settings=["compute.executors=2"])
    client = Compute(server.port)
    job_id = client.call("POST", "/execute?wait=0", {"script": LOOP, "timeout": 100}).json["job_id"]
    wait_until(lambda: client.job(job_id)["phase"] == "running", 20, "the job runs")
    cancelled = client.must("DELETE", "/jobs/" + job_id)
    check(cancelled["phase"] == "cancelled", cancelled)
    check(client.execute(SUM, input={"a": 2, "b": 2})["output"] == {"result": 4})


@scenario
def AnotherUsersJobRunsBesideTheLoopsOfOne(world):
    server = compute(world)
    hog = Compute(server.port, user="hog")
    loops = [hog.call("POST", "/execute?wait=0", {"script": LOOP, "timeout": 60}).json["job_id"]
             for _ in range(5)]
    wait_until(lambda: hog.job(loops[1])["phase"] == "running", 20, "two of them run")
    begun = time.monotonic()
    check(Compute(server.port, user="victim").execute(SUM, input={"a": 2, "b": 2})["output"]
          == {"result": 4})
    check(time.monotonic() - begun < 10, time.monotonic() - begun)
    for job_id in loops:
        check(hog.must("DELETE", "/jobs/" + job_id)["phase"] == "cancelled")


@scenario
def ScriptsInThreadsKeepTheirLimitsAndLeaveNothing(world):
    server = compute(world, settings=["compute.engine=threads"])
    check("scripts run in threads" in server.log_text())
    client = Compute(server.port)
    check(client.call("PUT", "/secrets/token", {"value": "a-value", "any_code": True}).status == 201)
    job = client.execute(SUM, input={"a": 1, "b": 2}, secret_refs=["token"])
    check(job["output"] == {"result": 3}, job)
    check("stack_bound" in job["isolation"] and "own_process" not in job["isolation"], job)
    check(job["receipt"]["layers"].split(",") == job["isolation"])
    strict = client.execute(SUM, input={"a": 1, "b": 2}, strict=True)
    check(strict["status"] == "failed" and "process of its own" in strict["error"], strict)
    endless = client.call("POST", "/execute?wait=0", {"script": LOOP, "timeout": 100}).json["job_id"]
    wait_until(lambda: client.job(endless)["phase"] == "running", 20, "the job runs")
    # Beside it, where there is a second core: a user never has all of them.
    Compute(server.port, user="carol").execute(
        "globalThis.left = 'behind'; function main() { return {}; }", timeout=20)
    check(client.must("DELETE", "/jobs/" + endless)["phase"] == "cancelled")
    check(client.execute(LOOP, timeout=1)["phase"] == "timed_out")
    clean = Compute(server.port, user="bob").execute(
        "function main() { return { seen: typeof globalThis.left }; }")
    check(clean["output"] == {"seen": "undefined"}, clean)


@scenario
def OnlyWhomARuleIsForHasFetchAndNoPrivateHostIsReached(world):
    asked = socket.create_server(("127.0.0.1", 0))
    asked.setblocking(False)
    port = asked.getsockname()[1]
    rules = world.directory / "fetch.toml"
    rules.write_text('[[compute.fetch.rules]]\nname = "own"\nusers = ["alice"]\n'
                     'schemes = ["http"]\nhosts = ["127.0.0.1", "localhost"]\nports = [%d]\n'
                     % port)
    server = compute(world, more=["--config", str(rules)])
    check(Compute(server.port).must("GET", "/info")["network"] is True)
    kind = "function main() { return { kind: typeof fetch }; }"
    check(Compute(server.port).execute(kind)["output"] == {"kind": "function"})
    check(Compute(server.port, user="bob").execute(kind)["output"] == {"kind": "undefined"})
    silent = Compute(server.port).execute(kind)["receipt"]["fetch_hash"]
    for host in ("127.0.0.1", "localhost"):
        job = Compute(server.port).execute(
            "async function main() { await fetch('http://%s:%d/'); return {}; }" % (host, port))
        check("not on the public internet" in job["error"], job)
        check(job["receipt"]["fetch_hash"] != silent, job)
    try:
        asked.accept()
    except BlockingIOError:
        return
    check(False, "the private host was asked")


@scenario
def SixAtOnceGiveOne429(world):
    server = compute(world, settings=["compute.executors=9"])  # five of them for this user
    answers = []

    def ask():
        answers.append(Compute(server.port, timeout=60).call(
            "POST", "/execute", {"script": LOOP, "timeout": 4}))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = [answer for answer in answers if answer.status == 429]
    check(len(refused) >= 1, [answer.status for answer in answers])
    check("retry-after" in refused[0].headers)
    check(all(answer.json["phase"] == "timed_out" for answer in answers if answer.status == 200))


@scenario
def LiveLinesArriveAsEvents(world):
    server = compute(world, settings=["compute.executors=2"])
    client = Compute(server.port)
    job_id = client.call("POST", "/execute?wait=0", {
        "script": "function main() { console.log('first'); const t = Date.now(); let n = 0; "
                  "while (n < 2e7) n++; console.warn('second'); return {}; }",
        "timeout": 60}).json["job_id"]
    answer = client.get("/jobs/%s/events" % job_id)
    text = answer.body.decode()
    check(answer.headers["content-type"].startswith("text/event-stream"))
    check("event: end\n" in text and '"phase":"completed"' in text, text)
    logs = client.job(job_id)["logs"]
    check("first" in logs and "warn: second" in logs, logs)


@scenario
def SecretsAreNeverInTheFilesOfTheService(world):
    server = compute(world)
    client = Compute(server.port)
    marker = "FINDME-SECRET-VALUE-0123456789"
    check(client.call("PUT", "/secrets/hidden", {
        "value": marker, "any_code": True, "exportable": False}).status == 201)
    job = client.execute("function main() { console.log(secrets.hidden); return { v: 1 }; }",
                         secret_refs=["hidden"])
    check(marker not in json.dumps(job), "the console is redacted")
    refused = client.execute(
        "function main() { return { v: secrets.hidden.split('').reverse().join('') }; }",
        secret_refs=["hidden"])
    check(refused["error_code"] == "secret_leak", refused)
    check(client.call("GET", "/secrets").body.find(marker.encode()) < 0)
    server.terminate()
    for path in server.data.glob("**/*"):
        if path.is_file():
            check(marker.encode() not in path.read_bytes(), "found in", path)
    check(marker not in server.log_text())


@scenario
def AMasterKeyIsTakenInEachFormAndNeverMadeUp(world):
    server = compute(world)
    keys = Compute(server.port).must("GET", "/info")["receipt_public_key"]
    server.terminate()
    arguments = ["serve", "compute", "--listen", "127.0.0.1:0", "--identity", "development",
                 "--data-dir", str(server.data), "--metrics-listen", "127.0.0.1:0"]
    none = world.try_run(*arguments)
    check(none.returncode == 1 and "master key" in none.stderr, none)
    short = world.try_run(*arguments, COMPUTE_MASTER_KEY="00" * 31)
    check(short.returncode == 1, short)
    # As the manifest injects it: 32 raw bytes.
    raw = world.directory / "master.key"
    raw.write_bytes(bytes.fromhex(MASTER))
    raw.chmod(0o600)
    base = free_port_base(2)
    again = world.server(
        ["serve", "compute", "--listen", "127.0.0.1:%d" % base, "--identity", "development",
         "--data-dir", str(server.data), "--metrics-listen", "127.0.0.1:%d" % (base + 1),
         "--set", "compute.master_key=file:%s" % raw], world.clean_environment())
    again.port, again.metrics_port = base, base + 1
    again.start().wait_ready()
    check(Compute(base).must("GET", "/info")["receipt_public_key"] == keys, "the same key")


@scenario
def TypeScriptRunsLosesItsTypesAndIsNamedInTheReceipt(world):
    server = compute(world)
    client = Compute(server.port)
    script = ("interface In { a: number; b: number }\nenum Kind { Sum = 'sum' }\n"
              "function main(input: In): { kind: Kind; value: number } {\n"
              "  return { kind: Kind.Sum, value: (input.a as number) + input.b! };\n}\n")
    job = client.execute(script, input={"a": 20, "b": 22}, language="typescript", record=True)
    check(job["output"] == {"kind": "sum", "value": 42}, job)
    receipt = job["receipt"]
    check(receipt["language"].startswith("typescript sucrase "), receipt)
    check(receipt["code_hash"] == hashlib.sha256(script.encode()).hexdigest())
    check(openssl_verifies(world.directory, bytes.fromhex(receipt["key_id"]),
                           receipt_transcript(receipt),
                           bytes.fromhex(receipt["ed25519_signature"])))
    untyped = client.execute(script, input={"a": 20, "b": 22})
    check(untyped["error_code"] == "script_error" and "SyntaxError" in untyped["error"], untyped)
    broken = client.execute("function main() {\n  const x: = 1;\n}", language="typescript")
    check((broken["error_line"], broken["error_column"]) == (2, 12), broken)
    path = world.directory / "script.ts"
    path.write_text(script)
    (world.directory / "in.json").write_text('{"a": 20, "b": 22}')

    def adyton(*arguments):
        return subprocess.run([BINARY, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=60, env=world.clean_environment())

    local = adyton("compute", "run", str(path), "--input", str(world.directory / "in.json"),
                   "--json")
    local = json.loads(local.stdout)
    for name in ("output", "metered_gas", "gas_used"):
        check(local[name] == job[name], name, local[name], job[name])
    url = "http://127.0.0.1:%d" % server.port
    served = Compute(server.port, user="developer").execute(
        script, input={"a": 1, "b": 2}, language="typescript", record=True)
    replayed = adyton("compute", "replay", served["job_id"], "--url", url)
    check(replayed.returncode == 0, replayed.stdout, replayed.stderr)


@scenario
def TheCommandLineRunsListsAndReplays(world):
    server = compute(world)
    url = "http://127.0.0.1:%d" % server.port

    def adyton(*arguments, given=None):
        return subprocess.run([BINARY, *arguments], input=given, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60,
                              env=world.clean_environment())

    script = world.directory / "script.js"
    script.write_text(SUM)
    (world.directory / "in.json").write_text('{"a": 20, "b": 22}')
    local = adyton("compute", "run", str(script), "--input", str(world.directory / "in.json"),
                   "--json")
    check(local.returncode == 0, local.stderr)
    local = json.loads(local.stdout)
    client = Compute(server.port, user="developer")
    served = client.execute(SUM, input={"a": 20, "b": 22})
    for name in ("output", "gas_used", "metered_gas", "status"):
        check(local[name] == served[name], name, local[name], served[name])
    stored = adyton("secrets", "set", "api_key", "--any-code", "--url", url, given="the-value\n")
    check(stored.returncode == 0, stored.stderr)
    check("api_key" in adyton("secrets", "list", "--url", url).stdout)
    recorded = client.execute(
        "function main() { return { r: Math.random(), b: crypto.randomBytes(8), "
        "n: secrets.api_key.length, t: Date.now() }; }", secret_refs=["api_key"], record=True)
    check(recorded["output"]["n"] == len("the-value"), recorded)
    value = world.directory / "value.txt"
    value.write_text("the-value\n")
    value.chmod(0o600)
    replayed = adyton("compute", "replay", recorded["job_id"], "--url", url, "--secret",
                      "api_key=%s" % value)
    check(replayed.returncode == 0, replayed.stdout, replayed.stderr)
    value.write_text("another value\n")
    other = adyton("compute", "replay", recorded["job_id"], "--url", url, "--secret",
                   "api_key=%s" % value)
    check(other.returncode == 1 and "output" in other.stderr, other.stderr)
    # The largest value there may be, from a file, in each command; and one byte more.
    length = "function main() { return { n: secrets.large.length }; }"
    (world.directory / "length.js").write_text(length)
    value.write_text("v" * 65536 + "\n")
    given = "large=%s" % value
    stored = adyton("secrets", "set", "large", "--any-code", "--file", str(value), "--url", url)
    check(stored.returncode == 0, stored.stderr)
    large = client.execute(length, secret_refs=["large"], record=True)
    check(large["output"] == {"n": 65536}, large)
    local = adyton("compute", "run", str(world.directory / "length.js"), "--secret", given, "--json")
    check(json.loads(local.stdout)["metered_gas"] == large["metered_gas"], local.stdout)
    replayed = adyton("compute", "replay", large["job_id"], "--url", url, "--secret", given)
    check(replayed.returncode == 0, replayed.stderr)
    value.write_text("v" * 65537)
    for refused in (
            adyton("secrets", "set", "large", "--any-code", "--file", str(value), "--url", url),
            adyton("compute", "run", str(world.directory / "length.js"), "--secret", given)):
        check(refused.returncode == 1 and "65536" in refused.stderr, refused.stderr)
    value.write_text("the-value\n")
    for wrong, code in ((("--gas", "-1"), 2), (("--secret", "two words=%s" % value), 1)):
        refused = adyton("compute", "run", str(script), *wrong)
        check(refused.returncode == code, wrong, refused.returncode, refused.stderr)
    # A script sees a placeholder of a secret with a destination, and so does its replay.
    stored = adyton("secrets", "set", "bound", "--any-code", "--destination", "api.example", "--url",
                    url, given="a-value-of-another-length-than-the-placeholder\n")
    check(stored.returncode == 0, stored.stderr)
    bound = client.execute("function main() { return Object.keys(secrets).concat(secrets.bound); }",
                           secret_refs=["bound", "api_key"], record=True)
    check(bound["output"]["result"] == ["bound", "api_key", "{{secret:bound}}"], bound)
    value.write_text("the-value\n")
    replayed = adyton("compute", "replay", bound["job_id"], "--url", url, "--secret",
                      "api_key=%s" % value)
    check(replayed.returncode == 0, replayed.stdout, replayed.stderr)
    # What the clock ended is compared up to there; what came before must be the same.
    lines = "function main() { for (let i = 0; ; i++) if (i % 1000000 == 0) console.log(i); }"
    timed = client.execute(lines, timeout=1, record=True)
    check(timed["phase"] == "timed_out" and len(timed["logs"]) > 2, timed)
    recording = client.must("GET", "/jobs/%s/recording" % timed["job_id"])
    recording["time_ms"] = 60000  # the machine may be busier now
    roomy = world.directory / "roomy.json"
    roomy.write_text(json.dumps(recording))
    replayed = adyton("compute", "replay", timed["job_id"], "--file", str(roomy))
    check(replayed.returncode == 0, replayed.stdout, replayed.stderr)
    check("cut off (timed_out)" in replayed.stdout, replayed.stdout)
    native = client.execute("function main() { console.log('before'); "
                            "return 'a'.repeat(8e6).indexOf('a'.repeat(4e6) + 'b'); }",
                            timeout=1, record=True)
    check(native["phase"] == "timed_out", native)
    replayed = adyton("compute", "replay", native["job_id"], "--url", url, "--json")
    check(replayed.returncode == 0, replayed.stdout, replayed.stderr)
    check(json.loads(replayed.stdout)["cut_off"] is True, replayed.stdout)
    recording = client.must("GET", "/jobs/%s/recording" % timed["job_id"])
    recording["script"] = lines.replace("% 1000000", "% 3000000")
    changed = world.directory / "recording.json"
    changed.write_text(json.dumps(recording))
    other = adyton("compute", "replay", timed["job_id"], "--file", str(changed))
    check(other.returncode == 1 and "console" in other.stderr, other.stdout, other.stderr)
    recording["script"] = "function main() { return 1; }"
    changed.write_text(json.dumps(recording))
    other = adyton("compute", "replay", timed["job_id"], "--file", str(changed))
    check(other.returncode == 1 and "metered gas" in other.stderr, other.stdout, other.stderr)
    listed = adyton("compute", "jobs", "--url", url)
    check(recorded["job_id"] in listed.stdout, listed.stdout)
    check(json.loads(adyton("compute", "job", recorded["job_id"], "--url", url).stdout)["job_id"]
          == recorded["job_id"])
    check(adyton("secrets", "rm", "api_key", "--url", url).returncode == 0)


@scenario
def AnEndlessScriptOnTheCommandLineEndsAtItsLimit(world):
    script = world.directory / "loop.js"
    script.write_text(LOOP)
    started = time.monotonic()
    looped = world.try_run("compute", "run", str(script), "--timeout", "1")
    check(time.monotonic() - started < 20)
    check(looped.returncode == 1 and not looped.stdout, looped)
    check("stopped at its limit of 1 s (--timeout, at most 120)" in looped.stderr, looped)
    metered = world.try_run("compute", "run", str(script), "--gas", "1000000")
    check(metered.returncode == 1 and
          "stopped at its limit of 1000000 metered gas (--gas)" in metered.stderr, metered)
    script.write_text(
        "function main() { const a = []; for (;;) a.push('x'.repeat(65536) + a.length); }")
    hungry = world.try_run("compute", "run", str(script), "--timeout", "20")
    check(hungry.returncode == 1 and
          "stopped at its limit of 64 MiB of memory" in hungry.stderr, hungry)


@scenario
def AWatchedScriptRunsAgainWheneverAFileChanges(world):
    script, given = world.directory / "script.js", world.directory / "in.json"
    script.write_text(SUM)
    given.write_text('{"a": 20, "b": 22}')
    shown, noted = world.directory / "watch.out", world.directory / "watch.err"
    with open(shown, "w") as out, open(noted, "w") as err:
        watching = subprocess.Popen(
            [BINARY, "compute", "run", str(script), "--input", str(given), "--watch"],
            stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=world.clean_environment())
    world.stack.callback(watching.wait)
    world.stack.callback(watching.kill)

    def runs():
        return noted.read_text().count("watching; Ctrl-C ends")

    def comes(text, count):
        wait_until(lambda: runs() >= count and text in shown.read_text() + noted.read_text(), 30,
                   "run %d: %s" % (count, text))
        check(runs() == count and watching.poll() is None, noted.read_text())

    comes('"result": 42', 1)
    given.write_text('{"a": 1, "b": 2, "c": 3}')
    comes('"result": 3', 2)
    # What fails does not end the watching.
    script.write_text("function main() {\n  throw new Error('boom');\n}")
    comes("boom", 3)
    script.write_text("function main() { return { result: 'mended' }; }")
    comes('"result": "mended"', 4)
    time.sleep(1)
    check(runs() == 4, "it ran although nothing had changed", noted.read_text())


@scenario
def ASealedInputThatIsNotOursFailsTheJob(world):
    server = compute(world)
    client = Compute(server.port)
    bad = client.execute(SUM, encrypted_input=base64.b64encode(bytes(80)).decode())
    check(bad["status"] == "failed" and bad["error_code"] == "input_not_opened", bad)


if __name__ == "__main__":
    main()
