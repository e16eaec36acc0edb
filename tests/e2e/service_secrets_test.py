#!/usr/bin/env python3
"""Where secrets must not be, for keystore, compute and coordinator (the pool: secrets_test.py):
environment, arguments, answers, logs, files and a core image, after the start and under load. What
they derive is derived here too, by the documented rules."""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import uuid

from dev_test import WORKFLOW_JOB
from harness import BINARY, Client, Crowd, check, free_port_base, main, scenario
from keystore_test import Keystore, delegate
from secrets_test import (ALPHABET, assert_absent, core_image, files_below, process_file)


def hkdf(master, salt, info):
    prk = hmac.new(salt.encode(), master, hashlib.sha256).digest()
    return hmac.new(prk, info.encode() + b"\1", hashlib.sha256).digest()


def base58_bytes(text):
    number = 0
    for letter in text:
        number = number * 58 + ALPHABET.index(letter)
    return number.to_bytes(64, "big")


def serve(world, service, settings=(), **environment):
    """`adyton serve SERVICE` in development identity, its secrets given by environment."""
    base = free_port_base(2)
    data = world.directory / service
    world.migrate(data)
    arguments = ["serve", service, "--listen", "127.0.0.1:%d" % base, "--data-dir", str(data),
                 "--metrics-listen", "127.0.0.1:%d" % (base + 1), "--identity", "development"]
    for setting in settings:
        arguments += ["--set", setting]
    server = world.server(arguments, world.clean_environment(**environment))
    server.port, server.metrics_port, server.data = base, base + 1, data
    return server.start().wait_ready()


def check_outside(server, secrets, variables):
    """Everything but the memory of a running service."""
    if os.geteuid() == 0:
        environment = process_file(server, "environ")
        for name in variables:
            for entry in environment.split(b"\0"):
                check(not entry.startswith(name.encode() + b"=") or
                      set(entry[len(name) + 1:]) <= {0}, name, "is still in the environment")
        assert_absent("its environment", environment, secrets)
        assert_absent("its arguments", process_file(server, "cmdline"), secrets)
    plain = Client(server.port, service=None)
    for path in ("/info", "/attestation", "/openapi.json", "/health", "/no-such-route"):
        assert_absent(path, plain.get(path).body, secrets)
    plain.post("/no-such-route", raw=b"{")  # errors are logged too
    assert_absent("the log", server.log.read_bytes(), secrets)
    for path in files_below(server.data):
        assert_absent(path.name, path.read_bytes(), secrets)


def check_memory(world, server, secrets, marker, work, callers=4):
    """A core after the start and another while callers do `work(index, stopping)`."""
    image = core_image(world, server.pid)
    check(marker in image, "the core does not hold the heap")
    assert_absent("the core after the start", image, secrets)
    crowd = Crowd(callers, work)
    image = core_image(world, server.pid)
    crowd.stop()
    assert_absent("the core under load", image, secrets)


@scenario
def TheKeystoresSecretsAreNowhere(world):
    master = os.urandom(32)
    token = "e2e-" + uuid.uuid4().hex
    wallets = [str(uuid.uuid4()) for _ in range(4)]
    secrets = {"the master secret": master}
    for wallet in wallets:
        seed = hmac.new(master, ("wallet:%s:near" % wallet).encode(), hashlib.sha256).digest()
        secrets["the key of " + wallet] = seed
    server = serve(world, "keystore", KEYSTORE_MASTER_SECRET=master.hex(),
                   ALLOWED_COORDINATOR_TOKEN_HASHES=hashlib.sha256(token.encode()).hexdigest())

    def address(client, wallet):
        return client.must("POST", "/wallet/derive-address", {"wallet_id": wallet, "chain": "near"})

    client = Keystore(server.port, token)
    addresses = [address(client, wallet)["address"] for wallet in wallets]

    def sign(client, index, nonce):
        answer = client.post("/wallet/sign-nep366-delegate", delegate(
            nonce, wallet_id=wallets[index], sender_id=addresses[index]))
        check(answer.status == 200, answer)

    def work(index, stopping):
        mine, nonce = Keystore(server.port, token), 100
        while not stopping.is_set():
            nonce += 1
            sign(mine, index, nonce)

    for index in range(4):
        sign(client, index, 1)
    check_outside(server, secrets, ["KEYSTORE_MASTER_SECRET"])
    check_memory(world, server, secrets, addresses[0].encode(), work)
    check_outside(server, secrets, [])


@scenario
def ComputesSecretsAreNowhere(world):
    master = os.urandom(32)
    secrets = {
        "the master key": master,
        "the signing key of the seed": hkdf(master, "neocompute-signing-key", "tee-result-signing"),
        "the jobs' master": hkdf(master, "adyton/compute-jobs/v1", "aes-256-gcm"),
        "the secrets' key": hkdf(master, "adyton/compute-secrets/v1", "aes-256-gcm"),
        "the receipts' Ed25519 key": hkdf(master, "adyton/receipt/v1", "ed25519"),
        "the sealing key": hkdf(master, "adyton/compute-sealing/v1", "x25519")}
    n = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    number = int.from_bytes(hkdf(master, "adyton/receipt/v1", "p256"), "big")
    secrets["the receipts' P-256 key"] = (number % (n - 1) + 1).to_bytes(32, "big")
    server = serve(world, "compute", COMPUTE_MASTER_KEY=master.hex())
    user = {"X-User-ID": "user-" + uuid.uuid4().hex}
    stored = os.urandom(24)
    client = Client(server.port, service=None)
    answer = client.call("PUT", "/secrets/hidden", {
        "value": stored.hex(), "any_code": True, "exportable": False}, user)
    check(answer.status == 201, answer)

    def execute(client):
        answer = client.call("POST", "/execute", {
            "script": "function main() { return { size: secrets.hidden.length }; }",
            "secret_refs": ["hidden"]}, user)
        check(answer.status == 200 and answer.json["output"] == {"size": 48}, answer)

    def work(_, stopping):
        mine = Client(server.port, service=None)
        while not stopping.is_set():
            execute(mine)

    execute(client)
    outside = dict(secrets, **{"a user's secret": stored})
    check_outside(server, outside, ["COMPUTE_MASTER_KEY"])
    check_memory(world, server, secrets, user["X-User-ID"].encode(), work)
    check_outside(server, outside, [])


@scenario
def TheCoordinatorsSecretsAreNowhere(world):
    """A keystore and a coordinator of their own on the chain of `adyton dev`; workflows run."""
    chain = world.dev()
    texts = {name: (chain.data / "coordinator" / (name + ".key")).read_text().strip()
             for name in ("relayer", "approver")}
    token = "e2e-" + uuid.uuid4().hex
    operator = "adyton-dev-operator-token"  # what the command line shows on this machine
    rpc = "http://127.0.0.1:%d" % (chain.base + 6)
    info = Client(chain.base, service=None).get("/info").json
    near = ["near.rpc_urls=" + rpc, "near.network=adyton-local"]
    keystore = serve(
        world, "keystore", near, KEYSTORE_MASTER_SECRET=os.urandom(32).hex(),
        ALLOWED_COORDINATOR_TOKEN_HASHES=hashlib.sha256(token.encode()).hexdigest(),
        ALLOWED_OPERATOR_TOKEN_HASHES=hashlib.sha256(operator.encode()).hexdigest())
    coordinator = serve(
        world, "coordinator", near + ["coordinator.gates=" + info["gates"][0]["gate_id"]],
        KEYSTORE_URL="http://127.0.0.1:%d" % keystore.port, KEYSTORE_AUTH_TOKEN=token,
        INTERNAL_WALLET_AUTH_TOKEN="adyton-dev-internal-wallet-token",
        RELAYER_ACCOUNT_ID=info["relayer"], RELAYER_SECRET_KEY=texts["relayer"],
        APPROVER_ACCOUNT_ID=info["approver"], APPROVER_SECRET_KEY=texts["approver"])
    secrets = {}
    for name, text in texts.items():
        key = base58_bytes(text.split(":")[1])
        secrets["the %s's seed" % name] = key[:32]
        secrets["the %s's text" % name] = text.split(":")[1].encode()
    secrets["the evidence key"] = hkdf(secrets["the approver's seed"],
                                       "adyton/workflow-evidence/v1", "ed25519")
    check_outside(coordinator, secrets, ["RELAYER_SECRET_KEY", "APPROVER_SECRET_KEY",
                                         "KEYSTORE_AUTH_TOKEN"])

    def job():
        done = subprocess.run(
            [sys.executable, str(WORKFLOW_JOB), "--coordinator",
             "http://127.0.0.1:%d" % coordinator.port, "--keystore",
             "http://127.0.0.1:%d" % keystore.port, "--near-rpc", rpc, "--adyton", BINARY],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240)
        check(done.returncode == 0, done.stdout)

    def work(_, stopping):
        while not stopping.is_set():
            job()

    job()
    check_memory(world, coordinator, secrets, info["relayer"].encode(), work, callers=1)
    check_outside(coordinator, secrets, [])
    assert_absent("the keystore's log", keystore.log.read_bytes(), secrets)


if __name__ == "__main__":
    main()
