#!/usr/bin/env python3
"""A real MarbleRun Coordinator (no enclave) activates our services with the manifest that we ship;
then they talk over the certificates that it issued.

    marblerun_test.py --coordinator PATH [--report JUNIT.xml]

Without an enclave nobody's quote is checked, so packages are decoration here. Standard library only.
"""

import argparse
import base64
import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import traceback
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import harness  # noqa: E402
import secrets_test  # noqa: E402
from harness import Client, check, wait_until  # noqa: E402

MANIFEST = ROOT / "packaging" / "marblerun" / "manifest.json"
POLICY = 'default = "allow"\n'
CASES = []
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def case(function):
    CASES.append(function)
    return function


def openssl(*arguments):
    return subprocess.run(["openssl", *arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=True).stdout


def base58(data):
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = ALPHABET[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def near_key():
    """A secret key as NEAR writes it: the seed and the public key."""
    der = openssl("genpkey", "-algorithm", "ed25519", "-outform", "DER")
    pem = ssl.DER_cert_to_PEM_cert(der).replace("CERTIFICATE", "PRIVATE KEY")
    public = subprocess.run(["openssl", "pkey", "-pubout", "-outform", "DER"], input=pem.encode(),
                            stdout=subprocess.PIPE, check=True).stdout
    return "ed25519:" + base58(der[-32:] + public[-32:])


class Deployment:
    """A Coordinator with our manifest and our secrets, and what was started under it."""

    def __init__(self, binary, world):
        self.world, self.directory = world, world.directory
        self.mesh = harness.free_port_base(2)
        self.api = self.mesh + 1
        self.start(binary)
        self.operator = self.directory / "operator"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", str(self.operator) + ".key", "-out", str(self.operator) + ".crt",
                "-days", "1", "-subj", "/CN=operator")
        self.master = os.urandom(32)
        self.keystore_secret = os.urandom(32)
        self.key = self.public_key()
        self.call("POST", "/api/v2/manifest",
                  {"manifest": base64.b64encode(self.manifest()).decode()})
        self.set_secrets(self.master)
        chain = self.call("GET", "/api/v2/quote")["cert"]
        blocks = chain.split("-----END CERTIFICATE-----\n")
        self.root = ssl.PEM_cert_to_DER_cert(blocks[1].strip() + "\n-----END CERTIFICATE-----\n")
        self.pin = hashlib.sha256(self.root).hexdigest()

    def start(self, binary):
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(self.directory), "GODEBUG": "fips140=on",
            "EDG_COORDINATOR_MESH_ADDR": "127.0.0.1:%d" % self.mesh,
            "EDG_COORDINATOR_CLIENT_ADDR": "127.0.0.1:%d" % self.api,
            "EDG_COORDINATOR_SEAL_DIR": str(self.directory / "seal")}
        log = open(self.directory / "coordinator.log", "ab")
        process = subprocess.Popen([binary], env=environment, stdout=log, stderr=log)
        self.world.stack.callback(process.wait)
        self.world.stack.callback(process.kill)

        def up():
            check(process.poll() is None, "the Coordinator ended")
            try:
                return self.call("GET", "/api/v2/status")["code"] == 2
            except OSError:
                return False

        wait_until(up, 30, "the Coordinator")

    def manifest(self):
        """The one we ship, with the operator's values, and a marble that gets files."""
        text = MANIFEST.read_text()
        recovery = self.directory / "recovery.key"
        openssl("genrsa", "-out", str(recovery), "3072")
        public = openssl("rsa", "-in", str(recovery), "-pubout").decode()
        certificate = pathlib.Path(str(self.operator) + ".crt").read_text()
        manifest = json.loads(text)
        for package in manifest["Packages"].values():
            package["SignerID"] = "ab" * 32
        manifest["Users"]["operator"]["Certificate"] = certificate
        manifest["RecoveryKeys"]["operator"] = public
        manifest["Packages"]["adyton-gateway"] = dict(
            manifest["Packages"]["adyton-accountpool"], ProductID=99)
        files = {"client.crt": "{{ pem .MarbleRun.MarbleCert.Cert }}",
                 "client.key": "{{ pem .MarbleRun.MarbleCert.Private }}",
                 "ca.crt": "{{ pem .MarbleRun.RootCA.Cert }}"}
        manifest["Marbles"]["gateway"] = {
            "Package": "adyton-gateway",
            "Parameters": {"Files": {str(self.directory / "gateway" / name): value
                                     for name, value in files.items()}}}
        return json.dumps(manifest).encode()

    def set_secrets(self, master):
        encode = lambda data: base64.b64encode(data).decode()  # noqa: E731
        token, operator = (hashlib.sha256(one).hexdigest() for one in (b"token", b"operator"))
        plain = {"pool_master_key_hash": self.key["hash"],
                 "relayer_secret_key": near_key(), "approver_secret_key": near_key(),
                 "internal_wallet_auth_token": "an internal token of 16 bytes or more",
                 "coordinator_token_hashes": token,
                 "operator_token_hashes": operator, "keystore_auth_token": "token"}
        keys = {"pool_master_key": master, "compute_master_key": os.urandom(32),
                "keystore_master_secret": self.keystore_secret}
        self.call("POST", "/api/v2/secrets", {"secrets": {
            **{name: {"Key": encode(value)} for name, value in keys.items()},
            **{name: {"Key": encode(value.encode())} for name, value in plain.items()}}})

    def public_key(self):
        """What an operator notes who makes the master key offline: its public key and hash."""
        plain = self.world.pool(data=self.directory / "offline", POOL_MASTER_KEY=self.master.hex())
        out = Client(plain.port).get("/master-key").json
        check(plain.terminate() == 0, "ends")
        return out

    def call(self, method, path, body=None):
        context = ssl._create_unverified_context()
        if (self.directory / "operator.crt").exists():
            context.load_cert_chain(str(self.operator) + ".crt", str(self.operator) + ".key")
        connection = http.client.HTTPSConnection("127.0.0.1", self.api, context=context, timeout=20)
        with contextlib.closing(connection):
            connection.request(method, path, json.dumps(body) if body is not None else None,
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            check(answer.status == 200, method, path, answer.status, text[:500])
            return json.loads(text)["data"]

    def marble(self, kind, name, *arguments, pin=None, **more):
        """A server object of `adyton marble --type KIND ... -- ARGUMENTS`."""
        environment = self.world.clean_environment(
            EDG_MARBLE_COORDINATOR_ADDR="127.0.0.1:%d" % self.mesh, EDG_MARBLE_TYPE=kind,
            EDG_MARBLE_DNS_NAMES="localhost", EDG_MARBLE_UUID_FILE=str(self.directory / name),
            POOL_MASTER_KEY="the host's own, which must not count", **more)
        return self.world.server(
            ["marble", "--type", kind, "--attempts", "3", "--coordinator-root-sha256",
             pin or self.pin, "--files-directory", str(self.directory / "gateway"), "--",
             *arguments], environment)

    def serve(self, kind, service, *more):
        base = harness.free_port_base(2)
        data = self.directory / service
        policy = self.directory / "policy.toml"
        policy.write_text(POLICY)
        self.world.run("migrate", "--data-dir", str(data))
        server = self.marble(
            kind, service + ".uuid", "serve", service, "--data-dir", str(data), "--listen",
            "127.0.0.1:%d" % base, "--metrics-listen", "127.0.0.1:%d" % (base + 1),
            "--set", "policy.file=" + str(policy), *more)
        server.port, server.metrics_port, server.data = base, base + 1, data
        return server.start().wait_ready()

    def gateway(self):
        """The TLS context of a marble that took its credentials as files."""
        directory = self.directory / "gateway"
        if not directory.exists():
            directory.mkdir(mode=0o700)
            server = self.marble("gateway", "gateway.uuid", "config", "reference").start()
            check(server.process.wait(30) == 0, server.log_text()[-2000:])
        context = ssl.create_default_context(cafile=str(directory / "ca.crt"))
        context.load_cert_chain(str(directory / "client.crt"), str(directory / "client.key"))
        return context


@case
def OurServicesAreActivatedAndTalkOverTheCertificates(world, binary):
    deployment = Deployment(binary, world)
    pool = deployment.serve("accountpool", "pool")
    keystore = deployment.serve("keystore", "keystore")
    tls = deployment.gateway()
    client = Client(pool.port, None, tls)
    held = client.request(2)
    check(all(one["locked_by"] == "gateway" for one in held["accounts"]), held)
    check(client.sign(held["accounts"][0]["id"], harness.digest_of(1)).status == 200, "signs")
    claims = client.get("/master-key").json["attestation"]["claims"]
    check(claims["coordinator_root_sha256"] == deployment.pin, claims)
    check(len(claims["tls_spki_sha256"]) == 64, claims)
    answer = Client(keystore.port, None, tls).get("/info")
    check(answer.status == 200 and answer.json["identity_mode"] == "strict", answer)
    # Without a certificate of this Coordinator there is no way in.
    try:
        context = ssl._create_unverified_context()
        refused = Client(pool.port, None, context).get("/pool-info").status != 200
    except (OSError, http.client.HTTPException):
        refused = True
    check(refused, "a stranger was let in")
    compute = deployment.serve("confidential", "compute")
    check(Client(compute.port, None, tls).get("/info").json["identity_mode"] == "strict", "compute")
    chain = world.dev()
    coordinator = deployment.serve(
        "coordinator", "coordinator", "--set", "near.rpc_urls=http://127.0.0.1:%d" % (chain.base + 6),
        "--set", "coordinator.keystore_url=https://127.0.0.1:%d" % keystore.port,
        "--set", "coordinator.relayer_account=relayer.test.near",
        "--set", "coordinator.approver_account=approver.test.near")
    answer = Client(coordinator.port, None, tls).get("/attestation")
    check(answer.json["claims"]["coordinator_root_sha256"] == deployment.pin, answer)
    for server in (pool, keystore, compute, coordinator):
        check(server.terminate() == 0, "ends")


@case
def TheKeyIsTheManifestsNotTheHosts(world, binary):
    deployment = Deployment(binary, world)
    pool = deployment.serve("accountpool", "pool")
    seen = Client(pool.port, None, deployment.gateway()).get("/master-key").json["pubkey"]
    check(seen == deployment.key["pubkey"], "another key")


@case
def ARenewalKeepsTheUuidAndAChangedKeyStopsTheService(world, binary):
    deployment = Deployment(binary, world)
    pool = deployment.serve("accountpool", "pool")
    uuid = (deployment.directory / "pool.uuid").read_text()
    client = Client(pool.port, None, deployment.gateway())
    before = client.get("/master-key").json["attestation"]["claims"]["tls_spki_sha256"]
    pool.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "certificates and trust reloaded" in pool.log_text(), 30, "a renewal")
    client = Client(pool.port, None, deployment.gateway())
    after = client.get("/master-key").json["attestation"]["claims"]["tls_spki_sha256"]
    check(before != after, "the certificate is the same")
    check((deployment.directory / "pool.uuid").read_text() == uuid, "the UUID changed")
    deployment.set_secrets(os.urandom(32))
    pool.process.send_signal(signal.SIGHUP)
    pool.process.wait(40)
    check("an activation brought other secrets" in pool.log_text(), pool.log_text()[-2000:])


@case
def AnotherCoordinatorIsRefused(world, binary):
    deployment = Deployment(binary, world)
    (deployment.directory / "gateway").mkdir()
    server = deployment.marble("accountpool", "uuid", "config", "reference", pin="00" * 32).start()
    check(server.process.wait(30) == 1, "accepted")
    check("coordinator_pin" in server.log_text(), server.log_text()[-2000:])
    unknown = deployment.marble("nobody", "uuid2", "config", "reference").start()
    check(unknown.process.wait(30) == 1 and "activation_refused" in unknown.log_text(),
          unknown.log_text()[-2000:])


@case
def WhatTheCoordinatorGaveIsInNoCore(world, binary):
    """Frames, records and messages of the activation are wiped; the environment shows nothing."""
    deployment = Deployment(binary, world)
    pool = deployment.serve("accountpool", "pool")
    client = Client(pool.port, None, deployment.gateway())
    held = client.request(1)
    client.sign(held["accounts"][0]["id"], harness.digest_of(1))
    hidden = {"the master key": deployment.master, "the keystore's": deployment.keystore_secret}
    environment = pathlib.Path("/proc/%d/environ" % pool.pid).read_bytes() if not os.geteuid() else b""
    check(b"must not count" not in environment and b"127.0.0.1" not in environment, environment)
    secrets_test.assert_absent("its log", pool.log.read_bytes(), hidden)
    if shutil.which("gcore") is None or os.geteuid() != 0:
        print("NOT RUN: the core image (needs gcore and root)")
        return
    done = subprocess.run(["gcore", "-o", str(world.directory / "core"), str(pool.pid)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    found = list(world.directory.glob("core.*"))
    if done.returncode != 0 or not found:
        print("NOT RUN: the core image (gcore cannot read the process here)")
        return
    image = found[0].read_bytes()
    check(held["accounts"][0]["id"].encode() in image, "the core does not hold the heap")
    secrets_test.assert_absent("the core", image, hidden)


def run(function, binary):
    started = time.monotonic()
    failure = None
    with tempfile.TemporaryDirectory(prefix="adyton-marblerun.") as directory:
        path = pathlib.Path(directory)
        try:
            with contextlib.ExitStack() as stack:
                function(harness.World(path, stack), binary)
        except Exception:
            failure = traceback.format_exc()
            for log in sorted(path.glob("*.log")):
                failure += "\n--- %s\n%s" % (
                    log.name, "\n".join(log.read_text(errors="replace").splitlines()[-15:]))
    seconds = time.monotonic() - started
    print("%s: %s (%.1f s)" % ("FAILED" if failure else "passed", function.__name__, seconds))
    if failure:
        print(failure)
    return failure, seconds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--coordinator", required=True)
    parser.add_argument("--report")
    options = parser.parse_args()
    suite = ElementTree.Element("testsuite", name="marblerun")
    failed = 0
    for function in CASES:
        failure, seconds = run(function, options.coordinator)
        one = ElementTree.SubElement(
            suite, "testcase", classname="marblerun", name=function.__name__, time="%.3f" % seconds)
        if failure:
            failed += 1
            ElementTree.SubElement(one, "failure").text = failure
    suite.set("tests", str(len(CASES)))
    suite.set("failures", str(failed))
    if options.report:
        ElementTree.ElementTree(suite).write(options.report)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
