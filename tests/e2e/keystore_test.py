#!/usr/bin/env python3
"""The NEAR keystore: signing checked by an independent reader, exact limits through kills."""

import base64
import hashlib
import hmac
import json
import random
import re
import ssl
import struct
import subprocess
import threading

import crypto_check
from harness import Authority, Client, audit_records, check, free_port_base, main, scenario

SECRET = "f1805c8761626aaaf2c1d3937a70ee5ddcfabf6594c49c1222d2de714a4807c6"
WALLET = "3f0c9a52-6b1e-4c55-9f4d-2f6a5b7c8d90"
ADDRESS = "3dbd65008e759901162d60b00bb99d87900ff0455a63d0d9164f6a26ade7f96e"
TOKEN = "an-e2e-coordinator-token"
OPERATOR = "an-e2e-operator-token"
CAP = 5000
POLICY = {
    "limits": {"daily": {"native": str(CAP)}},
    "rules": [{"name": "calls", "effect": "allow", "operations": ["call"],
               "receivers": ["count.near"]}]}


def sha256_hex(text):
    return hashlib.sha256(text.encode()).hexdigest()


class Keystore(Client):
    """A caller with a bearer token."""

    def __init__(self, port, token=TOKEN, **more):
        super().__init__(port, service=None, **more)
        self.token = token

    def call(self, method, path, body=None, headers=None, raw=None):
        sent = {"Authorization": "Bearer " + self.token} if self.token else {}
        sent.update(headers or {})
        return super().call(method, path, body, sent, raw)


def keystore(world, data=None, start=True, migrate=True):
    """`adyton serve keystore` in development identity, ready."""
    base = free_port_base(2)
    data = data or world.directory / "keystore"
    if migrate:
        world.run("migrate", "--data-dir", str(data))
    server = world.server(
        ["serve", "keystore", "--listen", "127.0.0.1:%d" % base, "--data-dir", str(data),
         "--metrics-listen", "127.0.0.1:%d" % (base + 1), "--identity", "development"],
        world.clean_environment(
            KEYSTORE_MASTER_SECRET=SECRET,
            ALLOWED_COORDINATOR_TOKEN_HASHES=sha256_hex(TOKEN),
            ALLOWED_OPERATOR_TOKEN_HASHES=sha256_hex(OPERATOR)))
    server.port, server.metrics_port, server.data = base, base + 1, data
    if start:
        server.start().wait_ready()
    return server


def delegate(nonce, deposit="0", **more):
    body = {"wallet_id": WALLET, "sender_id": ADDRESS, "receiver_id": "count.near",
            "method_name": "increase", "args_json": "{\"by\":1}", "gas": 30000000000000,
            "deposit": deposit, "nonce": nonce, "max_block_height": 194854180}
    body.update(more)
    return body


# ----- an independent reader of what was signed ------------------------------------------------------


class Borsh:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        piece = self.data[self.at:self.at + count]
        check(len(piece) == count, "the bytes end early")
        self.at += count
        return piece

    def number(self, size):
        return int.from_bytes(self.take(size), "little")

    def text(self):
        return self.take(self.number(4)).decode()


def read_signed_delegate(data):
    borsh = Borsh(data)
    out = {"sender_id": borsh.text(), "receiver_id": borsh.text()}
    check(borsh.number(4) == 1, "one action")
    check(borsh.number(1) == 2, "a function call")
    out["method_name"] = borsh.text()
    out["args"] = borsh.take(borsh.number(4)).decode()
    out["gas"], out["deposit"] = borsh.number(8), borsh.number(16)
    out["nonce"], out["max_block_height"] = borsh.number(8), borsh.number(8)
    check(borsh.number(1) == 0, "an Ed25519 key")
    out["key"] = borsh.take(32)
    out["payload"] = data[:borsh.at]
    check(borsh.number(1) == 0, "an Ed25519 signature")
    out["signature"] = borsh.take(64)
    check(borsh.at == len(data), "nothing behind it")
    return out


def openssl_verifies(directory, key, message, signature):
    """By the openssl command, not by Adyton."""
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


# ----- scenarios ----------------------------------------------------------------------------------


@scenario
def KeystoreSignsWhatAnIndependentReaderReads(world):
    server = keystore(world)
    client = Keystore(server.port)
    check(Keystore(server.port, token=None).get("/health").json["status"] == "ok")
    seed = hmac.new(bytes.fromhex(SECRET), ("wallet:%s:near" % WALLET).encode(),
                    hashlib.sha256).digest()
    check(len(seed) == 32)
    derived = client.must("POST", "/wallet/derive-address", {"wallet_id": WALLET, "chain": "near"})
    check(derived == {"address": ADDRESS, "public_key": "ed25519:" + ADDRESS}, derived)
    asked = delegate(1776712345678901, "5")
    answer = client.must("POST", "/wallet/sign-nep366-delegate", asked)
    made = read_signed_delegate(base64.b64decode(answer["signed_delegate_base64"], validate=True))
    for name in ("sender_id", "receiver_id", "method_name", "gas", "nonce", "max_block_height"):
        check(made[name] == asked[name], name, made)
    check(made["args"] == asked["args_json"] and made["deposit"] == 5, made)
    check(made["key"].hex() == ADDRESS, "the wallet's key")
    tagged = struct.pack("<I", 2 ** 30 + 366) + made["payload"]
    digest = hashlib.sha256(tagged).digest()
    check(openssl_verifies(world.directory, made["key"], digest, made["signature"]), "valid")
    check(not openssl_verifies(world.directory, made["key"], bytes(32), made["signature"]))
    check(server.terminate() == 0, "SIGTERM ends it with 0")


@scenario
def KeystoreRefusesWithTheContractsForm(world):
    server = keystore(world)
    client = Keystore(server.port)
    for status, answer in (
            (401, Keystore(server.port, token=None).post("/wallet/derive-address", {})),
            (401, Keystore(server.port, token="a-token-nobody-knows").post("/wallet/create", {})),
            (400, client.post("/wallet/sign-nep366-delegate", delegate(1, gas=0))),
            (400, client.post("/wallet/sign-nep366-delegate", delegate(1, args_base64="e30="))),
            (400, client.post("/wallet/sign-nep366-delegate", raw=b"{")),
            (403, client.post("/wallet/freeze", {"wallet_id": WALLET})),
            (404, client.post("/wallet/sign-transaction", {"tx_bytes_base64": "AAAA"})),
            (500, client.post("/wallet/sign-near-transfer",
                              {"wallet_id": WALLET, "receiver_id": "b.near", "amount": "1"}))):
        check(answer.status == status, status, answer)
        check(list(answer.json) == ["error"] and answer.json["error"], answer)


@scenario
def KeystoreStrictNeedsTls(world):
    data = world.directory / "strict"
    world.run("migrate", "--data-dir", str(data))
    done = world.try_run(
        "serve", "keystore", "--data-dir", str(data), "--listen", "127.0.0.1:0",
        KEYSTORE_MASTER_SECRET=SECRET, ALLOWED_COORDINATOR_TOKEN_HASHES=sha256_hex(TOKEN))
    check(done.returncode == 1 and "TLS" in done.stderr, done.stderr)
    check(SECRET not in done.stderr + done.stdout, "the secret is not shown")


@scenario
def KeystoreSpeaksTlsWithTokens(world):
    """Strict: the server proves itself by a certificate, the caller by a token."""
    authority = Authority(world.directory / "pki")
    certificate, key = authority.issue("keystore", san="IP:127.0.0.1", usage="serverAuth")
    data, base = world.directory / "strict", free_port_base(2)
    world.run("migrate", "--data-dir", str(data))
    server = world.server(
        ["serve", "keystore", "--listen", "127.0.0.1:%d" % base, "--data-dir", str(data),
         "--metrics-listen", "127.0.0.1:%d" % (base + 1), "--set",
         "tls.certificate=file:%s" % certificate, "--set", "tls.key=file:%s" % key],
        world.clean_environment(
            KEYSTORE_MASTER_SECRET=SECRET,
            ALLOWED_COORDINATOR_TOKEN_HASHES=sha256_hex(TOKEN)))
    server.port, server.metrics_port = base, base + 1
    server.start().wait_ready()
    tls = ssl.create_default_context(cafile=str(authority.certificate))
    client = Keystore(server.port, tls=tls)
    check(client.must("POST", "/wallet/derive-address",
                      {"wallet_id": WALLET, "chain": "near"})["address"] == ADDRESS)
    refused = client.post("/wallet/sign-nep366-delegate", delegate(1))
    check(refused.status == 403 and "no policy" in refused.json["error"], refused)
    check(Keystore(server.port, "a-token-nobody-knows", tls=tls).post(
        "/wallet/create", {}).status == 401)
    check(SECRET not in server.log_text(), "the secret is not logged")


@scenario
def KeystoreLimitsAreExactThroughKills(world):
    """Eight callers spend one allowance while the process is killed; each knows what it was told."""
    server = keystore(world)
    Keystore(server.port, OPERATOR).must(
        "POST", "/wallet/policy/put", {"wallet_id": WALLET, "policy": POLICY})
    amounts = {nonce: random.Random(nonce).randrange(1, 60) for nonce in range(1, 401)}
    answers, lock = {}, threading.Lock()
    queue = list(amounts)

    def spend():
        client = Keystore(server.port, timeout=5)
        while True:
            with lock:
                if not queue:
                    return
                nonce = queue.pop()
            while nonce not in answers:
                try:
                    answer = client.post(
                        "/wallet/sign-nep366-delegate", delegate(nonce, str(amounts[nonce])))
                except Exception:  # killed: ask again, the same words
                    continue
                if answer.status in (200, 403):
                    with lock:
                        answers[nonce] = answer

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(6):
        threads[0].join(0.25)
        server.kill()
        server.start().wait_ready()
    for thread in threads:
        thread.join(120)
    check(len(answers) == len(amounts), "every caller was answered")
    spent = sum(amounts[nonce] for nonce in answers if answers[nonce].status == 200)
    check(spent <= CAP, "the cap is passed:", spent)
    client = Keystore(server.port)
    for nonce, answer in answers.items():
        if answer.status == 200:
            again = client.post(
                "/wallet/sign-nep366-delegate", delegate(nonce, str(amounts[nonce])))
            check(again.body == answer.body, "the same request, the same signature", nonce)
        else:
            check(amounts[nonce] > CAP - spent, "something that fits was refused", nonce)
    rest = client.post("/wallet/sign-nep366-delegate", delegate(10 ** 6, str(CAP - spent)))
    check(rest.status == 200, "the rest fits", rest)
    check(client.post("/wallet/sign-nep366-delegate", delegate(10 ** 6 + 1, "1")).status == 403)
    export = Keystore(server.port, OPERATOR).get("/audit/export").body
    world.verify_audit(export)
    signed = [json.loads(record["body"]) if isinstance(record["body"], str) else record["body"]
              for record in audit_records(export, "keystore.sign")]
    check(len({one["payload_hash"] for one in signed}) == len(signed), "each is signed once")


@scenario
def KeystoreWalletsFromTheCommandLine(world):
    server = world.dev()
    url = "http://127.0.0.1:%d" % (server.base + 3)
    made = json.loads(world.run("wallet", "create", "--id", "treasury", "--url", url))
    check(made["created"] and re.fullmatch("[0-9a-f]{64}", made["address"]), made)
    shown = json.loads(world.run("wallet", "address", "treasury", "--url", url))
    check(shown["address"] == made["address"], shown)
    policy = world.directory / "policy.json"
    policy.write_text(json.dumps(POLICY))
    stored = json.loads(
        world.run("wallet", "policy", "put", "treasury", str(policy), "--url", url))
    check(stored["version"] == 1, stored)
    action = json.dumps({"type": "transfer", "to": "bob.near", "amount": "1"})
    tested = json.loads(
        world.run("wallet", "policy", "test", "treasury", "--action", action, "--url", url))
    check(tested["outcome"] == "denied", tested)
    exported = world.run("wallet", "policy", "export", "treasury", "--url", url)
    (world.directory / "exported.json").write_text(exported)
    check(json.loads(world.run(
        "wallet", "policy", "import", str(world.directory / "exported.json"), "--url",
        url))["version"] == 2)
    check(json.loads(world.run(
        "wallet", "freeze", "treasury", "--reason", "drill", "--url", url))["changed"])
    client = Keystore(server.base + 3, "adyton-dev-coordinator-token")
    refused = client.post("/wallet/sign-nep366-delegate", delegate(
        1, wallet_id="treasury", sender_id=made["address"]))
    check(refused.status == 403 and "drill" in refused.json["error"], refused)
    world.run("wallet", "unfreeze", "treasury", "--url", url)
    check(client.post("/wallet/sign-nep366-delegate", delegate(
        1, wallet_id="treasury", sender_id=made["address"])).status == 200)
    rotated = json.loads(world.run("wallet", "rotate", "treasury", "--url", url))
    check(rotated["key_version"] == 2 and rotated["address"] != made["address"], rotated)
    # One listener shows what every service of this process counts.
    shown = Client(server.base + 4).get("/metrics").body.decode()
    for line in ('adyton_keystore_signatures_total{service="keystore"} 1',
                 'adyton_keystore_refusals_total{service="keystore"} 1',
                 "adyton_pool_signatures_total 0"):
        check("\n%s\n" % line in shown, line, shown)
    check(shown.count("# TYPE adyton_http_requests_total ") <= 1, "each family once")
    check(server.terminate() == 0, "SIGTERM ends everything with 0")


def base58(data):
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = crypto_check.BASE58[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def approver_key(directory, name, curve):
    """A key made by openssl: the file for `--key`, and the public key as a policy names it."""
    pem, file = directory / (name + ".pem"), directory / (name + ".key")
    wanted = (["-algorithm", "ED25519"] if curve == "ed25519" else
              ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"])
    subprocess.run(["openssl", "genpkey", *wanted, "-out", str(pem)], check=True,
                   stderr=subprocess.DEVNULL)
    if curve == "ed25519":
        der = subprocess.check_output(["openssl", "pkey", "-in", str(pem), "-outform", "DER"])
        public = subprocess.check_output(
            ["openssl", "pkey", "-in", str(pem), "-pubout", "-outform", "DER"])[-32:]
        secret = der[-32:]
    else:
        text = subprocess.check_output(["openssl", "ec", "-in", str(pem), "-text", "-noout"],
                                       stderr=subprocess.DEVNULL, text=True)
        digits = re.sub(r"[\s:]", "", text.split("priv:")[1].split("pub:")[0])
        secret = int(digits, 16).to_bytes(32, "big")
        public = subprocess.check_output(
            ["openssl", "ec", "-in", str(pem), "-pubout", "-conv_form", "compressed", "-outform",
             "DER"], stderr=subprocess.DEVNULL)[-33:]
    file.write_text("%s:%s\n" % (curve, base58(secret)))
    file.chmod(0o600)
    return str(file), "%s:%s" % (curve, base58(public))


@scenario
def KeystoreApproversOfBothCurvesLetOneOperationPass(world):
    """Two of three, with keys made by openssl; then that operation passes once, and no other."""
    server = world.dev()
    url = "http://127.0.0.1:%d" % (server.base + 3)
    made = json.loads(world.run("wallet", "create", "--id", "vault", "--url", url))
    ann, ann_key = approver_key(world.directory, "ann", "ed25519")
    ben, ben_key = approver_key(world.directory, "ben", "p256")
    _, cid_key = approver_key(world.directory, "cid", "p256")
    policy = world.directory / "quorum.json"
    policy.write_text(json.dumps({
        "version": 1, "default": "deny",
        "rules": [{"name": "gate", "effect": "allow", "operations": ["call"],
                   "receivers": ["count.near"]}],
        "approval": {"required": 2, "approvers": [
            {"id": "ann", "key": ann_key}, {"id": "ben", "key": ben_key},
            {"id": "cid", "key": cid_key}]}}))
    world.run("wallet", "policy", "put", "vault", str(policy), "--url", url)
    client = Keystore(server.base + 3, "adyton-dev-coordinator-token")

    def ask(nonce):
        return client.post("/wallet/sign-nep366-delegate", delegate(
            nonce, wallet_id="vault", sender_id=made["address"]))

    refused = ask(7)
    check(refused.status == 403 and "requires 2 approvals, 0 given" in refused.json["error"],
          refused)
    listed = json.loads(world.run("wallet", "approvals", "list", "vault", "--url", url))
    request = listed["approvals"][0]["id"]
    check(request in refused.json["error"], request, refused)
    world.run("wallet", "approvals", "approve", request, "--as", "ann", "--key", ann, "--url", url)
    check("1 given" in ask(7).json["error"], "ann alone")
    again = world.try_run("wallet", "approvals", "approve", request, "--as", "ann", "--key", ann,
                          "--url", url)
    check("1 given" in ask(7).json["error"], "twice ann is one", again)
    stranger = world.try_run("wallet", "approvals", "approve", request, "--as", "cid", "--key", ben,
                             "--url", url)
    check(stranger.returncode == 1, "ben is not cid", stranger)
    world.run("wallet", "approvals", "approve", request, "--as", "ben", "--key", ben, "--url", url)
    signed = ask(7)
    check(signed.status == 200, signed)
    check(ask(7).body == signed.body, "the same request, the same signature")
    check(ask(8).status == 403, "another operation needs approvals of its own")
    other = json.loads(world.run("wallet", "approvals", "list", "vault", "--url", url))
    pending = [one["id"] for one in other["approvals"] if one["id"] != request][0]
    for name, key in (("ann", ann), ("ben", ben)):
        world.run("wallet", "approvals", "reject", pending, "--as", name, "--key", key, "--url",
                  url)
    check("rejected" in ask(8).json["error"], "two rejections end it")


if __name__ == "__main__":
    main()
