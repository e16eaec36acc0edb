#!/usr/bin/env python3
"""Webhooks of a coordinator, received and verified by somebody else; and its benchmark."""

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time

from harness import Client, check, free_port_base, main, scenario, wait_until

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
TOKEN = "internal-token-of-the-e2e-tests"
WALLET = {"X-Internal-Wallet-Auth": TOKEN, "X-Wallet-Id": "treasury"}


def is_ours(headers, body, secret, now):
    """As docs/coordinator.md tells receivers to do it."""
    key = base64.b64decode(secret[len("whsec_"):])
    if abs(now - int(headers["webhook-timestamp"])) > 300:
        return False
    text = b"%s.%s.%s" % (
        headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body)
    wanted = "v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(one, wanted)
               for one in headers["webhook-signature"].split(" "))


class Receiver:
    """Keeps what it gets; answers with the statuses it was told, then 200."""

    def __init__(self, world, statuses=()):
        self.got, self.statuses = [], list(statuses)
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append((dict(self.headers.items()), body, time.time()))
                self.send_response(outer.statuses.pop(0) if outer.statuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d/hook" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        world.stack.callback(self.server.shutdown)


def coordinator(world, receiver, more=""):
    """`adyton serve coordinator` with a receiver of webhooks; nothing it needs beside it answers."""
    base = free_port_base(2)
    directory = world.directory / "coordinator"
    directory.mkdir()
    for name, text in (
            ("internal.token", TOKEN), ("keystore.token", "keystore-token-of-the-e2e-tests"),
            ("hook.secret", SECRET + "\n"),
            # RFC 8032, test 1: everybody knows it.
            ("near.key", "ed25519:" + base58(bytes.fromhex(
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")))):
        path = directory / name
        path.touch(mode=0o600)
        path.write_text(text)
    config = directory / "adyton.toml"
    config.write_text("""
[near]
rpc_urls = ["http://127.0.0.1:1"]
network = "adyton-local"
[coordinator]
keystore_url = "http://127.0.0.1:1"
keystore_token = {file = "%(at)s/keystore.token"}
internal_token = {file = "%(at)s/internal.token"}
relayer_account = "relayer.sequential.near"
relayer_key = {file = "%(at)s/near.key"}
approver_account = "approver.sequential.near"
approver_key = {file = "%(at)s/near.key"}
[coordinator.webhooks.ops]
url = "%(url)s"
wallets = ["treasury"]
secret = {file = "%(at)s/hook.secret"}
%(more)s
""" % {"at": directory, "url": receiver.url, "more": more})
    arguments = ["--config", str(config), "--data-dir", str(directory / "data")]
    world.run("migrate", *arguments)
    server = world.server(
        ["serve", "coordinator", *arguments, "--listen", "127.0.0.1:%d" % base,
         "--metrics-listen", "127.0.0.1:%d" % (base + 1), "--identity", "development"],
        world.clean_environment())
    server.port, server.metrics_port = base, base + 1
    return server


def base58(data):
    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    number = int.from_bytes(data, "big")
    out = ""
    while number:
        number, digit = divmod(number, 58)
        out = alphabet[digit] + out
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + out


def reject_one(client, key):
    """A request that ends at once: it is rejected."""
    answer = client.call(
        "POST", "/wallet/v1/workflows/execute",
        {"idempotency_key": key, "steps": [{"kind": "unheard.of"}]}, headers=WALLET)
    check(answer.status == 400 and answer.json["status"] == "rejected", answer)
    return answer.json["request_id"]


@scenario
def AWebhookArrivesSignedAndAgainUntilItIsTaken(world):
    receiver = Receiver(world, statuses=[500])
    server = coordinator(world, receiver, "private_addresses = true").start().wait_ready()
    client = Client(server.port, service=None)
    request = reject_one(client, "k1")
    wait_until(lambda: len(receiver.got) >= 2, 60, "two attempts")
    first, second = receiver.got[:2]
    check(first[0]["webhook-id"] == second[0]["webhook-id"], "the same id")
    check(first[1] == second[1], "the same body")
    for headers, body, now in receiver.got:
        check(is_ours(headers, body, SECRET, now), "signed by us", headers)
        check(not is_ours(headers, body + b" ", SECRET, now), "a changed body is noticed")
        other = "whsec_" + base64.b64encode(bytes(32)).decode()
        check(not is_ours(headers, body, other, now), "another secret is noticed")
        check(not is_ours(headers, body, SECRET, now + 301), "an old one is refused")
    told = json.loads(first[1])
    check(told["type"] == "workflow.rejected", told)
    check(told["data"]["request_id"] == request and told["data"]["wallet_id"] == "treasury", told)

    def delivered():
        listed = client.call("GET", "/wallet/v1/webhooks", headers=WALLET).json["webhooks"]
        return len(listed) == 1 and listed[0]["state"] == "delivered" and listed[0]

    row = wait_until(delivered, 20, "delivered")
    listed = client.call("GET", "/wallet/v1/webhooks", headers=WALLET).json["webhooks"]
    check(listed[0]["attempts"] == 2 and listed[0]["last_http_status"] == 200, listed, row)
    check(SECRET not in server.log_text() and TOKEN not in server.log_text(), "no secret is logged")
    check(server.terminate() == 0, "SIGTERM ends it with 0")


@scenario
def AWebhookToAPrivateAddressIsNotSent(world):
    receiver = Receiver(world)
    server = coordinator(world, receiver).start().wait_ready()
    client = Client(server.port, service=None)
    reject_one(client, "k1")

    def refused():
        listed = client.call("GET", "/wallet/v1/webhooks", headers=WALLET).json["webhooks"]
        return len(listed) == 1 and listed[0]["attempts"] >= 1

    wait_until(refused, 30, "an attempt")
    listed = client.call("GET", "/wallet/v1/webhooks", headers=WALLET).json["webhooks"]
    check(listed[0]["state"] == "pending" and listed[0]["last_http_status"] is None, listed)
    check(receiver.got == [], "nothing was sent")


@scenario
def AWebhookSurvivesKillMinusNine(world):
    receiver = Receiver(world, statuses=[503])
    server = coordinator(world, receiver, "private_addresses = true").start().wait_ready()
    reject_one(Client(server.port, service=None), "k1")
    wait_until(lambda: receiver.got, 30, "an attempt")
    server.kill()
    server.start().wait_ready()
    wait_until(lambda: len(receiver.got) >= 2, 60, "another attempt")
    check(receiver.got[0][0]["webhook-id"] == receiver.got[-1][0]["webhook-id"], "the same id")
    check(receiver.got[0][1] == receiver.got[-1][1], "the same body")


@scenario
def AReceiverThatCannotBeUsedStopsTheStart(world):
    receiver = Receiver(world)
    for index, (more, word) in enumerate((
            ("events = [\"workflow.planned\"]", "workflow.planned"), ("color = \"red\"", "color"),
            ("private_addresses = 1", "private_addresses"), ("ca = {file = \"/none\"}", "/none"))):
        if index > 0:
            (world.directory / "coordinator").rename(world.directory / ("before%d" % index))
        server = coordinator(world, receiver, more).start()
        check(server.process.wait(60) == 1, more)
        said = server.log_text()
        check("coordinator.webhooks" in said or word == "/none", more, said)
        check(word in said, more, said)
        check(SECRET not in said, "no secret is shown")


@scenario
def TheBenchmarkOfWorkflowsRuns(world):
    said = world.run("bench", "coordinator", "--quick", "--json", "--dir", str(world.directory),
                     timeout=280)
    rows = {row["name"]: row for row in json.loads(said)}
    check(set(rows) == {"planner", "duplicates", "workflows", "gate_busy_share"}, rows)
    check(rows["gate_busy_share"]["ratio"] >= 0.9, rows["gate_busy_share"])
    check("bound" in rows["gate_busy_share"]["notes"], rows["gate_busy_share"])
    check("one record, one batch" in rows["duplicates"]["notes"], rows["duplicates"])
    check(rows["planner"]["served_per_s"] > 0, rows["planner"])
    table = world.run("bench", "coordinator", "--quick", "--only", "planner", "--dir",
                      str(world.directory))
    check(table.startswith("measurement") and "planner" in table, table)


if __name__ == "__main__":
    main()
