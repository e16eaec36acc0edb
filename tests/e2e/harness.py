"""What the end-to-end tests share: running servers, certificates, requests, scenarios.

A test file holds functions decorated with @scenario; `FILE NAME` runs one of them. Exit codes: 0
passed, 1 failed, 77 not run (ctest counts it as skipped). Python 3.9, standard library only.
"""

import base64
import contextlib
import fcntl
import hashlib
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.parse
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = os.environ.get("ADYTON_BINARY", str(ROOT / "build" / "release" / "bin" / "adyton"))
MASTER_KEY = "e2e-master-key-" + "0123456789abcdef" * 2
SERVICE = "neocompute"
NOT_RUN = 77

SCENARIOS = {}


class NotRun(Exception):
    """What the scenario needs is absent here."""


def scenario(function):
    """One of the file that runs; those of files that it imports are theirs to run."""
    if function.__module__ == "__main__":
        SCENARIOS[function.__name__] = function
    return function


def main():
    names = sys.argv[1:] or sorted(SCENARIOS)
    if names == ["--list"]:
        print("\n".join(sorted(SCENARIOS)))
        return
    codes = []
    for name in names:
        with tempfile.TemporaryDirectory(prefix="adyton-e2e.") as directory:
            codes.append(run_one(name, pathlib.Path(directory)))
    sys.exit(1 if 1 in codes else max(codes))


def run_one(name, directory):
    started = time.monotonic()
    try:
        with contextlib.ExitStack() as stack:
            SCENARIOS[name](World(directory, stack))
    except NotRun as reason:
        print("NOT RUN: %s: %s" % (name, reason))
        return NOT_RUN
    except Exception:
        traceback.print_exc()
        for log in sorted(directory.glob("**/*.log")):
            print("--- the end of %s" % log.name)
            print("\n".join(log.read_text(errors="replace").splitlines()[-25:]))
        print("FAILED: %s" % name)
        return 1
    print("passed: %s (%.1f s)" % (name, time.monotonic() - started))
    return 0


def check(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(one) for one in what) or "check failed")


_held_ports = []


def free_port_base(count):
    """A port N such that N .. N+count-1 are free, below the ephemeral range. No other test gets
    them while this process lives."""
    check(count <= 10, "blocks have ten ports")
    for _ in range(500):
        base = random.randrange(2000, 3200) * 10
        lock = open("%s/adyton-e2e-port.%d" % (tempfile.gettempdir(), base), "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with contextlib.ExitStack() as stack:
                for port in range(base, base + count):
                    held = stack.enter_context(socket.socket())
                    held.bind(("127.0.0.1", port))
        except OSError:
            lock.close()
            continue
        _held_ports.append(lock)
        return base
    raise AssertionError("no %d free ports in a row" % count)


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("not within %s s: %s" % (seconds, what))


# ----- requests ----------------------------------------------------------------------------------


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def reason(self):
        """details.reason of a refusal, or None."""
        try:
            return (self.json.get("details") or {}).get("reason")
        except ValueError:
            return None

    def __repr__(self):
        return "%d %s" % (self.status, self.body[:300])


class Client:
    """One caller of a pool. Not shared between threads; reconnects by itself."""

    def __init__(self, port, service=SERVICE, tls=None, timeout=30):
        self.port, self.service, self.tls, self.timeout = port, service, tls, timeout
        self.connection = None

    def _connect(self):
        if self.connection is None:
            if self.tls is not None:
                self.connection = http.client.HTTPSConnection(
                    "127.0.0.1", self.port, timeout=self.timeout, context=self.tls)
            else:
                self.connection = http.client.HTTPConnection(
                    "127.0.0.1", self.port, timeout=self.timeout)
        return self.connection

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def call(self, method, path, body=None, headers=None, raw=None):
        """The server's answer, whatever its status. OSError and HTTPException when there is none."""
        sent = {}
        if self.service is not None:
            sent["X-Service-ID"] = self.service
        data = raw
        if body is not None:
            data = json.dumps(body).encode()
        if data is not None:
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        connection = self._connect()
        try:
            connection.request(method, path, body=data, headers=sent)
            answer = connection.getresponse()
            result = Answer(answer.status, answer.getheaders(), answer.read())
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        if answer.will_close:
            self.close()
        return result

    def get(self, path, **query):
        if query:
            path += "?" + urllib.parse.urlencode(query)
        return self.call("GET", path)

    def post(self, path, body=None, headers=None, raw=None):
        return self.call("POST", path, body, headers, raw)

    def must(self, method, path, body=None, headers=None):
        answer = self.call(method, path, body, headers)
        check(answer.status == 200, method, path, body, "answered", answer)
        return answer.json

    def request(self, count=1, **more):
        return self.must("POST", "/request", dict(more, count=count))

    def sign(self, account_id, digest, **more):
        return self.post("/sign", dict(
            more, account_id=account_id, tx_hash=base64.b64encode(digest).decode()))

    def release(self, **what):
        return self.must("POST", "/release", what)["released_count"]


def raw_exchange(port, data, tls=None, timeout=15, half_close=False):
    """Sends bytes as they are and returns all that comes back until the server closes."""
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(
            socket.create_connection(("127.0.0.1", port), timeout=timeout))
        if tls is not None:
            connection = stack.enter_context(
                tls.wrap_socket(connection, server_hostname="127.0.0.1"))
        try:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the server may refuse early; its answer counts
        received = b""
        try:
            while True:
                piece = connection.recv(65536)
                if not piece:
                    break
                received += piece
        except ConnectionError:
            pass
        return received


def digest_of(*what):
    return hashlib.sha256(repr(what).encode()).digest()


# ----- servers -----------------------------------------------------------------------------------


class Server:
    """A running `adyton`. Killed when the scenario ends."""

    def __init__(self, world, arguments, environment, log_name):
        self.world, self.arguments, self.environment = world, arguments, environment
        self.log = world.directory / log_name
        self.process = None
        self.port = self.metrics_port = None

    def start(self, prefix=()):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*prefix, BINARY, *self.arguments], env=self.environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log)
        return self

    def ready(self):
        try:
            return Client(self.port if self.metrics_port is None else self.metrics_port,
                          timeout=5).get("/ready").status == 200
        except (OSError, http.client.HTTPException):
            return False

    def wait_ready(self, seconds=30):
        def look():
            check(self.process.poll() is None, "the server ended with", self.process.poll())
            return self.ready()

        wait_until(look, seconds, "ready")
        return self

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        if self.process is not None:
            self.process.wait()

    def terminate(self, seconds=40):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    @property
    def pid(self):
        return self.process.pid

    def log_text(self):
        return self.log.read_text(errors="replace")


class World:
    """What one scenario works with; everything in it goes when the scenario ends."""

    def __init__(self, directory, stack):
        self.directory, self.stack = directory, stack
        self.counter = 0

    def clean_environment(self, **more):
        keep = ("PATH", "HOME", "LANG", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS")
        environment = {name: os.environ[name] for name in keep if name in os.environ}
        if os.environ.get("ADYTON_SANITIZE"):
            # LeakSanitizer needs ptrace, which the program forbids itself.
            environment["ASAN_OPTIONS"] = environment.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        environment.update({name: value for name, value in more.items() if value is not None})
        return environment

    def server(self, arguments, environment):
        self.counter += 1
        server = Server(self, arguments, environment, "server%d.log" % self.counter)
        self.stack.callback(server.kill)
        return server

    def dev(self, data=None, extra=(), **environment):
        """`adyton dev` on free ports, started and ready."""
        base = free_port_base(8)
        data = data or self.directory / "dev"
        server = self.server(
            ["dev", "--port-base", str(base), "--data-dir", str(data), *extra],
            self.clean_environment(**environment))
        server.port, server.base, server.data = base + 1, base, data
        return server.start().wait_ready()

    def pool(self, data=None, identity="development", settings=(), arguments=(), start=True,
             **environment):
        """`adyton serve pool` with a migrated database; settings are KEY=VALUE."""
        base = free_port_base(2)
        data = data or self.directory / "data"
        environment.setdefault("POOL_MASTER_KEY", MASTER_KEY)
        options = ["--listen", "127.0.0.1:%d" % base, "--data-dir", str(data),
                   "--metrics-listen", "127.0.0.1:%d" % (base + 1), "--identity", identity,
                   *arguments]
        for setting in settings:
            options += ["--set", setting]
        server = self.server(["serve", "pool", *options], self.clean_environment(**environment))
        server.port, server.metrics_port, server.data = base, base + 1, pathlib.Path(data)
        if start:
            self.migrate(data, **environment)
            server.start().wait_ready()
        return server

    def migrate(self, data, **environment):
        self.run("migrate", "--data-dir", str(data),
                 DATABASE_URL=environment.get("DATABASE_URL"))

    def run(self, *arguments, status=0, stdin=None, timeout=60, **environment):
        """Runs `adyton ARGUMENTS` to its end; its standard output."""
        done = self.try_run(*arguments, stdin=stdin, timeout=timeout, **environment)
        check(done.returncode == status, "adyton", *arguments, "ended with", done.returncode,
              done.stdout[-2000:], done.stderr[-2000:])
        return done.stdout

    def try_run(self, *arguments, stdin=None, timeout=60, **environment):
        return subprocess.run(
            [BINARY, *arguments], env=self.clean_environment(**environment), input=stdin,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout)

    def verify_audit(self, export):
        """Checks an export's bytes with `adyton verify audit`; the report."""
        self.counter += 1
        path = self.directory / ("audit%d.jsonl" % self.counter)
        path.write_bytes(export)
        done = self.try_run("verify", "audit", str(path), "--json")
        report = json.loads(done.stdout)
        check(done.returncode == 0 and report["intact"], "the audit log is not intact:", report)
        return report


def audit_export(client):
    answer = client.get("/audit/export")
    check(answer.status == 200, "/audit/export answered", answer)
    return answer.body


def audit_records(export, kind):
    lines = [json.loads(line) for line in export.splitlines()]
    return [line for line in lines if line["type"] == "record" and line["kind"] == kind]


# ----- certificates ------------------------------------------------------------------------------


class Authority:
    """A certificate authority minted by the openssl command."""

    def __init__(self, directory, name="authority"):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(exist_ok=True)
        self.key, self.certificate = self.path(name, "key"), self.path(name, "pem")
        self._new_key(self.key)
        self._openssl("req", "-x509", "-new", "-key", self.key, "-sha256", "-days", "2", "-subj",
                      "/CN=" + name, "-addext", "basicConstraints=critical,CA:TRUE", "-addext",
                      "keyUsage=critical,keyCertSign,cRLSign", "-out", self.certificate)

    def path(self, name, suffix):
        return self.directory / ("%s.%s" % (name, suffix))

    @staticmethod
    def _openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, timeout=30)

    def _new_key(self, path):
        self._openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
                      path)
        os.chmod(path, 0o600)

    def issue(self, name, marble_types=(), san=None, usage="clientAuth", common_name=None):
        """(certificate, key). A marble type is the extension 1.3.9903.2.1 with that name."""
        key, request = self.path(name, "key"), self.path(name, "csr")
        certificate, extensions = self.path(name, "pem"), self.path(name, "ext")
        self._new_key(key)
        self._openssl("req", "-new", "-key", key, "-subj", "/CN=" + (common_name or name), "-out",
                      request)
        lines = ["keyUsage=critical,digitalSignature", "extendedKeyUsage=" + usage]
        if san:
            lines.append("subjectAltName=" + san)
        for marble_type in marble_types:
            lines.append("1.3.9903.2.1=DER:" + marble_type.encode().hex(":"))
        extensions.write_text("\n".join(lines) + "\n")
        self._openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key,
                      "-CAcreateserial", "-sha256", "-days", "1", "-extfile", extensions, "-out",
                      certificate)
        return certificate, key

    def client_context(self, credentials=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(str(self.certificate))
        if credentials is not None:
            context.load_cert_chain(str(credentials[0]), str(credentials[1]))
        return context


def strict_environment(authority, server_credentials):
    """The contract's variables for TLS (services.md 6)."""
    return {
        "MARBLE_CERT": server_credentials[0].read_text(),
        "MARBLE_KEY": server_credentials[1].read_text(),
        "MARBLE_ROOT_CA": authority.certificate.read_text(),
    }


# ----- PostgreSQL --------------------------------------------------------------------------------


PSQL = shutil.which("psql") or "/usr/lib/postgresql/15/bin/psql"


class PostgresDatabase:
    """A fresh database on the server of ADYTON_TEST_POSTGRES_URL; dropped afterwards."""

    def __init__(self, world):
        self.server_url = os.environ.get("ADYTON_TEST_POSTGRES_URL")
        if not self.server_url:
            raise NotRun("ADYTON_TEST_POSTGRES_URL is not set")
        self.name = "e2e_" + uuid.uuid4().hex[:16]
        self.psql("CREATE DATABASE " + self.name)
        world.stack.callback(self.drop)
        parts = urllib.parse.urlsplit(self.server_url)
        self.url = urllib.parse.urlunsplit(parts._replace(path="/" + self.name))

    def psql(self, statement, url=None):
        done = subprocess.run(
            [PSQL, "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", url or self.server_url,
             "--command", statement],
            # Dropping a database waits for a checkpoint of the whole server.
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)
        check(done.returncode == 0, "psql:", done.stderr)
        return done.stdout.strip()

    def query(self, statement):
        return self.psql(statement, self.url)

    def drop(self):
        self.psql("DROP DATABASE IF EXISTS %s WITH (FORCE)" % self.name)


# ----- load --------------------------------------------------------------------------------------


class Crowd:
    """Threads that each repeat `work(index)` until stopped. The first exception is kept."""

    def __init__(self, count, work):
        self.stopping = threading.Event()
        self.errors = []
        self.work = work
        self.threads = [threading.Thread(target=self._run, args=(i,), daemon=True)
                        for i in range(count)]
        for thread in self.threads:
            thread.start()

    def _run(self, index):
        try:
            self.work(index, self.stopping)
        except Exception as error:  # reported by stop()
            traceback.print_exc()
            self.errors.append(error)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(60)
        check(not any(thread.is_alive() for thread in self.threads), "a thread does not end")
        check(not self.errors, "in the crowd:", self.errors[:1])


class Ledger:
    """What the callers of a pool know for sure. Thread safe; contradictions raise at once."""

    def __init__(self):
        self.mutex = threading.Lock()
        self.owners = {}  # account id: (service, lock id)
        self.requests = {}  # lock id: account ids, for every request that was answered
        self.releases = set()  # lock ids whose release was answered
        self.signatures = {}  # (account id, digest in hex): signature

    def acquired(self, service, held):
        ids = [account["id"] for account in held["accounts"]]
        with self.mutex:
            check(held["lock_id"] not in self.requests, "a lock id came twice", held["lock_id"])
            self.requests[held["lock_id"]] = ids
            for one in ids:
                check(one not in self.owners, "TWO OWNERS of", one, self.owners.get(one), service)
                self.owners[one] = (service, held["lock_id"])

    def releasing(self, held):
        """Before the release is sent: from then on another may get the accounts."""
        with self.mutex:
            for account in held["accounts"]:
                del self.owners[account["id"]]

    def released(self, held):
        with self.mutex:
            self.releases.add(held["lock_id"])

    def signed(self, account, digest, signature):
        with self.mutex:
            before = self.signatures.setdefault((account, digest.hex()), signature)
            check(before == signature, "the same digest signed differently", account)

    def held_by(self, service):
        with self.mutex:
            return {one for one, (owner, _) in self.owners.items() if owner == service}

    def check_audit(self, export):
        """Every answered effect has exactly one record, and there is no record of another."""
        requests = [record["body"] for record in audit_records(export, "pool.request")]
        by_lock = {body["lock_id"]: sorted(body["account_ids"]) for body in requests}
        check(len(by_lock) == len(requests), "a lock was recorded twice")
        check(by_lock == {lock: sorted(ids) for lock, ids in self.requests.items()},
              "requests recorded:", len(by_lock), "answered:", len(self.requests))
        released = [record["body"]["lock_id"] for record in audit_records(export, "pool.release")]
        check(len(set(released)) == len(released), "a release was recorded twice")
        check(set(released) == self.releases, "releases recorded:", len(released), "answered:",
              len(self.releases))
        signed = {(record["body"]["account_id"], record["body"]["digest"])
                  for record in audit_records(export, "pool.sign")}
        missing = set(self.signatures) - signed
        check(not missing, "signatures left without a record:", len(missing))


def insist(clients, method, path, body, key=None, seconds=40):
    """Repeats a call, each time at the next of the clients, until it is answered. Only what may
    pass is repeated: no answer, 503 and 504."""
    deadline = time.monotonic() + seconds
    headers = {"Idempotency-Key": key} if key else None
    turn = random.randrange(len(clients))
    while True:
        try:
            answer = clients[turn % len(clients)].call(method, path, body, headers)
            if answer.status == 200:
                return answer.json
            check(answer.status in (503, 504), method, path, body, "answered", answer)
        except (OSError, http.client.HTTPException):
            pass
        check(time.monotonic() < deadline, method, path, "is not answered")
        turn += 1
        time.sleep(0.02)


def work_on(ledger, ports, service, stopping, keep_share=0.2, tls=None):
    """One caller: request, sign, mostly release, and again, until stopped."""
    clients = [Client(port, service=service, tls=tls, timeout=10) for port in ports]
    kept = 0
    while not stopping.is_set():
        held = insist(clients, "POST", "/request",
                      {"count": random.randrange(1, 4), "ttl_seconds": 3600}, str(uuid.uuid4()))
        ledger.acquired(service, held)
        for account in held["accounts"]:
            digest = os.urandom(32)
            signed = insist(clients, "POST", "/sign", {
                "account_id": account["id"], "tx_hash": base64.b64encode(digest).decode(),
                "lock_id": held["lock_id"], "fencing": account["fencing"]})
            ledger.signed(account["id"], digest, signed["signature"])
        if kept < 10 and random.random() < keep_share:
            kept += 1
            continue
        ledger.releasing(held)
        done = insist(clients, "POST", "/release", {"lock_id": held["lock_id"]}, str(uuid.uuid4()))
        check(done["released_count"] == len(held["accounts"]), done, held)
        ledger.released(held)
